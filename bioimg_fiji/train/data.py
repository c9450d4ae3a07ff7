"""From images to training samples: which axes are samples, what is refused, the scale, the held-out region."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.errors import AxesError, ImageError, ImageTooSmallError, ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.randomness import Purpose, generator

MINIMUM_SIDE = 32
"""Smallest y and x size, pixels: below it a patch holds little but its border."""
MINIMUM_DEPTH = 4
"""Smallest z size of a volume, slices."""

Block = tuple[slice, ...]


@dataclass(frozen=True)
class TrainingData:
    """Samples to draw patches from.

    `samples` are views of the images' own pixels, (y, x) or (z, y, x), in raw units; `held_out` has one block per
    sample that is never a target, or None; `mean` and `std` are those of all samples, raw units; `out_mean` and
    `out_std` those of the targets, where they are others.
    """

    samples: tuple[NDArray[Any], ...]
    held_out: tuple[Block | None, ...]
    mean: float
    std: float
    sha256: str
    out_mean: float | None = None
    out_std: float | None = None

    @property
    def smallest(self) -> tuple[int, ...]:
        """Smallest size of any sample along each axis."""
        return tuple(min(sizes) for sizes in zip(*(s.shape for s in self.samples), strict=True))

    def normalised(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Give (pixels - mean) / std."""
        return ((pixels - np.float64(self.mean)) / self.std).astype(np.float32)

    def normalised_target(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Give (pixels - mean) / std, those of the targets."""
        mean, std = self.out_scale
        return ((pixels - np.float64(mean)) / std).astype(np.float32)

    @property
    def out_scale(self) -> tuple[float, float]:
        """Mean and standard deviation of the targets."""
        mean = self.mean if self.out_mean is None else self.out_mean
        return mean, self.std if self.out_std is None else self.out_std


def prepare(images: Sequence[Image], config: TrainConfig) -> TrainingData:
    """Check the images and make training data of them.

    Every channel, frame and (for two dimensions) slice is a sample of its own. One affine scale, from all pixels,
    serves all of them: it belongs to the model, so intensities stay comparable between images.

    Raises
    ------
    AxesError
        When a volume is asked for and there is no z.
    ImageTooSmallError
        When a side is below `MINIMUM_SIDE`, or z below `MINIMUM_DEPTH`.
    ImageError
        For no image, NaN or infinite pixels, and images that are constant.
    """
    if not images:
        raise ImageError("There is no image to train on.", fix="Give at least one.")
    samples = tuple(sample for image in images for sample in _samples(image, config.dims))
    mean, std = _moments(samples)
    if std == 0:
        raise ImageError(f"All pixels have the value {mean:g}: there is nothing to learn.", fix="Choose another image.")
    blocks = tuple(_held_out(sample.shape, config, index) for index, sample in enumerate(samples))
    return TrainingData(samples, blocks, mean, std, _sha256(samples))


def no_targets(targets: Sequence[Image], method: str) -> None:
    """Refuse targets that a method would not use.

    Raises
    ------
    ParameterError
        When there are any.
    """
    if targets:
        raise ParameterError.of("target", f"nothing: {method} learns from the image alone", targets[0].title)


def _samples(image: Image, dims: int) -> list[NDArray[Any]]:
    _refuse_unusable(image, dims)
    array = image.ordered("btczyx")
    tail = array.shape[-dims:]
    return list(array.reshape(-1, *tail))


def _refuse_unusable(image: Image, dims: int) -> None:
    if dims == 3 and image.size("z") == 1:
        raise AxesError(f"{image.title} has axes {image.axes!r} and no depth, but dims is 3.", fix="Train with dims 2.")
    needed = {"y": MINIMUM_SIDE, "x": MINIMUM_SIDE} | ({"z": MINIMUM_DEPTH} if dims == 3 else {})
    for axis, minimum in needed.items():
        if image.size(axis) < minimum:
            raise ImageTooSmallError(
                f"{image.title} has {image.size(axis)} pixels along {axis}; training needs at least {minimum}.",
                fix="Use a larger image, or a larger region of it.",
                axis=axis,
                minimum=minimum,
                got=image.size(axis),
            )
    if image.dtype.kind == "b":
        raise ImageError(f"{image.title} is binary; denoising needs intensities.", fix="Give the raw image.")
    if image.dtype.kind == "f" and not bool(np.isfinite(image.pixels).all()):
        raise ImageError(
            f"{image.title} has NaN or infinite pixels.",
            fix="Replace them first, for example by Process > Noise > Remove NaNs.",
        )


def _moments(samples: Sequence[NDArray[Any]]) -> tuple[float, float]:
    """Give mean and standard deviation over all pixels, from those of the samples."""
    counts = np.array([s.size for s in samples], np.float64)
    means = np.array([s.mean(dtype=np.float64) for s in samples])
    variances = np.array([s.var(dtype=np.float64) for s in samples])
    mean = float((counts * means).sum() / counts.sum())
    return mean, math.sqrt(float((counts * (variances + (means - mean) ** 2)).sum() / counts.sum()))


def _held_out(shape: tuple[int, ...], config: TrainConfig, index: int) -> Block | None:
    """Choose a block in y and x, through all z, of the held-out share of a sample."""
    if config.held_out == 0:
        return None
    rng = generator(config.seed, Purpose.HELD_OUT, index)
    block = [slice(None)] * (len(shape) - 2)
    for size in shape[-2:]:
        side = max(4, round(size * math.sqrt(config.held_out)))
        start = int(rng.integers(0, size - side + 1))
        block.append(slice(start, start + side))
    return tuple(block)


def _sha256(samples: Sequence[NDArray[Any]]) -> str:
    """Hash shapes, types and pixels, as little-endian bytes."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(f"{sample.shape}{sample.dtype.name}".encode())
        digest.update(np.ascontiguousarray(sample, sample.dtype.newbyteorder("<")).data)
    return digest.hexdigest()
