"""Small blocks of an image, and the choice of those with little but noise. Geometry and sums; no judgement."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.image import Image

SIDE = 16
"""Of a block, pixels."""
FEWEST_FRAMES = 6
"""From which an image is taken for a movie."""

_FEWEST_BLOCKS = 8
_MOST_BLOCKS = 16384
_MOST_PER_PLANE = 1024
_FEWEST_PER_PLANE = 64
_MOST_PLANES = 16
_ABOVE_ROUNDING = 1.5
_MIDDLE = 512

Array = NDArray[Any]
Floats = NDArray[np.float64]


def evenly(count: int, most: int) -> NDArray[np.intp]:
    """Give at most `most` indices out of `count`, evenly spread, first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.intp))


def planes_of(image: Image, most: int = _MOST_PLANES) -> Array:
    """Give at most `most` planes (n, y, x) of an image, evenly spread."""
    planes = image.ordered("tbczyx").reshape(-1, image.size("y"), image.size("x"))
    return planes[evenly(len(planes), most)]


def middles(pixels: Array) -> Array:
    """Give the middle, at most 512 x 512, of four evenly spread planes of (..., y, x): enough for grey levels."""
    planes = pixels.reshape(-1, *pixels.shape[-2:])
    top, left = (max(0, (size - _MIDDLE) // 2) for size in planes.shape[-2:])
    return planes[evenly(len(planes), 4), top : top + _MIDDLE, left : left + _MIDDLE]


def grey_step(pixels: Array) -> float:
    """Give the distance of grey levels that all values are multiples of (from the lowest); 0 for unrounded ones."""
    few = middles(pixels)
    if few.size == 0 or (few.dtype.kind == "f" and not np.array_equal(few, np.rint(few))):
        return 0.0
    levels = np.unique(few).astype(np.float64)
    if len(levels) < 2 or levels[-1] - levels[0] > 2**53:
        return 0.0
    return float(np.gcd.reduce((levels - levels[0]).astype(np.int64)))


def rounding_variance(pixels: Array) -> float:
    """Give the variance of the error that rounding to grey levels adds to a pixel: a twelfth of the step's square."""
    return grey_step(pixels) ** 2 / 12


def per_plane(planes: int) -> int:
    """Give how many blocks of each plane are worth looking at when there are so many planes."""
    return int(np.clip(_MOST_BLOCKS // max(planes, 1), _FEWEST_PER_PLANE, _MOST_PER_PLANE))


def blocks(planes: Array, most: int | None = None) -> Floats:
    """Cut (..., y, x) into float64 (n, 16, 16); an image smaller than a block along an axis is one block there.

    Of each plane at most `most` blocks are given, evenly spread and the same ones in each plane.
    """
    side_y, side_x = (min(SIDE, size) for size in planes.shape[-2:])
    rows, columns = planes.shape[-2] // side_y, planes.shape[-1] // side_x
    chosen = evenly(rows * columns, most or rows * columns)
    cut = planes[..., : rows * side_y, : columns * side_x].reshape(-1, rows, side_y, columns, side_x)
    picked = cut[:, chosen // columns, :, chosen % columns]  # the chosen block first, then the plane
    return picked.swapaxes(0, 1).reshape(-1, side_y, side_x).astype(np.float64)


def without_plane(cut: Floats) -> Floats:
    """Subtract from each block its least-squares plane."""
    side_y, side_x = cut.shape[1:]
    y = np.arange(side_y) - (side_y - 1) / 2
    x = np.arange(side_x) - (side_x - 1) / 2
    flat = cut - cut.mean(axis=(1, 2), keepdims=True)
    slope_y = (flat * y[:, None]).sum(axis=(1, 2)) / max(float((y**2).sum()) * side_x, 1e-12)
    slope_x = (flat * x).sum(axis=(1, 2)) / max(float((x**2).sum()) * side_y, 1e-12)
    plane = slope_y[:, None, None] * y[:, None] + slope_x[:, None, None] * x
    result: Floats = flat - plane
    return result


def quietest(cut: Floats, share: float, rounding: float = 0.0) -> Floats:
    """Keep this share of the blocks, at least eight: those that vary least, but by more than rounding does."""
    return cut[quiet_indices(cut.var(axis=(1, 2)), share, rounding)]


def quiet_indices(loudness: Floats, share: float, rounding: float = 0.0) -> NDArray[np.intp]:
    """Give the indices of this share of the blocks, at least eight: the least loud ones of those that say something.

    `loudness` is a variance, and `rounding` what rounding to grey levels adds to it. Rounding errors are independent
    from pixel to pixel, so where the variance is hardly more than theirs, the camera's noise cannot be seen.
    """
    varying = np.flatnonzero(loudness > _ABOVE_ROUNDING * rounding)
    order = varying[np.argsort(loudness[varying])]
    return order[: max(round(len(order) * share), _FEWEST_BLOCKS)]
