"""Calibrated probabilities: at the end of a segmentation training one temperature is fitted on held-out patches.

Temperature scaling (Guo et al., On calibration of modern neural networks, ICML 2017) divides what a network says by one
number, found by the likelihood of held-out truth, so that of the pixels called 80 % foreground 80 % are it, and what is
foreground at one half stays so. Our networks learn foreground by the squared error and give it without a sigmoid, so it
is the distance from one half that is divided: p = 1/2 + (f - 1/2) / T, kept in 0 to 1. Division and shift go into the
last layer, and the package clips, so that every program gets the same calibrated probabilities.

On nuclei (100 images to learn from, 400 steps, one seed; curves fitted on 15 further images and judged on 15 others) a
logistic curve was no better: ECE 0.0069 raw, 0.0047 scaled, 0.0053 logistic; negative log-likelihood 0.050, 0.049,
0.056.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji import metrics
from bioimg_fiji.jobs import Job
from bioimg_fiji.train.afterwards import tried
from bioimg_fiji.train.method import Source
from bioimg_fiji.train.result import TrainedModel
from bioimg_fiji.train.segmentation import CHANNELS, SegmentationSource

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PAPER = "Guo et al. 2017, On calibration of modern neural networks (temperature scaling)"
_PATCHES = 64
_FAILED = "The probabilities are not calibrated, as what was held out could not be read or run"
_PIXELS = 2**16
"""Most pixels of a patch, evenly spread: volumes have so many that they would not fit into memory."""
_RANGE = (0.25, 4.0)
_SURE = 1e-3
"""Probabilities are kept this far from 0 and 1 in the likelihood, so that one wrong label does not decide it."""


def calibrated(model: TrainedModel, source: Source, job: Job) -> tuple[TrainedModel, dict[str, Any]]:
    """Calibrate a model's probabilities on held-out patches.

    Parameters
    ----------
    model
        The model as it was trained.
    source
        Its batches' source; only segmentations have probabilities.
    job
        Is told the expected calibration error before and after.

    Returns
    -------
    The model with the temperature in its last layer, and what is to be kept of it: `temperature`, `ece_before`,
    `ece_after`, `patches`, `pixels`. The error after is that of each half with the temperature of the other, so that no
    pixel judges the number that it has helped to choose. The model as it is, and nothing, where there is nothing to
    calibrate or to calibrate with.
    """
    if not isinstance(source, SegmentationSource):
        return model, {}
    patches = tried(lambda: list(_held_out(model, source)), job, _FAILED)
    if patches is None:
        return model, {}
    said = np.concatenate([f for f, _ in patches]) if patches else np.zeros(0)
    true = np.concatenate([y for _, y in patches]) if patches else np.zeros(0, bool)
    if not true.any() or true.all() or not np.isfinite(said).all():
        job.note("The probabilities are not calibrated: there are no held-out patches with objects and background.")
        return model, {}
    after = _of_the_other_half(said, true)
    before = scaled(said, 1.0)
    temperature = fitted(said, true) if likelihood(after, true) > likelihood(before, true) else 1.0
    after = before if temperature == 1.0 else after
    told = {
        "method": PAPER,
        "temperature": temperature,
        "ece_before": metrics.expected_calibration_error(before, true),
        "ece_after": metrics.expected_calibration_error(after, true),
        "patches": len(patches),
        "pixels": len(said),
    }
    job.note(_sentence(told))
    state = divided(model.state_dict, CHANNELS.index("foreground"), temperature)
    return dataclasses.replace(model, state_dict=state), told


def scaled(said: NDArray[Any], temperature: float) -> Floats:
    """Give the probabilities at a temperature: what is above one half stays there."""
    return np.asarray(np.clip(0.5 + (np.asarray(said, np.float64) - 0.5) / temperature, 0, 1))


def likelihood(probability: Floats, true: Bools) -> float:
    """Give the mean log-likelihood of the truth."""
    kept = np.clip(probability, _SURE, 1 - _SURE)
    return float(np.mean(np.log(np.where(true, kept, 1 - kept))))


def fitted(said: Floats, true: Bools) -> float:
    """Give the temperature at which the truth is most likely, by Brent's bounded search over its logarithm."""
    from scipy.optimize import minimize_scalar

    bounds = tuple(math.log(end) for end in _RANGE)
    found = minimize_scalar(lambda log: -likelihood(scaled(said, math.exp(log)), true), bounds=bounds, method="bounded")
    return math.exp(float(found.x))


def divided(state: Any, channel: int, temperature: float) -> dict[str, Any]:
    """Give the weights with an output channel's distance from one half divided by the temperature."""
    weight, bias = (_head(state, channel, kind) for kind in ("weight", "bias"))
    result = {name: tensor.clone() for name, tensor in state.items()}
    if temperature != 1.0:
        (name, place), (other, _) = weight, bias
        result[name][place] /= temperature
        result[other][place] = 0.5 + (result[other][place] - 0.5) / temperature
    return result


def _head(state: Any, channel: int, kind: str) -> tuple[str, int]:
    """Tell where the last layer's values of an output channel are: independent channels have a layer each."""
    if f"head.{kind}" in state:
        return f"head.{kind}", channel
    return f"each.{channel}.head.{kind}", 0


def _of_the_other_half(said: Floats, true: Bools) -> Floats:
    """Give the probabilities of each half at the temperature that suits the other."""
    half = len(said) // 2
    parts = (slice(0, half), slice(half, None))
    found = [fitted(said[part], true[part]) for part in parts]
    return np.concatenate([scaled(said[part], found[1 - number]) for number, part in enumerate(parts)])


def _held_out(model: TrainedModel, source: SegmentationSource) -> Sequence[tuple[Floats, Bools]]:
    """Give what the network says of the foreground on held-out blocks, and whether it is, pixel by pixel."""
    # The inputs are normalised by their whole images, as they are when the package runs.
    plain = model.of_normalised()
    found = []
    for inputs, labels, inner in source.held_out_labels(_PATCHES):
        foreground = plain.outputs(inputs)[CHANNELS.index("foreground")]
        step = math.ceil(labels[inner].size / _PIXELS)
        told, true = (each[inner].ravel()[::step] for each in (foreground, labels))
        found.append((told.astype(np.float64), true > 0))
    return found


def _sentence(told: dict[str, Any]) -> str:
    before, after = told["ece_before"], told["ece_after"]
    patches = f"{told['patches']} held-out patch{'es' if told['patches'] > 1 else ''}"
    if told["temperature"] == 1.0:
        return f"The probabilities are calibrated as they are, on {patches}: ECE {before:.3f}."
    return (
        f"The probabilities are calibrated on {patches}: ECE {before:.3f} -> {after:.3f} (temperature "
        f"{told['temperature']:.2f})."
    )
