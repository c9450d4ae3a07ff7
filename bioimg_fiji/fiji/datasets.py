"""Images of ImageJ2 (Dataset, ImgPlus, any RandomAccessibleInterval of numbers) <-> Image.

Where an image of ImgLib2 lies in Java's arrays, these are copied straight into numpy's memory; any other (a view, a
cached or a computed image) is first copied into such arrays by ImgLib2 itself. The other way numpy's memory is either
copied, or shared: then what is changed on one side is seen on the other.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import logging
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import AxesError, BioimgError, ImageError, InputError
from bioimg_fiji.fiji import rois
from bioimg_fiji.fiji.convert import read_arrays, write_arrays
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Channel, Image, Scale

Array = npt.NDArray[Any]

_log = logging.getLogger(__name__)

_AXES = {"X": "x", "Y": "y", "Z": "z", "Time": "t", "Channel": "c", "Series": "b", "Position": "b"}
_LABELS = {"x": "X", "y": "Y", "z": "Z", "t": "Time", "c": "Channel", "b": "Series"}
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
_TITLE = "image"
_HEADER = "bioimg_fiji.header"
"""Property of a Dataset with our header, for what a Dataset has no place for: labels, selection, intensity, texts."""

_OURS = "bioimg_fiji.rois"
"""Property with the masks of the ROITree as it was made of our overlay."""

_KEPT = ("mode", "labels", "intensity", "roi", "overlay", "properties")
_NO_UNITS = ("null", "pixel", "pixels")
_GUARDS = ("ImgView", "ReferenceGuardingRandomAccessibleInterval")
"""Classes of images that only hold another one; the second keeps numpy's memory alive."""


def is_imglib(value: Any) -> bool:
    """Whether an object of Java is an image of ImgLib2, where there is one."""
    try:
        return isinstance(value, jclass("net.imglib2.RandomAccessibleInterval"))
    except TypeError:  # embedded ImageJ has no ImgLib2
        return False


