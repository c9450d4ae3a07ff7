"""Figures of tensors that are too large for memory: measured block by block, as exact as of the whole.

Mean and standard deviation are merged from those of the blocks (Chan, Golub and LeVeque 1983, "Algorithms for Computing
the Sample Variance"). Percentiles are selected by radix: a pass over the blocks counts the values' first digits, and
each further pass the next digit of those that share the digits found so far. That finds the very values that sorting
the whole would find, for integers of 8 and 16 bits in one pass, for 32 bits in two.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LARGE = 2**24
"""Elements above which figures are taken block by block also of a tensor that is in memory: the same bits either way,
and no copy of it in float64."""

SIDE = 1024
"""Sides of these blocks along y and x; one element along z and time, everything of the other axes."""

MANY_GROUPS = 16
"""Number of separate percentiles (per channel, per slice) from which digits have 8 bits: the counts must be small."""


@dataclass(frozen=True)
class Block:
    """A part of a tensor: per axis, which elements of the whole it has; and its values."""

    places: tuple[range, ...]
    array: Array


@dataclass(frozen=True)
class Stream:
    """A tensor that comes in blocks.

    Parameters
    ----------
    shape
        Shape of the whole.
    axes
        Ids of its axes, in order.
    blocks
        Gives the blocks, which together are the whole, each element once. Called once per pass.
    """

    shape: tuple[int, ...]
    axes: tuple[str, ...]
    blocks: Callable[[], Iterator[Block]]

    def then(self, process: Callable[[Block], Array]) -> Stream:
        """Give the stream of processed blocks; `process` keeps their shape."""
        before = self.blocks
        return Stream(self.shape, self.axes, lambda: (Block(b.places, process(b)) for b in before()))


def is_large(shape: Sequence[int]) -> bool:
    """Whether a tensor of this shape is measured block by block."""
    return math.prod(shape) > LARGE


def steps(shape: Sequence[int], axes: Sequence[str]) -> list[int]:
    """Give the sizes of blocks along each axis: those that every tensor above `LARGE` elements is measured by."""
    return [
        min(size, SIDE) if axis in ("y", "x") else 1 if axis in ("z", "time") else size
        for size, axis in zip(shape, axes, strict=True)
    ]


def blocked(array: Array, axes: tuple[str, ...]) -> Stream:
    """Give a tensor in memory as blocks, which are views."""
    corners = [range(0, size, step) for size, step in zip(array.shape, steps(array.shape, axes), strict=True)]

    def blocks() -> Iterator[Block]:
        for corner in itertools.product(*corners):
            places = tuple(
                range(start, min(start + each.step, each.stop)) for start, each in zip(corner, corners, strict=True)
            )
            yield Block(places, array[tuple(slice(each.start, each.stop) for each in places)])

    return Stream(array.shape, axes, blocks)


def mean_and_std(stream: Stream, places: Sequence[int]) -> tuple[Array, Array]:
    """Measure mean and standard deviation over the axes at `places`, in float64; those axes stay, with size 1."""
    shape = _figure_shape(stream, places)
    count, mean, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for block in stream.blocks():
        here = _figure_place(block, places)
        array = np.ascontiguousarray(block.array)
        new = np.asarray(np.mean(array, axis=tuple(places), dtype=np.float64, keepdims=True))
        new_squares = np.sum(np.square(array - new), axis=tuple(places), keepdims=True)
        number = array.size / new.size
        both, step = count[here] + number, new - mean[here]
        squares[here] += new_squares + np.square(step) * count[here] * number / both
        mean[here] += step * number / both
        count[here] = both
    return mean, np.sqrt(squares / count)


def quantiles(stream: Stream, places: Sequence[int], percents: Sequence[float], method: str) -> Array:
    """Measure percentiles over the axes at `places`, in float64, by numpy's method "linear" or "inverted_cdf".

    Returns
    -------
    The first axis runs over `percents`; the axes at `places` have size 1.
    """
    number = int(np.prod([stream.shape[place] for place in places], dtype=np.int64))
    if method == "inverted_cdf":
        ranks = [max(0, int(np.ceil(number * (percent / 100))) - 1) for percent in percents]
        return _selected(stream, places, ranks).astype(np.float64)
    exact = [(number - 1) * (percent / 100) for percent in percents]
    below = [int(np.floor(rank)) for rank in exact]
    values = _selected(stream, places, [*below, *(min(rank + 1, number - 1) for rank in below)]).astype(np.float64)
    low, high = values[: len(below)], values[len(below) :]
    part = (np.asarray(exact) - below).reshape(-1, *[1] * len(stream.shape))
    return np.asarray(np.where(part < 0.5, low + (high - low) * part, high - (high - low) * (1 - part)))


def _figure_shape(stream: Stream, places: Sequence[int]) -> tuple[int, ...]:
    return tuple(1 if place in places else size for place, size in enumerate(stream.shape))


def _figure_place(block: Block, places: Sequence[int]) -> tuple[slice, ...]:
    return tuple(
        slice(0, 1) if place in places else slice(chosen.start, chosen.stop)
        for place, chosen in enumerate(block.places)
    )


def _selected(stream: Stream, places: Sequence[int], ranks: Sequence[int]) -> Array:
    """Give the values that have these ranks (from 0) among all, per element of the axes that are not reduced."""
    shape = _figure_shape(stream, places)
    groups = int(np.prod(shape, dtype=np.int64))
    numbers = np.arange(groups).reshape(shape)
    found = np.zeros((groups, len(ranks)), np.uint64)
    left = np.tile(np.asarray(ranks, np.int64), (groups, 1))
    shift, kind = -1, np.dtype(np.uint8)
    while shift:
        counts: dict[tuple[int, int], Array] = {}
        for block in stream.blocks():
            kind, keys = block.array.dtype, _keys(block.array)
            bits = 8 * keys.itemsize
            digit = 8 if groups > MANY_GROUPS else min(16, bits)
            if shift < 0:
                shift = bits
            rows = np.moveaxis(keys, places, range(-len(places), 0)).reshape(-1, _volume(block, places))
            for group, row in zip(numbers[_figure_place(block, places)].ravel().tolist(), rows, strict=True):
                for prefix in set(found[group].tolist()):
                    chosen = row if shift == bits else row[row >> np.array(shift, row.dtype) == prefix]
                    chosen = chosen >> np.array(shift - digit, row.dtype) & np.array(2**digit - 1, row.dtype)
                    new = np.bincount(chosen, minlength=2**digit)
                    counts[group, prefix] = counts[group, prefix] + new if (group, prefix) in counts else new
        for group, rank in np.ndindex(left.shape):
            sums = np.cumsum(counts[group, int(found[group, rank])])
            number = int(np.searchsorted(sums, left[group, rank], side="right"))
            left[group, rank] -= sums[number - 1] if number else 0
            found[group, rank] = found[group, rank] << np.uint64(digit) | np.uint64(number)
        shift -= digit
    return _values(found.T, kind).reshape(-1, *shape)


def _volume(block: Block, places: Sequence[int]) -> int:
    return int(np.prod([len(block.places[place]) for place in places], dtype=np.int64))


def _keys(array: Array) -> Array:
    """Give unsigned integers that are in the same order as the values."""
    array = np.ascontiguousarray(array)
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    kind = np.dtype(f"u{array.itemsize}")
    keys, sign = array.view(kind), np.array(1 << (8 * array.itemsize - 1), kind)
    if array.dtype.kind == "i":
        return np.asarray(keys ^ sign)
    if array.dtype.kind == "f":
        # Of floats, the negative ones are in the opposite order.
        return np.where(keys & sign, ~keys, keys | sign)
    return keys


def _values(keys: Array, kind: np.dtype[Any]) -> Array:
    """Give the values back from `_keys`."""
    if kind == np.float16:
        kind = np.dtype(np.float32)
    keys = np.ascontiguousarray(keys.astype(f"u{kind.itemsize}"))
    sign = np.array(1 << (8 * kind.itemsize - 1), keys.dtype)
    if kind.kind == "i":
        keys = keys ^ sign
    elif kind.kind == "f":
        keys = np.where(keys & sign, keys ^ sign, ~keys)
    return np.asarray(keys.view(kind))
