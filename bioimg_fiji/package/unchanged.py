"""What was read from files, for as long as the files stay as they were."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

_SETTLED = 2.0
"""Seconds for which a file must have rested before it was read: a change in the same tick of its clock is not seen."""

_Stamp = tuple[int, int, int, int]


class Unchanged(Generic[T]):
    """The values that were read last, each with the stamps of the files that it was read from.

    A file is taken for unchanged by its number, its size and both its times; the time of its last change of state is
    the system's, and no program can set it.

    Parameters
    ----------
    size
        How many values are kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: collections.OrderedDict[Path, tuple[dict[Path, _Stamp], T]] = collections.OrderedDict()

    def get(self, key: Path) -> T | None:
        """Give the value that was kept under a name, if all its files are unchanged."""
        stamps, value = self._known.get(key, ({}, None))
        try:
            return value if all(_stamp(file) == stamp for file, stamp in stamps.items()) else None
        except OSError:
            return None

    def keep(self, key: Path, value: T, files: Iterable[Path], started: float) -> None:
        """Keep a value that was read from these files, unless one of them is too new to tell its changes.

        Parameters
        ----------
        started
            When the reading began (`time.time`).
        """
        try:
            stamps = {file: _stamp(file) for file in files}
        except OSError:
            return
        if max(max(stamp[2:]) for stamp in stamps.values()) / 1e9 < started - _SETTLED:
            self._known[key] = stamps, value
            self._known.move_to_end(key)
            while len(self._known) > self._size:
                self._known.popitem(last=False)


def _stamp(file: Path) -> _Stamp:
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
