"""Matching of objects against stardist.matching and torchmetrics, on real and on random labels."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torchmetrics.functional.detection import panoptic_quality

from bioimg_fiji.metrics.matching import match, together

if sys.version_info >= (3, 15):  # as in pyproject.toml: elsewhere a missing StarDist must fail
    pytest.skip("StarDist is not made for this Python", allow_module_level=True)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # csbdeep, which stardist imports, looks for TensorFlow
    from stardist import matching as stardist

OVERLAPS = (0.5, 0.6, 0.7, 0.8, 0.9)
ABOVE_HALF = float(np.nextafter(np.float32(0.5), 1))  # stardist compares single precision


def assert_as_stardist(truth: np.ndarray, found: np.ndarray) -> None:
    """Compare with stardist.matching; of images without any object it says 0 where ours says 1."""
    ours = match(truth, found)
    for overlap in OVERLAPS:
        wanted = stardist.matching(truth, found, overlap)
        assert (ours.true, ours.found, ours.matches(overlap)) == (wanted.n_true, wanted.n_pred, wanted.tp)
        if ours.true + ours.found:
            assert ours.average_precision(overlap) == pytest.approx(wanted.accuracy, abs=1e-6)
            assert ours.f1(overlap) == pytest.approx(wanted.f1, abs=1e-6)
    if ours.true + ours.found:
        assert ours.quality == pytest.approx(stardist.matching(truth, found, ABOVE_HALF).panoptic_quality, abs=1e-6)


def assert_as_torchmetrics(truth: np.ndarray, found: np.ndarray) -> None:
    """Compare the panoptic quality of one class, with the background as a stuff class of its own."""
    both = [torch.from_numpy(np.stack([image > 0, image], axis=-1).astype(np.int64))[None] for image in (found, truth)]
    wanted = panoptic_quality(*both, things={1}, stuffs={0}, return_per_class=True).ravel()
    assert match(truth, found).quality == pytest.approx(float(wanted[0]), abs=1e-6)


LABELS = arrays(np.uint8, (6, 7), elements=st.integers(0, 4))


@given(LABELS, LABELS)
def test_random_labels_as_stardist(truth: np.ndarray, found: np.ndarray) -> None:
    assert_as_stardist(truth, found)
    assert_as_stardist(truth, np.where(found == 4, truth, found))


@given(LABELS, st.integers(0, 2**32 - 1))
def test_random_labels_as_torchmetrics(truth: np.ndarray, seed: int) -> None:
    changed = np.random.default_rng(seed).random(truth.shape) < 0.2
    found = np.where(changed, 0, truth)
    if truth.any():
        assert_as_torchmetrics(truth, found)


def worse(labels: np.ndarray, seed: int) -> np.ndarray:
    """Give what a segmentation could find: objects shifted, lost, cut in two and merged, and one that is none."""
    rng = np.random.default_rng(seed)
    found = np.roll(labels, tuple(rng.integers(-3, 4, 2)), (0, 1)).astype(np.int32)
    numbers = rng.permutation(np.unique(found)[1:])
    few = max(len(numbers) // 8, 1)
    for lost in numbers[:few]:
        found[found == lost] = 0
    for cut in numbers[few : 2 * few]:
        rows, columns = np.nonzero(found == cut)
        upper = rows < np.median(rows)
        found[rows[upper], columns[upper]] = found.max() + 1
    for one, other in zip(numbers[2 * few : 3 * few], numbers[3 * few : 4 * few], strict=False):
        found[found == one] = other
    found[:4, :4] = found.max() + 1
    return found


def test_real_masks_as_stardist_and_torchmetrics(shared_data: Path) -> None:
    files = sorted((shared_data / "nuclei" / "masks").glob("*.tif"))[::6]
    assert len(files) > 15
    pairs = [(mask, worse(mask, seed)) for seed, mask in enumerate(tifffile.imread(file) for file in files)]
    for truth, found in pairs:
        assert_as_stardist(truth, found)
        assert_as_torchmetrics(truth.astype(np.int64), found)
    ours = together([match(*pair) for pair in pairs])
    for overlap in OVERLAPS:
        wanted = stardist.matching_dataset(*zip(*pairs, strict=True), thresh=overlap, show_progress=False)
        assert ours.average_precision(overlap) == pytest.approx(wanted.accuracy, abs=1e-6)
        assert ours.f1(overlap) == pytest.approx(wanted.f1, abs=1e-6)
    assert 0.02 < ours.average_precision(0.9) < ours.average_precision(0.5) < 0.95


def test_a_real_volume_as_stardist(shared_data: Path) -> None:
    truth = tifffile.imread(shared_data / "stardist" / "mask3d.tif")
    assert_as_stardist(truth, np.roll(truth, 2, 1))
