"""A lock that its holder's death frees: how a server knows whether another one lives."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class LockFile:
    """A file that at most one process holds.

    A process id in a file would be wrong as soon as the number is used again, or seen from another container; the
    operating system frees a lock with the process that held it, however that one ended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def acquire(self) -> bool:
        """Take the lock if nobody has it; give whether it is ours now."""
        while self._handle is None:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            try:
                _lock(handle)
                # The last holder removes the file: a lock on a removed one would shut nobody out.
                if os.path.samestat(os.fstat(handle), self.path.stat()):
                    self._handle = handle
            except FileNotFoundError:
                pass
            except (BlockingIOError, PermissionError):
                return False
            finally:
                if self._handle is None:
                    os.close(handle)
        return True

    def release(self) -> None:
        """Give the lock back and remove the file."""
        if self._handle is not None:
            with contextlib.suppress(OSError):  # Windows keeps a file that is open
                self.path.unlink()
            os.close(self._handle)
            self._handle = None


def locked_by_java(path: Path) -> bool:
    """Whether Java holds this file by a `FileLock`, which on Unix is another kind of lock than `LockFile`'s."""
    try:
        handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return False
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    finally:
        os.close(handle)
    return False


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
