"""OME-TIFF (OME data model 2016-06): pixels of any type, physical sizes, time increment, channel names and colours."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.image import Channel, Image, Scale

ORDER = "tzcyx"


def write(image: Image, path: Path) -> None:
    """Write `image` to `path`; more than 4 GB give a BigTIFF."""
    import tifffile

    metadata: dict[str, Any] = {"axes": "TZCYX", "Name": image.name}
    for axis in "xyz":
        if axis in image.scales:
            metadata[f"PhysicalSize{axis.upper()}"] = image.scale(axis).step
            metadata[f"PhysicalSize{axis.upper()}Unit"] = image.scale(axis).unit or "pixel"
    if "t" in image.scales:
        unit = image.scale("t").unit
        metadata |= {"TimeIncrement": image.scale("t").step, "TimeIncrementUnit": {"sec": "s"}.get(unit, unit) or "s"}
    if image.channels and not image.rgb:
        channels: dict[str, Any] = {"Name": [c.name or f"channel {i}" for i, c in enumerate(image.channels, 1)]}
        if any(channel.lut for channel in image.channels):
            channels["Color"] = [_color(channel.lut) for channel in image.channels]
        metadata["Channel"] = channels
    pixels = image.ordered(ORDER)
    if image.rgb:
        pixels, metadata["axes"] = np.moveaxis(pixels, 2, -1), "TZYXS"
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    tifffile.imwrite(
        path,
        np.ascontiguousarray(pixels),
        ome=True,
        bigtiff=pixels.nbytes > 4e9,
        photometric="rgb" if image.rgb else "minisblack",
        metadata=metadata,
    )


def read(file: Any) -> Image:
    """Read the first image of an open `tifffile.TiffFile` with an OME description."""
    pixels, axes = _ours(file.series[0].asarray(), file.series[0].axes.lower())
    # The text comes from the image file; Python's expat refuses entity expansion attacks since 2.4.1.
    described = ET.fromstring(file.ome_metadata).find("{*}Image/{*}Pixels")  # noqa: S314
    attributes: Mapping[str, str] = {} if described is None else described.attrib
    names = [] if described is None else described.findall("{*}Channel")
    rgb = axes.endswith("s")
    if rgb:
        pixels, axes = np.ascontiguousarray(np.moveaxis(pixels, -1, -3)), axes[:-3] + "cyx"
        rgb = pixels.dtype == np.uint8 and pixels.shape[-3] == 3
    count = pixels.shape[axes.index("c")] if "c" in axes else 1
    channels = tuple(Channel(each.get("Name", ""), _lut(each.get("Color"))) for each in names)
    known = len(channels) == count and not rgb and any(channel != Channel() for channel in channels)
    return Image(pixels, axes, rgb=rgb, scales=_scales(attributes), channels=channels if known else ())


def _ours(pixels: npt.NDArray[Any], axes: str) -> tuple[npt.NDArray[Any], str]:
    keep = [place for place, letter in enumerate(axes) if pixels.shape[place] > 1 or letter in "yx"]
    pixels, axes = pixels.reshape([pixels.shape[place] for place in keep]), "".join(axes[place] for place in keep)
    order = [letter for letter in f"b{ORDER}s" if letter in axes]
    return pixels.transpose([axes.index(letter) for letter in order]), "".join(order)


def _scales(attributes: Mapping[str, str]) -> dict[str, Scale]:
    scales = {}
    for axis in "xyz":
        step = attributes.get(f"PhysicalSize{axis.upper()}")
        if step is not None:
            unit = attributes.get(f"PhysicalSize{axis.upper()}Unit", "\u00b5m")
            scales[axis] = Scale(float(step), "" if unit == "pixel" else unit.replace("\u03bc", "\u00b5"))
    if "TimeIncrement" in attributes:
        unit = attributes.get("TimeIncrementUnit", "s")
        scales["t"] = Scale(float(attributes["TimeIncrement"]), {"s": "sec"}.get(unit, unit))
    return scales


def _color(lut: bytes) -> int:
    """Give the brightest entry of a lookup table as OME's signed RGBA integer."""
    red, green, blue = (lut[255], lut[511], lut[767]) if lut else (255, 255, 255)
    value = red << 24 | green << 16 | blue << 8 | 255
    return value - 2**32 if value >= 2**31 else value


def _lut(color: str | None) -> bytes:
    """Give the lookup table from black to OME's colour; b"" for white."""
    if color is None or int(color) == -1:
        return b""
    value = int(color) & 0xFFFFFFFF
    ramp = np.arange(256)
    parts = [((value >> shift & 255) * ramp + 127) // 255 for shift in (24, 16, 8)]
    return np.concatenate(parts).astype(np.uint8).tobytes()
