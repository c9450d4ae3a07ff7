"""CARE: learn from pairs, a poor image and a good one of the same place (Weigert et al., Nature Methods 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bioimg_fiji.errors import ImageError
from bioimg_fiji.image import Image
from bioimg_fiji.train import noise_check
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import prepare
from bioimg_fiji.train.pairs import PairSource

ALIGNED = 2.0
"""Shift between the images of a pair from which a warning is given, pixels."""


class Care:
    """Supervised restoration; the result is in the units of the good images."""

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

    def source(self, images: Sequence[Image], config: TrainConfig, targets: Sequence[Image] = ()) -> PairSource:
        """Prepare the data.

        Raises
        ------
        ImageError
            When an image has no target, or one of another shape.
        """
        if len(targets) != len(images):
            raise ImageError(
                f"There are {len(images)} images and {len(targets)} targets; care needs a target for each image.",
                fix="Give as many targets as images, in the same order.",
            )
        for image, target in zip(images, targets, strict=True):
            sizes = [(image.size(axis), target.size(axis)) for axis in "btczyx"]
            if any(one != other for one, other in sizes):
                raise ImageError(
                    f"{target.title} (axes {target.axes}, {target.shape}) does not match {image.title} "
                    f"(axes {image.axes}, {image.shape}).",
                    fix="The images of a pair must show the same pixels.",
                    field="target",
                )
        data, wanted = prepare(images, config), prepare(targets, config)
        pairs = [(index, index) for index in range(len(data.samples))]
        return PairSource(data, wanted.samples, pairs, (wanted.mean, wanted.std), config)


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
