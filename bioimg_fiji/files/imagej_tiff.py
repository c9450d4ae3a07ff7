"""ImageJ's TIFF: hyperstack order, calibration, labels, colours, overlay, selection and Info as FileSaver writes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import AxesError
from bioimg_fiji.files.plain_tiff import write_tiff
from bioimg_fiji.image import AXES, Channel, Image, Scale, imagej_pixels
from bioimg_fiji.intensity import UNIT_ONLY, Intensity

FUNCTIONS = (
    *("straight_line", "poly2", "poly3", "poly4", "exponential", "power", "log", "rodbard", "gamma_variate", "log2"),
    *("rodbard2", "exp_with_offset", "gaussian", "exp_recovery"),
)
"""Names of ImageJ's calibration functions by their number in a file; 21 is uncalibrated_od."""

UNCALIBRATED_OD = 21
SIGNED_16 = (-32768.0, 1.0)


def write(image: Image, path: Path) -> None:
    """Write `image` to `path`, in a pixel type that ImageJ holds (`bioimg_fiji.image.imagej_pixels`)."""
    image = imagej_pixels(image)
    if image.size("b") > 1:
        raise AxesError(
            f"ImageJ has no batch axis; the image has {image.size('b')} elements along it.",
            fix="Write one file per element, or an OME-TIFF.",
        )
    pixels = image.ordered("btzcyx")[0]
    if image.dtype == np.int16:
        pixels = (pixels.view(np.uint16) ^ np.uint16(0x8000)) if pixels.flags.c_contiguous else _unsigned(pixels)
    # NB: with its axis of samples, though there is one: tifffile takes an x axis of one pixel for it otherwise.
    pixels, axes = pixels[..., np.newaxis], "TZCYXS"
    if image.rgb:
        pixels, axes = np.ascontiguousarray(np.moveaxis(pixels[..., 0], 2, -1)), "TZYXS"
    write_tiff(
        path,
        pixels,
        imagej=True,
        photometric="rgb" if image.rgb else "minisblack",
        resolution=(1 / (image.scale("x").step or 1.0), 1 / (image.scale("y").step or 1.0)),
        metadata={"axes": axes} | _description(image) | _blocks(image),
    )


def read(file: Any, stored: npt.NDArray[Any]) -> Image:
    """Build the image of an open `tifffile.TiffFile` that ImageJ wrote, from its first series' array."""
    series, meta = file.series[0], file.imagej_metadata or {}
    pixels, axes = _letters(stored, series.axes)
    rgb = "s" in axes
    if rgb:
        pixels, axes = _rgb_first(pixels, axes)
    image = Image(
        pixels,
        axes,
        rgb=rgb,
        scales=_scales(file.pages[0], meta, axes),
        mode="grayscale" if rgb else str(meta.get("mode", "grayscale")),
        properties=_properties(meta),
        roi=bytes(meta.get("ROI", b"") or b""),
        overlay=tuple(bytes(each) for each in _listed(meta.get("Overlays"))),
    )
    labels = tuple(str(label) for label in _listed(meta.get("Labels")))
    image = _with_intensity(image, meta)
    return dataclasses.replace(
        image,
        channels=() if rgb else _channels(image, meta),
        labels=labels if any(labels) and len(labels) == image.plane_count else (),
    )


def read_plain(file: Any, stored: npt.NDArray[Any]) -> Image:
    """Build the image of an open `tifffile.TiffFile` without ImageJ's or OME's description.

    Raises
    ------
    AxesError
        When it has more than two dimensions and does not say which.
    """
    series = file.series[0]
    pixels, axes = _letters(stored, series.axes)
    if "s" in axes and pixels.dtype == np.uint8:
        pixels, axes = _rgb_first(pixels, axes)
        return Image(pixels, axes, rgb=True)
    if not set(axes) <= set(AXES):
        raise AxesError(
            f"The file has an array of shape {pixels.shape} and does not say what its axes mean.",
            fix="Name them, for example axes=tyx for a movie, axes=zyx for a stack, axes=cyx for channels.",
            shape=list(pixels.shape),
        )
    return Image(pixels, axes)


