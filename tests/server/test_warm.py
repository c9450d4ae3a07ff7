"""Workers that live on: the same bits warm or cold, nothing that one job leaves behind meets the next."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from bioimg_fiji.client import Client
from bioimg_fiji.commands import find
from bioimg_fiji.errors import BioimgError, JobCancelledError, ParameterError, WorkerDiedError
from bioimg_fiji.files import write_image
from bioimg_fiji.jobs import Job
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package, write_random_unet
from support import odd_command
from support.servers import Server, noise, training, until

pytestmark = pytest.mark.timeout(120)
Start = Callable[..., Server]


@pytest.fixture(scope="module")
def hosting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows the command `odd`."""
    folder = tmp_path_factory.mktemp("odd")
    paths = [odd_command.install(folder), os.environ.get("PYTHONPATH", "")]
    server = Server.start(folder, environment={"PYTHONPATH": os.pathsep.join(paths)})
    yield server
    server.stop()


@pytest.fixture
def guest(hosting: Server) -> Iterator[Client]:
    """A client of that server."""
    with Client(url=hosting.connection.url, token=hosting.connection.token) as client:
        yield client


def odd(guest: Client, how: str = "", **more: Any) -> dict[str, Any]:
    return dict(guest.run("odd", how=how, **more).figures)


def done_by(server: Server, model: Path, **keys: Any) -> tuple[int, dict[str, Any]]:
    """Run a model; give the process that has done it (the last of those that the log tells) and the result's image."""
    job = server.job("run_model", {"model": str(model), **keys}, noise(96, 96), local=True)
    status = server.wait(job)
    assert status["state"] == "done", status["error"]
    log = (server.folder / "home" / ".bioimg-fiji" / "logs" / "server.log").read_text("utf-8")
    *_, line = (line for line in log.splitlines() if f"job {job} (" in line)
    part = status["result"]["images"]["output"]
    pixels = np.fromfile(part["path"], part["header"]["dtype"])
    server.http.delete(f"/v1/jobs/{job}")
    return int(line.rsplit(" ", 1)[1]), {"pixels": pixels, "header": part["header"]}


@pytest.mark.parametrize("weights", ["onnx", "pytorch_state_dict"])
def test_a_warm_run_gives_the_bits_of_a_cold_one(server: Server, tmp_path: Path, weights: str) -> None:
    model = tmp_path / "unet.zip"
    write_random_unet(model)
    cold, first = done_by(server, model, weights=weights)
    for _ in range(3):
        warm, found = done_by(server, model, weights=weights)
        assert warm == cold, "another process has done it"
        np.testing.assert_array_equal(found["pixels"], first["pixels"], strict=True)
        assert found["header"] == first["header"]
    here = find("run_model").run({"model": model, "weights": weights, "image": noise(96, 96)})
    np.testing.assert_array_equal(first["pixels"], here.images["output"].pixels.ravel(), strict=True)


def test_each_model_has_a_process_of_its_own_and_a_changed_one_is_seen(server: Server, tmp_path: Path) -> None:
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    write_fake_package(first)
    write_fake_package(second, FakeModel(pre=({"id": "scale_linear", "kwargs": {"gain": 2.0, "offset": 0.0}},)))
    one, before = done_by(server, first)
    two, other = done_by(server, second)
    assert one != two
    assert done_by(server, first)[0] == one
    assert done_by(server, second)[0] == two
    first.write_bytes(second.read_bytes())
    _, after = done_by(server, first)
    np.testing.assert_array_equal(after["pixels"], other["pixels"])
    assert not np.array_equal(after["pixels"], before["pixels"])


def test_a_worker_that_is_killed_while_it_waits_costs_nothing(server: Server, tmp_path: Path) -> None:
    write_fake_package(tmp_path / "model.zip")
    process, first = done_by(server, tmp_path / "model.zip")
    os.kill(process, signal.SIGKILL)
    following, second = done_by(server, tmp_path / "model.zip")
    assert following != process
    np.testing.assert_array_equal(first["pixels"], second["pixels"])


def test_a_worker_that_may_hold_nothing_is_ended(start: Start, tmp_path: Path) -> None:
    write_fake_package(tmp_path / "model.zip")
    for options in (("--warm-memory", "0"), ("--warm-seconds", "0")):
        own = start(*options, name=options[0][2:])
        process, _ = done_by(own, tmp_path / "model.zip")
        until(lambda process=process: not psutil.pid_exists(process), 5)
        assert done_by(own, tmp_path / "model.zip")[0] != process


def test_the_memory_of_worker_and_server_does_not_grow(server: Server, client: Client, tmp_path: Path) -> None:
    write_fake_package(tmp_path / "model.zip")
    image = noise(256, 256)
    process, _ = done_by(server, tmp_path / "model.zip")
    held = []
    for number in range(240):
        client.run("run_model", image, model=tmp_path / "model.zip")
        if number in (119, 239):
            held.append([psutil.Process(pid).memory_info().rss for pid in (process, server.process.pid)])
    for before, after in zip(*held, strict=True):
        assert (after - before) / 120 < 16384, held  # bytes a run; one of its images has 131072


