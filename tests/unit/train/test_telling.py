"""Confidence and fit after a training: the result as without, what can be told is told, and what cannot is said."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from bioimg_fiji.errors import JobCancelledError, ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import About
from bioimg_fiji.package.attachments import attachments_of
from bioimg_fiji.runtime.export import export
from bioimg_fiji.runtime.restart import starting_point
from bioimg_fiji.train import TrainConfig, TrainedModel, checkpoint, synthetic, train
from bioimg_fiji.train.feed import Tensors
from bioimg_fiji.train.loop import Loop, head_loss
from bioimg_fiji.trust.conformal import Calibration
from bioimg_fiji.trust.fitness import FitStatistics, Seen

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
    assert (calibration.spread, calibration.truth, len(calibration.images)) == ("head", "images", 3)
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
