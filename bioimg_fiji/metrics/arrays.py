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
        When shapes differ.
    """
    if np.shape(truth) != np.shape(image):
        raise ValueError(f"truth has shape {np.shape(truth)}, the image {np.shape(image)}")
    return np.asarray(truth, np.float64), np.asarray(image, np.float64)


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
