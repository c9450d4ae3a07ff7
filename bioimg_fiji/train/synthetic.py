"""Synthetic microscopy with known truth, for tests, benchmarks and the demo (numpy and scipy only).

`phantom` gives expected photons, `expose` a camera's reading of them, `movie` a field of cells with known activity.
The benchmark set: training `phantom(seed=0..7)`, test `phantom(seed=100..102)`, camera noise from one generator with
seed 1, in that order (`benchmark_set`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

GAIN, OFFSET, READ_NOISE = 2.0, 100.0, 1.5
"""Camera: ADU per photon, ADU without light, electrons (standard deviation)."""

_CELLS, _FILAMENTS, _FILAMENT_STEPS = 14, 30, 300
_OPTICAL_SIGMA = 1.2


def phantom(size: int = 256, seed: int = 0) -> NDArray[np.float32]:
    """Draw textured cells and thin filaments, blurred by an optical sigma of 1.2 pixels.

    Parameters
    ----------
    size
        Side, pixels.
    seed
        Of the drawing.

    Returns
    -------
    Expected photons (y, x), mean about 2.7.
    """
    rng = np.random.default_rng(seed)
    image = np.zeros((size, size), np.float32)
    grid = np.mgrid[:size, :size]
    for _ in range(_CELLS):
        _add_cell(image, grid, rng)
    for _ in range(_FILAMENTS):
        _add_filament(image, rng)
    blurred: NDArray[np.float32] = gaussian_filter(image, _OPTICAL_SIGMA) + np.float32(1.0)
    return blurred


def structures(size: int = 256, seed: int = 0) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """Draw each cell and each filament of `phantom` by itself: their sum, and 1 for the background, is the phantom.

    Returns
    -------
    Cells and filaments, expected photons (y, x).
    """
    rng = np.random.default_rng(seed)
    grid = np.mgrid[:size, :size]
    cells, filaments = ([np.zeros((size, size), np.float32) for _ in range(count)] for count in (_CELLS, _FILAMENTS))
    for image in cells:
        _add_cell(image, grid, rng)
    for image in filaments:
        _add_filament(image, rng)
    blurred = [[gaussian_filter(image, _OPTICAL_SIGMA) for image in images] for images in (cells, filaments)]
    return blurred[0], blurred[1]


def expose(photons: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float32]:
    """Give a camera's reading, ADU: Poisson photons, Gaussian read noise, gain and offset."""
    electrons = rng.poisson(photons) + rng.normal(0, READ_NOISE, photons.shape)
    reading: NDArray[np.float32] = (GAIN * electrons + OFFSET).astype(np.float32)
    return reading


def truth(photons: NDArray[Any]) -> NDArray[np.float32]:
    """Give what `expose` would read without noise, ADU."""
    reading: NDArray[np.float32] = (GAIN * photons + OFFSET).astype(np.float32)
    return reading


def benchmark_set() -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """Give eight noisy training images, three noisy test images and the three truths, (y, x), ADU."""
    rng = np.random.default_rng(1)
    training = [expose(phantom(seed=seed), rng) for seed in range(8)]
    photons = [phantom(seed=seed) for seed in range(100, 103)]
    return training, [expose(p, rng) for p in photons], [truth(p) for p in photons]


def movie(
    kind: str, frames: int = 240, size: int = 96, seed: int = 7
) -> tuple[NDArray[np.float32], list[NDArray[np.float64]]]:
    """Draw a field of active cells over a still background.

    Parameters
    ----------
    kind
        "slow" (events that decay within 12 frames) or "spikes" (events of one frame).
    frames, size, seed
        Length, side in pixels (at most 256), and seed of the drawing.

    Returns
    -------
    Expected photons (t, y, x), and one weight image (y, x) per cell.

    Raises
    ------
    ValueError
        For another kind.
    """
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:size, :size]
    cells = [(rng.uniform(8, size - 8), rng.uniform(8, size - 8), rng.uniform(4, 7)) for _ in range(_CELLS)]
    weights = [np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / s**2) for y, x, s in cells]
    traces = np.zeros((len(cells), frames))
    for trace in traces:
        if kind == "slow":
            for t in rng.integers(5, frames - 5, 3):
                trace[t:] += 6 * np.exp(-np.arange(frames - t) / 12)
        elif kind == "spikes":
            trace[rng.choice(np.arange(5, frames - 5), 6, replace=False)] += 6
        else:
            raise ValueError(f'kind must be "slow" or "spikes", not {kind!r}')
    still = phantom(256, seed=1)[:size, :size] * 0.5 + 1
    photons = np.stack([still + np.tensordot(traces[:, t], weights, 1) for t in range(frames)])
    return photons.astype(np.float32), weights


def _add_cell(image: NDArray[np.float32], grid: NDArray[Any], rng: np.random.Generator) -> None:
    size = image.shape[0]
    cy, cx = rng.uniform(0, size, 2)
    a, b = rng.uniform(8, 18, 2)
    angle, height = rng.uniform(0, np.pi), rng.uniform(3, 15)
    u = (grid[1] - cx) * np.cos(angle) + (grid[0] - cy) * np.sin(angle)
    v = -(grid[1] - cx) * np.sin(angle) + (grid[0] - cy) * np.cos(angle)
    texture = gaussian_filter(rng.normal(size=(size, size)), 2.0)
    image += ((u / a) ** 2 + (v / b) ** 2 < 1) * height * np.clip(1 + 0.35 * texture / texture.std(), 0, None)


def _add_filament(image: NDArray[np.float32], rng: np.random.Generator) -> None:
    size = image.shape[0]
    point, heading, height = rng.uniform(0, size, 2), rng.uniform(0, 2 * np.pi), rng.uniform(10, 40)
    for _ in range(_FILAMENT_STEPS):
        heading += rng.normal() * 0.08
        point = point + 0.6 * np.array([np.sin(heading), np.cos(heading)])
        i, j = point.astype(int)
        if 0 <= i < size and 0 <= j < size:
            image[i, j] += height * 0.3
