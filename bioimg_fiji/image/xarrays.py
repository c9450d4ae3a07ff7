"""Image <-> xarray.DataArray. xarray is imported when it is used.

An axis's calibration is its coordinate: positions in physical units, the unit in the coordinate's `attrs["units"]`, as
pint and CF have it. Slice labels are a coordinate, too, and so are the channels' names (or their numbers, where names
do not tell them apart): so they follow every selection. What xarray has no place for (colours, display ranges,
intensity calibration, regions) goes along as the image's header, in one JSON text in `attrs`, which files can hold too.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import AxesError, ImageError
from bioimg_fiji.image.parts import AXES, IMAGEJ_AXES, Channel, Scale
from bioimg_fiji.intensity import UNIT_ONLY, Intensity

if TYPE_CHECKING:
    import xarray as xr

    from bioimg_fiji.image.image import Image

Array = npt.NDArray[Any]

HEADER = "bioimg_header"
"""Name of the attribute with what is left of the header."""

LABEL, CHANNEL = "label", "channel"
"""Names of the coordinates with the slice labels, over all axes but y and x, and with the channels' numbers."""

_PLANES = "b" + IMAGEJ_AXES[:-2]
"""Axes of the planes, in the order of an image's labels."""

_DIMENSIONS = {
    "row": "y",
    "col": "x",
    "column": "x",
    "pln": "z",
    "plane": "z",
    "slice": "z",
    "depth": "z",
    "ch": "c",
    "channel": "c",
    "time": "t",
    "frame": "t",
    "batch": "b",
    "position": "b",
    "series": "b",
}
"""Axes by names that others give to dimensions (scikit-image's and pyimagej's among them)."""

_TOLERANCE = 1e-6
"""By how much of a step coordinates may be off from even spacing, as those of files are."""


def is_xarray(value: Any) -> TypeGuard[xr.DataArray]:
    """Whether it is a DataArray; xarray is not imported for it."""
    module = sys.modules.get("xarray")
    return module is not None and isinstance(value, module.DataArray)


def to_xarray(image: Image) -> xr.DataArray:
    """Give an image as a DataArray that shares its memory; see `Image.to_xarray`."""
    import xarray as xr

    coordinates: dict[str, Any] = {}
    for axis in image.axes:
        if axis in image.scales and axis != "c":
            scale = image.scales[axis]
            positions = (np.arange(image.size(axis)) - scale.origin) * scale.step
            kept = {"units": scale.unit, "step": scale.step, "origin": scale.origin}
            coordinates[axis] = (axis, positions, kept)
    names = [channel.name for channel in image.channels]
    if any(names) and "c" in image.axes:
        coordinates["c"] = ("c", names)
    if image.channels and "c" in image.axes and not _told_apart(names):
        coordinates[CHANNEL] = ("c", np.arange(len(names)))
    if image.labels:
        planes = [axis for axis in _PLANES if axis in image.axes and not (image.rgb and axis == "c")]
        coordinates[LABEL] = (planes, np.array(image.labels).reshape([image.size(axis) for axis in planes]))
    header = {name: part for name, part in image.header().items() if name not in ("title", "axes", "shape", "labels")}
    attributes = {HEADER: json.dumps(header)}
    if image.intensity is not None and image.intensity.function == UNIT_ONLY:
        attributes["units"] = image.intensity.unit
    return xr.DataArray(image.pixels, coordinates, tuple(image.axes), image.title, attributes)


def from_xarray(array: xr.DataArray) -> Image:
    """Make an image of a DataArray; see `Image.from_xarray`."""
    from bioimg_fiji.image.image import Image

    axes = "".join(_axis(str(name)) for name in array.dims)
    if len(set(axes)) != len(axes):
        raise AxesError(
            f"The dimensions {', '.join(map(str, array.dims))} would be the axes {axes!r}.",
            fix="Rename them (array.rename): each axis once.",
            axes=axes,
        )
    pixels = np.asarray(array.data if hasattr(array.data, "__array__") else array.values)
    title = "image" if array.name is None else str(array.name)
    base = _of_header(array, pixels, axes, title) or Image(pixels, axes, title, intensity=_intensity(array))
    scales = {axis: scale for axis, scale in base.scales.items() if axis not in axes or axis == "c"}
    for axis, name in zip(axes, array.dims, strict=True):
        scale = _scale(array, name) if name in array.coords and axis != "c" else None
        if scale is not None and (scale != Scale() or axis in base.scales):
            scales[axis] = scale
    channels = _channels(array, base)
    return dataclasses.replace(base, scales=scales, channels=channels)


def _axis(name: str) -> str:
    letter = name.lower()
    letter = _DIMENSIONS.get(letter, letter)
    if len(letter) != 1 or letter not in AXES:
        raise AxesError(
            f"The dimension {name!r} is none that an image has.",
            fix=f"Rename it (array.rename) to one letter of {AXES!r}, or choose one of its elements (array.isel).",
            axes=name,
        )
    return letter


