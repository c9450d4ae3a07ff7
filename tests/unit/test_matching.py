"""The matching by which segmentations are judged."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.training.segmentation import judged, otsu_watershed
from bioimg_fiji.metrics.matching import Matching, match, together


def squares(*places: tuple[int, int, int]) -> np.ndarray:
    """Draw squares (row, column, side), numbered from 1."""
    labels = np.zeros((60, 60), np.uint16)
    for number, (row, column, side) in enumerate(places, 1):
        labels[row : row + side, column : column + side] = number
    return labels


def test_equal_labels_match_whatever_their_numbers() -> None:
    truth = squares((5, 5, 10), (30, 30, 12))
    renumbered = np.array([0, 900, 7])[truth]
    found = match(truth, renumbered)
    assert found == Matching(2, 2, (1.0, 1.0))
    assert found.average_precision(0.9) == 1
    assert found.quality == 1


def test_a_shifted_a_missed_and_a_false_object() -> None:
    truth = squares((0, 0, 10), (30, 30, 10))
    found = match(truth, squares((0, 2, 10), (45, 10, 5)))
    assert found.true == found.found == 2
    assert found.overlaps == pytest.approx((80 / 120,))
    assert found.average_precision(0.5) == pytest.approx(1 / 3)
    assert found.average_precision(0.7) == 0
    assert found.quality == pytest.approx(80 / 120 / 2)


def test_of_two_halves_of_an_object_one_matches() -> None:
    truth = squares((10, 10, 10))
    halves = truth.copy()
    halves[10:20, 15:20] = 2
    found = match(truth, halves)  # an overlap of one half could match both
    assert found == Matching(1, 2, (0.5,))
    assert found.average_precision(0.5) == pytest.approx(1 / 2)
    assert found.quality == 0  # whose definition asks for more than half


def test_background_never_matches() -> None:
    assert match(squares(), squares()) == Matching(0, 0, ())
    assert match(squares(), squares()).average_precision(0.5) == 1
    assert match(squares((0, 0, 50)), squares()).average_precision(0.5) == 0


def test_several_images_are_judged_by_all_their_objects() -> None:
    both = together([Matching(3, 1, (0.8,)), Matching(1, 1, (0.6,))])
    assert both == Matching(4, 2, (0.8, 0.6))
    assert both.average_precision(0.5) == pytest.approx(2 / 4)
    assert both.quality == pytest.approx(1.4 / 3)


def test_what_cannot_be_matched_is_refused() -> None:
    with pytest.raises(ValueError, match="ambiguous"):
        Matching(1, 1, (1.0,)).average_precision(0.3)
    with pytest.raises(ValueError, match="shape"):
        match(squares(), squares()[1:])
    with pytest.raises(ValueError, match="no pixels"):
        match(squares()[:0], squares()[:0])
    with pytest.raises(ValueError, match="found is no label image: its values are not whole"):
        match(squares(), squares() + 0.5)
    with pytest.raises(ValueError, match="not whole"):
        match(squares(), np.full((60, 60), np.nan))
    with pytest.raises(ValueError, match="truth is no label image: it has values below 0"):
        match(squares().astype(int) - 1, squares())


def test_labels_of_any_type_match() -> None:
    truth = squares((5, 5, 10), (30, 30, 12))
    assert match(truth.astype(np.float32), truth.astype(np.int64) * 70_000) == Matching(2, 2, (1.0, 1.0))
    assert match(truth > 0, truth > 0) == Matching(1, 1, (1.0,))


def test_otsu_and_watershed_divide_discs_that_touch() -> None:
    rows, columns = np.mgrid[:80, :80]
    truth = np.zeros((80, 80), np.uint16)
    for number, (row, column) in enumerate([(25, 22), (25, 42), (60, 60)], 1):
        truth[(rows - row) ** 2 + (columns - column) ** 2 < 110] = number
    image = np.where(truth > 0, 100.0, 10.0) + np.random.default_rng(0).normal(0, 8, truth.shape)
    values = judged([(image, truth)], otsu_watershed)
    assert values["found"] == values["true"] == 3
    assert values["ap70"] == 1
    assert values["pq"] > 0.85
