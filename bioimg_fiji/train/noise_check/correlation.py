"""How the noise of neighbouring pixels is correlated in space: along y, x and z.

In a movie the noise shows in the second difference of neighbouring frames, where everything that stands still cancels.
In a single image it can only be guessed. In both, only the quietest of small blocks are judged: what moves, flashes or
has structure is louder than noise alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bioimg_fiji.image import Image
from bioimg_fiji.train.noise_check.blocks import (
    FEWEST_FRAMES,
    Array,
    Floats,
    blocks,
    evenly,
    per_plane,
    planes_of,
    quiet_indices,
    quietest,
    rounding_variance,
    without_plane,
)
from bioimg_fiji.train.noise_check.finding import FARTHEST, REACHES

_BLOCKS_TO_GUESS = 64
_MOST_FRAMES = 64
_QUIET_MOVIE = 0.25
_QUIET_IMAGE = 0.1
_FINEST_SIDE = 12
_SECOND_DIFFERENCE = 1 + 4 + 1  # its variance beside that of one frame


def movie_noise_correlation(frames: Array) -> dict[str, float]:
    """Give the correlation of the noise between neighbouring pixels of a movie.

    The second difference f[t-1] - 2 f[t] + f[t+1] is cut into blocks of 16 x 16; the median correlation of the
    quietest quarter of all blocks and frames is taken, so that moving or flashing cells do not count. Rounding to
    grey levels adds noise that is white: its variance is taken off, and blocks in which there is little else are
    left out.

    Parameters
    ----------
    frames
        (t, ..., y, x), at least 3 frames.

    Returns
    -------
    Correlation at a distance of one pixel along "y" and "x" and at two pixels ("y2", "x2"); empty when nothing but
    rounding varies.
    """
    rounding = _SECOND_DIFFERENCE * rounding_variance(frames)
    return _median_correlation(quietest(_difference_blocks(frames), _QUIET_MOVIE, rounding), rounding)


def image_noise_correlation(planes: Array) -> dict[str, float]:
    """Guess the correlation of the noise between neighbouring pixels of single images.

    Of all blocks of 16 x 16, each with its best plane subtracted, the tenth with the least variance is taken: structure
    is rarest there. What structure is left raises the figure, so it is an upper guess.

    Parameters
    ----------
    planes
        (n, y, x).

    Returns
    -------
    As `movie_noise_correlation`, and "fine_y", "fine_x": the power near Nyquist along the axis beside that at half of
    it, 1 for white noise, less for noise that was smoothed; structure hardly shows in it, since optics pass little of
    such fine detail. Empty when no block varies, or there are fewer than 64 to choose from.
    """
    cut = blocks(planes, per_plane(len(planes)))
    if len(cut) < _BLOCKS_TO_GUESS:
        return {}
    rounding = rounding_variance(planes)
    quiet = quietest(without_plane(cut), _QUIET_IMAGE, rounding)
    return _median_correlation(quiet, rounding) | _fine_power(quiet)


def depth_noise_correlation(image: Image) -> float:
    """Give the correlation of the noise of neighbouring slices, NaN where there is only one.

    Of movies the second differences in time are compared, of single stacks the flattest blocks themselves (an upper
    guess: structure goes on from slice to slice).
    """
    stacks = image.ordered("tbczyx")
    if stacks.shape[3] < 2:
        return float("nan")
    movie = len(stacks) >= FEWEST_FRAMES
    pairs = evenly(stacks.shape[3] - 1, 8)
    lower, upper = (
        without_plane(_difference_blocks(half) if movie else blocks(half, per_plane(int(np.prod(half.shape[:-2])))))
        for half in (stacks[:, :, :, pairs], stacks[:, :, :, pairs + 1])
    )
    loudness = np.sqrt(lower.var(axis=(1, 2)) * upper.var(axis=(1, 2)))
    rounding = rounding_variance(stacks) * (_SECOND_DIFFERENCE if movie else 1)
    quiet = quiet_indices(loudness, _QUIET_MOVIE if movie else _QUIET_IMAGE, rounding)
    if not len(quiet):
        return float("nan")
    return float(np.median((lower[quiet] * upper[quiet]).mean(axis=(1, 2)) / (loudness[quiet] - rounding)))


def reach(images: Sequence[Image]) -> dict[str, int]:
    """Measure how far the noise is correlated along each axis.

    Returns
    -------
    By "y" and "x": pixels over which the correlation stays above `REACHES`, at most `FARTHEST`, as
    `movie_noise_correlation` or, for fewer than six frames, `image_noise_correlation` measures it; the largest of all
    images.
    """
    found = {"y": 0, "x": 0}
    for image in images:
        quiet, rounding = _noise_blocks(image)
        if not len(quiet):
            continue
        quiet = quiet - quiet.mean(axis=(1, 2), keepdims=True)
        variance = np.mean(quiet**2, axis=(1, 2)) - rounding
        for axis, along in (("y", quiet), ("x", quiet.swapaxes(1, 2))):
            lags = range(1, min(FARTHEST, along.shape[1] - 4) + 1)
            values = [float(np.median((along[:, n:] * along[:, :-n]).mean(axis=(1, 2)) / variance)) for n in lags]
            far = next((n for n, value in enumerate(values) if value < REACHES), len(values))
            found[axis] = max(found[axis], far)
    return found


def _noise_blocks(image: Image) -> tuple[Floats, float]:
    """Give blocks with little but noise, as the two measurements of correlation do, and rounding's variance in them."""
    frames = image.ordered("tbczyx")
    if len(frames) >= FEWEST_FRAMES:
        rounding = _SECOND_DIFFERENCE * rounding_variance(frames)
        return quietest(_difference_blocks(frames), _QUIET_MOVIE, rounding), rounding
    planes = planes_of(image)
    rounding = rounding_variance(planes)
    return quietest(without_plane(blocks(planes, per_plane(len(planes)))), _QUIET_IMAGE, rounding), rounding


