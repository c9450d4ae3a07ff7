"""`bioimg-fiji evaluate IMAGE... --truth TRUTH`: images of files, folders and patterns against their truth."""

from __future__ import annotations

import csv
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from bioimg_fiji.cli.options import check_sent, given, image_of, is_many, options_for
from bioimg_fiji.cli.terminal import Terminal
from bioimg_fiji.client.where import run_at
from bioimg_fiji.commands import Result, find
from bioimg_fiji.commands.gathering import read_target
from bioimg_fiji.commands.result import Table
from bioimg_fiji.errors import ParameterError, storage_error
from bioimg_fiji.files import whole

EXIT_FAILED = 1
_WILD = "*?["
_HELP = """Compare images with the truth, or without one with the raw images.

IMAGE is one file or several, a folder, a pattern such as "results/*.tif", or a list of files (the truth's behind a
tab). --truth and --raw are a file, or a folder with files of the same names; --lower and --upper go with one image.
A row for each image, and a summary; ends with 1 where an image could not be measured.
"""


def evaluate_line() -> click.Command:
    """Make the command line."""
    left_out = ("source", "truth_source", "raw_source")
    place = click.Path(path_type=Path)
    parameters: list[click.Parameter] = [
        click.Argument(["image"], nargs=-1, required=True, type=place),
        click.Option(["--truth"], type=place, help="What the image should be; or the folder of the truths."),
        click.Option(["--raw"], type=place, help="The image before processing; or the folder of these."),
        click.Option(["--lower"], type=place, help="Lower bound of an interval for each pixel."),
        click.Option(["--upper"], type=place, help="Its upper bound."),
        click.Option(["--csv", "table"], type=place, help="Write the table of the images to this file too."),
        *options_for(find("evaluate"), leave_out=left_out),
    ]
    return click.Command("evaluate", params=parameters, callback=_evaluate, help=_HELP)


def _evaluate(image: tuple[Path, ...], table: Path | None, **options: Any) -> int:
    values = given(options)
    others: dict[str, Path] = {name: values.pop(name) for name in ("truth", "raw", "lower", "upper") if name in values}
    if table is not None and not table.absolute().parent.is_dir():  # told before hours of work, not after
        raise storage_error("Writing", table, FileNotFoundError(2, "there is no such folder"))
    terminal = Terminal()
    with _chosen(image, others, values) as chosen, terminal.job() as job:
        done = run_at(find("evaluate"), {**values, **chosen}, job)
    if table is not None:
        write_csv(done.tables["results"], table)
        done = dataclasses.replace(done, files={**done.files, "table": table})
    terminal.result(_readable(done))
    return EXIT_FAILED if done.partial else 0


@contextmanager
def _chosen(image: Sequence[Path], others: dict[str, Path], values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the images under the command's keys."""
    first = image[0]
    wild = len(image) == 1 and not first.exists() and any(letter in first.name for letter in _WILD)
    if wild:
        if "pattern" in values:
            raise ParameterError.of("--pattern", "left out: IMAGE is a pattern itself", values["pattern"])
        first, image, values["pattern"] = first.parent, [first.parent], first.name
    sources = [path for path in (*image, *others.values()) if is_many(path)]
    if len(image) == 1 and not sources:
        found = {"image": image_of(first, values)}
        yield found | {name: image_of(path, values, read_target) for name, path in others.items()}
        return
    check_sent(sources[0] if sources else first, values)
    _check_no_bounds(others)
    named = {f"{name}_source": path for name, path in others.items()}
    if len(image) == 1 and is_many(first):
        yield {"source": first, **named}
        return
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "images.txt"
        listed.write_text("".join(f"{path.absolute()}\n" for path in image), "utf-8")
        yield {"source": listed, **named}


def _check_no_bounds(others: dict[str, Path]) -> None:
    """Refuse bounds where there are several images: they have no names to find them by."""
    for name in ("lower", "upper"):
        if name in others:
            raise ParameterError.of(
                f"--{name}",
                "left out where there are several images, or folders",
                str(others[name]),
                fix="Evaluate one image after the other, each with the files of its truth and of its two bounds.",
            )


def write_csv(table: Table, path: Path) -> None:
    """Write a table, its units in brackets."""
    units = table.units or [""] * len(table.columns)
    head = [f"{name} ({unit})" if unit else name for name, unit in zip(table.columns, units, strict=True)]

    def write(part: Path) -> None:
        with part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([head, *table.rows])

    whole(path, write)


def _readable(done: Result) -> Result:
    """Leave out the figures that the summary has."""
    if "summary" not in done.tables:
        return done
    figures = {name: value for name, value in done.figures.items() if name in ("kind", "rows", "failed")}
    return dataclasses.replace(done, figures=figures)
