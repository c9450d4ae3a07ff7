"""What the metrics share: checked pairs of arrays, block means, checkerboards."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def pair(truth: NDArray[Any], image: NDArray[Any]) -> tuple[Floats, Floats]:
    """Give both as float64.

    Raises
    ------
    ValueError
        When shapes differ, there is no pixel, or one is NaN or infinite: a figure of such an image would be NaN.
    """
    if np.shape(truth) != np.shape(image):
        raise ValueError(f"truth has shape {np.shape(truth)}, the image {np.shape(image)}: they must be the same")
    return finite(truth, "the truth"), finite(image, "the image")


def finite(values: NDArray[Any], name: str) -> Floats:
    """Give values as float64.

    Raises
    ------
    ValueError
        When there is none, or one is NaN or infinite.
    """
    result = np.asarray(values, np.float64)
    if result.size == 0:
        raise ValueError(f"{name} has no pixels")
    wrong = result.size - int(np.isfinite(result).sum())
    if wrong:
        raise ValueError(
            f"{name} has pixels that are NaN or infinite ({wrong}): replace them, or measure a region without"
        )
    return result


def value_range(truth: Floats, data_range: float | None) -> float:
    """Give the range that figures are measured by: the one that is told, else max(truth) - min(truth).

    Raises
    ------
    ValueError
        When it is not told and the truth is constant, or it is not above 0.
    """
    span = float(truth.max() - truth.min()) if data_range is None else float(data_range)
    if data_range is None and span == 0:
        raise ValueError("the truth is constant, so it has no range: give data_range")
    if not 0 < span < np.inf:
        raise ValueError(f"data_range must be above 0, but it is {span}")
    return span


def blocks(image: NDArray[Any], side: int) -> Floats:
    """Cut (..., y, x) into whole blocks (..., rows, columns, side, side), float64.

    Raises
    ------
    ValueError
        When there is no whole block.
    """
    rows, columns = np.shape(image)[-2] // side, np.shape(image)[-1] // side
    if min(rows, columns) == 0:
        raise ValueError(f"no block of {side} x {side} fits in {np.shape(image)[-2:]}")
    cut = np.asarray(image, np.float64)[..., : rows * side, : columns * side]
    return cut.reshape(*cut.shape[:-2], rows, side, columns, side).swapaxes(-3, -2)


def block_means(image: NDArray[Any], side: int) -> Floats:
    """Give the means of blocks, (..., rows, columns)."""
    result: Floats = blocks(image, side).mean(axis=(-2, -1))
    return result


def half_means(image: NDArray[Any], side: int) -> tuple[Floats, Floats]:
    """Give the means of the two colours of a checkerboard in each block, (..., rows, columns).

    Where the noise is independent from pixel to pixel, theirs is independent, and they see the same signal.
    """
    cut = blocks(image, side)
    white = np.add.outer(np.arange(side), np.arange(side)) % 2 == 0
    return cut[..., white].mean(axis=-1), cut[..., ~white].mean(axis=-1)


def dot(one: Floats, other: Floats) -> float:
    """Give the sum of products of two arrays of one shape."""
    return float(np.sum(one * other))
