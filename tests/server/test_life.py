"""A server's life: started, found, killed, ended; and what is left of it, which is nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from bioimg_fiji.client import Client
from bioimg_fiji.errors import (
    AuthenticationError,
    ParameterError,
    ServerError,
    ServerUnavailableError,
    StorageError,
)
from bioimg_fiji.server import connection
from support import shared_memory
from support.servers import Server, launch, noise, training, until

pytestmark = pytest.mark.timeout(120)
Start = Callable[..., Server]


def client_of(server: Server, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("BIOIMG_FIJI_CONNECTION", str(server.folder / "connection.json"))
    return Client()


def test_a_server_killed_in_a_job(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start()
    with client_of(server, monkeypatch) as client:
        job = client.submit("train_denoiser", noise(64, 64), **training(tmp_path))
        until(lambda: job.status()["state"] == "running")
        caught: list[BaseException] = []

        def wait() -> None:
            try:
                job.result()
            except ServerError as error:
                caught.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        pixels = server.ended()  # asserts that no worker outlives it
        waiting.join(5)
        assert not waiting.is_alive()
        assert isinstance(caught[0], ServerUnavailableError)
        assert "serve" in caught[0].fix
        with pytest.raises(ServerUnavailableError, match="serve"):
            client.run("run_model", noise(8, 8), model="x.zip")
    with pytest.raises(ServerUnavailableError, match="No model server runs"):
        Client()
    assert pixels.exists()
    following = start()
    assert not pixels.exists(), "the next server frees the memory of the killed one"
    with Client() as client:
        assert client.info()["pid"] == following.process.pid


def test_sigterm_in_a_job_ends_it_cleanly(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start()
    with client_of(server, monkeypatch) as client:
        job = client.submit("train_denoiser", noise(64, 64), **training(tmp_path))
        until(lambda: job.status()["state"] == "running")
        server.stop()
        with pytest.raises(ServerUnavailableError):
            job.status()
    assert not (tmp_path / "trained.zip").exists()
    assert not [path for path in tmp_path.iterdir() if path.is_file() and path.suffix != ".checkpoint"]


@pytest.mark.parametrize("delay", [0.2, 0.6, 0.9])
def test_sigterm_while_it_starts_leaves_nothing(tmp_path: Path, delay: float) -> None:
    process = launch(tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(delay)
    process.terminate()
    assert process.wait(20) in (0, -signal.SIGTERM)  # so early that it is not Python yet, or cleanly
    assert not list(shared_memory.folder().glob(f"bioimg-fiji-{process.pid}-*"))
    assert not list(tmp_path.glob("*connection*"))


def test_shutdown_by_a_client(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start()
    with client_of(server, monkeypatch) as client:
        client.shutdown()
        assert server.process.wait(20) == 0
    assert not (server.folder / "connection.json").exists()


def test_a_server_that_ends_while_it_looks_at_its_machine_says_so(start: Start) -> None:
    server = start()
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(server.http.get("/v1/machine", timeout=60)))
    asking.start()
    (looking,) = until(lambda: [each for each in server.workers() if any("devices()" in part for part in words(each))])
    server.process.send_signal(signal.SIGTERM)
    asking.join(20)
    assert not asking.is_alive()
    assert answers[0].status_code == 503
    assert answers[0].json()["error"]["code"] == "server_unavailable"
    assert server.process.wait(20) == 0
    assert not looking.is_running()
    log = (server.folder / "home" / ".bioimg-fiji" / "logs" / "server.log").read_text("utf-8")
    assert "has ended" in log
    for text in (log, (server.folder / "server.err").read_text("utf-8")):
        assert "Traceback" not in text
        assert "[error]" not in text


def words(process: psutil.Process) -> list[str]:
    """Give the command line of a process; nothing of one that has ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_a_second_server_ends_and_says_why(server: Server) -> None:
    second = launch(server.folder)
    assert second.wait(60) == 0
    assert "A server runs already" in (server.folder / "server.err").read_text()
    assert server.connection.url in (server.folder / "server.err").read_text()
    assert connection.read(server.folder / "connection.json") == server.connection


def test_idle_exit(start: Start) -> None:
    server = start("--idle-exit", "0.5")
    assert server.process.wait(20) == 0
    assert not (server.folder / "connection.json").exists()


def test_a_port_that_is_taken(server: Server, tmp_path: Path) -> None:
    second = launch(tmp_path, "--port", server.connection.url.rsplit(":", 1)[1])
    assert second.wait(60) == 1
    said = (tmp_path / "server.err").read_text()
    assert "cannot listen" in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("*connection*"))


def test_a_server_for_the_whole_network_is_refused(tmp_path: Path) -> None:
    second = launch(tmp_path, "--host", "0.0.0.0")
    assert second.wait(60) == 1
    assert "SSH tunnel" in (tmp_path / "server.err").read_text()


