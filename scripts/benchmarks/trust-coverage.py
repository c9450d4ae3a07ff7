"""Whether bounds hold: models of the synthetic set, calibrated on fresh images and measured on others.

Of each model and spread: coverage of 90 % bounds on images that neither the training nor the calibration has seen, the
least covered image, how well the spread sorts pixels by their error (AUSE beside that of no knowledge), the mean width,
and what the spread alone would have covered; and what bounds hold as the training itself has calibrated them. On two
cores it takes about ten minutes; --steps makes it shorter.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.training import figures
from benchmarks.training.figures import Figure
from bioimg_fiji import Image, metrics
from bioimg_fiji.errors import BioimgError
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import About, ModelPackage
from bioimg_fiji.predict import PredictOptions
from bioimg_fiji.runtime.export import export
from bioimg_fiji.train import TrainConfig, synthetic, train
from bioimg_fiji.trust.conformal import Calibration, bounded, calibration_of, sample_of
from bioimg_fiji.trust.intervals import calibration_in
from bioimg_fiji.trust.spread import Spreading, predict_spread, spreading
from bioimg_fiji.trust.unseen import blind_sample, calibration_without_truth

LEVEL = 0.9
CALIBRATED, MEASURED, BLIND = range(200, 224), range(300, 316), range(200, 208)
"""Seeds of the phantoms; those of the training are 0 to 7."""

MEAN, LEAST, SORTED = (0.88, 0.92), 0.85, 0.3
"""Bars: mean coverage, that of each image, AUSE beside that of no knowledge."""

OPTIONS = PredictOptions(device="cpu")


@dataclass(frozen=True)
class Scene:
    """An image with its truth and what a model says of it."""

    name: str
    truth: NDArray[Any]
    output: NDArray[Any]
    spread: NDArray[Any]


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what may be asked."""
    parser.add_argument("--steps", type=int, default=800, help="of each training")
    parser.add_argument("--methods", nargs="+", default=["care", "n2v"], choices=["care", "n2v", "n2n"])


def run(arguments: argparse.Namespace) -> list[Figure]:
    """Train, calibrate and measure; the bars are those of the restoration that has learnt its confidence."""
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for method in arguments.methods:
            package = trained(method, arguments.steps, Path(folder))
            found += as_trained(method, package)
            if method == "n2n":
                continue
            for kind in ("head", "augmentation"):
                found += measured(method, spreading(package, kind))
            if method == "n2v":
                found += without_truth(method, package)
    return found


def trained(method: str, steps: int, folder: Path) -> ModelPackage:
    """Train on the synthetic set, with a head for the spread."""
    training, _, _ = synthetic.benchmark_set()
    truths = [Image(synthetic.truth(synthetic.phantom(seed=seed)), "yx") for seed in range(len(training))]
    config = TrainConfig(
        method=method, steps=steps, batch_size=4, filters=16, device="cpu", early_stop=0, confidence=True
    )
    images = [Image(each, "yx") for each in training]
    if method == "n2n":
        rng = np.random.default_rng(2)
        images = [
            Image(np.stack([each.pixels, synthetic.expose(synthetic.phantom(seed=seed), rng)]), "tyx")
            for seed, each in enumerate(images)
        ]
    model = train(images, config, targets=truths if method == "care" else ())
    about = About(method, "Of the synthetic set.", "# Synthetic\n\n## Validation\nNone.\n", provenance=model.provenance)
    return export(model, about, folder / f"{method}.zip", "restored")


def as_trained(method: str, package: ModelPackage) -> Iterator[Figure]:
    """Measure what bounds hold by the calibration at the end of the training."""
    name = f"{method}, head, calibrated by its training"
    calibration = calibration_in(package)
    if calibration is None:
        yield figures.note(name, "could not be calibrated")
        return
    scenes = list(told(spreading(package, "head"), MEASURED, 2))
    shares = covered(calibration, scenes, calibration.factor(LEVEL))
    yield figures.note(f"{name} ({calibration.label()}): coverage of 90 % bounds", float(np.mean(shares)))
    yield figures.note(f"{name}: coverage of the least covered image", min(shares))
    order = float(np.mean([sorting(calibration, scene) for scene in scenes]))
    yield figures.note(f"{name}: AUSE beside that of no knowledge", order)


