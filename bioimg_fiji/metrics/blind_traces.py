"""Whether activity over time comes out as it should, without a truth: from the noisy movie alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.metrics.arrays import Floats, block_means, dot, half_means

_CERTAIN = 4.0
_EVENT = 3.5
_FEWEST_FRAMES = 12
_FEWEST_EVENTS = 3
_MOST_BLOCKS = 64


class BlindTrace(NamedTuple):
    """Correlation and amplitude slope of the traces of active blocks, and how many blocks and events they rest on."""

    correlation: float
    slope: float
    blocks: int
    events: int


def blind_trace(noisy: NDArray[Any], denoised: NDArray[Any], side: int = 8) -> BlindTrace:
    """Compare the denoised movie's traces with the true ones, which are not known.

    Blocks of `side` x `side` stand for cells. Each one's pixels are split like a checkerboard into A and B, whose noise
    is independent. Blocks are active where A and B vary together over time, by more than four standard errors; the 64
    most active are kept. Events are the frames in which A rises above its median by 3.5 times its noise. How high they
    are is measured on B, which was not asked where the events are, so chance does not make them higher; then the
    same with A and B exchanged. What the denoised trace shares with the noise by itself is measured in frames without
    events, and taken off.

    Assumes noise that is independent from pixel to pixel and from frame to frame, and cells not much smaller than a
    block.

    Parameters
    ----------
    noisy, denoised
        Movies (t, y, x) of one shape and unit, at least 12 frames.
    side
        Of a block, pixels.

    Returns
    -------
    Estimates of `trace_correlation` and `amplitude_slope`, on blocks instead of regions.

    Raises
    ------
    ValueError
        When shapes do not fit, or nothing in the movie is active enough to tell.
    """
    if np.shape(noisy) != np.shape(denoised) or np.ndim(noisy) != 3 or len(noisy) < _FEWEST_FRAMES:
        raise ValueError(f"two movies (t, y, x) of at least {_FEWEST_FRAMES} frames are needed, not {np.shape(noisy)}")
    one, other, result = reduced(noisy, denoised, side)
    return compare(one, other, result)


def reduced(noisy: NDArray[Any], denoised: NDArray[Any], side: int) -> tuple[Floats, Floats, Floats]:
    """Give the traces of all blocks (block, t): of half A and half B of the noisy movie, and of the denoised one."""
    halves = [half_means(frame, side) for frame in noisy]
    after = [block_means(frame, side) for frame in denoised]
    columns = ([a for a, _ in halves], [b for _, b in halves], after)
    one, other, result = (np.stack(each, axis=-1).reshape(-1, len(after)) for each in columns)
    return one, other, result


def compare(one: Floats, other: Floats, result: Floats) -> BlindTrace:
    """Do what `blind_trace` says with the traces (block, t) of half A, half B and the denoised movie.

    Raises
    ------
    ValueError
        When nothing is active enough.
    """
    active = _active(one, other)
    one, other, result = (_above_baseline(each[active]) for each in (one, other, result))
    noise = 1.4826 * np.median(np.abs(one - other - np.median(one - other, axis=1, keepdims=True)), axis=1)
    noise = np.maximum(noise[:, None] / np.sqrt(2), 1e-12)  # of one half
    found = [_events(a, b, result, a > _EVENT * noise) for a, b in ((one, other), (other, one))]
    events = sum(count for _, _, count in found)
    above, below = sum(top for top, _, _ in found), sum(bottom for _, bottom, _ in found)
    if events < _FEWEST_EVENTS or below <= 0:
        raise ValueError("nothing in the movie is active enough to tell")
    return BlindTrace(_correlation(one, other, result, noise), above / below, len(one), events)


def _active(one: Floats, other: Floats) -> NDArray[np.intp]:
    a, b = (each - each.mean(axis=1, keepdims=True) for each in (one, other))
    shared = (a * b).mean(axis=1)
    error = np.sqrt(a.var(axis=1) * b.var(axis=1) / a.shape[1])
    certain = np.flatnonzero(shared > _CERTAIN * error)
    if not len(certain):
        raise ValueError("nothing in the movie is active enough to tell")
    return certain[np.argsort(-shared[certain])][:_MOST_BLOCKS]


def _above_baseline(traces: Floats) -> Floats:
    result: Floats = traces - np.median(traces, axis=1, keepdims=True)
    return result


def _events(chosen: Floats, asked: Floats, result: Floats, event: NDArray[np.bool_]) -> tuple[float, float, int]:
    """Give the sums of chosen x denoised and chosen x asked over events, less what is shared without events."""
    quiet = ~event  # at least half of the frames: those at or below the median
    above = chosen - chosen.mean(axis=1, keepdims=True, where=quiet)
    sums = []
    for measured in (result, asked):
        shared = above * (measured - measured.mean(axis=1, keepdims=True, where=quiet))
        shared -= shared.mean(axis=1, keepdims=True, where=quiet)
        sums.append(float(shared.sum(where=event)))
    return sums[0], sums[1], int(event.sum())


def _correlation(one: Floats, other: Floats, result: Floats, noise: Floats) -> float:
    """Give the correlation of the denoised traces with the signal, whose variance is the halves' covariance."""
    raw = (one + other) / 2
    quiet = raw < _EVENT * noise / np.sqrt(2)
    own = (result * raw * quiet).sum(axis=1) - (one * other * quiet).sum(axis=1)  # the noise that came through
    own = np.maximum(own / np.maximum(quiet.sum(axis=1), 1), 0.0)
    raw, one, other, result = (each - each.mean(axis=1, keepdims=True) for each in (raw, one, other, result))
    signal, power = dot(one, other), dot(result, result)
    if power == 0 or signal <= 0:
        return 0.0
    shared = dot(result, raw) - float(own.sum()) * raw.shape[1]
    return float(np.clip(shared / np.sqrt(power * signal), -1, 1))
