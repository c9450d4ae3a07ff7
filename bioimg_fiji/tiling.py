"""Tiles of an image, as integers.

Lives here: which pixels the model sees for which pixels of the result, for any number of axes. Lives not here: pixels,
files, memory, models.

Along one axis, with the image from 0 to `length` and the mirrored part from there to `padded`::

    0                                                      length  padded
    |------------------------ image -------------------------|.......|
    |== inner 0 ==|== inner 1 ==|== inner 2 ==|== inner 3 ===|          inner: each pixel of the result once
    |--- outer 0 ----|                                                  outer: what the model sees
             |------ outer 1 -------|
                           |------ outer 2 -------|
                                         |------- outer 3 -----------|
              <->                                                       halo

* The network's own padding acts at the borders of the image and nowhere else, as in a run of the whole image.
* Every outer begins at a multiple of `step` and has a size that the model takes, so that the pooling grid of each tile
  lies on that of the whole image. With a halo that covers the receptive field, tiles then give what the whole gives.
* Sizes are evened out over the tiles; pixels are seen twice only where the halo, or a fixed size, asks for it.
* The plan follows from the image's shape, the model and the wanted tile alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from bioimg_fiji.errors import InputError

FIXED_GRID = 32
"""Largest grid assumed for models of fixed size, which do not tell how they pool."""


@dataclass(frozen=True)
class AxisRule:
    """Sizes that a model takes along one axis.

    Parameters
    ----------
    minimum
        Smallest size, pixels.
    step
        Sizes are `minimum + n * step`; 0 means that `minimum` is the only one.
    halo
        Pixels at each end of a tile that are not right unless they lie on the border of the image.
    """

    minimum: int = 1
    step: int = 1
    halo: int = 0

    def __post_init__(self) -> None:
        if self.minimum < 1 or self.step < 0 or self.halo < 0:
            raise ValueError(f"impossible sizes: {self}")
        if self.step == 0 and self.minimum <= 2 * self.halo:
            raise ValueError(f"a tile of {self.minimum} pixels is all halo: {self}")

    @property
    def grid(self) -> int:
        """What every outer's begin is a multiple of."""
        if self.step:
            return self.step
        grid = math.gcd(self.minimum, FIXED_GRID)
        while self.minimum <= 2 * _up(self.halo, grid):
            grid //= 2
        return grid

    @property
    def margin(self) -> int:
        """Halo, rounded up to the grid."""
        return _up(self.halo, self.grid)

    @property
    def smallest_tile(self) -> int:
        """Smallest outer that has an inner left when there is a halo at both ends."""
        return self.fit(2 * self.margin + self.grid)

    def fit(self, size: int) -> int:
        """Give the smallest size that the model takes and that is at least `size` (or the fixed one)."""
        if self.step == 0:
            return self.minimum
        return self.minimum + _up(max(0, size - self.minimum), self.step)

    def padded(self, length: int) -> int:
        """Give the size to which an image of this length is mirrored: on the grid, and one that the model takes."""
        if self.step == 0:
            return max(self.minimum, _up(length, self.grid))
        return self.fit(length)


@dataclass(frozen=True)
class Span:
    """One tile along one axis: half-open ranges in pixels of the image; `outer_stop` may exceed its length."""

    start: int
    stop: int
    outer_start: int
    outer_stop: int

    @property
    def size(self) -> int:
        """Pixels that the model sees."""
        return self.outer_stop - self.outer_start


@dataclass(frozen=True)
class Tile:
    """One tile: a `Span` per axis."""

    spans: tuple[Span, ...]

    @property
    def inner(self) -> tuple[slice, ...]:
        """Place in the result."""
        return tuple(slice(s.start, s.stop) for s in self.spans)

    @property
    def outer(self) -> tuple[slice, ...]:
        """Place in the image, mirrored at its far end (see `mirrored`)."""
        return tuple(slice(s.outer_start, s.outer_stop) for s in self.spans)

    @property
    def local(self) -> tuple[slice, ...]:
        """Place of the inner part within the outer one."""
        return tuple(slice(s.start - s.outer_start, s.stop - s.outer_start) for s in self.spans)


