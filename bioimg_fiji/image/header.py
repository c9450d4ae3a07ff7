"""An image's JSON header (docs/protocol.md, "Image header"): everything but the pixels."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import ProtocolError
from bioimg_fiji.image.parts import Channel, Scale
from bioimg_fiji.intensity import Intensity

if TYPE_CHECKING:
    from bioimg_fiji.image.image import Image


def describe(image: Image) -> dict[str, Any]:
    """Give the header as JSON values."""
    return {
        "title": image.title,
        "axes": image.axes,
        "shape": list(image.shape),
        "dtype": image.dtype.name,
        "rgb": image.rgb,
        "scales": {a: {"step": s.step, "unit": s.unit, "origin": s.origin} for a, s in image.scales.items()},
        "channels": [
            {
                "name": c.name,
                "lut": _text(c.lut),
                "display": None if c.display is None else list(c.display),
            }
            for c in image.channels
        ],
        "mode": image.mode,
        "labels": list(image.labels),
        "intensity": None if image.intensity is None else _intensity_json(image.intensity),
        "roi": _text(image.roi),
        "overlay": [_text(r) for r in image.overlay],
        "properties": dict(image.properties),
    }


def fields(header: Mapping[str, Any], pixels: npt.NDArray[Any]) -> dict[str, Any]:
    """Give the arguments of `Image` that a header and its pixels stand for.

    Raises
    ------
    ProtocolError
        When the header lacks a field or does not describe these pixels.
    """
    try:
        shape, dtype = tuple(header["shape"]), np.dtype(header["dtype"])
        if pixels.shape != shape or pixels.dtype != dtype:
            raise ProtocolError(f"The header says {shape} {dtype}; the pixels are {pixels.shape} {pixels.dtype}.")
        intensity = header.get("intensity")
        return {
            "pixels": pixels,
            "axes": header["axes"],
            "title": header.get("title", "image"),
            "rgb": bool(header.get("rgb", False)),
            "scales": {
                a: Scale(float(s["step"]), s["unit"], float(s["origin"])) for a, s in header.get("scales", {}).items()
            },
            "channels": tuple(_channel(c) for c in header.get("channels", ())),
            "mode": header.get("mode", "grayscale"),
            "labels": tuple(header.get("labels", ())),
            "intensity": None if intensity is None else _intensity(intensity),
            "roi": _bytes(header.get("roi", "")),
            "overlay": tuple(_bytes(r) for r in header.get("overlay", ())),
            "properties": dict(header.get("properties", {})),
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise damaged(error) from error


def damaged(error: Exception) -> ProtocolError:
    """Tell that a header is not what it should be."""
    return ProtocolError(f"The image header is damaged: {error!r}.")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _channel(data: Mapping[str, Any]) -> Channel:
    display: Sequence[float] | None = data.get("display")
    return Channel(
        data.get("name", ""),
        _bytes(data.get("lut", "")),
        None if display is None else (float(display[0]), float(display[1])),
    )


def _intensity_json(value: Intensity) -> dict[str, Any]:
    return {
        "function": value.function,
        "coefficients": list(value.coefficients),
        "unit": value.unit,
        "zero_clip": value.zero_clip,
    }


def _intensity(data: Mapping[str, Any]) -> Intensity:
    return Intensity(
        data["function"],
        tuple(float(c) for c in data.get("coefficients", ())),
        data.get("unit", ""),
        bool(data.get("zero_clip", False)),
    )