def _unsigned(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    return np.ascontiguousarray(pixels).view(np.uint16) ^ np.uint16(0x8000)


def _description(image: Image) -> dict[str, Any]:
    """Give the lines of ImageJ's image description; numbers as Python writes them, which Java reads back exactly."""
    x, y, z, t = (image.scale(axis) for axis in "xyzt")
    lines: dict[str, Any] = {"ImageJ": "1.54p", "unit": _escape(x.unit) or "pixel"}
    if not image.rgb:
        lines["mode"] = image.mode
    for axis, scale in (("y", y), ("z", z)):
        if scale.unit != x.unit and axis in image.scales:
            lines[f"{axis}unit"] = _escape(scale.unit) or "pixel"
    if "z" in image.scales:
        lines["spacing"] = z.step
    if "t" in image.scales:
        lines |= {"finterval": t.step, "tunit": _escape(t.unit) or "sec"}
    lines |= {f"{a}origin": s.origin for a, s in (("x", x), ("y", y), ("z", z)) if s.origin}
    if image.channels and image.size("c") == 1 and image.channels[0].display:
        lines["min"], lines["max"] = image.channels[0].display
    return lines | _function(image)


def _function(image: Image) -> dict[str, Any]:
    coefficients: tuple[float, ...]
    if image.dtype == np.int16:
        number, coefficients, unit = 0, SIGNED_16, "Gray Value"
    elif image.intensity is None or image.dtype not in (np.uint8, np.uint16, np.float32):
        return {}
    elif image.intensity.function == UNIT_ONLY:
        return {"vunit": _escape(image.intensity.unit)}
    elif image.intensity.function == "uncalibrated_od":
        number, coefficients, unit = UNCALIBRATED_OD, (), image.intensity.unit
    elif image.intensity.function in FUNCTIONS:
        number = FUNCTIONS.index(image.intensity.function)
        coefficients, unit = image.intensity.coefficients, image.intensity.unit
    else:
        return {}
    lines: dict[str, Any] = {"cf": number}
    lines |= {f"c{index}": value for index, value in enumerate(coefficients)}
    clip = {"zeroclip": "true"} if image.intensity is not None and image.intensity.zero_clip else {}
    return lines | {"vunit": _escape(unit) or "Gray Value"} | clip


def _blocks(image: Image) -> dict[str, Any]:
    """Give the parts of ImageJ's binary metadata."""
    blocks: dict[str, Any] = {}
    properties = dict(image.properties)
    if "Info" in properties:
        blocks["Info"] = properties.pop("Info")
    names = [channel.name for channel in image.channels]
    if any(names):
        properties |= {f"Channel{index} Name": name for index, name in enumerate(names, 1) if name}
    if properties:
        blocks["Properties"] = properties
    if image.labels:
        blocks["Labels"] = list(image.labels)
    if image.roi:
        blocks["ROI"] = image.roi
    if image.overlay:
        blocks["Overlays"] = list(image.overlay)
    if image.rgb or not image.channels:
        return blocks
    if image.size("c") > 1 and all(channel.display for channel in image.channels):
        blocks["Ranges"] = tuple(value for channel in image.channels for value in channel.display or ())
    if any(channel.lut for channel in image.channels):
        grey = bytes(range(256)) * 3
        blocks["LUTs"] = [np.frombuffer(channel.lut or grey, np.uint8).reshape(3, 256) for channel in image.channels]
    return blocks


def _letters(pixels: npt.NDArray[Any], axes: str) -> tuple[npt.NDArray[Any], str]:
    """Take tifffile's axes for ours, without those of size one."""
    letters = axes.lower()
    keep = [place for place, letter in enumerate(letters) if pixels.shape[place] > 1 or letter in "yx"]
    return pixels.reshape([pixels.shape[place] for place in keep]), "".join(letters[place] for place in keep)


def _rgb_first(pixels: npt.NDArray[Any], axes: str) -> tuple[npt.NDArray[Any], str]:
    """Make the samples of a colour picture the channel axis, before y; an alpha sample is dropped, as ImageJ does."""
    if "c" in axes:
        raise AxesError(
            "A file of RGB pixels with further channels has no meaning in ImageJ.", fix="Split the channels."
        )
    pixels = np.take(pixels, range(3), axis=axes.index("s"))
    pixels = np.moveaxis(pixels, axes.index("s"), -3)
    return np.ascontiguousarray(pixels), axes.replace("s", "").replace("yx", "cyx")


def _scales(page: Any, meta: Mapping[str, Any], axes: str) -> dict[str, Scale]:
    unit = _plain_unit(meta.get("unit", ""))
    scales = {}
    for axis, tag in (("x", "XResolution"), ("y", "YResolution")):
        value = page.tags[tag].value if tag in page.tags else (1, 1)
        step = value[1] / value[0] if value[0] else 1.0
        axis_unit = _plain_unit(meta.get(f"{axis}unit", "")) or unit
        scales[axis] = Scale(step, axis_unit, float(meta.get(f"{axis}origin", 0.0)))
    if "spacing" in meta or "z" in axes:
        z_unit = _plain_unit(meta.get("zunit", "")) or unit
        scales["z"] = Scale(float(meta.get("spacing", 1.0)), z_unit, float(meta.get("zorigin", 0.0)))
    if "finterval" in meta:
        scales["t"] = Scale(float(meta["finterval"]), _plain_unit(meta.get("tunit", "sec")))
    return {axis: scale for axis, scale in scales.items() if scale != Scale() or axis in "zt"}


def _plain_unit(text: object) -> str:
    """Give ImageJ's unit as this project writes it: no unit for pixels, µm for all spellings of micron."""
    unit = str(text)
    if "\\u" in unit:
        unit = unit.encode("latin-1", "replace").decode("unicode_escape")
    unit = unit.replace("\u03bc", "\u00b5")
    if unit in ("micron", "microns", "um", "\u00b5m"):
        return "\u00b5m"
    return "" if unit in ("pixel", "pixels") else unit


def _escape(unit: str) -> str:
    """Write a unit in ASCII, as ImageJ does in its description."""
    return (
        "micron"
        if unit == "\u00b5m"
        else unit.encode("ascii", "backslashreplace").decode("ascii").replace("\\xb", "\\u00b")
    )


def _channels(image: Image, meta: Mapping[str, Any]) -> tuple[Channel, ...]:
    count = image.size("c")
    ranges = [float(value) for value in _listed(meta.get("Ranges"))]
    if len(ranges) != 2 * count:
        ranges = [float(meta["min"]), float(meta["max"])] if count == 1 and "min" in meta and "max" in meta else []
    luts = [np.asarray(lut, np.uint8).tobytes() for lut in _listed(meta.get("LUTs"))]
    grey = bytes(range(256)) * 3
    luts = [b"" if lut == grey else lut for lut in luts]
    names = _listed_properties(meta)
    channels = tuple(
        Channel(
            names.get(f"Channel{index + 1} Name", ""),
            luts[index] if len(luts) == count else b"",
            (ranges[2 * index], ranges[2 * index + 1]) if ranges else None,
        )
        for index in range(count)
    )
    return channels if any(channel != Channel() for channel in channels) else ()


def _with_intensity(image: Image, meta: Mapping[str, Any]) -> Image:
    unit = str(meta.get("vunit", ""))
    unit = unit.encode("latin-1", "replace").decode("unicode_escape") if "\\u" in unit else unit
    if "cf" not in meta or image.dtype == np.float32:  # as ImageJ: a 32-bit image has physical values
        return dataclasses.replace(image, intensity=Intensity(UNIT_ONLY, unit=unit)) if unit else image
    number = int(meta["cf"])
    coefficients = tuple(float(meta[f"c{index}"]) for index in range(10) if f"c{index}" in meta)
    if image.dtype == np.uint16 and number == 0 and coefficients == SIGNED_16:
        return image.with_pixels((image.pixels ^ np.uint16(0x8000)).view(np.int16))
    name = (
        "uncalibrated_od" if number == UNCALIBRATED_OD else FUNCTIONS[number] if number < len(FUNCTIONS) else "custom"
    )
    clip = str(meta.get("zeroclip", "")).lower() == "true"
    return dataclasses.replace(image, intensity=Intensity(name, coefficients, unit, clip))


def _properties(meta: Mapping[str, Any]) -> dict[str, str]:
    found = {name: value for name, value in _listed_properties(meta).items() if not _is_channel_name(name)}
    if meta.get("Info"):
        found["Info"] = str(meta["Info"])
    return found


def _listed_properties(meta: Mapping[str, Any]) -> dict[str, str]:
    value = meta.get("Properties") or {}
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, Mapping) else {}


def _is_channel_name(name: str) -> bool:
    return name.startswith("Channel") and name.endswith(" Name")


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
