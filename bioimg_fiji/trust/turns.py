"""The turned image: mirrored along axes, rows and columns exchanged; and the way back.

Lives here: geometry of pixels that are read by parts. Lives not here: which turns suit a model (spread).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from bioimg_fiji.files.source import Array, MemorySource, Place, Source, phantom
from bioimg_fiji.image import Image

_BLOCK = 1 << 22
"""Pixels that are processed at once."""


@dataclass(frozen=True)
class Turn:
    """One of the ways to lay an image: y and x exchanged first, then mirrored along some axes (letters)."""

    exchanged: bool = False
    mirrored: str = ""

    @property
    def back(self) -> Turn:
        """The turn that undoes it."""
        swapped = {"y": "x", "x": "y"} if self.exchanged else {}
        return Turn(self.exchanged, "".join(swapped.get(letter, letter) for letter in self.mirrored))

    def original(self, letter: str) -> str:
        """Give the axis of the original that lies along an axis of the turned image."""
        return {"y": "x", "x": "y"}.get(letter, letter) if self.exchanged else letter


PLAIN = Turn()
"""The image as it lies."""


class TurnedSource(Source):
    """An image, turned, that is read by parts."""

    def __init__(self, source: Source, turn: Turn) -> None:
        self._source, self._turn = source, turn
        before = source.image
        axes = before.axes
        order = [axes.index(turn.original(letter)) for letter in axes]
        scales = {letter: before.scale(turn.original(letter)) for letter in before.scales}
        turned = dataclasses.replace(before, scales=scales, roi=b"", overlay=())
        self.image = turned.with_pixels(phantom(tuple(before.shape[place] for place in order), before.dtype))
        self.chunks = tuple(source.chunks[place] for place in order)
        self.identity = f"{source.identity} {turn}" if source.identity else ""
        self._order = order

    def read(self, place: Place) -> Array:
        """Read a part."""
        asked = []
        for letter, part, size in zip(self.image.axes, place, self.image.shape, strict=True):
            mirrored = letter in self._turn.mirrored
            asked.append(slice(size - part.stop, size - part.start) if mirrored else part)
        array = self._source.read(tuple(asked[place] for place in self._order)).transpose(self._order)
        flips = tuple(
            slice(None, None, -1) if letter in self._turn.mirrored else slice(None) for letter in self.image.axes
        )
        return array[flips]

    def close(self) -> None:
        """Close the original."""
        self._source.close()


def turned(image: Image, turn: Turn) -> Image:
    """Give a turned image: a view of its pixels."""
    source = TurnedSource(MemorySource(image), turn)
    return source.image.with_pixels(source.read(tuple(slice(0, size) for size in source.image.shape)))


def blocks(image: Image) -> Iterator[Place]:
    """Give the parts of an image, each of some rows of one plane, in order."""
    rows = max(1, _BLOCK // max(image.size("x"), 1))
    ranges = []
    for letter, size in zip(image.axes, image.shape, strict=True):
        step = {"x": size, "y": rows}.get(letter, 1)
        ranges.append([slice(start, min(start + step, size)) for start in range(0, size, max(step, 1))])
    yield from itertools.product(*ranges)
