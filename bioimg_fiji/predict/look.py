"""A first look whether a model fits an image: its pixel size, values and noise beside the package's own sample.

The bounds are wide on purpose: a warning that is often wrong is read by nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import PackageError
from bioimg_fiji.image import Image
from bioimg_fiji.metrics import noise_sigma
from bioimg_fiji.package import ModelPackage, TensorSpec
from bioimg_fiji.package.links import main_input

Array = npt.NDArray[Any]

SCALE_RATIO = 2.0
"""Pixel sizes that differ by more than this factor are told."""

VALUES_RATIO = 4.0
"""So are ranges of values, where the model sees them as they are."""

NOISE_RATIO = 4.0
"""So is noise, as a part of the contrast."""

_MICROMETRES = {"nm": 1e-3, "nanometer": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0}
_MICROMETRES |= {"micrometer": 1.0, "micrometre": 1.0, "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "m": 1e6, "meter": 1e6}
_NORMALISING = ("zero_mean_unit_variance", "scale_range")
_SIDE = 512


def misfits(image: Image, axes: str, package: ModelPackage) -> list[str]:
    """Say in sentences what about an image is unlike what the model was made for.

    Parameters
    ----------
    image
        The image.
    axes
        Its axes, as the run takes them.
    package
        The package, whose test input stands for what the model was made for.

    Returns
    -------
    list of str
        At most a sentence each on pixel size, contrast, values and noise; empty where nothing is unlike.
    """
    tensor = main_input(package)
    return [*_pixel_size(image, tensor), *_values(_plane(image.pixels, axes), _sample(tensor), tensor)]


def _pixel_size(image: Image, tensor: TensorSpec) -> Iterator[str]:
    for letter in "xz":
        axis, scale = tensor.axis(letter), image.scale(letter)
        if axis is None or axis.unit not in _MICROMETRES or scale.unit not in _MICROMETRES:
            continue
        meant, found = axis.scale * _MICROMETRES[axis.unit], scale.step * _MICROMETRES[scale.unit]
        if not 1 / SCALE_RATIO <= found / meant <= SCALE_RATIO:
            yield (
                f"The image has {found:.3g} µm per pixel along {letter}, the model was made for {meant:.3g} µm: "
                f"scale the image by {found / meant:.3g} first."
            )


def _values(plane: Array, sample: Array | None, tensor: TensorSpec) -> Iterator[str]:
    low, high = np.percentile(plane, (0.5, 99.5))
    if high <= low:
        yield "The image has no contrast: nearly all of its pixels are equal."
        return
    if sample is None:
        return
    meant_low, meant_high = np.percentile(sample, (0.5, 99.5))
    if meant_high <= meant_low:
        return
    if not any(op.id in _NORMALISING for op in tensor.ops):
        ratio = (high - low) / (meant_high - meant_low)
        if not 1 / VALUES_RATIO <= ratio <= VALUES_RATIO or low > meant_high or high < meant_low:
            yield (
                f"The image has values from {low:.4g} to {high:.4g}, the model was made for {meant_low:.4g} to "
                f"{meant_high:.4g} and does not normalise them."
            )
    if min(plane.shape) >= 16 and min(sample.shape) >= 16:
        found, meant = noise_sigma(plane) / (high - low), noise_sigma(sample) / (meant_high - meant_low)
        if found > NOISE_RATIO * max(meant, 0.01):
            yield (
                f"The image is noisier than what the model was made for: noise of {found:.0%} of the contrast, "
                f"instead of {meant:.0%}."
            )


def _sample(tensor: TensorSpec) -> Array | None:
    """Give the middle plane of the test input."""
    if tensor.test_tensor is None:
        return None
    try:
        array = tensor.test_tensor.read_array()
    except PackageError:
        return None
    return _plane(array, tensor.letters) if array.ndim == len(tensor.axes) and array.size else None


def _plane(array: Array, axes: str) -> Array:
    """Give the middle plane, at most `_SIDE` pixels a side: its middle."""
    order = [place for place, letter in enumerate(axes) if letter not in "yx"]
    for place in reversed(order):
        array = array.take(array.shape[place] // 2, axis=place)
    cut = tuple(slice(max(0, (n - _SIDE) // 2), max(0, (n - _SIDE) // 2) + _SIDE) for n in array.shape)
    plane = np.asarray(array[cut], np.float64)
    return plane if axes.index("y") < axes.index("x") else plane.T
