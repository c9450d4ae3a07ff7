"""Pixels of images of ImgLib2 <-> numpy.

Where an image of ImgLib2 lies in Java's arrays, these are copied straight into numpy's memory; any other (a view, a
cached or a computed image) is first copied into such arrays by ImgLib2 itself. The other way numpy's memory is either
copied, or shared: then what is changed on one side is seen on the other.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import ImageError
from bioimg_fiji.fiji.convert import read_arrays, write_arrays
from bioimg_fiji.fiji.java import jclass

Array = npt.NDArray[Any]

INTERVAL = "net.imglib2.RandomAccessibleInterval"
"""What all images of ImgLib2 are."""

_TYPES = {
    "UnsignedByteType": np.uint8,
    "ByteType": np.int8,
    "UnsignedShortType": np.uint16,
    "ShortType": np.int16,
    "UnsignedIntType": np.uint32,
    "IntType": np.int32,
    "UnsignedLongType": np.uint64,
    "LongType": np.int64,
    "FloatType": np.float32,
    "DoubleType": np.float64,
}
_BOOLEAN = ("BitType", "BoolType", "NativeBoolType")
_SIZES = ((8, "Byte"), (16, "Short"), (32, "Int"), (64, "Long"))
_MOST = 2**31 - 1
"""Elements of an array of Java."""
_COLOURS = "ARGBType"
_GUARDS = ("ImgView", "ReferenceGuardingRandomAccessibleInterval")
"""Classes of images that only hold another one; the second keeps numpy's memory alive."""


def is_imglib(value: Any) -> bool:
    """Whether an object of Java is an image of ImgLib2, where there is one."""
    try:
        return isinstance(value, jclass(INTERVAL))
    except TypeError:  # embedded ImageJ has no ImgLib2
        return False


def is_coloured(img: Any) -> bool:
    """Whether the pixels are colours."""
    return _kind(img) == _COLOURS


def _kind(img: Any) -> str:
    """Give the name of the pixel type."""
    name = str(jclass("net.imglib2.util.Util").getTypeFromInterval(img).getClass().getSimpleName())
    return name.removeprefix("Volatile")


def colours(img: Any) -> Any:
    """Give colours as red, green and blue, the last dimension."""
    return jclass("net.imglib2.converter.Converters").argbChannels(img, 1, 2, 3)


def to_array(img: Any, share: bool = False) -> Array:
    """Copy the pixels, (last dimension, ..., first)."""
    kind = _kind(img)
    shape = tuple(int(img.dimension(place)) for place in reversed(range(img.numDimensions())))
    if kind in _BOOLEAN:
        return _copied(img, "UnsignedByteType", shape).astype(bool)
    if kind not in _TYPES:
        kind = _fitting(img, kind)
        return _copied(img, kind, shape)
    inner = _unwrapped(img)
    arrays = _arrays(inner)
    if arrays is not None:
        return _of_arrays(arrays, shape, np.dtype(_TYPES[kind]))
    memory = _memory(inner, shape, kind, img)
    if memory is None:
        return _copied(img, kind, shape)
    return memory if share else memory.copy()


def _fitting(img: Any, kind: str) -> str:
    """Give the pixel type that holds those of one that numpy does not have (2, 4, 12 bits)."""
    pixel = jclass("net.imglib2.util.Util").getTypeFromInterval(img)
    if isinstance(pixel, jclass("net.imglib2.type.numeric.IntegerType")) and pixel.getBitsPerPixel() <= 64:
        signed = "" if pixel.getMinValue() < 0 else "Unsigned"
        size = next(name for bits, name in _SIZES if pixel.getBitsPerPixel() <= bits)
        return f"{signed}{size}Type"
    raise ImageError(
        f"The pixels are of {kind}, which is none of {', '.join([*_TYPES, *_BOOLEAN, _COLOURS])}.",
        fix="Convert the image first, for example by Image > Type.",
    )


