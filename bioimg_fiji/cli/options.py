"""Options of the command line, made from a command's schema: one declaration, no second list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from bioimg_fiji.commands import Command
from bioimg_fiji.commands.gathering import LISTS
from bioimg_fiji.commands.parameters import ON_SERVER, SERVER
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.files import read_image
from bioimg_fiji.files.ome_zarr import is_zarr
from bioimg_fiji.image import Image
from bioimg_fiji.remote.named import LOCAL

TYPES: dict[str, click.ParamType[Any]] = {
    "integer": click.INT,
    "number": click.FLOAT,
    "boolean": click.BOOL,
    "string": click.STRING,
}


def options_for(command: Command, leave_out: Iterable[str] = ()) -> list[click.Parameter]:
    """Make one `--key` per parameter that is no image, but those in `leave_out`.

    An option that was not given is not passed on: the declaration's default holds.
    """
    properties: Mapping[str, Any] = command.describe()["schema"]["properties"]
    required = command.describe()["schema"]["required"]
    left_out = set(leave_out)
    return [
        _option(name, entry, required=name in required)
        for name, entry in properties.items()
        if not (entry.get("x-image") or entry.get("x-images")) and name not in left_out
    ]


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the options that were given on the line."""
    return {name: value for name, value in values.items() if value is not None}


def is_elsewhere(options: Mapping[str, Any]) -> bool:
    """Whether the line names a server, to which its images have to be sent."""
    return str(options.get(SERVER) or LOCAL) != LOCAL


def image_of(
    name: str | Path, options: Mapping[str, Any], read: Callable[[Path, str | None], Image] = read_image
) -> Image | str:
    """Read an image, with the axes that the line tells; one that the named server has stays a name.

    Raises
    ------
    ParameterError
        When the name is one of a server's images, and the line names no server.
    FileFormatError, AxesError
        As `bioimg_fiji.files.read_image`.
    """
    text = str(name)
    if not text.startswith(ON_SERVER):
        return read(Path(text), options.get("axes"))
    if not is_elsewhere(options):
        raise ParameterError.of(
            "IMAGE",
            "a file of this computer where no server is named",
            text,
            fix="Name the server that has it: --server NAME (of `bioimg-fiji call`: server=NAME).",
        )
    return text


def is_many(path: Path) -> bool:
    """Whether a path stands for several images: a folder that is no OME-Zarr, or a list."""
    return (path.is_dir() and not is_zarr(path)) or path.suffix.lower() in LISTS


def check_sent(path: Path, options: Mapping[str, Any]) -> None:
    """Refuse a folder or a list of images where they would be looked for on a named server (ParameterError)."""
    if is_elsewhere(options):
        raise ParameterError.of(
            "IMAGE",
            f"one image where --server is {options[SERVER]}: folders and lists are not sent",
            str(path),
            fix=f"Give one image after the other. Those that the server has are named {ON_SERVER}ROOT/path.",
        )


def _option(name: str, entry: Mapping[str, Any], *, required: bool) -> click.Option:
    unit = f" [{entry['x-unit']}]" if "x-unit" in entry else ""
    default = f" Default: {str(entry['default']).lower()}." if "default" in entry else ""
    kind: click.ParamType[Any] = TYPES[entry.get("type", "string")]
    if "enum" in entry:
        kind = click.Choice([str(choice) for choice in entry["enum"]])
    elif entry.get("x-widget"):
        kind = click.Path(path_type=Path)
    flag = "--" + name.replace("_", "-")
    declarations = [flag, name]
    if entry.get("type") == "boolean":
        declarations = [f"{flag}/--no-{flag[2:]}", name]
    text = f"{entry['description']}{unit}{default}"
    if required:  # NB: click takes an explicit default, even None, for a value that was given
        return click.Option(declarations, type=kind, required=True, help=text)
    return click.Option(declarations, type=kind, default=None, help=text)
