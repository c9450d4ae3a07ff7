"""What a trained segmentation reaches on real nuclei."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from bioimg_fiji.image import Image
from bioimg_fiji.objects import label
from bioimg_fiji.train import TrainConfig, train
from bioimg_fiji.train.segmentation import described


def average_precision(truth: NDArray[np.int64], found: NDArray[np.int64], overlap: float) -> float:
    """Give TP / (TP + FP + FN), a true positive having an intersection over union of at least `overlap` (>= 0.5)."""
    shared = np.zeros((truth.max() + 1, found.max() + 1))
    np.add.at(shared, (truth.ravel(), found.ravel()), 1)
    union = shared.sum(1)[:, None] + shared.sum(0)[None] - shared
    matches = int((shared / np.maximum(union, 1) >= overlap)[1:, 1:].sum())  # at 0.5 and above a match is unique
    return matches / (len(np.unique(truth[truth > 0])) + len(np.unique(found[found > 0])) - matches)


def test_foreground_and_distance_of_objects_that_touch() -> None:
    labels = np.zeros((12, 20), np.int64)
    labels[2:9, 2:9], labels[2:9, 9:18] = 1, 2
    foreground, distance = described(labels)
    np.testing.assert_array_equal(foreground, labels > 0)
    assert distance.max() == 1
    assert distance[5, 5] == 1
    assert distance[5, 13] == 1
    assert distance[5, 8] < 0.5  # the border between them
    assert distance[5, 9] < 0.5
    assert (distance[labels == 0] == 0).all()
    assert (distance[labels > 0] > 0).all()


@pytest.mark.parametrize("channels", ["separate", "joint"])
def test_foreground_and_distance_are_told_from_all_channels(channels: str) -> None:
    """As many channels as there are results: each result must not have a channel of its own."""
    rng = np.random.default_rng(0)
    labels = np.zeros((64, 64), np.uint16)
    for number in range(4):
        labels[6 + 14 * number : 16 + 14 * number, 20:32] = number + 1
    pixels = rng.poisson(10 + 20 * (labels > 0), (2, 64, 64)).astype(np.float32)
    config = TrainConfig(
        method="segmentation", steps=2, batch_size=1, filters=2, depth=1, channels=channels, device="cpu"
    )
    model = train([Image(pixels, "cyx")], config, targets=[Image(labels, "yx")])
    assert "independent" not in model.kwargs
    told = model.outputs(pixels)
    for changed in range(2):
        other = pixels.copy()
        other[changed] = rng.poisson(10, (64, 64))
        differences = np.abs(model.outputs(other) - told).max(axis=(1, 2))
        assert (differences > 0).all()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_other_half_of_real_nuclei(shared_data: Path) -> None:
    pixels = tifffile.imread(shared_data / "stardist" / "img2d.tif")
    labels = tifffile.imread(shared_data / "stardist" / "mask2d.tif").astype(np.uint16)
    half = pixels.shape[1] // 2
    config = TrainConfig(method="segmentation", steps=600, device="cpu")
    model = train([Image(pixels[:, :half], "yx")], config, targets=[Image(labels[:, :half], "yx")])
    found = label(Image(model.outputs(pixels[:, half:]), "cyx"), model.channels, "yx").pixels.astype(np.int64)
    truth = labels[:, half:].astype(np.int64)
    assert average_precision(truth, found, 0.5) >= 0.74
    assert average_precision(truth, found, 0.7) >= 0.60
