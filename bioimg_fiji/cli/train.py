"""`bioimg-fiji train METHOD IMAGE...`: every method of every command that trains, on files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bioimg_fiji.cli.options import check_sent, given, image_of, is_many, options_for
from bioimg_fiji.cli.terminal import Terminal
from bioimg_fiji.client.where import run_at
from bioimg_fiji.commands import Command, find
from bioimg_fiji.commands.gathering import read_target
from bioimg_fiji.commands.parameters import SERVER
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.files import check_target, write_image
from bioimg_fiji.files.ome_zarr import is_zarr

_HELP = """Train a model on images, and save it as a bioimage.io model package.

METHOD is one of the denoisers, or care (restoration from pairs), or segmentation. IMAGE is one file or several, a
folder, an OME-Zarr, or a text file with a path on each line. Ctrl-C finishes with the best state so far; a second one
cancels, and --resume goes on from there.
"""

_TARGET = "What an image should become (care), or its label image (segmentation); as many as images, or a folder."


def commands_by_method() -> dict[str, Command]:
    """Give the command behind each method."""
    denoiser = find("train_denoiser")
    methods = denoiser.describe()["schema"]["properties"]["method"]["enum"]
    return dict.fromkeys(methods, denoiser) | {
        "care": find("train_restoration"),
        "segmentation": find("train_segmentation"),
    }


def train_line() -> click.Command:
    """Make the command line."""
    methods = commands_by_method()
    options: dict[str, click.Parameter] = {}
    for command in dict.fromkeys(methods.values()):
        for option in options_for(command, leave_out=("method", "apply", "source", "target_source")):
            options.setdefault(str(option.name), option)
    arguments: list[click.Parameter] = [
        click.Argument(["method"], type=click.Choice(list(methods))),
        click.Argument(["image"], nargs=-1, required=True, type=click.Path(path_type=Path)),
    ]
    more = [
        click.Option(["--target"], multiple=True, type=click.Path(path_type=Path), help=_TARGET),
        click.Option(["--output"], type=click.Path(path_type=Path), help="Run the model on IMAGE too, into this file."),
    ]
    return click.Command("train", params=[*arguments, *more, *options.values()], callback=_train, help=_HELP)


def _train(method: str, image: tuple[Path, ...], target: tuple[Path, ...], output: Path | None, **values: Any) -> None:
    command = commands_by_method()[method]
    options = given(values)
    for name in options:
        if name not in {*command.parameters.model_fields, SERVER}:
            raise ParameterError.of(f"--{name.replace('_', '-')}", f"left out: {method} has no such option", name)
    if output is not None:
        check_target(output)
        if len(image) > 1 or _is_source(image[0]):
            raise ParameterError.of(
                "--output",
                "left out where there are several images",
                str(output),
                fix="Train first, then use bioimg-fiji run MODEL FOLDER RESULTS.",
            )
    if "method" in command.parameters.model_fields:
        options["method"] = method
    chosen = _inputs(image, target, command, options)
    terminal = Terminal()
    with terminal.job(finishable=True) as job:
        done = run_at(command, {"apply": output is not None, **chosen, **options}, job)
    if output is not None:
        for name, each in done.images.items():
            path = output if name == "output" else output.with_name(f"{output.name.split('.')[0]}-{name}.tif")
            terminal.out.print(str(write_image(each, path)), markup=False)
    terminal.result(done)


def _inputs(
    images: Sequence[Path], targets: Sequence[Path], command: Command, options: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Give the images and their targets under the command's keys."""
    if targets and "target" not in command.parameters.model_fields:
        raise ParameterError.of(
            "--target",
            "left out: this method learns from the images alone",
            str(targets[0]),
            fix="To learn from pairs, choose care; from label images, segmentation.",
        )
    if len(images) == 1 and _is_source(images[0]):
        check_sent(images[0], options)
        return {"source": images[0]} | ({"target_source": targets[0]} if targets else {})
    for folder in filter(is_many, targets):
        raise ParameterError.of(
            "--target",
            "a file for each image, where IMAGE is no folder and no list",
            str(folder),
            fix="Name the folder of the images, whose targets have the same names; or the target of each image.",
        )
    if len(images) == 1 and len(targets) <= 1:
        found: dict[str, Any] = {"image": image_of(images[0], options)}
        return found | ({"target": image_of(targets[0], options, read_target)} if targets else {})
    return {
        "images": tuple(image_of(path, options) for path in images),
        **({"targets": tuple(image_of(path, options, read_target) for path in targets)} if targets else {}),
    }


def _is_source(path: Path) -> bool:
    return is_zarr(path) or is_many(path)
