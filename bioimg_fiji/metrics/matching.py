"""How well found objects match true ones: average precision and panoptic quality, from one matching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HALF = 0.5
"""Overlap from which at most one found object can match a true one."""


@dataclass(frozen=True)
class Matching:
    """Objects of one or several images, and the overlaps (intersection over union) of those that match best.

    `overlaps` has one value for each pair that overlaps by more than half: then no other object of either image can,
    so the matching needs no search.
    """

    true: int
    found: int
    overlaps: tuple[float, ...]

    def precision(self, overlap: float) -> float:
        """Give TP / (TP + FP + FN), a match being an overlap of at least `overlap`, and above 0.5 (Schmidt 2018).

        Raises
        ------
        ValueError
            Below 0.5, where matches are ambiguous.
        """
        if overlap < HALF:
            raise ValueError(f"an overlap of {overlap} makes matches ambiguous; 0.5 is the least")
        matches = sum(each >= overlap for each in self.overlaps)
        every = self.true + self.found - matches
        return matches / every if every else 1.0

    @property
    def quality(self) -> float:
        """Panoptic quality: the sum of the overlaps above 0.5, over TP + FP / 2 + FN / 2 (Kirillov, CVPR 2019)."""
        every = (self.true + self.found) / 2
        return sum(self.overlaps) / every if every else 1.0


def match(truth: NDArray[Any], found: NDArray[Any]) -> Matching:
    """Match the objects of two label images of the same shape (0: background).

    Raises
    ------
    ValueError
        When the shapes differ.
    """
    if truth.shape != found.shape:
        raise ValueError(f"the truth has shape {truth.shape}, what was found {found.shape}")
    _, one = np.unique(np.append(truth.ravel(), 0), return_inverse=True)
    _, other = np.unique(np.append(found.ravel(), 0), return_inverse=True)
    shared = np.zeros((int(one.max()) + 1, int(other.max()) + 1), np.int64)
    np.add.at(shared, (one[:-1], other[:-1]), 1)
    union = shared.sum(axis=1)[:, None] + shared.sum(axis=0)[None] - shared
    overlap = (shared / np.maximum(union, 1))[1:, 1:]
    matching = overlap[overlap > HALF]
    return Matching(shared.shape[0] - 1, shared.shape[1] - 1, tuple(float(each) for each in matching))


def together(matchings: Sequence[Matching]) -> Matching:
    """Give the matching of all objects of several images."""
    overlaps = tuple(each for matching in matchings for each in matching.overlaps)
    return Matching(sum(m.true for m in matchings), sum(m.found for m in matchings), overlaps)
