"""OME-Zarr (OME-NGFF 0.4 and 0.5): which array is the image, what its axes mean, and the description of our own.

A folder with one array per resolution; axes, scales and translations are in the group's attributes, those of 0.5 under
"ome". Lives here: the descriptions. Pixels are read by `files.source` and written by `files.sink`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bioimg_fiji.errors import FileFormatError
from bioimg_fiji.image import AXES, Channel, Image, Scale

VERSION = "0.5"
PROPERTIES = "bioimg-fiji"
"""The group's attribute with an image's properties, which OME-NGFF has no place for."""

UNITS = {"micrometer": "\u00b5m", "nanometer": "nm", "millimeter": "mm", "second": "sec", "millisecond": "msec"}
"""OME-NGFF's units (UDUNITS-2) and how ImageJ writes them; others are kept as they are."""

TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


@dataclass(frozen=True)
class Described:
    """What a group tells of its image: the array's path, its axes, and the metadata that `Image` has a place for."""

    array: str
    axes: str
    scales: Mapping[str, Scale]
    channels: tuple[Channel, ...]
    properties: Mapping[str, str]


def is_zarr(path: Path) -> bool:
    """Whether the path is a Zarr group or array."""
    return path.is_dir() and any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray", ".zattrs"))


def read(path: Path, store: Any = None) -> Described:
    """Read a group's description, by zarr's `store` if there is one; the array is that of the full resolution.

    Raises
    ------
    FileFormatError
        When the folder is no image in OME-Zarr, or its description is damaged.
    """
    import zarr

    try:
        attributes: dict[str, Any] = dict(zarr.open_group(path if store is None else store, mode="r").attrs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path} is no OME-Zarr: {error}.", fix="Give an OME-Zarr image.") from error
    ome = attributes.get("ome", attributes)
    multiscales = ome.get("multiscales") if isinstance(ome, Mapping) else None
    if not multiscales:
        inner = [] if store is not None else sorted(each.name for each in path.iterdir() if is_zarr(each))
        raise FileFormatError(
            f"{path} has no image of its own (no 'multiscales' in its attributes).",
            fix=f"Give one of the groups in it: {', '.join(inner[:8])}." if inner else "Give an OME-Zarr image.",
            path=str(path),
        )
    try:
        return _described(multiscales[0], ome.get("omero") or {}, attributes.get(PROPERTIES) or {})
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(
            f"The description of {path} is damaged: {type(error).__name__}: {error}.",
            fix="Write the image again with the program that made it.",
            path=str(path),
        ) from error


def attributes(image: Image, levels: int, mean: bool) -> dict[str, Any]:
    """Give the attributes of a group with `levels` arrays named "0", "1", ..., each half as large in y and x.

    Parameters
    ----------
    image
        Gives axes, scales, names and colours.
    levels
        Number of arrays.
    mean
        Whether a pixel of a lower level is the mean of its four, or the first of them.
    """
    axes = []
    for letter in image.axes:
        axis = {"name": letter, "type": TYPES[letter]}
        unit = _ngff_unit(image.scale(letter).unit)
        axes.append(axis | ({"unit": unit} if unit and letter != "c" else {}))
    datasets = [
        {"path": str(level), "coordinateTransformations": _transformations(image, level, mean)}
        for level in range(levels)
    ]
    pyramid = {"name": image.name, "axes": axes, "datasets": datasets, "type": "mean" if mean else "nearest"}
    ome: dict[str, Any] = {"version": VERSION, "multiscales": [pyramid]}
    if "c" in image.axes or image.channels:
        ome["omero"] = {"channels": [_omero(channel, image.dtype) for channel in _channels(image)]}
    return {"ome": ome, PROPERTIES: dict(image.properties)}


