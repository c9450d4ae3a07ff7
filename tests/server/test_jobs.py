"""Jobs on a real server: pixels and metadata both ways, progress, cancelling, failures."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from bioimg_fiji.client import Client, remote_job
from bioimg_fiji.commands import Result, find
from bioimg_fiji.errors import (
    BioimgError,
    ImageError,
    JobCancelledError,
    ModelNotFoundError,
    ParameterError,
    UnknownCommandError,
    UnknownJobError,
    UnknownKeyError,
    WorkerDiedError,
)
from bioimg_fiji.image import Channel, Image, Scale
from bioimg_fiji.intensity import Intensity
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.runtime.fake import write_fake_package
from support.servers import ENDED, Server, noise, training, until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=["by file", "by body"])
def any_client(request: pytest.FixtureRequest) -> Client:
    """A client of each kind."""
    client: Client = request.getfixturevalue("client" if request.param == "by file" else "far_client")
    return client


@pytest.fixture(autouse=True)
def nothing_kept(server: Server) -> Iterator[None]:
    """No test leaves a job running, or pixels in the shared server's folder."""
    before = {path.name for path in server.pixels.iterdir()}
    yield
    assert server.http.get("/v1/info").json()["jobs"] == {"running": 0, "queued": 0}
    until(lambda: {path.name for path in server.pixels.iterdir()} <= before, 5)


def images() -> dict[str, Image]:
    rng = np.random.default_rng(8)
    lut = bytes(range(256)) * 3
    stack = Image(
        rng.integers(0, 4000, (2, 2, 48, 40)).astype(np.uint16),
        "tcyx",
        title="cells µ.tif",
        scales={"x": Scale(0.1, "µm", 3.0), "y": Scale(0.2, "µm"), "t": Scale(2.5, "s"), "z": Scale(1.5, "µm")},
        channels=(Channel("DAPI", lut, (100.0, 900.0)), Channel("GFP", b"", None)),
        mode="composite",
        labels=("a", "b", "c", "d µ\n"),
        intensity=Intensity("straight_line", (-100.0, 0.5), "photons"),
        roi=b"Iout roi",
        overlay=(b"Iout 1", b"Iout 2"),
        properties={"Info": "Objective: 40x\n"},
    )
    return {
        "uint16": stack,
        "uint8": Image(rng.integers(0, 255, (40, 33)).astype(np.uint8), "yx", title="grey.png"),
        "int16": Image(rng.integers(-2000, 2000, (3, 32, 32)).astype(np.int16), "zyx", title="signed.tif"),
        "float32": Image(rng.normal(size=(32, 35)).astype(np.float32), "yx"),
        "turned": Image(rng.integers(0, 400, (40, 33)).astype(">u2").T, "yx"),
        "rgb": Image(rng.integers(0, 255, (3, 32, 32)).astype(np.uint8), "cyx", title="he.png", rgb=True),
    }


def outcome(run: Any) -> Result | tuple[type[BioimgError], str]:
    try:
        result: Result = run()
    except BioimgError as error:
        return type(error), error.message
    return result


@pytest.mark.parametrize("kind", list(images()))
def test_the_same_pixels_and_metadata_as_in_this_process(any_client: Client, small_model: Path, kind: str) -> None:
    image = images()[kind]
    there = outcome(lambda: any_client.run("BioImg Run Model", image, model=small_model))
    here = outcome(lambda: find("run_model").run({"image": image, "model": small_model}))
    if isinstance(here, tuple):
        assert there == here
        return
    assert isinstance(there, Result)
    output, expected = there.images["output"], here.images["output"]
    np.testing.assert_array_equal(output.pixels, expected.pixels, strict=True)
    assert output.header() == expected.header()
    assert {**there.figures, "seconds": 0} == {**here.figures, "seconds": 0}


def test_only_types_that_the_client_shows(server: Server, small_model: Path) -> None:
    image = noise(32, 32)
    shown = server.wait(server.job("run_model", {"model": str(small_model)}, image, accept=["uint8", "float32"]))
    assert shown["result"]["images"]["output"]["header"]["dtype"] == "float32"
    not_shown = server.wait(server.job("run_model", {"model": str(small_model)}, image, accept=["uint8"]))
    error = BioimgError.from_json(not_shown["error"])
    assert isinstance(error, ImageError)
    assert "uint8" in error.fix
    for status in (shown, not_shown):
        server.http.delete(f"/v1/jobs/{status['id']}")


