"""How sure a segmentation is of each of its objects.

Lives here: the confidence of objects, from what the model gives at their pixels. Lives not here: finding and measuring
objects (objects), calibrating probabilities (train/temperature).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.image import Image
from bioimg_fiji.objects import Maps, ObjectRule, elements, maps

Array = npt.NDArray[Any]

_BEYOND = 0.5
"""How far outside 0 to 1 a network that learnt by the squared error may go; what goes further is no probability."""


def confidence(output: Image, names: Sequence[str], labels: Image, axes: str, rule: ObjectRule) -> Array | None:
    """Give how sure a model is of its objects, 0 to 1.

    It is the mean probability of foreground over the object's pixels. Where the model tells the distance to the border
    too, it is the geometric mean of that and of how well these distances agree with the object's outline: 1 minus the
    mean difference between the distance that the model gives and that which the outline has. Two objects taken for one,
    or halves of one, have distances that do not fit their outline.

    Parameters
    ----------
    output, names, rule
        What the objects were found in, and how: as for `bioimg_fiji.objects.label`.
    labels
        The objects.
    axes
        "yx" or "zyx", as for `label`.

    Returns
    -------
    float32 of the labels' shape, at each pixel the confidence of its object, 0 in the background; None where the model
    gives labels, a mask, or values that are no probabilities.
    """
    seen = maps(output, names, rule)
    if not _is_probability(seen.foreground):
        return None
    result = np.zeros(labels.shape, np.float32)
    for index, order in elements(labels.axes, labels.shape, axes):
        numbers = labels.pixels[index].transpose(order).astype(np.intp)
        result[index].transpose(order)[...] = _sureness(seen, index, order, numbers)[numbers]
    return result


def _is_probability(foreground: Array) -> bool:
    if foreground.dtype.kind != "f" or not foreground.size:
        return False
    low, high = float(foreground.min()), float(foreground.max())
    if not (low >= -_BEYOND and high <= 1 + _BEYOND):
        return False
    return not np.isin(foreground, (0, 1)).all()


def _sureness(seen: Maps, index: tuple[Any, ...], order: list[int], numbers: Array) -> Array:
    """Give the confidence of each object by its number; 0 for the background."""
    inside = _means(seen.foreground[index].transpose(order).clip(0, 1), numbers)
    if seen.distance and seen.boundary is not None:
        told = seen.boundary[index].transpose(order).clip(0, 1)
        inside = np.sqrt(inside * (1 - _means(np.abs(told - shares(numbers)), numbers)))
    inside[0] = 0
    return inside


def shares(labels: Array) -> Array:
    """Give the distance to the border of a pixel's object, as a share of the object's largest; 0 in the background.

    The distance is that to the nearest pixel of another object or of the background; objects that touch have their
    border between them.
    """
    from scipy import ndimage
    from skimage.segmentation import find_boundaries

    borders: Array = find_boundaries(labels, mode="inner")  # type: ignore[no-untyped-call]
    inside = labels > 0
    distance = ndimage.distance_transform_edt(inside & ~borders) + inside
    numbers, places = np.unique(labels, return_inverse=True)
    largest = np.asarray(ndimage.maximum(distance, places.reshape(labels.shape), np.arange(len(numbers))))
    return np.asarray(distance / np.maximum(largest, 1)[places.reshape(labels.shape)] * inside)


def _means(values: Array, numbers: Array) -> Array:
    counts = np.bincount(numbers.ravel())
    return np.asarray(np.bincount(numbers.ravel(), values.ravel().astype(np.float64)) / np.maximum(counts, 1))
