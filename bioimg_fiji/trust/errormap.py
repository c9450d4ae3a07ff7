"""The error map without a truth: where a result does not fit the raw image that it was made from.

Lives here: the comparison, plane by plane and block by block, and what it finds. Lives not here: how it is chosen
and fitted (choice, forward), the statistics (significance), keys and tables (commands/error_map.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.image import Image
from bioimg_fiji.metrics.arrays import Floats
from bioimg_fiji.tiling import AxisRule, Tile, plan_tiles
from bioimg_fiji.trust.choice import Asked, Channel, Method, channel_of, method_of
from bioimg_fiji.trust.pair import Index, Pair
from bioimg_fiji.trust.significance import HALO, Mask, Place, averages, chance_level, places, strongest, worst

Tell = Callable[[int, int], None]
"""Hears how many blocks are done, and of how many."""

Write = Callable[[Index, Tile, Floats], None]
"""Takes a plane's index, a tile, and the map's inner part (y, x)."""

STRONG = 5.0
"""Standard deviations from which pixels are counted in `above`."""

MOST_PLACES = 20
BLOCK = 1024

_HALF = 0.6744897501960817
_CHECKED = 1_000_000
"""Pixels of which the typical size is told, spread over all blocks."""


@dataclass(frozen=True)
class Row:
    """Figures of one plane; those without a value are NaN (a constant plane has no correlation)."""

    index: Index
    rse: float
    rsp: float
    worst: float
    above: float
    missing: int


@dataclass(frozen=True)
class Found:
    """What the comparison found.

    Parameters
    ----------
    method
        What was compared.
    channels
        How each was.
    rows
        One per plane.
    places
        The worst places beyond `chance`, the worst first.
    chance
        Significance that the worst place of white noise would pass in one of twenty such images.
    typical
        Half of the pixels are beyond 0.67 of this; 1 for white noise, more where noise is correlated or the result
        differs everywhere.
    """

    method: Method
    channels: tuple[Channel, ...]
    rows: tuple[Row, ...]
    places: tuple[Place, ...]
    chance: float
    typical: float


def error_map(
    image: Image, raw: Image, asked: Asked, write: Callable[[Index, Tile, Floats], None], tell: Tell
) -> Found:
    """Compare a result with the raw image; the map goes to `write` block by block, and is never whole in memory.

    Parameters
    ----------
    image, raw
        The result and the raw image, in memory or mapped from a file; compared in physical values.
    asked
        What is compared, and how.
    write
        Is given the map: significance (absolute, in standard deviations of white noise), with "squirrel" the absolute
        difference in the raw image's unit; NaN where a pixel of either image is not finite.
    tell
        Hears of the progress.

    Raises
    ------
    ImageError
        When sizes do not fit, nothing is finite, the result is constant, or no noise can be found.
    """
    pair = Pair(image, raw)
    method = method_of(pair, asked)
    channels = tuple(channel_of(pair, asked, method, number) for number in range(raw.size("c")))
    tiles = _tiles(pair, channels)
    chance = chance_level(_measured(pair, asked.mask))
    tallies, sample = [], []
    all_places: list[Place] = []
    indices = list(np.ndindex(pair.loop))
    checked = max(1, _CHECKED // (len(indices) * len(tiles)))
    for number, index in enumerate(indices):
        tally = _Tally(index)
        here: list[Place] = []
        for count, tile in enumerate(tiles):
            tell(number * len(tiles) + count, len(indices) * len(tiles))
            block = _Block(pair, channels[index[2]], index, tile, asked.mask)
            write(index, tile, np.abs(block.difference if method == "squirrel" else block.found)[block.inner])
            tally.add(block)
            here += places(block.found, chance, index, tile_corner(tile), block.inside)
            sample.append(np.abs(spread(block.fine[block.inside], checked)))
        all_places = worst([*all_places, *here], MOST_PLACES)
        tallies.append(tally)
    values = np.concatenate(sample)
    typical = float(np.median(values)) / _HALF if values.size else math.nan
    return Found(method, channels, tuple(each.row() for each in tallies), tuple(all_places), chance, typical)


def spread(values: NDArray[Any], count: int) -> NDArray[Any]:
    """Give up to `count` of the values, evenly spread, as an array of its own: a view would keep all of them."""
    return np.array(values[:: max(1, -(-values.size // count))])


def tile_corner(tile: Tile) -> tuple[int, int]:
    """Give the first pixel (y, x) that a tile sees."""
    return tile.spans[0].outer_start, tile.spans[1].outer_start


class _Block:
    """One block of a plane: both images, their difference and what it means."""

    def __init__(self, pair: Pair, channel: Channel, index: Index, tile: Tile, mask: Mask | None) -> None:
        outer = tuple(slice(span.outer_start, span.outer_stop) for span in tile.spans)
        depth = max(channel.scaled.depth, channel.expected.depth)
        self.raw = pair.raw_block(index, (outer[0], outer[1]))
        planes = pair.result_block(index, (outer[0], outer[1]), depth)
        self.scaled, right = channel.scaled.expected(planes)
        expected = self.scaled
        if channel.expected is not channel.scaled:
            expected, own = channel.expected.expected(planes)
            right &= own
        self.valid = right & np.isfinite(self.raw)
        variance = np.maximum(channel.noise.variance(expected), channel.floor)
        normalised = (np.where(self.valid, self.raw, 0.0) - np.where(self.valid, expected, 0.0)) / np.sqrt(variance)
        maps = averages(normalised, self.valid)
        self.found, self.fine = strongest(maps), maps[0]
        inner = tuple(slice(span.start - span.outer_start, span.stop - span.outer_start) for span in tile.spans)
        self.inner, self.difference = inner, np.where(self.valid, self.raw - self.scaled, np.nan)
        self.missing = int(np.count_nonzero(~self.valid[inner]))
        self.inside = np.zeros(self.valid.shape, bool)
        self.inside[inner] = self.valid[inner]
        _cut_borders(self.inside, channel.expected.border, outer, pair.shape)
        if mask is not None:
            self.inside &= mask[outer]


def _cut_borders(inside: Mask, border: int, outer: tuple[slice, ...], shape: tuple[int, ...]) -> None:
    """Take out the pixels at the image's borders, of which it is not known what light came from beyond."""
    rows, columns = (
        (np.arange(part.start, part.stop) >= border) & (np.arange(part.start, part.stop) < size - border)
        for part, size in zip(outer, shape, strict=True)
    )
    inside &= np.outer(rows, columns)


