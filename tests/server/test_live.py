"""What can be looked at while a job runs, ending it early, and lists of images, on a real server."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji.client import Client
from bioimg_fiji.errors import BioimgError, JobCancelledError, ParameterError, UnknownKeyError
from bioimg_fiji.image import Image, from_array
from bioimg_fiji.jobs import Job, JobState, Live, Preview
from bioimg_fiji.server.buffers import BufferStore
from bioimg_fiji.server.options import Limits, ServeOptions
from bioimg_fiji.server.record import JobRecord
from bioimg_fiji.server.requests import JobRequest
from bioimg_fiji.server.store import JobStore
from support import live_command
from support.servers import Server, noise, until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def showing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows the command `show_live`."""
    folder = tmp_path_factory.mktemp("live")
    paths = [str(folder), live_command.install(folder), os.environ.get("PYTHONPATH", "")]
    server = Server.start(folder, environment={"PYTHONPATH": os.pathsep.join(paths)})
    yield server
    server.stop()
    log = (server.folder / "home" / ".bioimg-fiji" / "logs" / "server.log").read_text("utf-8")
    assert "[error]" not in log, log


@pytest.fixture
def viewer(showing: Server) -> Iterator[Client]:
    """A client of that server."""
    with Client(url=showing.connection.url, token=showing.connection.token) as client:
        yield client


def grey(value: int) -> Image:
    return from_array(np.full((4, 5), value, np.uint8))


def part(server: Server, image: Image) -> dict[str, Any]:
    return {"header": image.header(), "buffer": server.put(image.pixels)}


def test_finish_ends_a_job_with_its_result(showing: Server) -> None:
    job = showing.job("show_live", {})
    status = until(lambda: (s := showing.status(job))["live"] and s)
    assert (status["state"], status["finishing"]) == ("running", False)
    answer = showing.http.post(f"/v1/jobs/{job}/finish")
    assert (answer.status_code, answer.json()["finishing"]) == (202, True)
    done = showing.wait(job)
    assert (done["state"], done["error"], done["finishing"]) == ("done", None, True)
    assert done["result"]["figures"]["watched"] is True
    again = showing.http.post(f"/v1/jobs/{job}/finish")
    assert (again.status_code, again.json()) == (202, done)
    showing.http.delete(f"/v1/jobs/{job}")


def test_a_job_that_waits_is_told_when_it_starts(showing: Server) -> None:
    first, second = showing.job("show_live", {}), showing.job("show_live", {})
    showing.wait(first, "running")
    assert showing.http.post(f"/v1/jobs/{second}/finish").json()["state"] == "queued"
    assert showing.status(first)["finishing"] is False
    showing.http.post(f"/v1/jobs/{first}/finish")
    assert showing.wait(second)["state"] == "done"
    for job in (first, second):
        showing.http.delete(f"/v1/jobs/{job}")


def test_live_is_the_newest_and_has_no_nan(showing: Server) -> None:
    job = showing.job("show_live", {"last": 5})
    done = showing.wait(job)
    # Five things within a tenth of a second: the first is sent, and the last before the end.
    assert 1 <= done["live"] <= 4
    data = showing.http.get(f"/v1/jobs/{job}/live").json()
    assert data["curves"]["loss"] == [[1.0, 1.0], [3.0, 1 / 3], [4.0, 0.25], [5.0, 0.2]]
    assert data["finishable"] is True
    live = Live.from_json(data)
    assert live.preview is not None
    assert live.preview == live_command.shown(5).preview
    pixels = np.frombuffer(live.preview.pixels[1], "<f4")
    assert pixels.size == 192 * 192
    assert set(pixels) == {5.0}
    showing.http.delete(f"/v1/jobs/{job}")
    assert showing.http.get(f"/v1/jobs/{job}/live").status_code == 404