def test_a_training_does_not_keep_a_run_waiting(server: Server, small_model: Path, tmp_path: Path) -> None:
    long = server.job("train_denoiser", training(tmp_path), noise(64, 64))
    longer = server.job("train_denoiser", training(tmp_path), noise(64, 64))
    until(lambda: server.status(long)["progress"]["message"])
    done_by(server, small_model)
    assert (server.status(long)["state"], server.status(longer)["state"]) == ("running", "queued")
    for job in (longer, long):
        server.http.delete(f"/v1/jobs/{job}")


def test_many_evaluations_do_not_keep_one_waiting(server: Server, tmp_path: Path) -> None:
    """The same command: with `source` it is a batch, which takes its time, and without it somebody waits."""
    image = noise(64, 64)
    write_image(image, tmp_path / "image.tif")
    for folder in ("results", "raws"):
        (tmp_path / folder).mkdir()
        for number in range(2000):  # as long as a process takes to start, on any computer
            (tmp_path / folder / f"{number}.tif").hardlink_to(tmp_path / "image.tif")
    many = {"source": str(tmp_path / "results"), "raw_source": str(tmp_path / "raws")}
    long = server.job("evaluate", many)
    until(lambda: server.status(long)["progress"]["message"])
    buffers = {name: {"header": image.header(), "buffer": server.put(image.pixels)} for name in ("image", "raw")}
    one = server.http.post("/v1/jobs", json={"command": "evaluate", "parameters": {}, "images": buffers}).json()["id"]
    status = server.wait(one)
    assert status["state"] == "done", status["error"]
    assert server.status(long)["state"] == "running"
    for job in (one, long):
        server.http.delete(f"/v1/jobs/{job}")


def test_what_a_command_leaves_behind_does_not_meet_the_next_job(guest: Client) -> None:
    before = odd(guest)
    assert odd(guest, "mess")["pid"] == before["pid"]
    assert odd(guest) == before


def test_a_process_with_something_left_running_is_not_used_again(guest: Client) -> None:
    left = odd(guest, "child")
    after = odd(guest)
    assert after["pid"] != left["pid"]
    until(lambda: not psutil.pid_exists(left["child"]), 5)
    notes: list[str] = []
    talking = odd(guest, "thread")
    following = guest.run("odd", job=Job(on_note=notes.append), seconds=0.3)
    assert following.figures["pid"] != talking["pid"]
    assert notes == []


def test_a_process_that_has_grown_is_not_used_again(guest: Client) -> None:
    grown = odd(guest, "memory")
    until(lambda: not psutil.pid_exists(grown["pid"]), 5)
    assert odd(guest)["pid"] != grown["pid"]


@pytest.mark.parametrize(("how", "sign"), [("exit", "exit code 3"), ("abort", "SIGABRT")])
def test_a_crash_ends_its_own_job_only(guest: Client, how: str, sign: str) -> None:
    with pytest.raises(WorkerDiedError, match=sign) as caught:
        odd(guest, how)
    if how == "abort":
        assert "Fatal Python error: Aborted" in caught.value.details["log"]
    assert odd(guest)["folder"]


def test_a_failed_run_leaves_its_process_in_use(guest: Client) -> None:
    before = odd(guest)["pid"]
    with pytest.raises(ParameterError):
        guest.run("odd", seconds="many")
    assert odd(guest)["pid"] == before


def test_work_that_is_deaf_to_cancelling_is_ended(guest: Client) -> None:
    job = guest.submit("odd", seconds=100)
    pid = until(lambda: job.status()["progress"]["message"])
    job.cancel()
    with pytest.raises(JobCancelledError):
        job.result()
    assert odd(guest)["pid"] != pid
    job.forget()


def test_too_many_jobs_are_told_to_wait(hosting: Server, guest: Client) -> None:
    def ask(client: str) -> Any:
        body = {"command": "odd", "parameters": {"seconds": 1000}, "client": client}
        return hosting.http.post("/v1/jobs", json=body)

    taken = [ask("a").json()["id"] for _ in range(101)]  # one of them runs
    try:
        refused = ask("a")
        assert refused.status_code == 429
        error = BioimgError.from_json(refused.json()["error"])
        assert error.code == "server_busy"
        assert refused.headers["retry-after"] == str(error.details["retry_after"])
        assert 1 <= error.details["retry_after"] <= 30
        assert f"{error.details['retry_after']} s" in error.fix
        other = ask("b")
        assert other.status_code == 202
        taken.append(other.json()["id"])
        taken += [ask(str(number)).json()["id"] for number in range(500 - 101)]
        messages: list[str] = []

        def note(progress: Any) -> None:
            messages.append(progress.message)
            if progress.message.startswith("Waiting"):
                waiting.cancel()

        waiting = Job(on_progress=note)
        with pytest.raises(JobCancelledError):
            guest.run("odd", noise(32, 32), job=waiting)
        assert messages[-1] == "Waiting: the model server has too many jobs"
        assert len(list(hosting.pixels.iterdir())) == 1, "the buffer of the job that was not taken is left"

        def make_room(progress: Any) -> None:
            while taken and progress.message.startswith(
                "Waiting"
            ):  # the one that runs last: until then there is one that waits too many
                hosting.http.delete(f"/v1/jobs/{taken.pop()}")

        assert guest.run("odd", noise(32, 32), job=Job(on_progress=make_room)).images["output"].shape == (32, 32)
    finally:
        for each in taken:
            hosting.http.delete(f"/v1/jobs/{each}")
