"""What a Fiji gives and takes, by its type: which conversion is whose."""

from __future__ import annotations

from typing import Any

from bioimg_fiji.commands import Table
from bioimg_fiji.errors import FijiError, InputError
from bioimg_fiji.fiji import convert, datasets, imglib, labelings, rois, tables
from bioimg_fiji.fiji.inputs import as_image
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Image

KINDS = ("ImagePlus", "Dataset", "ImgLabeling", "ResultsTable", "GenericTable", "Roi", "Overlay", "ROITree")
"""What `to_java` makes: three of an image, two of a table, three of regions."""

_IMAGES, _TABLES = KINDS[:3], KINDS[3:5]
_PLAIN = ("java.lang.Number", "java.lang.Boolean", "java.lang.CharSequence", "java.lang.Character")


def is_java(value: Any) -> bool:
    """Whether a value is an object of Java."""
    import jpype

    return isinstance(value, jpype.JObject)


def to_image(value: Any, axes: str = "", *, share: bool = False) -> Image:
    """Give an image of Fiji, or one of Python, as an Image.

    Parameters
    ----------
    value
        ImagePlus, Dataset, ImgPlus, RandomAccessibleInterval, ImgLabeling; Image, array or DataArray.
    axes
        Letters of the dimensions of an image of ImgLib2 that does not name them.
    share
        As of `datasets.to_image`.

    Raises
    ------
    InputError
        When it is no image.
    """
    if labelings.is_labeling(value):
        return labelings.from_labeling(value, axes)
    if not is_java(value):
        return as_image(value)
    if isinstance(value, jclass("ij.ImagePlus")):
        return convert.to_image(value)
    if imglib.is_imglib(value):
        return datasets.to_image(value, axes, share=share)
    raise InputError(
        f"{value.getClass().getName()} is no image.",
        fix="Give an ImagePlus, a Dataset, an ImgPlus or a RandomAccessibleInterval.",
    )


def of_fiji(value: Any) -> Any:
    """Give an image of Fiji, or a list with some, as Image; anything else as it is."""
    if isinstance(value, list | tuple):
        return [of_fiji(each) for each in value]
    return to_image(value) if is_java(value) and _is_image(value) else value


def _is_image(value: Any) -> bool:
    return isinstance(value, jclass("ij.ImagePlus")) or labelings.is_labeling(value) or imglib.is_imglib(value)


def to_python(value: Any, gateway: Any, axes: str = "", *, share: bool = False) -> Any:
    """Give what Fiji has as Python has it; an object that has no such form as it is.

    Parameters
    ----------
    value
        An image (gives an Image); a table (Table); a Roi or mask (roifile.ImagejRoi); an Overlay or ROITree (a list of
        them); a number, a text, a list or map of all these.
    gateway
        pyimagej's; None where ImageJ is embedded.
    axes, share
        As of `to_image`.
    """
    import scyjava

    if _is_image(value):
        return to_image(value, axes, share=share)
    if tables.is_table(value):
        return tables.get(value)
    if isinstance(value, jclass("ij.gui.Roi")):
        return rois.decoded([value])[0]
    if isinstance(value, jclass("ij.gui.Overlay")):
        return rois.decoded(value.toArray())
    if rois.is_imagej2(value, gateway):
        found = rois.get(image=value, gateway=gateway)
        return found[0] if isinstance(value, jclass("net.imglib2.roi.MaskPredicate")) else found
    if isinstance(value, jclass("java.util.Map")):
        return {str(each.getKey()): to_python(each.getValue(), gateway) for each in value.entrySet()}
    if isinstance(value, jclass("java.util.Collection")):
        return [to_python(each, gateway) for each in value]
    if any(isinstance(value, jclass(name)) for name in _PLAIN):
        return scyjava.to_python(value)
    return value


def to_java(value: Any, kind: str, gateway: Any, *, share: bool = False) -> Any:
    """Give what Python has as Fiji has it; nothing is shown.

    Parameters
    ----------
    value
        An image, a table or DataFrame, a region of `roifile` or a list of them.
    kind
        One of `KINDS` that fits; "" for ImagePlus, ResultsTable, Roi, or of a list Overlay.
    gateway
        pyimagej's; None where ImageJ is embedded.
    share
        As of `datasets.to_dataset`.

    Raises
    ------
    InputError
        When the kind is none, or does not fit the value.
    FijiError
        When embedded ImageJ is asked for what only ImageJ2 has, or anything but a Dataset is to share its memory.
    """
    if kind and kind not in KINDS:
        raise InputError(f"{kind!r} is no kind of what Fiji has.", fix=f"There are: {', '.join(KINDS)}.")
    if share and kind != "Dataset":
        fix = 'Ask for a "Dataset", or leave out share.'
        raise FijiError(f"An object of kind {kind or 'ImagePlus'} lies in Java's own memory, not in numpy's.", fix=fix)
    if gateway is None and kind in ("Dataset", "ImgLabeling", "GenericTable", "ROITree"):
        raise FijiError(f"Embedded ImageJ has nothing of kind {kind}.", fix="Open a Fiji: open_fiji(FOLDER).")
    if isinstance(value, list | tuple) and not value and kind in ("", *_IMAGES):
        raise InputError("An empty list is no image.", fix='Of no regions ask for an "Overlay".')
    if kind in _TABLES or (not kind and tables.is_python(value)):
        return tables.to_scijava(value) if kind == "GenericTable" else tables.to_imagej(tables.as_table(value))
    if kind in _IMAGES or (not kind and not rois.is_python(value)):
        return _image(value, kind or "ImagePlus", gateway, share=share)
    return _regions(value, kind, gateway)


def _image(value: Any, kind: str, gateway: Any, *, share: bool) -> Any:
    if isinstance(value, Table) or rois.is_python(value):
        raise InputError(f"{type(value).__name__} does not become an {kind}.", fix="Give an image.")
    image = to_image(value)
    if kind == "Dataset":
        return datasets.to_dataset(gateway, image, share=share)
    return labelings.to_labeling(image) if kind == "ImgLabeling" else convert.to_imageplus(image)


def _regions(value: Any, kind: str, gateway: Any) -> Any:
    if kind == "ROITree":
        return rois.to_tree(gateway, value)
    if kind == "Overlay" or (not kind and isinstance(value, list | tuple)):
        return rois.overlay(value)
    regions = rois.regions(value)
    if len(regions) != 1:
        raise InputError(f"One region is wanted, not {len(regions)}.", fix='Ask for an "Overlay".')
    return regions[0]
