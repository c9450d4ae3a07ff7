"""Clocks that jump, and computers that sleep: no job is lost, and none is kept for ever."""

from __future__ import annotations

import datetime as dt
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bioimg_fiji.client import Client
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.runtime.fake import write_random_unet
from support.servers import Server, noise, training, until

pytestmark = pytest.mark.timeout(120)
Start = Callable[..., Server]


def faked(clock: Path) -> dict[str, str]:
    """Give the environment of a process whose clock is what the file says; its stopwatches stay right."""
    libraries = [
        *Path("/usr/lib").glob("*/faketime/libfaketime.so.1"),
        *Path("/usr/lib").glob("faketime/libfaketime.so.1"),
    ]
    if not libraries:
        pytest.skip("libfaketime is not installed (Debian: apt-get install faketime)")
    return {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def set_clock(clock: Path, days: int) -> None:
    """Have the clock jump to so many days from now."""
    new = clock.with_suffix(".new")
    new.write_text(f"{days:+d}d\n")
    new.replace(clock)


def day_of(server: Server) -> dt.date:
    """Give the day as the server knows it."""
    until(lambda: server.http.get("/v1/jobs").json()["jobs"])
    queued = server.http.get("/v1/jobs").json()["jobs"][0]["times"]["queued"]
    return dt.datetime.fromtimestamp(queued, dt.UTC).date()


@pytest.mark.parametrize("days", [400, -400])
def test_a_clock_that_jumps_ends_no_job_and_no_session(start: Start, tmp_path: Path, days: int) -> None:
    clock, model = tmp_path / "clock", tmp_path / "unet.zip"
    set_clock(clock, 0)
    write_random_unet(model)
    server = start(name="faked", **faked(clock))
    jumped: list[int] = []

    def look(progress: Progress) -> None:
        if progress.current >= 3 and not jumped:
            jumped.append(days)
            set_clock(clock, days)

    with Client(url=server.connection.url, token=server.connection.token) as client:
        code = server.http.post("/v1/dashboard/codes").json()["code"]
        buffer = server.put(noise(64, 64).pixels)
        keys = {
            "model": tmp_path / "n2v.zip",
            "steps": 60,
            "batch_size": 2,
            "patch": 32,
            "force": True,
            "early_stop": 0,
        }
        client.run("train_denoiser", noise(64, 64), job=Job(look), **keys)
        assert jumped, "the training ended before the clock jumped"
        client.run("run_model", noise(64, 64), model=model)
        job = server.job("run_model", {"model": str(model)}, noise(64, 64))
        assert abs((day_of(server) - dt.datetime.now(dt.UTC).date()).days - days) <= 1, "the clock has not jumped"
        assert server.wait(job)["state"] == "done"
        assert server.http.get(f"/v1/buffers/{buffer}").status_code == 200
        own = {"Origin": server.connection.url}
        assert server.http.post("/v1/dashboard/login", json={"code": code}, headers=own).status_code == 200
        gone = server.job("train_denoiser", training(tmp_path), noise(64, 64), lease=1)
        time.sleep(2.5)
        assert server.wait(gone)["state"] == "cancelled"


def test_a_computer_that_slept_finds_its_job_again(start: Start, tmp_path: Path) -> None:
    server = start(name="asleep")
    job = server.job("train_denoiser", training(tmp_path), noise(64, 64), lease=2)
    until(lambda: server.status(job)["state"] == "running")
    asleep = [server.process.pid, *(worker.pid for worker in server.workers())]
    for process in asleep:
        os.kill(process, signal.SIGSTOP)
    time.sleep(6.5)
    for process in reversed(asleep):
        os.kill(process, signal.SIGCONT)
    time.sleep(0.8)
    assert server.status(job)["state"] == "running"
    time.sleep(3.5)  # nobody asks, which would renew the lease; the worker may take longer to stop
    assert server.wait(job)["state"] == "cancelled", "whoever is gone is gone"
