"""How far a difference is from noise: averages over windows of several sizes, in standard deviations of white noise.

Lives here: the significance of differences, the level that chance reaches, the places where it is passed. Lives not
here: where the differences come from (errormap).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, label, maximum_filter
from scipy.optimize import brentq

from bioimg_fiji.metrics.arrays import Floats

SCALES = (1.5, 3.0, 6.0)
"""Sigmas of the Gaussian windows, pixels: finer ones see single pixels, where photon noise is skewed."""

HALO = math.ceil(3 * max(SCALES))
"""Pixels at each side that a pixel of the map depends on."""

CHANCE = 0.05
"""Share of images of pure noise whose worst place is beyond `chance_level`."""

_RADIUS = 3
"""Pixels within which two peaks are one."""
_WINDOW = 48
"""Pixels around a peak in which its area is measured."""
_SAME = 0.5
"""Share of the peak that pixels of its area reach."""
_MOST = 200
"""Peaks of a plane that are looked at, the highest ones."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Place:
    """A place where a result differs from the raw image by more than noise.

    Parameters
    ----------
    index
        Of the plane.
    y, x
        Pixel where it is worst.
    significance
        There, standard deviations. Above 0 the raw image has more: something was removed; below 0 it was added.
    area
        Pixels around it that reach half of that.
    mask, corner
        Those pixels, bool (y, x), and the image's pixel at its corner (y, x).
    """

    index: tuple[int, ...]
    y: int
    x: int
    significance: float
    area: int = 1
    mask: Mask = field(default_factory=lambda: np.ones((1, 1), bool), compare=False)
    corner: tuple[int, int] = (0, 0)


def averages(normalised: Floats, valid: Mask, scales: Sequence[float] = SCALES) -> list[Floats]:
    """Average a difference over Gaussian windows, each in standard deviations of the averages of white noise.

    The divisor is right at borders and beside pixels that are not valid, too: of white noise of variance 1 all values
    have the distribution N(0, 1).

    Parameters
    ----------
    normalised
        (y, x), difference divided by the noise's standard deviation.
    valid
        Pixels that count.
    scales
        Sigmas of the windows, pixels.

    Returns
    -------
    One (y, x) per scale; NaN where a pixel is not valid.
    """
    values = np.where(valid, normalised, 0.0)
    found = []
    for scale in scales:
        kernel = _kernel(scale)
        found.append(np.where(valid, _filtered(values, kernel) / np.sqrt(_power(valid, kernel)), np.nan))
    return found


def strongest(maps: Sequence[Floats]) -> Floats:
    """Give the average of the largest size at each pixel, with its sign."""
    result = maps[0]
    for each in maps[1:]:
        result = np.where(np.abs(each) > np.abs(result), each, result)
    return result


def chance_level(pixels: int, scales: Sequence[float] = SCALES, chance: float = CHANCE) -> float:
    """Give the significance that the worst place of white noise passes with a small probability.

    By the expected Euler characteristic of a smooth Gaussian field (Worsley et al. 1992), added up over scales and
    both signs, which is an upper bound.

    Parameters
    ----------
    pixels
        How many there are in all planes.
    scales
        As in `averages`.
    chance
        The probability.
    """
    smoothness = sum(
        1 / (2 * scale**2) for scale in scales
    )  # white noise smoothed by sigma has slopes of 1 / sqrt(2) sigma
    places = 2 * pixels * smoothness * (2 * math.pi) ** -1.5
    if places * math.exp(-0.5) <= chance:
        return 1.0
    return float(brentq(lambda t: places * t * math.exp(-(t**2) / 2) - chance, 1.0, 40.0))


def places(found: Floats, level: float, index: tuple[int, ...], corner: tuple[int, int], inner: Mask) -> list[Place]:
    """Give the places of a map beyond a level, the worst first.

    A place is a peak and the pixels around it that reach half of it (with its sign); lesser peaks among these are not
    told again.

    Parameters
    ----------
    found
        `strongest`, (y, x).
    level
        Least absolute value.
    index, corner
        The plane's, and the image's pixel at the map's corner.
    inner
        Pixels where a peak may lie.
    """
    size = np.nan_to_num(np.abs(found))
    peaks = np.argwhere((size >= level) & (size == maximum_filter(size, 2 * _RADIUS + 1)) & inner)
    order = np.argsort(-size[tuple(peaks.T)], kind="stable")[:_MOST]
    told = np.zeros(found.shape, bool)
    result = []
    for y, x in peaks[order]:
        if told[y, x]:
            continue
        value = float(found[y, x])
        top, left = max(y - _WINDOW, 0), max(x - _WINDOW, 0)
        window = np.s_[top : y + _WINDOW + 1, left : x + _WINDOW + 1]
        pieces, _ = label(np.nan_to_num(found[window]) * np.sign(value) >= _SAME * abs(value))
        mask = pieces == pieces[y - top, x - left]
        told[window] |= mask
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        at = (corner[0] + int(top + rows[0]), corner[1] + int(left + columns[0]))
        result.append(
            Place(index, corner[0] + int(y), corner[1] + int(x), value, int(np.count_nonzero(mask)), mask, at)
        )
    return result


def worst(found: Iterable[Place], count: int) -> list[Place]:
    """Give the worst places, the worst first."""
    return sorted(found, key=lambda place: -abs(place.significance))[:count]


def _kernel(scale: float) -> Floats:
    radius = math.ceil(3 * scale)
    values = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * scale**2))
    result: Floats = values / values.sum()
    return result


def _filtered(values: Floats, kernel: Floats) -> Floats:
    """Average with zeros around the image."""
    result: Floats = correlate1d(correlate1d(values, kernel, axis=0, mode="constant"), kernel, axis=1, mode="constant")
    return result


def _power(valid: Mask, kernel: Floats) -> Floats:
    """Give the variance of averages of white noise: the sum of the squared weights of valid pixels."""
    if not valid.all():
        least = kernel[len(kernel) // 2] ** 4  # a valid pixel has its own weight at least
        return np.maximum(_filtered(valid.astype(np.float64), kernel**2), float(least))
    rows, columns = (correlate1d(np.ones(size), kernel**2, mode="constant") for size in valid.shape)
    result: Floats = np.outer(rows, columns)
    return result
