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

from bioimg_fiji.cli.options import check_sent, given, options_for
from bioimg_fiji.cli.terminal import Terminal
from bioimg_fiji.client.where import run_at
from bioimg_fiji.commands import Result, find
from bioimg_fiji.commands.gathering import LISTS, read_target
from bioimg_fiji.commands.result import Table
from bioimg_fiji.errors import ParameterError, storage_error
from bioimg_fiji.files import read_image, whole
from bioimg_fiji.files.ome_zarr import is_zarr

EXIT_FAILED = 1
_WILD = "*?["
_HELP = """Compare images with the truth, or without one with the raw images.

IMAGE is one file or several, a folder, a pattern such as "results/*.tif", or a list of files (the truth's behind a
tab). --truth and --raw are a file, or a folder with files of the same names. A row for each image, and a summary; ends
with 1 where an image could not be measured.
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
    axes, first = values.get("axes"), image[0]
    wild = len(image) == 1 and not first.exists() and any(letter in first.name for letter in _WILD)
    if wild:
        if "pattern" in values:
            raise ParameterError.of("--pattern", "left out: IMAGE is a pattern itself", values["pattern"])
        first, image, values["pattern"] = first.parent, [first.parent], first.name
    if len(image) == 1 and not _is_source(first):
        found = {"image": read_image(first, axes)}
        yield found | {name: read_target(path, axes) for name, path in others.items()}
        return
    check_sent(first, values)
    sources = {f"{name}_source" if name in ("truth", "raw") else name: path for name, path in others.items()}
    if len(image) == 1:
        yield {"source": first, **sources}
        return
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "images.txt"
        listed.write_text("".join(f"{path.absolute()}\n" for path in image), "utf-8")
        yield {"source": listed, **sources}


def _is_source(path: Path) -> bool:
    return (path.is_dir() and not is_zarr(path)) or path.suffix.lower() in LISTS


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
    blank = {
        name: dataclasses.replace(table, rows=tuple(tuple("" if c is None else c for c in row) for row in table.rows))
        for name, table in done.tables.items()
    }
    return dataclasses.replace(done, figures=figures, tables=blank)
