"""How sure a model is of its objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from bioimg_fiji import metrics
from bioimg_fiji.commands import find
from bioimg_fiji.image import Image
from bioimg_fiji.objects import ObjectRule, label
from bioimg_fiji.trust.objects import confidence, shares


def test_probabilities_inside_are_averaged() -> None:
    probability = np.full((20, 30), 0.1, np.float32)
    probability[2:8, 2:8], probability[10:18, 15:25] = 0.9, 0.6
    output = Image(probability, "yx")
    labels = label(output, ("probability",), "yx")
    found = confidence(output, ("probability",), labels, "yx", ObjectRule())
    assert found is not None
    assert found[4, 4] == pytest.approx(0.9)
    assert found[12, 20] == pytest.approx(0.6)
    assert found[0, 0] == 0


def test_halves_of_an_object_are_less_sure() -> None:
    """The distances tell one disc; labels that cut it do not fit them."""
    rows, columns = np.mgrid[:40, :40]
    disc = ((rows - 20) ** 2 + (columns - 20) ** 2 < 16**2).astype(np.uint16)
    output = Image(np.stack([disc > 0, shares(disc)]).astype(np.float32) * 0.98, "cyx")
    names, rule = ("foreground", "distance"), ObjectRule()
    whole = label(output, names, "yx")
    assert int(whole.pixels.max()) == 1
    halves = Image(np.where(columns < 20, disc, disc * 2), "yx")
    sure, cut = (confidence(output, names, labels, "yx", rule) for labels in (whole, halves))
    assert sure is not None
    assert cut is not None
    assert sure[20, 20] == pytest.approx(0.98, abs=0.01)
    assert cut[20, 10] < sure[20, 20] - 0.08
    assert cut[20, 30] < sure[20, 20] - 0.08


def test_labels_masks_and_other_values_have_no_confidence() -> None:
    pixels = np.zeros((16, 16))
    pixels[4:9, 4:9] = 1
    for values in (pixels.astype(np.uint8) * 3, pixels.astype(np.float32), (pixels * 7).astype(np.float32)):
        output = Image(values, "yx")
        labels = label(output, ("",), "yx")
        assert confidence(output, ("",), labels, "yx", ObjectRule()) is None


def test_frames_and_volumes_have_their_own() -> None:
    rng = np.random.default_rng(0)
    movie = Image(rng.uniform(0.2, 1, (3, 2, 24, 24)).astype(np.float32), "tcyx")
    names, rule = ("foreground", "boundary"), ObjectRule()
    labels = label(movie, names, "yx", rule)
    found = confidence(movie, names, labels, "yx", rule)
    assert found is not None
    for frame in range(3):
        numbers, probability = labels.pixels[frame], movie.pixels[frame, 0]
        inside = numbers == 1
        assert found[frame][inside][0] == pytest.approx(probability[inside].mean(), rel=1e-5)


def test_the_wrong_objects_of_a_real_model_are_the_less_sure_ones(shared_data: Path) -> None:
    """The zoo's model on real nuclei, of which it merges many."""
    package = shared_data / "models" / "unet2d_nuclei_broad"
    scores, right = [], []
    for path in sorted((shared_data / "nuclei" / "images").glob("*.tif"))[100:108]:
        image = Image(tifffile.imread(path), "yx", title=path.name)
        truth = tifffile.imread(shared_data / "nuclei" / "masks" / path.name)
        keys = {"image": image, "model": package, "labels": True, "table": True, "minimum_size": 20}
        done = find("run_model").run(keys)
        table, found = done.tables["objects"], done.images["output"].pixels
        scores += [float(row[table.columns.index("confidence")]) for row in table.rows]  # type: ignore[arg-type]
        for number in range(1, int(found.max()) + 1):
            inside = found == number
            overlaps = np.bincount(truth[inside].ravel())
            overlaps[0] = 0
            best = int(overlaps.argmax())
            union = np.count_nonzero(inside | (truth == best)) if best else 1
            right.append(best > 0 and overlaps[best] / union >= 0.5)
    sure, good = np.array(scores), np.array(right)
    pairs = sure[good][:, None] - sure[~good][None]
    area = float(np.mean((pairs > 0) + 0.5 * (pairs == 0)))  # AUROC
    assert area >= 0.65
    assert metrics.expected_calibration_error(sure, good, bins=10) <= 0.25
