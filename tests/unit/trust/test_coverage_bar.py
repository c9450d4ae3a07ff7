"""Bounds of a model that has learnt its confidence hold on fresh images; switched off, calibration fails the check."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji.image import Image
from bioimg_fiji.package import About, ModelPackage
from bioimg_fiji.runtime.export import export
from bioimg_fiji.train import TrainConfig, synthetic, train
from bioimg_fiji.trust.conformal import Calibration
from bioimg_fiji.trust.spread import spreading

ROOT = Path(__file__).resolve().parents[3]
LEVEL = 0.9


@pytest.fixture(scope="module")
def bench() -> Any:
    """The benchmark, whose measure this is; here on a small model and fewer images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
        return importlib.import_module("benchmarks.trust-coverage")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    photons = [synthetic.phantom(128, seed) for seed in range(4)]
    rng = np.random.default_rng(1)
    images = [Image(synthetic.expose(each, rng), "yx") for each in photons]
    targets = [Image(synthetic.truth(each), "yx") for each in photons]
    config = TrainConfig(method="care", steps=60, batch_size=4, filters=8, device="cpu", early_stop=0, confidence=True)
    model = train(images, config, targets=targets)
    about = About("Care", "Small.", "# Small\n\n## Validation\nNone.\n", provenance=model.provenance)
    return export(model, about, tmp_path_factory.mktemp("model") / "care.zip", "restored")


@pytest.mark.timeout(120)
def test_bounds_hold_on_fresh_images_and_not_without_calibration(
    bench: Any, package: ModelPackage, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir()
    monkeypatch.setattr(bench, "CALIBRATED", range(200, 208))
    made = spreading(package, "head")
    scenes = list(bench.told(made, range(300, 306), 2))

    def check(calibration: Calibration) -> None:
        shares = bench.covered(calibration, scenes, calibration.factor(LEVEL))
        assert np.mean(shares) == pytest.approx(LEVEL, abs=0.02)
        assert min(shares) >= 0.85

    calibration = bench.calibrated(made)
    check(calibration)
    monkeypatch.setattr(Calibration, "factor", lambda *_: 1.0)
    with pytest.raises(AssertionError):
        check(calibration)
