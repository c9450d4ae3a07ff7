"""Structural similarity: whether local patterns come out, at one scale and at several."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from bioimg_fiji.metrics.arrays import Floats, block_means, pair, value_range

BORDER = 5
"""Pixels at each side where the window of 11 x 11 does not fit."""

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the five scales of MS-SSIM (Wang et al. 2003, section 3)."""

_SIGMA, _TRUNCATE = 1.5, 3.5
_K1, _K2 = 0.01, 0.03


def ssim(truth: NDArray[Any], image: NDArray[Any], data_range: float | None = None) -> float:
    """Give the structural similarity (Wang et al. 2004): Gaussian window of 11 x 11, sigma 1.5, K1 0.01, K2 0.03.

    Parameters
    ----------
    truth, image
        Arrays (..., y, x) of the same shape and unit, y and x at least 11; windows lie in planes.
    data_range
        The range that the two constants are shares of, in the images' unit; by default max(truth) - min(truth). Figures
        of different ranges cannot be compared.

    Returns
    -------
    Mean over all places where the window fits, as scikit-image has it (torchmetrics counts mirrored borders, too): 1
    for equal images, about 0 for unrelated ones.

    Raises
    ------
    ValueError
        When shapes differ, a pixel is not finite, planes are too small, or the truth is constant and no range is told.
    """
    return float(ssim_map(truth, image, data_range)[..., BORDER:-BORDER, BORDER:-BORDER].mean())


def ssim_map(truth: NDArray[Any], image: NDArray[Any], data_range: float | None = None) -> Floats:
    """Give the similarity at each pixel, (..., y, x) float64; the outer `BORDER` pixels see a mirrored image.

    Parameters and errors are those of `ssim`.
    """
    reference, other = pair(truth, image)
    luminance, contrast = _terms(reference, other, value_range(reference, data_range))
    result: Floats = luminance * contrast
    return result


def ms_ssim(truth: NDArray[Any], image: NDArray[Any], data_range: float | None = None) -> float:
    """Give the multi-scale structural similarity (Wang, Simoncelli & Bovik 2003), five scales, each half of the last.

    The product of the mean contrast and structure of scales 1 to 4, where the window fits, and of the mean similarity
    of all pixels at the last, where it fits in few places; each raised to the paper's weight. Borders are mirrored.
    Negative means count as 0, as they have no such power. That is what torchmetrics computes.

    Parameters
    ----------
    truth, image
        Arrays (..., y, x) of the same shape and unit, y and x at least 176, so that the window fits at the last scale.
    data_range
        As in `ssim`.

    Returns
    -------
    Mean over planes, from 0 to 1.

    Raises
    ------
    ValueError
        As in `ssim`.
    """
    reference, other = pair(truth, image)
    span = value_range(reference, data_range)
    least = (2 * BORDER + 1) * 2 ** (len(SCALES) - 1)
    if reference.ndim < 2 or min(reference.shape[-2:]) < least:
        raise ValueError(f"y and x must be at least {least} for five scales, but they are {reference.shape[-2:]}")
    result: Floats = np.ones(reference.shape[:-2])
    for number, weight in enumerate(SCALES, 1):
        luminance, contrast = _terms(reference, other, span)
        last = number == len(SCALES)
        term = luminance * contrast if last else contrast[..., BORDER:-BORDER, BORDER:-BORDER]
        result = result * np.maximum(term.mean(axis=(-2, -1)), 0) ** weight
        if not last:
            reference, other = block_means(reference, 2), block_means(other, 2)
    return float(result.mean())


def _terms(reference: Floats, other: Floats, span: float) -> tuple[Floats, Floats]:
    """Give the luminance term, and the product of the contrast and structure terms."""
    if reference.ndim < 2 or min(reference.shape[-2:]) < 2 * BORDER + 1:
        raise ValueError(f"y and x must be at least {2 * BORDER + 1}, but the shape is {reference.shape}")
    middle = float(reference.mean())  # taken off before squaring: an offset costs no digits
    x, y = reference - middle, other - middle
    mean_x, mean_y = _local(x), _local(y)
    spread = _local(x * x) - mean_x**2 + _local(y * y) - mean_y**2
    shared = _local(x * y) - mean_x * mean_y
    mean_x, mean_y = mean_x + middle, mean_y + middle
    one, two = (_K1 * span) ** 2, (_K2 * span) ** 2
    return (2 * mean_x * mean_y + one) / (mean_x**2 + mean_y**2 + one), (2 * shared + two) / (spread + two)


def _local(values: Floats) -> Floats:
    axes = (values.ndim - 2, values.ndim - 1)
    result: Floats = gaussian_filter(values, _SIGMA, truncate=_TRUNCATE, mode="mirror", axes=axes)
    return result
