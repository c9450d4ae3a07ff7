"""Images of arrays, and images as ImageJ can hold them."""

from __future__ import annotations

from pathlib import PurePath

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import AxesError, ImageError
from bioimg_fiji.image.image import Image


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
