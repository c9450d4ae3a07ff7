"""How neighbouring frames of a movie are related: noise that they share, frames that repeat, change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.train.noise_check.blocks import Array, Floats, blocks, evenly, quiet_indices, rounding_variance

_LAGS = 8
_STARTS = 24
_BLOCKS = 192
_FEWEST_FRAMES = 6
_SEQUENCE = 256
_CERTAIN = 4.0
_QUIET = 0.25
_FILTER = 36.0  # sum of the filter's squares: the variance that it makes of white noise


def temporal_noise_correlation(frames: Array) -> dict[str, float]:
    """Give the correlation of one pixel's noise in neighbouring frames.

    Frames are filtered by the difference of two Laplacians (Immerkaer 1996), which leaves noise and little of what
    optics pass, and cut into blocks. With V the variance of a filtered frame and D(k) half the variance of the
    difference of two that are k apart, noise that is independent in time has D(k) = V for all k, and a running mean,
    a recursive filter, repeated or interlaced frames have D(1) < D(far) = V. The smaller of 1 - D(1) / D(far) and
    1 - D(1) / V is given, of the quietest quarter of the blocks: the first is not misled by patterns that stand still,
    the second not by slow change.

    What it cannot tell: fine structure that fills the image, is as strong as the noise and moves by about a pixel in
    a few frames looks like correlated noise; and so does noise whose memory is longer than eight frames look like a
    pattern that stands still.

    Parameters
    ----------
    frames
        (t, ..., y, x), at least six frames.

    Returns
    -------
    "t" and "t2", the correlations at one and two frames' distance; empty for fewer frames, or blocks that do not vary.
    """
    if len(frames) < _FEWEST_FRAMES or min(frames.shape[-2:]) < 3:
        return {}
    lags = min(_LAGS, len(frames) - 2)
    planes = frames.reshape(len(frames), -1, *frames.shape[-2:])
    halves, variances = [], []
    for number, start in enumerate(evenly(len(frames) - lags, _STARTS)):
        filtered = _fine_noise(planes[start : start + lags + 1, number % planes.shape[1]])
        halves.append(np.mean((filtered[1:] - filtered[0]) ** 2, axis=(2, 3)).T / 2)
        variances.append(np.mean(filtered**2, axis=(0, 2, 3)))
    half, variance = np.concatenate(halves), np.concatenate(variances)
    rounding = _FILTER * rounding_variance(frames)
    quiet = quiet_indices((variance + half.mean(axis=1)) / 2, _QUIET, rounding)
    if not len(quiet):
        return {}
    by_lag, spread = half[quiet].mean(axis=0) - rounding, float(variance[quiet].mean()) - rounding
    far = float(by_lag[-max(lags // 3, 1) :].mean())
    if min(far, spread) <= 0:
        return {}
    return {key: float(min(1 - by_lag[k] / far, 1 - by_lag[k] / spread, 1.0)) for k, key in ((0, "t"), (1, "t2"))}


def repeated_frames(frames: Array) -> float:
    """Give the share of frames that equal the frame before, pixel by pixel, without those in which nothing varies."""
    chosen = evenly(len(frames) - 1, 64) if len(frames) > 1 else np.empty(0, np.intp)
    pairs = [(frames[t], frames[t + 1]) for t in chosen]
    same = [np.array_equal(a, b) and bool((a != a.flat[0]).any()) for a, b in pairs]
    return float(np.mean(same)) if same else 0.0


def change(frames: Array) -> float:
    """Give the variance of differences two frames apart beside that of neighbours: 1 for noise on a still scene.

    NaN for fewer than three frames or frames that are all equal.
    """
    if len(frames) < 3:
        return float("nan")
    near, far = 0.0, 0.0
    for t in evenly(len(frames) - 2, 48):
        three = blocks(frames[t : t + 3], _BLOCKS).reshape(3, -1)
        near += float(np.var(three[1] - three[0]))
        far += float(np.var(three[2] - three[0]))
    return far / near if near > 0 else float("nan")


def smoothness(frames: Array) -> dict[str, float]:
    """Tell activity that lasts from activity of single frames.

    Opposite corners of a block of 16 x 16 share activity but no noise, even where noise reaches a few pixels along a
    line. Their covariance over time is the activity's variance, that of one corner with the other a frame later, by
    the former, is what is given: 1 for slow change, 0 for spikes of one frame. Only blocks whose activity stands out
    by four standard errors count.

    Parameters
    ----------
    frames
        (t, ..., y, x); of longer movies the first 256 frames.

    Returns
    -------
    "active", the share of blocks that count, and where there are any "smooth".
    """
    few = frames[:_SEQUENCE]
    if len(few) < 2 * _FEWEST_FRAMES or min(few.shape[-2:]) < 16:
        return {"active": 0.0}
    cut = np.stack([blocks(each.reshape(-1, *each.shape[-2:])[:4], _BLOCKS) for each in few])
    first, last = slice(0, 6), slice(10, 16)
    corners = [(first, first, last, last), (first, last, last, first)]
    now, later, active = [], [], []
    for a, b, c, d in corners:
        one, other = _centred(cut[:, :, a, b].mean(axis=(2, 3))), _centred(cut[:, :, c, d].mean(axis=(2, 3)))
        now.append((one * other).mean(axis=0))
        later.append(((one[:-1] * other[1:]).mean(axis=0) + (other[:-1] * one[1:]).mean(axis=0)) / 2)
        error = np.sqrt(one.var(axis=0) * other.var(axis=0) / len(few))
        active.append(now[-1] > _CERTAIN * error)
    which: NDArray[np.bool_] = np.concatenate(active)
    found = {"active": float(which.mean())}
    if which.any():
        found["smooth"] = float(np.concatenate(later)[which].sum() / np.concatenate(now)[which].sum())
    return found


def _centred(traces: Floats) -> Floats:
    result: Floats = traces - traces.mean(axis=0)
    return result


def _fine_noise(frames: Array) -> Floats:
    """Filter blocks of (t, y, x) by the difference of two Laplacians, each block without its border: (t, n, y, x)."""
    cut = blocks(frames, _BLOCKS)
    rows = cut[:, :-2] - 2 * cut[:, 1:-1] + cut[:, 2:]
    both = rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:]
    return both.reshape(len(frames), -1, *both.shape[1:])
