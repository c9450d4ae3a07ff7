"""ImagePlus <-> Image.

The header is made and read by Java (`ImageHeader`), so that there is one such code for sockets and for this process.
Pixels are copied once, straight between the memory of numpy and the arrays of Java, by Java (`PlaneMemory`), many
planes in a call: `plane[:] = array` of JPype takes five times as long, and `np.asarray(plane)` makes a second copy.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import AxesError, ImageError
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import IMAGEJ_AXES, Image, imagej_pixels

_HEADER = "io.github.bioimgfiji.convert.ImageHeader"
_MEMORY = "io.github.bioimgfiji.convert.PlaneMemory"
_SIGN = np.uint16(0x8000)
_GROUP = 2**28
"""Bytes that are copied in one call: Java's buffers end at 2 GiB, and a virtual stack is read group by group."""

Array = npt.NDArray[Any]


def to_image(imp: Any) -> Image:
    """Copy an ImagePlus.

    Returns
    -------
    Image
        uint8, uint16, int16 (ImageJ's signed 16 bit) or float32, or RGB as uint8 with c of 3. Its axes are the part
        of tzcyx with more than one element.

    Raises
    ------
    ImageError
        When ImageJ holds something that an image cannot be: RGB pixels in several channels.
    """
    header = describe(imp)
    pixels = np.empty(header["shape"], header["dtype"])
    fetch(imp.getStack(), 0, pixels.reshape(-1, *plane_shape(header)))
    return Image.from_header(header, pixels)


def describe(imp: Any) -> dict[str, Any]:
    """Give the header of an ImagePlus.

    Raises
    ------
    ImageError
        When it is one that an image cannot be.
    """
    import jpype

    try:
        header: dict[str, Any] = json.loads(str(jclass(_HEADER).describe(imp)))
    except jpype.JException as error:
        raise ImageError(str(error.getMessage())) from error
    return header


def plane_shape(header: Mapping[str, Any]) -> tuple[int, ...]:
    """Give the shape of one plane of a stack: (3, y, x) of RGB, else (y, x)."""
    return (3, *header["shape"][-2:]) if header["rgb"] else tuple(header["shape"][-2:])


def fetch(stack: Any, first: int, planes: Array) -> None:
    """Copy planes of a stack, from the one of index `first` on, into an array (planes, *plane_shape)."""
    if planes.ndim == 4:
        _fetch_rgb(stack, first, planes)
        return
    _fetch(stack, first, planes.reshape(len(planes), -1))
    if planes.dtype == np.int16:
        stored = planes.view(np.uint16)
        np.bitwise_xor(stored, _SIGN, out=stored)


def read_arrays(arrays: list[Any], planes: Array) -> None:
    """Copy Java's arrays of numbers, one per plane, into an array (planes, pixels) of the same type, C-contiguous."""
    for first, last, start, stop in _groups(len(planes), planes.shape[1], planes.itemsize):
        target = _buffer(planes[first:last, start:stop])
        jclass(_MEMORY).read(_objects(arrays[first:last]), start, stop - start, target)


def write_arrays(planes: Array, arrays: list[Any]) -> None:
    """Copy an array (planes, pixels), C-contiguous, into Java's arrays of the same type of numbers, one per plane."""
    for first, last, start, stop in _groups(len(planes), planes.shape[1], planes.itemsize):
        source = _buffer(planes[first:last, start:stop])
        jclass(_MEMORY).write(source, _objects(arrays[first:last]), start, stop - start)


def to_imageplus(image: Image) -> Any:
    """Copy an image into an ImagePlus, which is not shown. Other pixel types become what ImageJ holds, as told there.

    Raises
    ------
    AxesError
        When the image has several positions (b): ImageJ has no such axis.
    ImageError
        When no pixel type of ImageJ holds the values, or a plane has more pixels than an ImageJ plane can have.
    """
    import jpype

    image = _in_order(imagej_pixels(image))
    planes = _planes(image)
    try:
        return jclass(_HEADER).build(json.dumps(image.header()), planes)
    except jpype.JException as error:
        raise ImageError(f"ImageJ cannot hold {image.title}: {error.getMessage()}.") from error


def imagej_order(image: Image) -> str:
    """Give an image's axes in the order in which ImageJ has them."""
    return "".join(axis for axis in IMAGEJ_AXES if axis in image.axes)


