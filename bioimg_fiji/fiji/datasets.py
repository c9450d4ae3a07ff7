"""Images of ImageJ2 (Dataset, ImgPlus, any RandomAccessibleInterval of numbers) <-> Image.

Where an image of ImgLib2 lies in Java's arrays, these are copied straight into numpy's memory; any other (a view, a
cached or a computed image) is first copied into such arrays by ImgLib2 itself. The other way numpy's memory is either
copied, or shared: then what is changed on one side is seen on the other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import AxesError, ImageError
from bioimg_fiji.fiji.convert import copy_arrays
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Channel, Image, Scale

Array = npt.NDArray[Any]

_AXES = {"X": "x", "Y": "y", "Z": "z", "Time": "t", "Channel": "c"}
_LABELS = {letter: label for label, letter in _AXES.items()} | {"b": "Series"}
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
_TITLE = "image"
_GUARDS = ("ImgView", "ReferenceGuardingRandomAccessibleInterval")
"""Classes of images that only hold another one; the second keeps numpy's memory alive."""


def is_imglib(value: Any) -> bool:
    """Whether an object of Java is an image of ImgLib2."""
    return isinstance(value, jclass("net.imglib2.RandomAccessibleInterval"))


def to_image(data: Any, axes: str = "") -> Image:
    """Copy an image of ImageJ2 or ImgLib2.

    Parameters
    ----------
    data
        Dataset, ImgPlus or RandomAccessibleInterval, of numbers or of true and false.
    axes
        Letters of numpy's dimensions, which are ImgLib2's from the last to the first; needed where the image does not
        name its axes, and has more than two.

    Returns
    -------
    Image
        Of the same pixel type (true and false as bool), with name, scales and units, and a Dataset's colours.

    Raises
    ------
    AxesError
        When an axis is none that an image can have, or two dimensions would be one axis.
    ImageError
        When the pixels are no numbers.
    """
    dataset = data if isinstance(data, jclass("net.imagej.Dataset")) else None
    plus = dataset.getImgPlus() if dataset is not None else data
    named = isinstance(plus, jclass("net.imagej.ImgPlus"))
    letters = axes or (_letters(plus) if named else _unnamed(plus))
    pixels = _pixels(plus.getImg() if named else plus)
    if len(letters) != pixels.ndim:
        raise AxesError(
            f"Axes {letters!r} do not describe an image of {pixels.ndim} dimensions.",
            fix="Give one letter per dimension, from the last of ImgLib2 to the first: 'yx' for X, Y.",
            axes=letters,
        )
    rgb = dataset is not None and bool(dataset.isRGBMerged()) and "c" in letters
    title = str(plus.getName() or _TITLE) if named else _TITLE
    scales = _scales(plus, letters) if named else {}
    channels = _channels(plus, dict(zip(letters, pixels.shape, strict=True)).get("c", 1)) if named and not rgb else ()
    return Image(pixels, letters, title=title, rgb=rgb, scales=scales, channels=channels)


def to_dataset(gateway: Any, image: Image, *, share: bool = False) -> Any:
    """Give an image as a Dataset.

    Parameters
    ----------
    gateway
        pyimagej's.
    image
        Its axes are kept in their order; ImgLib2 counts them the other way about.
    share
        Have both lie in the same memory where that can be (not for bool, nor with gaps between the pixels): nothing is
        copied, and Fiji must not change the pixels of an image that is used further in Python.

    Raises
    ------
    ImageError
        When ImgLib2 has no such pixel type (float16).
    """
    import imglyb

    pixels = image.pixels
    if pixels.dtype == np.float16 or not pixels.dtype.isnative:
        raise ImageError(f"ImageJ2 has no pixels of type {pixels.dtype}.", fix="Convert the image to float32.")
    if pixels.dtype == np.bool_:
        img = _bits(imglyb.to_imglib(np.ascontiguousarray(pixels).view(np.uint8)), pixels.shape)
    else:
        shared = share and pixels.flags.c_contiguous
        img = imglyb.to_imglib(pixels if shared else np.array(pixels, order="C"))
    img = jclass("net.imglib2.img.ImgView").wrap(img)
    letters = image.axes[::-1]
    types = [jclass("net.imagej.axis.Axes").get(_LABELS[letter]) for letter in letters]
    steps = [image.scale(letter).step for letter in letters]
    units = [image.scale(letter).unit or None for letter in letters]
    plus = jclass("net.imagej.ImgPlus")(img, image.title, types, steps, units)
    for place, letter in enumerate(letters):
        scale = image.scale(letter)
        plus.axis(place).setOrigin(-scale.origin * scale.step)
    dataset = gateway.dataset().create(plus)
    dataset.setName(image.title)
    _describe(dataset, image)
    return dataset


def _letters(plus: Any) -> str:
    labels = [str(plus.axis(place).type().getLabel()) for place in range(plus.numDimensions())]
    known = _AXES | {label: "b" for label in labels if label not in _AXES and _size(plus, labels.index(label)) >= 1}
    letters = "".join(known[label] for label in reversed(labels))
    if len(set(letters)) != len(letters):
        raise AxesError(
            f"The axes {', '.join(labels)} of {plus.getName()} are not those of an image.",
            fix="Name them by the argument axes, one of b, t, c, z, y, x for each, from the last to the first.",
            axes=letters,
        )
    return letters