def measured(method: str, made: Spreading) -> Iterator[Figure]:
    """Calibrate on images, and measure on others."""
    calibration = calibrated(made)
    scenes = list(told(made, MEASURED, 2))
    name = f"{method}, {made.kind}"
    shares = covered(calibration, scenes, calibration.factor(LEVEL))
    yield figures.within(f"{name}: coverage of 90 % bounds", float(np.mean(shares)), *MEAN)
    yield figures.at_least(f"{name}: coverage of the least covered image", min(shares), LEAST)
    order = float(np.mean([sorting(calibration, scene) for scene in scenes]))
    name_of_order = f"{name}: AUSE beside that of no knowledge"
    strict = (method, made.kind) == ("care", "head")
    yield figures.at_most(name_of_order, order, SORTED) if strict else figures.note(name_of_order, order)
    yield figures.note(f"{name}: raw coverage, 1.645 spreads", float(np.mean([raw(scene) for scene in scenes])))
    off = float(np.mean(covered(calibration, scenes, 1.0)))
    text = f"{off:.3f}"
    yield figures.expected(
        f"{name}: coverage without calibration, factor 1", text, "not 0.88 to 0.92", holds=not MEAN[0] <= off <= MEAN[1]
    )
    sure = covered(calibration, scenes, calibration.factor(LEVEL, "certified"))
    yield figures.at_least(f"{name}: coverage of certified bounds", float(np.mean(sure)), LEVEL)
    width = [calibration.interval(each.output, each.spread, calibration.factor(LEVEL))[2].mean() for each in scenes]
    yield figures.note(f"{name}: width of 90 % bounds", float(np.mean(width)), "ADU")


def without_truth(method: str, package: ModelPackage) -> Iterator[Figure]:
    """Calibrate against hidden noisy pixels, and tell what the bounds really cover."""
    made = spreading(package, "augmentation")
    rng = np.random.default_rng(1)

    def run_on(noisy: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        prediction, spread = predict_spread(Image(noisy, "yx"), made, OPTIONS, Job())
        return prediction.images["output"].pixels, spread

    name = f"{method}, augmentation, calibrated without a truth"
    try:
        samples = [
            blind_sample(str(seed), synthetic.expose(synthetic.phantom(seed=seed), rng), run_on, len(BLIND))
            for seed in BLIND
        ]
        calibration = calibration_without_truth("augmentation", samples)
    except BioimgError as error:
        yield figures.note(name, error.message)
        return
    shares = covered(calibration, list(told(made, MEASURED, 2)), calibration.factor(LEVEL))
    yield figures.note(f"{name}: real coverage of 90 % bounds", float(np.mean(shares)))
    yield figures.note(f"{name}: real coverage of the least covered image", min(shares))


def calibrated(made: Spreading) -> Calibration:
    """Calibrate on fresh images."""
    scenes = told(made, CALIBRATED, 1)
    return calibration_of(made.kind, [sample_of(each.name, each.output, each.spread, each.truth) for each in scenes])


def told(made: Spreading, seeds: Sequence[int], noise: int) -> Iterator[Scene]:
    """Run a model on fresh images."""
    rng = np.random.default_rng(noise)
    for seed in seeds:
        photons = synthetic.phantom(seed=seed)
        image = Image(synthetic.expose(photons, rng), "yx")
        prediction, spread = predict_spread(image, made, OPTIONS, Job())
        yield Scene(str(seed), synthetic.truth(photons), prediction.images["output"].pixels, spread)


def covered(calibration: Calibration, scenes: Sequence[Scene], factor: float) -> list[float]:
    """Give each image's share of true values within the bounds."""
    found = []
    for scene in scenes:
        low, high, _ = calibration.interval(scene.output, scene.spread, factor)
        found.append(metrics.coverage(scene.truth, low, high))
    return found


def sorting(calibration: Calibration, scene: Scene) -> float:
    """Give AUSE beside that of an uncertainty that tells nothing."""
    return metrics.sparsification(scene.truth, scene.output, bounded(scene.spread, calibration.floor)).of_random


def raw(scene: Scene) -> float:
    """Give what the spread alone would cover, were errors normal."""
    return float(np.mean(np.abs(scene.output - scene.truth) <= 1.6449 * scene.spread))