def test_values_as_a_macro_line_has_them(server: Server, small_model: Path) -> None:
    image = noise(96, 96)
    job = server.job("run_model", {"model": str(small_model), "tile": "60", "axes": ""}, image)
    status = server.wait(job)
    assert status["state"] == "done", status["error"]
    here = find("run_model").run({"model": small_model, "tile": 60, "image": image})
    assert status["result"]["figures"]["tile"] == here.figures["tile"] != "96 x 96"
    server.http.delete(f"/v1/jobs/{job}")


@pytest.mark.parametrize(
    ("command", "keys", "error", "text"),
    [
        ("run_model", {"model": "gone.zip"}, ModelNotFoundError, "gone.zip"),
        ("run_model", {"modle": "x"}, UnknownKeyError, "modle"),
        ("run_model", {"model": "x.zip", "tile": -1}, ParameterError, "tile"),
        ("run_model", {}, ParameterError, "model is missing"),
        ("run_modell", {}, UnknownCommandError, "run_modell"),
    ],
)
def test_errors_are_of_the_same_class_and_say_what_to_do(
    any_client: Client, command: str, keys: dict[str, Any], error: type[BioimgError], text: str
) -> None:
    with pytest.raises(error, match=text) as caught:
        any_client.run(command, noise(8, 8), **keys)
    assert type(caught.value) is error
    assert caught.value.fix


def test_a_relative_path_is_that_of_this_program(
    client: Client, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small_model.parent)
    assert client.run("run_model", noise(32, 32), model=small_model.name).figures["weights"] == "onnx"


def test_an_image_too_many(client: Client) -> None:
    with pytest.raises(ParameterError, match="twice"):
        client.run("run_model", noise(8, 8), image=noise(8, 8), model="x.zip")


def test_progress_and_notes_come_as_events(server: Server, tmp_path: Path) -> None:
    job = server.job("train_denoiser", training(tmp_path) | {"steps": 3}, noise(64, 64))
    events, comments = [], 0
    with server.http.stream("GET", f"/v1/jobs/{job}/events", timeout=5) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                events.append((name, json.loads(line.removeprefix("data: "))))
            elif line.startswith(":"):
                comments += 1
    assert events[0][0] == "state"
    assert events[-1][0] == "state"
    assert events[-1][1]["state"] == "done", events[-1][1]["error"]
    assert {"state", "progress"} <= {name for name, _ in events} <= {"state", "progress", "note", "live"}
    steps = [each["progress"]["current"] for _, each in events if each["progress"]["message"] == "Training"]
    assert steps == sorted(steps)
    assert 0 < steps[-1] <= 3  # steps of less than the events' interval are told together
    assert comments >= 1, "a training of some seconds has no sign of life each second"
    server.http.delete(f"/v1/jobs/{job}")


def test_progress_reaches_the_callers_job(client: Client, small_model: Path) -> None:
    seen: list[Progress] = []
    client.run("run_model", noise(96, 96), model=small_model, tile=32, job=Job(on_progress=seen.append))
    assert seen[-1].message == "Tiles"
    assert seen[-1].current == seen[-1].maximum > 1


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_with_its_worker(server: Server, tmp_path: Path) -> None:
    first = server.job("train_denoiser", training(tmp_path), noise(64, 64))
    second = server.job("train_denoiser", training(tmp_path), noise(64, 64))
    server.wait(first, "running")
    assert server.status(second)["state"] == "queued"
    assert server.http.post(f"/v1/jobs/{second}/cancel").json()["state"] == "cancelled"
    until(lambda: server.status(first)["progress"]["current"] > 0)
    workers = server.workers()
    assert server.http.post(f"/v1/jobs/{first}/cancel").status_code == 202
    status = server.wait(first)
    assert (status["state"], status["error"]["code"]) == ("cancelled", "cancelled")
    # The worker has gone; those that wait for the next job have not.
    until(lambda: len(psutil.wait_procs(workers, timeout=0)[1]) == len(workers) - 1, 5)
    assert server.http.post(f"/v1/jobs/{first}/cancel").json()["state"] == "cancelled"
    for job in (first, second):
        server.http.delete(f"/v1/jobs/{job}")


