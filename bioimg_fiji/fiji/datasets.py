"""Images of ImageJ2 (Dataset, ImgPlus, any RandomAccessibleInterval of numbers) <-> Image.

Lives here: names, axes, scales, colours, regions. Lives not here: the pixels (imglib.py).
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import AxesError, BioimgError, ImageError, InputError
from bioimg_fiji.fiji import imglib, rois
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Channel, Image, Scale

Array = npt.NDArray[Any]

_log = logging.getLogger(__name__)

_AXES = {"X": "x", "Y": "y", "Z": "z", "Time": "t", "Channel": "c", "Series": "b", "Position": "b"}
_LABELS = {"x": "X", "y": "Y", "z": "Z", "t": "Time", "c": "Channel", "b": "Series"}
_TITLE = "image"
_HEADER = "bioimg_fiji.header"
"""Property of a Dataset with our header, for what a Dataset has no place for: labels, selection, intensity, texts."""

_OURS = "bioimg_fiji.rois"
"""Property with the masks of the ROITree as it was made of our overlay."""

_KEPT = ("mode", "labels", "intensity", "roi", "overlay", "properties")
_NAME_THEM = "Name them by the argument axes: one of b, t, c, z, y, x for each, from ImgLib2's last to its first."
_NO_UNITS = ("null", "pixel", "pixels")


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
    colours = imglib.is_coloured(inner)
    if colours:
        inner, letters = imglib.colours(inner), f"c{letters}"
    pixels = imglib.to_array(inner, share)
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
    img = jclass("net.imglib2.img.ImgView").wrap(imglib.to_img(pixels, share))
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
    single = {label: "b" for place, label in enumerate(labels) if int(plus.dimension(place)) == 1}
    letters = [(single | _AXES).get(label, "?") for label in labels]
    wrong = [label for label, letter in zip(labels, letters, strict=True) if letter == "?" or letters.count(letter) > 1]
    if wrong:
        told = f"{plus.getName()} has axes {', '.join(labels)}, and no image has {' and '.join(wrong)}."
        raise AxesError(told, fix=_NAME_THEM)
    return "".join(reversed(letters))


def _unnamed(interval: Any) -> str:
    if interval.numDimensions() == 2:
        return "yx"
    raise AxesError(f"An image of {interval.numDimensions()} dimensions does not say what they are.", fix=_NAME_THEM)


def _scales(plus: Any, letters: str) -> dict[str, Scale]:
    scales = {}
    for place, letter in enumerate(reversed(letters)):
        axis = plus.axis(place)
        # Of an axis that is not linear an image has the mean step.
        step, unit = float(axis.averageScale(0, max(1, int(plus.dimension(place)) - 1))), axis.unit()
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
