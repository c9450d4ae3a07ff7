"""How good a model is on the data that it was trained on: against targets on held-out pixels, else without a truth."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji import metrics
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.objects import ObjectRule, label
from bioimg_fiji.train.care import CareSource
from bioimg_fiji.train.data import looked_at
from bioimg_fiji.train.judge import Judgement, judge
from bioimg_fiji.train.method import Source
from bioimg_fiji.train.result import TrainedModel
from bioimg_fiji.train.segmentation import SegmentationSource
from bioimg_fiji.train.stored import TrainingImage

_PIXELS = 2**22
"""Pixels of an excerpt: as many as are denoised in seconds."""
_SIDE = 512
"""Longest side of what goes through the network at once, pixels."""
_FRAMES, _SLICES = 128, 32
_HELD_OUT = 8
_FAIR, _GOOD = 0.5, 0.75

_log = logging.getLogger(__name__)


def judged(model: TrainedModel, source: Source, images: Sequence[TrainingImage], job: Job) -> Judgement:
    """Judge a model; where that fails, the model is there all the same, and a note says so.

    Restoration is compared with the targets on held-out pixels (PSNR, bias, slope), segmentation with the labels there
    (AP50); denoising is judged without a truth, on an excerpt of the first image or of its selection.

    Parameters
    ----------
    model
        The model.
    source
        Its batches' source.
    images
        What it was trained on.
    job
        Is told when there is no judgement.
    """
    try:
        if isinstance(source, SegmentationSource):
            return _against_labels(model, source)
        if isinstance(source, CareSource):
            return _against_targets(model, source)
        image = _small(looked_at(images[0]))
        return judge(image, denoised(model, image))
    except (MemoryError, RuntimeError, ValueError):
        _log.warning("the result could not be judged", exc_info=True)
        job.note("The model is trained, but it could not be judged: the log has the reason.")
        return Judgement()


def denoised(model: TrainedModel, image: Image) -> Image:
    """Run a model on an image in memory: plane by plane, or volume by volume, or movie by movie."""
    inner = ("t" if model.window else "c" if model.in_channels > 1 else "") + model.axes
    letters = "".join(letter for letter in "btczyx" if letter not in inner) + inner
    array = image.ordered(letters)
    flat = array.reshape(-1, *array.shape[len(letters) - len(inner) :])
    result = np.stack([model.denoise(each) for each in flat]).reshape(array.shape)
    kept = [letters.index(axis) for axis in image.axes]
    dropped = [place for place, axis in enumerate(letters) if axis not in image.axes]
    moved = result.transpose([*dropped, *kept]).reshape([image.size(axis) for axis in image.axes])
    return image.with_pixels(np.ascontiguousarray(moved))


def _small(image: Image) -> Image:
    """Give the middle of an image, small enough to be denoised in seconds; of movies many frames of a smaller part."""
    most = {axis: _FRAMES if axis == "t" else _SLICES for axis in image.axes if axis not in "cyx"}
    many = {axis: min(image.size(axis), count) for axis, count in most.items()}
    planes = math.prod(many.values()) * image.size("c")
    side = min(_SIDE, max(64, int(math.sqrt(_PIXELS / planes))))
    place = []
    for axis in image.axes:
        size = image.size(axis)
        count = min(size, many.get(axis, size if axis == "c" else side))
        place.append(slice((size - count) // 2, (size - count) // 2 + count))
    return image.with_pixels(image.pixels[tuple(place)])


def _against_targets(model: TrainedModel, source: CareSource) -> Judgement:
    """Compare with the targets on the held-out blocks of up to eight samples."""
    results, wanted = [], []
    for inputs, target, inner in source.held_out_pairs(_HELD_OUT):
        results.append(model.outputs(inputs)[inner])
        wanted.append(target[inner])
    if not wanted:
        return Judgement()
    truth, result = (np.concatenate([each.ravel() for each in group]).astype(np.float64) for group in (wanted, results))
    figures = {"validation_psnr": metrics.psnr(truth, result)} if np.ptp(truth) > 0 else {}
    signal = float(truth.mean() - truth.min())
    if signal > 0:
        figures["mean_bias"] = float(result.mean() - truth.mean()) / signal
    figures |= _slope(wanted, results)
    return Judgement(figures, _sentences(figures))


def _slope(wanted: Sequence[NDArray[Any]], results: Sequence[NDArray[Any]], side: int = 8) -> dict[str, float]:
    """Give the slope of block means over the targets' block means, of all held-out blocks together."""
    means: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    for pair in zip(wanted, results, strict=True):
        rows, columns = (size // side for size in pair[0].shape[-2:])
        if rows and columns:
            for found, each in zip(means, pair, strict=True):
                cut = each[..., : rows * side, : columns * side].astype(np.float64)
                found.append(cut.reshape(-1, rows, side, columns, side).mean(axis=(2, 4)).ravel())
    if not means[0]:
        return {}
    truth, result = (np.concatenate(each) for each in means)
    return {"roi_slope": metrics.intensity_slope(truth, result)} if np.ptp(truth) > 0 else {}


def _sentences(figures: dict[str, float]) -> tuple[str, ...]:
    parts = []
    if "validation_psnr" in figures:
        parts.append(f"On held-out pixels the result is {figures['validation_psnr']:.1f} dB from the targets.")
    if "roi_slope" in figures and not 0.9 <= figures["roi_slope"] <= 1.1:
        parts.append(
            f"Intensities of regions follow the targets' with a slope of {figures['roi_slope']:.2f}: do not measure "
            "them in the result. More pairs or more steps bring it nearer to 1."
        )
    return tuple(parts)


def _against_labels(model: TrainedModel, source: SegmentationSource) -> Judgement:
    """Compare with the labels around the held-out blocks of up to eight samples."""
    rule = ObjectRule(minimum_size=int(model.objects.get("minimum_size", 0)))
    # The inputs are normalised by their whole images, as they are when the package runs.
    plain = dataclasses.replace(model, per_image=False, mean=(0.0,), std=(1.0,))
    matchings = []
    for inputs, labels, inner in source.held_out_labels(_HELD_OUT):
        found = label(Image(plain.outputs(inputs), f"c{model.axes}"), model.channels, model.axes, rule).pixels
        matchings.append(metrics.match(labels[inner], found.reshape(labels.shape)[inner]))
    together = metrics.together(matchings)
    if not together.true:
        return Judgement()
    figure = together.average_precision(0.5)
    verdict = "good" if figure >= _GOOD else "fair" if figure >= _FAIR else "poor: annotate more, or train longer"
    text = (
        f"Around held-out pixels ({together.true} objects, cut at their border) the average precision at an overlap of "
        f"0.5 is {figure:.2f}: {verdict}."
    )
    return Judgement({"validation_ap50": figure}, (text,), (text,) if figure < _FAIR else ())
