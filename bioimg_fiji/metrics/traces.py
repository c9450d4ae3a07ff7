"""Whether activity over time comes out as it should: correlation and height of cells' traces, with the truth.

PSNR alone is dishonest for movies: a network that never sees the frame it predicts gains decibels by removing every
event that lasts for one frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.metrics.arrays import Floats, dot, pair

_EVENT = 0.5


def traces(movie: NDArray[Any], weights: Sequence[NDArray[Any]]) -> Floats:
    """Give each region's weighted mean over time, (region, t).

    Parameters
    ----------
    movie
        (t, y, x).
    weights
        One image (y, x) per region, not negative, such as a mask.

    Raises
    ------
    ValueError
        When shapes do not fit, or there is no region.
    """
    movie = np.asarray(movie)
    if movie.ndim != 3 or not len(weights) or any(np.shape(weight) != movie.shape[1:] for weight in weights):
        raise ValueError(f"a movie (t, y, x) and images (y, x) of weights are needed, not {movie.shape}")
    flat = np.stack([np.asarray(weight, np.float64).ravel() / np.sum(weight) for weight in weights])
    return np.stack([flat @ frame.ravel().astype(np.float64) for frame in movie], axis=1)


def trace_correlation(truth: NDArray[Any], image: NDArray[Any], weights: Sequence[NDArray[Any]]) -> float:
    """Give the correlation of all regions' traces with the true ones, each without its mean over time.

    Parameters
    ----------
    truth, image
        Movies (t, y, x) of the same shape.
    weights
        As in `traces`.

    Returns
    -------
    1 where activity comes out as it is, 0 where it is lost.

    Raises
    ------
    ValueError
        When shapes do not fit, or the true traces do not change.
    """
    return correlation_of_traces(*_both(truth, image, weights))


def correlation_of_traces(real: Floats, seen: Floats) -> float:
    """Do what `trace_correlation` says, with traces (region, t).

    Raises
    ------
    ValueError
        When the true traces do not change.
    """
    real, seen = (each - each.mean(axis=1, keepdims=True) for each in (real, seen))
    if not real.any():
        raise ValueError("the true traces do not change")
    power = dot(seen, seen)
    return dot(real, seen) / float(np.sqrt(dot(real, real) * power)) if power > 0 else 0.0


def amplitude_slope(truth: NDArray[Any], image: NDArray[Any], weights: Sequence[NDArray[Any]]) -> float:
    """Give how much of the height of events comes out: the slope of traces over true traces in frames with events.

    A frame is one with an event where the true trace is above its median by more than half of its largest rise. The
    line goes through the region's baseline, the mean of the frames without one.

    Parameters
    ----------
    truth, image
        Movies (t, y, x) of the same shape and unit.
    weights
        As in `traces`.

    Returns
    -------
    1 where amplitudes can be measured, 0 where events are gone.

    Raises
    ------
    ValueError
        When shapes do not fit, or there is no event.
    """
    return slope_of_traces(*_both(truth, image, weights))


def slope_of_traces(real: Floats, seen: Floats) -> float:
    """Do what `amplitude_slope` says, with traces (region, t).

    Raises
    ------
    ValueError
        When there is no event.
    """
    rise = real - np.median(real, axis=1, keepdims=True)
    largest = rise.max(axis=1, keepdims=True)
    events = (rise > _EVENT * largest) & (largest > 0)
    if not events.any():
        raise ValueError("the true traces have no event")
    real, seen = (each - each.mean(axis=1, keepdims=True, where=~events) for each in (real, seen))
    return dot(real[events], seen[events]) / dot(real[events], real[events])


def _both(truth: NDArray[Any], image: NDArray[Any], weights: Sequence[NDArray[Any]]) -> tuple[Floats, Floats]:
    reference, other = pair(truth, image)
    return traces(reference, weights), traces(other, weights)
