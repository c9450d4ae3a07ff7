"""Where patches lie, and how they are turned about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import Block


def patch_shape(smallest: tuple[int, ...], config: TrainConfig, divisor: tuple[int, ...]) -> tuple[int, ...]:
    """Give the patch's size: as configured, cut down to the smallest sample, and a multiple of `divisor` per axis."""
    asked = (config.patch_z, config.patch, config.patch)[-len(smallest) :]
    return tuple(min(want, have) // step * step for want, have, step in zip(asked, smallest, divisor, strict=True))


def random_place(shape: tuple[int, ...], size: tuple[int, ...], rng: np.random.Generator) -> Block:
    """Draw a patch of `size` inside `shape`, every place equally likely."""
    starts = [int(rng.integers(0, have - want + 1)) for have, want in zip(shape, size, strict=True)]
    return tuple(slice(start, start + want) for start, want in zip(starts, size, strict=True))


def place_around(block: Block, shape: tuple[int, ...], size: tuple[int, ...]) -> Block:
    """Give the patch of `size` whose centre is nearest to the centre of `block`, inside `shape`."""
    place = []
    for one, have, want in zip(block, shape, size, strict=True):
        start, stop, _ = one.indices(have)
        first = min(max((start + stop - want) // 2, 0), have - want)
        place.append(slice(first, first + want))
    return tuple(place)


def inside(block: Block | None, place: Block, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mark, in the patch at `place`, the pixels that belong to `block`."""
    size = tuple(p.stop - p.start for p in place)
    marked = np.zeros(size, bool)
    if block is not None:
        edges = [one.indices(have)[:2] for one, have in zip(block, shape, strict=True)]
        window = (slice(max(a - p.start, 0), max(b - p.start, 0)) for (a, b), p in zip(edges, place, strict=True))
        marked[tuple(window)] = True
    return marked


def turned(
    patches: Sequence[NDArray[Any]], rng: np.random.Generator, *, quarter_turns: bool = True
) -> list[NDArray[Any]]:
    """Flip patches of one shape along random axes and, where they are square, swap y and x: the same for all of them.

    In a plane these are the eight symmetries of the square; without `quarter_turns` the four that keep y along y.
    """
    shape = patches[0].shape
    flipped = tuple(axis for axis in range(len(shape)) if rng.integers(2))
    result = [np.flip(patch, flipped) for patch in patches]
    if rng.integers(2) and quarter_turns and shape[-1] == shape[-2]:
        result = [np.swapaxes(patch, -1, -2) for patch in result]
    return result