def test_live_comes_at_most_once_a_second(showing: Server) -> None:
    job = showing.job("show_live", {"last": 250})
    done = showing.wait(job)
    # 2.5 s and more: the first, one each second, and the last; on a slow computer there are more seconds.
    seconds = 250 * 0.01
    assert done["live"] >= 1 + int(seconds)
    assert done["live"] < 250 / 4
    showing.http.delete(f"/v1/jobs/{job}")


def test_while_there_is_nothing_to_look_at(showing: Server) -> None:
    blocking, job = showing.job("show_live", {}), showing.job("show_live", {"last": 1})
    answer = showing.http.get(f"/v1/jobs/{job}/live")
    assert answer.status_code == 404
    error = BioimgError.from_json(answer.json()["error"])
    assert (error.code, error.details) == ("protocol", {"live": 0})
    assert "yet" in error.message
    assert error.fix
    for each in (blocking, job):
        showing.http.delete(f"/v1/jobs/{each}")


def test_live_and_finishing_are_events(showing: Server) -> None:
    job = showing.job("show_live", {})
    events: list[tuple[str, dict[str, Any]]] = []
    with showing.http.stream("GET", f"/v1/jobs/{job}/events", timeout=5) as answer:
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                events.append((name, json.loads(line.removeprefix("data: "))))
                if name == "live" and events[-1][1]["live"] == 1:
                    showing.http.post(f"/v1/jobs/{job}/finish")
    counts = [status["live"] for name, status in events if name == "live"]
    assert counts == sorted(set(counts))
    assert counts[0] == 1
    assert events[0][1]["finishing"] is False
    assert events[-1][0] == "state"
    assert (events[-1][1]["state"], events[-1][1]["finishing"]) == ("done", True)
    showing.http.delete(f"/v1/jobs/{job}")


def test_the_callers_job_sees_it_and_finishes_it(viewer: Client) -> None:
    seen: list[Live] = []

    def look(live: Live) -> None:
        seen.append(live)
        job.finish()

    job = Job(on_live=look)
    result = viewer.run("show_live", job=job)
    assert result.figures["step"] >= len(seen[0].curves["loss"])
    last = seen[-1]
    assert len(last.curves["loss"]) == result.figures["step"] - (result.figures["step"] >= 2)
    assert isinstance(last.preview, Preview)
    assert last.finishable


def test_a_caller_that_does_not_look_fetches_nothing(viewer: Client) -> None:
    started = threading.Event()
    job = Job(on_progress=lambda _: started.set())
    finisher = threading.Thread(target=lambda: (started.wait(60), job.finish()))
    finisher.start()
    asked: list[str] = []
    get = viewer._transport.json
    viewer._transport.json = lambda method, path, *more, **how: (asked.append(path), get(method, path, *more, **how))[1]  # type: ignore[method-assign]
    assert viewer.run("show_live", job=job).figures["step"] > 0
    finisher.join()
    assert not [path for path in asked if path.endswith("/live")]
    assert len([path for path in asked if path.endswith("/finish")]) == 1


def test_the_remote_job_by_hand(viewer: Client) -> None:
    blocking = viewer.submit("show_live")
    waiting = viewer.submit("show_live")
    assert waiting.live() is None
    live = until(blocking.live)
    assert live.curves["loss"][0] == (1.0, 1.0)
    assert waiting.finish()["finishing"] is True
    assert blocking.finish()["state"] == "running"
    assert [each.result().figures["single"] for each in (blocking, waiting)] == ["None", "None"]
    for job in (blocking, waiting):
        job.forget()


def test_what_can_finish_is_given_the_time_to_keep_something(viewer: Client) -> None:
    """Longer than the second after which other work is killed."""
    job = Job(on_live=lambda _: job.cancel())
    with pytest.raises(JobCancelledError, match="Kept at step") as caught:
        viewer.run("show_live", job=job, keeps=2.5)
    assert caught.value.message == "The job was cancelled."


