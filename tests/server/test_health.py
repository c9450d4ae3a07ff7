"""Health, metrics, the description of the routes, the structured log; all from real servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bioimg_fiji.client import Client
from bioimg_fiji.server.openapi import document
from support.live_command import install
from support.routes import all_routes
from support.servers import Server, noise, training, until

pytestmark = pytest.mark.timeout(60)


def metrics(server: Server) -> dict[tuple[str, ...], float]:
    answer = server.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    families = list(text_string_to_metric_families(answer.text))
    return {(sample.name, *sample.labels.values()): sample.value for each in families for sample in each.samples}


def test_alive_needs_no_token_and_tells_nothing(server: Server) -> None:
    answer = httpx.get(server.connection.url + "/healthz", trust_env=False)
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


def test_ready_with_a_worker_and_space(server: Server) -> None:
    until(lambda: server.http.get("/readyz").status_code == 200)
    answer = server.http.get("/readyz").json()
    assert answer == {"ready": True, "checks": dict.fromkeys(["open", "worker", "space_memory", "space_disk"], True)}


def test_not_ready_without_space(start: Callable[..., Server], small_disk: Path) -> None:
    server = start(BIOIMG_FIJI_CACHE=str(small_disk))
    answer = server.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert answer.json()["checks"]["space_disk"] is False


def test_a_waiting_worker_that_died_is_replaced(start: Callable[..., Server]) -> None:
    server = start()
    worker = server.workers()[0]
    worker.kill()
    until(lambda: not worker.is_running())
    until(lambda: server.http.get("/readyz").status_code == 200)
    assert [each.pid for each in server.workers()] != [worker.pid]


def test_metrics_count_jobs_bytes_deaths_and_refusals(
    start: Callable[..., Server], tmp_path: Path, small_model: Path
) -> None:
    tests = install(tmp_path / "installed")
    server = start(PYTHONPATH=f"{tmp_path / 'installed'}:{tests}")
    good = server.wait(server.job("run_model", {"model": str(small_model)}, noise(64, 64)))
    assert good["state"] == "done", good
    server.wait(server.job("run_model", {"model": "gone.zip"}, noise(64, 64)))
    job = server.job("show_live", {})
    until(lambda: server.status(job)["live"])
    assert metrics(server)["bioimg_fiji_jobs", "running"] == 1
    for worker in server.workers():
        worker.kill()
    assert server.wait(job)["state"] == "failed"
    httpx.get(server.connection.url + "/v1/info", trust_env=False)
    server.http.get("/v1/info", headers={"Host": "evil.test"})
    server.http.post("/v1/buffers", json={"size": 2**60})
    found = metrics(server)
    assert found["bioimg_fiji_jobs_ended_total", "run_model", "done"] == 1
    assert found["bioimg_fiji_jobs_ended_total", "run_model", "failed"] == 1
    assert found["bioimg_fiji_jobs_ended_total", "show_live", "failed"] == 1
    assert found["bioimg_fiji_job_run_seconds_count", "run_model"] == 2
    assert found["bioimg_fiji_job_run_seconds_sum", "run_model"] > 0.01
    assert found["bioimg_fiji_job_wait_seconds_count", "show_live"] == 1
    assert found["bioimg_fiji_worker_deaths_total", "SIGKILL"] == 1
    assert found["bioimg_fiji_body_bytes_total", "in"] > 2 * 64 * 64 * 2
    assert found["bioimg_fiji_body_bytes_total", "out"] > 1000
    assert [found["bioimg_fiji_refusals_total", reason] for reason in ("token", "host", "too_large")] == [1, 1, 1]
    assert found["bioimg_fiji_requests_total", "POST", "202"] == 3
    assert found["bioimg_fiji_resident_bytes", "server"] > 20e6
    assert found["bioimg_fiji_free_bytes", "memory"] > 0
    assert found["bioimg_fiji_jobs", "running"] == 0


def test_the_document_describes_every_route(server: Server) -> None:
    described = {(method.upper(), path) for path, verbs in document()["paths"].items() for method in verbs}
    assert described == set(all_routes())
    assert server.http.get("/v1/openapi.json").json() == document()


def test_the_table_of_the_protocol_names_every_route(contract: Path) -> None:
    text = (contract.parents[1] / "docs" / "protocol.md").read_text("utf-8")
    parts = ("/dashboard.css", "/dashboard.js", "/icon.svg")  # named in the row of the page
    wanted = [f"{method} {path.replace('{id}', 'ID')}" for method, path in all_routes() if path not in parts]
    missing = [each for each in wanted if f"`{each}`" not in text and f"`{each} " not in text]
    assert missing == []


def test_the_log_by_lines_of_json(start: Callable[..., Server]) -> None:
    server = start(BIOIMG_FIJI_LOG_FORMAT="json")
    status = server.wait(server.job("run_model", {"model": "gone\n.zip"}, noise(8, 8)))
    assert status["state"] == "failed"
    path = server.folder / "home" / ".bioimg-fiji" / "logs" / "server.log"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert {"time", "level", "logger", "message", "pid"} <= set(lines[0])
    assert any(status["id"] in line["message"] and "model_not_found" in line["message"] for line in lines)
    assert all(line["time"].endswith("+00:00") for line in lines)
    assert server.http.get("/v1/log?lines=3").json()["lines"][-1].startswith("{")


def test_the_log_is_told_from_its_end(server: Server) -> None:
    lines = server.http.get("/v1/log?lines=1").json()["lines"]
    assert len(lines) == 1
    for wrong in ("0", "-1", "x", "2001", "9" * 5000, "²"):
        assert server.http.get("/v1/log", params={"lines": wrong}).status_code == 400, wrong


def test_who_looks_at_all_jobs_keeps_no_lease(server: Server, client: Client) -> None:
    job = server.job("train_denoiser", training(server.folder), noise(64, 64), lease=0.6)

    def short() -> dict[str, object]:
        return next(each for each in server.http.get("/v1/jobs").json()["jobs"] if each["id"] == job)

    until(lambda: short()["state"] == "cancelled")
    assert "result" not in short()
    assert list(short()["times"]) in (["queued", "running", "ended"], ["queued", "ended"])  # type: ignore[call-overload]
    server.http.delete(f"/v1/jobs/{job}")


def test_a_body_is_measured_before_it_is_read_in(server: Server) -> None:
    deep = b'{"a":' * 70 + b"1" + b"}" * 70
    many = b'{"a": [' + b"[]," * 1_100_000 + b"[]]}"
    quotes = b'{"a": "' + b'\\"' * 500_000
    for body, status, word in ((deep, 400, "deeper"), (many, 413, "values"), (quotes, 400, "JSON")):
        answer = server.http.post("/v1/jobs", content=body)
        assert answer.status_code == status, answer.text
        assert word in answer.json()["error"]["message"]