class _Tally:
    """Adds up a plane's figures over its blocks."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._count, self._above, self._worst, self._missing, self._error = 0, 0, 0.0, 0, 0.0
        self._middle: Floats | None = None
        self._sums, self._products = np.zeros(2), np.zeros((2, 2))

    def add(self, block: _Block) -> None:
        self._missing += block.missing
        inside = block.inside
        if not inside.any():
            return
        both = np.stack([block.raw[inside], block.scaled[inside]])
        if self._middle is None:
            self._middle = both.mean(axis=1, keepdims=True)
        self._error += float(np.sum((both[0] - both[1]) ** 2))
        both = both - self._middle  # before squaring: a camera's offset costs no digits
        self._count += both.shape[1]
        self._sums += both.sum(axis=1)
        self._products += both @ both.T
        size = np.abs(block.found[inside])
        self._above += int(np.count_nonzero(size > STRONG))
        self._worst = max(self._worst, float(size.max()))

    def row(self) -> Row:
        if not self._count:
            return Row(self._index, math.nan, math.nan, math.nan, math.nan, self._missing)
        covariance = self._products / self._count - np.outer(self._sums, self._sums) / self._count**2
        power = math.sqrt(max(covariance[0, 0] * covariance[1, 1], 0.0))
        rsp = float(covariance[0, 1]) / power if power > 0 else math.nan
        rse = math.sqrt(self._error / self._count)
        return Row(self._index, rse, rsp, self._worst, self._above / self._count, self._missing)


def _tiles(pair: Pair, channels: tuple[Channel, ...]) -> tuple[Tile, ...]:
    """Cut a plane so that a block takes about as much memory whatever it needs of the result."""
    halo = HALO + max(max(each.scaled.halo, each.expected.halo) for each in channels)
    planes = 1 + 2 * max(each.scaled.depth for each in channels)
    side = max(BLOCK // 4, round(BLOCK / (pair.factor * math.sqrt(planes))))
    return plan_tiles(pair.shape, [AxisRule(halo=halo)] * 2, [side + 2 * halo] * 2).tiles


def _measured(pair: Pair, mask: Mask | None) -> int:
    return math.prod(pair.loop) * (math.prod(pair.shape) if mask is None else int(np.count_nonzero(mask)))
