"""What kind of data an image is: intensities, labels of objects, or probabilities."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.image import Image

Kind = Literal["intensity", "labels", "probability", "blind"]

_SET = (1, 255)
"""Values of what is set in a mask; another number alone is the label of an object."""

_PIECES = 3
"""Most connected pieces that a label has on average; equal intensities lie in many more."""


def kind_of(image: Image, truth: Image | None) -> Kind:
    """Tell the kind of data of an image and its truth.

    Returns
    -------
    "blind" without a truth; "labels" when both are labels or masks; "probability" when the truth is, and the image has
    floating-point values from 0 to 1; else "intensity".
    """
    if truth is None:
        return "blind"
    if not is_labels(truth):
        return "intensity"
    if is_labels(image):
        return "labels"
    values = image.pixels
    is_share = values.dtype.kind == "f" and values.size and np.nanmin(values) >= 0 and np.nanmax(values) <= 1
    return "probability" if is_share else "intensity"


def is_labels(image: Image) -> bool:
    """Whether an image has labels: whole numbers from 0, each of which is connected or nearly so; or a mask."""
    values = image.pixels
    if image.rgb or not values.size or not _is_whole(values):
        return False
    planes = image.ordered("btczyx").reshape(-1, image.size("y"), image.size("x"))
    fullest = planes[int(np.argmax(np.count_nonzero(planes, axis=(1, 2))))]
    numbers = np.unique(fullest[fullest != 0])
    if len(numbers) < 2:
        return True
    from skimage.measure import label

    pieces = int(label(fullest.astype(np.int64), background=0).max())  # type: ignore[no-untyped-call]
    return pieces <= _PIECES * len(numbers)


def is_mask(pixels: NDArray[Any]) -> bool:
    """Whether pixels are those of a mask, true and false, or 0 and 1 or 255: objects are its connected pieces."""
    found = pixels[pixels != 0]
    return bool(found.size) and found.flat[0] in _SET and bool(np.all(found == found.flat[0]))


def objects_of(mask: NDArray[Any]) -> NDArray[np.int32]:
    """Give the connected pieces of a mask, (y, x) or (z, y, x), numbers from 1; those that touch at corners are one."""
    from scipy.ndimage import generate_binary_structure, label

    found, _ = label(mask != 0, generate_binary_structure(mask.ndim, mask.ndim))
    result: NDArray[np.int32] = found
    return result


def _is_whole(values: NDArray[Any]) -> bool:
    if values.dtype.kind in "bu":
        return True
    if values.min() < 0:
        return False
    return values.dtype.kind == "i" or bool(np.all(np.isfinite(values)) and np.all(values == np.rint(values)))
