"""Noise2Void: learn to denoise from noisy images alone (Krull, Buchholz, Jug, CVPR 2019).

A few pixels of each patch are replaced by a random neighbour, and the network has to tell their measured value. Noise
that is independent from pixel to pixel cannot be told from the neighbours, the signal can; with the squared error the
network's answer tends to the expected value, so intensities stay quantitative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.image import Image
from bioimg_fiji.train import noise_check
from bioimg_fiji.train.catalogue import CATALOGUE
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import no_targets, prepare
from bioimg_fiji.train.masking import neighbour_values, stratified_mask
from bioimg_fiji.train.method import Batch
from bioimg_fiji.train.sampling import PatchSource
from bioimg_fiji.train.stored import Block, TrainingImage

_TOLD = 1000
_ROUNDS, _MOST_ROUNDS = 4, 64


class Noise2Void:
    """Noise2Void on single images, movies and stacks, in two or three dimensions."""

    name = "n2v"
    paper = CATALOGUE["n2v"].paper

    def look(
        self, images: Sequence[Image], config: TrainConfig, targets: Sequence[Image] = ()
    ) -> list[noise_check.Finding]:
        """Look for correlated noise, which this method takes for signal, and for a better method."""
        del targets
        found = noise_check.look(images, independent_in=("y", "x") if config.dims == 2 else ("z", "y", "x"))
        return noise_check.advised(found, images, self.name)

    def source(
        self, images: Sequence[TrainingImage], config: TrainConfig, targets: Sequence[TrainingImage] = ()
    ) -> Noise2VoidSource:
        """Prepare the data."""
        no_targets(targets, self.name)
        return Noise2VoidSource(prepare(images, config), config)


class Noise2VoidSource(PatchSource):
    """Patches with blind spots; other methods with blind spots hide other pixels, in another way."""

    @property
    def seen(self) -> slice:
        """Channels whose pixels are hidden and told; the others are only looked at."""
        return slice(None)

    def rounds(self, pixels: int) -> int:
        """Give so many rounds that about a thousand hidden pixels are told, four at least."""
        return int(np.clip(_TOLD / (pixels * self._config.masked_fraction), _ROUNDS, _MOST_ROUNDS))

    def patches(self, first: int, second: int, place: Block) -> list[NDArray[Any]]:
        """Give the raw patch."""
        del second
        return [self.data.samples[first][(slice(None), *place)]]

    def made(self, chosen: Sequence[Sequence[NDArray[Any]]], rng: np.random.Generator) -> Batch:
        """Hide pixels of each channel by itself; hidden pixels that may be targets are the targets."""
        raw, allowed = (np.stack(each) for each in zip(*chosen, strict=True))
        inputs = self.data.normalised(raw)
        targets = inputs[:, self.seen].copy()
        flat = targets.reshape(-1, *targets.shape[2:])
        positions = stratified_mask(flat.shape, self._config.masked_fraction, rng)
        inputs[:, self.seen] = self.hidden(flat, positions, rng).reshape(targets.shape)
        weights = np.zeros_like(flat)
        free = np.broadcast_to(allowed[:, None], targets.shape).reshape(flat.shape)
        weights[tuple(positions)] = free[tuple(positions)]
        return Batch(inputs, targets, weights.reshape(targets.shape))

    def hidden(
        self, patches: NDArray[np.float32], positions: NDArray[np.intp], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Give patches (n, axes ...) in which the pixels at `positions` cannot be seen."""
        inputs = patches.copy()
        inputs[tuple(positions)] = neighbour_values(patches, positions, self._config.radius, rng)
        return inputs
