"""Pairs of patches: what one image shows is to become what another one shows at the same place."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import TrainingData
from bioimg_fiji.train.method import Batch
from bioimg_fiji.train.sampling import PatchSource
from bioimg_fiji.train.stored import Block, Sample

HeldOut = tuple[NDArray[Any], NDArray[Any], Block]
Moments = tuple[tuple[float, ...], tuple[float, ...]]


class PairSource(PatchSource):
    """Patches of pairs.

    Parameters
    ----------
    data
        Samples of the inputs.
    targets
        Samples of what is to come out; each spatial axis is `enlarged` times as long as the input's.
    pairs
        Indices (input, target), into `data.samples` and `targets`.
    scale
        Means and standard deviations by which targets are normalised; None: as the inputs.
    config
        Parameters.
    """

    def __init__(
        self,
        data: TrainingData,
        targets: Sequence[Sample],
        pairs: Sequence[tuple[int, int]],
        scale: Moments | None,
        config: TrainConfig,
    ) -> None:
        self._targets = targets
        mean, std = scale or (data.mean, data.std)
        told = hashlib.sha256(f"{data.sha256}{list(pairs)}".encode())
        told.update(self.target_hash(data).encode())
        data = dataclasses.replace(data, out_mean=mean, out_std=std, sha256=told.hexdigest())
        super().__init__(data, config, pairs)

    @property
    def enlarged(self) -> tuple[int, ...]:
        """How much larger the target is than the input, per spatial axis."""
        return (1,) * len(self.data.smallest)

    def target_hash(self, data: TrainingData) -> str:
        """Give a text that differs when the targets do; empty where they are the inputs themselves."""
        if self._targets is data.samples:
            return ""
        told = hashlib.sha256()
        for target in self._targets:
            part = target[(slice(None),) * len(target.shape)]
            told.update(f"{target.shape}{part.dtype.name}".encode())
            told.update(np.ascontiguousarray(part, part.dtype.newbyteorder("<")).data)
        return told.hexdigest()

    def patches(self, first: int, second: int, place: Block) -> list[NDArray[Any]]:
        """Give the normalised input and the normalised target of a patch."""
        wide = tuple(slice(p.start * n, p.stop * n) for p, n in zip(place, self.enlarged, strict=True))
        wanted = self.data.normalised_target(self._targets[second][(slice(None), *wide)])
        return [self.data.normalised(self.data.samples[first][(slice(None), *place)]), wanted]

    def held_out_pairs(self, most: int) -> Iterator[HeldOut]:
        """Give held-out blocks of up to `most` pairs, see `held_out_places`.

        Each is a raw input (c, (z,) y, x), its block with pixels around it; the target of the same part; and where the
        block is in the target.
        """
        for first, second, ends, wide in self.held_out_places(most):
            scaled = list(zip(ends, wide, self.enlarged, strict=True))
            yield (
                self.data.samples[first][(slice(None), *(slice(a, b) for a, b in wide))],
                self._targets[second][(slice(None), *(slice(a * n, b * n) for _, (a, b), n in scaled))],
                (slice(None), *(slice((a - start) * n, (b - start) * n) for (a, b), (start, _), n in scaled)),
            )

    def made(self, chosen: Sequence[Sequence[NDArray[Any]]], rng: np.random.Generator) -> Batch:
        """Put patches together; every pixel that may be a target is one."""
        del rng
        inputs, targets, free = (np.stack(each) for each in zip(*chosen, strict=True))
        for axis, times in enumerate(self.enlarged, 1):
            free = free.repeat(times, axis) if times > 1 else free
        weights = np.broadcast_to(free[:, None], targets.shape).astype(np.float32)
        return Batch(inputs, targets, weights)
