"""ImgLib2's ImgLabeling <-> an image of indices and the labels that each index stands for.

A pixel of a labeling can have several labels: objects may overlap. Its index tells which set of labels it has, 0 none.
So the image is that of the indices, and the sets go with it, as JSON, in its properties: they survive Fiji, TIFF and
whatever else keeps these. An ordinary label image is one in which every index has one label.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import ImageError, InputError
from bioimg_fiji.fiji import datasets, imglib
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Image, from_array

PROPERTY = "Label sets"
"""Property of an image with its indices' labels: {"1": ["cell"], "2": ["cell", "nucleus"]}."""

Label = Hashable
Sets = Mapping[int, frozenset[Label]]
Array = npt.NDArray[Any]

_LABELING = "net.imglib2.roi.labeling.ImgLabeling"
_INDICES = (np.uint8, np.uint16, np.int32)
"""Types that an image of indices has."""

_LARGEST_INT = 2**31 - 1


def is_labeling(value: Any) -> bool:
    """Whether it is an ImgLabeling of Java, or one of the Python package `labeling`, which pyimagej gives for it."""
    import jpype

    if _is_python(value):
        return True
    try:
        return isinstance(value, jpype.JClass(_LABELING))
    except TypeError:  # embedded ImageJ has none
        return False


def from_labeling(labeling: Any, axes: str = "") -> Image:
    """Copy a labeling.

    Parameters
    ----------
    labeling
        What `is_labeling` takes.
    axes
        Letters of numpy's dimensions; needed for more than two, which a labeling does not name.

    Returns
    -------
    Image
        Of the indices, in their own type (uint8, uint16, int32, ...); `label_sets` tells their labels.

    Raises
    ------
    AxesError
        When the axes are needed and not given, or do not fit.
    """
    if _is_python(labeling):
        pixels, told = labeling.get_result()
        image = from_array(pixels, axes)
        sets = {int(index): frozenset(labels) for index, labels in told.labelSets.items()}
    else:
        image = datasets.to_image(labeling.getIndexImg(), axes)
        mapping = labeling.getMapping()
        sets = {index: _labels(mapping.labelsAtIndex(index)) for index in range(int(mapping.numSets()))}
    return with_sets(image, sets)


def label_sets(image: Image) -> dict[int, frozenset[Label]]:
    """Give the labels of each index of an image. Where it says nothing of them, each value is a label of its own.

    Raises
    ------
    ImageError
        When the values are no whole numbers from 0 on, or the property is damaged.
    """
    text = image.properties.get(PROPERTY)
    if text is None:
        return {int(value): frozenset([int(value)] if value else []) for value in np.unique(_whole(image.pixels))}
    try:
        return {int(index): frozenset(labels) for index, labels in json.loads(text).items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ImageError(
            f"The property {PROPERTY!r} of {image.title} is damaged: {error}.", fix="Take it out, or write it anew."
        ) from error


def with_sets(image: Image, sets: Mapping[int, Iterable[Label]]) -> Image:
    """Give the image with these labels of its indices; what is no number nor text becomes its text."""
    plain = {str(index): sorted(map(_plain, labels), key=str) for index, labels in sets.items()}
    text = json.dumps({index: labels for index, labels in plain.items() if labels}, ensure_ascii=False)
    return dataclasses.replace(image, properties={**image.properties, PROPERTY: text})


def to_labeling(image: Image | Array, labels: Mapping[int, Any] | Iterable[Label] | None = None) -> Any:
    """Copy an image of indices into an ImgLabeling.

    Parameters
    ----------
    image
        Whole numbers from 0 on; 0 has no label.
    labels
        By index a label, or a set or list of them; or the labels of 1, 2, 3, ... in this order. Left out: what
        `label_sets` tells.

    Returns
    -------
    ImgLabeling
        Its indices are those of the image if they go from 0 on without gaps and each has other labels; else they are
        numbered anew: ImgLib2 asks for both.

    Raises
    ------
    ImageError
        When the values are no whole numbers from 0 on.
    InputError
        When an index has no labels, or this ImageJ has no labelings.
    """
    import jpype

    if isinstance(image, Image):
        pixels = _whole(image.pixels)
        sets = label_sets(image) if labels is None else _sets(labels)
    else:
        pixels = _whole(np.asarray(image))
        sets = {int(value): frozenset([int(value)]) for value in np.unique(pixels)} if labels is None else _sets(labels)
    indices, order = _numbered(pixels, {**sets, 0: frozenset()})
    try:
        labeling = jpype.JClass(_LABELING)
    except TypeError as error:
        raise InputError("Plain ImageJ has no labelings.", fix="Open a Fiji or an ImageJ2.") from error
    return labeling.fromImageAndLabelSets(imglib.to_img(indices), _java_sets(order))


def _is_python(value: Any) -> bool:
    module = sys.modules.get("labeling")
    return module is not None and isinstance(value, module.Labeling)


def _whole(pixels: Array) -> Array:
    if pixels.dtype.kind not in "bui":
        if pixels.dtype.kind != "f" or not np.array_equal(pixels, np.trunc(pixels)):
            raise ImageError("The values of a label image are whole numbers.", fix="Give labels, not intensities.")
        pixels = pixels.astype(np.int64)
    if pixels.size and (pixels.min() < 0 or pixels.max() > _LARGEST_INT):
        raise ImageError(
            f"Labels from {pixels.min()} to {pixels.max()} are not between 0 and {_LARGEST_INT}.", fix="Renumber them."
        )
    return pixels


def _sets(labels: Mapping[int, Any] | Iterable[Label]) -> dict[int, frozenset[Label]]:
    named = labels if isinstance(labels, Mapping) else dict(enumerate(labels, start=1))
    several = (set, frozenset, list, tuple)
    return {int(i): frozenset(label if isinstance(label, several) else [label]) for i, label in named.items()}


def _numbered(pixels: Array, sets: Sets) -> tuple[Array, list[frozenset[Label]]]:
    """Give the indices, and the sets in their order: each once, the empty one first."""
    values, places = np.unique(pixels, return_inverse=True)
    missing = [int(value) for value in values if int(value) not in sets]
    if missing:
        raise InputError(f"The indices {missing[:5]} of the image have no labels.", fix="Name them all, or none.")
    order = list(dict.fromkeys(sets[index] for index in sorted(sets)))
    if [sets.get(index) for index in range(len(sets))] != order:
        lookup = {labels: number for number, labels in enumerate(order)}
        pixels = np.array([lookup[sets[int(value)]] for value in values], np.int32)[places].reshape(pixels.shape)
    fits = pixels.dtype in _INDICES and len(order) - 1 <= np.iinfo(pixels.dtype).max
    kind = pixels.dtype if fits else np.dtype(np.uint16 if len(order) <= 2**16 else np.int32)
    return pixels.astype(kind), order


def _java_sets(order: list[frozenset[Label]]) -> Any:
    sets = jclass("java.util.ArrayList")()
    for labels in order:
        java = jclass("java.util.HashSet")()
        for label in labels:
            whole = isinstance(label, int) and not isinstance(label, bool) and abs(label) <= _LARGEST_INT
            java.add(jclass("java.lang.Integer")(label) if whole else label)
        sets.add(java)
    return sets


def _labels(labels: Any) -> frozenset[Label]:
    return frozenset(_plain(label) for label in labels)


def _plain(label: Any) -> Label:
    """Give a label of Java or Python as what JSON holds."""
    if isinstance(label, bool | jclass("java.lang.Boolean")):
        return bool(label)
    if isinstance(label, int | np.integer):
        return int(label)
    return float(label) if isinstance(label, float | np.floating) else str(label)