def _size(interval: Any, place: int) -> int:
    return int(interval.dimension(place))


def _unnamed(interval: Any) -> str:
    if interval.numDimensions() == 2:
        return "yx"
    raise AxesError(
        f"An image of {interval.numDimensions()} dimensions does not say what they are.",
        fix="Name them by the argument axes, one of b, t, c, z, y, x for each, from the last of ImgLib2 to the first.",
        axes="",
    )


def _scales(plus: Any, letters: str) -> dict[str, Scale]:
    scales = {}
    for place, letter in enumerate(reversed(letters)):
        axis = plus.axis(place)
        step, unit = float(axis.averageScale(0, 1)), axis.unit()
        start = float(axis.calibratedValue(0))
        unit = "" if unit is None or str(unit) == "null" else str(unit)
        if (step, unit, start) != (1.0, "", 0.0) and math.isfinite(step) and step:
            scales[letter] = Scale(step, unit, -start / step + 0.0)
    return scales


def _channels(plus: Any, count: int) -> tuple[Channel, ...]:
    tables = [plus.getColorTable(place) for place in range(min(count, int(plus.getColorTableCount())))]
    ranges = [(float(plus.getChannelMinimum(c)), float(plus.getChannelMaximum(c))) for c in range(count)]
    if not any(table is not None for table in tables) and not any(math.isfinite(low) for low, _ in ranges):
        return ()
    tables += [None] * (count - len(tables))
    return tuple(
        Channel("", _lut(table), (low, high) if math.isfinite(low) and math.isfinite(high) else None)
        for table, (low, high) in zip(tables, ranges, strict=True)
    )


def _lut(table: Any) -> bytes:
    if table is None or table.getComponentCount() < 3 or table.getLength() != 256:
        return b""
    lut = bytes(int(table.get(part, place)) & 0xFF for part in range(3) for place in range(256))
    return b"" if lut == bytes(range(256)) * 3 else lut


def _describe(dataset: Any, image: Image) -> None:
    """Give a Dataset an image's colours and display ranges."""
    import jpype

    dataset.setRGBMerged(bool(image.rgb))
    if image.channels and not image.rgb:
        dataset.initializeColorTables(len(image.channels))
    plus = dataset.getImgPlus()
    for place, channel in enumerate(image.channels if not image.rgb else ()):
        if channel.lut:
            parts = [np.frombuffer(channel.lut, np.int8)[256 * part : 256 * (part + 1)] for part in range(3)]
            table = jclass("net.imglib2.display.ColorTable8")(*(jpype.JArray(jpype.JByte)(part) for part in parts))
            dataset.setColorTable(table, place)
        if channel.display is not None:
            plus.setChannelMinimum(place, channel.display[0])
            plus.setChannelMaximum(place, channel.display[1])


def _pixels(img: Any) -> Array:
    """Copy the pixels, (last dimension, ..., first)."""
    kind = str(jclass("net.imglib2.util.Util").getTypeFromInterval(img).getClass().getSimpleName())
    shape = tuple(_size(img, place) for place in reversed(range(img.numDimensions())))
    if kind in _BOOLEAN:
        return _copied(img, "UnsignedByteType", shape).astype(bool)
    if kind not in _TYPES:
        raise ImageError(
            f"The pixels are of {kind}, which is none of {', '.join([*_TYPES, *_BOOLEAN])}.",
            fix="Convert the image first, for example by Image > Type.",
        )
    inner = _unwrapped(img)
    arrays = _arrays(inner)
    if arrays is not None:
        return _of_arrays(arrays, shape, np.dtype(_TYPES[kind]))
    shared = _shared(inner)
    return _copied(img, kind, shape) if shared is None else np.array(shared)


def _of_arrays(arrays: list[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    pixels = np.empty(shape, dtype)
    copy_arrays(arrays, pixels.reshape(len(arrays), -1))
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


def _shared(img: Any) -> Array | None:
    """Give numpy's own memory, where an image lies in that."""
    from imglyb.imglib_ndarray import ImgLibReferenceGuard

    try:
        return np.asarray(ImgLibReferenceGuard(img))
    except (ValueError, KeyError, AttributeError):
        return None


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
    package = "real" if kind in ("FloatType", "DoubleType") else "integer"
    element = jclass(f"net.imglib2.type.numeric.{package}.{kind}")()
    planes = jclass("net.imglib2.img.planar.PlanarImgFactory")(element).create(*_sizes(shape))
    source = jclass("net.imglib2.view.Views").zeroMin(img)
    jclass("net.imglib2.converter.RealTypeConverters").copyFromTo(source, planes)
    arrays = _arrays(planes)
    assert arrays is not None
    return _of_arrays(arrays, shape, np.dtype(_TYPES[kind]))


def _bits(bytes_: Any, shape: tuple[int, ...]) -> Any:
    """Copy zeros and ones into an image of true and false."""
    element = jclass("net.imglib2.type.logic.NativeBoolType")()
    img = jclass("net.imglib2.img.array.ArrayImgFactory")(element).create(*_sizes(shape))
    jclass("net.imglib2.converter.RealTypeConverters").copyFromTo(bytes_, img)
    return img


def _sizes(shape: tuple[int, ...]) -> list[Any]:
    import jpype

    return [jpype.JArray(jpype.JLong)([int(size) for size in reversed(shape)])]

