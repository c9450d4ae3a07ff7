"""What the error map gives: the image with its colours and outlines, and the tables.

Lives here: the form of the results. Lives not here: keys (error_map), what is compared (trust.errormap).
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.commands.result import Cell, Result, Table
from bioimg_fiji.files.sink import RAW, RawSink
from bioimg_fiji.files.source import map_raw, phantom
from bioimg_fiji.image import Channel, Image
from bioimg_fiji.intensity import UNIT_ONLY, Intensity
from bioimg_fiji.objects import outline
from bioimg_fiji.trust import findings
from bioimg_fiji.trust.errormap import spread
from bioimg_fiji.trust.pair import LOOP

if TYPE_CHECKING:
    from bioimg_fiji.tiling import Tile
    from bioimg_fiji.trust.errormap import Found
    from bioimg_fiji.trust.pair import Index
    from bioimg_fiji.trust.significance import Place

RESULTS, PLACES, COMPARISON = "results", "places", "comparison"
"""Names of the tables."""

MOST = 10.0
"""Standard deviations at which the map is brightest; the same for all maps, so that they can be compared."""

_POSITIONS = {"b": "Position", "t": "Frame", "c": "Channel", "z": "Slice"}
_LEVELS = (0, 64, 128, 192, 255)
_COLOURS = ((0, 70, 215, 255, 255), (0, 0, 30, 150, 255), (0, 120, 50, 0, 220))
"""Red, green and blue at these levels: dark up to noise, red at half of the range, bright beyond."""

_SAMPLE, _BRIGHTEST = 1_000_000, 0.998


class Canvas:
    """Takes the map block by block: in memory, or in a folder for what is too large."""

    def __init__(self, template: Image, folder: Path | None) -> None:
        self._axes, self._shape = template.axes, template.shape
        self._share = _SAMPLE / math.prod(template.shape)
        self._pixels: NDArray[np.float32] | None = None
        if folder is None:
            self._pixels = np.empty(template.shape, np.float32)
        else:
            whole = Image(phantom(template.shape, np.dtype(np.float32)), template.axes)
            self._sink = RawSink(folder / f"error{RAW}", whole)
        self._sample: list[NDArray[np.float32]] = []

    def write(self, index: Index, tile: Tile, part: NDArray[np.float64]) -> None:
        """Put a block of a plane in its place."""
        places = dict(zip(LOOP, (slice(each, each + 1) for each in index), strict=True))
        places |= dict(zip("yx", tile.inner, strict=True))
        place = tuple(places[letter] for letter in self._axes)
        turned = part if self._axes.index("y") < self._axes.index("x") else part.T
        block = turned.reshape([places[letter].stop - places[letter].start for letter in self._axes]).astype(np.float32)
        if self._pixels is None:
            self._sink.write(place, block)
        else:
            self._pixels[place] = block
        self._sample.append(spread(block[np.isfinite(block)], math.ceil(block.size * self._share)))

    def pixels(self) -> NDArray[np.float32]:
        """Give the whole map."""
        if self._pixels is not None:
            return self._pixels
        return map_raw(self._sink.path, self._shape, np.dtype(np.float32))

    def bright(self) -> float:
        """Give a value that nearly all pixels are below."""
        values = np.concatenate(self._sample)
        return float(np.quantile(values, _BRIGHTEST)) if values.size else 0.0


def result(found: Found, canvas: Canvas, template: Image, image: Image) -> Result:
    """Give image, tables, figures and sentences; the map has the planes and pixels of `template`."""
    own_unit = image.intensity.unit if image.intensity else ""
    in_sd = found.method != "squirrel"
    display = (0.0, MOST if in_sd else canvas.bright() or 1.0)
    unit = "SD" if in_sd else own_unit
    shown = dataclasses.replace(template, intensity=None, labels=() if template.rgb else template.labels)
    shown = shown.with_pixels(canvas.pixels())
    names = [channel.name for channel in template.channels] or [""] * template.size("c")
    shown = dataclasses.replace(
        shown,
        title=f"{image.name}-error",
        rgb=False,
        channels=tuple(Channel(name, _lut(), display) for name in names),
        mode="color" if template.size("c") > 1 else template.mode,
        intensity=Intensity(UNIT_ONLY, unit=unit) if unit else None,
        overlay=_outlines(found.places, template),
    )
    first = found.channels[0]
    figures: dict[str, float | int | str] = {
        "method": found.method,
        "rse": findings.mean_rse(found),
        "rsp": findings.mean_rsp(found),
        "worst": findings.worst(found),
        "above_5sd": findings.above(found),
        "places": len(found.places),
        "chance": found.chance,
        "typical": found.typical,
    }
    if len(found.channels) == 1:
        figures |= {"scale": first.scaled.scale, "offset": first.scaled.offset, "blur": first.scaled.sigma}
        figures |= {"noise_gain": first.noise.gain, "noise_at_zero": first.noise.variance_at_zero}
    finite = {name: value for name, value in figures.items() if isinstance(value, str) or math.isfinite(value)}
    tables = {RESULTS: _rows(found, template, own_unit), PLACES: _places(found, template), COMPARISON: _how(found)}
    return Result(images={"output": shown}, tables=tables, figures=finite, notes=findings.sentences(found, image.title))


def _rows(found: Found, image: Image, unit: str) -> Table:
    """Give a row for each plane."""
    letters = _shown(image)
    rows = [
        (
            *_position(row.index, letters),
            _cell(row.rse),
            _cell(row.rsp),
            _cell(row.worst),
            _cell(row.above),
            row.missing,
        )
        for row in found.rows
    ]
    columns = (*(_POSITIONS[letter] for letter in letters), "rse", "rsp", "worst", "above_5sd", "missing")
    return Table(columns, tuple(rows), (*("" for _ in letters), unit, "", "SD", "", "pixels"))


def _places(found: Found, image: Image) -> Table:
    """Give the worst places as ImageJ measures: in calibrated units, pixels having their middle at 0.5."""
    letters = _shown(image)
    x, y = image.scale("x"), image.scale("y")
    rows = [
        (
            number,
            *_position(place.index, letters),
            (place.x + 0.5 - x.origin) * x.step,
            (place.y + 0.5 - y.origin) * y.step,
            place.area * abs(x.step * y.step),
            abs(place.significance),
            "removed" if place.significance > 0 else "added",
        )
        for number, place in enumerate(found.places, 1)
    ]
    columns = ("Place", *(_POSITIONS[letter] for letter in letters), "X", "Y", "Area", "Significance", "Kind")
    units = ("", *("" for _ in letters), x.unit or "pixel", y.unit or "pixel", f"{x.unit or 'pixel'}²", "SD", "")
    return Table(columns, tuple(rows), units)


def _how(found: Found) -> Table:
    """Give how each channel was compared."""
    rows = [
        (number, found.method, each.scaled.scale, each.scaled.offset, each.scaled.sigma, *each.noise[:2])
        for number, each in enumerate(found.channels, 1)
    ]
    columns = ("Channel", "method", "scale", "offset", "blur", "noise_gain", "noise_at_zero")
    return Table(columns, tuple(rows), ("", "", "", "", "pixels", "", ""))


def _outlines(places: tuple[Place, ...], image: Image) -> tuple[bytes, ...]:
    """Give the worst places as regions, on the planes where they are, named by their numbers in the table."""
    return tuple(
        outline(place.mask, place.corner, str(number), dict(zip(LOOP, place.index, strict=True)), image)
        for number, place in enumerate(places, 1)
    )


def _shown(image: Image) -> tuple[str, ...]:
    return tuple(letter for letter in _POSITIONS if image.size(letter) > 1)


def _position(index: Index, letters: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(index[LOOP.index(letter)] + 1 for letter in letters)


def _cell(value: float) -> Cell:
    return value if math.isfinite(value) else None


def _lut() -> bytes:
    return bytes(round(float(value)) for part in _COLOURS for value in np.interp(np.arange(256), _LEVELS, part))
