"""Jobs that outlive their server, whether it was told to end or was killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from bioimg_fiji.client import Client
from bioimg_fiji.commands import find
from bioimg_fiji.errors import BioimgError, ServerError, StorageError
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.runtime.fake import write_fake_package, write_random_unet
from bioimg_fiji.server.shelf import Shelf
from support.servers import Server, noise, training, until

pytestmark = pytest.mark.timeout(180)
Start = Callable[..., Server]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Start servers one after the other, at one address, with one token and one shelf."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started: list[Server] = []

    def begin() -> Server:
        line = ("--port", port, "--token-file", str(tmp_path / "token"), "--keep-jobs", str(tmp_path / "kept"))
        started.append(Server.start(tmp_path / f"server{len(started)}", *line))
        return started[-1]

    yield begin
    for each in started:
        each.stop()


ENTRY = {"request": {}, "key": "", "fingerprint": "", "client": "", "starts": 0, "state": "queued"}


def kept(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "kept").iterdir() if path.is_dir())


def client_of(server: Server) -> Client:
    return Client(url=server.connection.url, token=server.connection.token, patience=120)


def keys_of(model: Path) -> dict[str, Any]:
    return {"model": model, "steps": 150, "batch_size": 2, "patch": 32, "force": True, "early_stop": 0, "device": "cpu"}


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_no_job_is_lost_with_its_server(begin: Callable[[], Server], tmp_path: Path, end: signal.Signals) -> None:
    first = begin()
    write_random_unet(tmp_path / "unet.zip")
    results: dict[str, Any] = {}
    notes: list[str] = []
    steps: list[float] = []

    def look(progress: Progress) -> None:
        if progress.message == "Training":
            steps.append(progress.current)

    def train(name: str, job: Job | None = None) -> None:
        with client_of(first) as client:
            results[name] = client.run("train_denoiser", noise(96, 96), job=job, **keys_of(tmp_path / f"{name}.zip"))

    runs = threading.Thread(target=train, args=("runs", Job(look, notes.append)))
    waits = threading.Thread(target=train, args=("waits",))
    with client_of(first) as client:
        done = client.submit("run_model", noise(80, 64), model=tmp_path / "unet.zip")
        failed = client.submit("run_model", noise(8, 8), model=tmp_path / "none.zip")
        for job in (done, failed):
            until(lambda job=job: job.status()["state"] in ("done", "failed"), 60)
        until(lambda: json.loads((tmp_path / "kept" / done.id / "job.json").read_text())["state"] == "done")
        until(lambda: json.loads((tmp_path / "kept" / failed.id / "job.json").read_text())["state"] == "failed")
        done_part = done.status()["result"]["images"]["output"]
        runs.start()
        until(lambda: steps and steps[-1] >= 10, 60)
        waits.start()
        until(lambda: len(client_jobs(first)) == 4)
        workers = first.workers()
        first.process.send_signal(end)
        first.process.wait(30)
        psutil.wait_procs(workers, timeout=10)
        second = begin()
        for thread in (runs, waits):
            thread.join(120)
        assert sorted(results) == ["runs", "waits"]
        found = client.job(done.id).result()
        here = find("run_model").run({"model": tmp_path / "unet.zip", "image": noise(80, 64)})
        np.testing.assert_array_equal(found.images["output"].pixels, here.images["output"].pixels)
        with pytest.raises(BioimgError, match=r"none\.zip"):
            client.job(failed.id).result()
        assert any(note.startswith("Resumed after step") for note in notes) or end is signal.SIGKILL
        before = done_part["buffer"]
        assert client.job(done.id).status()["result"]["images"]["output"]["buffer"] == before
        for job in (done, failed):
            client.job(job.id).forget()
    whole = find("train_denoiser").run({"image": noise(96, 96), **keys_of(tmp_path / "whole.zip")})
    for name in ("runs", "waits"):
        np.testing.assert_array_equal(results[name].images["output"].pixels, whole.images["output"].pixels)
    until(lambda: kept(tmp_path) == [])
    second.stop()


def test_a_result_is_fetched_from_the_next_server(begin: Callable[[], Server], tmp_path: Path) -> None:
    first = begin()
    write_fake_package(tmp_path / "mean.zip")
    image, servers = noise(3, 1500, 1500, axes="tyx"), [first]  # several parts

    def progress(report: Progress) -> None:
        if report.message == "Receiving the result" and report.current < report.maximum and len(servers) == 1:
            [entry] = (tmp_path / "kept").glob("*/job.json")
            until(lambda: json.loads(entry.read_text())["state"] == "done")
            first.ended()
            servers.append(begin())

    keys = {"model": tmp_path / "mean.zip", "tile": 256}
    notes: list[str] = []
    with client_of(first) as client:
        output = client.run("run_model", image, job=Job(progress, notes.append), **keys).images["output"]
    assert len(servers) == 2
    assert len(notes) == len(set(notes))
    expected = find("run_model").run({"image": image, **keys}).images["output"]
    np.testing.assert_array_equal(output.pixels, expected.pixels)


def test_an_image_that_was_on_its_way_is_sent_again(begin: Callable[[], Server], tmp_path: Path) -> None:
    first = begin()
    write_random_unet(tmp_path / "unet.zip")
    with client_of(first) as client:
        send, sent = client._send, []

        def interrupted(*given: Any) -> str:
            sent.append(send(*given))
            if len(sent) == 1:
                first.ended()
                begin()
            return sent[-1]

        client._send = interrupted  # type: ignore[method-assign]
        found = client.run("run_model", noise(80, 64), model=tmp_path / "unet.zip")
    assert len(sent) == 2
    here = find("run_model").run({"model": tmp_path / "unet.zip", "image": noise(80, 64)})
    np.testing.assert_array_equal(found.images["output"].pixels, here.images["output"].pixels)


def client_jobs(server: Server) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = server.http.get("/v1/jobs").json()["jobs"]
    return jobs


def test_only_jobs_whose_client_comes_again_are_kept(begin: Callable[[], Server], tmp_path: Path) -> None:
    server = begin()
    hasty = server.job("train_denoiser", training(tmp_path), noise(32, 32), lease=10)
    patient = server.job("train_denoiser", training(tmp_path) | {"model": str(tmp_path / "b.zip")}, noise(32, 32))
    assert (server.status(hasty)["kept"], server.status(patient)["kept"]) == (False, True)
    assert kept(tmp_path) == [patient]
    assert (tmp_path / "kept").stat().st_mode & 0o77 == 0
    assert all(path.stat().st_mode & 0o77 == 0 for path in (tmp_path / "kept" / patient).iterdir())
    for job in (hasty, patient):
        server.http.delete(f"/v1/jobs/{job}")
    until(lambda: kept(tmp_path) == [])


def test_the_same_request_gives_the_same_job_after_a_restart(begin: Callable[[], Server], tmp_path: Path) -> None:
    first = begin()
    body = {"command": "train_denoiser", "parameters": training(tmp_path)}
    image = {"image": {"header": noise(32, 32).header(), "buffer": first.put(noise(32, 32).pixels)}}
    ask = lambda server: server.http.post("/v1/jobs", json=body | {"images": image}, headers={"Idempotency-Key": "a"})  # noqa: E731
    before = ask(first)
    first.ended()
    second = begin()
    assert ask(second).json()["id"] == before.json()["id"]
    second.http.delete(f"/v1/jobs/{before.json()['id']}")


def test_a_job_that_ends_its_servers_is_not_begun_for_ever(begin: Callable[[], Server], tmp_path: Path) -> None:
    first = begin()
    job = first.job("train_denoiser", training(tmp_path), noise(32, 32))
    until(lambda: first.status(job)["state"] == "running")
    first.ended()
    entry = tmp_path / "kept" / job / "job.json"
    entry.write_text(json.dumps(json.loads(entry.read_text()) | {"starts": 10}))
    second = begin()
    status = second.status(job)
    assert status["state"] == "failed"
    assert "has begun 10 times" in status["error"]["message"]
    second.http.delete(f"/v1/jobs/{job}")


def test_what_another_version_has_left_is_no_obstacle(begin: Callable[[], Server], tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir(mode=0o700)
    odd = ["{}", "{", "[]", '{"queued": "x"}', '{"queued": 1}', json.dumps({"queued": 2, "work": "odd"} | ENTRY)]
    names = [f"{number:032x}" for number in range(len(odd))]
    for name, text in zip([*names, f"{99:032x}.new", "atlas.new", "atlas"], [*odd, *["{}"] * 3], strict=True):
        (tmp_path / "kept" / name).mkdir()
        (tmp_path / "kept" / name / "job.json").write_text(text)
    server = begin()
    assert client_jobs(server) == []
    assert kept(tmp_path) == [*names, "atlas", "atlas.new"]


def test_a_shelf_has_one_server(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "kept")
    with pytest.raises(ServerError, match="Another server keeps its jobs in"):
        Shelf(tmp_path / "kept")
    shelf.close()
    Shelf(tmp_path / "kept").close()


@pytest.mark.skipif(os.name != "posix", reason="folders have no modes there")
def test_a_folder_that_others_may_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(ServerError, match="chmod 700"):
        Shelf(tmp_path / "open")
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o755


def test_starts_that_ended_in_good_order_do_not_count(begin: Callable[[], Server], tmp_path: Path) -> None:
    job = ""
    for _ in range(4):
        server = begin()
        job = job or server.job("train_denoiser", training(tmp_path), noise(32, 32))
        live = f"/v1/jobs/{job}/live"
        until(lambda server=server, live=live: server.http.get(live).status_code == 200)
        server.stop()
    last = begin()
    until(lambda: last.status(job)["state"] == "running")
    last.http.delete(f"/v1/jobs/{job}")


def test_a_user_cancels_while_the_server_ends(begin: Callable[[], Server], tmp_path: Path) -> None:
    first = begin()
    runs = first.job("train_denoiser", training(tmp_path), noise(32, 32))
    waits = first.job("train_denoiser", training(tmp_path) | {"model": str(tmp_path / "b.zip")}, noise(32, 32))
    until(lambda: first.http.get(f"/v1/jobs/{runs}/live").status_code == 200)
    first.process.send_signal(signal.SIGTERM)
    with contextlib.suppress(httpx.TransportError):  # it may be too late for it
        for job in (waits, runs):
            first.http.post(f"/v1/jobs/{job}/cancel")
    first.process.wait(30)
    states = {job: json.loads((tmp_path / "kept" / job / "job.json").read_text())["state"] for job in (runs, waits)}
    second = begin()
    for job, state in states.items():
        assert second.status(job)["state"] in (("cancelled",) if state == "cancelled" else ("queued", "running"))
        second.http.delete(f"/v1/jobs/{job}")


def test_a_request_that_comes_twice_while_it_is_kept_is_one_job(begin: Callable[[], Server], tmp_path: Path) -> None:
    server = begin()
    large = noise(4000, 4000)
    image = {"image": {"header": large.header(), "buffer": server.put(large.pixels)}}
    body = {"command": "train_denoiser", "parameters": training(tmp_path), "images": image}

    def ask() -> str:
        answer = server.http.post("/v1/jobs", json=body, headers={"Idempotency-Key": "twice"}, timeout=60)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    with ThreadPoolExecutor(4) as several:
        found = set(several.map(lambda _: ask(), range(4)))
    assert len(found) == 1
    assert kept(tmp_path) == sorted(found)
    server.http.delete(f"/v1/jobs/{found.pop()}")


def test_a_full_disk_refuses_the_job_and_leaves_nothing(small_disk: Path, tmp_path: Path) -> None:
    shelf = Shelf(small_disk / "kept")
    large = tmp_path / "large"
    large.write_bytes(bytes(3 << 20))
    with pytest.raises(StorageError, match="to be kept"):
        shelf.put("a", {"queued": 1.0}, {"in.image": large})
    assert list(shelf.entries()) == []
    assert [path.name for path in shelf.folder.iterdir()] == ["lock"]
    shelf.close()
