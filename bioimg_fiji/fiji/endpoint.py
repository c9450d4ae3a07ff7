"""Which Fiji is opened: the one that is named, else one that is found, else ImageJ from Maven Central."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from bioimg_fiji import settings
from bioimg_fiji.errors import EndpointError

EMBEDDED = "embedded"
"""Plain ImageJ from Maven Central."""

_COORDINATE = re.compile(r"[\w.-]+:[\w.-]+(:[\w.-]+)*(\+[\w.-]+:[\w.-]+(:[\w.-]+)*)*")
_WINDOWS_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def find_endpoint(given: str | os.PathLike[str] | None = None) -> str:
    """Give the endpoint that `open_fiji` takes: a folder, Maven coordinates or "embedded".

    In this order: `given`; the variable BIOIMG_FIJI_ENDPOINT; the settings file; a Fiji in one of the usual places;
    "embedded".

    Raises
    ------
    EndpointError
        When what is named is neither a Fiji folder nor Maven coordinates.
    """
    named = str(settings.get("endpoint", None if given is None else os.fspath(given)))
    if named:
        return _checked(named)
    return next((str(folder) for folder in usual_places() if is_fiji_folder(folder)), EMBEDDED)


def is_fiji_folder(folder: Path) -> bool:
    """Tell a Fiji (or ImageJ2) by its content: ImageJ's jar in jars/, and plugins/. The folder's name says nothing."""
    jars = folder / "jars"
    return (folder / "plugins").is_dir() and jars.is_dir() and any(_is_imagej(jar.name) for jar in jars.glob("ij*.jar"))


def usual_places() -> Iterator[Path]:
    """Give the folders where a Fiji is looked for, the most likely first."""
    home = Path.home()
    parents = [home, home / "Desktop", home / "Downloads", home / "Applications", home / "bin"]
    if sys.platform == "darwin":
        parents = [Path("/Applications"), *parents]
    elif sys.platform == "win32":
        parents += [Path(os.environ.get("PROGRAMFILES", "C:/Program Files")), Path("C:/")]
    else:
        parents += [Path("/opt"), Path("/usr/local"), Path("/usr/local/share"), Path("/usr/share")]
    for parent in parents:
        for name in ("Fiji.app", "Fiji", "fiji", "Fiji/Fiji.app", "Fiji/fiji", "fiji/Fiji.app", "ImageJ2.app"):
            yield parent / name
        # Fiji's own zip files unpack to names with a version or a platform.
        yield from sorted(parent.glob("[Ff]iji[-_]*")) if parent.is_dir() else ()


def _checked(named: str) -> str:
    if named == EMBEDDED:
        return named
    folder = Path(named).expanduser()
    if folder.is_dir():
        return str(_fiji_in(folder))
    looks_like_path = "/" in named or "\\" in named or _WINDOWS_DRIVE.match(named) or named.startswith("~")
    if not looks_like_path and _COORDINATE.fullmatch(named):
        return named
    kind = "folder" if looks_like_path else "folder, nor Maven coordinates"
    raise EndpointError(
        f"{named!r} is no {kind}.",
        fix='Name the folder of a Fiji, Maven coordinates such as sc.fiji:fiji, or "embedded".',
        endpoint=named,
    )


def _fiji_in(folder: Path) -> Path:
    """Give the folder itself, or the Fiji folder right inside it (a zip file unpacked into a folder of its own)."""
    for candidate in (folder, *sorted(child for child in folder.iterdir() if child.is_dir())):
        if is_fiji_folder(candidate):
            return candidate.absolute()
    raise EndpointError(
        f"{folder} is not a Fiji: it has no jars/ with ImageJ's jar beside plugins/.",
        fix='Name the folder that holds jars and plugins, or "embedded".',
        endpoint=str(folder),
    )


def _is_imagej(name: str) -> bool:
    return re.fullmatch(r"ij(-\d[\w.]*)?\.jar", name) is not None
