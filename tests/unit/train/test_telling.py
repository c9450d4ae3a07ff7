"""Confidence and fit after a training: the result as without, what can be told is told, and what cannot is said."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve, gaussian_filter

from bioimg_fiji.errors import JobCancelledError, PackageError, ParameterError, StorageError, TrainingError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import About
from bioimg_fiji.package.attachments import attachments_of
from bioimg_fiji.runtime.export import export
from bioimg_fiji.runtime.restart import starting_point
from bioimg_fiji.runtime.trained import Telling, TrainedNetwork
from bioimg_fiji.train import TrainConfig, TrainedModel, checkpoint, synthetic, telling, train
from bioimg_fiji.train.feed import Tensors
from bioimg_fiji.train.loop import Loop, head_loss
from bioimg_fiji.train.registry import method_named
from bioimg_fiji.train.telling import Told, _Learning
from bioimg_fiji.trust.conformal import Calibration
from bioimg_fiji.trust.fitness import FitStatistics, Seen, each_normalised

TINY = TrainConfig(steps=6, batch_size=2, patch=32, filters=2, depth=1, checkpoint_every=2, device="cpu", threads=1)


def exposures(count: int, size: int = 64, seed: int = 0, frames: int = 1) -> list[Image]:
    rng = np.random.default_rng(seed)
    scenes = [5 * synthetic.phantom(size, seed=number) for number in range(count)]
    stacks = [np.stack([synthetic.expose(scene, rng) for _ in range(frames)]) for scene in scenes]
    return [
        Image(stack if frames > 1 else stack[0], "tyx" if frames > 1 else "yx", title=f"cells {number}")
        for number, stack in enumerate(stacks)
    ]


def truths(count: int, size: int = 64) -> list[Image]:
    return [Image(synthetic.truth(5 * synthetic.phantom(size, seed=n)), "yx", title=f"true {n}") for n in range(count)]


def two_channels() -> list[Image]:
    one, other = exposures(2, 64)
    return [Image(np.stack([one.pixels, other.pixels]), "cyx", title="two")]


def trained(method: str, images: Sequence[Image], targets: Sequence[Image] = (), **changes: object) -> TrainedModel:
    config = dataclasses.replace(TINY, method=method, force=True, **changes)  # type: ignore[arg-type]
    return train(images, config, targets=targets)


CASES = {
    "n2v": ("n2v", lambda: exposures(2), tuple),
    "n2v2": ("n2v2", lambda: exposures(1), tuple),
    "structn2v": ("structn2v", lambda: exposures(1), tuple),
    "n2n": ("n2n", lambda: exposures(1, frames=4), tuple),
    "temporal": ("temporal", lambda: exposures(1, frames=9), tuple),
    "care": ("care", lambda: exposures(3), lambda: truths(3)),
    "channels": ("n2v", two_channels, tuple),
}


@pytest.mark.parametrize("case", CASES)
def test_result_is_that_of_a_training_without_confidence(case: str) -> None:
    method, images, targets = CASES[case]
    lines = {"noise_axis": "x", "noise_span": 3} if method == "structn2v" else {}
    plain = trained(method, images(), targets(), **lines)
    sure = trained(method, images(), targets(), **lines, confidence=True)
    assert plain.history == sure.history
    assert plain.validation == sure.validation
    assert plain.kwargs == sure.kwargs
    assert plain.state_dict.keys() == sure.state_dict.keys()
    assert all(torch.equal(plain.state_dict[name], sure.state_dict[name]) for name in plain.state_dict)
    assert not plain.head
    last = [values for name, values in sure.head.items() if name.endswith("log_variance.2.bias")]
    assert all(float(values.abs().sum()) > 0 for values in last)
    assert len(last) == (2 if case == "channels" else 1)
    assert "fit.json" in plain.attachments


def test_stopped_training_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, config = exposures(1), dataclasses.replace(TINY, confidence=True)
    whole = train(images, config)
    job, original, path = Job(), Loop._step, tmp_path / "c.checkpoint"

    def step(self: Loop, batch: Tensors, number: int, job_: Job) -> float:
        if number == 2:
            job.cancel()
        return original(self, batch, number, job_)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_step", step)
        with pytest.raises(JobCancelledError):
            train(images, config, job=job, checkpoint=path)
    assert len(checkpoint.load(path)["history"]) == 3
    resumed = train(images, config, checkpoint=path, resume=True)
    assert resumed.history == whole.history
    for ours, theirs in ((resumed.head, whole.head), (resumed.state_dict, whole.state_dict)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    with pytest.raises(Exception, match="confidence"):
        train(images, dataclasses.replace(config, confidence=False), checkpoint=path, resume=True)


def test_checkpoint_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    images, path = exposures(1), tmp_path / "c.checkpoint"
    whole = train(images, TINY, checkpoint=path)
    state = checkpoint.load(path)
    del state["identity"]["config"]["confidence"], state["format"]
    checkpoint.save(path, state)
    assert train(images, TINY, checkpoint=path, resume=True).history == whole.history


def test_loss_of_the_head_is_least_at_the_variance() -> None:
    squares = torch.tensor([0.01, 1.0, 25.0])
    log_variance = squares.log().requires_grad_()
    head_loss(squares, log_variance).sum().backward()
    assert log_variance.grad is not None
    assert float(log_variance.grad.abs().max()) < 1e-6
    for shift in (-0.1, 0.1):
        assert bool((head_loss(squares, squares.log() + shift) > head_loss(squares, squares.log())).all())


def test_confidence_is_calibrated_with_the_targets_held_out(tmp_path: Path) -> None:
    model = trained("care", exposures(3), truths(3), confidence=True, steps=60)
    calibration = Calibration.from_json(json.loads(model.attachments["confidence.json"]))
    assert (calibration.spread, calibration.truth, len(calibration.images)) == ("head", "held-out pixels", 3)
    assert calibration.label() == "empirical (held-out pixels of 3 images of the training)"
    with pytest.raises(ParameterError, match="not independent of the model"):
        calibration.factor(0.9, "certified")
    assert [image.name for image in calibration.images] == ["cells 0", "cells 1", "cells 2"]
    assert all(image.pixels == 14 * 14 and len(image.sha256) == 64 for image in calibration.images)
    figures = model.provenance["figures"]
    assert 0.6 < figures["coverage"] <= 1
    assert 0 < figures["raw_coverage"] <= 1
    said = [sentence for sentence in model.provenance["sentences"] if "90 % intervals hold" in sentence]
    assert len(said) == 1
    package = export(model, About("m", "m", "# m\n\n## Validation\n"), tmp_path / "m.zip")
    assert attachments_of(package).keys() == {"told.onnx", "told.pt", "confidence.json", "fit.json"}
    assert attachments_of(package)["confidence.json"].read() == model.attachments["confidence.json"]


def test_what_cannot_be_calibrated_is_said() -> None:
    few = trained("n2v", exposures(1, 40), confidence=True)
    assert "confidence.json" not in few.attachments
    assert any("cannot be calibrated without a truth" in sentence for sentence in few.provenance["sentences"])
    several = trained("n2v", two_channels(), confidence=True)
    assert any("several channels is not calibrated" in sentence for sentence in several.provenance["sentences"])


def test_fit_is_kept_of_every_kind_of_training() -> None:
    labels = np.zeros((64, 64), np.uint16)
    for number, place in enumerate((8, 28, 48), 1):
        labels[place : place + 10, place : place + 10] = number
    cells = Image(np.random.default_rng(0).poisson(20 + 50 * (labels > 0)).astype(np.uint16), "yx", title="cells")
    model = trained("segmentation", [cells], [cells.with_pixels(labels)])
    statistics = FitStatistics.from_json(json.loads(model.attachments["fit.json"]))
    assert statistics.normalised
    features = model.told().run(cells.pixels).features
    assert statistics.centre.shape == (features.shape[1],)
    other = model.told().run(np.indices((64, 64))[0] ** 4.0).features
    excess = [statistics.figures(Seen(features=each))["distance"].excess for each in (features, other)]
    assert excess[0] < min(1, excess[1])
    volume = Image(np.random.default_rng(0).poisson(20, (6, 40, 40)).astype(np.uint16), "zyx", title="volume")
    assert "fit.json" in trained("n2v", [volume], dims=3).attachments


def test_a_segmentation_has_no_spread() -> None:
    with pytest.raises(ParameterError, match="confidence"):
        trained("segmentation", exposures(1), exposures(1), confidence=True)


def test_a_head_is_learnt_when_a_training_goes_on(tmp_path: Path) -> None:
    about = About("m", "m", "# m\n\n## Validation\n")
    start = starting_point(export(trained("n2v", exposures(1)), about, tmp_path / "m.zip"))
    for confidence in (True, False):
        config = dataclasses.replace(TINY, confidence=confidence)
        model = train(exposures(1, seed=1), config, start=start)
        package = export(model, about, tmp_path / "n.zip")
        assert ("told.pt" in attachments_of(package)) is confidence
        start = starting_point(package)


class Known:
    """A denoiser that never looks at the pixel itself, and whose spread is three times too small."""

    def __init__(self, reach: float = 1.2) -> None:
        weight = np.zeros((9, 9))
        weight[4, 4] = 1
        self._weight = gaussian_filter(weight, reach)
        self._weight[4, 4] = 0

    def run(self, pixels: np.ndarray) -> Telling:
        told = convolve(pixels[0].astype(np.float64), self._weight / self._weight.sum(), mode="mirror")[np.newaxis]
        edges = np.abs(gaussian_filter(told, (0, 1, 1)) - gaussian_filter(told, (0, 3, 3)))
        return Telling(told, (0.4 + 0.3 * edges) / 3, np.zeros((1, 1), np.float32))


def learnt(method: str, images: Sequence[Image], **changes: object) -> Told:
    """Calibrate the known denoiser as if it had been trained."""
    model = trained(method, [image.with_pixels(image.pixels[..., :64, :64]) for image in images], **changes)
    config = dataclasses.replace(TINY, method=method, force=True, **changes)  # type: ignore[arg-type]
    learning = _Learning(model, method, method_named(method).source(images, config), images)
    learning._network = Known()  # type: ignore[assignment]
    return learning.confidence()


def real_coverage(found: Told, scenes: Sequence[np.ndarray], noise: float, level: float) -> float:
    calibration = Calibration.from_json(json.loads(found.attachments["confidence.json"]))
    assert calibration.label().startswith("modelled from noise")
    rng, shares = np.random.default_rng(9), []
    for scene in scenes:
        telling = Known().run(noisy(scene, rng, noise)[np.newaxis])
        low, high, _ = calibration.interval(telling.output[0], telling.spread[0], calibration.factor(level))
        shares.append(np.mean((low <= scene) & (scene <= high)))
    return float(np.mean(shares))


def noisy(scene: np.ndarray, rng: np.random.Generator, reach: float = 0.0) -> np.ndarray:
    """Add camera noise of 8 grey levels, which neighbours share where `reach` is above 0."""
    white = rng.normal(size=scene.shape)
    noise = gaussian_filter(white, reach) if reach else white
    return np.asarray(scene + 8 * noise / noise.std(), np.float32)


def scenes(count: int, first: int) -> list[np.ndarray]:
    return [synthetic.truth(synthetic.phantom(512, seed=first + number)) for number in range(count)]


def test_hidden_pixels_that_were_held_out_calibrate_noise2void() -> None:
    rng = np.random.default_rng(0)
    images = [Image(noisy(scene, rng), "yx", title=f"{n}") for n, scene in enumerate(scenes(2, 0))]
    found = learnt("n2v", images)
    for level in (0.5, 0.9):
        assert real_coverage(found, scenes(2, 20), 0.0, level) == pytest.approx(level, abs=0.06)


@pytest.mark.parametrize("reach", [0.0, 0.6])
def test_other_exposures_calibrate_noise2noise_whatever_neighbours_share(reach: float) -> None:
    rng = np.random.default_rng(0)
    images = [
        Image(np.stack([noisy(scene, rng, reach) for _ in range(2)]), "tyx", title=f"{n}")
        for n, scene in enumerate(scenes(2, 0))
    ]
    found = learnt("n2n", images)
    coverage = real_coverage(found, scenes(2, 20), reach, 0.9)
    # What neighbours share makes the noise of still pairs look smaller by a sixth, and the bounds too wide.
    assert 0.86 < coverage < (0.99 if reach else 0.96)


def test_other_exposures_that_are_cut_off_calibrate_nothing() -> None:
    rng = np.random.default_rng(0)
    (scene,) = scenes(1, 0)
    cut = np.stack([np.minimum(noisy(scene, rng), 110) for _ in range(2)])
    found = learnt("n2n", [Image(cut, "tyx", title="cut")])
    assert not found.attachments
    assert "saturated" in found.sentences[0]


def test_methods_for_noise_that_neighbours_share_are_not_calibrated_by_hidden_pixels() -> None:
    rng = np.random.default_rng(0)
    images = [Image(noisy(scene, rng), "yx", title=f"{n}") for n, scene in enumerate(scenes(2, 0))]
    found = learnt("structn2v", images, noise_axis="x", noise_span=3)
    assert not found.attachments
    assert "structn2v" in found.sentences[0]


def test_a_segmentation_keeps_what_whole_images_are_like(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_PIXELS", 4 * 96**2)

    def cells(seed: int) -> tuple[Image, Image]:
        rng = np.random.default_rng(seed)
        labels = np.zeros((192, 192), np.uint16)
        for number, (y, x) in enumerate(rng.integers(60, 120, (12, 2)), 1):
            labels[y : y + 10, x : x + 10] = number
        image = Image(rng.poisson(20 + 50 * (labels > 0)).astype(np.uint16), "yx", title=f"cells {seed}")
        return image, image.with_pixels(labels)

    images, targets = zip(*map(cells, range(4)), strict=True)
    model = trained("segmentation", images, targets)
    statistics = FitStatistics.from_json(json.loads(model.attachments["fit.json"]))
    for seed in range(10, 14):
        pixels = cells(seed)[0].pixels
        seen = Seen(each_normalised(pixels[np.newaxis]), model.told().run(pixels).features)
        figures = statistics.figures(seen)
        assert abs(figures["noise"].excess) < 1
        assert figures["distance"].excess < 1


def test_a_head_without_a_finite_gradient_stops_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(squares: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
        return head_loss(squares, log_variance) * float("nan")

    monkeypatch.setattr("bioimg_fiji.train.loop.head_loss", broken)
    with pytest.raises(TrainingError, match="gradient nan"):
        trained("n2v", exposures(1), confidence=True)


def test_what_cannot_be_read_afterwards_does_not_lose_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(self: _Learning, groups: object) -> None:
        raise StorageError("The disk is gone.")

    monkeypatch.setattr(_Learning, "_excerpts", unreadable)
    model = trained("n2v", exposures(1))
    assert "fit.json" not in model.attachments
    assert len(model.history) == TINY.steps


def test_a_network_that_tells_another_spread_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained("n2v", exposures(1), confidence=True)
    original = TrainedNetwork.told_bytes

    def wrong(self: TrainedNetwork) -> dict[str, bytes]:
        other = dataclasses.replace(self, head={name: values + 1 for name, values in self.head.items()})
        return original(other)

    monkeypatch.setattr(TrainedNetwork, "told_bytes", wrong)
    with pytest.raises(PackageError, match=r"told.onnx of m model does not tell the spread"):
        export(model, About("m", "m", "# m\n\n## Validation\n"), tmp_path / "m.zip")
    assert not (tmp_path / "m.zip").exists()
