"""A first look whether a model fits an image: its pixel size, values and noise beside the package's own sample.

The bounds are wide on purpose: a warning that is often wrong is read by nobody.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import BioimgError, ImageError, PackageError
from bioimg_fiji.image import MICROMETRES, Image
from bioimg_fiji.metrics import noise_sigma
from bioimg_fiji.package import ModelPackage, TensorSpec
from bioimg_fiji.package.links import main_input
from bioimg_fiji.package.model import PackageFile
from bioimg_fiji.package.read import read_description

Array = npt.NDArray[Any]

SCALE_RATIO = 2.0
"""Pixel sizes that differ by more than this factor are told."""

VALUES_RATIO = 4.0
"""So are ranges of values, where the model sees them as they are."""

NOISE_RATIO = 4.0
"""So is noise, as a part of the contrast."""

_NORMALISING = ("zero_mean_unit_variance", "scale_range")
_KEPT = 32
_described: dict[tuple[Path, str, str], list[PackageFile]] = {}
_SIDE = 512
_NOISE_SIDE = 128
_ASKED = 1 << 14
"""Pixels from which the range of values is told: a short run has no time for more."""
_LEAST_SIDE = 16
"""Pixels of a side below which noise is not told from structure."""


@dataclass(frozen=True)
class Finding:
    """What is unlike: "pixel size", "contrast", "values" or "noise"; how much, in times the bound; a sentence."""

    about: str
    excess: float
    sentence: str


def check_pixels(image: Image) -> None:
    """Refuse an image that no model can be run on, whether it fits or not.

    Raises
    ------
    ImageError
        When it has no pixels, or NaN or infinite values.
    """
    check_not_empty(image)
    check_finite(image.pixels, image.title)


def check_not_empty(image: Image) -> None:
    """Refuse an image without pixels; they are not read. Errors as of `check_pixels`."""
    if image.pixels.size == 0:
        raise ImageError(f"The image has no pixels: its shape is {image.shape}.", fix="Give an image with pixels.")


def check_finite(pixels: Array, title: str) -> None:
    """Refuse NaN and infinite values in some pixels of the image of that title; errors as of `check_pixels`."""
    # NB: minimum and maximum tell NaN and infinity without an array of flags as large as the image.
    if pixels.dtype.kind == "f" and not np.isfinite([pixels.min(), pixels.max()]).all():
        raise ImageError(
            f"{title} has values that are not numbers (NaN) or infinite.", fix="Replace them, by 0 for example."
        )


def misfits(image: Image, axes: str, package: ModelPackage) -> list[str]:
    """Say in sentences what about an image is unlike what the model was made for: those of `findings`."""
    return [finding.sentence for finding in findings(image, axes, package)]


def findings(image: Image, axes: str, package: ModelPackage, *, sampled: bool = True) -> list[Finding]:
    """Find what about an image is unlike what the model was made for.

    Parameters
    ----------
    image
        The image.
    axes
        Its axes, as the run takes them.
    package
        The package, whose test input and sample input stand for what the model was made for: an image is unlike where
        it is unlike both.
    sampled
        Whether they are asked; where more is known of the values, only pixel size and contrast are looked at.

    Returns
    -------
    list of Finding
        At most one each on pixel size (of x and of z), contrast, values and noise; empty where nothing is unlike.
    """
    tensor = main_input(package)
    return [
        *_pixel_size(image, tensor),
        *_values(_plane(image.pixels, axes), tensor, _all_meant(package, tensor) if sampled else ()),
    ]


def _pixel_size(image: Image, tensor: TensorSpec) -> Iterator[Finding]:
    for letter in "xz":
        axis, scale = tensor.axis(letter), image.scale(letter)
        if axis is None or axis.unit not in MICROMETRES or scale.unit not in MICROMETRES:
            continue
        meant, found = axis.scale * MICROMETRES[axis.unit], scale.step * MICROMETRES[scale.unit]
        if not 1 / SCALE_RATIO <= found / meant <= SCALE_RATIO:
            yield Finding(
                "pixel size",
                _times(found / meant, SCALE_RATIO),
                f"The image has {found:.3g} µm per pixel along {letter}, the model was made for {meant:.3g} µm: "
                f"scale the image by {found / meant:.3g} first.",
            )


def _values(plane: Array, tensor: TensorSpec, samples: Sequence[_Meant]) -> Iterator[Finding]:
    low, high = _range(plane)
    if high <= low:
        yield Finding("contrast", math.inf, "The image has no contrast: nearly all of its pixels are equal.")
        return
    if not samples:
        return
    if not any(op.id in _NORMALISING for op in tensor.ops):
        meant = min(samples, key=lambda each: _unlike(low, high, each))
        excess = _unlike(low, high, meant)
        if excess > 1:
            yield Finding(
                "values",
                excess,
                f"The image has values from {low:.4g} to {high:.4g}, the model was made for {meant.low:.4g} to "
                f"{meant.high:.4g} and does not normalise them.",
            )
    noises = [each.noise for each in samples if each.noise is not None]
    if noises and (noise := _noise(plane)) is not None:
        found, most = noise / (high - low), max(noises)
        if found > NOISE_RATIO * max(most, 0.01):
            yield Finding(
                "noise",
                _times(found / max(most, 0.01), NOISE_RATIO),
                f"The image is noisier than what the model was made for: noise of {found:.0%} of the contrast, "
                f"instead of {most:.0%}.",
            )


def _unlike(low: float, high: float, meant: _Meant) -> float:
    """Give how unlike a range of values is, in times the bound."""
    excess = _times((high - low) / (meant.high - meant.low), VALUES_RATIO)
    apart = low > meant.high or high < meant.low
    return max(excess, 1 + max(low - meant.high, meant.low - high) / (meant.high - meant.low)) if apart else excess


def _times(ratio: float, bound: float) -> float:
    """Give by how much a ratio is off, in either direction, in times the bound on a logarithmic scale."""
    return abs(math.log(ratio)) / math.log(bound) if ratio > 0 else math.inf


@dataclass(frozen=True)
class _Meant:
    """Values of what a model was made for; the noise as a part of the contrast, None where that cannot be told."""

    low: float
    high: float
    noise: float | None


def _all_meant(package: ModelPackage, tensor: TensorSpec) -> list[_Meant]:
    """Measure the test input and the sample input, as far as they are there."""
    tests = [] if tensor.test_tensor is None else [tensor.test_tensor]
    found = (_meant(file, tensor.letters) for file in (*tests, *_samples(package, tensor)))
    return [each for each in found if each is not None]


def _samples(package: ModelPackage, tensor: TensorSpec) -> list[PackageFile]:
    """Give the sample input, where the description (0.5) names a .npy file of the package as one."""
    key = (package.root, package.sha256, tensor.id)  # a description takes longer to read than a small image to run
    if key not in _described:
        while len(_described) >= _KEPT:
            _described.pop(next(iter(_described)))
        _described[key] = _read_samples(package, tensor)
    return _described[key]


def _read_samples(package: ModelPackage, tensor: TensorSpec) -> list[PackageFile]:
    try:
        inputs = read_description(package).get("inputs")
        (described,) = (each for each in inputs or () if isinstance(each, Mapping) and each.get("id") == tensor.id)
        source = str(described["sample_tensor"]["source"])
    except (BioimgError, KeyError, TypeError, ValueError):
        return []
    plain = source.endswith(".npy") and ":" not in source and not {"..", ""} & set(source.split("/"))
    return (
        [PackageFile(source, package.root / source, package.sha256)] if plain else []
    )  # the hash tells versions apart


@functools.lru_cache(maxsize=8)
def _meant(file: PackageFile, axes: str) -> _Meant | None:
    """Measure the middle plane of a test or sample input; None where it is none."""
    try:
        array = file.read_array()
    except PackageError:
        return None
    if array.ndim != len(axes) or not array.size or array.dtype.kind not in "biuf":
        return None
    sample = _plane(array, axes)
    low, high = _range(sample)
    if not low < high < math.inf:
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