def _in_order(image: Image) -> Image:
    """Bring the axes into ImageJ's order, leaving out a b of one."""
    if image.size("b") > 1:
        raise AxesError(
            f"{image.title} has {image.size('b')} positions (axis b), and ImageJ has no axis for them.",
            fix="Give one position at a time.",
            axes=image.axes,
        )
    if image.size("y") * image.size("x") > 2**31 - 1:
        raise ImageError(
            f"A plane of {image.size('y')} x {image.size('x')} pixels is more than ImageJ can hold (2^31 - 1).",
            fix="Crop the image, or work on files.",
        )
    axes = imagej_order(image)
    return image if axes == image.axes else dataclasses.replace(image, pixels=image.ordered(axes), axes=axes)


def _planes(image: Image) -> Any:
    """Copy all planes into Java arrays, channel fastest."""
    size = image.size("y") * image.size("x")
    pixels = image.ordered("tzcyx")
    shape = pixels.shape[:2] if image.rgb else pixels.shape[:3]
    kind = "rgb" if image.rgb else image.dtype.name
    planes = jclass(_MEMORY).make(math.prod(shape), size, kind)
    as_it_is = pixels.flags.c_contiguous and not image.rgb and image.dtype != np.int16
    flat = pixels.reshape(-1, size) if as_it_is else None
    indices, arrays = (
        list(np.ndindex(*shape)),
        list(planes),
    )  # NB: of a slice of Java's array JPype gives Java the whole
    for first, last, start, stop in _groups(len(indices), size, 4 if image.rgb else image.dtype.itemsize):
        if flat is not None:
            block = flat[first:last, start:stop]
        else:  # by group: what has strides or is stored in another way is never copied as a whole
            stored = [_stored(pixels[index], image.rgb).reshape(-1)[start:stop] for index in indices[first:last]]
            block = np.stack(stored)
        jclass(_MEMORY).write(_buffer(block), _objects(arrays[first:last]), start, stop - start)
    return planes


def _stored(plane: Array, rgb: bool) -> Array:
    """Give a plane as ImageJ stores it."""
    if rgb:
        red, green, blue = plane.astype(np.uint32)
        packed: Array = red << np.uint32(16) | green << np.uint32(8) | blue | np.uint32(0xFF000000)
        return packed
    return plane ^ _SIGN.astype(np.int16) if plane.dtype == np.int16 else plane


def _fetch(stack: Any, offset: int, planes: Array) -> None:
    """Copy planes of a stack into an array of (planes, pixels)."""
    count, pixels = planes.shape
    for first, last, start, stop in _groups(count, pixels, planes.itemsize):
        target = planes[first:last, start:stop]
        given = _java_planes(stack, offset + first, offset + last)
        jclass(_MEMORY).read(given, start, stop - start, _buffer(target))


def _fetch_rgb(stack: Any, first: int, planes: Array) -> None:
    """Copy planes of RGB pixels into an array of (planes, 3, y, x)."""
    colors = np.empty((1, math.prod(planes.shape[2:])), np.uint32)
    for index, plane in enumerate(planes, first):
        jclass(_MEMORY).read(_java_planes(stack, index, index + 1), 0, colors.size, _buffer(colors))
        for part in range(3):
            plane[part] = (colors >> np.uint32(16 - 8 * part) & np.uint32(0xFF)).reshape(plane[part].shape)


def _java_planes(stack: Any, first: int, last: int) -> Any:
    return _objects([stack.getPixels(index + 1) for index in range(first, last)])


def _objects(arrays: list[Any]) -> Any:
    import jpype

    return jpype.JArray(jclass("java.lang.Object"))(arrays)


def _groups(planes: int, pixels: int, itemsize: int) -> Iterator[tuple[int, int, int, int]]:
    """Give (first plane, plane after the last, first pixel, pixel after the last) of what is copied in one call."""
    many, part = max(1, _GROUP // (pixels * itemsize)), _GROUP // itemsize
    for first in range(0, planes, many):
        for start in range(0, pixels, part):
            yield first, min(first + many, planes), start, min(start + part, pixels)


def _buffer(block: Array) -> Any:
    """Give contiguous memory of numpy as a Java buffer, without a copy."""
    import jpype.nio

    return jpype.nio.convertToDirectBuffer(block.reshape(-1).view(np.uint8))
