"""Samples of images that are in files: what a tile takes of them is read, and nothing else."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.files.source import Place, Source, phantom
from bioimg_fiji.ops import stream as by_blocks
from bioimg_fiji.ops.stream import SIDE, Block, Stream
from bioimg_fiji.predict.look import check_finite
from bioimg_fiji.predict.samples import Cut, gathered_along
from bioimg_fiji.runtime.sample import gathered, taken

Array = npt.NDArray[Any]


class LazySample:
    """What the model sees of an image without tiles.

    Parameters
    ----------
    source
        The image.
    cut
        Which part of it, arranged as the tensor.
    axes
        Ids of the tensor's axes.
    """

    def __init__(self, source: Source, cut: Cut, axes: tuple[str, ...]) -> None:
        if cut.frames is not None:
            source, cut = FramesSource(source, *cut.frames), dataclasses.replace(cut, frames=None)
        self.shape = cut.of(source.image.pixels).shape
        self._source, self._cut, self._axes = source, cut, axes
        self._rest = [place for place, index in enumerate(cut.index) if isinstance(index, slice)]

    def tile(self, places: Sequence[Sequence[int]]) -> Array:
        """Read a tile, mirrored at the borders."""
        return gathered(self.read(taken(places)), places)

    def read(self, place: Sequence[slice]) -> Array:
        """Read a part, by a slice for each of the tensor's axes.

        Raises
        ------
        ImageError
            When it has values that are no numbers.
        """
        cut, image = self._cut, self._source.image
        asked = [
            slice(0, size) if isinstance(index, slice) else slice(index, index + 1)
            for index, size in zip(cut.index, image.shape, strict=True)
        ]
        for wanted, axis in zip(place, cut.order, strict=True):
            if axis >= cut.missing:
                asked[self._rest[axis - cut.missing]] = wanted
        part = self._source.read(tuple(asked))
        check_finite(part, image.title)
        part = part[tuple(slice(None) if isinstance(index, slice) else 0 for index in cut.index)]
        return part.reshape((1,) * cut.missing + part.shape).transpose(cut.order)

    def whole(self, report: Callable[[int, int], None]) -> Array | Stream:
        """Give the sample at once, or in blocks where it has more elements than are measured at once."""
        if by_blocks.is_large(self.shape):
            return self.stream(report)
        report(0, 1)
        return self.read([slice(0, size) for size in self.shape])

    def stream(self, report: Callable[[int, int], None]) -> Stream:
        """Give the sample in blocks; `report` is told how many of how many were read."""
        steps = [self._step(axis, name) for axis, name in zip(self._cut.order, self._axes, strict=True)]
        return streamed(self.shape, self._axes, steps, self.read, report)

    def _step(self, axis: int, name: str) -> int:
        """Give the side of a block: `SIDE` at least, and whole pieces of the file."""
        if axis < self._cut.missing:
            return 1
        place = self._rest[axis - self._cut.missing]
        size, chunk = self._source.image.shape[place], self._source.chunks[place]
        if name in ("y", "x"):
            return min(size, -(-SIDE // chunk) * chunk)
        return min(size, chunk) if name in ("z", "time") else size


class FramesSource(Source):
    """Some frames of a movie in a file, as if they were all: those that a model with a window sees at once.

    Parameters
    ----------
    source
        The movie; whoever opened it closes it.
    axis
        Its axis of time.
    which
        Frames, in any order, one as often as wanted.
    """

    def __init__(self, source: Source, axis: int, which: tuple[int, ...]) -> None:
        self._source, self._axis, self._which = source, axis, which
        shape = (*source.image.shape[:axis], len(which), *source.image.shape[axis + 1 :])
        self.image = source.image.with_pixels(phantom(shape, source.image.dtype))
        self.chunks, self.identity = source.chunks, source.identity

    def read(self, place: Place) -> Array:
        """Read a part; the frames between the first and the last one are read once."""
        wanted = self._which[place[self._axis]]
        first, last = min(wanted), max(wanted)
        part = self._source.read((*place[: self._axis], slice(first, last + 1), *place[self._axis + 1 :]))
        return gathered_along(part, [frame - first for frame in wanted], self._axis)


def streamed(
    shape: Sequence[int],
    axes: tuple[str, ...],
    steps: Sequence[int],
    read: Callable[[Sequence[slice]], Array],
    report: Callable[[int, int], None],
) -> Stream:
    """Give an array that can be read by parts as blocks of `steps` elements along each axis."""
    corners = [range(0, size, step) for size, step in zip(shape, steps, strict=True)]
    total = int(np.prod([len(each) for each in corners]))

    def blocks() -> Iterator[Block]:
        for number, corner in enumerate(itertools.product(*corners)):
            report(number, total)
            places = tuple(
                range(start, min(start + step, size)) for start, step, size in zip(corner, steps, shape, strict=True)
            )
            yield Block(places, read([slice(each.start, each.stop) for each in places]))

    return Stream(tuple(shape), axes, blocks)
