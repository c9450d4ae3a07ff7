"""The image type itself, and how a derived image inherits from another."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji import html
from bioimg_fiji.errors import AxesError, ImageError
from bioimg_fiji.image import header, show
from bioimg_fiji.image.parts import AXES, Channel, Scale, check_axes
from bioimg_fiji.intensity import UNIT_ONLY, Intensity

if TYPE_CHECKING:
    import xarray as xr

_SQUARE = 0.02
"""Relative difference of height and width up to which pixels are square."""
_PIXELS = ("", "pixel", "pixels")
"""Units of axes that are not calibrated."""


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
        check_axes(pixels, self.axes)
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

    @html.never_raises
    def _repr_html_(self) -> str:
        return show.describe(self)

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

    @property
    def square(self) -> bool:
        """Whether pixels are as high as they are wide, to within 2 %."""
        y, x = self.scale("y"), self.scale("x")
        return y.unit == x.unit and abs(abs(y.step) - abs(x.step)) <= _SQUARE * abs(x.step)

    @property
    def pixel_size(self) -> Scale:
        """Side of a pixel, for lengths in any direction of a plane; one pixel where it is unknown or not square."""
        scale = self.scale("x")
        return Scale(abs(scale.step), scale.unit) if self.square and scale.unit not in _PIXELS else Scale()

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
        check_axes(self.pixels, axes)
        kept = {a: s for a, s in self.scales.items() if self.axes.find(a) == axes.find(a)}
        return dataclasses.replace(self, axes=axes, rgb=False, scales=kept, channels=(), labels=())

    def with_pixels(self, pixels: npt.NDArray[Any], axes: str | None = None) -> Image:
        """Give an image with other pixels that keeps everything of this one that still holds.

        Scales, selection, overlay, intensity calibration and properties are always carried over. Channel descriptions
        stay when the number of channels stays; slice labels when the numbers of frames, slices and channels stay.
        """
        axes = self.axes if axes is None else axes
        check_axes(np.asarray(pixels), axes)
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
        return header.describe(self)

    @classmethod
    def from_header(cls, data: Mapping[str, Any], pixels: npt.NDArray[Any]) -> Image:
        """Build an image from `header()`'s form and its pixels.

        Raises
        ------
        ProtocolError
            When the header lacks a field or does not describe these pixels.
        """
        fields = header.fields(data, pixels)
        try:
            return cls(**fields)
        except (AttributeError, TypeError, ValueError) as error:
            raise header.damaged(error) from error

    def to_xarray(self) -> xr.DataArray:
        """Give it as a DataArray, read-only and without a copy.

        Returns
        -------
        xarray.DataArray
            Its dimensions are called as the axes are; coordinates are positions in physical units with the origin's
            place at 0, their unit in `attrs["units"]`; "c" has the channels' names, "label" the slice labels. Its name
            is the title. All else is in the attribute `bioimg_header`, for `from_xarray`.
        """
        from bioimg_fiji.image.xarrays import to_xarray

        return to_xarray(self)

    @classmethod
    def from_xarray(cls, array: xr.DataArray) -> Image:
        """Make an image of a DataArray: one of `to_xarray`, also after a selection, of pyimagej, or any other.

        What no longer holds is left out: the intensity calibration when the type of the pixels has changed, labels and
        channels of which nothing tells to which planes they belong.

        Raises
        ------
        AxesError
            When a dimension is none that an image has.
        ImageError
            When a coordinate has no even steps, or is no number.
        """
        from bioimg_fiji.image.xarrays import from_xarray

        return from_xarray(array)


def _physical_display(channel: Channel, intensity: Intensity) -> Channel:
    if channel.display is None:
        return channel
    low, high = sorted(float(value) for value in intensity.physical(np.asarray(channel.display)))
    display = (low, high) if math.isfinite(low) and math.isfinite(high) else None
    return dataclasses.replace(channel, display=display)