def _of_arrays(arrays: list[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    pixels = np.empty(shape, dtype)
    read_arrays(arrays, pixels.reshape(len(arrays), -1))
    return pixels


def _unwrapped(img: Any) -> Any:
    """Give the image inside others that only name it."""
    wrapped = jclass("net.imglib2.img.WrappedImg")
    while True:
        if isinstance(img, wrapped):
            img = img.getImg()
        elif str(img.getClass().getSimpleName()) in _GUARDS:
            img = img.getSource()
        else:
            return img


def _memory(img: Any, shape: tuple[int, ...], kind: str, holder: Any) -> Array | None:
    """Give the memory outside of Java in which an image lies, if it does: that of numpy, kept alive by `holder`."""
    if not isinstance(img, jclass("net.imglib2.img.array.ArrayImg")):
        return None
    access = img.update(None)
    # NB: imglib2-unsafe has it under both names.
    address = getattr(access, "getAddress", None) or getattr(access, "getAddres", None)
    return None if address is None else _at(int(address()), shape, np.dtype(_TYPES[kind]), holder)


def _at(address: int, shape: tuple[int, ...], dtype: np.dtype[Any], owner: Any) -> Array:
    """Give memory as an array that keeps its owner alive."""
    memory: Any = (ctypes.c_byte * (math.prod(shape) * dtype.itemsize)).from_address(address)
    memory.owner = owner
    return np.frombuffer(memory, dtype).reshape(shape)


def _arrays(img: Any) -> list[Any] | None:
    """Give the arrays of Java in which an image lies, in order, if it does: one for all, or one per plane."""
    holder = jclass("net.imglib2.img.basictypeaccess.array.ArrayDataAccess")
    if isinstance(img, jclass("net.imglib2.img.planar.PlanarImg")):
        planes = [img.getPlane(place) for place in range(img.numSlices())]
    elif isinstance(img, jclass("net.imglib2.img.array.ArrayImg")):
        planes = [img.update(None)]
    else:
        return None
    if not all(isinstance(plane, holder) for plane in planes):
        return None
    return [plane.getCurrentStorageArray() for plane in planes]


def _copied(img: Any, kind: str, shape: tuple[int, ...]) -> Array:
    """Have ImgLib2 copy any image into planes of arrays, and those into numpy's memory."""
    planes = _planar(kind, shape)
    source = jclass("net.imglib2.view.Views").zeroMin(img)
    jclass("net.imglib2.converter.RealTypeConverters").copyFromTo(source, planes)
    arrays = _arrays(planes)
    assert arrays is not None
    return _of_arrays(arrays, shape, np.dtype(_TYPES[kind]))


def to_img(pixels: Array, share: bool = False) -> Any:
    """Give pixels as an image of ImgLib2: in numpy's memory, or in planes of their own."""
    if pixels.dtype == np.bool_:
        return _bits(_lent(np.ascontiguousarray(pixels).view(np.uint8)), pixels.shape)
    if share and pixels.flags.c_contiguous and _may_be_written(pixels):
        return _lent(pixels)
    if math.prod(pixels.shape[-2:]) > _MOST:
        return _lent(pixels.copy())
    kind = next(name for name, dtype in _TYPES.items() if dtype == pixels.dtype)
    planes = _planar(kind, pixels.shape)
    arrays = _arrays(planes)
    assert arrays is not None
    write_arrays(np.ascontiguousarray(pixels).reshape(len(arrays), -1), arrays)
    return planes


def _may_be_written(pixels: Array) -> bool:
    """Whether the memory itself may be: a write to a file that is mapped for reading would end the process."""
    owner = pixels
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return bool(owner.flags.writeable)


def _lent(pixels: Array) -> Any:
    """Give numpy's memory to ImgLib2, which keeps it alive."""
    import imglyb

    # NB: imglyb takes arrays that cannot be written to for such as have gaps, and is slow with those.
    return imglyb.to_imglib(_at(pixels.ctypes.data, pixels.shape, pixels.dtype, pixels))


def _planar(kind: str, shape: tuple[int, ...]) -> Any:
    """Make an image of zeros, each plane an array of Java."""
    package = "real" if kind in ("FloatType", "DoubleType") else "integer"
    element = jclass(f"net.imglib2.type.numeric.{package}.{kind}")()
    return jclass("net.imglib2.img.planar.PlanarImgFactory")(element).create(*_sizes(shape))


def _bits(bytes_: Any, shape: tuple[int, ...]) -> Any:
    """Copy zeros and ones into an image of true and false."""
    element = jclass("net.imglib2.type.logic.NativeBoolType")()
    img = jclass("net.imglib2.img.array.ArrayImgFactory")(element).create(*_sizes(shape))
    jclass("net.imglib2.converter.RealTypeConverters").copyFromTo(bytes_, img)
    return img


def _sizes(shape: tuple[int, ...]) -> list[Any]:
    import jpype

    return [jpype.JArray(jpype.JLong)([int(size) for size in reversed(shape)])]
