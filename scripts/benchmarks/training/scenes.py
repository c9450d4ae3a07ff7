"""Synthetic data with known truth for the section quality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from bioimg_fiji import Image
from bioimg_fiji.train import synthetic

Array = NDArray[np.float32]

LINE_SPAN = 5
"""Pixels over which the line noise is averaged along x: its correlation ends there."""
LINE_SIGMA = synthetic.GAIN * np.sqrt(2.7 + synthetic.READ_NOISE**2)
"""Its standard deviation, ADU: that of the camera's own noise at the mean of 2.7 photons."""

_TRAINING, _TEST = range(8), range(100, 103)
_SECOND_EXPOSURE, _LINES = 2, 3


@dataclass(frozen=True)
class Scene:
    """What is learnt from, and three test images with their truth and, where there is any, their line noise, ADU."""

    images: list[Image]
    targets: list[Image]
    noisy: list[Array]
    truths: list[Array]
    lines: list[Array]


def single() -> Scene:
    """Give one exposure of each of eight training phantoms."""
    training, noisy, truths = synthetic.benchmark_set()
    return Scene([Image(each, "yx") for each in training], [], noisy, truths, [])


def repeats() -> Scene:
    """Give two exposures of each training phantom, as a movie of two frames: the first is that of `single`."""
    training, noisy, truths = synthetic.benchmark_set()
    rng = np.random.default_rng(_SECOND_EXPOSURE)
    again = [synthetic.expose(synthetic.phantom(seed=seed), rng) for seed in _TRAINING]
    movies = [Image(np.stack(pair), "tyx") for pair in zip(training, again, strict=True)]
    return Scene(movies, [], noisy, truths, [])


def pairs() -> Scene:
    """Give each exposure of `single` with its truth as the target."""
    training, noisy, truths = synthetic.benchmark_set()
    targets = [Image(synthetic.truth(synthetic.phantom(seed=seed)), "yx") for seed in _TRAINING]
    return Scene([Image(each, "yx") for each in training], targets, noisy, truths, [])


def lines() -> Scene:
    """Give the exposures of `single` with line noise added, in the training and in the test images."""
    training, noisy, truths = synthetic.benchmark_set()
    rng = np.random.default_rng(_LINES)
    images = [Image(each + line_noise(each.shape, rng), "yx") for each in training]
    added = [line_noise(each.shape, rng) for each in noisy]
    return Scene(images, [], [a + b for a, b in zip(noisy, added, strict=True)], truths, added)


def line_noise(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Give noise as of a slow detector: white noise, averaged over `LINE_SPAN` pixels along x, to `LINE_SIGMA`."""
    white = rng.normal(0, LINE_SIGMA * np.sqrt(LINE_SPAN), (shape[0], shape[1] + LINE_SPAN - 1))
    half = LINE_SPAN // 2
    return uniform_filter1d(white, LINE_SPAN, axis=1)[:, half : white.shape[1] - half].astype(np.float32)


SCENES: dict[str, Callable[[], Scene]] = {"single": single, "repeats": repeats, "pairs": pairs, "lines": lines}
