"""What a model learns to tell besides its result: how far it may be off, and what images it is for.

After a training with a second head its spread is calibrated: against targets on pixels that were never learnt from, or
without a truth by hidden pixels and the noise. And of every training the features of its images are kept. Both become
attachments of the package. Where something cannot be told, a sentence says so, and the model is there all the same.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.errors import ImageError
from bioimg_fiji.jobs import Job
from bioimg_fiji.metrics.blind import blind_noise
from bioimg_fiji.runtime.trained import ToldNetwork
from bioimg_fiji.train.care import CareSource
from bioimg_fiji.train.method import Source
from bioimg_fiji.train.n2v import Noise2VoidSource
from bioimg_fiji.train.pairs import PairSource
from bioimg_fiji.train.result import TrainedModel
from bioimg_fiji.train.sampling import spread
from bioimg_fiji.train.stored import TrainingImage, about, leading_shape, whole
from bioimg_fiji.trust import conformal, fitness
from bioimg_fiji.trust.conformal import Calibration, calibration_of, pixels_sha256, sample_of
from bioimg_fiji.trust.unseen import BlindSample, blind_sample, calibration_without_truth

_PIXELS = 2**21
"""Pixels of all excerpts together: as many as are run in seconds."""
_IMAGES, _EACH = 64, 8
_LEAST, _MOST, _SLICES = 64, 1024, 32
"""Sides of an excerpt, and its slices."""
_MARGIN, _SIDE = 32, 512
_LEVEL = 0.9

_log = logging.getLogger(__name__)


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


def told(model: TrainedModel, source: Source, images: Sequence[TrainingImage], job: Job) -> Told:
    """Calibrate a model's confidence, where it has learnt one, and keep what its images are like.

    Parameters
    ----------
    model
        The model.
    source
        Its batches' source.
    images
        What it was trained on.
    job
        Is told when something went wrong.
    """
    learning = _Learning(model, source, images)
    job.progress("Keeping what the images are like")
    found = _tried(learning.fit, job)
    if model.head:
        job.progress("Calibrating the confidence")
        found += _tried(learning.confidence, job)
    return found


def _tried(tell: Any, job: Job) -> Told:
    try:
        found: Told = tell()
    except (MemoryError, RuntimeError, ValueError):
        _log.warning("the model cannot tell how far it can be trusted", exc_info=True)
        job.note("The model is trained, but how far it can be trusted could not be measured: the log has the reason.")
        return Told()
    return found


@dataclass(frozen=True)
class _Excerpt:
    """Part of a sample (c, (z,) y, x), and the number of its image."""

    image: int
    pixels: NDArray[Any]


class _Learning:
    """A trained model with the data that it was trained on."""

    def __init__(self, model: TrainedModel, source: Source, images: Sequence[TrainingImage]) -> None:
        self._model, self._source, self._images = model, source, images
        self._network: ToldNetwork = model.told()
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
            return Told(sentences=(f"{error} {error.fix}",))
        figures, sentence = _said(calibration)
        return Told({conformal.FILE: conformal.dumps(calibration)}, figures, (sentence,))

    def _calibration(self) -> Calibration:
        if isinstance(self._source, CareSource):
            return calibration_of("head", self._with_truth(self._source))
        if self._model.out_channels > 1:
            raise ImageError(
                "The confidence of several channels is not calibrated without a truth.",
                fix=f"Give true images to {conformal.COMMAND}, or train a model for each channel.",
            )
        if isinstance(self._source, PairSource):
            return calibration_without_truth("head", self._repeats(self._source))
        assert isinstance(self._source, Noise2VoidSource)
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
        noises = {
            number: blind_noise(np.stack([e.pixels[0] for e in excerpts]))
            for number, excerpts in self._excerpts(groups).items()
        }
        return [
            BlindSample(
                self._name(number),
                self._hash(number),
                target.size,
                target.astype(np.float64),
                output.astype(np.float64),
                doubt.astype(np.float64),
                noises[number],
                0.0,  # the noise of another exposure says nothing of how neighbours are correlated within one
            )
            for number, (output, doubt, target) in self._held_out(source, groups)
        ]

    def _held_out(
        self, source: PairSource, groups: NDArray[np.intp]
    ) -> list[tuple[int, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]]:
        """Give output, spread and target of the held-out pixels, (pixels,), by group of samples."""
        found: dict[int, list[tuple[NDArray[Any], ...]]] = {}
        chosen = source.held_out_chosen(_IMAGES)
        blocks = source.held_out_pairs(_IMAGES, _MARGIN, _SIDE)
        for (first, _), (inputs, target, inner) in zip(chosen, blocks, strict=True):
            telling = self._network.run(inputs)
            assert telling.spread is not None
            arrays = tuple(each[inner].ravel() for each in (telling.output, telling.spread, target))
            found.setdefault(int(groups[first]), []).append(arrays)
        return [
            (number, tuple(np.concatenate(each) for each in zip(*parts, strict=True)))  # type: ignore[misc]
            for number, parts in sorted(found.items())
        ]

    def _hidden(self, source: Noise2VoidSource) -> list[BlindSample]:
        """Hide pixels of each image as the training has, and let the model tell them."""
        excerpts = self._excerpts(self._image_of)
        return [
            blind_sample(
                self._name(number),
                np.stack([each.pixels[source.seen][0] for each in parts]),
                lambda noisy, parts=parts: self._run_hidden(source, parts, noisy),  # type: ignore[misc]
                len(excerpts),
                sha256=self._hash(number),
            )
            for number, parts in excerpts.items()
        ]

    def _run_hidden(
        self, source: Noise2VoidSource, parts: Sequence[_Excerpt], noisy: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Run the model on excerpts that show other values than theirs: of a window in the middle frame only."""
        outputs, doubts = [], []
        for part, plane in zip(parts, noisy, strict=True):
            shown = part.pixels.astype(np.float32)
            shown[source.seen] = plane
            telling = self._network.run(shown)
            assert telling.spread is not None
            outputs.append(telling.output[0])
            doubts.append(telling.spread[0])
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
        """Give the middles of some samples of some images, by number: small enough to be run in seconds."""
        numbers = np.unique(groups)
        numbers = numbers[spread(len(numbers), _IMAGES)]
        chosen = {int(n): np.flatnonzero(groups == n) for n in numbers}
        chosen = {n: places[spread(len(places), _EACH)] for n, places in chosen.items()}
        side = int(math.sqrt(_PIXELS / sum(map(len, chosen.values())) / self._depth))
        side = min(max(side, _LEAST), _MOST)
        return {n: [self._excerpt(n, int(place), side) for place in places] for n, places in chosen.items()}

    @property
    def _depth(self) -> int:
        return min(self._source.data.smallest[0], _SLICES) if self._model.axes == "zyx" else 1

    def _excerpt(self, image: int, sample: int, side: int) -> _Excerpt:
        """Cut the middle; its sizes need not fit the network's grid."""
        shape = self._source.data.samples[sample].shape
        most = (*shape[:1], self._depth, side, side) if len(shape) == 4 else (*shape[:1], side, side)
        starts = [(have - min(have, want)) // 2 for have, want in zip(shape, most, strict=True)]
        place = tuple(slice(start, start + want) for start, want in zip(starts, most, strict=True))
        return _Excerpt(image, self._source.data.samples[sample][place])

    def _name(self, number: int) -> str:
        return about(self._images[number]).title or f"image {number + 1}"

    def _hash(self, number: int) -> str:
        image = self._images[number]
        return pixels_sha256(whole(image).pixels) if image is about(image) else ""


def _said(calibration: Calibration) -> tuple[dict[str, float], str]:
    """Give the figures of a calibration, and say what they mean."""
    count = len(calibration.images)
    of_images = f"{count} image{'' if count == 1 else 's'}"
    if calibration.truth != "images":
        sentence = (
            f"The confidence was calibrated without a truth, by hidden pixels of {of_images} and the noise: its "
            "intervals are modelled."
        )
        return {}, sentence
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
