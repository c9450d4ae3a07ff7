"""CARE: learn from pairs, a poor image and a good one of the same place (Weigert et al., Nature Methods 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bioimg_fiji.errors import ImageError
from bioimg_fiji.image import Image
from bioimg_fiji.train import noise_check
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import TrainingData, prepare, region_of
from bioimg_fiji.train.pairs import PairSource
from bioimg_fiji.train.stored import Block, TrainingImage, about

MOST_ENLARGED = 8
"""Largest factor by which a target may be larger than its image."""
ALIGNED = 2.0
"""Shift between the images of a pair from which a warning is given, pixels."""


class Care:
    """Supervised restoration; the result is in the units of the good images, and in their sampling.

    Where the targets have 2, 3, ... times as many pixels along y, x or z, the model enlarges (super-resolution).
    """

    name = "care"
    paper = "Weigert et al., Content-aware image restoration, Nature Methods 2018, doi:10.1038/s41592-018-0216-7"

    def look(
        self, images: Sequence[Image], config: TrainConfig, targets: Sequence[Image] = ()
    ) -> list[noise_check.Finding]:
        """Look for clipped intensities: any noise suits this method."""
        del config
        found = noise_check.look(images, independent_in=())
        found = [each for each in found if each.code not in ("correlated_noise", "smooth_background")]
        shifts = [shift(image, target) for image, target in zip(images, targets, strict=False)]
        if shifts and max(shifts) >= ALIGNED:
            sentence = (
                f"The images of a pair seem to be shifted by {max(shifts):.0f} pixels against each other: the result "
                "will be shifted and blurred likewise. Register them first."
            )
            found.append(noise_check.Finding("shifted", noise_check.Severity.NOTE, sentence, {"pixels": max(shifts)}))
        return found

    def source(
        self, images: Sequence[TrainingImage], config: TrainConfig, targets: Sequence[TrainingImage] = ()
    ) -> PairSource:
        """Prepare the data.

        Raises
        ------
        ImageError
            When an image has no target, or one whose sizes are no whole multiples.
        """
        if len(targets) != len(images):
            raise ImageError(
                f"There are {len(images)} images and {len(targets)} targets; care needs a target for each image.",
                fix="Give as many targets as images, in the same order.",
                field="target",
            )
        scales = {enlarged(about(i), about(t), config.dims) for i, t in zip(images, targets, strict=True)}
        if len(scales) > 1:
            raise ImageError(
                f"The targets are enlarged by different factors: {', '.join(map(str, sorted(scales)))}.",
                fix="Train on pairs of one factor.",
                field="target",
            )
        (scale,) = scales
        windows = [_enlarged_window(region_of(image)[0], scale) for image in images]
        data, wanted = prepare(images, config), prepare(targets, config, windows)
        pairs = [(index, index) for index in range(len(data.samples))]
        return CareSource(scale, data, wanted, pairs, config)


class CareSource(PairSource):
    """Patches of pairs whose targets are `scale` times as large, per spatial axis."""

    def __init__(
        self,
        scale: tuple[int, ...],
        data: TrainingData,
        wanted: TrainingData,
        pairs: Sequence[tuple[int, int]],
        config: TrainConfig,
    ) -> None:
        self._scale = scale
        network: dict[str, Any] = {"out_channels": wanted.channels}
        self.network: Mapping[str, Any] = network | ({"out_scale": list(scale)} if max(scale) > 1 else {})
        self.quarter_turns = scale[-1] == scale[-2]
        self._wanted = wanted
        super().__init__(data, wanted.samples, pairs, (wanted.mean, wanted.std), config)

    @property
    def enlarged(self) -> tuple[int, ...]:
        """How much larger the target is than the input."""
        return self._scale

    def target_hash(self, data: TrainingData) -> str:
        """Give the targets' hash."""
        del data
        return self._wanted.sha256


def enlarged(image: Image, target: Image, dims: int) -> tuple[int, ...]:
    """Give how many times larger a target is along each spatial axis.

    Raises
    ------
    ImageError
        When it does not match: another number of frames, sizes that are no multiples.
    """
    letters = "zyx"[-dims:]
    fixed = [axis for axis in "btz" if axis not in letters]
    sizes = {axis: (image.size(axis), target.size(axis)) for axis in "btzyx"}
    fits = all(sizes[axis][0] == sizes[axis][1] for axis in fixed)
    fits = fits and all(sizes[axis][1] % sizes[axis][0] == 0 for axis in letters)
    factors = tuple(sizes[axis][1] // sizes[axis][0] for axis in letters)
    if not fits or max(factors) > MOST_ENLARGED:
        raise ImageError(
            f"{target.title} (axes {target.axes}, {target.shape}) does not match {image.title} "
            f"(axes {image.axes}, {image.shape}).",
            fix="The images of a pair must show the same pixels, or the target 2, 3, ... "
            f"{MOST_ENLARGED} times as many along y and x.",
            field="target",
        )
    return factors


def _enlarged_window(window: Block, scale: tuple[int, ...]) -> Block:
    return tuple(slice(part.start * n, part.stop * n) for part, n in zip(window, scale[-2:], strict=True))


def shift(image: Image, target: Image) -> float:
    """Measure how far the middle planes of a pair are shifted against each other, pixels (cross-correlation)."""
    if (image.size("y"), image.size("x")) != (target.size("y"), target.size("x")):
        return 0.0
    planes = [each.ordered("btczyx").reshape(-1, each.size("y"), each.size("x")) for each in (image, target)]
    one, other = (plane[len(plane) // 2].astype(np.float64) for plane in planes)
    spectrum = np.fft.rfft2(one - one.mean()) * np.conj(np.fft.rfft2(other - other.mean()))
    peak = np.fft.irfft2(spectrum, one.shape)
    place = np.array(np.unravel_index(int(np.argmax(peak)), one.shape), float)
    sizes = np.array(one.shape)
    return float(np.hypot(*np.where(place > sizes / 2, place - sizes, place)))