@dataclass(frozen=True)
class TilePlan:
    """All tiles of an image.

    `shape` is the image's, `padded` what the tiles cover together with the mirrored part, `outer` the largest tile that
    the model will see; `axes` holds the spans of each axis, whose product the tiles are.
    """

    shape: tuple[int, ...]
    padded: tuple[int, ...]
    axes: tuple[tuple[Span, ...], ...]

    @property
    def outer(self) -> tuple[int, ...]:
        """Largest tile along each axis."""
        return tuple(max(span.size for span in spans) for spans in self.axes)

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The tiles, last axis fastest."""
        return tuple(Tile(spans) for spans in itertools.product(*self.axes))

    @property
    def computed(self) -> int:
        """Pixels that the model sees in all tiles together."""
        return math.prod(sum(span.size for span in spans) for spans in self.axes)

    def __len__(self) -> int:
        return math.prod(len(spans) for spans in self.axes)


def plan_tiles(shape: Sequence[int], rules: Sequence[AxisRule], tile: Sequence[int] | None = None) -> TilePlan:
    """Plan the tiles of an image.

    Parameters
    ----------
    shape
        Sizes of the image, pixels.
    rules
        What the model takes, per axis.
    tile
        Largest size of a tile with its halo, per axis; raised to what the halo needs, lowered to what the model takes.
        None plans no tiles: the whole image at once (but for models of fixed size).

    Raises
    ------
    InputError
        When an axis has no pixels.
    """
    if any(length < 1 for length in shape):
        raise InputError(f"An image of shape {tuple(shape)} has no pixels.", fix="Give an image with pixels.")
    wanted = [None] * len(shape) if tile is None else list(tile)
    axes = tuple(_spans(n, rule, size) for n, rule, size in zip(shape, rules, wanted, strict=True))
    padded = tuple(rule.padded(n) for n, rule in zip(shape, rules, strict=True))
    return TilePlan(tuple(shape), padded, axes)


def choose_tile(shape: Sequence[int], rules: Sequence[AxisRule], budget: int) -> tuple[int, ...]:
    """Choose the tile that computes few pixels twice while it holds at most `budget` pixels.

    The axis that costs least for what it saves is cut first; what the halo and the model need at least is never
    undercut, even if that exceeds the budget.

    Returns
    -------
    Largest size per axis, halo included, for `plan_tiles`.
    """
    counts = [1] * len(shape)
    options = [_Cuts(length, rule) for length, rule in zip(shape, rules, strict=True)]
    while math.prod(o.tile(k) for o, k in zip(options, counts, strict=True)) > budget:
        costs = [o.cost(k) for o, k in zip(options, counts, strict=True)]
        best = min(range(len(costs)), key=costs.__getitem__)
        if costs[best] == math.inf:
            break
        counts[best] = options[best].next(counts[best])
    return tuple(o.tile(k) for o, k in zip(options, counts, strict=True))


def mirrored(start: int, stop: int, length: int) -> list[int]:
    """Give the pixel of an axis of `length` for each place from `start` to `stop`, mirrored at both ends.

    The pixel at the border is not repeated (numpy's "reflect"); one pixel alone is.
    """
    if start >= 0 and stop <= length:
        return list(range(start, stop))
    if length == 1:
        return [0] * (stop - start)
    period = 2 * (length - 1)
    return [min(place % period, period - place % period) for place in range(start, stop)]


class _Cuts:
    """One axis cut into k tiles of even size."""

    def __init__(self, length: int, rule: AxisRule) -> None:
        self.rule, self.length, self.padded = rule, length, rule.padded(length)

    def tile(self, count: int) -> int:
        return _even_tile(self.padded, self.rule, count)

    def next(self, count: int) -> int:
        """Give the next number of tiles that makes them smaller; the same number if there is none."""
        size = self.tile(count)
        floor = self.rule.smallest_tile
        if size <= floor:
            return count
        following = count + 1
        while self.tile(following) >= size:
            following += 1
        return following

    def cost(self, count: int) -> float:
        """Give the growth of the pixels computed per shrinking of the tile, both as logarithms."""
        following = self.next(count)
        if following == count:
            return math.inf
        before, after = (sum(s.size for s in _spans(self.length, self.rule, self.tile(k))) for k in (count, following))
        return max(0.0, math.log(after / before)) / math.log(self.tile(count) / self.tile(following))


def _spans(length: int, rule: AxisRule, tile: int | None) -> tuple[Span, ...]:
    padded = rule.padded(length)
    if rule.step == 0:
        size = rule.minimum
    elif tile is None or tile >= padded:
        size = padded
    else:
        size = max(rule.smallest_tile, rule.fit(tile + 1 - rule.step))
    if size >= padded:
        return (Span(0, length, 0, padded),)
    size = _even_tile(padded, rule, _count(padded, rule, size))
    spans, start = [], 0
    while start < length:
        outer_start = min(max(0, start - rule.margin), padded - rule.fit(1))
        stop = padded if outer_start + size >= padded else (outer_start + size - rule.halo) // rule.grid * rule.grid
        stop = min(stop, length)
        needed = min(stop + rule.halo, padded) - outer_start
        spans.append(Span(start, stop, outer_start, outer_start + rule.fit(needed)))
        start = stop
    return tuple(spans)


def _capacity(size: int, rule: AxisRule, count: int) -> int:
    """Give the length that `count` tiles of `size` cover: halo at both ends, but for the first and the last tile."""
    if count == 1:
        return size
    end = (size - rule.halo) // rule.grid * rule.grid
    return end + (count - 2) * (end - rule.margin) + size - rule.margin


def _count(padded: int, rule: AxisRule, size: int) -> int:
    """Give the smallest number of tiles of `size` that cover the axis."""
    end = (size - rule.halo) // rule.grid * rule.grid
    inner = end - rule.margin
    return max(2, 2 + math.ceil((padded - _capacity(size, rule, 2)) / inner))


def _even_tile(padded: int, rule: AxisRule, count: int) -> int:
    """Give the smallest size of which `count` tiles cover the axis."""
    if rule.step == 0:
        return rule.minimum
    if count == 1:
        return padded
    low, high = rule.smallest_tile, max(padded, rule.smallest_tile)
    while low < high:
        middle = rule.minimum + (low + high - 2 * rule.minimum) // (2 * rule.step) * rule.step
        if _capacity(middle, rule, count) >= padded:
            high = middle
        else:
            low = middle + rule.step
    return min(low, padded)


def _up(value: int, step: int) -> int:
    return -(-value // step) * step
