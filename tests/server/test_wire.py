"""The golden wire files, which the Java tests read too, are what this server and this client speak."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji.client.remote_job import RemoteJob
from bioimg_fiji.client.transport import Transport
from bioimg_fiji.commands import Result
from bioimg_fiji.errors import BioimgError, ModelNotFoundError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job, JobState, Live, Progress
from bioimg_fiji.server import connection
from bioimg_fiji.server.requests import JobRequest
from support.servers import Server, noise, training, until

pytestmark = pytest.mark.timeout(60)
FREE = {"figures", "parameters", "files", "tables", "details", "scales", "properties"}
"""Objects whose keys are not the protocol's."""


@pytest.fixture(scope="module")
def wire(contract: Path) -> Path:
    return contract / "wire"


def load(wire: Path, name: str) -> Any:
    return json.loads((wire / name).read_text("utf-8"))


def shape(value: Any, name: str = "") -> Any:
    """Give the keys and types of a JSON value; whole numbers and fractions are both numbers."""
    if isinstance(value, dict):
        return "free" if name in FREE else {key: shape(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value and not isinstance(value[0], int) else "list"
    return "number" if isinstance(value, float | int) and not isinstance(value, bool) else type(value).__name__


def test_small_answers(wire: Path, server: Server) -> None:
    info = server.http.get("/v1/info").json()
    assert shape(info) == shape(load(wire, "info.json"))
    error = server.http.get("/v1/jobs/gone").json()
    assert error == load(wire, "error.json")
    made = server.http.post("/v1/buffers", json={"size": 8, "local": True}).json()
    assert shape(made) == shape(load(wire, "buffer.json"))
    server.http.delete(f"/v1/buffers/{made['id']}")
    told = json.loads((server.folder / "connection.json").read_text())
    assert shape(told) == shape(load(wire, "connection.json"))


def test_the_connection_file_is_read(wire: Path) -> None:
    known = connection.read(wire / "connection.json")
    assert known is not None
    assert (known.url, known.pid, known.protocol) == ("http://127.0.0.1:40123", 4711, 1)


def test_the_job_request_is_understood(wire: Path) -> None:
    data = load(wire, "job_request.json")
    request = JobRequest.parse(data)
    assert request.command == data["command"]
    assert request.parameters == data["parameters"]
    assert request.images["image"].header == data["images"]["image"]["header"]
    assert request.accept == tuple(data["accept"])
    assert (request.local, request.lease) == (data["local"], data["lease"])


def test_job_statuses(wire: Path, server: Server, small_model: Path, tmp_path: Path) -> None:
    run = {"model": str(small_model)}
    jobs = [
        server.job("run_model", run, noise(3, 32, 32, axes="tyx"), local=True),
        server.job("run_model", {"model": str(tmp_path / "gone.zip")}, noise(32, 32)),
        server.job("train_denoiser", training(tmp_path), noise(64, 64)),
    ]
    done, failed = server.wait(jobs[0]), server.wait(jobs[1])
    running = until(lambda: (s := server.status(jobs[2]))["progress"]["figures"] and s)
    server.http.post(f"/v1/jobs/{jobs[2]}/cancel")
    cancelled = server.wait(jobs[2])
    for name, status in {"failed": failed, "running": running, "cancelled": cancelled}.items():
        assert shape(status) == shape(load(wire, f"job_status_{name}.json")), name
    golden = load(wire, "job_status_done.json")
    for status in (done, golden):
        status["result"]["images"]["output"]["header"]["channels"] = []
    assert shape(done) == shape(golden)
    for job in jobs:
        server.http.delete(f"/v1/jobs/{job}")


def test_the_results_of_a_status_are_read(wire: Path) -> None:
    result = load(wire, "job_status_done.json")["result"]
    assert dict(Result.from_json(result, {}).figures) == result["figures"]
    header = result["images"]["output"]["header"]
    image = Image.from_header(header, np.zeros(header["shape"], header["dtype"]))
    assert image.header() == header
    error = BioimgError.from_json(load(wire, "job_status_failed.json")["error"])
    assert isinstance(error, ModelNotFoundError)


def test_what_can_be_looked_at_is_read_and_written(wire: Path) -> None:
    data = load(wire, "live.json")
    live = Live.from_json(data)
    assert live.to_json() == data
    assert live.curves["loss"] == ((1, 0.9), (2, 0.7), (40, 0.25))
    assert live.finishable is True
    assert live.preview is not None
    assert (live.preview.names, live.preview.display) == (("before", "after"), (1.5, 6.0))
    before, after = (np.frombuffer(each, "<f4").reshape(live.preview.shape) for each in live.preview.pixels)
    np.testing.assert_array_equal(before, [[1, 3, 2], [4, 6, 5]])
    np.testing.assert_array_equal(after, [[2.5] * 3, [4.5] * 3])


def test_what_cannot_be_shown_is_left_out() -> None:
    live = Live.from_json({"curves": {"loss": [[1, None], [2, 0.5]]}, "preview": None, "finishable": False})
    assert live == Live({"loss": ((2, 0.5),)})
    assert Live({"loss": [(1, float("inf")), (2, 0.5)]}).to_json()["curves"] == {"loss": [[2.0, 0.5]]}


@pytest.fixture
def player(wire: Path) -> Iterator[str]:
    """Address of a server that plays the golden events to whoever asks."""
    events = (wire / "events.txt").read_bytes()

    class Player(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(events)

        def log_message(self, *values: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Player) as playing:
        thread = threading.Thread(target=playing.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{playing.server_address[1]}"
        playing.shutdown()
        thread.join()


def test_the_client_understands_the_events(player: str, wire: Path) -> None:
    seen: list[Progress] = []
    transport = Transport(player, "token")
    status = RemoteJob(transport, "1").wait(Job(on_progress=seen.append))
    transport.close()
    assert JobState(status["state"]) is JobState.DONE
    steps = [each.current for each in seen if each.message == "Training" and each.maximum == 6]
    assert steps == sorted(set(steps))
    assert len(steps) > 3
    assert all(each.figures["loss"] > 0 for each in seen if each.message == "Training" and each.current)
