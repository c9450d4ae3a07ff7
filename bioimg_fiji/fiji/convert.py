"""ImagePlus <-> Image.

The header is made and read by Java (`ImageHeader`), so that there is one such code for sockets and for this process.
Pixels are copied once, plane by plane, straight between the memory of numpy and that of Java: `plane[:] = array` of
JPype takes five times as long, and `np.asarray(plane)` a second copy.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import AxesError, ImageError
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import IMAGEJ_AXES, Image, imagej_pixels

_HEADER = "io.github.bioimgfiji.convert.ImageHeader"
_SIGN = np.uint16(0x8000)

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
    import jpype

    try:
        header = json.loads(str(jclass(_HEADER).describe(imp)))
    except jpype.JException as error:
        raise ImageError(str(error.getMessage())) from error
    pixels = np.empty(header["shape"], header["dtype"])
    size = header["shape"][-2:]
    stack = imp.getStack()
    if header["rgb"]:
        planes = pixels.reshape(-1, 3, *size)
        for index, plane in enumerate(planes):
            colors = np.empty(size, np.uint32)
            _fetch(stack.getPixels(index + 1), colors)
            for part in range(3):
                plane[part] = colors >> np.uint32(16 - 8 * part) & np.uint32(0xFF)
        return Image.from_header(header, pixels)
    for index, plane in enumerate(pixels.reshape(-1, *size)):
        _fetch(stack.getPixels(index + 1), plane)
    if pixels.dtype == np.int16:
        stored = pixels.view(np.uint16)
        np.bitwise_xor(stored, _SIGN, out=stored)
    return Image.from_header(header, pixels)


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
    axes = "".join(axis for axis in IMAGEJ_AXES if axis in image.axes)
    return image if axes == image.axes else dataclasses.replace(image, pixels=image.ordered(axes), axes=axes)


def _planes(image: Image) -> Any:
    import jpype

    size = (image.size("y"), image.size("x"))
    if image.rgb:
        # NB: not a reshape of `image.pixels`: c comes before y and x, and the three parts make one plane.
        parts = image.ordered("tzcyx").reshape(-1, 3, *size).astype(np.uint32)
        pixels: Array = parts[:, 0] << np.uint32(16) | parts[:, 1] << np.uint32(8) | parts[:, 2]
        pixels |= np.uint32(0xFF000000)
    else:
        pixels = image.ordered("tzcyx")
        pixels = pixels.reshape(-1, *size) if pixels.flags.c_contiguous else _listed(pixels, size)
    planes = jpype.JArray(jclass("java.lang.Object"))(len(pixels))
    for index, plane in enumerate(pixels):
        planes[index] = _put(plane ^ _SIGN.astype(np.int16) if plane.dtype == np.int16 else plane)
    return planes


def _listed(pixels: Array, size: tuple[int, int]) -> Any:
    """Give the planes of a strided array as views: a reshape would copy the whole image at once."""
    return [pixels[index].reshape(size) for index in np.ndindex(*pixels.shape[:-2])]


def _put(plane: Array) -> Any:
    """Copy one plane into a new Java array."""
    import jpype

    plane = np.ascontiguousarray(plane, plane.dtype.newbyteorder("="))
    kind, view = _java_type(plane.dtype)
    target = jpype.JArray(kind)(plane.size)
    view(_buffer(plane)).get(target)
    return target


def _fetch(source: Any, plane: Array) -> None:
    """Copy one Java array into a contiguous plane."""
    _, view = _java_type(plane.dtype)
    view(_buffer(plane)).put(source)


def _buffer(plane: Array) -> Any:
    """Give numpy's memory as a Java buffer, without a copy."""
    import jpype.nio

    order = jclass("java.nio.ByteOrder").nativeOrder()
    return jpype.nio.convertToDirectBuffer(plane.view(np.uint8)).order(order)


def _java_type(dtype: np.dtype[Any]) -> tuple[Any, Callable[[Any], Any]]:
    import jpype

    if dtype == np.float32:
        return jpype.JFloat, lambda buffer: buffer.asFloatBuffer()
    if dtype == np.uint8:
        return jpype.JByte, lambda buffer: buffer
    if dtype == np.uint32:
        return jpype.JInt, lambda buffer: buffer.asIntBuffer()
    return jpype.JShort, lambda buffer: buffer.asShortBuffer()