def test_cancelling_the_callers_job_cancels_the_remote_one(client: Client, tmp_path: Path) -> None:
    started = threading.Event()
    job = Job(on_progress=lambda progress: started.set() if progress.current > 0 else None)
    canceller = threading.Thread(target=lambda: (started.wait(60), job.cancel()))
    canceller.start()
    with pytest.raises(JobCancelledError) as caught:
        client.run("train_denoiser", noise(64, 64), job=job, **training(tmp_path))
    canceller.join()
    kept = tmp_path / "trained.checkpoint"
    assert caught.value.fix == f"The same command with resume=true goes on from {kept}."
    assert kept.stat().st_size > 0
    assert client.info()["jobs"] == {"running": 0, "queued": 0}
    assert not (tmp_path / "trained.zip").exists()


def test_a_job_of_its_own(client: Client, small_model: Path) -> None:
    job = client.submit("run_model", noise(32, 32), model=small_model)
    assert job.status()["state"] in ("queued", "running", "done")
    assert client.job(job.id).wait()["state"] == "done"
    path = Path(job.status()["result"]["images"]["output"]["path"])
    assert path.stat().st_size == 32 * 32 * 4
    assert job.cancel()["state"] == "done"
    assert job.result().images["output"].shape == (32, 32)
    job.forget()
    assert not path.exists()
    job.forget()
    with pytest.raises(UnknownJobError):
        job.status()


def test_a_forgotten_job_ends_its_worker_and_those_who_watch(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = client.submit("train_denoiser", noise(64, 64), **training(tmp_path))
    queued = client.submit("train_denoiser", noise(64, 64), **training(tmp_path))
    until(lambda: running.status()["state"] == "running")
    ends: list[str] = []
    seen = {each.id: threading.Event() for each in (running, queued)}

    tell = remote_job._Told.tell

    def note(told: Any, status: Any) -> None:
        seen[status["id"]].set()
        tell(told, status)

    monkeypatch.setattr(remote_job._Told, "tell", note)
    watchers = [threading.Thread(target=lambda j=each: ends.append(j.wait()["state"])) for each in (running, queued)]
    for each in watchers:
        each.start()
    assert all(each.wait(20) for each in seen.values())
    for job in (queued, running):
        job.forget()
    for each in watchers:
        each.join(10)
    assert ends == ["cancelled", "cancelled"]


def test_a_killed_worker_fails_its_job_and_not_the_server(server: Server, small_model: Path, tmp_path: Path) -> None:
    job = server.job("train_denoiser", training(tmp_path), noise(64, 64))
    until(lambda: server.status(job)["progress"]["message"])
    for worker in server.workers():
        os.kill(worker.pid, signal.SIGKILL)
    status = server.wait(job)
    assert status["state"] == "failed"
    error = BioimgError.from_json(status["error"])
    assert isinstance(error, WorkerDiedError)
    assert "SIGKILL" in error.message
    assert "memory" in error.message
    assert "smaller" in error.fix
    following = server.job("run_model", {"model": str(small_model)}, noise(32, 32))
    assert server.wait(following)["state"] == "done"
    for each in (job, following):
        server.http.delete(f"/v1/jobs/{each}")


def test_a_lease_that_runs_out_cancels_the_job(server: Server, tmp_path: Path) -> None:
    job = server.job("train_denoiser", training(tmp_path), noise(64, 64), lease=0.5)
    until(lambda: server.http.get("/v1/info").json()["jobs"] == {"running": 0, "queued": 0})
    status = server.status(job)
    assert status["state"] == "cancelled"
    assert "nobody has asked after it" in status["error"]["message"]
    assert status["state"] in ENDED
    server.http.delete(f"/v1/jobs/{job}")


def test_a_run_with_onnx_weights_loads_no_torch(tmp_path: Path) -> None:
    """A cold server's first run: a torch that tells of its import stands before the real one, in every process."""
    write_fake_package(tmp_path / "model.zip")
    fake = tmp_path / "first" / "torch.py"
    fake.parent.mkdir()
    fake.write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()\nraise ImportError('not the real one')\n")
    server = Server.start(tmp_path, environment={"PYTHONPATH": str(fake.parent)})
    try:
        job = server.job("run_model", {"model": str(tmp_path / "model.zip")}, noise(40, 50, dtype="float32"))
        status = server.wait(job)
        assert status["state"] == "done", status
        assert not (tmp_path / "imported").exists()
        bad = server.job("train_denoiser", {"model": str(tmp_path / "m.zip"), "steps": 1}, noise(80, 90))
        assert server.wait(bad)["state"] == "failed"
        assert (tmp_path / "imported").exists(), "the torch that tells was not found"
    finally:
        server.stop()
