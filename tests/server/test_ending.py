"""A server that is told to end: nothing new, trainings keep a checkpoint, short work may end; then nothing is left."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.live_command import install
from support.servers import Server, noise, training, until

pytestmark = pytest.mark.timeout(90)


def last_status(server: Server, job: str) -> dict[str, Any]:
    """Ask after a job until the server is gone; give what it said last."""
    status: dict[str, Any] = {}
    while True:
        try:
            status = server.status(job)
        except httpx.TransportError:
            return status


def test_a_training_keeps_a_checkpoint_and_goes_on_elsewhere(start: Callable[..., Server], tmp_path: Path) -> None:
    server = start(name="old")
    job = server.job("train_denoiser", training(tmp_path), noise(64, 64))
    until(lambda: server.status(job)["progress"]["current"] > 20, 60)
    server.process.send_signal(signal.SIGTERM)
    status = last_status(server, job)
    assert server.process.wait(20) == 0
    assert (status["state"], status["error"]["message"]) == ("cancelled", "The server was stopped.")
    assert "resume=true" in status["error"]["fix"]
    upgraded = start(name="new")
    job = upgraded.job("train_denoiser", training(tmp_path) | {"resume": True}, noise(64, 64))
    first = until(lambda: upgraded.status(job)["progress"]["current"], 60)
    assert first > 20
    upgraded.http.delete(f"/v1/jobs/{job}")


def test_new_jobs_are_refused_while_a_checkpoint_is_kept(start: Callable[..., Server], tmp_path: Path) -> None:
    tests = install(tmp_path / "installed")
    server = start(PYTHONPATH=f"{tmp_path / 'installed'}:{tests}")
    job = server.job("show_live", {"keeps": 3.0})
    waiting = server.job("show_live", {})
    until(lambda: server.status(job)["live"])
    server.process.send_signal(signal.SIGTERM)
    refused = until(lambda: (a := server.http.post("/v1/jobs", json={"command": "show_live"})).status_code == 503 and a)
    assert refused.json()["error"]["code"] == "server_unavailable"
    assert server.http.get("/readyz").json()["checks"]["open"] is False
    assert server.http.get("/healthz").status_code == 200
    assert server.status(waiting)["error"]["message"] == "The server was stopped."
    status = last_status(server, job)
    assert status["error"]["fix"].startswith("Kept at step")
    assert server.process.wait(20) == 0


def test_short_work_may_end_in_the_time_of_grace(
    start: Callable[..., Server], tmp_path: Path, small_model: Path
) -> None:
    server = start("--grace", "30")
    image = noise(600, 600)
    job = server.job("run_model", {"model": str(small_model)}, image)
    server.wait(job, "running")
    server.process.send_signal(signal.SIGTERM)
    status = last_status(server, job)
    assert status["state"] == "done", status
    assert server.process.wait(20) == 0
