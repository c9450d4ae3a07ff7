"""Fourier ring correlation: down to which detail two images of the same scene agree."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.metrics.arrays import Floats, half_means, pair

THRESHOLD = 1 / 7
"""Correlation at which detail is said to be resolved (Nieuwenhuizen et al. 2013)."""

SMALLEST = 16
"""Least side of an image, pixels."""

_TAPER = 0.25
_FEWEST = 8


class RingCurve(NamedTuple):
    """Fourier ring correlation by spatial frequency (cycles per pixel), and the number of frequencies in each ring."""

    frequency: Floats
    correlation: Floats
    counts: NDArray[np.int64]


def frc(one: NDArray[Any], other: NDArray[Any]) -> RingCurve:
    """Correlate two images ring by ring in Fourier space (Saxton & Baumeister 1982; Nieuwenhuizen et al. 2013).

    Parameters
    ----------
    one, other
        Two images (..., y, x) of the same scene with independent noise. Of several planes the sums over all of them are
        compared, which makes the curve smoother. Their mean is taken off and borders fade by a Tukey window (a quarter
        of each side in all).

    Returns
    -------
    Rings one frequency step of the shorter side wide, from 0 to 0.5 cycles a pixel.

    Raises
    ------
    ValueError
        When shapes differ or y or x is below 16.
    """
    first, second = pair(one, other)
    size_y, size_x = first.shape[-2:]
    if min(size_y, size_x) < SMALLEST:
        raise ValueError(f"y and x must be at least {SMALLEST}, but they are {size_y} and {size_x}")
    window = tukey(size_y)[:, None] * tukey(size_x)
    rings = ring_numbers(size_y, size_x)
    sums = np.zeros((3, int(rings.max()) + 1))
    for a, b in zip(first.reshape(-1, size_y, size_x), second.reshape(-1, size_y, size_x), strict=True):
        left, right = (np.fft.fft2((each - each.mean()) * window).ravel() for each in (a, b))
        for row, product in enumerate((left * right.conj(), left * left.conj(), right * right.conj())):
            sums[row] += np.bincount(rings, product.real, minlength=sums.shape[1])
    kept = min(size_y, size_x) // 2 + 1
    count = np.bincount(rings, minlength=sums.shape[1])[:kept]
    energy = np.sqrt(sums[1] * sums[2])[:kept]
    correlation = np.divide(sums[0][:kept], energy, out=np.zeros(kept), where=energy > 0)
    return RingCurve(np.arange(kept) / min(size_y, size_x), correlation, count)


def frc_resolution(curve: RingCurve, threshold: float = THRESHOLD) -> float:
    """Give the resolution in pixels: one over the frequency at which the curve falls below the threshold.

    The curve is smoothed over three rings; rings of fewer than eight frequencies are passed over.

    Returns
    -------
    Pixels; that of the last ring (2, or 4 of halved images) when all detail agrees, infinite when none does.
    """
    smooth = np.convolve(np.pad(curve.correlation, 1, mode="edge"), np.full(3, 1 / 3), mode="valid")
    usable = np.flatnonzero(curve.counts >= _FEWEST)
    low = next((index for index in usable if smooth[index] < threshold), None)
    if low is None:
        return 1 / float(curve.frequency[-1])
    if low == usable[0]:
        return float("inf")
    above, below = smooth[low - 1], smooth[low]
    part = (above - threshold) / (above - below)
    return 1 / float(curve.frequency[low - 1] + part * (curve.frequency[low] - curve.frequency[low - 1]))


def checkerboard_halves(image: NDArray[Any]) -> tuple[Floats, Floats]:
    """Split an image into two of half the size, after Koho et al. (2019): one exposure instead of two.

    Of each 2 x 2 pixels, those of one diagonal are averaged in the first, those of the other in the second: both
    have the same centre (Koho et al. take single pixels, whose centres differ). Where the noise is independent from
    pixel to pixel, that of the two is independent. The resolution that comes of them is **not calibrated**: no detail
    below four of the image's pixels can be seen, since the halves have twice its pixel size, and finer detail is
    folded onto coarser. Koho et al. fit a correction for that to their microscope, which is left out. Compare such
    figures with each other, not with those of two exposures.

    Parameters
    ----------
    image
        (..., y, x), at least 2 x 2.

    Returns
    -------
    Two images (..., y // 2, x // 2), float64; their frequencies are twice those of the image.

    Raises
    ------
    ValueError
        When the image is smaller.
    """
    return half_means(image, 2)


def frame_halves(movie: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Split a movie (t, ...) into its even and its odd frames, equally many."""
    frames = np.asarray(movie)
    count = len(frames) // 2 * 2
    return frames[0:count:2], frames[1:count:2]


def tukey(size: int) -> Floats:
    """Give a window of ones that fades by a cosine in an eighth of the length at each end."""
    distance = (np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5) / (size * _TAPER / 2)
    result: Floats = 0.5 - 0.5 * np.cos(np.pi * np.minimum(distance, 1))
    return result


def ring_numbers(size_y: int, size_x: int) -> NDArray[np.int64]:
    """Give the ring of each frequency of `numpy.fft.fft2`, flattened, in steps of the shorter side."""
    radius = np.hypot(np.fft.fftfreq(size_y)[:, None], np.fft.fftfreq(size_x)) * min(size_y, size_x)
    result: NDArray[np.int64] = np.rint(radius).astype(np.int64).ravel()
    return result