def to_image(data: Any, axes: str = "", *, share: bool = False) -> Image:
    """Copy an image of ImageJ2 or ImgLib2.

    Parameters
    ----------
    data
        Dataset, ImgPlus or RandomAccessibleInterval, of numbers, of true and false, or of colours.
    axes
        Letters of numpy's dimensions, which are ImgLib2's from the last to the first; needed where the image does not
        name its axes, and has more than two.
    share
        Give the very memory where it is one that Python has made (`to_dataset` with `share`, or pyimagej's
        `to_dataset`): nothing is copied, and what Fiji changes is seen. All else lies in Java's own memory, which
        nobody else can look into, and is copied all the same.

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
    inner = plus.getImg() if named else plus
    letters = axes or (_letters(plus) if named else _unnamed(plus))
    colours = _kind(inner) == _COLOURS
    if colours:
        inner, letters = _parts(inner), f"c{letters}"
    pixels = _pixels(inner, share)
    if len(letters) != pixels.ndim:
        raise AxesError(
            f"Axes {letters!r} do not describe an image of {pixels.ndim} dimensions.",
            fix="Give one letter per dimension, from the last of ImgLib2 to the first: 'yx' for X, Y.",
            axes=letters,
        )
    count = dict(zip(letters, pixels.shape, strict=True)).get("c", 1)
    merged = dataset is not None and bool(dataset.isRGBMerged()) and count == 3 and pixels.dtype == np.uint8
    title = str(plus.getName() or _TITLE) if named else _TITLE
    scales = _scales(plus, letters[-plus.numDimensions() :]) if named else {}
    channels = _channels(plus, count) if named and not merged and not colours else ()
    image = Image(pixels, letters, title=title, rgb=merged or colours, scales=scales, channels=channels)
    return image if dataset is None else _with_regions(_with_header(image, dataset), dataset)


def to_dataset(gateway: Any, image: Image, *, share: bool = False) -> Any:
    """Give an image as a Dataset.

    Parameters
    ----------
    gateway
        pyimagej's.
    image
        Its axes are kept in their order; ImgLib2 counts them the other way about.
    share
        Have both lie in the same memory where that can be (not for bool, with gaps between the pixels, or where the
        memory is not to be written, as of a file that is mapped for reading): nothing is copied, and what a command of
        Fiji writes into the Dataset changes the image in Python. Copied pixels lie in planes, as those of a file that
        Fiji has opened.

    Raises
    ------
    ImageError
        When ImgLib2 has no such pixel type (float16), or there are no pixels.
    """
    pixels = image.pixels
    if pixels.dtype == np.float16 or not pixels.dtype.isnative or not pixels.size:
        what = "an image without pixels" if not pixels.size else f"pixels of type {pixels.dtype}"
        raise ImageError(f"ImageJ2 has no place for {what}.", fix="Convert the image to float32.")
    img = jclass("net.imglib2.img.ImgView").wrap(to_img(pixels, share))
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
    dataset.getProperties().put(_HEADER, json.dumps(image.header()))
    _put_regions(gateway, dataset, image.overlay)
    return dataset


def _with_header(image: Image, dataset: Any) -> Image:
    """Give an image what a Dataset keeps for it only as a property, as far as that still holds."""
    text = dataset.getProperties().get(_HEADER)
    if text is None:
        return image
    try:
        header = json.loads(str(text))
        known = Image.from_header(header, np.broadcast_to(np.empty((), header["dtype"]), header["shape"]))
    except (BioimgError, ValueError, KeyError, TypeError):
        return image
    kept = {name: getattr(known, name) for name in _KEPT}
    if image.dtype != known.dtype:
        del kept["intensity"]
    if image.axes != known.axes or image.shape[:-2] != known.shape[:-2]:
        del kept["labels"]
    names = [channel.name for channel in known.channels]
    if any(names) and len(names) == image.size("c"):
        channels = image.channels or (Channel("", b"", None),) * len(names)
        kept["channels"] = tuple(dataclasses.replace(c, name=n) for c, n in zip(channels, names, strict=True))
    return dataclasses.replace(image, **kept)


def _put_regions(gateway: Any, dataset: Any, overlay: tuple[bytes, ...]) -> None:
    """Give a Dataset those regions of an overlay that ImageJ2 has masks for; all of them are in the header."""
    if not overlay:
        return
    tree, rest = _tree_and_rest(gateway, overlay)
    if rest:
        _log.info("%d of %d regions of %s are in no ROITree.", len(rest), len(overlay), dataset.getName())
    if len(rest) < len(overlay):
        dataset.getProperties().put(rois.PROPERTY, tree)
        dataset.getProperties().put(_OURS, _masks(tree))


def _tree_and_rest(gateway: Any, overlay: tuple[bytes, ...]) -> tuple[Any, list[bytes]]:
    """Give the ROITree of an overlay, and the regions that it has no place for: texts, arrows, angles, damaged ones."""
    try:
        return rois.tree_and_rest(gateway, overlay)
    except InputError:
        return None, list(overlay)


def _masks(tree: Any) -> Any:
    """Give the masks of a ROITree as a list of their own."""
    masks = jclass("java.util.ArrayList")()
    for child in tree.children():
        masks.add(child.data())
    return masks


def _with_regions(image: Image, dataset: Any) -> Image:
    """Give an image the regions of a Dataset, unless they are those that we have given to it: these it has already."""
    tree, ours = (dataset.getProperties().get(name) for name in (rois.PROPERTY, _OURS))
    if tree is None and ours is None:
        return image
    if tree is not None and _masks(tree).equals(ours):
        return image
    gateway = _Gateway(dataset.context())
    found = [region.tobytes() for region in rois.get(image=dataset, gateway=gateway)]
    return dataclasses.replace(image, overlay=(*found, *_tree_and_rest(gateway, image.overlay)[1]))


@dataclasses.dataclass(frozen=True)
class _Gateway:
    """What `rois` needs of a gateway, where only the context of a Dataset is at hand."""

    context: Any

    def convert(self) -> Any:
        """Give the service that converts."""
        return self.context.service("org.scijava.convert.ConvertService")


def _letters(plus: Any) -> str:
    labels = [str(plus.axis(place).type().getLabel()) for place in range(plus.numDimensions())]
    known = _AXES | {label: "b" for place, label in enumerate(labels) if label not in _AXES and _is_one(plus, place)}
    unknown = [label for label in labels if label not in known]
    if unknown:
        raise AxesError(
            f"{plus.getName()} has axes {', '.join(labels)}, and no image has {unknown[0]}.",
            fix="Name them by the argument axes, one of b, t, c, z, y, x for each, from the last to the first.",
            axes="",
        )
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


def _is_one(interval: Any, place: int) -> bool:
    return _size(interval, place) == 1


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
        # Of an axis that is not linear an image has the mean step.
        step, unit = float(axis.averageScale(0, max(1, _size(plus, place) - 1))), axis.unit()
        start = float(axis.calibratedValue(0))
        unit = "" if unit is None or str(unit) in _NO_UNITS else str(unit)
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


def _kind(img: Any) -> str:
    """Give the name of the pixel type."""
    name = str(jclass("net.imglib2.util.Util").getTypeFromInterval(img).getClass().getSimpleName())
    return name.removeprefix("Volatile")


def _parts(img: Any) -> Any:
    """Give colours as red, green and blue, the last dimension."""
    return jclass("net.imglib2.converter.Converters").argbChannels(img, 1, 2, 3)


def _pixels(img: Any, share: bool) -> Array:
    """Copy the pixels, (last dimension, ..., first)."""
    kind = _kind(img)
    shape = tuple(_size(img, place) for place in reversed(range(img.numDimensions())))
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
