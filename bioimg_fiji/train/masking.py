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


def median_values(batch: NDArray[np.float32], positions: NDArray[np.intp], radius: int) -> NDArray[np.float32]:
    """Give for each position the median of its neighbours, without the pixel itself (Hoeck 2022, section 3.2).

    Parameters
    ----------
    batch, positions
        As for `neighbour_values`.
    radius
        Neighbours are at most this far along each axis; at the patch's border the nearest stand for those outside.

    Returns
    -------
    float32 array (positions,).
    """
    ndim = batch.ndim - 1
    sizes = np.array(batch.shape[1:])[:, None, None]
    steps = np.indices((2 * radius + 1,) * ndim).reshape(ndim, -1) - radius
    steps = steps[:, np.any(steps != 0, axis=0)]
    around = np.clip(positions[1:, :, None] + steps[:, None, :], 0, sizes - 1)
    values = batch[(positions[0][:, None], *around)]
    # NB: at the border the pixel itself may stand for one outside; it must not tell its value.
    own = np.all(around == positions[1:, :, None], axis=0)
    median: NDArray[np.float32] = np.nanmedian(np.where(own, np.float32(np.nan), values), axis=1)
    return median


def line_positions(positions: NDArray[np.intp], axis: int, span: int, size: int) -> NDArray[np.intp]:
    """Give all pixels of the lines around masked positions, the positions themselves too.

    Parameters
    ----------
    positions
        As from `stratified_mask`.
    axis
        Spatial axis along which the noise is correlated.
    span
        Length of a line, pixels (odd): (span - 1) / 2 to each side.
    size
        Size of the patch along that axis; lines are cut there.
    """
    lines = []
    for step in range(-(span // 2), span // 2 + 1):
        moved = positions.copy()
        moved[1 + axis] += step
        lines.append(moved[:, (moved[1 + axis] >= 0) & (moved[1 + axis] < size)])
    return np.unique(np.concatenate(lines, axis=1), axis=1)


def beside_values(
    batch: NDArray[np.float32], positions: NDArray[np.intp], axis: int, radius: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Give for each position the value of a random neighbour that lies on another line along `axis`.

    Neighbours on the same line share its noise. Parameters and result are those of `neighbour_values`; at the border of
    the patch, neighbours outside are mirrored.
    """
    moved = positions[1:].copy()
    others = [place for place in range(len(moved)) if place != axis]
    moved[axis] += rng.integers(-radius, radius + 1, moved.shape[1])
    steps = rng.integers(-radius, radius + 1, (len(others), moved.shape[1]))
    # One of the other axes must move.
    still = np.flatnonzero(np.all(steps == 0, axis=0))
    steps[rng.integers(0, len(others), len(still)), still] = rng.integers(1, radius + 1, len(still))
    moved[others] += steps
    for place, size in enumerate(batch.shape[1:]):
        moved[place] = np.where(moved[place] < 0, -moved[place], moved[place])
        moved[place] = np.where(moved[place] >= size, 2 * (size - 1) - moved[place], moved[place])
    values: NDArray[np.float32] = batch[(positions[0], *moved)]
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
