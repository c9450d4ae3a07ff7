"""Calibrated probabilities: the temperature, where it goes, and what it must not change."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from bioimg_fiji.commands import find
from bioimg_fiji.errors import StorageError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.metrics import expected_calibration_error
from bioimg_fiji.nets import build
from bioimg_fiji.objects import label
from bioimg_fiji.package import open_package
from bioimg_fiji.train import TrainConfig, temperature, train
from bioimg_fiji.train.registry import method_named


def blurred(count: int = 40_000, sharpness: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Give what a network says whose probabilities are off by that factor around one half, and the truth."""
    rng = np.random.default_rng(0)
    probability = rng.uniform(0, 1, count)
    return 0.5 + (probability - 0.5) * sharpness, rng.uniform(0, 1, count) < probability


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 1.8])
def test_the_factor_by_which_probabilities_are_off_is_found(sharpness: float) -> None:
    said, true = blurred(sharpness=sharpness)
    found = temperature.fitted(said, true)
    assert found == pytest.approx(sharpness, rel=0.03)
    calibrated = temperature.scaled(said, found)
    assert expected_calibration_error(calibrated, true) < 0.015
    assert ((said > 0.5) == (calibrated > 0.5)).all()


@pytest.mark.parametrize("kwargs", [{"in_channels": 1}, {"in_channels": 2, "independent": True}])
def test_the_temperature_goes_into_the_last_layer_of_its_channel(kwargs: dict[str, object]) -> None:
    kwargs = {"ndim": 2, "out_channels": 2, "filters": 2, "depth": 1, **kwargs}
    network = build("unet", kwargs)
    inputs = torch.rand(1, int(str(kwargs["in_channels"])), 16, 16)
    before = network(inputs).detach()
    network.load_state_dict(temperature.divided(network.state_dict(), 0, 0.8))
    after = network(inputs).detach()
    torch.testing.assert_close(after[:, 0], 0.5 + (before[:, 0] - 0.5) / 0.8)
    torch.testing.assert_close(after[:, 1], before[:, 1])


