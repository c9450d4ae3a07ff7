"""What models are compared with: nothing at all, a blur, a threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from bioimg_fiji.benchmark.cases import Case, Pair
from bioimg_fiji.benchmark.suite import Suite
from bioimg_fiji.errors import BioimgError, ImageError, ParameterError
from bioimg_fiji.evaluate.kinds import objects_of
from bioimg_fiji.image import Image
from bioimg_fiji.metrics import best_gaussian

MOST = 16
"""Training images, spread over all, of which a baseline learns."""

RAW, GAUSSIAN, ORACLE, OTSU = "raw", "gaussian", "gaussian-oracle", "otsu"

HELP = {
    RAW: "the image as it is",
    GAUSSIAN: "a Gaussian blur, its sigma the median of the best ones for the training images",
    ORACLE: "a Gaussian blur, its sigma chosen for each test image with its truth: no user can do that",
    OTSU: "connected pieces of what is brighter than Otsu's threshold",
}


def suiting(suite: Suite, *, training: bool) -> tuple[str, ...]:
    """Give the baselines for a suite's task; those that learn need images for training."""
    if suite.kind == "labels":
        return (OTSU,)
    return (RAW, *((GAUSSIAN,) if training else ()), ORACLE)


def check(name: str, suite: Suite, *, training: bool) -> None:
    """Refuse a baseline that does not suit (ParameterError)."""
    known = suiting(suite, training=training)
    if name not in known:
        raise ParameterError.of("baselines", f"auto, none or names of {', '.join(known)} for {suite.name}", name)


def learn(name: str, training: Sequence[Case]) -> float:
    """Give what a baseline learns from the training images: the Gaussian's sigma in pixels; else 0.

    Raises
    ------
    ImageError
        When it can learn nothing from one of them; names it.
    """
    if name != GAUSSIAN:
        return 0.0
    spread = training[:: math.ceil(len(training) / MOST)]
    return float(np.median([_sigma_of(case) for case in spread]))


def _sigma_of(case: Case) -> float:
    try:
        return sigma(case.load())
    except (BioimgError, ValueError) as error:
        raise ImageError(
            f"{case.name}: nothing can be learnt from this image for training: {error}",
            fix="Correct it or take it out.",
        ) from error


def sigma(pair: Pair) -> float:
    """Give the sigma, pixels, of the Gaussian that comes nearest to the truth."""
    letters = "btczyx"
    return best_gaussian(pair.truth.ordered(letters), pair.image.ordered(letters))[0]


def apply(name: str, image: Image, width: float) -> Image:
    """Give a baseline's result for an image; `width` is the Gaussian's sigma in pixels."""
    if name == RAW:
        return image
    if name in (GAUSSIAN, ORACLE):
        axes = tuple(image.axes.index(letter) for letter in "yx")
        return image.with_pixels(gaussian_filter(image.pixels.astype(np.float32), width, axes=axes), image.axes)
    return _otsu(image)


def _otsu(image: Image) -> Image:
    from skimage.filters import threshold_otsu

    volumes = image.ordered("btczyx")
    labels = np.zeros(volumes.shape, np.int32)
    for index in np.ndindex(volumes.shape[:3]):
        volume = volumes[index]
        if volume.min() < volume.max():
            mask = volume > threshold_otsu(volume)  # type: ignore[no-untyped-call]
            labels[index] = objects_of(mask[0])[np.newaxis] if len(mask) == 1 else objects_of(mask)
    axes = "".join(letter for letter in "btczyx" if letter in image.axes)
    shape = [image.size(letter) for letter in axes]
    smallest = np.uint16 if labels.max() <= np.iinfo(np.uint16).max else np.uint32
    return image.with_pixels(labels.reshape(shape).astype(smallest), axes)
