"""What a notebook shows of an image: a thumbnail of its middle plane, and what is known about it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji import html

if TYPE_CHECKING:
    from bioimg_fiji.image.image import Image

SIDE = 192
"""Pixels of a thumbnail's longer side: noise in three colours then takes 150 kilobytes."""

_LEAST_WIDTH = 96
_MOST_CHANNELS = 8
_PERCENTILES = (0.5, 99.8)
_COLOURS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 1))
"""ImageJ's colours of channels that have none of their own."""
_NAMES = {"b": "position", "t": "frame", "z": "slice"}

Array = npt.NDArray[Any]


def describe(image: Image, side: int = SIDE) -> str:
    """Write an image as HTML."""
    facts = html.rows(_facts(image))
    small = thumbnail(image, side)
    if small is None:
        return facts
    width = round(max(small.shape[1], _LEAST_WIDTH, side * small.shape[1] / max(small.shape[:2])))
    return html.beside(html.picture(small, width), facts)


def thumbnail(image: Image, side: int = SIDE) -> npt.NDArray[np.uint8] | None:
    """Draw the middle plane, its channels in their colours and each stretched between two percentiles.

    Only the pixels that are shown are read, however large the image is; noise is not smoothed away.

    Returns
    -------
    (y, x) or (y, x, 3), or None for an image without pixels.
    """
    if not image.pixels.size:
        return None
    planes = _planes(image, side)
    if image.rgb:
        return np.ascontiguousarray(np.moveaxis(planes, 0, -1).astype(np.uint8))
    levels = [_stretched(plane) for plane in planes[:_MOST_CHANNELS]]
    tables = [_table(image, number) for number in range(len(levels))]
    if len(levels) == 1 and tables[0] is None:
        return levels[0]
    mixed = np.zeros((*levels[0].shape, 3), np.uint16)
    for number, (level, colours) in enumerate(zip(levels, tables, strict=True)):
        mixed += (_ramp(number) if colours is None else colours)[level]
    return np.minimum(mixed, 255).astype(np.uint8)


def _planes(image: Image, side: int) -> Array:
    """Give the middle plane's channels (c, y, x), every so-many-th pixel."""
    step = math.ceil(max(image.size("y"), image.size("x")) / side)
    index: list[Any] = []
    for axis in image.axes:
        size = image.size(axis)
        index.append(slice(None, None, step) if axis in "yx" else slice(None) if axis == "c" else size // 2)
    letters = "".join(axis for axis in image.axes if axis in "cyx")
    planes = np.asarray(image.pixels[tuple(index)])
    if "c" not in letters:
        planes, letters = planes[np.newaxis], f"c{letters}"
    return planes.transpose([letters.index(axis) for axis in "cyx"])


def _stretched(plane: Array) -> npt.NDArray[np.uint8]:
    values = plane.astype(np.float64) / 4  # differences of the largest numbers are numbers too
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros(values.shape, np.uint8)
    low, high = np.percentile(finite, _PERCENTILES)
    if not low < high:  # a mask with few pixels, or a constant
        low, high = finite.min(), finite.max()
    if not low < high:
        return np.full(values.shape, 128, np.uint8)
    scaled = (np.clip(values, low, high) - low) / (high - low)
    return np.asarray(np.rint(np.nan_to_num(scaled) * 255), np.uint8)


def _table(image: Image, number: int) -> npt.NDArray[np.uint16] | None:
    """Give a channel's colours (256, 3); None where it has none."""
    lut = image.channels[number].lut if number < len(image.channels) else b""
    return np.frombuffer(lut, np.uint8).reshape(3, 256).T.astype(np.uint16) if lut else None


def _ramp(number: int) -> npt.NDArray[np.uint16]:
    return np.outer(np.arange(256), _COLOURS[number % len(_COLOURS)]).astype(np.uint16)


def _facts(image: Image) -> list[tuple[str, object]]:
    sizes = ", ".join(f"{axis} {size}" for axis, size in zip(image.axes, image.shape, strict=True))
    names = ", ".join(channel.name for channel in image.channels if channel.name)
    shown = [f"{name} {image.size(axis) // 2 + 1}" for axis, name in _NAMES.items() if image.size(axis) > 1]
    return [
        ("title", image.title),
        ("axes", sizes),
        ("type", "RGB" if image.rgb else image.dtype),
        ("pixel size", _pixel_size(image)),
        ("channels", names),
        ("memory", _bytes(image.pixels.nbytes)),
        ("shown", ", ".join(shown)),
    ]


def _pixel_size(image: Image) -> str:
    parts = []
    for axis in "xyzt":
        if axis in image.scales:
            scale = image.scales[axis]
            parts.append(f"{axis} {scale.step:.4g} {scale.unit or ('frame' if axis == 't' else 'pixel')}")
    return ", ".join(parts)


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
