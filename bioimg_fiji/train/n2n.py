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
from bioimg_fiji.train.alignment import compare, middle_plane
from bioimg_fiji.train.catalogue import CATALOGUE
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import MINIMUM_SIDE, no_targets, prepare, region_of
from bioimg_fiji.train.pairs import PairSource
from bioimg_fiji.train.stored import Block, TrainingImage, about, leading_shape

_PAIRS = 16


class Noise2Noise:
    """Noise2Noise on movies (neighbouring frames), or on several images of the same scene."""

    name = "n2n"
    paper = CATALOGUE["n2n"].paper

    def look(
        self, images: Sequence[Image], config: TrainConfig, targets: Sequence[Image] = ()
    ) -> list[noise_check.Finding]:
        """Look for noise that frames share, frames that differ or flash, and images that are no repeats."""
        del config, targets
        found = noise_check.look(images, independent_in=("t",))
        changes = [ratio for ratio in map(_change, images) if ratio > noise_check.CHANGES]
        if changes:
            sentence = (
                "Frames that are two apart differ more than neighbouring ones (variance of the difference "
                f"{max(changes):.2f} times as large): what moves or flashes will be smoothed over neighbouring frames. "
                "For signals that are to be measured frame by frame, method n2v is safer."
            )
            found.append(noise_check.Finding("changing", noise_check.Severity.NOTE, sentence, {"ratio": max(changes)}))
        found += [*noise_check.flashes(images), *unlike(images)]
        return noise_check.advised(found, images, self.name)

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


def _change(image: Image) -> float:
    return noise_check.change(image.ordered("tbczyx"))


def unlike(images: Sequence[Image]) -> list[noise_check.Finding]:
    """Look whether images that are to be repeats show one scene, at one place.

    Parameters
    ----------
    images
        What would be paired: images without frames, each with the next. At most 16 pairs are compared.

    Returns
    -------
    "no_repeats", unsuitable where most pairs show different scenes and a note where some do; or the note "shifted".
    """
    if any(image.size("t") > 1 for image in images):
        return []
    pairs = list(itertools.pairwise(images))
    chosen = sorted({round(place) for place in np.linspace(0, len(pairs) - 1, min(len(pairs), _PAIRS))})
    compared = [compare(middle_plane(one), middle_plane(other)) for one, other in (pairs[n] for n in chosen)]
    known = [each for each in compared if each is not None]
    others = [each for each in known if each.unrelated]
    if others:
        return [_no_repeats(len(others), len(known), min(each.correlation for each in others))]
    shifts = [each.shift for each in known if each.shifted]
    if not shifts:
        return []
    sentence = (
        f"The images seem to be shifted against each other, by up to {max(shifts):.0f} pixels: Noise2Noise would blur "
        "by as much. Register them first, or use method n2v."
    )
    return [noise_check.Finding("shifted", noise_check.Severity.NOTE, sentence, {"pixels": max(shifts)})]


def _no_repeats(count: int, of: int, correlation: float) -> noise_check.Finding:
    sentence = (
        f"Of {of} pair{'' if of == 1 else 's'} of images that were compared, {count} show{'s' if count == 1 else ''} "
        f"different scenes (correlation {correlation:.2f} at the best shift): Noise2Noise needs several exposures of "
        "one scene, and would learn to mix them. Several images of different fields are for n2v."
    )
    most = 2 * count > of
    severity = noise_check.Severity.UNSUITABLE if most else noise_check.Severity.NOTE
    return noise_check.Finding("no_repeats", severity, sentence, {"pairs": float(count), "correlation": correlation})
