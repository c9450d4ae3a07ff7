"""Noise2Noise: learn to denoise from repeated exposures of the same scene (Lehtinen et al., ICML 2018).

One noisy image has to become another noisy image of the same scene. The noise of the second cannot be told from the
first, so with the squared error the answer tends to the expected value, whatever the noise is like in space. Movies
whose neighbouring frames show nearly the same serve as repeats; what moves or flashes from frame to frame is averaged.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from bioimg_fiji.errors import ImageError
from bioimg_fiji.image import Image
from bioimg_fiji.train import noise_check
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import MINIMUM_SIDE, no_targets, prepare, region_of
from bioimg_fiji.train.pairs import PairSource
from bioimg_fiji.train.stored import Block, TrainingImage, about, leading_shape

CHANGES = 1.3
"""Ratio of the differences' variance at two frames' distance and at one from which frames are no repeats."""


class Noise2Noise:
    """Noise2Noise on movies (neighbouring frames), or on several images of the same scene."""

    name = "n2n"
    paper = "Lehtinen et al., Noise2Noise, ICML 2018, doi:10.48550/arXiv.1803.04189"

    def look(
        self, images: Sequence[Image], config: TrainConfig, targets: Sequence[Image] = ()
    ) -> list[noise_check.Finding]:
        """Look for noise that neighbouring frames share, frames that differ by more, and clipped intensities."""
        del config, targets
        found = noise_check.look(images, independent_in=("t",))
        changes = [ratio for ratio in map(_change, images) if ratio is not None and ratio > CHANGES]
        if changes:
            sentence = (
                "Frames that are two apart differ more than neighbouring ones (variance of the difference "
                f"{max(changes):.2f} times as large): what moves or flashes will be smoothed over neighbouring frames. "
                "For signals that are to be measured frame by frame, method n2v is safer."
            )
            found.append(noise_check.Finding("changing", noise_check.Severity.NOTE, sentence, {"ratio": max(changes)}))
        return found

    def source(
        self, images: Sequence[TrainingImage], config: TrainConfig, targets: Sequence[TrainingImage] = ()
    ) -> PairSource:
        """Prepare the data.

        Raises
        ------
        ImageError
            When there are no two frames, nor two images of one shape.
        """
        no_targets(targets, self.name)
        pairs = _pairs(images, config)
        one_scene = all(about(image).size("t") == 1 for image in images)
        data = prepare(images, config, _common(images) if one_scene else (), one_scene=one_scene)
        return PairSource(data, data.samples, pairs, None, config)


def _common(images: Sequence[TrainingImage]) -> list[Block]:
    """Give the part of y and x that is selected in all exposures of a scene, once for each."""
    windows = [region_of(image)[0] for image in images]
    common = tuple(
        slice(max(p.start for p in parts), min(p.stop for p in parts)) for parts in zip(*windows, strict=True)
    )
    if any(part.stop - part.start < MINIMUM_SIDE for part in common):
        raise ImageError(
            f"The selections of the exposures have less than {MINIMUM_SIDE} pixels in common.",
            fix="Select the same region in all of them, or nothing.",
        )
    return [common] * len(images)


def _pairs(images: Sequence[TrainingImage], config: TrainConfig) -> list[tuple[int, int]]:
    """Pair neighbouring frames; without frames, each image with the next. Both ways."""
    first, found, numbers = 0, [], []
    for image in images:
        shape = leading_shape(image, config.dims)
        index = np.arange(math.prod(shape)).reshape(shape) + first
        first += index.size
        numbers.append(index)
        found += list(zip(index[:, :-1].ravel().tolist(), index[:, 1:].ravel().tolist(), strict=True))
    if not found:
        shapes = {about(image).shape for image in images}
        if len(images) < 2 or len(shapes) > 1:
            raise ImageError(
                "Noise2Noise needs two exposures of the same scene: a movie, or several images of one shape.",
                fix="Give a movie (say axes=tyx if ImageJ takes it for a stack), or use method n2v.",
                got=[list(about(image).shape) for image in images],
            )
        for one, other in itertools.pairwise(numbers):
            found += list(zip(one.ravel().tolist(), other.ravel().tolist(), strict=True))
    return [*found, *((b, a) for a, b in found)]


def _change(image: Image) -> float | None:
    """Compare frames that are two apart with neighbouring ones; None for fewer than three frames."""
    frames = image.ordered("tbczyx")
    if len(frames) < 3:
        return None
    chosen = np.unique(np.linspace(0, len(frames) - 3, min(len(frames) - 2, 64)).round().astype(int))
    near = [np.var(frames[t + 1].astype(np.float64) - frames[t]) for t in chosen]
    far = [np.var(frames[t + 2].astype(np.float64) - frames[t]) for t in chosen]
    return float(np.mean(far) / np.mean(near)) if np.mean(near) > 0 else None
