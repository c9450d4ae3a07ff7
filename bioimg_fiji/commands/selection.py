"""What a run does with an image's selection: only its pixels are processed, and the result goes back to its place.

Lives here: the part that a selection takes of an image, and putting a result back. Lives not here: which pixels a
region has (drawn).
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bioimg_fiji.drawn import selected
from bioimg_fiji.image import Image, Scale

Selection = Literal["place", "crop", "ignore"]
Box = tuple[slice, slice]

_HEADER, _LINE, _ELLIPSE, _ROTATED, _SUBPIXEL = 64, 3, 3, 5, 128
_POINTS = {0: 1, 1: 1, 2: 2, 3: 3, 4: 0}
"""Points of each kind of segment of a path: move, line, two curves, close."""


@dataclass(frozen=True)
class Part:
    """The part of an image that its selection takes.

    Parameters
    ----------
    image
        The whole image.
    box
        The selection's bounding rectangle: rows and columns.
    mask
        Its pixels, bool (y, x) of the whole image.
    """

    image: Image
    box: Box
    mask: npt.NDArray[np.bool_]

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """The selection's pixels within the rectangle."""
        return self.mask[self.box]

    def of(self, other: Image) -> Image:
        """Give the same part of an image of the same width and height; another image as it is."""
        same = all(other.size(letter) == self.image.size(letter) for letter in "yx")
        return cropped(other, self.box) if same else other

    def holds(self, result: Image) -> bool:
        """Whether a result has the part's width and height."""
        return self.inside.shape == (result.size("y"), result.size("x"))


def part_of(image: Image, selection: Selection, tell: Callable[[str], None]) -> Part | None:
    """Give the part to process; None where that is the whole image: no selection, one without an area, or "ignore".

    A selection of a kind that cannot be read is told, and limits nothing.

    Raises
    ------
    ImageError
        When the selection lies outside the image.
    """
    try:
        mask = None if selection == "ignore" else selected(image)
    except (ValueError, struct.error):
        tell(f"The selection of {image.title} cannot be read: the whole image is processed.")
        return None
    if mask is None or mask.all():
        return None
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    return Part(image, box, mask)


def cropped(image: Image, box: Box) -> Image:
    """Give the rectangle of an image as Image > Duplicate does; the overlay moves with it, the selection is gone."""
    index = tuple(dict(zip("yx", box, strict=True)).get(letter, slice(None)) for letter in image.axes)
    starts = dict(zip("yx", (part.start for part in box), strict=True))
    moves = any(image.scale(letter).origin for letter in "yx")  # ImageJ moves an origin only where there is one
    scales = {letter: _moved(scale, starts.get(letter, 0) * moves) for letter, scale in image.scales.items()}
    part = dataclasses.replace(image, pixels=np.ascontiguousarray(image.pixels[index]), scales=scales, roi=b"")
    return dataclasses.replace(part, overlay=moved(image.overlay, -starts["x"], -starts["y"]))


def placed(result: Image, part: Part, keeps_values: bool, empty: float = 0) -> Image:
    """Put a result of the part back: a copy of the image with the result in the selection.

    Parameters
    ----------
    result
        Made from the part, of its width and height.
    keeps_values
        Whether its values are of the image's kind, so that the image's own fill what is not selected.
    empty
        What does else.
    """
    whole = part.image
    around = whole.physical() if whole.intensity is not None and result.dtype.kind == "f" else whole
    size = dict(zip(result.axes, result.shape, strict=True)) | {"y": whole.size("y"), "x": whole.size("x")}
    shape = tuple(size[letter] for letter in result.axes)
    if keeps_values and around.axes == result.axes and around.shape == shape:
        pixels = around.pixels.astype(result.dtype)
    else:
        pixels = np.full(shape, empty, result.dtype)
    last = tuple(range(len(shape) - 2, len(shape)))
    places = tuple(result.axes.index(letter) for letter in "yx")
    target = np.moveaxis(pixels, places, last)[(..., *part.box)]
    np.copyto(target, np.moveaxis(result.pixels, places, last), where=part.inside)
    scales = {**result.scales, **{letter: whole.scales[letter] for letter in "yx" if letter in whole.scales}}
    return dataclasses.replace(result, pixels=pixels, scales=scales, roi=whole.roi, overlay=whole.overlay)


def all_placed(
    images: Mapping[str, Image], part: Part, keeps_values: bool, tell: Callable[[str], None], empty: float = 0
) -> dict[str, Image]:
    """Put back every result that has the part's width and height; the others stay as they are, which is told."""
    found = {}
    for name, image in images.items():
        if part.holds(image):
            found[name] = placed(image, part, keeps_values, empty)
        else:
            found[name] = image
            tell(f"{image.title} has another size than the selection: it is given without the image around it.")
    return found


def moved(regions: Iterable[bytes], x: int, y: int) -> tuple[bytes, ...]:
    """Give regions, encoded as in an ImageJ .roi file, moved by whole pixels."""
    return tuple(_shifted(bytearray(each), x, y) for each in regions)


def _shifted(roi: bytearray, x: int, y: int) -> bytes:
    """Move one region: every absolute coordinate of its file (ij.io.RoiDecoder tells where they stand)."""
    if roi[:4] != b"Iout" or len(roi) < _HEADER:
        return bytes(roi)
    _add(roi, ">4h", 8, (y, x, y, x))  # the bounds: top, left, bottom, right
    count, (shape,) = _unpacked(roi, ">H", 16)[0], _unpacked(roi, ">i", 36)
    kind, subtype, options = roi[6], _unpacked(roi, ">h", 48)[0], _unpacked(roi, ">h", 50)[0]
    two_points = kind == _LINE or subtype in (_ELLIPSE, _ROTATED)
    if two_points or options & _SUBPIXEL:
        _add(roi, ">4f", 18, (x, y, x, y) if two_points else (x, y, 0, 0))
    if shape:
        _shift_path(roi, shape, x, y)
    elif options & _SUBPIXEL and count and len(roi) >= _HEADER + 12 * count:
        first = _HEADER + 4 * count  # behind the whole numbers, which are relative to the bounds
        _add(roi, f">{2 * count}f", first, (x,) * count + (y,) * count)
    return bytes(roi)


def _shift_path(roi: bytearray, size: int, x: int, y: int) -> None:
    """Move a composite region: the number of a segment's kind, its points behind it, and so on."""
    place, end = _HEADER, min(_HEADER + 4 * size, len(roi))
    while place + 4 <= end:
        points = _POINTS.get(int(_unpacked(roi, ">f", place)[0]), 0)
        if place + 4 + 8 * points > end:
            return
        _add(roi, f">{2 * points}f", place + 4, (x, y) * points)
        place += 4 + 8 * points


def _unpacked(roi: bytearray, kind: str, place: int) -> tuple[Any, ...]:
    return struct.unpack_from(kind, roi, place)


def _add(roi: bytearray, kind: str, place: int, numbers: tuple[int, ...]) -> None:
    before = struct.unpack_from(kind, roi, place)
    struct.pack_into(kind, roi, place, *(one + by for one, by in zip(before, numbers, strict=True)))


def _moved(scale: Scale, start: int) -> Scale:
    return dataclasses.replace(scale, origin=scale.origin - start)
