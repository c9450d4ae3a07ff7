"""From images to training samples: which axes are samples, what is refused, the scale, the held-out region."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.drawn import selected
from bioimg_fiji.errors import AxesError, ImageError, ImageTooSmallError, ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.randomness import Purpose, generator
from bioimg_fiji.train.stored import (
    Block,
    Sample,
    StoredSample,
    TrainingImage,
    about,
    blocks_of,
    excerpt,
    samples_of,
)

MINIMUM_SIDE = 32
"""Smallest y and x size, pixels: below it a patch holds little but its border."""
MINIMUM_DEPTH = 4
"""Smallest z size of a volume, slices."""

_BLOCK = 512
_DRAWS = 64
_MEASURED_BLOCKS = 256
"""Blocks of samples in files that are read for the scale and the hash; smaller files are read whole."""


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """Samples to draw patches from.

    `samples` are (c, (z,) y, x), in raw units: views of the images' own pixels, or parts of a file that are read when
    they are asked for. `held_out` has one block ((z,) y, x) per sample that is never a target, or None; `regions` a
    mask (y, x) of what is to be learnt from, or None for everything. `mean` and `std` are those of all samples, raw
    units, one for each channel, or one for all; `names` are those of the channels; `out_mean` and `out_std` belong to
    the targets, where they are others.
    """

    samples: tuple[Sample, ...]
    held_out: tuple[Block | None, ...]
    regions: tuple[NDArray[np.bool_] | None, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str
    names: tuple[str, ...] = ("intensity",)
    out_mean: tuple[float, ...] | None = None
    out_std: tuple[float, ...] | None = None

    @property
    def channels(self) -> int:
        """Channels of each sample."""
        return self.samples[0].shape[0]

    @property
    def smallest(self) -> tuple[int, ...]:
        """Smallest size of any sample along each spatial axis."""
        return tuple(min(sizes) for sizes in zip(*(s.shape[1:] for s in self.samples), strict=True))

    def normalised(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Give (pixels - mean) / std of (..., c, (z,) y, x)."""
        return _scaled(pixels, self.mean, self.std, len(self.smallest))

    def normalised_target(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Give (pixels - mean) / std, those of the targets."""
        return _scaled(pixels, *self.out_scale, len(self.smallest))

    @property
    def out_scale(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Means and standard deviations of the targets."""
        return self.out_mean or self.mean, self.out_std or self.std


def _scaled(pixels: NDArray[Any], mean: Sequence[float], std: Sequence[float], dims: int) -> NDArray[np.float32]:
    shape = (-1,) + (1,) * dims
    centre, spread = np.reshape(np.asarray(mean, np.float64), shape), np.reshape(np.asarray(std, np.float64), shape)
    return ((pixels - centre) / spread).astype(np.float32)


def prepare(
    images: Sequence[TrainingImage], config: TrainConfig, windows: Sequence[Block] = (), *, one_scene: bool = False
) -> TrainingData:
    """Check the images and make training data of them.

    Every frame and (for two dimensions) slice is a sample of its own, with all its channels. A selection limits what
    is learnt from. One affine scale for each channel, from all pixels, serves all images: it belongs to the model, so
    intensities stay comparable between images.

    Parameters
    ----------
    images
        In memory or in files.
    config
        Parameters.
    windows
        Part of y and x to be used of each image instead of its selection.
    one_scene
        Whether all images show the same, so that what is held out of one is held out of all. It is for the samples
        of one image in any case: neighbouring slices and frames show nearly the same.

    Raises
    ------
    AxesError
        When a volume is asked for and there is no z, or images differ in their channels.
    ImageTooSmallError
        When a side is below `MINIMUM_SIDE`, or z below `MINIMUM_DEPTH`.
    ImageError
        For no image, NaN or infinite pixels, and images that are constant.
    """
    if not images:
        raise ImageError("There is no image to train on.", fix="Give at least one.")
    _refuse_mixed(images)
    samples: list[Sample] = []
    regions: list[NDArray[np.bool_] | None] = []
    blocks: list[Block | None] = []
    for number, image in enumerate(images):
        window, mask = (windows[number], None) if windows else region_of(image)
        _refuse_unusable(image, config.dims, window)
        found = samples_of(image, config.dims, window)
        samples += found
        regions += [mask] * len(found)
        blocks += [_held_out(found[0].shape[1:], config, 0 if one_scene else number, mask)] * len(found)
    mean, std, digest = _measure(samples, config)
    digest = _with_regions(digest, regions)
    return TrainingData(
        tuple(samples), tuple(blocks), tuple(regions), mean, std, digest, channel_names(about(images[0]))
    )


def region_of(image: TrainingImage) -> tuple[Block, NDArray[np.bool_] | None]:
    """Give the part of y and x that is selected, and the mask within it where it is no rectangle."""
    one = about(image)
    mask = selected(one) if one.roi else None
    if mask is None:
        return (slice(0, one.size("y")), slice(0, one.size("x"))), None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    inner = mask[window]
    return window, None if inner.all() else inner


def channel_names(image: Image) -> tuple[str, ...]:
    """Give a name for each channel of an image, all different."""
    count = image.size("c")
    if count == 1:
        return ("intensity",)
    if image.rgb:
        return ("red", "green", "blue")
    named = [channel.name for channel in image.channels]
    if len(named) == count == len(set(named)) and all(named):
        return tuple(named)
    return tuple(f"channel {number}" for number in range(1, count + 1))


def looked_at(image: TrainingImage) -> Image:
    """Give what of an image is to be looked at: its selection, or a part of one in a file."""
    return _cut(image, region_of(image)[0]) if isinstance(image, Image) else excerpt(image)


def target_looked_at(target: TrainingImage, image: TrainingImage) -> Image:
    """Give what of a target belongs to `looked_at(image)`."""
    one = about(image)
    factors = [about(target).size(axis) // one.size(axis) for axis in "yx"]
    if not isinstance(target, Image) or not isinstance(image, Image) or min(factors) < 1:
        return excerpt(target)
    window = zip(region_of(image)[0], factors, strict=True)
    return _cut(target, tuple(slice(part.start * n, part.stop * n) for part, n in window))


def _cut(image: Image, window: Block) -> Image:
    rows, columns = window
    if (image.size("y"), image.size("x")) == (rows.stop, columns.stop) and not (rows.start or columns.start):
        return image
    place = tuple({"y": rows, "x": columns}.get(axis, slice(None)) for axis in image.axes)
    return dataclasses.replace(image.with_pixels(image.pixels[place]), roi=b"", overlay=())


def no_targets(targets: Sequence[TrainingImage], method: str) -> None:
    """Refuse targets that a method would not use.

    Raises
    ------
    ParameterError
        When there are any.
    """
    if targets:
        raise ParameterError.of("target", f"nothing: {method} learns from the image alone", about(targets[0]).title)


def _refuse_mixed(images: Sequence[TrainingImage]) -> None:
    first, *others = (about(image) for image in images)
    for other in others:
        if other.size("c") != first.size("c"):
            raise AxesError(
                f"{first.title} has {first.size('c')} channels and {other.title} has {other.size('c')}.",
                fix="Train on images of the same channels, or duplicate the ones to be used.",
                axis="c",
            )


def _refuse_unusable(image: TrainingImage, dims: int, window: Block) -> None:
    one = about(image)
    if dims == 3 and one.size("z") == 1:
        raise AxesError(f"{one.title} has axes {one.axes!r} and no depth, but dims is 3.", fix="Train with dims 2.")
    sizes = {"y": window[0].stop - window[0].start, "x": window[1].stop - window[1].start, "z": one.size("z")}
    needed = {"y": MINIMUM_SIDE, "x": MINIMUM_SIDE} | ({"z": MINIMUM_DEPTH} if dims == 3 else {})
    for axis, minimum in needed.items():
        if sizes[axis] < minimum:
            selected_only = axis in "yx" and sizes[axis] < one.size(axis)
            raise ImageTooSmallError(
                f"{'The selection of ' if selected_only else ''}{one.title} has {sizes[axis]} pixels along {axis}; "
                f"training needs at least {minimum}.",
                fix="Select a larger region, or nothing." if selected_only else "Use a larger image.",
                axis=axis,
                minimum=minimum,
                got=sizes[axis],
            )
    if one.dtype.kind == "b":
        raise ImageError(f"{one.title} is binary; a training needs intensities.", fix="Give the raw image.")
    if isinstance(image, Image) and one.dtype.kind == "f":
        rows, columns = window
        if not bool(np.isfinite(one.ordered("btczyx")[..., rows, columns]).all()):
            raise _not_finite(one.title)


def _not_finite(title: str) -> ImageError:
    return ImageError(
        f"{title} has NaN or infinite pixels.",
        fix="Replace them first, for example by Process > Noise > Remove NaNs.",
    )


def _measure(samples: Sequence[Sample], config: TrainConfig) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """Give each channel's mean and standard deviation, and a hash of shapes, types and pixels (little-endian bytes).

    Of samples in files as many blocks are read as `_MEASURED_BLOCKS`, spread evenly and drawn from the seed alone.
    """
    digest = hashlib.sha256()
    counts, sums, squares = 0, np.zeros(samples[0].shape[0]), np.zeros(samples[0].shape[0])
    shift = None
    for sample, place in _looked_at(samples, config):
        part = sample[place]
        if isinstance(sample, StoredSample) and part.dtype.kind == "f" and not bool(np.isfinite(part).all()):
            raise _not_finite(sample.source.image.title)
        digest.update(f"{sample.shape}{place}{part.dtype.name}".encode())
        digest.update(np.ascontiguousarray(part, part.dtype.newbyteorder("<")).data)
        flat = part.reshape(part.shape[0], -1).astype(np.float64)
        # Sums about a first mean lose no digits where the offset is large.
        shift = flat.mean(axis=1) if shift is None else shift
        counts += flat.shape[1]
        sums += (flat - shift[:, None]).sum(axis=1)
        squares += ((flat - shift[:, None]) ** 2).sum(axis=1)
    assert shift is not None
    mean = shift + sums / counts
    std = np.sqrt(np.maximum(squares / counts - (sums / counts) ** 2, 0))
    for number in np.flatnonzero(std == 0):
        what = f"of channel {number + 1} " if len(std) > 1 else ""
        raise ImageError(
            f"All pixels {what}have the value {mean[number]:g}: there is nothing to learn.", fix="Choose another image."
        )
    return tuple(map(float, mean)), tuple(map(float, std)), digest.hexdigest()


def _looked_at(samples: Sequence[Sample], config: TrainConfig) -> list[tuple[Sample, Block]]:
    """Give whole samples of images in memory, and chosen blocks of those in files."""
    here: list[tuple[Sample, Block]] = [
        (s, (slice(None),) * len(s.shape)) for s in samples if not isinstance(s, StoredSample)
    ]
    stored = [(s, place) for s in samples if isinstance(s, StoredSample) for place in blocks_of(s.shape, _BLOCK)]
    if len(stored) > _MEASURED_BLOCKS:
        rng = generator(config.seed, Purpose.MEASURE)
        stored = [stored[n] for n in np.sort(rng.choice(len(stored), _MEASURED_BLOCKS, replace=False))]
    return here + stored


def _with_regions(digest: str, regions: Sequence[NDArray[np.bool_] | None]) -> str:
    """Hash the masks too: another selection with the same bounds is another data set."""
    masks = [mask for mask in regions if mask is not None]
    if not masks:
        return digest
    told = hashlib.sha256(digest.encode())
    for mask in masks:
        told.update(np.packbits(mask).data)
    return told.hexdigest()


def _held_out(shape: tuple[int, ...], config: TrainConfig, index: int, mask: NDArray[np.bool_] | None) -> Block | None:
    """Choose a block in y and x, through all z, of the held-out share of a sample.

    Of several draws the one that has most of the region is taken.
    """
    if config.held_out == 0:
        return None
    rng = generator(config.seed, Purpose.HELD_OUT, index)
    sides = [max(4, round(size * math.sqrt(config.held_out))) for size in shape[-2:]]
    draws = []
    for _ in range(1 if mask is None else _DRAWS):
        starts = [int(rng.integers(0, size - side + 1)) for size, side in zip(shape[-2:], sides, strict=True)]
        draws.append(tuple(slice(start, start + side) for start, side in zip(starts, sides, strict=True)))
    best = draws[0] if mask is None else max(draws, key=lambda draw: int(mask[draw].sum()))
    return (*(slice(None) for _ in shape[:-2]), *best)
