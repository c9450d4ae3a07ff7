"""Image metrics, in numpy and scipy only.

Lives here: figures that compare an image with the truth, and figures for images without one. Lives not here: reading
images, networks, tables and plots.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve, gaussian_filter
from scipy.optimize import minimize_scalar

_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)


def _pair(truth: NDArray[Any], image: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if np.shape(truth) != np.shape(image):
        raise ValueError(f"truth has shape {np.shape(truth)}, the image {np.shape(image)}")
    return np.asarray(truth, np.float64), np.asarray(image, np.float64)


def psnr(truth: NDArray[Any], image: NDArray[Any]) -> float:
    """Give the peak signal-to-noise ratio, 20 log10((max(truth) - min(truth)) / rmse), in dB.

    No rescaling takes place before: a wrong intensity scale lowers the figure.

    Parameters
    ----------
    truth, image
        Arrays of the same shape and unit, any axes.

    Returns
    -------
    dB; infinite when the images are equal.

    Raises
    ------
    ValueError
        When shapes differ or the truth is constant.
    """
    reference, other = _pair(truth, image)
    span = float(reference.max() - reference.min())
    if span == 0:
        raise ValueError("the truth is constant, so it has no range")
    error = float(np.mean((reference - other) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(span**2 / error))


def mean_bias(truth: NDArray[Any], image: NDArray[Any], offset: float = 0.0) -> float:
    """Give the relative bias of the mean signal, (mean(image) - mean(truth)) / (mean(truth) - offset).

    `offset` is what the camera reads without light, in the images' unit: bias is measured on the light, and a large
    offset cannot hide it.

    Raises
    ------
    ValueError
        When shapes differ or the mean of the truth is the offset.
    """
    reference, other = _pair(truth, image)
    signal = float(reference.mean()) - offset
    if signal == 0:
        raise ValueError("the truth has no signal above the offset")
    return (float(other.mean()) - float(reference.mean())) / signal


def intensity_slope(truth: NDArray[Any], image: NDArray[Any]) -> float:
    """Give the slope of the least-squares line of `image` over `truth`: 1 where intensities are kept, less: flattened.

    Raises
    ------
    ValueError
        When shapes differ or the truth is constant.
    """
    reference, other = _pair(truth, image)
    centred = reference - reference.mean()
    variance = float(np.sum(centred**2))
    if variance == 0:
        raise ValueError("the truth is constant, so it has no slope")
    return float(np.sum(centred * (other - other.mean()))) / variance


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
    reference, other = _pair(truth, noisy)
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


def noise_sigma(image: NDArray[Any]) -> float:
    """Estimate the noise's standard deviation without a truth (Immerkaer 1996), from a robust spread.

    The image is filtered by the difference of two Laplacians, which straight edges and slopes do not pass; the median
    of the absolute values divided by 6 x 0.6745 is the sigma of white Gaussian noise.

    Parameters
    ----------
    image
        Array (..., y, x), at least 3 x 3.

    Returns
    -------
    Standard deviation in the image's unit. For noise that grows with the signal it is that of a typical pixel.
    """
    kernel = _IMMERKAER.reshape((1,) * (np.ndim(image) - 2) + (3, 3))
    filtered = convolve(np.asarray(image, np.float64), kernel)[..., 1:-1, 1:-1]
    return float(np.median(np.abs(filtered - np.median(filtered)))) / (6 * 0.6744897501960817)


def residual_correlation(noisy: NDArray[Any], denoised: NDArray[Any]) -> float:
    """Give the correlation of neighbouring pixels (mean of y and x) in what was removed, noisy - denoised.

    Near 0 when only white noise was removed; above 0 when structure was removed with it.

    Raises
    ------
    ValueError
        When shapes differ or nothing was removed.
    """
    before, after = _pair(noisy, denoised)
    removed = before - after
    removed = removed - removed.mean()
    variance = float(np.mean(removed**2))
    if variance == 0:
        raise ValueError("the images are equal: nothing was removed")
    along_y = float(np.mean(removed[..., 1:, :] * removed[..., :-1, :]))
    along_x = float(np.mean(removed[..., :, 1:] * removed[..., :, :-1]))
    return (along_y + along_x) / 2 / variance
