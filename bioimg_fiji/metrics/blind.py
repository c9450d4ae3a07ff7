"""Whether intensities come out as they should, without a truth: from the noisy image alone.

All of it rests on one thing: the noise of the measurement has mean zero whatever the signal, so means over many
noisy pixels are right.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.metrics.arrays import Floats, blocks, dot, half_means, pair

_SIDE = 16
_BINS = 24
_FEWEST_PER_BIN = 8
_QUIET = 0.25
_FILTER = 36.0
_ROUNDS = 20
_MOST_PLANES = 64
_BACKGROUND = 0.01
_LEAST_SIGNAL = 4.0
_CERTAIN = 3.0


class NoiseModel(NamedTuple):
    """Photon transfer: variance = gain * value + variance_at_zero, in the image's unit; `sigma` is that at the mean.

    A camera's offset and read noise cannot be told apart: variance_at_zero = read variance - gain * offset.
    """

    gain: float
    variance_at_zero: float
    sigma: float

    def variance(self, value: NDArray[Any] | float) -> Floats:
        """Give the noise's variance at a signal value, not below 0."""
        result: Floats = np.maximum(self.gain * np.asarray(value, np.float64) + self.variance_at_zero, 0.0)
        return result


def blind_noise(image: NDArray[Any], movie: bool = False) -> NoiseModel:
    """Estimate the noise from one image or movie by photon transfer (Janesick 2007; Foi et al. 2008).

    Of blocks of 16 x 16, sorted by mean, each bin's quietest quarter gives one point of the line variance over mean,
    which is fitted robustly (Huber). The variance is that of second differences in y and x (Immerkaer 1996), for a
    movie of differences of neighbouring frames, which structure does not enter.

    Assumes noise that is independent from pixel to pixel (single images: correlated noise is underestimated), or from
    frame to frame (movies), and variance that grows linearly with the signal.

    Parameters
    ----------
    image
        (..., y, x), or (t, ..., y, x) with `movie`; at most about 64 planes are used.
    movie
        Whether the first axis is time.

    Returns
    -------
    The model; gain 0 where the variance does not grow with the signal by more than chance.

    Raises
    ------
    ValueError
        When there are fewer than 16 x 16 pixels or, for a movie, fewer than two frames.
    """
    means, variances, whole = _frame_pairs(image) if movie else _block_noise(image)
    bins = max(1, min(_BINS, len(means) // (2 * _FEWEST_PER_BIN)))
    points = []
    for indices in np.array_split(np.argsort(means), bins):
        quiet = indices[np.argsort(variances[indices])][: max(round(len(indices) * _QUIET), 1)]
        # The quietest quarter of n sums is below the mean of all; the median of what white noise gives undoes that.
        points.append((means[quiet].mean(), variances[quiet].mean() / _low_share(movie), len(indices)))
    x, y, weight = (np.array(column) for column in zip(*points, strict=True))
    gain, offset = _line(x, y, weight)
    return NoiseModel(gain, offset, float(np.sqrt(max(gain * whole + offset, 0.0))))


def residual_signal_correlation(noisy: NDArray[Any], denoised: NDArray[Any]) -> float:
    """Give the correlation of what was removed, noisy - denoised, with the denoised image.

    Photon noise is stronger where the image is brighter, but its mean is zero everywhere: expected is 0. Above 0,
    contrast was taken away (bright places lost more); below 0, noise or contrast was added.

    Raises
    ------
    ValueError
        When shapes differ, nothing was removed, or the denoised image is constant.
    """
    before, after = pair(noisy, denoised)
    removed, signal = before - after, after - after.mean()
    removed = removed - removed.mean()
    power = dot(removed, removed) * dot(signal, signal)
    if power == 0:
        raise ValueError("nothing was removed, or nothing is left")
    return dot(removed, signal) / float(np.sqrt(power))


def blind_bias(noisy: NDArray[Any], denoised: NDArray[Any], background: float | None = None) -> float:
    """Give the relative bias of the mean signal, (mean(denoised) - mean(noisy)) / (mean(noisy) - background).

    Parameters
    ----------
    noisy, denoised
        Arrays of one shape and unit.
    background
        What the image reads where there is no signal; by default the denoised image's darkest hundredth (its
        1st percentile). Bias is measured above it, so a camera's offset cannot hide it.

    Raises
    ------
    ValueError
        When shapes differ or there is no signal above the background.
    """
    before, after = pair(noisy, denoised)
    dark = float(np.quantile(after, _BACKGROUND)) if background is None else background
    signal = float(before.mean()) - dark
    if signal <= 0:
        raise ValueError("the noisy image has no signal above the background")
    return (float(after.mean()) - float(before.mean())) / signal


def blind_roi_slope(noisy: NDArray[Any], denoised: NDArray[Any], side: int = 8) -> float:
    """Give the slope of the denoised image's block means over the true ones, which are not known.

    The noisy image's block means have noise, which would flatten a plain regression line. So each block's pixels are
    split like a checkerboard: one half is the regressor, the other one the instrument (errors in variables, Fuller
    1987), and the other way round. Each plane's own mean is taken off.

    Assumes noise that is independent from pixel to pixel. A denoised block follows its own noise a little, so the
    slope is too high by at most the variance of the noise of a block's mean beside that of the signal's.

    Parameters
    ----------
    noisy, denoised
        Arrays (..., y, x) of one shape and unit.
    side
        Of a block, pixels.

    Raises
    ------
    ValueError
        When shapes differ, there is no whole block, or block means differ by little but noise.
    """
    before, after = pair(noisy, denoised)
    white, black = (_centred(half) for half in half_means(before, side))
    result = _centred(blocks(after, side).mean(axis=(-2, -1)))
    signal = dot(white, black)
    noise = dot(white - black, white - black) / 4
    if signal <= _LEAST_SIGNAL * noise or white.size < 4:
        raise ValueError("the block means differ by little but noise")
    return dot(result, white + black) / (2 * signal)


def _centred(means: Floats) -> Floats:
    result: Floats = means - means.mean(axis=(-2, -1), keepdims=True)
    return result


def _block_noise(image: NDArray[Any]) -> tuple[Floats, Floats, float]:
    planes = np.asarray(image).reshape(-1, *np.shape(image)[-2:])
    chosen = np.unique(np.linspace(0, len(planes) - 1, min(len(planes), _MOST_PLANES)).round().astype(int))
    cut = blocks(planes[chosen], _SIDE).reshape(-1, _SIDE, _SIDE)
    rows = cut[:, :-2] - 2 * cut[:, 1:-1] + cut[:, 2:]
    both = rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:]
    return cut.mean(axis=(1, 2)), (both**2).mean(axis=(1, 2)) / _FILTER, float(cut.mean())


def _frame_pairs(movie: NDArray[Any]) -> tuple[Floats, Floats, float]:
    frames = np.asarray(movie)
    if len(frames) < 2:
        raise ValueError("a movie has at least two frames")
    planes = frames.reshape(len(frames), -1, *frames.shape[-2:])
    count = max(1, min(len(frames) - 1, _MOST_PLANES // 2 // planes.shape[1]))
    means, variances = [], []
    for t in np.unique(np.linspace(0, len(frames) - 2, count).round().astype(int)):
        one, other = (blocks(planes[n], _SIDE).reshape(-1, _SIDE, _SIDE) for n in (t, t + 1))
        means.append((one + other).mean(axis=(1, 2)) / 2)
        variances.append((one - other).var(axis=(1, 2)) / 2)
    return np.concatenate(means), np.concatenate(variances), float(np.concatenate(means).mean())


def _low_share(movie: bool) -> float:
    """Give the mean of the lowest quarter of block variances of white noise, beside the mean of all.

    The variance of 256 independent values scatters by sqrt(2 / 255), that of 196 second differences, which overlap, by
    about sqrt(2 / 71); of a normal distribution the lowest quarter lies 1.27 standard deviations below the mean.
    """
    free = 255.0 if movie else 71.0
    return 1 - 1.271 * float(np.sqrt(2 / free))


def _line(x: Floats, y: Floats, weight: Floats) -> tuple[float, float]:
    """Fit y = gain * x + offset with gain >= 0, by Huber's weights on errors relative to y."""
    weight = weight / np.maximum(y, 1e-12 + 1e-3 * y.max()) ** 2
    robust = np.ones_like(y)
    gain, offset, doubt = 0.0, float(np.average(y, weights=weight)), 0.0
    for _ in range(_ROUNDS if np.ptp(x) > 0 else 0):
        w = weight * robust
        mean_x, mean_y = np.average(x, weights=w), np.average(y, weights=w)
        spread = float(np.sum(w * (x - mean_x) ** 2))
        gain = max(float(np.sum(w * (x - mean_x) * (y - mean_y))) / spread, 0.0) if spread > 0 else 0.0
        offset = float(mean_y - gain * mean_x)
        error = np.abs(y - gain * x - offset) * np.sqrt(weight)
        scale = 1.4826 * float(np.median(error)) * 1.345
        robust = np.minimum(1.0, scale / np.maximum(error, 1e-12)) if scale > 0 else robust
        doubt = scale / np.sqrt(np.sum(weight * robust * (x - mean_x) ** 2)) if spread > 0 else 0.0
    if gain <= _CERTAIN * doubt:  # all blocks are about equally bright: a slope would be chance
        gain, offset = 0.0, float(np.average(y, weights=weight * robust))
    return gain, offset
