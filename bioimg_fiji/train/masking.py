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


def hide_lines(
    batch: NDArray[np.float32],
    positions: NDArray[np.intp],
    axis: int,
    span: int,
    radius: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Give the batch with the lines around masked positions hidden: pieces of other lines nearby stand in their place.

    A piece is moved as a whole, so that it has the noise of a line, as the image has where nothing is hidden: single
    values from many lines would have a network learn from smoother lines than it is given later, and its mean would be
    off. A line reaches further than `span` by chance, to either side by itself: at a length that never changed, a
    network would learn to lean on the pixels just beyond, which share a line with the hidden one.

    Parameters
    ----------
    batch
        (samples, spatial axes ...).
    positions
        As from `stratified_mask`.
    axis
        Spatial axis along which the noise is correlated.
    span
        Pixels to hide at least (odd), with the position in the middle; at most twice as many are hidden. Lines are cut
        at the patch's border.
    radius
        Pieces come from at most this far along each axis, and never from the hidden line itself.
    rng
        Source of randomness.
    """
    hidden = batch.copy()
    half, sizes = span // 2, batch.shape[1:]
    before, after = rng.integers(half, 2 * half + 1, (2, positions.shape[1]))
    steps = _to_other_lines(positions, axis, radius, sizes, rng)
    for along in range(-2 * half, 2 * half + 1):
        pixels, moves = positions.copy(), steps.copy()
        pixels[1 + axis] += along
        covered = (-before <= along) & (along <= after)
        covered &= (pixels[1 + axis] >= 0) & (pixels[1 + axis] < sizes[axis])
        pixels, moves = pixels[:, covered], moves[:, covered]
        source = pixels[1:] + moves
        source[axis] = _mirrored(source[axis], sizes[axis])
        hidden[tuple(pixels)] = batch[(pixels[0], *source)]
    return hidden


def _to_other_lines(
    positions: NDArray[np.intp], axis: int, radius: int, sizes: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Draw for each position the steps (spatial axes, positions) to a pixel of another line inside the patch."""
    steps: NDArray[np.intp] = rng.integers(-radius, radius + 1, positions[1:].shape)
    others = [place for place in range(len(sizes)) if place != axis]
    still = np.flatnonzero(np.all(steps[others] == 0, axis=0))
    # One of the other axes must move.
    moving = np.array(others)[rng.integers(0, len(others), len(still))]
    steps[moving, still] = rng.integers(1, radius + 1, len(still)) * rng.choice((-1, 1), len(still))
    for place in others:
        here, size = positions[1 + place], sizes[place]
        # NB: what would leave the patch turns round; mirrored, it could come back to its own line.
        for other in (-steps[place], np.where(here == 0, 1, -1)):
            there = here + steps[place]
            steps[place] = np.where((there >= 0) & (there < size), steps[place], other)
    return steps


def _mirrored(index: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Give indices inside 0 ... size - 1; those outside are mirrored at the border."""
    index = np.where(index < 0, -index, index)
    index = np.where(index >= size, 2 * (size - 1) - index, index)
    clipped: NDArray[np.intp] = np.clip(index, 0, size - 1)
    return clipped


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
