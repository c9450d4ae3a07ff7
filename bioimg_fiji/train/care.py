"""CARE: learn from pairs, a poor image and a good one of the same place (Weigert et al., Nature Methods 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bioimg_fiji.errors import ImageError
from bioimg_fiji.image import Image
from bioimg_fiji.train import noise_check
from bioimg_fiji.train.alignment import ALIGNED, CERTAIN, Plane, compare, middle_plane
from bioimg_fiji.train.catalogue import CATALOGUE
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import TrainingData, prepare, region_of
from bioimg_fiji.train.pairs import PairSource
from bioimg_fiji.train.stored import Block, TrainingImage, about

MOST_ENLARGED = 8
"""Largest factor by which a target may be larger than its image."""

_CUT = 1024  # pixels: the side to which stored.excerpt cuts


class Care:
    """Supervised restoration; the result is in the units of the good images, and in their sampling.

    Where the targets have 2, 3, ... times as many pixels along y, x or z, the model enlarges (super-resolution).
    """

    name = "care"
    paper = CATALOGUE["care"].paper

    def look(
        self, images: Sequence[Image], config: TrainConfig, targets: Sequence[Image] = ()
    ) -> list[noise_check.Finding]:
        """Look for clipped intensities: any noise suits this method."""
        del config
        found = noise_check.look(images, independent_in=())
        found = [each for each in found if each.code not in ("correlated_noise", "smooth_background")]
        shifts = [shift(image, target) for image, target in zip(images, targets, strict=False)]
        if max(shifts, default=0.0) > 0:
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
    """Measure how far the middle planes of a pair are shifted against each other.

    Of a large file both images are excerpts, their middles, which do not tell by how much the whole target is larger.
    So every enlargement that the sizes allow is tried, the target binned down; where the pair fits at one of them, it
    is not shifted.

    Parameters
    ----------
    image, target
        A pair, or the middles of a pair.

    Returns
    -------
    Pixels of the image by which they are shifted; 0 where they are aligned, or where the correlation has no peak that
    stands out.
    """
    one, other = middle_plane(image), middle_plane(target)
    found = []
    for factors in _factors(one.shape, other.shape):
        each = compare(*_matched(one, other, factors))
        if each is not None and each.certainty >= CERTAIN:
            if each.shift < ALIGNED:
                return 0.0
            found.append(each)
    best = max(found, key=lambda each: each.certainty, default=None)
    return best.shift if best is not None and best.shifted else 0.0


def _factors(shape: tuple[int, ...], target: tuple[int, ...]) -> list[tuple[int, int]]:
    """Give the enlargements (y, x) that may be, the likeliest first; what reaches `_CUT` may be a part of more."""
    sizes = list(zip(shape, target, strict=True))
    whole = (target[0] // shape[0], target[1] // shape[1])
    found = [whole] if all(n > 0 and n * a == b for n, (a, b) in zip(whole, sizes, strict=True)) else []
    for n in range(1, MOST_ENLARGED + 1):
        fits = all(n * a == b or (b >= _CUT and n * a > b) for a, b in sizes)
        if fits and (n, n) not in found:
            found.append((n, n))
    return found


def _matched(one: Plane, other: Plane, factors: tuple[int, int]) -> tuple[Plane, Plane]:
    """Bin the target down, and cut the middle of the image to what it shows."""
    rows, columns = (size // n for size, n in zip(other.shape, factors, strict=True))
    top, left = (max(0, (size - n) // 2) for size, n in zip(one.shape, (rows, columns), strict=True))
    y, x = factors
    cut = other[: rows * y, : columns * x].astype(np.float64)
    return one[top : top + rows, left : left + columns], cut.reshape(rows, y, columns, x).mean(axis=(1, 3))
