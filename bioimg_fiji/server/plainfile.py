"""The server's own files, opened without following a link that somebody has put in their place."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_SOMETHING_ELSE = (errno.ELOOP, errno.EISDIR, errno.ENXIO)
"""What the system says of a link, a folder, and a pipe without another end."""

_HANDLES = Path("/dev/fd")


def open_plain(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a file that is one: no link, no pipe (which would have us wait for its other end), no device.

    Raises
    ------
    FileNotFoundError
        When it is not there, or is something else.
    OSError
        When it cannot be opened.
    """
    try:
        handle = os.open(path, flags | _SAFELY)
    except OSError as error:
        if error.errno in _SOMETHING_ELSE:
            raise FileNotFoundError(error.errno, error.strerror, str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FileNotFoundError(errno.ENOENT, "It is no plain file", str(path))
    return handle


def plain_size(path: Path) -> int:
    """Give the size of a plain file, 0 where there is none."""
    try:
        found = path.lstat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def empty(path: Path) -> None:
    """Give back what a file takes, if it is a plain one."""
    handle = open_plain(path, os.O_WRONLY)
    try:
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


class PlainFile(FileResponse):
    """An answer with a file that is opened here and now, and not by its name again while it is sent.

    Raises
    ------
    OSError
        As `open_plain`.
    """

    def __init__(self, path: Path, **more: Any) -> None:
        self._handle = open_plain(path)
        # By the handle's own name, where the system has such names: what stands at the path may change meanwhile.
        name = _HANDLES / str(self._handle)
        super().__init__(name if name.exists() else path, stat_result=os.fstat(self._handle), **more)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and close the handle."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            os.close(self._handle)
