"""Training as a process: what it reports, how it stops, how it goes on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from bioimg_fiji.errors import JobCancelledError, ParameterError, StorageError, TrainingError, UnsuitableMethodError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.train import TrainConfig, checkpoint, synthetic, train
from bioimg_fiji.train.loop import Loop

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

    def step(self: Loop, number: int) -> float:
        if number == steps - 1:
            job.cancel()
        return original(self, number)

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
    with pytest.raises(TrainingError, match="other parameters: learning_rate"):
        train([image], dataclasses.replace(TINY, learning_rate=2e-3), checkpoint=path, resume=True)
    train([image], dataclasses.replace(TINY, checkpoint_every=1), checkpoint=path, resume=True)


def test_loss_that_is_not_finite_stops_at_once_and_keeps_the_last_finite_state(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Loop._loss

    def poisoned(self: Loop, network: torch.nn.Module, batch: object) -> torch.Tensor:
        loss = original(self, network, batch)
        return loss * float("nan") if self.done == 7 and network.training else loss

    path = tmp_path / "c.checkpoint"
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_loss", poisoned)
        with pytest.raises(TrainingError, match="At step 8 ") as caught:
            train([image], TINY, checkpoint=path)
    assert caught.value.details["step"] == 8
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
