"""The error map without a truth: where a result does not fit the raw image that it was made from.

Lives here: the three comparisons, plane by plane and block by block, and what they find. Lives not here: the forward
model (forward), the statistics (significance), keys and tables (commands/error_map.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bioimg_fiji.errors import ImageError
from bioimg_fiji.image import Image
from bioimg_fiji.metrics import NoiseModel
from bioimg_fiji.metrics.arrays import Floats
from bioimg_fiji.tiling import AxisRule, Tile, plan_tiles
from bioimg_fiji.trust.forward import Forward, fit_resolution
from bioimg_fiji.trust.pair import Index, Pair
from bioimg_fiji.trust.significance import HALO, Mask, Place, averages, chance_level, places, strongest, worst

Method = Literal["residual", "squirrel", "reblur"]
Tell = Callable[[int, int], None]
"""Hears how many blocks are done, and of how many."""

Write = Callable[[Index, Tile, Floats], None]
"""Takes a plane's index, a tile, and the map's inner part (y, x)."""

STRONG = 5.0
"""Standard deviations from which pixels are counted in `above`."""

MOST_PLACES = 20
BLOCK = 1024

_DARK = 0.01
_LEAST_SHARE = 0.01
_ROUNDING = 1 / 12
_SAME_SCALE = (0.5, 2.0)
_SAME_MEAN = 0.5
_HALF = 0.6744897501960817
_CHECKED = 4096


@dataclass(frozen=True)
class Asked:
    """What is to be compared.

    Parameters
    ----------
    method
        "residual": raw - result; "squirrel": raw - scaled and blurred result, where the blur is fitted; "reblur": the
        same where the blur is known (`forward`). "auto": reblur where a blur is given or the result is enlarged;
        squirrel where the result's intensities are on another scale; else residual.
    forward
        Known blur, in pixels of the result.
    noise
        Of the raw image; None: photon transfer of each channel (`metrics.blind_noise`).
    least
        Variance that the noise has at least, as read noise.
    mask
        (y, x) of the raw image: figures and places are those inside.
    """

    method: Method | Literal["auto"] = "auto"
    forward: Forward | None = None
    noise: NoiseModel | None = None
    least: float = 0.0
    mask: Mask | None = None


@dataclass(frozen=True)
class Channel:
    """How one channel was compared: `scaled` gives RSE and RSP, `expected` the differences."""

    method: Method
    scaled: Forward
    expected: Forward
    noise: NoiseModel
    floor: float


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
    channels
        How each was compared.
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
    channels = tuple(_channel(pair, asked, number) for number in range(raw.size("c")))
    halo = HALO + max(max(each.scaled.halo, each.expected.halo) for each in channels)
    tiles = plan_tiles(pair.shape, [AxisRule(halo=halo)] * 2, [BLOCK + 2 * halo] * 2).tiles
    chance = chance_level(_measured(pair, asked.mask))
    tallies, all_places, sample = [], [], []
    indices = list(np.ndindex(pair.loop))
    for number, index in enumerate(indices):
        tally = _Tally(index)
        here: list[Place] = []
        for count, tile in enumerate(tiles):
            tell(number * len(tiles) + count, len(indices) * len(tiles))
            block = _Block(pair, channels[index[2]], index, tile, asked.mask)
            write(index, tile, block.shown)
            tally.add(block)
            here += places(block.found, chance, index, tile_corner(tile), block.inside)
            sample.append(np.abs(block.fine[block.inside])[:: max(1, block.inside.size // _CHECKED)])
        all_places += worst(here, MOST_PLACES)
        tallies.append(tally)
    values = np.concatenate(sample)
    typical = float(np.median(values)) / _HALF if values.size else math.nan
    return Found(
        channels, tuple(each.row() for each in tallies), tuple(worst(all_places, MOST_PLACES)), chance, typical
    )


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
        shown = self.found if channel.method != "squirrel" else np.where(self.valid, self.raw - self.scaled, np.nan)
        self.shown = np.abs(shown)[inner]
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


def _channel(pair: Pair, asked: Asked, number: int) -> Channel:
    """Choose and fit how a channel is compared."""
    known, method = asked.forward, asked.method
    samples = pair.samples(number, 0 if known is None else known.depth)
    if not any((np.isfinite(raw).any() and np.isfinite(planes).any()) for raw, planes in samples):
        raise ImageError("The images have no finite pixels where they were looked at.", fix="Give other images.")
    if pair.factor > 1 and known is None and method in ("auto", "reblur"):
        known = Forward(factor=pair.factor)
    if method == "auto":
        method = "reblur" if known is not None else "residual" if _same_unit(samples) else "squirrel"
    if method == "residual" and pair.factor > 1:
        raise ImageError(
            f"{pair.image.title} is {pair.factor} times larger than {pair.raw.title}: they have no residual.",
            fix="Say method=reblur (or auto), which averages the result's pixels.",
        )
    if method == "residual" and _is_constant(samples):
        scaled = Forward()
    else:
        scaled = fit_resolution(samples, pair.factor) if known is None else known.fitted(samples)
    expected = Forward() if method == "residual" else scaled
    noise = asked.noise or pair.noise(number, [raw for raw, _ in samples])
    return Channel(method, scaled, expected, noise, max(_floor(pair.raw, expected, noise, samples), asked.least))


def _same_unit(samples: list[tuple[Floats, Floats]]) -> bool:
    """Whether a result has the raw image's intensities, or so nearly that a difference is an error."""
    raw, result = (np.concatenate([each[n].ravel() for each in samples]) for n in range(2))
    raw, result = raw[np.isfinite(raw)], result[np.isfinite(result)]
    scale = 1.0 if _is_constant(samples) else Forward().fitted(samples).scale
    near = abs(float(raw.mean() - result.mean())) <= _SAME_MEAN * float(raw.std())
    return near and _SAME_SCALE[0] <= scale <= _SAME_SCALE[1]


def _is_constant(samples: list[tuple[Floats, Floats]]) -> bool:
    values = [planes[np.isfinite(planes)] for _, planes in samples]
    return bool(np.ptp(np.concatenate(values)) == 0)


def _floor(raw: Image, expected: Forward, noise: NoiseModel, samples: list[tuple[Floats, Floats]]) -> float:
    """Give the variance that a pixel has at least: where the result is too dark, the noise is not taken for less.

    Raises
    ------
    ImageError
        When that is 0.
    """
    values = np.concatenate([each[right] for each, right in (expected.expected(planes) for _, planes in samples)])
    dark, middle = noise.variance(np.quantile(values, _DARK)), noise.variance(values.mean())
    rounding = _ROUNDING if raw.dtype.kind in "iu" and raw.intensity is None else 0.0
    floor = max(float(dark), _LEAST_SHARE * float(middle), rounding)
    if not floor > 0:
        raise ImageError(
            f"No noise was found in {raw.title}: it cannot be told what is more than noise.",
            fix="Give the image as the camera gave it, or its gain=..., read_noise=... and offset=...",
        )
    return floor


def _measured(pair: Pair, mask: Mask | None) -> int:
    return math.prod(pair.loop) * (math.prod(pair.shape) if mask is None else int(np.count_nonzero(mask)))