def test_a_full_disk_for_pixels(start: Start, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start(BIOIMG_FIJI_BUFFERS=str(small_disk))
    try:
        folder = next(small_disk.glob("bioimg-fiji-*"))
        answer = server.http.post("/v1/buffers", json={"size": 3 << 20})
        assert answer.status_code == 507
        assert answer.json()["error"]["code"] == "storage"
        assert "BIOIMG_FIJI_BUFFERS" in answer.json()["error"]["fix"]
        with client_of(server, monkeypatch) as client:
            with pytest.raises(StorageError, match="BIOIMG_FIJI_BUFFERS"):
                client.run("run_model", noise(2048, 1024), model="x.zip")
            assert [path.name for path in folder.iterdir()] == ["lock"]
            (small_disk / "filler").write_bytes(bytes(1900 << 10))
            with pytest.raises(StorageError):
                client.run("run_model", noise(256, 512), model="x.zip")
            assert [path.name for path in folder.iterdir()] == ["lock"]
    finally:
        server.stop()
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_disk_that_fills_while_pixels_come(start: Start, small_disk: Path) -> None:
    server = start(BIOIMG_FIJI_BUFFERS=str(small_disk))
    try:
        id_ = server.http.post("/v1/buffers", json={"size": 1 << 20}).json()["id"]
        (small_disk / "filler").write_bytes(bytes(1500 << 10))
        answer = server.http.put(f"/v1/buffers/{id_}", content=bytes(1 << 20), headers={"X-CRC32": "00000000"})
        assert answer.status_code == 507, answer.text
        assert answer.json()["error"]["fix"]
        assert (next(small_disk.glob("bioimg-fiji-*")) / id_).stat().st_size == 0
    finally:
        server.stop()


def test_a_result_that_has_no_room(
    start: Start, small_disk: Path, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(BIOIMG_FIJI_BUFFERS=str(small_disk))
    try:
        image = noise(600, 600, dtype="uint8")  # 0.34 MiB; its result has four times as much
        (small_disk / "filler").write_bytes(bytes(1 << 20))
        with client_of(server, monkeypatch) as client, pytest.raises(StorageError, match="BIOIMG_FIJI_BUFFERS"):
            client.run("run_model", image, model=small_model)
        assert [path.name for path in next(small_disk.glob("bioimg-fiji-*")).iterdir()] == ["lock"]
    finally:
        server.stop()


def test_a_client_starts_a_server_and_finds_it_again(private_places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(private_places))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(ServerUnavailableError, match="bioimg-fiji serve"):
        Client.local()
    with Client.local(start=True, idle_exit=30) as client, Client.local(start=True) as second:
        pid = client.info()["pid"]
        assert second.info()["pid"] == pid
        assert psutil.Process(pid).parent() == psutil.Process()
        os.kill(pid, signal.SIGKILL)
        until(lambda: not psutil.pid_exists(pid))
        with pytest.raises(ServerUnavailableError):
            client.info()
    with Client.local(start=True) as client:
        assert client.info()["pid"] != pid
        client.shutdown()
        until(lambda: not Path(os.environ["BIOIMG_FIJI_CONNECTION"]).exists())


def test_several_programs_start_one_server(private_places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(private_places))
    program = "from bioimg_fiji import Client\nwith Client.local(start=True, idle_exit=20) as c: print(c.info()['pid'])"
    line = [sys.executable, "-c", program]
    others = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=60) for process in others]
    assert [error for _, error in said] == [""] * 3
    assert len({pid for pid, _ in said}) == 1
    with Client() as client:
        assert str(client.info()["pid"]) == said[0][0].strip()
        client.shutdown()
    until(lambda: not Path(os.environ["BIOIMG_FIJI_CONNECTION"]).exists())
    until(lambda: not psutil.pid_exists(int(said[0][0])))


def test_a_server_that_cannot_start(private_places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (private_places / "file").write_text("")
    monkeypatch.setenv("BIOIMG_FIJI_CONNECTION", str(private_places / "file" / "connection.json"))
    monkeypatch.setenv("HOME", str(private_places))
    with pytest.raises(ServerError, match="connection file") as caught:
        Client.local(start=True)
    assert caught.value.fix


def test_a_wrong_token_or_address(server: Server) -> None:
    with pytest.raises(AuthenticationError, match="token"):
        Client(url=server.connection.url, token="wrong")
    with pytest.raises(ServerUnavailableError):
        Client(url="http://127.0.0.1:9", token="x")
    with pytest.raises(ParameterError, match="url"):
        Client(url="127.0.0.1", token="x")
    with pytest.raises(ParameterError, match="token"):
        Client(url=server.connection.url, token="bad token\n")
    with pytest.raises(ParameterError, match="both"):
        Client(url=server.connection.url)


def test_a_connection_file_of_another_process(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    path = tmp_path / "connection.json"
    monkeypatch.setenv("BIOIMG_FIJI_CONNECTION", str(path))
    for wrong, text in (({"pid": 1}, "gone"), ({"token": "before"}, "gone"), ({"token": "not one"}, "damaged")):
        connection.write(path, dataclasses.replace(server.connection, **wrong))
        with pytest.raises(ServerUnavailableError, match=text):
            Client()
    path.write_text('{"url": 3}')
    with pytest.raises(ServerUnavailableError, match="no connection file"):
        Client()
