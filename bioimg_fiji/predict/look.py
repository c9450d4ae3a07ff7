"""A first look whether a model fits an image: its pixel size, values and noise beside the package's own sample.

The bounds are wide on purpose: a warning that is often wrong is read by nobody.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import PackageError
from bioimg_fiji.image import MICROMETRES, Image
from bioimg_fiji.metrics import noise_sigma
from bioimg_fiji.package import ModelPackage, TensorSpec
from bioimg_fiji.package.links import main_input
from bioimg_fiji.package.model import PackageFile

Array = npt.NDArray[Any]

SCALE_RATIO = 2.0
"""Pixel sizes that differ by more than this factor are told."""

VALUES_RATIO = 4.0
"""So are ranges of values, where the model sees them as they are."""

NOISE_RATIO = 4.0
"""So is noise, as a part of the contrast."""

_NORMALISING = ("zero_mean_unit_variance", "scale_range")
_SIDE = 512
_NOISE_SIDE = 128
_ASKED = 1 << 14
"""Pixels from which the range of values is told: a short run has no time for more."""
_LEAST_SIDE = 16
"""Pixels of a side below which noise is not told from structure."""


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
    return [*_pixel_size(image, tensor), *_values(_plane(image.pixels, axes), tensor)]


def _pixel_size(image: Image, tensor: TensorSpec) -> Iterator[str]:
    for letter in "xz":
        axis, scale = tensor.axis(letter), image.scale(letter)
        if axis is None or axis.unit not in MICROMETRES or scale.unit not in MICROMETRES:
            continue
        meant, found = axis.scale * MICROMETRES[axis.unit], scale.step * MICROMETRES[scale.unit]
        if not 1 / SCALE_RATIO <= found / meant <= SCALE_RATIO:
            yield (
                f"The image has {found:.3g} µm per pixel along {letter}, the model was made for {meant:.3g} µm: "
                f"scale the image by {found / meant:.3g} first."
            )


def _values(plane: Array, tensor: TensorSpec) -> Iterator[str]:
    low, high = _range(plane)
    if high <= low:
        yield "The image has no contrast: nearly all of its pixels are equal."
        return
    meant = None if tensor.test_tensor is None else _meant(tensor.test_tensor, tensor.letters)
    if meant is None:
        return
    if not any(op.id in _NORMALISING for op in tensor.ops):
        ratio = (high - low) / (meant.high - meant.low)
        if not 1 / VALUES_RATIO <= ratio <= VALUES_RATIO or low > meant.high or high < meant.low:
            yield (
                f"The image has values from {low:.4g} to {high:.4g}, the model was made for {meant.low:.4g} to "
                f"{meant.high:.4g} and does not normalise them."
            )
    if meant.noise is not None and (noise := _noise(plane)) is not None:
        found = noise / (high - low)
        if found > NOISE_RATIO * max(meant.noise, 0.01):
            yield (
                f"The image is noisier than what the model was made for: noise of {found:.0%} of the contrast, "
                f"instead of {meant.noise:.0%}."
            )


@dataclass(frozen=True)
class _Meant:
    """Values of what a model was made for; the noise as a part of the contrast, None where that cannot be told."""

    low: float
    high: float
    noise: float | None


@functools.lru_cache(maxsize=8)
def _meant(file: PackageFile, axes: str) -> _Meant | None:
    """Measure the middle plane of a test input; None where it is none."""
    try:
        array = file.read_array()
    except PackageError:
        return None
    if array.ndim != len(axes) or not array.size:
        return None
    sample = _plane(array, axes)
    low, high = _range(sample)
    if high <= low:
        return None
    noise = _noise(sample)
    return _Meant(low, high, None if noise is None else noise / (high - low))


def _range(plane: Array) -> tuple[float, float]:
    """Give the values that all but a hundredth of the pixels lie between; of large planes some pixels are asked."""
    step = math.ceil(math.sqrt(plane.size / _ASKED))
    low, high = np.percentile(plane[::step, ::step], (0.5, 99.5))
    return float(low), float(high)


def _noise(plane: Array) -> float | None:
    """Give the noise of the plane's middle; None where it is too small to tell."""
    if min(plane.shape) < _LEAST_SIDE:
        return None
    return noise_sigma(plane[tuple(slice(max(0, (n - _NOISE_SIDE) // 2), (n + _NOISE_SIDE) // 2) for n in plane.shape)])


def _plane(array: Array, axes: str) -> Array:
    """Give the middle plane, at most `_SIDE` pixels a side: its middle."""
    order = [place for place, letter in enumerate(axes) if letter not in "yx"]
    for place in reversed(order):
        array = array.take(array.shape[place] // 2, axis=place)
    cut = tuple(slice(max(0, (n - _SIDE) // 2), max(0, (n - _SIDE) // 2) + _SIDE) for n in array.shape)
    plane = np.asarray(array[cut], np.float64)
    return plane if axes.index("y") < axes.index("x") else plane.T
