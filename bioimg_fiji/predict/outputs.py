"""From a model's output arrays to images and tables.

An image is built from the input image, so that its calibration cannot be forgotten.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import AxesError, ImageError
from bioimg_fiji.image import Channel, Image, Scale
from bioimg_fiji.package import ModelPackage, TensorSpec
from bioimg_fiji.package.fit import Fit

Array = npt.NDArray[Any]

PROPERTY = "BioImg"
"""Image property that tells how an image was made, as JSON without times: equal runs give equal texts."""


_EMPTY = re.compile(
    r"(final[_-])?(out|outputs?|results?|pred|predictions?|tensor|raw|image|y)([_-]?tensor)?[_-]?\d*", re.IGNORECASE
)
"""Ids of outputs that tell nothing of what they are."""

TASKS = {
    "denois": "denoised",
    "deconvol": "deconvolved",
    "super-resol": "super-resolved",
    "superresol": "super-resolved",
    "restor": "restored",
    "segment": "segmented",
}
"""Parts of a model's tags, and the word for its result in titles."""


@dataclass(frozen=True)
class Values:
    """An output that is no image: the names of its columns, and rows of numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]


def output_image(
    image: Image, way: Fit, package: ModelPackage, tensor: TensorSpec, array: Array, made: Mapping[str, str]
) -> Image:
    """Build an output image from the input image; `array` has the looped axes first, then the output's own."""
    view, axes = arranged(array, way, tensor)
    array = np.ascontiguousarray(view)
    own = dict(zip(way.axes, image.axes, strict=True))
    letters = "".join(own.get(letter, letter) for letter in axes)
    base = image
    if len(set(letters)) < len(letters):  # a new channel axis where the image's own "c" was said to be another axis
        base, letters = image.with_axes(way.axes), axes
    result = base.with_pixels(array, letters)
    if tensor.spread:
        plain = tuple(dataclasses.replace(channel, display=None) for channel in result.channels)
        pixels = result.pixels * np.float32(spread_gain(image, package))
        result = dataclasses.replace(result, pixels=pixels, intensity=None, channels=plain)
    elif package.own.get("values") != "input":
        # Probabilities or labels: neither the display range nor the calibration of the input's values holds for them.
        plain = tuple(dataclasses.replace(channel, display=None) for channel in result.channels)
        result = dataclasses.replace(result, intensity=None, channels=plain)
    elif array.dtype.kind == "f":
        result = result.physical()
    if not result.channels and result.size("c") == len(names := _channel_names(tensor)) > 1:
        result = dataclasses.replace(result, channels=tuple(Channel(name) for name in names))
    result = _recalibrated(result, way, tensor, own)
    text = json.dumps(made, sort_keys=True)
    return dataclasses.replace(
        result, title=f"{image.name}-{_told(tensor, package)}", properties={**image.properties, PROPERTY: text}
    )


def spread_gain(image: Image, package: ModelPackage) -> float:
    """Give by how much standard deviations of stored values are to be multiplied, to be in the unit of the result.

    Raises
    ------
    ImageError
        When that would differ from value to value.
    """
    if image.intensity is None or package.own.get("values") != "input":
        return 1.0
    gain = image.intensity.gain
    if gain is None:
        raise ImageError(
            f"{image.title} has the intensity calibration {image.intensity.function}: a spread around its values has "
            "no width of its own in such a unit.",
            fix="Set Analyze > Calibrate... to None, or run the model without a confidence.",
        )
    return gain


def _told(tensor: TensorSpec, package: ModelPackage) -> str:
    """Give the word for an output in titles: its id; of the first, where that says nothing, what the model does."""
    if tensor is not package.outputs[0] or not _EMPTY.fullmatch(tensor.id):
        return tensor.id
    tags = " ".join(package.tags).lower()
    return next((word for part, word in TASKS.items() if part in tags), tensor.id)


def _recalibrated(result: Image, way: Fit, tensor: TensorSpec, own: Mapping[str, str]) -> Image:
    """Scale the calibration of an output of other resolution, and move its origin where borders were lost."""
    changed = {
        own.get(link.letter, link.letter): link
        for link in way.links[tensor.id]
        if link is not None and (link.ratio != 1 or link.offset != 0)
    }
    if not changed:
        return result
    scales = dict(result.scales)
    for letter, link in changed.items():
        before, ratio = result.scale(letter), float(link.ratio)
        scales[letter] = Scale(before.step / ratio, before.unit, before.origin * ratio + link.offset / 2)
    if set(changed) & {"y", "x"}:  # selection and overlay are in pixels of the input
        return dataclasses.replace(result, scales=scales, roi=b"", overlay=())
    return dataclasses.replace(result, scales=scales)


