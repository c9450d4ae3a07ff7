"""Small pictures of an image, the truth and a result: the same part, and the same contrast or the same colours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.files import whole
from bioimg_fiji.image import Image

SIDE = 160
"""Of a picture, pixels of the image."""
IMAGE, TRUTH = "image", "truth"
_PERCENTILES = (0.5, 99.7)
_GOLDEN = 0.618033988749895


def plane(image: Image) -> NDArray[Any]:
    """Give the middle part of the first channel's middle plane, at most `SIDE` pixels high and wide."""
    pixels = image.ordered("btzcyx")
    middle = pixels[tuple(size // 2 for size in pixels.shape[:3])][0]
    height, width = middle.shape
    top, left = max(0, (height - SIDE) // 2), max(0, (width - SIDE) // 2)
    found: NDArray[Any] = middle[top : top + SIDE, left : left + SIDE]
    return found


def limits(pixels: NDArray[Any]) -> tuple[float, float]:
    """Give the values that are shown black and white."""
    low, high = np.percentile(pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels, _PERCENTILES)
    return float(low), float(high) if high > low else float(low) + 1


def grey(pixels: NDArray[Any], between: tuple[float, float]) -> NDArray[np.uint8]:
    """Draw intensities."""
    low, high = between
    shown = np.nan_to_num((pixels.astype(np.float64) - low) / (high - low)).clip(0, 1)
    return np.asarray(np.rint(shown * 255), np.uint8)


def coloured(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Draw labels: neighbouring numbers in hues far apart, the background black."""
    hue = np.mod(labels.astype(np.float64) * _GOLDEN, 1)
    shades = [np.abs(np.mod(hue * 6 + shift, 6) - 3) - 1 for shift in (0, 4, 2)]
    colours = np.stack(shades, -1).clip(0, 1) * 0.75 + 0.25
    return np.asarray(np.rint(np.where((labels != 0)[..., np.newaxis], colours, 0) * 255), np.uint8)


def write(pixels: NDArray[np.uint8], folder: Path, name: str) -> None:
    """Write a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    data = imageio.imwrite("<bytes>", pixels, extension=".png")
    whole(path(folder, name), lambda part: _bytes(part, data))


def path(folder: Path, name: str) -> Path:
    """Give a picture's path, where it is or would be."""
    return folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}.png"


def _bytes(target: Path, data: bytes) -> None:
    target.write_bytes(data)
