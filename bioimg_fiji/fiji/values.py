"""What a Fiji gives and takes, by its type: which conversion is whose."""

from __future__ import annotations

from typing import Any

from bioimg_fiji.errors import FijiError, InputError
from bioimg_fiji.fiji import convert, datasets
from bioimg_fiji.fiji.inputs import as_image
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Image


def to_image(value: Any, axes: str = "", *, share: bool = False) -> Image:
    """Give an image of Fiji, or one of Python, as an Image.

    Parameters
    ----------
    value
        ImagePlus, Dataset, ImgPlus, RandomAccessibleInterval; Image or array.
    axes
        Letters of the dimensions of an image of ImgLib2 that does not name them.
    share
        As of `datasets.to_image`.

    Raises
    ------
    InputError
        When it is no image.
    """
    if not is_java(value):
        return as_image(value)
    if isinstance(value, jclass("ij.ImagePlus")):
        return convert.to_image(value)
    if datasets.is_imglib(value):
        return datasets.to_image(value, axes, share=share)
    raise InputError(
        f"{value.getClass().getName()} is no image.",
        fix="Give an ImagePlus, a Dataset, an ImgPlus or a RandomAccessibleInterval.",
    )


def to_java(image: Image, kind: str, gateway: Any, *, share: bool = False) -> Any:
    """Give an image as an image of Fiji, which is not shown.

    Parameters
    ----------
    image
        The image.
    kind
        "ImagePlus" or "Dataset".
    gateway
        pyimagej's; None where ImageJ is embedded.
    share
        As of `datasets.to_dataset`.

    Raises
    ------
    FijiError
        When embedded ImageJ is asked for a Dataset, or an ImagePlus is to share its memory.
    InputError
        When the kind is neither.
    """
    if kind not in ("ImagePlus", "Dataset"):
        raise InputError(f'The kind of image is "ImagePlus" or "Dataset", not {kind!r}.')
    if kind == "ImagePlus":
        if share:
            fix = 'Ask for a "Dataset", or leave out share.'
            raise FijiError("An ImagePlus lies in Java's own memory, and cannot share numpy's.", fix=fix)
        return convert.to_imageplus(image)
    if gateway is None:
        raise FijiError("Embedded ImageJ has no Datasets.", fix="Open a Fiji: open_fiji(FOLDER).")
    return datasets.to_dataset(gateway, image, share=share)


def is_java(value: Any) -> bool:
    """Whether a value is an object of Java."""
    import jpype

    return isinstance(value, jpype.JObject)
