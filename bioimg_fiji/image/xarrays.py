"""Image <-> xarray.DataArray. xarray is imported when it is used.

An axis's calibration is its coordinate: positions in physical units, the unit in the coordinate's `attrs["units"]`, as
pint and CF have it. What xarray has no place for (colours, display ranges, slice labels, intensity calibration,
regions) goes along as the image's header, in one JSON text in `attrs`, which files can hold too.
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
from bioimg_fiji.image.parts import AXES, Channel, Scale
from bioimg_fiji.intensity import UNIT_ONLY, Intensity

if TYPE_CHECKING:
    import xarray as xr

    from bioimg_fiji.image.image import Image

Array = npt.NDArray[Any]

HEADER = "bioimg_header"
"""Name of the attribute with what is left of the header."""

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
    header = {name: part for name, part in image.header().items() if name not in ("title", "axes", "shape", "dtype")}
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
    kept |= {"title": title, "axes": axes, "shape": list(pixels.shape), "dtype": pixels.dtype.name}
    sizes = dict(zip(axes, pixels.shape, strict=True))
    rgb = bool(kept.get("rgb")) and sizes.get("c") == 3 and pixels.dtype == np.uint8
    planes = math.prod(size for axis, size in sizes.items() if axis not in "yx" and not (rgb and axis == "c"))
    kept["rgb"] = rgb
    if len(kept.get("labels", ())) != planes:
        kept["labels"] = []
    if len(kept.get("channels", ())) != sizes.get("c", 1):
        kept["channels"] = _chosen(array, kept.get("channels", ()))
    return Image.from_header(kept, pixels)


def _chosen(array: xr.DataArray, channels: Any) -> list[Any]:
    """Give the channels that are left, by their names."""
    names = [channel.get("name", "") for channel in channels]
    wanted = [str(name) for name in np.atleast_1d(array.coords["c"].values)] if "c" in array.coords else []
    unique = all(wanted) and all(names.count(name) == 1 for name in wanted)
    return [channels[names.index(name)] for name in wanted] if unique else []


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
        if found <= 0 or np.abs(steps - found).max() > _TOLERANCE * abs(found):
            raise ImageError(
                f"The coordinate {name!r} does not rise by even steps, as an image's axis does.",
                fix=f"Sort it (array.sortby), interpolate (array.interp), or drop it: array.drop_vars({name!r}).",
            )
        step = step if isinstance(step, int | float) and math.isclose(step, found, rel_tol=_TOLERANCE) else found
    elif not isinstance(step, int | float):
        step = 1.0
    start = -float(values[0]) / step + 0.0
    if isinstance(origin, int | float) and math.isclose(origin, start, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
        start = origin
    return Scale(float(step), unit, float(start))
