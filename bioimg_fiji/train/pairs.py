"""Pairs of patches: what one image shows is to become what another one shows at the same place."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.nets import divisor
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import Block, TrainingData
from bioimg_fiji.train.design import ARCHITECTURE, network_arguments
from bioimg_fiji.train.method import Batch
from bioimg_fiji.train.randomness import Purpose, generator
from bioimg_fiji.train.sampling import inside, patch_shape, place_around, random_place, turned

_VALIDATION_PATCHES = 16


class PairSource:
    """Patches of pairs.

    Parameters
    ----------
    data
        Samples of the inputs.
    targets
        For each pair its target; of the shape of the input.
    pairs
        Indices (input, target), into `data.samples` and `targets`.
    scale
        Mean and standard deviation by which targets are normalised; None: as the inputs.
    config
        Parameters.
    """

    in_channels = 1
    network: Mapping[str, Any] = {}
    per_image = False
    channels: tuple[str, ...] = ()
    objects: Mapping[str, int] = {}

    def __init__(
        self,
        data: TrainingData,
        targets: Sequence[NDArray[Any]],
        pairs: Sequence[tuple[int, int]],
        scale: tuple[float, float] | None,
        config: TrainConfig,
    ) -> None:
        self._targets, self._pairs, self._config = targets, pairs, config
        mean, std = scale or (data.mean, data.std)
        self.data = dataclasses.replace(data, out_mean=mean, out_std=std, sha256=_sha256(data, targets, pairs))
        step = divisor(ARCHITECTURE, network_arguments(data.smallest, self.in_channels, config))
        self._size = patch_shape(data.smallest, config, step)
        sizes = np.array([data.samples[first].size for first, _ in pairs], np.float64)
        self._likely = np.cumsum(sizes / sizes.sum())

    def batch(self, step: int) -> Batch:
        """Give the batch of a step: random patches, turned about; held-out pixels are never targets."""
        rng = generator(self._config.seed, Purpose.BATCH, step)
        chosen = []
        for choice in np.searchsorted(self._likely, rng.random(self._config.batch_size), side="right"):
            first, second = self._pairs[min(int(choice), len(self._pairs) - 1)]
            sample = self.data.samples[first]
            place = random_place(sample.shape, self._size, rng)
            free = ~inside(self.data.held_out[first], place, sample.shape)
            chosen.append(turned([*self.patches(first, second, place), free], rng))
        return self._batch(chosen)

    def validation(self) -> list[Batch]:
        """Give patches around the held-out blocks; only held-out pixels are targets."""
        pairs = [(first, second) for first, second in self._pairs if self.data.held_out[first] is not None]
        if not pairs:
            return []
        spread = np.linspace(0, len(pairs) - 1, min(len(pairs), _VALIDATION_PATCHES)).round().astype(int)
        chosen = []
        for first, second in (pairs[i] for i in spread):
            sample, block = self.data.samples[first], self.data.held_out[first]
            assert block is not None
            place = place_around(block, sample.shape, self._size)
            chosen.append([*self.patches(first, second, place), inside(block, place, sample.shape)])
        return [self._batch(chosen)]

    def patches(self, first: int, second: int, place: Block) -> list[NDArray[np.float32]]:
        """Give the normalised input and, channel by channel, the normalised target of a patch."""
        wanted = self.data.normalised_target(self._targets[second][place])
        return [self.data.normalised(self.data.samples[first][place]), wanted]

    def _batch(self, chosen: Sequence[Sequence[NDArray[Any]]]) -> Batch:
        inputs, *targets, weights = (np.stack(each) for each in zip(*chosen, strict=True))
        counted = np.repeat(weights[:, None].astype(np.float32), len(targets), axis=1)
        return Batch(inputs[:, None], np.stack(targets, axis=1), counted)


def _sha256(data: TrainingData, targets: Sequence[NDArray[Any]], pairs: Sequence[tuple[int, int]]) -> str:
    told = hashlib.sha256(f"{data.sha256}{list(pairs)}".encode())
    if targets is not data.samples:
        for target in targets:
            told.update(f"{target.shape}{target.dtype.name}".encode())
            told.update(np.ascontiguousarray(target, target.dtype.newbyteorder("<")).data)
    return told.hexdigest()
