"""How good a model is on the data that it was trained on: against targets on held-out pixels, else without a truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji import metrics
from bioimg_fiji.image import Image
from bioimg_fiji.train.care import CareSource
from bioimg_fiji.train.judge import Judgement, judge
from bioimg_fiji.train.method import Source
from bioimg_fiji.train.result import TrainedModel
from bioimg_fiji.train.stored import TrainingImage, excerpt

_PIXELS = 2**22
"""Pixels of an excerpt: as many as are denoised in seconds."""
_FRAMES = 128
_HELD_OUT = 8
_MARGIN = 32


def judged(model: TrainedModel, source: Source, images: Sequence[TrainingImage]) -> Judgement:
    """Judge a model.

    Restoration is compared with the targets on held-out pixels (PSNR, bias, slope); denoising without a truth, on an
    excerpt of the first image. Segmentation has its validation loss only.

    Parameters
    ----------
    model
        The model.
    source
        Its batches' source.
    images
        What it was trained on.
    """
    if source.per_image:
        return Judgement({}, ())
    if isinstance(source, CareSource):
        return _against_targets(model, source)
    image = _small(excerpt(images[0]))
    return judge(image, denoised(model, image))


def denoised(model: TrainedModel, image: Image) -> Image:
    """Run a model on an image in memory: plane by plane, or volume by volume, or movie by movie."""
    inner = ("t" if model.window else "c" if model.in_channels > 1 else "") + model.axes
    outer = "".join(letter for letter in "btczyx" if letter not in inner)
    array = image.ordered(outer + inner)
    flat = array.reshape(-1, *array.shape[len(outer) :])
    result = np.stack([model.denoise(each) for each in flat]).reshape(array.shape)
    letters = outer + inner
    kept = [letters.index(axis) for axis in image.axes]
    dropped = [place for place, axis in enumerate(letters) if axis not in image.axes]
    moved = result.transpose([*dropped, *kept]).reshape([image.size(axis) for axis in image.axes])
    return image.with_pixels(np.ascontiguousarray(moved))


def _small(image: Image) -> Image:
    """Give the middle of an image, small enough to be denoised in seconds; of movies many frames of a smaller part."""
    many = {axis: min(image.size(axis), _FRAMES if axis == "t" else 32) for axis in image.axes if axis not in "cyx"}
    side = max(64, int(math.sqrt(_PIXELS / math.prod(many.values()))))
    place = []
    for axis in image.axes:
        size, most = image.size(axis), many.get(axis, image.size(axis) if axis == "c" else side)
        start = (size - min(size, most)) // 2
        place.append(slice(start, start + min(size, most)))
    return image.with_pixels(image.pixels[tuple(place)])


def _against_targets(model: TrainedModel, source: CareSource) -> Judgement:
    """Compare with the targets on the held-out blocks of up to eight samples."""
    found = list(source.held_out_pairs(_HELD_OUT, _MARGIN))
    if not found:
        return Judgement({}, ())
    results, wanted = [], []
    for inputs, target, inner in found:
        output = model.outputs(inputs)
        results.append(output[inner])
        wanted.append(target[inner])
    truth, result = (np.concatenate([each.ravel() for each in group]).astype(np.float64) for group in (wanted, results))
    figures = {"validation_psnr": metrics.psnr(truth, result)} if np.ptp(truth) > 0 else {}
    signal = float(truth.mean() - truth.min())
    if signal > 0:
        figures["mean_bias"] = float(result.mean() - truth.mean()) / signal
    figures |= _slope(wanted, results)
    return Judgement(figures, _sentences(figures))


def _slope(wanted: Sequence[NDArray[Any]], results: Sequence[NDArray[Any]], side: int = 8) -> dict[str, float]:
    """Give the slope of block means over the targets' block means, of all held-out blocks together."""
    pairs = []
    for truth, result in zip(wanted, results, strict=True):
        rows, columns = (size // side for size in truth.shape[-2:])
        if rows and columns:
            for each in (truth, result):
                cut = each[..., : rows * side, : columns * side].astype(np.float64)
                pairs.append(cut.reshape(-1, rows, side, columns, side).mean(axis=(2, 4)).ravel())
    if not pairs:
        return {}
    truth, result = np.concatenate(pairs[::2]), np.concatenate(pairs[1::2])
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
