"""Blind spots: which pixels are hidden from the network, and what it sees in their place (Krull 2019, section 3.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def stratified_mask(shape: tuple[int, ...], fraction: float, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw masked positions, one in each cell of a jittered grid, so that they keep apart.

    Parameters
    ----------
    shape
        (samples, spatial axes ...) of a batch.
    fraction
        Share of pixels to mask; every pixel is equally likely.
    rng
        Source of randomness.

    Returns
    -------
    Integer array (axes, positions): sample index and spatial indices of each masked pixel.
    """
    samples, sizes = shape[0], np.array(shape[1:])
    side = max(2, round((1 / fraction) ** (1 / len(sizes))))
    cells = -(-sizes // side) + 1
    corners = np.indices((samples, *cells)).reshape(1 + len(sizes), samples, -1)
    shift = rng.integers(0, side, (len(sizes), samples, 1))
    inside = corners[1:] * side - shift + rng.integers(0, side, corners[1:].shape)
    kept = np.all((inside >= 0) & (inside < sizes[:, None, None]), axis=0)
    return np.concatenate([corners[:1][:, kept], inside[:, kept]])


def neighbour_values(
    batch: NDArray[np.float32], positions: NDArray[np.intp], radius: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Give for each position the value of a random neighbour, never of the pixel itself.

    Parameters
    ----------
    batch
        (samples, spatial axes ...).
    positions
        As from `stratified_mask`.
    radius
        Neighbours are at most this far along each axis (a square or cube, cut at the patch's border).
    rng
        Source of randomness.

    Returns
    -------
    float32 array (positions,).
    """
    sizes = np.array(batch.shape[1:])[:, None]
    centre = positions[1:]
    low = np.maximum(centre - radius, 0)
    extent = np.minimum(centre + radius, sizes - 1) - low + 1
    own = _ravel(centre - low, extent)
    choice = rng.integers(0, np.prod(extent, axis=0) - 1)
    choice += choice >= own
    neighbour = low + _unravel(choice, extent)
    values: NDArray[np.float32] = batch[(positions[0], *neighbour)]
    return values


def _ravel(index: NDArray[Any], extent: NDArray[Any]) -> NDArray[Any]:
    flat: NDArray[Any] = np.zeros_like(index[0])
    for one, size in zip(index, extent, strict=True):
        flat = flat * size + one
    return flat


def _unravel(flat: NDArray[Any], extent: NDArray[Any]) -> NDArray[Any]:
    index = np.empty_like(extent)
    for axis in range(len(extent) - 1, -1, -1):
        flat, index[axis] = np.divmod(flat, extent[axis])
    return index
