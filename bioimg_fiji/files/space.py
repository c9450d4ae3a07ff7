"""Room on a disk for pixels: asked for before the work, and reserved where the system can."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from bioimg_fiji import settings
from bioimg_fiji.errors import StorageError, no_space

_ZEROS = bytes(1 << 23)


def check_space(what: str, folder: Path, needed: int, promised: int = 0) -> None:
    """Check that a disk has room.

    Parameters
    ----------
    what
        What is to be written, for the message.
    folder
        A folder on that disk.
    needed, promised
        Bytes that are to be written, and those that others have been promised.

    Raises
    ------
    StorageError
        When there are fewer; the text says how many are missing.
    """
    free = shutil.disk_usage(folder).free - promised
    if needed > free:
        raise in_cache(no_space(what, folder, needed, free), folder)


def in_cache(error: StorageError, folder: Path, elsewhere: str = "") -> StorageError:
    """Name the variable of a folder that is in the cache, whose own name tells users nothing.

    Parameters
    ----------
    error
        The error; its fix is changed.
    folder
        What it is about.
    elsewhere
        The fix of a folder that is not in the cache; left out, the error's own.
    """
    cache = settings.cache_folder()
    if folder.is_relative_to(cache):
        error.fix += f" BIOIMG_FIJI_CACHE names {cache}; start ImageJ, or the server, again after a change."
    elif elsewhere:
        error.fix = elsewhere
    return error


def reserve(path: Path, size: int) -> None:
    """Give a file its size, and its place on the disk: a full disk is told now.

    Writing to a mapped file that has no place yet would be the end of this process.

    Raises
    ------
    OSError
        When the disk is full.
    """
    with path.open("rb+") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        elif sys.platform != "win32":  # macOS leaves holes; Windows none
            file.seek(0, os.SEEK_END)
            while (missing := size - file.tell()) > 0:
                file.write(_ZEROS[:missing])
        file.truncate(size)