def _of_header(array: xr.DataArray, pixels: Array, axes: str, title: str) -> Image | None:
    """Give the image as its header tells it, without what holds no more; None where there is no header."""
    from bioimg_fiji.image.image import Image

    try:
        kept = json.loads(array.attrs[HEADER])
    except (KeyError, TypeError, ValueError):
        return None
    if kept.get("dtype") != pixels.dtype.name:
        intensity = _intensity(array)  # values of another type are computed ones
        kept["intensity"] = None if intensity is None else dataclasses.asdict(intensity)
    kept |= {"title": title, "axes": axes, "shape": list(pixels.shape), "dtype": pixels.dtype.name}
    sizes = dict(zip(axes, pixels.shape, strict=True))
    kept["rgb"] = bool(kept.get("rgb")) and sizes.get("c") == 3 and pixels.dtype == np.uint8
    kept["labels"] = _labels(array, {axis: n for axis, n in sizes.items() if not (kept["rgb"] and axis == "c")})
    kept["channels"] = _chosen(array, kept.get("channels", ()), sizes.get("c", 1))
    return Image.from_header(kept, pixels)


def _labels(array: xr.DataArray, sizes: dict[str, int]) -> list[str]:
    """Give the labels of the planes that are left, or none."""
    if LABEL not in array.coords:
        return []
    coordinate = array.coords[LABEL]
    coordinate = coordinate.transpose(*sorted(coordinate.dims, key=lambda name: _PLANES.find(_axis(str(name)))))
    planes = math.prod(size for axis, size in sizes.items() if axis in _PLANES)
    return [str(label) for label in coordinate.values.ravel()] if coordinate.size == planes else []


def _told_apart(names: list[str]) -> bool:
    return all(names) and len(set(names)) == len(names)


def _chosen(array: xr.DataArray, channels: Any, count: int) -> list[Any]:
    """Give the channels that are left, by their numbers or names; all in their places, where these are not known."""
    if CHANNEL in array.coords:
        numbers = np.atleast_1d(array.coords[CHANNEL].values)
        known = len(numbers) == count and set(numbers.tolist()) <= set(range(len(channels)))
        return [channels[int(number)] for number in numbers] if known else []
    names = [channel.get("name", "") for channel in channels]
    name = next((name for name in array.dims if _axis(str(name)) == "c"), "c")
    now = [str(value) for value in np.atleast_1d(array.coords[name].values)] if name in array.coords else []
    places = [names.index(text) if names.count(text) == 1 else -1 for text in now]
    if places and min(places) >= 0:
        return [channels[place] for place in places]
    renamed = all(place in (-1, index) for index, place in enumerate(places))
    return list(channels) if renamed and len(channels) == count else []


def _channels(array: xr.DataArray, base: Image) -> tuple[Channel, ...]:
    """Give the channels with the names that the coordinate tells now."""
    name = next((name for name in array.dims if _axis(str(name)) == "c"), None)
    if name is None or name not in array.coords or base.rgb:
        return base.channels
    values = array.coords[name].values
    if values.dtype.kind in "biuf" and np.array_equal(values, np.arange(len(values))):
        return base.channels  # it only counts
    unit = str(array.coords[name].attrs.get("units", ""))
    names = [f"{value} {unit}".strip() if values.dtype.kind in "iuf" else str(value) for value in values]
    channels = base.channels or (Channel(),) * len(names)
    return tuple(dataclasses.replace(channel, name=text) for channel, text in zip(channels, names, strict=True))


def _intensity(array: xr.DataArray) -> Intensity | None:
    unit = array.attrs.get("units")
    return Intensity(UNIT_ONLY, unit=unit) if isinstance(unit, str) and unit and array.dtype.kind == "f" else None


def _scale(array: xr.DataArray, name: Any) -> Scale | None:
    """Give the calibration that a coordinate tells, to the last digit where it is one of ours."""
    coordinate = array.coords[name]
    values, unit = coordinate.values, str(coordinate.attrs.get("units", ""))
    if values.dtype.kind == "m":
        values, unit = values / np.timedelta64(1, "s"), "s"
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise ImageError(
            f"The coordinate {name!r} has {values.dtype}, and an image's axis has numbers.",
            fix=f"Give it as numbers with a unit, or drop it: array.drop_vars({name!r}).",
        )
    if not len(values):
        return None
    step, origin = coordinate.attrs.get("step"), coordinate.attrs.get("origin")
    if len(values) > 1:
        steps = np.diff(values.astype(np.float64))
        found = float(values[-1] - values[0]) / (len(values) - 1)
        if not found or np.abs(steps - found).max() > _TOLERANCE * abs(found):
            raise ImageError(
                f"The coordinate {name!r} has no even steps, as an image's axis does.",
                fix=f"Sort it (array.sortby), interpolate (array.interp), or drop it: array.drop_vars({name!r}).",
            )
        step = step if isinstance(step, int | float) and math.isclose(step, found, rel_tol=_TOLERANCE) else found
    elif not isinstance(step, int | float) or not step:
        step = 1.0
    start = -float(values[0]) / step + 0.0
    if isinstance(origin, int | float) and math.isclose(origin, start, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
        start = origin
    return Scale(float(step), unit, float(start))
