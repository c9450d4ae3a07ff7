"""How well found objects match true ones: average precision, F1 and panoptic quality, from one matching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

HALF = 0.5
"""Least overlap: below, several found objects can match a true one, and a figure would depend on the search."""


class Overlaps(NamedTuple):
    """Which true and found objects share pixels.

    Labels and sizes (pixels) of the true and of the found objects, background left out; and for each pair that
    shares pixels: the two places in these lists and the number of pixels shared.
    """

    true: NDArray[np.int64]
    found: NDArray[np.int64]
    true_sizes: NDArray[np.int64]
    found_sizes: NDArray[np.int64]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    shared: NDArray[np.int64]

    @property
    def unions(self) -> NDArray[np.int64]:
        """Pixels of the union of each pair."""
        return self.true_sizes[self.rows] + self.found_sizes[self.columns] - self.shared


@dataclass(frozen=True)
class Matching:
    """Objects of one or several images, and the overlaps (intersection over union) of those that match best.

    `overlaps` has one value for each pair that overlaps by at least half. Above half no other object of either image
    can, so there is no choice; of pairs of exactly half as many as possible are matched.
    """

    true: int
    found: int
    overlaps: tuple[float, ...]

    def matches(self, overlap: float) -> int:
        """Give the number of true positives, pairs that overlap by at least `overlap`.

        Raises
        ------
        ValueError
            Below 0.5, where matches are ambiguous, and above 1.
        """
        if not HALF <= overlap <= 1:
            raise ValueError(f"an overlap of {overlap} makes matches ambiguous or impossible; give 0.5 to 1")
        return sum(each >= overlap for each in self.overlaps)

    def average_precision(self, overlap: float) -> float:
        """Give TP / (TP + FP + FN) at an overlap, as the Data Science Bowl 2018 and StarDist call average precision.

        It is no area under a curve of precision and recall as that of COCO, for which objects need scores. Without
        any object, true or found, it is 1.

        Raises
        ------
        ValueError
            As `matches`.
        """
        matches = self.matches(overlap)
        every = self.true + self.found - matches
        return matches / every if every else 1.0

    def f1(self, overlap: float) -> float:
        """Give 2 TP / (2 TP + FP + FN) at an overlap; 1 without any object.

        Raises
        ------
        ValueError
            As `matches`.
        """
        every = self.true + self.found
        return 2 * self.matches(overlap) / every if every else 1.0

    @property
    def quality(self) -> float:
        """Panoptic quality: the sum of the overlaps above 0.5, over TP + FP / 2 + FN / 2 (Kirillov et al., CVPR 2019).

        1 without any object.
        """
        every = (self.true + self.found) / 2
        return sum(each for each in self.overlaps if each > HALF) / every if every else 1.0


def match(truth: NDArray[Any], found: NDArray[Any]) -> Matching:
    """Match the objects of two label images.

    Parameters
    ----------
    truth, found
        Arrays of one shape, any axes, of whole numbers from 0 (background); a label is an object.

    Raises
    ------
    ValueError
        When the shapes differ, there is no pixel, or values are no labels.
    """
    pairs = overlaps(truth, found)
    ratios = pairs.shared / pairs.unions
    kept = ratios > HALF
    ties = np.flatnonzero(ratios == HALF)
    if len(ties):
        kept[ties[_most(pairs.rows[ties], pairs.columns[ties])]] = True
    return Matching(len(pairs.true), len(pairs.found), tuple(float(each) for each in ratios[kept]))


def together(matchings: Sequence[Matching]) -> Matching:
    """Give the matching of all objects of several images."""
    overlaps = tuple(each for matching in matchings for each in matching.overlaps)
    return Matching(sum(m.true for m in matchings), sum(m.found for m in matchings), overlaps)


def overlaps(truth: NDArray[Any], found: NDArray[Any]) -> Overlaps:
    """Count the pixels that true and found objects share; parameters and errors are those of `match`."""
    if np.shape(truth) != np.shape(found):
        raise ValueError(f"the truth has shape {np.shape(truth)}, what was found {np.shape(found)}")
    one, rows = _numbered(as_labels(truth, "the truth").ravel())
    other, columns = _numbered(as_labels(found, "what was found").ravel())
    counts = coo_matrix((np.ones(rows.size, np.int64), (rows, columns)), (len(one), len(other))).tocsr()
    inside = counts[one != 0][:, other != 0].tocoo()
    sizes = np.bincount(rows)[one != 0], np.bincount(columns)[other != 0]
    return Overlaps(one[one != 0], other[other != 0], *sizes, inside.row, inside.col, inside.data)


def as_labels(image: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Give a label image as int64.

    Raises
    ------
    ValueError
        When there is no pixel, or values are not whole numbers from 0.
    """
    labels = np.asarray(image)
    if labels.size == 0:
        raise ValueError(f"{name} has no pixels")
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and np.all(labels == np.rint(labels))):
        raise ValueError(f"{name} is no label image: its values are not whole numbers")
    if labels.min() < 0:
        raise ValueError(f"{name} is no label image: it has values below 0")
    return labels.astype(np.int64)


def _numbered(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Give the labels that are there, in order, and the place of each pixel's label among them."""
    largest = int(labels.max())
    if largest > labels.size:
        found, places = np.unique(labels, return_inverse=True)
        return found, places
    there = np.bincount(labels, minlength=largest + 1) > 0
    return np.flatnonzero(there), (np.cumsum(there) - 1)[labels]  # without sorting all pixels


def _most(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.intp]:
    """Choose as many pairs as possible so that none shares a row or a column; give their places."""
    graph = coo_matrix((np.ones(len(rows)), (rows, columns))).tocsr()
    partner = maximum_bipartite_matching(graph, perm_type="column")
    return np.flatnonzero(partner[rows] == columns)