def _difference_blocks(frames: Array) -> Floats:
    """Give blocks of second differences in time, evenly spread over the movie."""
    most = per_plane(int(np.prod(frames.shape[1:-2])) * min(len(frames) - 2, _MOST_FRAMES))
    found = []
    for t in 1 + evenly(len(frames) - 2, _MOST_FRAMES):
        before, middle, after = (blocks(frames[n], most) for n in (t - 1, t, t + 1))
        found.append(before - 2 * middle + after)
    return np.concatenate(found)


def _median_correlation(quiet: Floats, rounding: float) -> dict[str, float]:
    quiet = quiet - quiet.mean(axis=(1, 2), keepdims=True)
    variance = np.mean(quiet**2, axis=(1, 2)) - rounding
    if len(quiet) == 0 or min(quiet.shape[1:]) < 3:
        return {}
    products = {
        "y": quiet[:, 1:] * quiet[:, :-1],
        "x": quiet[:, :, 1:] * quiet[:, :, :-1],
        "y2": quiet[:, 2:] * quiet[:, :-2],
        "x2": quiet[:, :, 2:] * quiet[:, :, :-2],
    }
    return {key: float(np.median(p.mean(axis=(1, 2)) / variance)) for key, p in products.items()}


def _fine_power(quiet: Floats) -> dict[str, float]:
    """Compare the power at 0.44 to 0.5 cycles a pixel with that at 0.25 to 0.31, by axis."""
    if len(quiet) == 0 or min(quiet.shape[1:]) < _FINEST_SIDE:
        return {}
    found = {}
    for axis, along in (("fine_y", quiet.swapaxes(1, 2)), ("fine_x", quiet)):
        window = np.hanning(along.shape[2] + 2)[1:-1]  # keeps coarse structure from leaking into the fine bands
        power = (np.abs(np.fft.rfft(along * window, axis=2)) ** 2).mean(axis=1)
        frequency = np.fft.rfftfreq(along.shape[2])
        power = (power / power[:, frequency > 0.15].sum(axis=1, keepdims=True)).mean(axis=0)
        middle = power[(frequency >= 0.25) & (frequency <= 0.33)].mean()
        found[axis] = float(power[frequency > 0.43].mean() / middle) if middle > 0 else 1.0
    return found
