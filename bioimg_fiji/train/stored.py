"""Images to train on, in memory or in a file: samples that are read patch by patch, and excerpts to look at."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.files.source import Source
from bioimg_fiji.image import Image

TrainingImage = Image | Source
"""An image in memory, or one in a file of any size (`bioimg_fiji.files.open_source`)."""

Block = tuple[slice, ...]

LEADING = {2: "btz", 3: "bt"}
"""Axes whose elements are samples of their own, for samples of two and three dimensions."""
TRAILING = {2: "cyx", 3: "czyx"}
"""Axes of a sample."""

_EXCERPT_SIDE = 1024
_EXCERPT_FRAMES = 64


class Sample(Protocol):
    """An array (c, (z,) y, x), or what can be indexed like one by a slice for each axis."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102
    def __getitem__(self, place: Block, /) -> NDArray[Any]: ...


@dataclasses.dataclass(frozen=True)
class StoredSample:
    """One sample of an image in a file, read where it is indexed.

    Parameters
    ----------
    source
        The image.
    index
        Which element of each leading axis.
    window
        Part of y and x that belongs to the sample.
    dims
        Spatial dimensions of the sample.
    """

    source: Source
    index: tuple[int, ...]
    window: Block
    dims: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values."""
        return self.source.image.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes (c, (z,) y, x)."""
        sizes = [self.source.image.size(axis) for axis in TRAILING[self.dims][:-2]]
        return (*sizes, *(part.stop - part.start for part in self.window))

    def __getitem__(self, place: Block, /) -> NDArray[Any]:
        """Read a part."""
        axes = TRAILING[self.dims]
        asked = {axis: slice(n, n + 1) for axis, n in zip(LEADING[self.dims], self.index, strict=True)}
        for axis, part, size in zip(axes, place, self.shape, strict=True):
            start, stop, _ = part.indices(size)
            first = self.window["yx".index(axis)].start if axis in "yx" else 0
            asked[axis] = slice(first + start, first + stop)
        image = self.source.image
        found = self.source.read(tuple(asked[axis] for axis in image.axes))
        letters = [axis for axis in axes if axis in image.axes]
        rest = [axis for axis in image.axes if axis not in axes]
        found = found.transpose([image.axes.index(axis) for axis in (*rest, *letters)])
        return found.reshape([asked[axis].stop - asked[axis].start for axis in axes])


def about(image: TrainingImage) -> Image:
    """Give the image with its metadata; pixels of one in a file are a phantom."""
    return image if isinstance(image, Image) else image.image


def whole(image: TrainingImage) -> Image:
    """Give the image with its pixels in memory."""
    if isinstance(image, Image):
        return image
    return image.image.with_pixels(image.read(tuple(slice(0, n) for n in image.image.shape)))


def leading_shape(image: TrainingImage, dims: int) -> tuple[int, ...]:
    """Give how many samples an image has along each axis of `LEADING`."""
    return tuple(about(image).size(axis) for axis in LEADING[dims])


def samples_of(image: TrainingImage, dims: int, window: Block) -> list[Sample]:
    """Give the samples of an image: views of its pixels, or parts of its file, cut to `window` (y, x)."""
    places = itertools.product(*(range(n) for n in leading_shape(image, dims)))
    if isinstance(image, Image):
        rows, columns = window
        array = image.ordered(LEADING[dims] + TRAILING[dims])[..., rows, columns]
        return [array[place] for place in places]
    return [StoredSample(image, place, window, dims) for place in places]


def excerpt(image: TrainingImage) -> Image:
    """Give a part of an image in a file that is small enough to look at: its middle, and its first frames."""
    if isinstance(image, Image):
        return image
    whole = image.image
    place = []
    for axis in whole.axes:
        size, most = whole.size(axis), {"y": _EXCERPT_SIDE, "x": _EXCERPT_SIDE, "t": _EXCERPT_FRAMES}.get(axis, 16)
        start = (size - min(size, most)) // 2 if axis in "yx" else 0
        place.append(slice(start, start + min(size, most)))
    return dataclasses.replace(whole.with_pixels(image.read(tuple(place))), labels=())


def blocks_of(shape: tuple[int, ...], side: int) -> Iterator[Block]:
    """Cut (c, (z,) y, x) into blocks through all c and z."""
    head = tuple(slice(0, size) for size in shape[:-2])
    for row, column in itertools.product(*(range(0, size, side) for size in shape[-2:])):
        yield (*head, slice(row, min(row + side, shape[-2])), slice(column, min(column + side, shape[-1])))
