"""What a model learns to tell besides its result: how far it may be off, and what images it is for.

After a training with a second head its spread is calibrated: against targets on pixels that were never learnt from, or
without a truth by hidden pixels and the noise. And of every training the features of its images are kept. Both become
attachments of the package. Where something cannot be told, a sentence says so, and the model is there all the same.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.errors import ImageError
from bioimg_fiji.jobs import Job
from bioimg_fiji.metrics.blind import NoiseModel
from bioimg_fiji.runtime.trained import ToldNetwork
from bioimg_fiji.train.afterwards import tried
from bioimg_fiji.train.care import CareSource
from bioimg_fiji.train.method import Source
from bioimg_fiji.train.pairs import PairSource
from bioimg_fiji.train.result import TrainedModel
from bioimg_fiji.train.sampling import PatchSource, spread
from bioimg_fiji.train.segmentation import SegmentationSource
from bioimg_fiji.train.stored import Block, TrainingImage, about, leading_shape, whole
from bioimg_fiji.trust import conformal, fitness
from bioimg_fiji.trust.conformal import Calibration, calibration_of, pixels_sha256, sample_of
from bioimg_fiji.trust.unseen import (
    METHODS,
    BlindSample,
    Hiding,
    blind_sample,
    calibration_without_truth,
    noise_of,
    piled,
)

_PIXELS = 2**22
"""Pixels of all excerpts together: as many as are run in seconds."""
_IMAGES, _FEWER, _EACH = 64, 16, 8
"""Images that are looked at: fewer of large ones, which are then looked at as a whole; and samples of each."""
_LEAST, _SLICES = 64, 32
"""Least side of an excerpt, and most slices."""
_LEVEL = 0.9
"""Whose coverage is told."""

_FAILED = "The model is trained, but how far it can be trusted could not be measured"


@dataclass(frozen=True)
class Told:
    """Attachments for the package, figures by short names, and sentences about them."""

    attachments: Mapping[str, bytes] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()

    def __add__(self, other: Told) -> Told:
        return Told(
            {**self.attachments, **other.attachments},
            {**self.figures, **other.figures},
            self.sentences + other.sentences,
        )


def told(model: TrainedModel, method: str, source: Source, images: Sequence[TrainingImage], job: Job) -> Told:
    """Calibrate a model's confidence, where it has learnt one, and keep what its images are like.

    Parameters
    ----------
    model
        The model.
    method
        By which it was trained.
    source
        Its batches' source.
    images
        What it was trained on.
    job
        Is told when something went wrong.
    """
    job.progress("Keeping what the images are like")
    found = tried(lambda: _Learning(model, method, source, images).fit(), job, _FAILED) or Told()
    if model.head:
        job.progress("Calibrating the confidence")
        found += tried(lambda: _Learning(model, method, source, images).confidence(), job, _FAILED) or Told()
    return found


@dataclass(frozen=True)
class _Excerpt:
    """Part of a sample (c, (z,) y, x), normalised where a run normalises each image, and the number of its image."""

    image: int
    pixels: NDArray[Any]


class _Learning:
    """A trained model with the data that it was trained on."""

    def __init__(self, model: TrainedModel, method: str, source: Source, images: Sequence[TrainingImage]) -> None:
        self._model, self._method, self._source, self._images = model, method, source, images
        self._network: ToldNetwork = (model.of_normalised() if model.per_image else model).told()
        counts = [math.prod(leading_shape(image, len(model.axes))) for image in images]
        self._image_of = np.repeat(np.arange(len(images)), counts)

    def fit(self) -> Told:
        """Keep the features of the training images."""
        found = fitness.statistics(list(self._seen()), normalised=self._model.per_image)
        return Told({fitness.FILE: json.dumps(found.to_json()).encode()})

    def confidence(self) -> Told:
        """Calibrate the spread of the second head."""
        try:
            calibration = self._calibration()
        except ImageError as error:
            return Told(sentences=(str(error),))
        figures, sentence = _said(calibration, isinstance(self._source, PairSource))
        return Told({conformal.FILE: conformal.dumps(calibration)}, figures, (sentence,))

    def _calibration(self) -> Calibration:
        if isinstance(self._source, CareSource):
            return calibration_of("head", self._with_truth(self._source), truth="held-out pixels")
        if self._model.out_channels > 1:
            raise ImageError(
                "The confidence of several channels is not calibrated without a truth.",
                fix=f"Give true images to {conformal.COMMAND}, or train a model for each channel.",
            )
        if isinstance(self._source, PairSource):
            return calibration_without_truth("head", self._repeats(self._source))
        if self._method not in METHODS or not isinstance(self._source, PatchSource):
            raise ImageError(
                f"The confidence of a model that was trained with {self._method} is not calibrated without a truth: "
                f"only {' and '.join(METHODS)} assume noise that is independent from pixel to pixel.",
                fix=f"Give true images to {conformal.COMMAND}.",
            )
        return calibration_without_truth("head", self._hidden(self._source))

    def _with_truth(self, source: CareSource) -> list[conformal.Sample]:
        """Give errors and spreads on the held-out pixels of each image."""
        return [
            sample_of(self._name(number), output, doubt, target, self._hash(number))
            for number, (output, doubt, target) in self._held_out(source, self._image_of)
        ]

    def _repeats(self, source: PairSource) -> list[BlindSample]:
        """Compare results with other exposures on the held-out pixels: their noise is independent of the results."""
        scene = np.zeros_like(self._image_of) if all(about(image).size("t") == 1 for image in self._images) else None
        groups = self._image_of if scene is None else scene
        return [
            BlindSample(
                name=self._name(number),
                sha256=self._hash(number),
                pixels=target.size,
                measured=target.astype(np.float64),
                told=output.astype(np.float64),
                spread=doubt.astype(np.float64),
                noise=noise,
                neighbours=0.0,  # what neighbours share is seen by differences of exposures, and does no harm
                piled=cut,
            )
            for (number, (output, doubt, target)), (noise, cut) in zip(
                self._held_out(source, groups), self._noises(source, groups), strict=True
            )
        ]

    def _noises(self, source: PairSource, groups: NDArray[np.intp]) -> list[tuple[NoiseModel, str]]:
        """Give the noise of each group by differences of exposures, and what is wrong with its range of values."""
        chosen = source.held_out_chosen(_IMAGES)
        side = self._side(2 * len(chosen))
        found: dict[int, list[tuple[NoiseModel, str]]] = {}
        for pair in chosen:
            number = int(groups[pair[0]])
            parts = [[part.pixels[0] for part in self._parts(number, each, side)] for each in pair]
            both = np.stack([np.stack(each) for each in parts])  # (exposures, parts, ...)
            noise = noise_of(self._name(number), both, movie=True)
            found.setdefault(number, []).append((noise, piled(self._name(number), both, noise)))
        return [
            (NoiseModel(*np.mean([noise for noise, _ in each], axis=0).tolist()), max(cut for _, cut in each))
            for _, each in sorted(found.items())
        ]

    def _held_out(
        self, source: PairSource, groups: NDArray[np.intp]
    ) -> list[tuple[int, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]]:
        """Give output, spread and target of the held-out pixels, (pixels,), by group of samples."""
        found: dict[int, list[tuple[NDArray[Any], ...]]] = {}
        chosen = source.held_out_chosen(_IMAGES)
        blocks = source.held_out_pairs(_IMAGES)
        for (first, _), (inputs, target, inner) in zip(chosen, blocks, strict=True):
            telling = self._network.run(inputs)
            assert telling.spread is not None
            arrays = tuple(each[inner].ravel() for each in (telling.output, telling.spread, target))
            found.setdefault(int(groups[first]), []).append(arrays)
        return [
            (number, tuple(np.concatenate(each) for each in zip(*parts, strict=True)))  # type: ignore[misc]
            for number, parts in sorted(found.items())
        ]

    def _hidden(self, source: PatchSource) -> list[BlindSample]:
        """Hide held-out pixels of each image, and let the model tell them."""
        hidings: dict[int, list[Hiding]] = {}
        for first, _, ends, wide in source.held_out_places(_IMAGES):
            noisy = source.data.samples[first][(slice(None), *(slice(a, b) for a, b in wide))][0]
            inner = tuple(slice(a - start, b - start) for (a, b), (start, _) in zip(ends, wide, strict=True))
            hiding = Hiding(np.asarray(noisy, np.float32), self._run_channel, inner)
            hidings.setdefault(int(self._image_of[first]), []).append(hiding)
        excerpts = self._excerpts(self._image_of)
        return [
            blind_sample(
                self._name(number),
                np.stack([each.pixels[0] for each in excerpts[number]]),
                self._run_channels,
                len(hidings),
                sha256=self._hash(number),
                hidings=parts,
            )
            for number, parts in sorted(hidings.items())
            if number in excerpts
        ]

    def _run_channel(self, noisy: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give output and spread of the only channel of a sample."""
        telling = self._network.run(noisy[np.newaxis])
        assert telling.spread is not None
        return telling.output[0], telling.spread[0]

    def _run_channels(self, noisy: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give outputs and spreads of several samples."""
        outputs, doubts = zip(*map(self._run_channel, noisy), strict=True)
        return np.stack(outputs), np.stack(doubts)

    def _seen(self) -> Iterator[fitness.Seen]:
        """Give what the network sees of the training images."""
        window = self._model.window
        for number, excerpts in self._excerpts(self._image_of).items():
            for excerpt in excerpts:
                telling = self._network.run(excerpt.pixels)
                raw = excerpt.pixels[window : window + 1] if window else excerpt.pixels
                same = self._model.keeps_values and telling.output.shape == raw.shape
                yield fitness.Seen(raw, telling.features, telling.output if same else None, number)

    def _excerpts(self, groups: NDArray[np.intp]) -> dict[int, list[_Excerpt]]:
        """Give some samples of some images, by number: whole ones, or parts of large ones; few enough for seconds."""
        numbers = np.unique(groups)
        largest = max(math.prod(sample.shape[-2:]) for sample in self._source.data.samples) * self._depth
        each = min(_EACH, -(-len(groups) // len(numbers)))
        most = min(max(_PIXELS // (largest * each), _FEWER), _IMAGES)
        numbers = numbers[spread(len(numbers), most)]
        chosen = {int(n): np.flatnonzero(groups == n) for n in numbers}
        chosen = {n: places[spread(len(places), _EACH)] for n, places in chosen.items()}
        side = self._side(sum(map(len, chosen.values())))
        return {
            n: [part for place in places for part in self._parts(n, int(place), side)] for n, places in chosen.items()
        }

    def _side(self, count: int) -> int:
        """Give the side of so many excerpts that are run in seconds together."""
        return max(int(math.sqrt(_PIXELS / count / self._depth)), _LEAST)

    @property
    def _depth(self) -> int:
        return min(self._source.data.smallest[0], _SLICES) if self._model.axes == "zyx" else 1

    def _parts(self, image: int, sample: int, side: int) -> list[_Excerpt]:
        """Give a sample, or of a large one parts that are spread over it, `side` x `side` pixels together."""
        shape = self._source.data.samples[sample].shape
        lines = [[slice(0, shape[0])]]
        if len(shape) == 4:
            lines.append([_middle(shape[1], self._depth)])
        lines += [_spread_out(length, side) for length in shape[-2:]]
        return [self._excerpt(image, sample, place) for place in itertools.product(*lines)]

    def _excerpt(self, image: int, sample: int, place: Block) -> _Excerpt:
        pixels = self._source.data.samples[sample][place]
        if isinstance(self._source, SegmentationSource):
            pixels = self._source.normalised(pixels, sample)
        return _Excerpt(image, pixels)

    def _name(self, number: int) -> str:
        return about(self._images[number]).title or f"image {number + 1}"

    def _hash(self, number: int) -> str:
        image = self._images[number]
        return pixels_sha256(whole(image).pixels) if image is about(image) else ""


def _middle(length: int, most: int) -> slice:
    start = max(length - most, 0) // 2
    return slice(start, start + min(length, most))


def _spread_out(length: int, most: int) -> list[slice]:
    """Give a whole axis, or of one that is longer than `most` the middles of its halves, `_LEAST` long at least."""
    if length <= max(most, 2 * _LEAST):
        return [slice(0, length)]
    half, part = length // 2, max(most // 2, _LEAST)
    first = _middle(half, part)
    return [first, slice(half + first.start, half + first.stop)]


def _said(calibration: Calibration, repeats: bool) -> tuple[dict[str, float], str]:
    """Give the figures of a calibration, and say what they mean."""
    count = len(calibration.images)
    of_images = f"{count} image{'' if count == 1 else 's'}"
    if calibration.truth == "noise model":
        by = "other exposures" if repeats else "hidden pixels"
        return {}, (
            f"The confidence was calibrated without a truth, by {by} of {of_images} and the noise: its intervals are "
            "modelled."
        )
    raw = [image.raw_coverage for image in calibration.images if image.raw_coverage is not None]
    figures = {"raw_coverage": float(np.mean(raw))}
    left_out = calibration.left_out(_LEVEL)
    if not left_out:
        return figures, "The confidence was calibrated on held-out pixels of a single image: give more of them."
    figures["coverage"] = float(np.mean(left_out))
    sentence = (
        f"{100 * _LEVEL:.0f} % intervals hold {figures['coverage']:.2f} of the true values on held-out pixels of "
        f"{of_images}, each left out of the calibration in turn (without calibration {figures['raw_coverage']:.2f})."
    )
    return figures, sentence
