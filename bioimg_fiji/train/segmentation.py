"""Segmentation of objects from annotated images: a U-Net tells foreground and distance to the border.

The network learns two values for each pixel by the squared error: 1 inside objects, and the distance to the object's
border, as a share of its largest (Ronneberger 2015; Naylor et al. 2019, for nuclei). Middles of objects are then seeds
of a watershed over the foreground, which divides those that touch (`bioimg_fiji.objects`). Each image is normalised by
its own mean and standard deviation: labels have no unit, and exposures may differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.errors import ImageError
from bioimg_fiji.image import Image
from bioimg_fiji.train.catalogue import CATALOGUE
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import TrainingData, prepare, region_of
from bioimg_fiji.train.noise_check import Finding
from bioimg_fiji.train.pairs import HeldOut, PairSource
from bioimg_fiji.train.stored import Block, Sample, TrainingImage, about, samples_of, whole
from bioimg_fiji.trust.objects import shares

Moments = tuple[NDArray[np.float64], NDArray[np.float64]]

CHANNELS = ("foreground", "distance")
SPECK = 0.25
"""Part of a small object's size (of the 5th percentile) below which what is found is taken for a speck."""
FEWEST = 3
"""Objects below which there is nothing to learn from."""


class Segmentation:
    """Objects from label images of the same size as the images, numbered from 1; 0 is background."""

    name = "segmentation"
    paper = CATALOGUE["segmentation"].paper

    def look(self, images: Sequence[Image], config: TrainConfig, targets: Sequence[Image] = ()) -> list[Finding]:
        """Find nothing: any noise suits this method."""
        del images, config, targets
        return []

    def source(
        self, images: Sequence[TrainingImage], config: TrainConfig, targets: Sequence[TrainingImage] = ()
    ) -> SegmentationSource:
        """Prepare the data.

        Raises
        ------
        ImageError
            When an image has no labels of its shape, labels are no whole numbers, or there are fewer than `FEWEST`.
        """
        if len(targets) != len(images):
            raise ImageError(
                f"There are {len(images)} images and {len(targets)} label images; each image needs one.",
                fix="Give as many label images as images, in the same order.",
            )
        labels: list[NDArray[np.int64]] = []
        moments: list[Moments] = []
        for image, target in zip(images, targets, strict=True):
            rows, columns = region_of(image)[0]
            labels += [each[..., rows, columns] for each in _planes(about(image), whole(target), config.dims)]
            everything = (slice(0, about(image).size("y")), slice(0, about(image).size("x")))
            moments += [_moments(sample) for sample in samples_of(image, config.dims, everything)]
        count = sum(len(np.unique(each[each > 0])) for each in labels)
        if count < FEWEST:
            raise ImageError(
                f"There {'is 1 object' if count == 1 else f'are {count} objects'} in the label images"
                f"{_selected(images)}; a training needs at least {FEWEST}.",
                fix="Annotate more objects: all of those in a region, not some of them.",
            )
        data = prepare(images, config)
        areas = np.concatenate([np.unique(each[each > 0], return_counts=True)[1] for each in labels])
        smallest = max(1, round(float(np.percentile(areas, 5)) * SPECK))
        return SegmentationSource(data, labels, moments, smallest, config)


class SegmentationSource(PairSource):
    """Patches of images, each normalised by its image, with foreground and distance."""

    # NB: foreground and distance are no channels of an image; each is told from all channels that there are.
    network: Mapping[str, Any] = {"out_channels": len(CHANNELS), "independent": False}
    per_image = True
    channels: tuple[str, ...] = CHANNELS

    def __init__(
        self,
        data: TrainingData,
        labels: Sequence[NDArray[np.int64]],
        moments: Sequence[Moments],
        smallest: int,
        config: TrainConfig,
    ) -> None:
        pairs = [(index, index) for index in range(len(data.samples))]
        self.objects = {"minimum_size": smallest}
        self._labels, self._moments = labels, moments
        super().__init__(data, [described(each) for each in labels], pairs, ((0.0,), (1.0,)), config)

    def patches(self, first: int, second: int, place: Block) -> list[NDArray[Any]]:
        """Give the normalised input, and foreground and distance."""
        inputs = self.normalised(self.data.samples[first][(slice(None), *place)], first)
        return [inputs, self._targets[second][(slice(None), *place)]]

    def normalised(self, pixels: NDArray[Any], number: int) -> NDArray[np.float32]:
        """Give part of a sample (c, (z,) y, x) as the network sees it: by the moments of its whole image."""
        mean, std = self._moments[number]
        return ((pixels - mean) / std).astype(np.float32)

    def held_out_labels(self, most: int) -> Iterator[HeldOut]:
        """Give normalised inputs around held-out blocks, the labels there, and where the block is in them.

        See `held_out_pairs`; labels have the axes ((z,) y, x).
        """
        for first, _, ends, wide in self.held_out_places(most):
            place = tuple(slice(a, b) for a, b in wide)
            inner = tuple(slice(a - start, b - start) for (a, b), (start, _) in zip(ends, wide, strict=True))
            inputs = self.normalised(self.data.samples[first][(slice(None), *place)], first)
            yield inputs, self._labels[first][place], inner


def _selected(images: Sequence[TrainingImage]) -> str:
    return ", of which only the selection of the image counts" if any(about(image).roi for image in images) else ""


def _moments(sample: Sample) -> Moments:
    """Give mean and standard deviation of each channel, (c, 1, ...), as the package's operation takes them."""
    pixels = sample[(slice(None),) * len(sample.shape)]
    axes = tuple(range(1, pixels.ndim))
    std = pixels.std(axis=axes, dtype=np.float64, keepdims=True)
    return pixels.mean(axis=axes, dtype=np.float64, keepdims=True), np.where(std == 0, 1.0, std)


def described(labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Give what the network learns of a label image (axes ...): float32 (foreground and distance, axes ...).

    The distance is that to the border, as a share of the object's largest (`bioimg_fiji.trust.objects.shares`).
    """
    return np.stack([labels > 0, shares(labels)]).astype(np.float32)


def _planes(image: Image, target: Image, dims: int) -> list[NDArray[np.int64]]:
    """Give the labels of each sample; those of one frame or slice serve all of them."""
    wide = [(image.size(axis), target.size(axis)) for axis in "btz"]
    same = all(image.size(axis) == target.size(axis) for axis in "yx")
    if target.size("c") > 1 or not same or any(other not in (one, 1) for one, other in wide):
        raise _unlike(image, target)
    pixels = target.ordered("btczyx")[:, :, 0]
    if pixels.dtype.kind == "f":
        if not np.array_equal(pixels, np.round(pixels)):
            raise ImageError(
                f"{target.title} has values that are no whole numbers: it is no label image.",
                fix="Give an image whose pixels are the numbers of the objects, 0 for background.",
                field="target",
            )
    elif pixels.dtype.kind not in "ui":
        raise ImageError(f"{target.title} is a mask; objects need numbers.", fix="Label it first (Analyze Particles).")
    if pixels.min(initial=0) < 0:
        raise ImageError(f"{target.title} has labels below 0.", fix="Give 0 to the background.", field="target")
    whole = np.broadcast_to(pixels, [image.size(axis) for axis in "btzyx"]).astype(np.int64)
    return list(whole.reshape(-1, *whole.shape[-dims:]))


def _unlike(image: Image, target: Image) -> ImageError:
    return ImageError(
        f"{target.title} (axes {target.axes}, {target.shape}) does not match {image.title} "
        f"(axes {image.axes}, {image.shape}).",
        fix="Labels and image must have the same pixels.",
        field="target",
    )
