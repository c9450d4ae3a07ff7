"""Training as a process: what it reports, how it stops, how it goes on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from bioimg_fiji import metrics
from bioimg_fiji.drawn import selected
from bioimg_fiji.errors import (
    AxesError,
    ImageError,
    ImageTooSmallError,
    JobCancelledError,
    ModelError,
    ParameterError,
    StorageError,
    TrainingError,
    UnsuitableMethodError,
)
from bioimg_fiji.files import open_source, write_image
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.jobs import Job, Live, Progress
from bioimg_fiji.package import About
from bioimg_fiji.predict import predict
from bioimg_fiji.runtime.export import export
from bioimg_fiji.runtime.restart import starting_point
from bioimg_fiji.train import TrainConfig, checkpoint, synthetic, train
from bioimg_fiji.train.data import prepare
from bioimg_fiji.train.feed import Tensors
from bioimg_fiji.train.loop import Loop
from bioimg_fiji.train.optimizer import AdamW
from bioimg_fiji.train.registry import method_named
from bioimg_fiji.train.watch import thinned

TINY = TrainConfig(steps=12, batch_size=2, patch=32, filters=2, depth=1, checkpoint_every=4, device="cpu", threads=1)


@pytest.fixture
def image() -> Image:
    photons = synthetic.phantom(size=64, seed=4) * 5
    return Image(synthetic.expose(photons, np.random.default_rng(0)), "yx", title="cells")


def test_result_describes_itself(image: Image) -> None:
    model = train([image], TINY)
    assert model.axes == "yx"
    assert len(model.history) == 12
    assert [step for step, _ in model.validation] == list(range(1, 13))
    assert model.mean == pytest.approx((float(image.pixels.mean(dtype=float)),))
    assert model.sample.shape == (1, 64, 64)
    assert model.sample.dtype == image.dtype
    assert np.array_equal(model.sample[0], image.pixels)
    assert model.provenance["method"] == "n2v"
    assert model.provenance["parameters"]["steps"] == 12
    assert model.provenance["machine"]["device"] == "cpu"
    assert len(model.provenance["data"]["sha256"]) == 64
    assert all(tensor.is_contiguous() for tensor in model.state_dict.values())


def test_weights_come_back_from_their_file(image: Image, tmp_path: Path) -> None:
    model = train([image], TINY)
    file = tmp_path / "weights.pt"
    file.write_bytes(model.weights_bytes())
    state = torch.load(file, weights_only=True)
    assert set(state) == set(model.state_dict)
    odd = image.pixels[:61, :50]
    result = model.denoise(odd)
    assert result.shape == odd.shape
    again = dataclasses.replace(model, state_dict=state).denoise(odd)
    assert np.array_equal(result, again)


def test_volume_training(tmp_path: Path) -> None:
    volume = np.random.default_rng(0).poisson(20, (2, 6, 40, 40)).astype(np.uint16)
    config = dataclasses.replace(TINY, dims=3, steps=3)
    model = train([Image(volume, "tzyx")], config)
    assert model.axes == "zyx"
    assert model.kwargs["scale"] == [1, 2, 2]
    assert model.sample.shape == (1, 6, 40, 40)
    assert model.denoise(volume[0]).shape == (6, 40, 40)
    assert model.provenance["data"]["samples"] == 2


def test_progress_counts_to_the_end_and_tells_the_loss(image: Image) -> None:
    seen: list[Progress] = []
    model = train([image], TINY, job=Job(seen.append))
    training = [p for p in seen if p.message == "Training"]
    assert training[-1].current == training[-1].maximum == 12
    assert training[-1].figures["loss"] == model.history[-1]
    assert training[-1].figures["seconds_left"] == 0


def test_same_seed_same_weights_and_another_seed_others(image: Image) -> None:
    first, second = train([image], TINY), train([image], TINY)
    assert first.history == second.history
    assert all(torch.equal(first.state_dict[k], second.state_dict[k]) for k in first.state_dict)
    assert train([image], dataclasses.replace(TINY, seed=1)).history != first.history


def test_training_leaves_torch_as_it_was(image: Image) -> None:
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    train([image], dataclasses.replace(TINY, threads=2 if threads == 1 else 1))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


def stop_after(steps: int, monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    original = Loop._step

    def step(self: Loop, batch: Tensors, number: int, job_: Job) -> float:
        if number == steps - 1:
            job.cancel()
        return original(self, batch, number, job_)

    monkeypatch.setattr(Loop, "_step", step)


def test_cancelled_training_goes_on_bit_for_bit(image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train([image], TINY)
    path, job = tmp_path / "deep" / "c.checkpoint", Job()
    with monkeypatch.context() as patch:
        stop_after(6, patch, job)
        with pytest.raises(JobCancelledError):
            train([image], TINY, job=job, checkpoint=path)
    assert len(checkpoint.load(path)["history"]) == 6
    notes: list[str] = []
    resumed = train([image], TINY, job=Job(on_note=notes.append), checkpoint=path, resume=True)
    assert notes == ["Resumed after step 6."]
    assert resumed.history == whole.history
    assert resumed.validation == whole.validation
    assert all(torch.equal(resumed.state_dict[k], whole.state_dict[k]) for k in whole.state_dict)
    assert [p.name for p in path.parent.iterdir()] == ["c.checkpoint"]


def test_resuming_a_finished_training_gives_it_back(image: Image, tmp_path: Path) -> None:
    path = tmp_path / "c.checkpoint"
    whole = train([image], TINY, checkpoint=path)
    again = train([image], TINY, checkpoint=path, resume=True)
    assert again.history == whole.history
    assert all(torch.equal(again.state_dict[k], whole.state_dict[k]) for k in whole.state_dict)


def test_resuming_without_a_checkpoint_starts(image: Image, tmp_path: Path) -> None:
    assert len(train([image], TINY, checkpoint=tmp_path / "none", resume=True).history) == 12
    with pytest.raises(ParameterError, match="checkpoint"):
        train([image], TINY, resume=True)


def test_checkpoint_of_other_data_or_parameters_is_refused(image: Image, tmp_path: Path) -> None:
    path = tmp_path / "c.checkpoint"
    train([image], TINY, checkpoint=path)
    other = image.with_pixels(image.pixels + 1)
    with pytest.raises(TrainingError, match="other images"):
        train([other], TINY, checkpoint=path, resume=True)
    with pytest.raises(TrainingError, match="other parameters: masked_fraction"):
        train([image], dataclasses.replace(TINY, masked_fraction=0.03), checkpoint=path, resume=True)
    train([image], dataclasses.replace(TINY, checkpoint_every=1), checkpoint=path, resume=True)


def test_loss_that_is_not_finite_stops_at_once_and_keeps_the_last_finite_state(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Loop._losses

    def poisoned(self: Loop, batch: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        squared, doubt = original(self, batch)
        return (squared * float("nan") if self.done == 7 and self._network.training else squared), doubt

    path = tmp_path / "c.checkpoint"
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_losses", poisoned)
        with pytest.raises(TrainingError, match="At step 8 ") as caught:
            train([image], TINY, checkpoint=path)
    assert caught.value.details["step"] == 8
    assert f"after step 7 is kept in {path}" in caught.value.message
    state = checkpoint.load(path)
    assert len(state["history"]) == 7
    assert all(bool(torch.isfinite(w).all()) for w in state["weights"].values())
    assert train([image], TINY, checkpoint=path, resume=True).history == train([image], TINY).history


def test_unsuitable_noise_is_refused_until_told_to_go_on() -> None:
    white = np.random.default_rng(1).normal(0, 10, (12, 48, 48))
    movie = Image((white + 0.5 * np.roll(white, 1, axis=2)).astype(np.float32), "tyx", title="movie")
    with pytest.raises(UnsuitableMethodError, match="movie is correlated") as caught:
        train([movie], TINY)
    assert caught.value.details["figures"]["x"] > 0.3
    notes: list[str] = []
    model = train([movie], dataclasses.replace(TINY, force=True), job=Job(on_note=notes.append))
    assert len(notes) == 1
    assert "correlated" in notes[0]
    assert model.provenance["findings"][0]["code"] == "correlated_noise"


def test_full_disk_keeps_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.checkpoint"
    checkpoint.save(path, {"a": 1})

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        checkpoint.save(path, {"a": 2})
    assert checkpoint.load(path)["a"] == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not whole", b"cos\nsystem\n(S'true'\ntR."])
def test_damaged_checkpoint_is_told_and_runs_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.checkpoint"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match="cannot be read"):
        checkpoint.load(path)


def test_half_written_file_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "c.checkpoint"
    (tmp_path / ".c.checkpoint.abc.part").write_bytes(b"half")
    (tmp_path / "other.part").write_bytes(b"not ours")
    checkpoint.sweep(path)
    assert [p.name for p in tmp_path.iterdir()] == ["other.part"]


def test_memory_that_does_not_suffice_halves_what_is_computed_at_once(
    image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train([image], dataclasses.replace(TINY, batch_size=8))
    original = Loop._losses

    def full(self: Loop, batch: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        if len(batch.inputs) > 3 and self.done >= 4:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")
        return original(self, batch)

    notes: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_losses", full)
        parts = train([image], dataclasses.replace(TINY, batch_size=8, held_out=0.0), job=Job(on_note=notes.append))
    assert notes == [
        "Memory does not suffice for the whole batch at once: going on with 4 patches.",
        "Memory does not suffice for the whole batch at once: going on with 2 patches.",
    ]
    plain = train([image], dataclasses.replace(TINY, batch_size=8, held_out=0.0))
    np.testing.assert_allclose(parts.history, plain.history, rtol=1e-4)
    assert whole.history != plain.history


def test_other_errors_than_of_memory_are_not_swallowed(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Loop, batch: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(Loop, "_losses", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        train([image], TINY)


def test_parts_of_a_batch_give_the_gradients_of_the_whole(image: Image) -> None:
    config = dataclasses.replace(TINY, batch_size=6)
    whole = train([image], config)
    parts = train([image], dataclasses.replace(config, together=4))
    np.testing.assert_allclose(parts.history, whole.history, rtol=1e-4)
    assert parts.provenance["parameters"]["batch_size"] == 6


def test_finishing_early_keeps_the_best_state_and_gives_a_model(image: Image, tmp_path: Path) -> None:
    job, path = Job(), tmp_path / "c.checkpoint"
    job._on_progress = lambda report: job.finish() if report.figures else None
    model = train([image], dataclasses.replace(TINY, steps=4000), job=job, checkpoint=path)
    assert model.provenance["ended"] == "finished"
    assert 1 <= len(model.history) < 4000
    assert model.provenance["figures"]["steps"] == len(model.history)
    assert model.validation[-1][0] == len(model.history)
    state = checkpoint.load(path)
    assert len(state["history"]) == len(model.history)
    assert all(torch.equal(model.state_dict[k], state["best"][k]) for k in model.state_dict)


def test_the_best_validation_is_what_remains(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([5.0, 3.0, 1.0, *([2.0] * 20)])
    kept: dict[int, dict[str, torch.Tensor]] = {}
    original = Loop._validate

    def validate(self: Loop) -> None:
        loss = next(losses)
        monkeypatch.setattr(Loop, "_errors", lambda self, batch: loss * batch.weights.flatten(1).sum(dim=1).double())
        original(self)
        kept[self.done] = self.averaged_weights()

    monkeypatch.setattr(Loop, "_validate", validate)
    notes: list[str] = []
    model = train([image], dataclasses.replace(TINY, early_stop=0.5), job=Job(on_note=notes.append))
    assert model.provenance["ended"] == "early"
    assert len(model.history) == 9  # best after step 3; half of 12 steps later it stops
    assert notes == ["Stopped after step 9: the validation has not become better for long."]
    assert all(torch.equal(model.state_dict[k], kept[3][k]) for k in model.state_dict)
    assert not all(torch.equal(model.state_dict[k], kept[9][k]) for k in model.state_dict)
    assert model.provenance["figures"]["best_step"] == 3


def test_curves_and_a_preview_are_shown_to_who_looks(image: Image) -> None:
    shown: list[Live] = []
    model = train([image], TINY, job=Job(on_live=shown.append))
    last = shown[-1]
    assert last.finishable
    assert [step for step, _ in last.curves["loss"]] == list(range(1, 13))
    assert [value for _, value in last.curves["loss"]] == list(model.history)
    assert tuple(last.curves["validation"]) == model.validation
    assert last.preview is not None
    assert last.preview.names == ("before", "after")
    assert last.preview.step == 12
    before, after = (np.frombuffer(p, "<f4").reshape(last.preview.shape) for p in last.preview.pixels)
    assert np.array_equal(before, image.pixels)
    np.testing.assert_allclose(after, model.denoise(image.pixels), rtol=1e-4)
    assert train([image], TINY, job=Job()).history == model.history  # looking changes nothing


def test_long_curves_are_thinned_to_means() -> None:
    points = [(float(n), float(n % 2)) for n in range(1, 4001)]
    few = thinned(points)
    assert len(few) == 400
    assert few[0] == (10.0, 0.5)
    assert few[-1] == (4000.0, 0.5)
    assert thinned(points[:5]) == points[:5]


def test_bfloat16_trains_and_keeps_float32_weights(image: Image) -> None:
    exact, rough = train([image], TINY), train([image], dataclasses.replace(TINY, precision="bf16"))
    assert rough.history != exact.history
    np.testing.assert_allclose(rough.history, exact.history, rtol=0.02)
    assert all(tensor.dtype == torch.float32 for tensor in rough.state_dict.values())
    assert rough.provenance["machine"]["precision"] == "bf16"
    assert exact.provenance["machine"]["precision"] == "fp32"


def test_an_image_in_a_file_trains_as_one_in_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.poisson(20, (3, 2, 70, 90)).astype(np.uint16)
    image = Image(pixels, "tcyx", title="big")
    write_image(image, tmp_path / "big.ome.zarr")
    config = dataclasses.replace(TINY, channels="joint")
    memory = train([image], config)
    with open_source(tmp_path / "big.ome.zarr") as source:
        stored = train([source], config)
        volume = prepare([source], config).samples[1]
    assert stored.history == memory.history
    assert np.array_equal(volume[(slice(0, 2), slice(5, 9), slice(80, 90))], pixels[1, :, 5:9, 80:90])


def test_a_selection_limits_what_is_learnt_from(image: Image) -> None:
    import roifile

    numbered = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)
    corners = np.array([(4, 10), (60, 10), (60, 50), (30, 50)], np.float32)
    roi = roifile.ImagejRoi.frompoints(corners)
    roi.roitype = roifile.ROI_TYPE.POLYGON
    chosen = Image(numbered, "yx", roi=roi.tobytes(), title="cells")
    mask = selected(chosen)
    assert mask is not None
    config = dataclasses.replace(TINY, held_out=0.1)
    source = method_named("n2v").source([chosen], config)
    assert source.data.smallest == (40, 56)
    (mean,), (std,) = source.data.mean, source.data.std
    found: set[int] = set()
    for step in range(300):
        batch = source.batch(step)
        values = batch.targets[batch.weights > 0] * std + mean
        found |= set(values.round().astype(int).tolist())
    allowed = set(numbered[mask].astype(int).tolist())
    assert found <= allowed
    assert len(found) > 0.6 * len(allowed)
    small = dataclasses.replace(chosen, roi=roifile.ImagejRoi.frompoints(np.array([(1, 1), (9, 1), (9, 9)])).tobytes())
    with pytest.raises(ImageTooSmallError, match="selection of cells has"):
        train([small], TINY)


def test_each_channel_by_its_own_network_or_all_by_one() -> None:
    scene = synthetic.phantom(64, seed=3) * 5
    rng = np.random.default_rng(0)
    first, second = synthetic.expose(scene, rng), synthetic.expose(scene.T * 40, rng)
    both = Image(np.stack([first, second]), "cyx")
    models = {mode: train([both], dataclasses.replace(TINY, channels=mode)) for mode in ("separate", "joint")}
    changed = np.stack([first, np.roll(second, 7)])
    for mode, model in models.items():
        one, other = model.denoise(both.pixels), model.denoise(changed)
        assert one.shape == (2, 64, 64)
        assert np.array_equal(one[0], other[0]) == (mode == "separate")
        assert not np.array_equal(one[1], other[1])


def test_going_on_from_a_model_takes_its_network_and_scale(image: Image, tmp_path: Path) -> None:
    first = train([image], dataclasses.replace(TINY, steps=40))
    package = export(
        first,
        About("One", "One.", "# One\n\n## Validation\nNone.\n", provenance=first.provenance),
        tmp_path / "one.zip",
    )
    start = starting_point(package)
    other = Image(image.pixels * 2 + 50, "yx", title="other")
    gone_on = train([other], dataclasses.replace(TINY, filters=8, learning_rate=1e-9), start=start)
    assert gone_on.kwargs == first.kwargs
    assert (gone_on.mean, gone_on.std) == (start.mean, start.std)
    np.testing.assert_allclose(gone_on.denoise(image.pixels), first.denoise(image.pixels), rtol=1e-4)
    assert gone_on.provenance["start"]["sha256"] == package.sha256
    with pytest.raises(ModelError, match="trained by n2v; care cannot"):
        train([other], dataclasses.replace(TINY, method="care"), targets=[image], start=start)
    two = Image(np.stack([image.pixels, image.pixels]), "cyx")
    with pytest.raises(ModelError, match="has 1 channels; these images need 2"):
        train([two], TINY, start=start)


def test_targets_of_twice_the_size_give_a_model_that_enlarges(tmp_path: Path) -> None:
    fine = synthetic.phantom(128, seed=2) * 20
    coarse = fine.reshape(64, 2, 64, 2).mean(axis=(1, 3)) + np.random.default_rng(0).normal(0, 40, (64, 64))
    config = dataclasses.replace(TINY, method="care", steps=150, filters=8, batch_size=4, learning_rate=3e-3)
    model = train([Image(coarse, "yx", scales={"x": Scale(0.2, "µm")})], config, targets=[Image(fine, "yx")])
    result = model.denoise(coarse)
    assert result.shape == (128, 128)
    nearest = coarse.repeat(2, 0).repeat(2, 1)
    assert metrics.psnr(fine, result) > metrics.psnr(fine, nearest) + 1
    package = export(
        model,
        About("Finer", "Finer.", "# F\n\n## Validation\nNone.\n", provenance=model.provenance),
        tmp_path / "f.zip",
        "restored",
    )
    found = predict(Image(coarse, "yx", scales={"x": Scale(0.2, "µm")}), package).images["output"]
    assert found.scale("x").step == pytest.approx(0.1)
    np.testing.assert_allclose(found.pixels, result, rtol=1e-3, atol=0.05)
    with pytest.raises(ImageError, match="does not match"):
        train([Image(coarse, "yx")], config, targets=[Image(fine[:100], "yx")])
    assert model.provenance["figures"]["validation_psnr"] > 15


def test_what_suits_no_temporal_window_is_refused(image: Image) -> None:
    config = dataclasses.replace(TINY, method="temporal")
    with pytest.raises(AxesError, match=r"has 1 frame .* needs at least 7"):
        train([image], config)
    movie = Image(np.stack([image.pixels] * 7)[:, None].repeat(2, 1), "tcyx")
    with pytest.raises(AxesError, match="2 channels"):
        train([movie], config)


def test_an_interrupt_inside_a_step_leaves_the_last_whole_state(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.checkpoint"
    original = AdamW.step

    def torn(self: AdamW, rate: float) -> None:
        original(self, rate)
        if self._steps == 7:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(AdamW, "step", torn)
        with pytest.raises(KeyboardInterrupt):
            train([image], TINY, checkpoint=path)
    assert len(checkpoint.load(path)["history"]) == 4
    assert train([image], TINY, checkpoint=path, resume=True).history == train([image], TINY).history


def test_a_training_that_stopped_early_is_over_when_it_is_resumed(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def errors(self: Loop, batch: Tensors) -> torch.Tensor:
        return torch.full((len(batch.inputs),), 1.0 if self.done <= 2 else 2.0, dtype=torch.float64)

    monkeypatch.setattr(Loop, "_errors", errors)
    config = dataclasses.replace(TINY, early_stop=0.25, steps=40)
    path = tmp_path / "c.checkpoint"
    first = train([image], config, checkpoint=path)
    again = train([image], config, checkpoint=path, resume=True)
    assert first.provenance["ended"] == again.provenance["ended"] == "early"
    assert again.history == first.history


def test_a_lower_learning_rate_may_go_on_after_a_loss_that_was_not_finite(image: Image, tmp_path: Path) -> None:
    path = tmp_path / "c.checkpoint"
    job = Job()
    job._on_progress = lambda report: job.cancel() if report.current >= 4 else None
    with pytest.raises(JobCancelledError):
        train([image], dataclasses.replace(TINY, early_stop=0), job=job, checkpoint=path)
    lower = dataclasses.replace(TINY, learning_rate=1e-5, early_stop=0)
    gone_on = train([image], lower, checkpoint=path, resume=True)
    assert len(gone_on.history) == 12


def test_a_model_that_cannot_be_judged_is_there_all_the_same(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("bioimg_fiji.train.validate.judge", full)
    notes: list[str] = []
    model = train([image], TINY, job=Job(on_note=notes.append))
    assert len(model.history) == 12
    assert any("could not be judged" in note for note in notes)