def output_table(way: Fit, tensor: TensorSpec, array: Array) -> Values:
    """Give an output without y and x as a table: a row per element, a column per channel."""
    letters = [*way.looped, *(axis.id for axis in tensor.axes)]
    names = _channel_names(tensor) or (tensor.id,)
    if "channel" in letters:
        array = np.moveaxis(array, letters.index("channel"), -1)
        letters.remove("channel")
    else:
        array = array[..., np.newaxis]
    kept = [place for place, size in enumerate(array.shape[:-1]) if size > 1]
    rows = [
        (*(float(index[place]) for place in kept), *(float(value) for value in array[index]))
        for index in np.ndindex(array.shape[:-1])
    ]
    return Values((*(letters[place] for place in kept), *names), tuple(rows))


def _channel_names(tensor: TensorSpec) -> tuple[str, ...]:
    axis = tensor.axis("c")
    return () if axis is None else axis.channel_names


def arranged(array: Array, way: Fit, tensor: TensorSpec) -> tuple[Array, str]:
    """Drop b, merge the model's channels with those looped over, and put the axes in the image's order.

    Parameters
    ----------
    array
        An output or a part of it: the looped axes first, then the output's own.

    Returns
    -------
    A view where that is possible, and its axes.

    Raises
    ------
    AxesError
        When there is no axis left for what the output has.
    """
    letters = tuple(way.looped) + tuple("batch" if letter == "b" else letter for letter in tensor.letters)
    if "batch" in letters:
        array = array.squeeze(letters.index("batch"))
        letters = tuple(letter for letter in letters if letter != "batch")
    if letters.count("c") == 2:
        # Channels that were looped over run slowest: those of the image's first channel come first.
        last = len(way.looped) + letters[len(way.looped) :].index("c")
        array = np.moveaxis(array, last, way.looped.index("c") + 1)
        place = way.looped.index("c")
        array = array.reshape((*array.shape[:place], -1, *array.shape[place + 2 :]))
        letters = letters[:last] + letters[last + 1 :]
    elif "c" in letters and "c" not in way.axes and array.shape[letters.index("c")] == 1:
        array = array.squeeze(letters.index("c"))
        letters = tuple(letter for letter in letters if letter != "c")
    order = way.axes
    if "?" in letters:  # instances, which no axis of an image is for
        free = next((letter for letter in "zt" if letter not in order and letter not in letters), None)
        if free is None:
            raise AxesError(
                f"The output {tensor.id!r} has a further axis, and the image has z and t already.",
                fix="Run the model on one plane at a time.",
            )
        letters = tuple(free if letter == "?" else letter for letter in letters)
    for letter in letters:
        if letter not in order:
            plane = min(order.index("y"), order.index("x"))
            order = order[:plane] + letter + order[plane:]
    order = "".join(letter for letter in order if letter in letters)
    return array.transpose([letters.index(letter) for letter in order]), order


def arranged_place(
    place: Sequence[int], inner: Sequence[slice], shape: Sequence[int], way: Fit, tensor: TensorSpec
) -> tuple[slice, ...]:
    """Tell where in the output image a part of an output lies that `arranged` arranges.

    Parameters
    ----------
    place
        Which element of the looped axes it is of.
    inner
        Where it lies in the output.
    shape
        Shape of the whole output, without the looped axes.
    """
    looped = {letter: slice(index, index + 1) for letter, index in zip(way.looped, place, strict=True)}
    own = {letter: part for letter, part in zip(tensor.letters, inner, strict=True) if letter != "b"}
    if "c" in looped and "c" in own:
        count, index = shape[tensor.letters.index("c")], looped["c"].start
        own["c"] = slice(index * count, (index + 1) * count)
    small = [1 if letter in "tzyx" else size for letter, size in zip(tensor.letters, shape, strict=True)]
    _, axes = arranged(np.zeros([1] * len(looped) + small), way, tensor)
    return tuple((looped | own).get(letter, slice(0, 1)) for letter in axes)