def _described(pyramid: Mapping[str, Any], omero: Mapping[str, Any], properties: Mapping[str, Any]) -> Described:
    axes = [each if isinstance(each, Mapping) else {"name": each} for each in pyramid.get("axes", "tczyx")]
    letters = "".join(_letter(axis) for axis in axes)
    dataset = pyramid["datasets"][0]
    steps, offsets = np.ones(len(letters)), np.zeros(len(letters))
    both = [*dataset.get("coordinateTransformations", ()), *(pyramid.get("coordinateTransformations") or ())]
    for change in both:
        if change["type"] == "scale":
            factors = np.asarray(change["scale"], float)
            steps, offsets = steps * factors, offsets * factors
        elif change["type"] == "translation":
            offsets = offsets + np.asarray(change["translation"], float)
    scales = {}
    for axis, letter, step, offset in zip(axes, letters, steps.tolist(), offsets.tolist(), strict=True):
        unit = str(axis.get("unit") or "")
        scale = Scale(step, UNITS.get(unit, unit), -offset / step if offset else 0.0)
        if letter not in "bc" and scale != Scale():
            scales[letter] = scale
    channels = tuple(_channel(each) for each in omero.get("channels", ()))
    if ".." in PurePosixPath(str(dataset["path"])).parts or str(dataset["path"]).startswith("/"):
        raise ValueError(f"the array {dataset['path']!r} is outside the group")
    texts = {str(name): str(text) for name, text in properties.items()}
    return Described(str(dataset["path"]), letters, scales, channels, texts)


def _letter(axis: Mapping[str, Any]) -> str:
    kinds = {"time": "t", "channel": "c"}
    letter = kinds.get(str(axis.get("type")), str(axis["name"]).lower())
    if letter not in AXES:
        raise ValueError(f"axis {axis['name']!r}")
    return letter


def _channel(entry: Mapping[str, Any]) -> Channel:
    window = entry.get("window") or {}
    display = (float(window["start"]), float(window["end"])) if {"start", "end"} <= set(window) else None
    color = str(entry.get("color") or "FFFFFF").lstrip("#")[:6]
    lut = b"" if color.upper() == "FFFFFF" else _ramp(int(color[place : place + 2], 16) for place in (0, 2, 4))
    return Channel(str(entry.get("label") or ""), lut, display)


def _ramp(brightest: Iterable[int]) -> bytes:
    parts = [(value * np.arange(256) + 127) // 255 for value in brightest]
    return np.concatenate(parts).astype(np.uint8).tobytes()


def _channels(image: Image) -> tuple[Channel, ...]:
    return image.channels or tuple(Channel() for _ in range(image.size("c")))


def _omero(channel: Channel, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Describe a channel; viewers want a window, which for unknown contrast is that of the type."""
    limits = (0, 1) if dtype.kind in "fb" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    start, end = channel.display or limits
    window = {"min": limits[0], "max": limits[1], "start": start, "end": end}
    lut = channel.lut
    color = f"{lut[255]:02X}{lut[511]:02X}{lut[767]:02X}" if lut else "FFFFFF"
    return {"label": channel.name, "color": color, "window": window, "active": True}


def _transformations(image: Image, level: int, mean: bool) -> list[dict[str, Any]]:
    scale, translation = [], []
    for letter in image.axes:
        own, factor = image.scale(letter), 2**level if letter in "yx" else 1
        scale.append(own.step * factor)
        # NB: the middle of a pixel that is the mean of several lies between them.
        translation.append(-own.origin * own.step + (own.step * (factor - 1) / 2 if mean else 0.0))
    found: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    return [*found, {"type": "translation", "translation": translation}] if any(translation) else found


def _ngff_unit(unit: str) -> str:
    return {short: long for long, short in UNITS.items()}.get(unit, "" if unit == "pixel" else unit)


def text(path: Path) -> str:
    """Give the text of all descriptions of a group and its arrays: what tells one image from another."""
    names = ("zarr.json", ".zgroup", ".zattrs", "0/zarr.json", "0/.zarray")
    return json.dumps({name: (path / name).read_text("utf-8") for name in names if (path / name).is_file()})
