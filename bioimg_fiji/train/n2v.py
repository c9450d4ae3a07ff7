"""Noise2Void: learn to denoise from noisy images alone (Krull, Buchholz, Jug, CVPR 2019).

A few pixels of each patch are replaced by a random neighbour, and the network has to tell their measured value. Noise
that is independent from pixel to pixel cannot be told from the neighbours, the signal can; with the squared error the
network's answer tends to the expected value, so intensities stay quantitative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.image import Image
from bioimg_fiji.nets import divisor
from bioimg_fiji.train import noise_check
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import TrainingData, no_targets, prepare
from bioimg_fiji.train.design import ARCHITECTURE, network_arguments
from bioimg_fiji.train.masking import neighbour_values, stratified_mask
from bioimg_fiji.train.method import Batch
from bioimg_fiji.train.randomness import Purpose, generator
from bioimg_fiji.train.sampling import inside, patch_shape, place_around, random_place, turned

_VALIDATION_PATCHES = 16
_VALIDATION_ROUNDS = 4


class Noise2Void:
    """Noise2Void on single images, movies and stacks, in two or three dimensions."""

    name = "n2v"
    paper = "Krull, Buchholz & Jug, Noise2Void, CVPR 2019, doi:10.1109/CVPR.2019.00223"

    def look(
        self, images: Sequence[Image], config: TrainConfig, targets: Sequence[Image] = ()
    ) -> list[noise_check.Finding]:
        """Look for correlated noise, which this method takes for signal, and for clipped intensities."""
        del targets
        return noise_check.look(images, independent_in=("y", "x") if config.dims == 2 else ("z", "y", "x"))

    def source(self, images: Sequence[Image], config: TrainConfig, targets: Sequence[Image] = ()) -> Noise2VoidSource:
        """Prepare the data."""
        no_targets(targets, self.name)
        return Noise2VoidSource(prepare(images, config), config)


class Noise2VoidSource:
    """Patches with blind spots; other methods with blind spots hide other pixels, in another way."""

    in_channels = 1
    network: Mapping[str, Any] = {}
    per_image = False
    channels: tuple[str, ...] = ()
    objects: Mapping[str, int] = {}
    quarter_turns = True

    def __init__(self, data: TrainingData, config: TrainConfig) -> None:
        self.data = data
        self._config = config
        step = divisor(ARCHITECTURE, network_arguments(data.smallest, self.in_channels, config))
        self._size = patch_shape(data.smallest, config, step)
        sizes = np.array([sample.size for sample in data.samples], np.float64)
        self._likely = np.cumsum(sizes / sizes.sum())

    def batch(self, step: int) -> Batch:
        """Give the batch of a step: random patches, turned about; held-out pixels are never targets."""
        rng = generator(self._config.seed, Purpose.BATCH, step)
        patches, allowed = [], []
        for choice in np.searchsorted(self._likely, rng.random(self._config.batch_size), side="right"):
            index = min(int(choice), len(self.data.samples) - 1)
            sample = self.data.samples[index]
            place = random_place(sample.shape, self._size, rng)
            free = ~inside(self.data.held_out[index], place, sample.shape)
            patch, targets = turned([sample[place], free], rng, quarter_turns=self.quarter_turns)
            patches.append(patch)
            allowed.append(targets)
        return self._blind(np.stack(patches), np.stack(allowed), rng)

    def validation(self) -> list[Batch]:
        """Give masked patches around the held-out blocks; only held-out pixels are targets."""
        rng = generator(self._config.seed, Purpose.VALIDATION)
        pairs = [(s, b) for s, b in zip(self.data.samples, self.data.held_out, strict=True) if b is not None]
        if not pairs:
            return []
        spread = np.linspace(0, len(pairs) - 1, min(len(pairs), _VALIDATION_PATCHES)).round().astype(int)
        patches, allowed = [], []
        for sample, block in (pairs[i] for i in spread):
            place = place_around(block, sample.shape, self._size)
            patches.append(sample[place])
            allowed.append(inside(block, place, sample.shape))
        return [self._blind(np.stack(patches), np.stack(allowed), rng) for _ in range(_VALIDATION_ROUNDS)]

    def _blind(self, patches: NDArray[Any], allowed: NDArray[np.bool_], rng: np.random.Generator) -> Batch:
        """Hide pixels of raw patches (b, axes ...); hidden pixels where `allowed` are the targets."""
        targets = self.data.normalised(patches)
        positions = stratified_mask(targets.shape, self._config.masked_fraction, rng)
        inputs = self.hidden(targets, positions, rng)
        weights = np.zeros_like(targets)
        weights[tuple(positions)] = allowed[tuple(positions)]
        return Batch(inputs[:, None], targets[:, None], weights[:, None])

    def hidden(
        self, patches: NDArray[np.float32], positions: NDArray[np.intp], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Give patches (b, axes ...) in which the pixels at `positions` cannot be seen."""
        inputs = patches.copy()
        inputs[tuple(positions)] = neighbour_values(patches, positions, self._config.radius, rng)
        return inputs