def discs(seed: int) -> tuple[Image, Image]:
    """Give an image of discs in much noise, and their labels."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:128, :128]
    labels = np.zeros((128, 128), np.uint16)
    for number in range(16):
        y, x = 16 + 32 * (number // 4) + rng.integers(-4, 5), 16 + 32 * (number % 4) + rng.integers(-4, 5)
        labels[(rows - y) ** 2 + (columns - x) ** 2 < rng.integers(6, 13) ** 2] = number + 1
    pixels = rng.poisson(8 + 8 * (labels > 0)).astype(np.float32)
    return Image(pixels, "yx", title=f"discs-{seed}.tif"), Image(labels, "yx")


def test_a_training_ends_with_calibrated_probabilities(tmp_path: Path) -> None:
    pairs = [discs(seed) for seed in range(6)]
    notes: list[str] = []
    config = TrainConfig(method="segmentation", steps=60, batch_size=4, filters=4, device="cpu")
    images, labels = ([pair[place] for pair in pairs] for place in (0, 1))
    checkpoint = tmp_path / "a.checkpoint"
    model = train(images, config, targets=labels, job=Job(on_note=notes.append), checkpoint=checkpoint)
    told = model.provenance["calibration"]
    assert told["patches"] == 6
    assert told["ece_after"] <= told["ece_before"]
    assert model.provenance["figures"]["temperature"] == told["temperature"]
    (sentence,) = (note for note in notes if "calibrated" in note)
    assert f"on 6 held-out patches: ECE {told['ece_before']:.3f}" in sentence
    assert "calibrated probability" in find_documentation(model.provenance)
    # On images that were never seen
    tests = [discs(seed) for seed in range(100, 104)]
    raw = {**model.state_dict, **temperature.divided(model.state_dict, 0, 1 / told["temperature"])}
    errors = {}
    for name, state in (("calibrated", model.state_dict), ("raw", raw)):
        found = [
            np.clip(forward(model.kwargs, state, model.normalised(image.pixels[None])), 0, 1) for image, _ in tests
        ]
        foreground = np.stack([each[0] for each in found])
        errors[name] = expected_calibration_error(foreground, np.stack([truth.pixels > 0 for _, truth in tests]))
        objects = [label(Image(each, "cyx"), model.channels, "yx").pixels for each in found]
        errors[f"{name} objects"] = objects
    assert errors["calibrated"] <= errors["raw"] + 0.002
    for one, other in zip(errors["calibrated objects"], errors["raw objects"], strict=True):
        np.testing.assert_array_equal(one, other)  # the decision at one half stays
    # What is resumed at its end gives the same temperature
    again = train(images, config, targets=labels, checkpoint=checkpoint, resume=True)
    assert again.provenance["calibration"] == told
    assert all(torch.equal(again.state_dict[name], model.state_dict[name]) for name in model.state_dict)


def test_a_network_that_is_off_by_a_known_factor_is_calibrated() -> None:
    images, labels = zip(*(discs(seed) for seed in range(6)), strict=True)
    config = TrainConfig(method="segmentation", steps=60, batch_size=4, filters=4, device="cpu")
    model = train(images, config, targets=labels)
    source = method_named("segmentation").source(images, config, labels)
    first, _ = temperature.calibrated(model, source, Job())
    wrong = dataclasses.replace(first, state_dict=temperature.divided(first.state_dict, 0, 1 / 1.8))
    found, told = temperature.calibrated(wrong, source, Job())
    assert told["temperature"] == pytest.approx(1.8, rel=0.1)
    assert told["ece_after"] < told["ece_before"]
    for name, values in first.state_dict.items():
        torch.testing.assert_close(found.state_dict[name], values, rtol=0.15, atol=0.02)


def test_what_cannot_be_read_does_not_lose_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> None:
        raise StorageError("The disk is gone.")

    monkeypatch.setattr(temperature, "_held_out", unreadable)
    image, labels = discs(0)
    notes: list[str] = []
    config = TrainConfig(method="segmentation", steps=2, batch_size=1, filters=2, depth=1, device="cpu")
    model = train([image], config, targets=[labels], job=Job(on_note=notes.append))
    assert "calibration" not in model.provenance
    assert any("could not be read or run: The disk is gone." in note for note in notes)


def forward(kwargs: object, state: object, inputs: np.ndarray) -> np.ndarray:
    network = build("unet", kwargs)  # type: ignore[arg-type]
    network.load_state_dict(state)  # type: ignore[arg-type]
    with torch.inference_mode():
        return network.eval()(torch.from_numpy(inputs)[None])[0].numpy()


def find_documentation(provenance: dict[str, object]) -> str:
    from bioimg_fiji.commands.documentation import describe

    return describe(provenance, "discs").documentation


def test_packages_give_probabilities_and_the_table_tells_how_sure(tmp_path: Path) -> None:
    image, labels = discs(0)
    values = {"image": image, "target": labels, "model": tmp_path / "m.zip", "steps": 60, "filters": 4}
    done = find("train_segmentation").run({**values, "batch_size": 4})
    assert {"temperature", "ece_before", "ece_after"} <= set(done.figures)
    package = open_package(tmp_path / "m.zip")
    assert package.own["provenance"]["calibration"]["temperature"] == done.figures["temperature"]
    assert [op.id for op in package.outputs[0].ops] == ["clip", "ensure_dtype"]
    table = find("run_model").run({"image": image, "model": tmp_path / "m.zip", "table": True}).tables["objects"]
    place = table.columns.index("confidence")
    assert all(0 < float(row[place]) <= 1 for row in table.rows)  # type: ignore[arg-type]
    find("train_segmentation").run(
        {**values, "model": tmp_path / "n.zip", "start_from": tmp_path / "m.zip", "steps": 5}
    )


def test_of_large_patches_as_many_pixels_are_looked_at_as_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temperature, "_PIXELS", 50)
    images, labels = zip(*(discs(seed) for seed in range(3)), strict=True)
    config = TrainConfig(method="segmentation", steps=2, batch_size=1, filters=2, depth=1, device="cpu")
    told = train(images, config, targets=labels).provenance["calibration"]
    assert told["patches"] == 3
    assert 100 < told["pixels"] <= 150


def test_held_out_pixels_of_one_kind_calibrate_nothing() -> None:
    image, labels = discs(0)
    notes: list[str] = []
    config = TrainConfig(method="segmentation", steps=2, batch_size=1, filters=2, depth=1, held_out=0, device="cpu")
    model = train([image], config, targets=[labels], job=Job(on_note=notes.append))
    assert "calibration" not in model.provenance
    assert any("not calibrated" in note for note in notes)
