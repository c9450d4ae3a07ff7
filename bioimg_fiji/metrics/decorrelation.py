"""Resolution of a single image by decorrelation analysis: up to which frequency it has more than noise."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.metrics.arrays import Floats, finite
from bioimg_fiji.metrics.rings import SMALLEST, ring_numbers, tukey

_FILTERS = 20
_FINEST = 0.15
_DROP = 5e-4
_FAINT = 0.05


class Decorrelation(NamedTuple):
    """The cut-off frequency (cycles per pixel, 0 where no peak was found), and the peak's height, 0 to 1.

    The height grows with the signal-to-noise ratio.
    """

    cutoff: float
    height: float

    @property
    def resolution(self) -> float:
        """Pixels: one over the cut-off; infinite where nothing but noise was found."""
        return 1 / self.cutoff if self.cutoff > 0 else float("inf")


def decorrelation(image: NDArray[Any]) -> Decorrelation:
    """Estimate the resolution of one image, without a threshold (Descloux, Grussmayer & Radenovic 2019).

    The image is correlated with itself, whitened (each frequency of amplitude 1) and cut to a circle of frequencies:
    d(r), r the circle's radius. Signal lets d grow, noise lets it fall, so it has a peak where the signal ends. As low
    frequencies dominate, it is measured again after taking off Gaussian blurs, from wide to narrow ones (20 widths, and
    20 between the neighbours of the best); the cut-off is the highest frequency with a peak that is not faint (0.05).

    It finds the highest frequency with signal above the noise, which is the optics' cut-off only where the noise is
    low; a blurred image that has been sharpened, or whose noise was removed, looks better than it is. Pixels must be
    smaller than half of the resolution, else no peak is found or it lies at the edge.

    Parameters
    ----------
    image
        (..., y, x), y and x at least 16; planes are analysed together. Their means are taken off and borders fade by a
        Tukey window.

    Returns
    -------
    Cut-off in cycles per pixel, from 0 to 0.5.

    Raises
    ------
    ValueError
        When the image is too small, constant, or has pixels that are not finite.
    """
    amplitude, power, counts = _ring_sums(finite(image, "the image"))
    frequency = np.arange(len(counts)) / (2 * (len(counts) - 1))
    plain = _peak(_curve(amplitude, power, counts, np.ones_like(frequency)))
    found = [Decorrelation(float(frequency[plain[0]]), plain[1])]
    widest = max(1 / found[0].cutoff if found[0].cutoff > 0 else len(counts) / 2, 1.0)
    sigmas = np.geomspace(widest, _FINEST, _FILTERS)
    for _ in range(2):
        peaks = []
        for sigma in sigmas:
            passed = 1 - np.exp(-2 * (np.pi * sigma * frequency) ** 2)
            place, height = _peak(_curve(amplitude, power, counts, passed))
            peaks.append(Decorrelation(float(frequency[place]), height))
        best = max(range(len(peaks)), key=lambda n: _rank(peaks[n]))
        found.append(peaks[best])
        sigmas = np.geomspace(sigmas[max(best - 1, 0)], sigmas[min(best + 1, len(sigmas) - 1)], _FILTERS)
    chosen = max(found, key=_rank)
    return chosen if chosen.height >= _FAINT else Decorrelation(0.0, 0.0)


def _rank(peak: Decorrelation) -> tuple[float, float]:
    return (peak.cutoff, peak.height) if peak.height >= _FAINT else (0.0, peak.height)


def _ring_sums(image: Floats) -> tuple[Floats, Floats, Floats]:
    """Give the sums of amplitude and power in rings from 0 to 0.5 cycles a pixel, and how many frequencies each has."""
    size_y, size_x = image.shape[-2:] if image.ndim > 1 else (0, 0)
    if min(size_y, size_x) < SMALLEST:
        raise ValueError(f"y and x must be at least {SMALLEST}, but the shape is {image.shape}")
    window = tukey(size_y)[:, None] * tukey(size_x)
    rings = ring_numbers(size_y, size_x)
    kept = min(size_y, size_x) // 2 + 1
    amplitude, power, counts = np.zeros(kept), np.zeros(kept), np.zeros(kept)
    for plane in image.reshape(-1, size_y, size_x):
        if np.ptp(plane) == 0:
            continue
        size = np.abs(np.fft.fft2((plane - plane.mean()) * window)).ravel()
        amplitude += np.bincount(rings, size)[:kept]
        power += np.bincount(rings, size**2)[:kept]
        counts += np.bincount(rings)[:kept]
    if not counts.any():
        raise ValueError("the image is constant, so it has no resolution")
    return amplitude, power, counts


def _curve(amplitude: Floats, power: Floats, counts: Floats, passed: Floats) -> Floats:
    """Give d(r): the correlation of the filtered image with its whitened self within each radius."""
    whole = float(np.sum(power * passed**2))
    if whole == 0:
        return np.zeros_like(counts)
    return np.cumsum(amplitude * passed) / np.sqrt(whole * np.cumsum(counts))


def _peak(curve: Floats) -> tuple[int, float]:
    """Give the place and height of the highest peak after which the curve falls; (0, 0) where it does not."""
    for end in range(len(curve), 2, -1):
        place = int(np.argmax(curve[:end]))
        if 0 < place < end - 1 and curve[place] - curve[place:end].min() >= _DROP:
            return place, float(curve[place])
    return 0, 0.0
