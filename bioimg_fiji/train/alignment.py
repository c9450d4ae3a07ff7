"""Whether two images show the same scene, and how far they are shifted against each other (numpy and scipy only).

Both are taken between two scales: the finest carries the noise, the coarsest the illumination. Their correlation at
every shift has one peak that stands out where they show the same, and only chance ones where they do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from bioimg_fiji.image import Image

CERTAIN = 6.0
"""Height of the peak, robust standard deviations of all shifts' correlations, from which it is no chance."""
ALIGNED = 2.0
"""Shift from which it matters, pixels of the image to learn from."""

_FINE, _COARSE, _WIDE = 2.0, 8.0, 16.0  # sigmas, pixels
_SMALLEST = 48
_LAG = 8  # pixels: farther than noise is correlated, nearer than most structure
_TELLING = 5.0
_SAME = 0.8
_SAME_FAR = 1.3
_FAR = 1 / 8  # of the shorter side: so far apart images have their highest chance peak as a rule

Plane = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """What the correlation of two images at all shifts says.

    Parameters
    ----------
    shift
        Distance at which they correlate best, pixels.
    correlation
        That correlation.
    certainty
        It, in robust standard deviations of the correlations at all shifts.
    expected
        What two exposures of one scene would at least have, by each image's correlation with itself 8 pixels further.
    telling
        The same in robust standard deviations: whether repeats would show.
    far
        Whether the shift is a large part of the image.
    """

    shift: float
    correlation: float
    certainty: float
    expected: float
    telling: float
    far: bool

    @property
    def unrelated(self) -> bool:
        """Whether they show different scenes: both have structure, and share too little of it at every shift."""
        return self.telling >= _TELLING and self.correlation < (_SAME_FAR if self.far else _SAME) * self.expected

    @property
    def shifted(self) -> bool:
        """Whether they show one scene, and are shifted by enough to matter."""
        return self.certainty >= CERTAIN and not self.unrelated and self.shift >= ALIGNED


def compare(one: Plane, other: Plane) -> Alignment | None:
    """Compare two planes (y, x) of one shape; None where they are too small or nothing varies."""
    if one.shape != other.shape or min(one.shape) < _SMALLEST:
        return None
    bands = [_band(plane, _COARSE) for plane in (one, other)]
    if not all(band.any() for band in bands):
        return None
    spectra = [np.fft.rfft2(band) for band in bands]
    surface = np.fft.irfft2(spectra[0] * np.conj(spectra[1]), one.shape) / one.size
    middle = float(np.median(surface))
    spread = 1.4826 * float(np.median(np.abs(surface - middle)))
    if spread <= 0:
        return None
    place = np.array(np.unravel_index(int(np.argmax(surface)), one.shape), float)
    sizes = np.array(one.shape)
    shift = float(np.hypot(*np.where(place > sizes / 2, place - sizes, place)))
    peak, expected = float(surface.max()), min(_structure(one), _structure(other))
    far = shift > _FAR * min(one.shape)
    return Alignment(shift, peak, (peak - middle) / spread, expected, expected / spread, far)


def middle_plane(image: Image) -> Plane:
    """Give the middle plane (y, x) of an image."""
    planes = image.ordered("btczyx").reshape(-1, image.size("y"), image.size("x"))
    middle: Plane = planes[len(planes) // 2]
    return middle


def _band(plane: Plane, coarse: float) -> Floats:
    """Give a plane between the two scales, with mean 0 and variance 1; zeros where it does not vary."""
    exact = plane.astype(np.float64)
    band = gaussian_filter(exact, _FINE) - gaussian_filter(exact, coarse)
    band -= band.mean()
    spread = float(band.std())
    # A constant plane leaves rounding errors, which are no structure.
    empty = spread <= 1e-9 * float(np.abs(exact).max(initial=0.0))
    result: Floats = np.zeros_like(band) if empty else band / spread
    return result


def _structure(plane: Plane) -> float:
    """Give the share of a plane's variance that is structure, at least: its correlation with itself along y and x."""
    band = _band(plane, _WIDE)
    return float(min((band[_LAG:] * band[:-_LAG]).mean(), (band[:, _LAG:] * band[:, :-_LAG]).mean()))
