"""What a microscope would have recorded if a result were true: the result blurred, down-sampled and scaled.

Lives here: the forward model, and fitting it to a raw image. Lives not here: what is done with the differences
(errormap).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize_scalar
from scipy.signal import oaconvolve

from bioimg_fiji.errors import ImageError
from bioimg_fiji.metrics.arrays import Floats

WIDEST = 10.0
"""Largest sigma of a fitted Gaussian, pixels of the raw image."""

_TRUNCATE = 4.0
_SPILLS = 1e-3
"""Share of a blurred pixel that may come from pixels without a value."""

_TENTH = 1.2816
"""Standard deviations beyond which a tenth of a Gaussian lies on one side."""

_LARGEST_PSF = 255
_GAUSSIAN_OF_AIRY = math.sqrt(2) / (2 * math.pi)


@dataclass(frozen=True)
class Forward:
    """raw = scale * down-sampled(blurred(result)) + offset.

    Parameters
    ----------
    scale, offset
        From the result's intensities to the raw image's.
    sigma
        Of a Gaussian in planes, pixels of the result.
    psf
        Point-spread function (z, y, x) with odd sizes and the sum 1 (`checked_psf`), in pixels of the result; takes
        the place of the Gaussian.
    factor
        How much larger the result is along y and x: its blocks of factor x factor are averaged.
    """

    scale: float = 1.0
    offset: float = 0.0
    sigma: float = 0.0
    psf: Floats | None = None
    factor: int = 1

    @property
    def halo(self) -> int:
        """Pixels of the raw image at each side that a pixel depends on."""
        own = math.ceil(_TRUNCATE * self.sigma) if self.psf is None else max(self.psf.shape[1:]) // 2
        return math.ceil(own / self.factor)

    @property
    def border(self) -> int:
        """Pixels of the raw image at its borders where more than a tenth of the light may come from outside."""
        own = _TENTH * self.sigma if self.psf is None else max(_tenth(self.psf.sum(axis=(0, axis))) for axis in (1, 2))
        return math.ceil(own / self.factor)

    @property
    def depth(self) -> int:
        """Planes at each side that a plane depends on."""
        return 0 if self.psf is None else self.psf.shape[0] // 2

    def shape_of(self, planes: Floats) -> Floats:
        """Give the blurred and down-sampled middle one (y, x) of the result's planes, not yet scaled."""
        middle = len(planes) // 2
        if self.psf is not None:
            blurred = _convolved(planes[middle - self.depth : middle + self.depth + 1], self.psf)
        elif self.sigma > 0:
            blurred = gaussian_filter(planes[middle], self.sigma, mode="reflect", truncate=_TRUNCATE)
        else:
            blurred = planes[middle]
        return _reduced(blurred, self.factor)

    def expected(self, planes: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Give the raw plane (y, x) that is expected, and which of its pixels depend on finite ones alone."""
        finite = np.isfinite(planes)
        if finite.all():
            shape = self.shape_of(planes)
            return self.scale * shape + self.offset, np.ones(shape.shape, bool)
        inside = float(planes[finite].mean()) if finite.any() else 0.0
        shape = self.shape_of(np.where(finite, planes, inside))
        return self.scale * shape + self.offset, self.shape_of((~finite).astype(np.float64)) < _SPILLS

    def fitted(self, pairs: Sequence[tuple[Floats, Floats]]) -> Forward:
        """Give the same blur with the scale and offset that fit best to pairs of raw (y, x) and result (planes, y, x).

        Raises
        ------
        ImageError
            When the result is constant.
        """
        return _fit(self, pairs, self.halo)[0]


def fit_resolution(pairs: Sequence[tuple[Floats, Floats]], factor: int = 1) -> Forward:
    """Fit scale, offset and a Gaussian so that the result becomes the raw image (SQUIRREL; Culley et al. 2018).

    Parameters
    ----------
    pairs
        Raw (y, x) and result (1, y * factor, x * factor), parts of the images.
    factor
        How much larger the result is.

    Raises
    ------
    ImageError
        When the result is constant.
    """
    widest = WIDEST * factor
    margin = math.ceil(_TRUNCATE * WIDEST)

    def error(sigma: float) -> float:
        return _fit(Forward(sigma=sigma, factor=factor), pairs, margin)[1]

    grid = np.concatenate([[0.0], np.geomspace(0.4, widest, 12)])
    errors = [error(float(sigma)) for sigma in grid]
    best = int(np.argmin(errors))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    found = minimize_scalar(error, bounds=(low, high), method="bounded", options={"xatol": 1e-3})
    sigma = float(found.x) if found.fun < errors[best] else float(grid[best])
    return _fit(Forward(sigma=sigma, factor=factor), pairs, margin)[0]


def gaussian_of_lens(numerical_aperture: float, wavelength: float, pixel: float) -> float:
    """Give the sigma, pixels, of the Gaussian that stands for a wide-field microscope's point-spread function in focus.

    sqrt(2) / (2 pi) * wavelength / numerical aperture = 0.225 wavelength / NA: the paraxial approximation of Zhang,
    Zerubia and Olivo-Marin 2007 (Applied Optics 46:1819, table 1).

    Parameters
    ----------
    numerical_aperture
        Of the objective.
    wavelength, pixel
        Of the emitted light, and the side of a pixel, in one unit.
    """
    return _GAUSSIAN_OF_AIRY * wavelength / numerical_aperture / pixel


def checked_psf(pixels: NDArray[Any], title: str) -> Floats:
    """Give a point-spread function (z, y, x) or (y, x) as `Forward` takes it: around its centre of mass, sum 1.

    Raises
    ------
    ImageError
        When it has no light, pixels that are not finite, or more than 255 along an axis.
    """
    values = np.asarray(pixels, np.float64)
    values = values[np.newaxis] if values.ndim == 2 else values
    if max(values.shape) > _LARGEST_PSF:
        raise ImageError(
            f"{title} (psf) has sizes {values.shape}: a point-spread function has at most {_LARGEST_PSF} per axis.",
            fix="Cut out its middle.",
        )
    if not np.isfinite(values).all() or not values.clip(0).sum() > 0:
        raise ImageError(
            f"{title} (psf) has no light, or pixels that are not finite.", fix="Give the image of a point."
        )
    values = values.clip(0)
    total = values.sum()
    middle = [
        round(float((values.sum(tuple(a for a in range(3) if a != axis)) * np.arange(size)).sum() / total))
        for axis, size in enumerate(values.shape)
    ]
    radii = [max(place, size - 1 - place) for place, size in zip(middle, values.shape, strict=True)]
    padding = [
        (radius - place, radius - (size - 1 - place))
        for radius, place, size in zip(radii, middle, values.shape, strict=True)
    ]
    result: Floats = np.pad(values, padding) / total
    return result


def _fit(blur: Forward, pairs: Sequence[tuple[Floats, Floats]], margin: int) -> tuple[Forward, float]:
    """Give the blur with its fit, and the mean squared error; `margin` pixels at each border are not used."""
    shapes, raws = [], []
    for raw, planes in pairs:
        shape, right = dataclasses.replace(blur, scale=1.0, offset=0.0).expected(planes)
        right &= np.isfinite(raw)
        cut = min(margin, min(raw.shape) // 4)
        inner = np.s_[cut : raw.shape[0] - cut, cut : raw.shape[1] - cut]
        shapes.append(shape[inner][right[inner]])
        raws.append(raw[inner][right[inner]])
    x, y = np.concatenate(shapes), np.concatenate(raws)
    if not x.size or not float(x.var()) > 0:
        raise ImageError(
            "The result is constant where it was looked at: its intensities cannot be fitted to the raw image.",
            fix="Give the result of the processing, and the raw image that it was made from.",
        )
    middle = x.mean()
    scale = float(np.mean((x - middle) * (y - y.mean())) / x.var())
    offset = float(y.mean() - scale * middle)
    error = float(np.mean((y - scale * x - offset) ** 2))
    return dataclasses.replace(blur, scale=scale, offset=offset), error


def _convolved(planes: Floats, psf: Floats) -> Floats:
    """Convolve the middle plane with a kernel that reaches into its neighbours; borders are mirrored."""
    high, wide = (size // 2 for size in psf.shape[1:])
    padded = np.pad(planes, ((0, 0), (high, high), (wide, wide)), mode="symmetric")
    sums: Floats = sum(oaconvolve(plane, kernel, mode="valid") for plane, kernel in zip(padded, psf[::-1], strict=True))
    return sums


def _tenth(profile: Floats) -> int:
    """Give the distance from the middle beyond which less than a tenth of the light lies on one side."""
    beyond = 1 - np.cumsum(profile)[len(profile) // 2 :]
    return int(np.argmax(beyond <= 1 / 10))


def _reduced(plane: Floats, factor: int) -> Floats:
    if factor == 1:
        return plane
    rows, columns = (size // factor for size in plane.shape)
    result: Floats = plane.reshape(rows, factor, columns, factor).mean(axis=(1, 3))
    return result
