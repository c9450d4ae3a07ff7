"""Image: pixels, axes and all that a microscope and Fiji know about them. Frozen.

Lives here: the one image type of the project, how a derived image inherits from it, and its JSON header. Lives not
here: files (files.py), ImagePlus (fiji/), anything that computes on pixels.
"""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import AxesError, ImageError, ProtocolError
from bioimg_fiji.intensity import UNIT_ONLY, Intensity

AXES = "btczyx"
"""All axis letters, in bioimage.io's meaning: batch (position), time, channel, depth, height, width."""

IMAGEJ_AXES = "tzcyx"
"""ImageJ's hyperstack as an array: channel runs fastest among the planes, then slice, then frame."""


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


@dataclass(frozen=True, eq=False, repr=False)
class Image:
    """An image of up to six dimensions.

    Parameters
    ----------
    pixels
        Array of any real dtype, or bool. The image holds a read-only view of it.
    axes
        One letter of `AXES` per dimension, each once; "y" and "x" are always there.
    title
        Name without folder, as Fiji shows it in the window.
    rgb
        Whether "c" is red, green, blue of a colour picture (uint8, three channels), and not three measurements.
    scales
        `Scale` per axis letter; an axis that is not in `axes` may have one (the slice distance of a single plane).
    channels
        One `Channel` per index of "c" (one in all when there is no "c"), or empty when nothing is known.
    mode
        ImageJ's display mode of several channels: "composite", "color" or "grayscale".
    labels
        One text per plane, in the order of `IMAGEJ_AXES` (channel fastest), or empty.
    intensity
        Function from stored to physical values, or None.
    roi, overlay
        Active selection and overlay elements, each encoded as in an ImageJ .roi file.
    properties
        Further texts by name; "Info" is what Image > Show Info prints.

    Raises
    ------
    AxesError
        When the axes do not describe the pixels.
    ImageError
        When the dtype is none that an image can have, or channels or labels do not fit.
    """

    pixels: npt.NDArray[Any]
    axes: str
    title: str = "image"
    rgb: bool = False
    scales: Mapping[str, Scale] = field(default_factory=dict)
    channels: tuple[Channel, ...] = ()
    mode: str = "grayscale"
    labels: tuple[str, ...] = ()
    intensity: Intensity | None = None
    roi: bytes = b""
    overlay: tuple[bytes, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pixels = np.asarray(self.pixels)
        _check_axes(pixels, self.axes)
        if pixels.dtype.kind not in "buif":
            raise ImageError(f"An image has numbers or bool, not {pixels.dtype}.", fix="Convert the array first.")
        pixels = pixels.view()
        pixels.flags.writeable = False
        for name, value in {
            "pixels": pixels,
            "scales": MappingProxyType(dict(self.scales)),
            "channels": tuple(self.channels),
            "labels": tuple(self.labels),
            "overlay": tuple(self.overlay),
            "properties": MappingProxyType(dict(self.properties)),
        }.items():
            object.__setattr__(self, name, value)
        self._check_parts()

    def __repr__(self) -> str:
        sizes = " ".join(f"{axis}={size}" for axis, size in zip(self.axes, self.shape, strict=True))
        steps = ", ".join(f"{axis}: {scale.step:g} {scale.unit or 'pixels'}" for axis, scale in self.scales.items())
        return f"<Image {self.title!r} {sizes} {'RGB' if self.rgb else self.dtype}{f' ({steps})' if steps else ''}>"

    def _check_parts(self) -> None:
        if self.channels and len(self.channels) != self.size("c"):
            raise ImageError(f"{len(self.channels)} channel descriptions for {self.size('c')} channels.")
        if self.labels and len(self.labels) != self.plane_count:
            raise ImageError(f"{len(self.labels)} slice labels for {self.plane_count} planes.")
        if self.rgb and (self.size("c") != 3 or self.pixels.dtype != np.uint8):
            raise ImageError("An RGB image has three channels of uint8.")
        unknown = set(self.scales) - set(AXES)
        if unknown:
            raise AxesError(f"Scales for unknown axes {sorted(unknown)}.", fix=f"Axes are letters of {AXES!r}.")

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, in the order of `axes`."""
        return self.pixels.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values."""
        return self.pixels.dtype

    @property
    def name(self) -> str:
        """Title without the extension of an image file."""
        suffixes = (
            ".ome.tiff",
            ".ome.tif",
            ".tiff",
            ".tif",
            ".png",
            ".jpg",
            ".jpeg",
            ".gif",
            ".bmp",
            ".zip",
            ".zarr",
        )
        for suffix in suffixes:
            if self.title.lower().endswith(suffix) and len(self.title) > len(suffix):
                return self.title[: -len(suffix)]
        return self.title

    def size(self, axis: str) -> int:
        """Size along an axis; 1 where the image has no such axis."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    @property
    def plane_count(self) -> int:
        """Number of (y, x) planes; the three colours of an RGB picture are one."""
        colours = self.size("c") if self.rgb else 1
        return math.prod(self.shape) // (self.size("y") * self.size("x") * colours) if self.pixels.size else 0

    def scale(self, axis: str) -> Scale:
        """Calibration of an axis; one pixel per step where nothing is known."""
        return self.scales.get(axis, Scale())

    def ordered(self, axes: str) -> npt.NDArray[Any]:
        """Give a view of the pixels with exactly these axes, in this order; missing ones have size 1.

        Raises
        ------
        AxesError
            When an axis that is left out has more than one element: nothing is dropped silently.
        """
        array, letters = self.pixels, self.axes
        for axis in letters:
            if axis not in axes:
                if self.size(axis) > 1:
                    raise AxesError(
                        f"The image has axes {self.axes!r}; {axes!r} leaves out {axis!r} of {self.size(axis)}.",
                        fix=f"Choose one element of {axis!r} first.",
                        axis=axis,
                    )
                array = array.squeeze(letters.index(axis))
                letters = letters.replace(axis, "")
        missing = [axis for axis in axes if axis not in letters]
        array = array.reshape((1,) * len(missing) + array.shape)
        letters = "".join(missing) + letters
        return array.transpose([letters.index(axis) for axis in axes])

    def with_axes(self, axes: str) -> Image:
        """Give the same pixels under other axis letters: a movie that was opened as a stack becomes "tyx" again.

        The scale of y and x stays; that of a renamed axis is dropped, since it measured something else.

        Raises
        ------
        AxesError
            When the letters do not describe the pixels.
        """
        if axes == self.axes:
            return self
        _check_axes(self.pixels, axes)
        kept = {a: s for a, s in self.scales.items() if self.axes.find(a) == axes.find(a)}
        return dataclasses.replace(self, axes=axes, rgb=False, scales=kept, channels=(), labels=())

    def with_pixels(self, pixels: npt.NDArray[Any], axes: str | None = None) -> Image:
        """Give an image with other pixels that keeps everything of this one that still holds.

        Scales, selection, overlay, intensity calibration and properties are always carried over. Channel descriptions
        stay when the number of channels stays; slice labels when the numbers of frames, slices and channels stay.
        """
        axes = self.axes if axes is None else axes
        _check_axes(np.asarray(pixels), axes)
        sizes = dict(zip(axes, np.shape(pixels), strict=True))
        same_channels = sizes.get("c", 1) == self.size("c")
        same_planes = all(sizes.get(a, 1) == self.size(a) for a in "btzc")
        return dataclasses.replace(
            self,
            pixels=pixels,
            axes=axes,
            rgb=self.rgb and same_channels and np.asarray(pixels).dtype == np.uint8,
            channels=self.channels if same_channels else (),
            labels=self.labels if same_planes else (),
        )

    def physical(self) -> Image:
        """Give the image in physical values (float32), its display ranges too; itself, where it has no such function.

        ImageJ does the same when it converts a calibrated image to 32 bit, and cannot hold a 32-bit image with a
        function: what it measures are the pixels.
        """
        if self.intensity is None or self.intensity.function == UNIT_ONLY:
            return self
        pixels = np.empty(self.shape, np.float32)
        for index in np.ndindex(self.shape[:-2]):  # by plane: the whole image as float64 may be too large
            pixels[index] = self.intensity.physical(self.pixels[index])
        return dataclasses.replace(
            self,
            pixels=pixels,
            channels=tuple(_physical_display(channel, self.intensity) for channel in self.channels),
            intensity=Intensity(UNIT_ONLY, unit=self.intensity.unit) if self.intensity.unit else None,
        )

    def header(self) -> dict[str, Any]:
        """Give everything but the pixels as JSON values (docs/protocol.md, "Image header")."""
        return {
            "title": self.title,
            "axes": self.axes,
            "shape": list(self.shape),
            "dtype": self.dtype.name,
            "rgb": self.rgb,
            "scales": {a: {"step": s.step, "unit": s.unit, "origin": s.origin} for a, s in self.scales.items()},
            "channels": [
                {
                    "name": c.name,
                    "lut": _text(c.lut),
                    "display": None if c.display is None else list(c.display),
                }
                for c in self.channels
            ],
            "mode": self.mode,
            "labels": list(self.labels),
            "intensity": None if self.intensity is None else _intensity_json(self.intensity),
            "roi": _text(self.roi),
            "overlay": [_text(r) for r in self.overlay],
            "properties": dict(self.properties),
        }

    @classmethod
    def from_header(cls, header: Mapping[str, Any], pixels: npt.NDArray[Any]) -> Image:
        """Build an image from `header()`'s form and its pixels.

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
            return cls(
                pixels,
                header["axes"],
                title=header.get("title", "image"),
                rgb=bool(header.get("rgb", False)),
                scales={
                    a: Scale(float(s["step"]), s["unit"], float(s["origin"]))
                    for a, s in header.get("scales", {}).items()
                },
                channels=tuple(_channel(c) for c in header.get("channels", ())),
                mode=header.get("mode", "grayscale"),
                labels=tuple(header.get("labels", ())),
                intensity=None if intensity is None else _intensity(intensity),
                roi=_bytes(header.get("roi", "")),
                overlay=tuple(_bytes(r) for r in header.get("overlay", ())),
                properties=dict(header.get("properties", {})),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ProtocolError(f"The image header is damaged: {error!r}.") from error


def _physical_display(channel: Channel, intensity: Intensity) -> Channel:
    if channel.display is None:
        return channel
    low, high = sorted(float(value) for value in intensity.physical(np.asarray(channel.display)))
    display = (low, high) if math.isfinite(low) and math.isfinite(high) else None
    return dataclasses.replace(channel, display=display)


def imagej_pixels(image: Image) -> Image:
    """Give the image in a type that ImageJ holds: uint8, uint16, int16 or float32.

    bool becomes 0 and 255; int8, uint32, int32, uint64 and int64 become uint8, uint16 or int16 when all values fit,
    else float32; float64 and float16 become float32. int16 is ImageJ's "signed 16 bit". What becomes or is float32
    is given in physical values, since ImageJ has no intensity calibration for it.

    Raises
    ------
    ImageError
        When an integer is too large for a float32 to hold exactly (above 2^24): nothing is rounded silently.
    """
    native = image.dtype.newbyteorder("=")
    if native in (np.uint8, np.uint16, np.int16):
        return image if image.dtype == native else image.with_pixels(image.pixels.astype(native))
    if native == np.bool_:
        return image.with_pixels(image.pixels.astype(np.uint8) * np.uint8(255))
    if native.kind == "f":
        image = image.physical()
        return image if image.dtype == np.float32 else image.with_pixels(image.pixels.astype(np.float32))
    low, high = (int(image.pixels.min()), int(image.pixels.max())) if image.pixels.size else (0, 0)
    for dtype in (np.uint8, np.uint16, np.int16):
        limits = np.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return image.with_pixels(image.pixels.astype(dtype))
    if max(abs(low), abs(high)) > 2**24:
        raise ImageError(
            f"Values from {low} to {high} fit no pixel type of ImageJ (32-bit float is exact to {2**24}).",
            fix="Write the result to a file instead.",
        )
    return image.with_pixels(image.pixels.astype(np.float32)).physical()


def from_array(pixels: npt.ArrayLike, axes: str = "", title: str = "image") -> Image:
    """Make an image of an array.

    Parameters
    ----------
    pixels
        Array; two dimensions are (y, x).
    axes
        Letters of `AXES`. It may be left out for two dimensions only: more are ambiguous.

    Raises
    ------
    AxesError
        When the axes are needed and not given.
    """
    array = np.asarray(pixels)
    if not axes:
        if array.ndim != 2:
            raise AxesError(
                f"An array of shape {array.shape} may be time, depth or channels.",
                fix='Name its axes, for example axes="tyx", "zyx" or "cyx".',
                shape=list(array.shape),
            )
        axes = "yx"
    return Image(array, axes, title=PurePath(title).name)


def _check_axes(pixels: npt.NDArray[Any], axes: str) -> None:
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
