"""Figures of noise and of what was removed, without a truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve

from bioimg_fiji.metrics.arrays import pair

_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)
_NYQUIST = 0.375


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
    before, after = pair(noisy, denoised)
    removed = before - after
    removed = removed - removed.mean()
    variance = float(np.mean(removed**2))
    if variance == 0:
        raise ValueError("the images are equal: nothing was removed")
    along_y = float(np.mean(removed[..., 1:, :] * removed[..., :-1, :]))
    along_x = float(np.mean(removed[..., :, 1:] * removed[..., :, :-1]))
    return (along_y + along_x) / 2 / variance


def line_correlation(residual: NDArray[Any], axis: int = -1, lag: int = 1) -> float:
    """Give the correlation of a residual with itself, `lag` pixels on along an axis.

    Of what a method for noise on lines removed it is high along the line; of what it left (image - truth) it is to be
    near 0.

    Parameters
    ----------
    residual
        Array of any axes; its mean is subtracted.
    axis
        Number of the axis.
    lag
        Distance, pixels.

    Raises
    ------
    ValueError
        When the axis is not longer than `lag`, or the residual is constant.
    """
    values = np.moveaxis(np.asarray(residual, np.float64), axis, 0)
    if len(values) <= lag or lag < 1:
        raise ValueError(f"lag must be from 1 to {len(values) - 1} along that axis, but it is {lag}")
    values = values - values.mean()
    variance = float(np.mean(values**2))
    if variance == 0:
        raise ValueError("the residual is constant, so it has no correlation")
    return float(np.mean(values[lag:] * values[:-lag])) / variance


def nyquist_energy(image: NDArray[Any]) -> tuple[float, float]:
    """Measure the checkerboard: energy near the finest frequency along y and x at once.

    Noise2Void leaves such a pattern, whose removal is Noise2Void2's aim (Hoeck et al. 2022). Both frequencies from
    0.375 to 0.5 cycles a pixel count; optics pass next to nothing there.

    Parameters
    ----------
    image
        Array (..., y, x), at least 8 x 8; each plane's mean is taken off, and a Hann window keeps borders out.

    Returns
    -------
    The mean power there beside that of all frequencies (for white noise 1, less the smoother), and the variance that
    it stands for, in the image's unit squared: the variance of white noise with that power. Compare the second
    between methods.

    Raises
    ------
    ValueError
        When the image is smaller than 8 x 8.
    """
    planes = np.asarray(image, np.float64)
    size_y, size_x = planes.shape[-2:]
    if min(size_y, size_x) < 8:
        raise ValueError(f"y and x must be at least 8, but they are {size_y} and {size_x}")
    window = np.hanning(size_y + 2)[1:-1, None] * np.hanning(size_x + 2)[1:-1]
    planes = planes - (planes * window).sum(axis=(-2, -1), keepdims=True) / window.sum()
    power = np.abs(np.fft.fft2(planes * window)) ** 2 / float(np.sum(window**2))
    fine_y, fine_x = (np.abs(np.fft.fftfreq(size)) >= _NYQUIST for size in (size_y, size_x))
    corner = float(power[..., fine_y[:, None] & fine_x].mean())
    everything = float(power.mean())
    return (corner / everything if everything > 0 else 0.0), corner
