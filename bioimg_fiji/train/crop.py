"""The part of the data that stands for all of it: for test tensors, the cover and the preview."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.train.data import TrainingData
from bioimg_fiji.train.stored import Block, Sample

SIDE = 256
_DEPTH = 32
_MOST = 64
"""Crops of a sample that are compared, spread evenly."""


def liveliest(data: TrainingData, divisor: tuple[int, ...]) -> NDArray[np.generic]:
    """Cut the crop (c, (z,) y, x) that varies most, of the first, middle and last sample."""
    chosen = sorted({0, len(data.samples) // 2, len(data.samples) - 1})
    crops = (data.samples[n][place] for n in chosen for place in _places(data.samples[n], divisor))
    return np.ascontiguousarray(max(crops, key=lambda crop: float(np.std(crop))))


def _places(sample: Sample, divisor: tuple[int, ...]) -> Iterator[Block]:
    sizes = sample.shape[1:]
    wanted = (_DEPTH, SIDE, SIDE)[-len(sizes) :]
    cut = [min(w, n) // d * d for w, n, d in zip(wanted, sizes, divisor, strict=True)]
    head = (slice(None), *(slice(0, size) for size in cut[:-2]))
    corners = list(itertools.product(*(range(0, n - s + 1, s) for n, s in zip(sizes[-2:], cut[-2:], strict=True))))
    for number in np.unique(np.linspace(0, len(corners) - 1, min(len(corners), _MOST)).round().astype(int)):
        row, column = corners[number]
        yield (*head, slice(row, row + cut[-2]), slice(column, column + cut[-1]))
