"""Parts of an image on their way, and whether it pays to compress them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from bioimg_fiji.server.coding import Coding
from bioimg_fiji.server.wire import blocks, crc_text

_TRY_EVERY = 16
"""After so many parts the other way is tried again: networks change."""

_LEAST = 1 << 18
"""Bytes of a part whose time tells something of the network."""


@dataclass(frozen=True)
class Part:
    """A part of an image: where it begins, its size, that of the whole, and the CRC-32 of all up to its end."""

    start: int
    size: int
    whole: int
    crc: int

    @property
    def range(self) -> str:
        """Give it as the header Range has it."""
        return f"bytes={self.start}-{self.start + self.size - 1}"

    def headers(self, data: memoryview) -> dict[str, str]:
        """Give the headers with which its bytes are sent."""
        return {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"bytes {self.start}-{self.start + self.size - 1}/{self.whole}",
            "X-CRC32": crc_text(zlib.crc32(data)),
            "X-CRC32-Whole": crc_text(self.crc),
        }


def cut(pixels: npt.NDArray[Any], size: int) -> Iterator[memoryview]:
    """Give the bytes of pixels in parts of this size, the last one perhaps smaller, however they lie in memory."""
    waiting = bytearray()
    for block in blocks(pixels, size):
        if not waiting and len(block) == size:
            yield block
            continue
        waiting += block
        while len(waiting) >= size:
            yield memoryview(bytes(waiting[:size]))
            del waiting[:size]
    if waiting:
        yield memoryview(bytes(waiting))


class Ways:
    """The two ways that a part may go, as it is or compressed: the one that was faster when both were last tried.

    Whether compressing pays depends on the network, the processors at both ends and the image; nothing tells it as
    well as the time that the last parts took.
    """

    def __init__(self) -> None:
        self._speeds: dict[bool, float] = {}
        self._count = 0

    def choose(self, itemsize: int) -> Coding | None:
        """Give the encoding of the next part; None for none."""
        compress = False
        if len(self._speeds) == 1:
            compress = False in self._speeds
        elif self._speeds:
            faster = self._speeds[True] > self._speeds[False]
            compress = faster if self._count % _TRY_EVERY else not faster
        return Coding("zstd", itemsize if itemsize in (1, 2, 4, 8) else 1) if compress else None

    def took(self, coding: Coding | None, size: int, seconds: float) -> None:
        """Take note of how long a part took."""
        if size >= _LEAST:
            self._count += 1
            self._speeds[coding is not None] = size / max(seconds, 1e-9)
