"""Where patches lie, how they are turned about, and the batches that are made of them."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.errors import ParameterError
from bioimg_fiji.nets import divisor
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import TrainingData
from bioimg_fiji.train.design import ARCHITECTURE, network_arguments
from bioimg_fiji.train.method import Batch
from bioimg_fiji.train.randomness import Purpose, generator
from bioimg_fiji.train.stored import Block

Ends = list[tuple[int, int]]

_MARGIN, _SIDE = 32, 512
"""Pixels around a held-out block that the network may see, and the most of it along y and x."""

VALIDATION_PATCHES = 16


class PatchSource(abc.ABC):
    """Patches of samples, the same ones for the same seed and step; what a batch is made of, each method says.

    Parameters
    ----------
    data
        Samples.
    config
        Parameters.
    pairs
        Indices (sample, target) to draw from; every sample with itself when None.
    """

    network: Mapping[str, Any] = {}
    per_image = False
    channels: tuple[str, ...] = ()
    objects: Mapping[str, int] = {}
    window = 0
    quarter_turns = True

    def __init__(self, data: TrainingData, config: TrainConfig, pairs: Sequence[tuple[int, int]] | None = None) -> None:
        self.data, self._config = data, config
        self._pairs = pairs if pairs is not None else [(n, n) for n in range(len(data.samples))]
        step = divisor(ARCHITECTURE, network_arguments(data.smallest, self.in_channels, config, self.network))
        self._size = patch_shape(data.smallest, config, step)
        sizes = np.array([np.prod(data.samples[first].shape, dtype=float) for first, _ in self._pairs])
        self._likely = np.cumsum(sizes / sizes.sum())

    @property
    def in_channels(self) -> int:
        """Channels that the network sees."""
        return self.data.channels

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images' channels."""
        return self.data.names

    @property
    def patch(self) -> tuple[int, ...]:
        """Size of a patch along each spatial axis."""
        return self._size

    @abc.abstractmethod
    def patches(self, first: int, second: int, place: Block) -> list[NDArray[Any]]:
        """Give what belongs together at a place ((z,) y, x) of a pair: arrays (c, (z,) y, x)."""

    @abc.abstractmethod
    def made(self, chosen: Sequence[Sequence[NDArray[Any]]], rng: np.random.Generator) -> Batch:
        """Make a batch of patches; each has its arrays, and last the mask ((z,) y, x) of what may be a target."""

    def rounds(self, pixels: int) -> int:
        """Give how often validation patches with so many held-out pixels are used, with other random numbers."""
        del pixels
        return 1

    def batch(self, step: int) -> Batch:
        """Give the batch of a step: random patches, turned about; held-out pixels are never targets."""
        rng = generator(self._config.seed, Purpose.BATCH, step)
        chosen = []
        for choice in np.searchsorted(self._likely, rng.random(self._config.batch_size), side="right"):
            first, second = self._pairs[min(int(choice), len(self._pairs) - 1)]
            shape = self.data.samples[first].shape[1:]
            place = random_place(shape, self._size, rng)
            free = ~inside(self.data.held_out[first], place, shape) & self._region(first, place)
            parts = [*self.patches(first, second, place), free]
            chosen.append(turned(parts, len(shape), rng, quarter_turns=self.quarter_turns))
        return self.made(chosen, rng)

    def validation(self) -> list[Batch]:
        """Give patches around the held-out blocks; only held-out pixels are targets."""
        rng = generator(self._config.seed, Purpose.VALIDATION)
        chosen = []
        for first, second, place in self._validated():
            shape, block = self.data.samples[first].shape[1:], self.data.held_out[first]
            marked = inside(block, place, shape) & self._region(first, place)
            if marked.any():
                chosen.append([*self.patches(first, second, place), marked])
        if not chosen:
            return []
        pixels = sum(int(marks.sum()) for *_, marks in chosen)
        batches = [self.made(chosen, rng) for _ in range(self.rounds(pixels))]
        return [batch for batch in batches if batch.weights.any()]

    def _validated(self) -> list[tuple[int, int, Block]]:
        """Give pairs and places of validation patches: some of every block of few samples, one of each of many."""
        pairs = [pair for pair in self._pairs if self.data.held_out[pair[0]] is not None]
        if not pairs:
            return []
        each = -(-VALIDATION_PATCHES // len(pairs))
        found = []
        for first, second in (pairs[n] for n in spread(len(pairs), VALIDATION_PATCHES)):
            block = self.data.held_out[first]
            assert block is not None
            places = places_over(block, self.data.samples[first].shape[1:], self._size)
            found += [(first, second, places[n]) for n in spread(len(places), each)]
        return found

    def held_out_chosen(self, most: int) -> list[tuple[int, int]]:
        """Give up to `most` pairs (input, target) of which something is held out, evenly spread."""
        pairs = [pair for pair in self._pairs if self.data.held_out[pair[0]] is not None]
        return [pairs[n] for n in spread(len(pairs), most)] if pairs else []

    def held_out_places(self, most: int) -> Iterator[tuple[int, int, Ends, Ends]]:
        """Give up to `most` pairs, and along each axis where the held-out block begins and ends, and with margin.

        A block is cut to 512 pixels along y and x, and has 32 pixels around it, where there are so many.
        """
        for first, second in self.held_out_chosen(most):
            sizes, block = self.data.samples[first].shape[1:], self.data.held_out[first]
            assert block is not None
            ends = [part.indices(size)[:2] for part, size in zip(block, sizes, strict=True)]
            ends[-2:] = [(start, min(stop, start + _SIDE)) for start, stop in ends[-2:]]
            step = divisor(ARCHITECTURE, network_arguments(sizes, self.in_channels, self._config, self.network))
            wide = [
                (max(a - _MARGIN, 0) // n * n, min(b + _MARGIN, size))
                for (a, b), size, n in zip(ends, sizes, step, strict=True)
            ]
            yield first, second, ends, wide

    def _region(self, index: int, place: Block) -> NDArray[np.bool_]:
        """Mark what of a patch is to be learnt from; the same for every slice."""
        region = self.data.regions[index]
        if region is None:
            return np.ones((), bool)
        return region[place[-2:]]


def patch_shape(smallest: tuple[int, ...], config: TrainConfig, divisor: tuple[int, ...]) -> tuple[int, ...]:
    """Give the patch's size: as configured, cut down to the smallest sample, and a multiple of `divisor` per axis.

    It is two steps of the grid at least: borders are mirrored at the coarsest level, too.

    Raises
    ------
    ParameterError
        When the samples are smaller than that.
    """
    asked = (config.patch_z, config.patch, config.patch)[-len(smallest) :]
    least = [2 * step if step > 1 else 1 for step in divisor]
    if any(have < size for have, size in zip(smallest, least, strict=True)):
        raise ParameterError.of(
            "depth",
            f"smaller for images of {' x '.join(map(str, smallest))} pixels: the network needs "
            f"{' x '.join(map(str, least))}",
            config.depth,
            fix="Choose a smaller depth, or larger images.",
        )
    return tuple(
        min(max(want, size), have) // step * step
        for want, have, step, size in zip(asked, smallest, divisor, least, strict=True)
    )


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


def places_over(block: Block, shape: tuple[int, ...], size: tuple[int, ...]) -> list[Block]:
    """Give patches of `size` that cover `block` (one around its middle where it is smaller), inside `shape`."""
    lines = []
    for one, have, want in zip(block, shape, size, strict=True):
        start, stop, _ = one.indices(have)
        count = max(1, -(-(stop - start) // want))
        parts = [(start + (stop - start) * n // count, start + (stop - start) * (n + 1) // count) for n in range(count)]
        lines.append([place_around((slice(a, b),), (have,), (want,))[0] for a, b in parts])
    return list(itertools.product(*lines))


def spread(count: int, most: int) -> list[int]:
    """Give at most `most` of the numbers below `count`, evenly spread."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most))})


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
    patches: Sequence[NDArray[Any]], dims: int, rng: np.random.Generator, *, quarter_turns: bool = True
) -> list[NDArray[Any]]:
    """Flip patches along random ones of their last `dims` axes and, where these are square, swap y and x.

    The same is done to all. In a plane these are the eight symmetries of the square; without `quarter_turns` the four
    that keep y along y.
    """
    shape = patches[0].shape[-dims:]
    flipped = tuple(axis - dims for axis in range(dims) if rng.integers(2))
    result = [np.flip(patch, flipped) for patch in patches]
    if rng.integers(2) and quarter_turns and shape[-1] == shape[-2]:
        result = [np.swapaxes(patch, -1, -2) for patch in result]
    return result
