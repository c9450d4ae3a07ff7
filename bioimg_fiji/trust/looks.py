"""What of an image's values tells whether a model fits: how dark, how much contrast, how much noise; what was removed.

A few thousand pixels are asked, spread evenly over the image: a look must cost next to nothing beside the run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.metrics import blind_noise
from bioimg_fiji.metrics.arrays import Floats, half_means
from bioimg_fiji.metrics.blind import NoiseModel

Array = npt.NDArray[Any]

_SIDE, _CELL = 16, 8
"""Sides of the squares that are looked at, and of the cells in them whose means are structure."""
_PIECES = 256
"""Squares of 16 x 16 pixels that are looked at."""
_FEWEST = 4
_DARK = 0.05
"""Quantile of the cells' means that stands for the dark parts."""


@dataclass(frozen=True)
class Look:
    """Figures of a plane or volume, in its unit: what its dark parts read, its contrast, its mean, its noise."""

    level: float
    contrast: float
    mean: float
    noise: NoiseModel


def mosaic(pixels: Array) -> Floats | None:
    """Give squares of (..., y, x), evenly spread, side by side as one plane; None where there are too few."""
    planes = np.asarray(pixels).reshape(-1, *np.shape(pixels)[-2:])
    rows, columns = planes.shape[1] // _SIDE, planes.shape[2] // _SIDE
    count = len(planes) * rows * columns
    if count < _FEWEST:
        return None
    # NB: a step that shares no factor with the columns' number would be a stripe; a drawn order never is.
    chosen = np.arange(count) if count <= _PIECES else np.sort(np.random.default_rng(0).choice(count, _PIECES, False))
    width = math.isqrt(len(chosen))
    chosen = chosen[: len(chosen) // width * width]
    squares = np.empty((len(chosen), _SIDE, _SIDE), np.float64)
    for place, number in enumerate(chosen):
        plane, rest = divmod(int(number), rows * columns)
        y, x = (_SIDE * each for each in divmod(rest, columns))
        squares[place] = planes[plane, y : y + _SIDE, x : x + _SIDE]
    return squares.reshape(-1, width, _SIDE, _SIDE).transpose(0, 2, 1, 3).reshape(-1, width * _SIDE)


def look(pixels: Array) -> Look | None:
    """Look at one channel (..., y, x); None where it is too small or not finite."""
    plane = mosaic(pixels)
    if plane is None or not np.isfinite(plane).all():
        return None
    white, black = half_means(plane, _CELL)
    cells = (white + black) / 2
    # Noise of the two halves of a cell is independent, so what they share is structure.
    shared = float(np.mean((white - white.mean()) * (black - black.mean())))
    return Look(float(np.quantile(cells, _DARK)), math.sqrt(max(shared, 0.0)), float(plane.mean()), blind_noise(plane))


def removed(raw: Array, result: Array, noise: NoiseModel, least: float) -> float | None:
    """Give the variance of what was removed beside that of the noise, its logarithm; None where it cannot be told.

    Parameters
    ----------
    raw, result
        One channel (..., y, x) before and after, in one unit.
    noise
        Of the training images: at the same brightness the same camera has the same noise.
    least
        Standard deviation that is added to the noise's, so that images without noise have a figure too.
    """
    before, after = mosaic(raw), mosaic(result)
    if before is None or after is None or not (np.isfinite(before).all() and np.isfinite(after).all()):
        return None
    ratio = float(np.mean((before - after) ** 2 / (noise.variance(after) + least**2)))
    return math.log(max(ratio, 1e-9))
