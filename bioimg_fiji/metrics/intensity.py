"""Whether intensities come out as they should: errors, bias, slopes, and the best that blurring could do."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize_scalar

from bioimg_fiji.metrics.arrays import block_means, pair, value_range

Norm = Literal["range", "mean", "euclidean"]

_ROUNDING = 1e-24
"""Share of the truth's variance below which what is left is rounding."""


def psnr(truth: NDArray[Any], image: NDArray[Any], data_range: float | None = None) -> float:
    """Give the peak signal-to-noise ratio, 20 log10(range / rmse), in dB.

    No rescaling takes place before: a wrong intensity scale lowers the figure.

    Parameters
    ----------
    truth, image
        Arrays of the same shape and unit, any axes.
    data_range
        What counts as the peak, in the images' unit; by default max(truth) - min(truth).

    Returns
    -------
    dB; infinite when the images are equal.

    Raises
    ------
    ValueError
        When shapes differ, a pixel is not finite, or the truth is constant and no range is told.
    """
    reference, other = pair(truth, image)
    return _decibels(value_range(reference, data_range), float(np.mean((reference - other) ** 2)))


def si_psnr(truth: NDArray[Any], image: NDArray[Any], data_range: float | None = None) -> float:
    """Give the scale-invariant PSNR: that of the affine map a * image + b that comes nearest to the truth.

    So an image in another unit, or with another offset, is not punished, as in the evaluation of CARE (Weigert et al.
    2018, Nature Methods 15, supplement) and of Noise2Void and its kin. It hides what `roi_slope` shows: use both.
    A negative factor is allowed, so an inverted image is as good as the image.

    Parameters
    ----------
    truth, image
        Arrays of the same shape, any axes.
    data_range
        As in `psnr`, in the truth's unit.

    Returns
    -------
    dB, the same to 1e-6 for every affine change of the image; infinite when the image is the truth up to one. Of a
    constant image it is the PSNR of the truth's mean.

    Raises
    ------
    ValueError
        As in `psnr`.
    """
    reference, other = pair(truth, image)
    span = value_range(reference, data_range)
    reference, other = reference - reference.mean(), other - other.mean()
    other = other / max(float(np.abs(other).max()), np.finfo(float).tiny)  # no overflow, whatever the unit
    power = float(np.sum(other**2))
    factor = float(np.sum(reference * other)) / power if power > 0 else 0.0
    error = float(np.mean((reference - factor * other) ** 2))
    return _decibels(span, error if error > _ROUNDING * float(np.mean(reference**2)) else 0.0)


def nrmse(truth: NDArray[Any], image: NDArray[Any], by: Norm = "range", data_range: float | None = None) -> float:
    """Give the root of the mean squared error, divided by what `by` names.

    Parameters
    ----------
    truth, image
        Arrays of the same shape and unit, any axes.
    by
        "range": max(truth) - min(truth), or `data_range`; "mean": the truth's mean; "euclidean": the root of the mean
        of truth ** 2 (scikit-image's default). A camera's offset makes the last two smaller, so "range" is the default.
    data_range
        The range, in the images' unit.

    Returns
    -------
    Without unit; 0 when the images are equal.

    Raises
    ------
    ValueError
        When shapes differ, a pixel is not finite, or what is divided by is 0.
    """
    reference, other = pair(truth, image)
    if by == "range":
        size = value_range(reference, data_range)
    else:
        size = abs(float(reference.mean())) if by == "mean" else float(np.sqrt(np.mean(reference**2)))
    if size == 0:
        raise ValueError(f"the truth's {by} norm is 0: name another one")
    return float(np.sqrt(np.mean((reference - other) ** 2))) / size


def _decibels(span: float, error: float) -> float:
    return float("inf") if error == 0 else float(10 * np.log10(span**2 / error))


def mean_bias(truth: NDArray[Any], image: NDArray[Any], offset: float = 0.0) -> float:
    """Give the relative bias of the mean signal, (mean(image) - mean(truth)) / (mean(truth) - offset).

    `offset` is what the camera reads without light, in the images' unit: bias is measured on the light, and a large
    offset cannot hide it.

    Raises
    ------
    ValueError
        When shapes differ or the mean of the truth is not above the offset.
    """
    reference, other = pair(truth, image)
    signal = float(reference.mean()) - offset
    if signal <= 0:
        raise ValueError("the truth has no signal above the offset")
    return (float(other.mean()) - float(reference.mean())) / signal


def intensity_slope(truth: NDArray[Any], image: NDArray[Any]) -> float:
    """Give the slope of the least-squares line of `image` over `truth`: 1 where intensities are kept, less: flattened.

    Raises
    ------
    ValueError
        When shapes differ or the truth is constant.
    """
    reference, other = pair(truth, image)
    centred = reference - reference.mean()
    variance = float(np.sum(centred**2))
    if variance == 0:
        raise ValueError("the truth is constant, so it has no slope")
    return float(np.sum(centred * (other - other.mean()))) / variance


def roi_slope(truth: NDArray[Any], image: NDArray[Any], side: int = 8) -> float:
    """Give the slope of the means of an image's blocks over those of the truth: 1 is quantitative, as a user measures.

    Single pixels of a noisy image scatter; what is measured are regions. Blocks of `side` x `side` pixels stand for
    them. It says more than `mean_bias`: a denoiser that dims bright objects and brightens dark ones has no bias.

    Parameters
    ----------
    truth, image
        Arrays (..., y, x) of the same shape and unit; the blocks of all planes go into one line.
    side
        Of a block, pixels; what is left over at the borders is not used.

    Raises
    ------
    ValueError
        When shapes differ, there is no whole block, or all blocks of the truth have one mean.
    """
    reference, other = pair(truth, image)
    return intensity_slope(block_means(reference, side), block_means(other, side))


def best_gaussian(truth: NDArray[Any], noisy: NDArray[Any], widest: float = 8.0) -> tuple[float, float]:
    """Blur with the Gaussian that comes nearest to the truth: the best that a user with an oracle could do by blurring.

    Parameters
    ----------
    truth, noisy
        Arrays (..., y, x) of the same shape and unit; only y and x are blurred, with one sigma for all planes.
    widest
        Largest sigma tried, pixels.

    Returns
    -------
    sigma in pixels, and PSNR in dB (`psnr`) of the blurred image.
    """
    reference, other = pair(truth, noisy)
    axes = (reference.ndim - 2, reference.ndim - 1)

    def blurred(sigma: float) -> NDArray[np.float64]:
        result: NDArray[np.float64] = gaussian_filter(other, sigma, axes=axes)
        return result

    grid = np.geomspace(0.3, widest, 14)
    start = int(np.argmax([psnr(reference, blurred(s)) for s in grid]))
    low, high = grid[max(start - 1, 0)], grid[min(start + 1, len(grid) - 1)]
    found = minimize_scalar(
        lambda s: -psnr(reference, blurred(s)), bounds=(low, high), method="bounded", options={"xatol": 1e-2}
    )
    return float(found.x), float(-found.fun)
