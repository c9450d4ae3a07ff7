"""A result and its raw image, read by blocks in physical values.

Lives here: which sizes fit, blocks, samples, the noise of the raw image. Lives not here: comparing them (errormap).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.errors import ImageError
from bioimg_fiji.image import Image
from bioimg_fiji.intensity import UNIT_ONLY
from bioimg_fiji.metrics import NoiseModel, blind_noise
from bioimg_fiji.metrics.arrays import Floats, blocks

Index = tuple[int, ...]

LOOP = "btcz"
"""Letters of the axes of planes, in the order of an `Index`."""

_SAMPLES, _TILE = 8, 256
"""Parts of a channel, and their sides, by which its fit is made."""
_FRAMES, _FEWEST_FRAMES, _SIDE = 32, 6, 512
"""Of a movie, as many frames of that side tell the noise; with fewer frames its planes do."""
_SQUARE = 16
"""Side of the squares of finite pixels that tell the noise."""


def enlargement(image: Image, raw: Image) -> int:
    """Give how much larger the result is along y and x.

    Raises
    ------
    ImageError
        When it is not a whole number, the same along both, or another axis differs.
    """
    for axis in LOOP:
        if image.size(axis) != raw.size(axis):
            raise ImageError(
                f"{raw.title} (raw) has {raw.size(axis)} along {axis}, {image.title} has {image.size(axis)}.",
                fix="Give the raw image of the same planes; with axes=... where ImageJ has frames and slices mixed up.",
                axis=axis,
            )
    sizes = [(image.size(axis), raw.size(axis)) for axis in "yx"]
    factors = {own // other for own, other in sizes if other and own % other == 0}
    if len(factors) != 1 or any(other == 0 or own % other for own, other in sizes) or factors == {0}:
        (height, raw_height), (width, raw_width) = sizes
        raise ImageError(
            f"{image.title} has {width} x {height} pixels, {raw.title} (raw) {raw_width} x {raw_height}.",
            fix="The result has the raw image's size, or 2, 3, ... times of it along both x and y.",
        )
    return factors.pop()


class Pair:
    """Reads blocks of both images, in physical values."""

    def __init__(self, image: Image, raw: Image) -> None:
        self.factor = enlargement(image, raw)
        self.image, self.raw = image, raw
        self._result, self._raw = (each.ordered("btczyx") for each in (image, raw))
        self.loop: Index = self._raw.shape[:4]
        self.shape = self._raw.shape[4:]
        if not self._raw.size:
            raise ImageError(f"{raw.title} has no pixels.", fix="Give images with pixels.")

    def raw_block(self, index: Index, box: tuple[slice, slice]) -> Floats:
        """Give a part of a raw plane, (y, x)."""
        b, t, c, z = index
        return _physical(self.raw, self._raw[b, t, c, z, box[0], box[1]])

    def result_block(self, index: Index, box: tuple[slice, slice], depth: int) -> Floats:
        """Give the same part of the result's plane and of its neighbours, (2 * depth + 1, y, x); ends are repeated."""
        b, t, c, z = index
        near = np.clip(np.arange(z - depth, z + depth + 1), 0, self.loop[3] - 1)
        rows, columns = (slice(each.start * self.factor, each.stop * self.factor) for each in box)
        return _physical(self.image, self._result[b, t, c, near, rows, columns])

    def samples(self, channel: int, depth: int) -> list[tuple[Floats, Floats]]:
        """Give some parts of a channel, evenly spread over planes and their area: raw (y, x), result (planes, y, x)."""
        boxes = list(_boxes(self.shape))
        planes = [index for index in np.ndindex(self.loop) if index[2] == channel]
        every = np.unique(np.linspace(0, len(planes) * len(boxes) - 1, _SAMPLES).round().astype(int))
        chosen = [(planes[each // len(boxes)], boxes[each % len(boxes)]) for each in every]
        return [(self.raw_block(index, box), self.result_block(index, box, depth)) for index, box in chosen]

    def noise(self, channel: int, tiles: list[Floats]) -> NoiseModel:
        """Estimate the noise of a channel by photon transfer, of movies from neighbouring frames.

        Raises
        ------
        ImageError
            When the image is too small for that.
        """
        try:
            if self.loop[1] >= _FEWEST_FRAMES:
                start, z = (self.loop[1] - min(self.loop[1], _FRAMES)) // 2, self.loop[3] // 2
                top, left = (max(0, (size - _SIDE) // 2) for size in self.shape)
                part = np.s_[0, start : start + _FRAMES, channel, z, top : top + _SIDE, left : left + _SIDE]
                frames = _physical(self.raw, self._raw[part])
                if np.isfinite(frames).all():
                    return blind_noise(frames, movie=True)
            return blind_noise(_finite(tiles))
        except ValueError as error:
            raise ImageError(
                f"The noise of {self.raw.title} cannot be measured: {error}.",
                fix="Give the camera's gain=..., read_noise=... and offset=...",
            ) from error


def _physical(image: Image, pixels: NDArray[Any]) -> Floats:
    """Give stored pixels in physical values."""
    if image.intensity is None or image.intensity.function == UNIT_ONLY:
        return pixels.astype(np.float64)
    return image.intensity.physical(pixels)


def _boxes(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Give parts of a plane, all of one size, that lie side by side or overlap a little."""
    starts = []
    for size in shape:
        last = max(0, size - _TILE)
        starts.append(np.unique(np.linspace(0, last, math.ceil(size / _TILE)).round().astype(int)))
    for top, left in itertools.product(*starts):
        yield slice(top, min(top + _TILE, shape[0])), slice(left, min(left + _TILE, shape[1]))


def _finite(tiles: list[Floats]) -> Floats:
    """Give the tiles as a stack; where pixels are not finite, squares of 16 x 16 that are, side by side."""
    stack = np.stack(tiles)
    if np.isfinite(stack).all():
        return stack
    squares = blocks(stack, _SQUARE).reshape(-1, _SQUARE, _SQUARE)
    squares = squares[np.isfinite(squares).all(axis=(1, 2))]
    if not len(squares):
        raise ValueError(f"no block of {_SQUARE} x {_SQUARE} is finite")
    return squares.transpose(1, 0, 2).reshape(_SQUARE, -1)
