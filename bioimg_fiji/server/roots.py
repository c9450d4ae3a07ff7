"""Images that are on the server already: named by a path under an allowed folder, read and never written.

No name leads out of its folder, by `..` or by a link: each part of the path is opened by itself, without following
links, and what is read afterwards is what was opened, whatever the names mean by then.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from bioimg_fiji.errors import ParameterError
from bioimg_fiji.files import read_image
from bioimg_fiji.image import Image

_FOLDER = getattr(os, "O_DIRECTORY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BY_HANDLE = sys.platform == "linux" and os.open in os.supports_dir_fd


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
    with _opened(Path(root), path) as file:
        return read_image(file)


@contextlib.contextmanager
def _opened(root: Path, path: str) -> Iterator[Path]:
    """Give a path by which the file can be read, once it is known to be no way out."""
    try:
        if not _BY_HANDLE:
            yield _checked(root, path)
            return
        handles = [os.open(root, os.O_RDONLY | _FOLDER)]
        try:
            *folders, name = path.split("/")
            for folder in folders:
                handles.append(os.open(folder, os.O_RDONLY | _FOLDER | _NO_FOLLOW, dir_fd=handles[-1]))
            handles.append(os.open(name, os.O_RDONLY | _NO_FOLLOW | os.O_NONBLOCK, dir_fd=handles[-1]))
            if stat.S_ISREG(os.fstat(handles[-1]).st_mode):
                yield from _named(handles[-1], name)
            else:
                yield _checked(root, path)  # an OME-Zarr is a folder of files
        finally:
            for handle in handles:
                os.close(handle)
    except OSError as error:
        raise ParameterError(
            f"The image server:.../{path} cannot be read: {error.strerror or error}.",
            fix="Name a file that is there, by a path without links.",
        ) from error


def _named(handle: int, name: str) -> Iterator[Path]:
    """Give an open file under its name: readers tell the format by it."""
    with tempfile.TemporaryDirectory(prefix="bioimg-fiji-") as folder:
        link = Path(folder) / name
        link.symlink_to(f"/proc/{os.getpid()}/fd/{handle}")
        yield link


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
