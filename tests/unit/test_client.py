"""The client against servers that behave badly."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.client import Client
from bioimg_fiji.client.client import _complete
from bioimg_fiji.client.patience import Patience
from bioimg_fiji.client.remote_job import RemoteJob
from bioimg_fiji.client.transport import Transport
from bioimg_fiji.errors import BioimgError, ParameterError, ProtocolError, ServerUnavailableError, StorageError
from bioimg_fiji.jobs import Job, Progress

pytestmark = pytest.mark.timeout(60)


@contextlib.contextmanager
def answering(*answers: bytes, patience: Patience | None = None) -> Iterator[tuple[Transport, list[bytes]]]:
    """Give a transport to a server that gives these answers, one per connection, and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in answers:
                line, _ = listening.accept()
                with line:
                    asked.append(line.recv(65536))
                    line.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        transport = Transport(f"http://127.0.0.1:{listening.getsockname()[1]}", "token", patience=patience)
        try:
            yield transport, asked
        finally:
            transport.close()
            thread.join(10)
            assert not thread.is_alive()


def http(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_a_request_whose_answer_was_lost_is_sent_again_with_the_same_key() -> None:
    with answering(b"", http(202, b'{"id": "7"}')) as (transport, asked):
        assert transport.json("POST", "/v1/jobs", {"command": "x"}, {"Idempotency-Key": "k"}) == {"id": "7"}
    assert len(asked) == 2
    assert all(b"Idempotency-Key: k\r\n" in each for each in asked)
    assert all(b"Authorization: Bearer token\r\n" in each for each in asked)


def test_a_connection_that_is_lost_twice_is_an_error() -> None:
    with answering(b"", b"") as (transport, _), pytest.raises(ServerUnavailableError, match="serve"):
        transport.json("GET", "/v1/info")


def test_a_part_that_comes_too_slowly_is_sent_again() -> None:
    late = http(408, b'{"error": {"code": "protocol", "message": "late"}}')
    pixels = np.arange(4, dtype="uint8")
    with answering(late, late, http(204, b""), patience=Patience(10)) as (transport, asked):
        transport.upload("1", pixels, Job())
    assert len(asked) == 3
    assert len({each.partition(b"\r\n")[0] for each in asked}) == 1
    with answering(late, late) as (transport, _), pytest.raises(ServerUnavailableError, match="in time"):
        transport.upload("1", pixels, Job())


def test_an_answer_before_the_body_has_come_is_a_lost_connection() -> None:
    late = http(408, b"")  # and a close while this side still sends
    pixels = np.zeros(4 << 20, "uint8")
    with answering(late, late, patience=Patience()) as (transport, _), pytest.raises(ServerUnavailableError):
        transport.upload("1", pixels, Job())


@pytest.mark.parametrize(
    "answer",
    [
        http(200, b"<html>"),
        http(200, b"[]"),
        http(404, b"<html>not found"),
        http(500, b""),
        http(400, b'{"error": 3}'),
        http(400, b'{"error": {"code": "input", "message": "m", "fix": "", "details": 3}}'),
        http(302, b"", "Location: http://evil.example/"),
    ],
)
def test_what_is_no_model_server(answer: bytes) -> None:
    with answering(answer) as (transport, _), pytest.raises(ProtocolError, match="no model server"):
        transport.json("GET", "/v1/info")


def test_the_servers_error_is_raised_with_its_class() -> None:
    body = b'{"error": {"code": "storage", "message": "full", "fix": "Free space.", "details": {"path": "/x"}}}'
    with answering(http(507, body)) as (transport, _), pytest.raises(StorageError) as caught:
        transport.json("POST", "/v1/buffers", {})
    assert (caught.value.fix, caught.value.details) == ("Free space.", {"path": "/x"})


def test_an_error_of_a_newer_server() -> None:
    body = b'{"error": {"code": "later", "message": "new", "fix": "", "details": {}}}'
    with answering(http(400, body)) as (transport, _), pytest.raises(BioimgError, match="new"):
        transport.json("GET", "/v1/info")


@pytest.mark.parametrize(
    ("body", "crc"),
    [(b"abcd", "00000000"), (b"abcd", ""), (b"abc", "352441c2"), (b"abcde", "8587d865")],
)
def test_damaged_pixels_are_no_result(body: bytes, crc: str) -> None:
    header = {"shape": [2, 2], "dtype": "uint8"}
    with (
        answering(*[http(206, body, f"X-CRC32: {crc}")] * 4) as (transport, _),
        pytest.raises(ProtocolError, match="CRC"),
    ):
        transport.download("1", header, Job())


def test_damaged_parts_come_again() -> None:
    good, bad = (http(206, body, "X-CRC32: ed82cd11") for body in (b"abcd", b"abcx"))
    with answering(bad, bad, bad, good) as (transport, _):
        pixels = transport.download("1", {"shape": [4], "dtype": "uint8"}, Job())
    assert pixels.tobytes() == b"abcd"
    refused = http(400, b'{"error": {"code": "protocol", "message": "CRC"}}')
    with answering(refused, refused, refused, http(204, b"")) as (transport, asked):
        transport.upload("1", pixels, Job())
    assert len(asked) == 4
    with answering(*[refused] * 4) as (transport, _), pytest.raises(ProtocolError, match="CRC"):
        transport.upload("1", pixels, Job())
    other = http(409, b'{"error": {"code": "protocol", "message": "next", "details": {"received": 0}}}')
    with answering(other) as (transport, _), pytest.raises(ProtocolError, match="next"):
        transport.upload("1", pixels, Job())


def test_whole_pixels() -> None:
    with answering(http(206, b"abcd", "X-CRC32: ed82cd11")) as (transport, _):
        pixels = transport.download("1", {"shape": [2, 2], "dtype": "uint8"}, Job())
    np.testing.assert_array_equal(pixels, [[97, 98], [99, 100]])


def status(state: str, message: str = "") -> bytes:
    """Give the JSON of a job's status."""
    progress = b'{"message": "%s", "current": 0, "maximum": 0, "figures": {}}' % message.encode()
    return b'{"state": "%s", "notes": [], "error": null, "progress": %s}' % (state.encode(), progress)


def half(message: str = "") -> bytes:
    """Give a stream of events that breaks off after the first one."""
    head = b"HTTP/1.1 200 X\r\nContent-Length: 999\r\n\r\n"
    return head + b"event: state\ndata: %s\n\n: still" % status("running", message)


def test_a_stream_that_breaks_off_is_followed_by_a_question() -> None:
    with answering(half(), http(200, status("done"))) as (transport, asked):
        assert RemoteJob(transport, "1").wait()["state"] == "done"
    assert asked[0].startswith(b"GET /v1/jobs/1/events ")
    assert asked[1].startswith(b"GET /v1/jobs/1 ")


def test_each_loss_is_waited_for_from_its_own_beginning() -> None:
    def progress(report: Progress) -> None:
        if report.message == "Later":
            time.sleep(1.2)  # the second loss is longer after the first than one is waited for

    lost = (b"", b"")  # the status that is asked for, which is asked for twice
    end = http(200, b"event: state\ndata: %s\n\n" % status("done"))
    with answering(half(), *lost, half("Later"), *lost, end, patience=Patience(1)) as (transport, asked):
        assert RemoteJob(transport, "1").wait(Job(progress))["state"] == "done"
    assert [each.split()[1].endswith(b"/events") for each in asked] == [True, False, False] * 2 + [True]


def test_an_ended_server_is_waited_for_where_the_next_one_has_the_job() -> None:
    def work() -> str:
        tries.append(time.monotonic())
        if tries[-1] - tries[0] < 1:
            raise ServerUnavailableError("Refused.", refused=True)
        return "there"

    tries: list[float] = []
    assert Patience(30, refused=0.5).of(work, Job(), kept=True) == "there"
    tries.clear()
    with pytest.raises(ServerUnavailableError):
        Patience(30, refused=0.5).of(work, Job())


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Client(url="ftp://127.0.0.1", token="t"), "url"),
        (lambda: Client(url="http://", token="t"), "url"),
        (lambda: Client(token="t"), "both"),
        (lambda: Client(url="http://127.0.0.1:1", token=""), "token"),
        (lambda: Client(url="http://127.0.0.1:1", token="a b"), "token"),
    ],
)
def test_what_no_server_can_have(make: Callable[[], Client], text: str) -> None:
    with pytest.raises(ParameterError, match=text):
        make()


def test_a_server_of_another_protocol_is_refused() -> None:
    with answering(http(200, b'{"protocol": 2, "pid": 1}')) as (transport, _):
        with pytest.raises(ProtocolError, match="protocol 2") as caught:
            Client(url=transport.url, token="t")
        assert "same version" in caught.value.fix


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.3.2.1", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("https://gpu.example:8443", False),
        ("http://10.0.0.1", False),
    ],
)
def test_loopback_is_told(url: str, loopback: bool) -> None:
    transport = Transport(url, "t")
    assert transport.loopback is loopback
    transport.close()


def test_a_server_in_another_folder_finds_paths_and_those_of_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n2v.zip").touch()
    assert _complete("out", "folder") == str(tmp_path / "out")
    assert _complete("n2v.zip", "model") == str(tmp_path / "n2v.zip")
    assert _complete("n2v.zip; fox;fox@1", "models") == f"{tmp_path / 'n2v.zip'};fox;fox@1"
