"""Images that are on the server already: named by a path under an allowed folder, read and never written.

No name leads out of its folder, by `..` or by a link: each part of the path is opened by itself, without following
links, and what is read afterwards is what was opened, whatever the names mean by then. So it is for each file of an
OME-Zarr. A TIFF that takes planes from other files is refused: its text could name any.

What remains: a hard link is a file like any other. Where the system opens nothing from a folder's handle (Windows), the
names are looked at before and after the reading, and who may write in the root can swap them between.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from bioimg_fiji.errors import ParameterError
from bioimg_fiji.files import read_opened
from bioimg_fiji.files.source import ZarrSource
from bioimg_fiji.image import Image

_FOLDER = getattr(os, "O_DIRECTORY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe is opened at once, and seen to be no file
_BY_HANDLE = os.open in os.supports_dir_fd


def place(text: str, roots: Mapping[str, Path]) -> tuple[str, str]:
    """Give the root and the path in it that `ROOT/path` names; whether it is there shows when it is read.

    Raises
    ------
    ParameterError
        When there is no such root, or the path would lead out of it.
    """
    name, _, rest = text.replace("\\", "/").partition("/")
    parts = PurePosixPath(rest).parts
    if name not in roots:
        known = ", ".join(f"server:{each}/..." for each in sorted(roots)) or "none: start it with --root NAME=FOLDER"
        raise ParameterError.of(
            "The path of an image on the server", "under one of its roots", text, fix=f"Roots: {known}."
        )
    if not parts or ".." in parts or PurePosixPath(rest).is_absolute() or "\0" in rest or ":" in parts[0]:
        raise _outside(text)
    return str(roots[name]), "/".join(parts)


def read(root: str, path: str) -> Image:
    """Read an image under a root.

    Raises
    ------
    ParameterError
        When it is not there, or a part of its path is a link.
    FileFormatError
        When it is no image.
    """
    try:
        return (_read_by_handle if _BY_HANDLE else _read_by_name)(Path(root), path)
    except OSError as error:
        raise ParameterError(
            f"The image server:.../{path} cannot be read: {error.strerror or error}.",
            fix="Name a file that is there, by a path without links.",
        ) from error


def open_below(folder: int, path: str) -> int:
    """Open what a path names below an open folder, and give its handle; OSError where a part of it is a link."""
    *folders, name = path.split("/")
    if ".." in (*folders, name):
        raise OSError(None, "it leads out of its folder")
    here = os.dup(folder)
    try:
        for each in folders:
            inner = os.open(each, os.O_RDONLY | _FOLDER | _NO_FOLLOW, dir_fd=here)
            os.close(here)
            here = inner
        return os.open(name, os.O_RDONLY | _NO_FOLLOW | _NO_WAIT, dir_fd=here)
    finally:
        os.close(here)


def _read_by_handle(root: Path, path: str) -> Image:
    with contextlib.ExitStack() as stack:
        top = os.open(root, os.O_RDONLY | _FOLDER)
        stack.callback(os.close, top)
        handle = open_below(top, path)
        stack.callback(os.close, handle)
        mode = os.fstat(handle).st_mode
        if stat.S_ISREG(mode):
            with os.fdopen(os.dup(handle), "rb") as file:
                return read_opened(file, PurePosixPath(path).name)
        if not stat.S_ISDIR(mode):
            raise OSError(None, "it is no file")
        from bioimg_fiji.server.linkless import LinklessStore

        folder = _checked(root, path)
        return ZarrSource(folder, LinklessStore(folder, handle)).whole()


def _read_by_name(root: Path, path: str) -> Image:
    found = _checked(root, path)
    if found.is_dir():
        image = ZarrSource(found).whole()
    else:
        with found.open("rb") as file:
            image = read_opened(file, found.name)
    _checked(root, path)
    return image


def _checked(root: Path, path: str) -> Path:
    """Give the path where no part of it, and nothing in a folder at its end, is a link."""
    current = root
    for part in path.split("/"):
        current /= part
        if current.is_symlink():
            raise OSError(None, f"{part} is a link")
    current.stat()
    if current.is_dir() and any(each.is_symlink() for each in current.rglob("*")):
        raise OSError(None, "it has links in it")
    if not current.resolve().is_relative_to(root.resolve()):
        raise OSError(None, "it is outside its root")
    return current


def _outside(text: str) -> ParameterError:
    return ParameterError.of(
        "The path of an image on the server", "below its root", text, fix="Write server:ROOT/path, without '..'."
    )
