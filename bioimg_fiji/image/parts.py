"""What an image is made of besides its pixels: axes, scales, channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from bioimg_fiji.errors import AxesError, ImageError

AXES = "btczyx"
"""All axis letters, in bioimage.io's meaning: batch (position), time, channel, depth, height, width."""

IMAGEJ_AXES = "tzcyx"
"""ImageJ's hyperstack as an array: channel runs fastest among the planes, then slice, then frame."""

MICROMETRES = {"nm": 1e-3, "nanometer": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0}
MICROMETRES |= {"micrometer": 1.0, "micrometre": 1.0, "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "m": 1e6, "meter": 1e6}
"""Units of length by their spellings in ImageJ and in model packages."""


@dataclass(frozen=True)
class Scale:
    """Calibration of one axis: coordinate = (index - origin) * step, in `unit`.

    `origin` is an index, in pixels, as in ImageJ's Calibration. An empty unit means "pixel" (space) or "frame" (time).
    """

    step: float = 1.0
    unit: str = ""
    origin: float = 0.0


@dataclass(frozen=True)
class Channel:
    """One channel's name, colours and display range.

    `lut` is 768 bytes: 256 reds, 256 greens, 256 blues; empty means grey. `display` is (lowest, highest) in
    stored values.
    """

    name: str = ""
    lut: bytes = b""
    display: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if len(self.lut) not in (0, 768):
            raise ImageError(f"A channel's lookup table has 768 bytes, not {len(self.lut)}.")


def check_axes(pixels: npt.NDArray[Any], axes: str) -> None:
    """Raise an AxesError when the letters do not describe the array."""
    if (
        len(axes) != pixels.ndim
        or len(set(axes)) != len(axes)
        or not set(axes) <= set(AXES)
        or not {"y", "x"} <= set(axes)
    ):
        raise AxesError(
            f"Axes {axes!r} do not describe an array of shape {pixels.shape}.",
            fix=f"Give one letter of {AXES!r} per dimension, each once, y and x among them.",
            axes=axes,
            shape=list(pixels.shape),
        )