def test_cancel_after_finish_cancels(viewer: Client) -> None:
    job = Job(on_live=lambda _: job.cancel())
    with pytest.raises(JobCancelledError):
        viewer.run("show_live", job=job)


def test_lists_of_images_keep_their_order(viewer: Client, showing: Server) -> None:
    images = [grey(value) for value in (7, 1, 5)]
    assert viewer.run("show_live", images=images, last=1).figures["values"] == "[7.0, 1.0, 5.0]"
    assert viewer.run("show_live", images=grey(3), last=1).figures["values"] == "[3.0]"
    assert viewer.run("show_live", images=[], last=1).figures["values"] == "[]"
    both = viewer.run("show_live", grey(2), images=tuple(images), last=1).figures
    assert (both["values"], both["single"]) == ("[7.0, 1.0, 5.0]", "2.0")
    twelve = {f"images.{n}": part(showing, grey(n)) for n in (10, 9, 2)}
    request = {"command": "show_live", "parameters": {"last": 1}, "images": twelve}
    job = showing.http.post("/v1/jobs", json=request).json()["id"]
    assert showing.wait(job)["result"]["figures"]["values"] == "[2.0, 9.0, 10.0]"
    showing.http.delete(f"/v1/jobs/{job}")


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"images": [grey(1), "b.tif"]}, "images must be a list of images, but it is 'Image, str'"),
        ({"images": [np.ones((3, 3))]}, "images must be a list of images"),
        ({"image": [grey(1), grey(2)]}, "image must be one value"),
        ({"last": [grey(1)]}, "last must be one value"),
    ],
)
def test_lists_that_are_no_images(viewer: Client, keys: dict[str, Any], text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        viewer.run("show_live", **keys)
    assert text in caught.value.message
    assert caught.value.fix


@pytest.mark.parametrize("name", ["images", "images.", "images.01", "images.x", "images.-1", "image.0", "name", "imag"])
def test_an_image_where_none_belongs_is_refused_and_stays_the_clients(showing: Server, name: str) -> None:
    given = part(showing, grey(1))
    answer = showing.http.post("/v1/jobs", json={"command": "show_live", "parameters": {}, "images": {name: given}})
    assert answer.status_code == 400
    error = BioimgError.from_json(answer.json()["error"])
    assert (error.code, error.details["field"]) == ("parameter", name)
    assert error.message == f"{name!r} is no image input of show_live."
    assert error.fix == "Its image inputs are image, images.0, images.1 and so on."
    assert showing.http.delete(f"/v1/buffers/{given['buffer']}").status_code == 204
    assert showing.http.get("/v1/info").json()["jobs"] == {"running": 0, "queued": 0}


def test_a_command_without_images(viewer: Client) -> None:
    with pytest.raises(UnknownKeyError):
        viewer.run("show_live", imagez="x")
    with pytest.raises(ParameterError) as caught:
        viewer.run("models", folder=noise(4, 4))
    assert caught.value.fix == "It takes no images."


def test_a_worker_that_shows_what_cannot_be_sent_goes_on(tmp_path: Path) -> None:
    from bioimg_fiji.server.worker import Channel

    channel = Channel.__new__(Channel)  # its pipes are not touched
    channel.send_live(Live({"loss": [("a", "b")]}))  # type: ignore[list-item]


def test_only_the_newest_ended_jobs_keep_what_they_showed(tmp_path: Path) -> None:
    options = ServeOptions(limits=Limits(lives=2))
    buffers = BufferStore(tmp_path)
    store = JobStore(options, buffers, "log")
    for number in range(4):
        job = JobRecord(str(number), JobRequest("show_live", {}, {}), JobState.RUNNING)
        job.touched += number
        job.show({"curves": {}})
        if number != 0:
            job.become(JobState.DONE)
        store._jobs[job.id] = job
    store.tidy()
    assert [store.get(each).live is not None for each in "0123"] == [True, False, True, True]
    assert store.get("1").status()["live"] == 1
    buffers.close()
