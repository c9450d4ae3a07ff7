"""What needs a CUDA device; skipped where there is none."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji.client import Client
from bioimg_fiji.commands import find
from bioimg_fiji.errors import BioimgError, JobCancelledError, TrainingError
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import open_package
from bioimg_fiji.predict import predict
from bioimg_fiji.runtime import choose
from bioimg_fiji.runtime.fake import write_random_unet
from bioimg_fiji.server.gpus import gpus
from bioimg_fiji.train import TrainConfig, train
from support import odd_command
from support.servers import Server, noise, until

pytestmark = pytest.mark.timeout(240)
Start = Callable[..., Server]


@pytest.fixture(autouse=True)
def cuda() -> Any:
    """The torch of a computer with a CUDA device."""
    if shutil.which("nvidia-smi") is None:
        pytest.skip("there is no NVIDIA driver here")
    import torch

    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device here")
    return torch


@pytest.fixture
def unet(tmp_path: Path) -> Path:
    """A network with random weights."""
    write_random_unet(tmp_path / "unet.zip")
    return tmp_path / "unet.zip"


def config(**more: Any) -> TrainConfig:
    told = {
        "method": "n2v",
        "steps": 20,
        "batch_size": 4,
        "patch": 32,
        "filters": 8,
        "checkpoint_every": 5,
        "early_stop": 0,
        "force": True,
    }
    return TrainConfig(**(told | more))


def test_a_model_gives_the_same_on_gpu_and_cpu(unet: Path) -> None:
    image = noise(500, 700)
    found = {}
    for name, device in (("cuda", "cuda"), ("again", "cuda"), ("cpu", "cpu")):
        adapter = choose(open_package(unet), weights="pytorch_state_dict", device=device)
        with contextlib.closing(adapter):
            assert adapter.device.startswith(device)
            found[name] = predict(image, open_package(unet), adapter=adapter).images["output"].pixels
    np.testing.assert_array_equal(found["cuda"], found["again"])
    assert np.abs(found["cuda"] - found["cpu"]).max() <= 1e-4 * found["cpu"].std()


def test_auto_takes_the_gpu_for_our_own_networks(unet: Path) -> None:
    with contextlib.closing(choose(open_package(unet))) as adapter:
        assert (adapter.weights, adapter.device.split(":")[0]) == ("pytorch_state_dict", "cuda")


@pytest.mark.parametrize(("first", "then"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_a_training_goes_on_on_another_device(tmp_path: Path, first: str, then: str) -> None:
    checkpoint = tmp_path / "one.checkpoint"
    job = Job(lambda progress: job.cancel() if progress.current >= 7 else None)
    with pytest.raises(JobCancelledError):
        train([noise(96, 96)], config(device=first), job=job, checkpoint=checkpoint)
    model = train([noise(96, 96)], config(device=then), checkpoint=checkpoint, resume=True)
    assert len(model.history) == 20
    assert np.isfinite(model.history).all()


def test_a_trained_model_is_one_that_runs(tmp_path: Path) -> None:
    target = tmp_path / "gpu.zip"
    keys = {"model": target, "steps": 20, "batch_size": 4, "device": "cuda", "force": True}
    result = find("train_denoiser").run({"image": noise(160, 160), **keys})
    here = find("run_model").run({"model": target, "image": noise(160, 160), "device": "cpu"})
    apart = result.images["output"].pixels.astype(float) - here.images["output"].pixels
    assert np.abs(apart).max() <= 1e-3 * here.images["output"].pixels.std()


def test_a_batch_that_does_not_fit_is_halved(cuda: Any) -> None:
    notes: list[str] = []
    gigabyte = 2**30 / cuda.cuda.mem_get_info()[1]
    cuda.cuda.empty_cache()
    cuda.cuda.set_per_process_memory_fraction(gigabyte)
    try:
        large = config(steps=3, batch_size=64, together=64, patch=128, filters=32, device="cuda", precision="fp32")
        model = train([noise(256, 256)], large, job=Job(on_note=notes.append))
    finally:
        cuda.cuda.set_per_process_memory_fraction(1.0)
        cuda.cuda.empty_cache()
    assert any("Memory does not suffice for the whole batch at once" in note for note in notes), notes
    assert np.isfinite(model.history).all()


@pytest.fixture
def hosting(start: Start, tmp_path: Path) -> Server:
    """A server that knows the command `odd`."""
    paths = [odd_command.install(tmp_path / "odd"), os.environ.get("PYTHONPATH", "")]
    return start(PYTHONPATH=os.pathsep.join(paths))


def test_a_gpu_that_fails_costs_its_job_and_the_next_one_works(hosting: Server, unet: Path) -> None:
    with Client(url=hosting.connection.url, token=hosting.connection.token) as client:
        before = client.run("run_model", noise(96, 96), model=unet, device="cuda").images["output"].pixels
        with pytest.raises(BioimgError, match="CUDA error"):
            client.run("odd", how="gpu")
        broken = client.run("odd").figures["pid"]
        after = client.run("run_model", noise(96, 96), model=unet, device="cuda").images["output"].pixels
        assert client.run("odd").figures["pid"] == broken, "a worker that works was not kept"
    np.testing.assert_array_equal(before, after)


def test_a_training_in_a_worker_tells_that_the_gpu_failed(hosting: Server, tmp_path: Path) -> None:
    with (
        Client(url=hosting.connection.url, token=hosting.connection.token) as client,
        pytest.raises(TrainingError, match=r"The GPU failed at step 1\d .* The state after step 10 is kept"),
    ):
        client.run("odd", how=f"gpu in training, {tmp_path / 'one.checkpoint'}")


def broken(*arguments: object) -> str:
    """Give what a process tells whose GPU fails."""
    path = os.pathsep.join([str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")])
    line = [sys.executable, "-m", "support.broken_gpu", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(line, capture_output=True, text=True, timeout=200, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_training_whose_gpu_fails_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    checkpoint = tmp_path / "one.checkpoint"
    told = broken("train", checkpoint)
    assert told.startswith("TrainingError: The GPU failed at step 1"), told
    assert f"The state after step 10 is kept in {checkpoint}" in told
    assert "resume=true" in told
    rest = config(steps=40, held_out=0, device="cpu")
    assert len(train([noise(96, 96)], rest, checkpoint=checkpoint, resume=True).history) == 40


def test_a_model_whose_gpu_fails_says_so(unet: Path) -> None:
    told = broken("run", unet)
    assert told.startswith("WeightsError: The GPU has failed (CUDA error"), told
    assert "device=cpu" in told


def test_a_waiting_worker_holds_no_more_of_the_gpu_than_it_may(start: Start, unet: Path) -> None:
    frugal = start("--warm-gpu-memory", "0", name="frugal")
    frugal.job("run_model", {"model": str(unet), "device": "cuda"}, noise(96, 96))
    until(lambda: all(job["state"] == "done" for job in frugal.http.get("/v1/jobs").json()["jobs"]), 120)
    until(lambda: len(frugal.workers()) == 1, 20)  # the spare one


def test_the_gpus_are_told(server: Server) -> None:
    machine = server.http.get("/v1/machine", timeout=120).json()
    assert any(device.startswith("cuda (") for device in machine["devices"])
    assert [gpu["total"] for gpu in machine["gpus"]] == [gpu["total"] for gpu in gpus()]
    assert 0 < machine["gpus"][0]["used"] < machine["gpus"][0]["total"]
    text = server.http.get("/metrics").text
    assert 'bioimg_fiji_gpu_used_bytes{gpu="0"}' in text
