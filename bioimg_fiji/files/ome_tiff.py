"""OME-TIFF (OME data model 2016-06): pixels of any type, physical sizes, time increment, names, colours, properties."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.files.plain_tiff import write_tiff
from bioimg_fiji.image import Channel, Image, Scale

ORDER = "tzcyx"

NAMESPACE = "bioimg-fiji/properties"
"""Of the annotation with an image's properties."""


def write(image: Image, path: Path) -> None:
    """Write `image` to `path`; more than 4 GB give a BigTIFF."""
    pixels = np.ascontiguousarray(arranged(image.pixels, image))
    write_tiff(path, pixels, bigtiff=pixels.nbytes > 4e9, **described(image))


def arranged(pixels: npt.NDArray[Any], image: Image) -> npt.NDArray[Any]:
    """Give a part of an image's pixels, with the image's axes, as the file stores it."""
    missing = [letter for letter in ORDER if letter not in image.axes]
    if image.size("b") > 1:
        image.ordered(ORDER)  # tells what is wrong
    letters = "".join(missing) + image.axes
    pixels = pixels.reshape((1,) * len(missing) + pixels.shape)
    if "b" in letters:
        pixels, letters = pixels.squeeze(letters.index("b")), letters.replace("b", "")
    pixels = pixels.transpose([letters.index(letter) for letter in ORDER])
    if image.rgb:
        pixels = np.moveaxis(pixels, 2, -1)
    return pixels.astype(np.uint8) * np.uint8(255) if pixels.dtype == np.bool_ else pixels


def described(image: Image) -> dict[str, Any]:
    """Give tifffile's arguments for a file with this image's metadata."""
    metadata: dict[str, Any] = {"axes": "TZYXS" if image.rgb else "TZCYX", "Name": image.name}
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
    if image.properties:
        # NB: "Value", since a property may be called Namespace or Description.
        metadata["MapAnnotation"] = {"Namespace": NAMESPACE, "Value": dict(image.properties)}
    return {"ome": True, "photometric": "rgb" if image.rgb else "minisblack", "metadata": metadata}


def read(file: Any, stored: npt.NDArray[Any]) -> Image:
    """Build the first image of an open `tifffile.TiffFile` with an OME description, from its array."""
    pixels, axes = _ours(stored, file.series[0].axes.lower())
    # The text comes from the image file; Python's expat refuses entity expansion attacks since 2.4.1.
    root = ET.fromstring(file.ome_metadata)  # noqa: S314
    described = root.find("{*}Image/{*}Pixels")
    attributes: Mapping[str, str] = {} if described is None else described.attrib
    names = [] if described is None else described.findall("{*}Channel")
    rgb = axes.endswith("s")
    if rgb:
        pixels, axes = np.ascontiguousarray(np.moveaxis(pixels, -1, -3)), axes[:-3] + "cyx"
        rgb = pixels.dtype == np.uint8 and pixels.shape[-3] == 3
    count = pixels.shape[axes.index("c")] if "c" in axes else 1
    channels = tuple(Channel(each.get("Name", ""), _lut(each.get("Color"))) for each in names)
    known = len(channels) == count and not rgb and any(channel != Channel() for channel in channels)
    return Image(
        pixels,
        axes,
        rgb=rgb,
        scales=_scales(attributes),
        channels=channels if known else (),
        properties=_properties(root),
    )


def _ours(pixels: npt.NDArray[Any], axes: str) -> tuple[npt.NDArray[Any], str]:
    keep = [place for place, letter in enumerate(axes) if pixels.shape[place] > 1 or letter in "yx"]
    pixels, axes = pixels.reshape([pixels.shape[place] for place in keep]), "".join(axes[place] for place in keep)
    order = [letter for letter in f"b{ORDER}s" if letter in axes]
    return pixels.transpose([axes.index(letter) for letter in order]), "".join(order)


def _properties(root: ET.Element) -> dict[str, str]:
    annotations = root.iterfind("{*}StructuredAnnotations/{*}MapAnnotation")
    ours = (each for each in annotations if each.get("Namespace") == NAMESPACE)
    return {m.get("K", ""): m.text or "" for each in ours for m in each.iterfind("{*}Value/{*}M")}


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
