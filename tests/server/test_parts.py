"""Images that come and go in parts: in order, once, checked, compressed, and on from where a connection was cut."""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioimg_fiji.client import Client
from bioimg_fiji.client.parts import Ways, cut
from bioimg_fiji.client.patience import Patience
from bioimg_fiji.client.transport import Transport
from bioimg_fiji.commands import find
from bioimg_fiji.errors import JobCancelledError, ProtocolError, ServerUnavailableError
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.runtime.fake import write_fake_package
from bioimg_fiji.server.coding import Coding
from support.cutter import Cutter
from support.servers import Server, noise, until

pytestmark = pytest.mark.timeout(120)
DATA = bytes(range(256)) * 40


def send(server: Server, id_: str, start: int, end: int, **headers: str) -> httpx.Response:
    data = DATA[start:end]
    given = {
        "Content-Range": f"bytes {start}-{end - 1}/{len(DATA)}",
        "X-CRC32": f"{zlib.crc32(data):08x}",
        "X-CRC32-Whole": f"{zlib.crc32(DATA[:end]):08x}",
    }
    return server.http.put(f"/v1/buffers/{id_}", content=data, headers=given | headers)


@pytest.fixture
def buffer(server: Server) -> Iterator[str]:
    id_ = server.http.post("/v1/buffers", json={"size": len(DATA)}).json()["id"]
    yield id_
    server.http.delete(f"/v1/buffers/{id_}")


def state(server: Server, id_: str) -> dict[str, Any]:
    return server.http.get(f"/v1/buffers/{id_}/state").json()  # type: ignore[no-any-return]


def test_parts_follow_each_other_and_may_come_again(server: Server, buffer: str) -> None:
    assert state(server, buffer) == {"size": len(DATA), "received": 0, "crc32": "00000000"}
    assert send(server, buffer, 0, 4000).status_code == 204
    assert send(server, buffer, 0, 4000).status_code == 204  # its answer was lost
    assert state(server, buffer) == {"size": len(DATA), "received": 4000, "crc32": f"{zlib.crc32(DATA[:4000]):08x}"}
    early = send(server, buffer, 5000, 6000)
    assert early.status_code == 409
    assert early.json()["error"]["details"]["received"] == 4000
    assert send(server, buffer, 3000, 5000).status_code == 409
    assert send(server, buffer, 4000, len(DATA)).status_code == 204
    assert server.http.get(f"/v1/buffers/{buffer}").content == DATA


def test_wrong_parts_change_nothing(server: Server, buffer: str) -> None:
    assert send(server, buffer, 0, 100).status_code == 204
    before = state(server, buffer)
    wrong = {
        "part": send(server, buffer, 100, 200, **{"X-CRC32": "00000000"}),
        "whole": send(server, buffer, 100, 200, **{"X-CRC32-Whole": "00000000"}),
        "other": server.http.put(
            f"/v1/buffers/{buffer}",
            content=b"x" * 100,
            headers={"Content-Range": f"bytes 0-99/{len(DATA)}", "X-CRC32": f"{zlib.crc32(b'x' * 100):08x}"},
        ),
        "short": send(server, buffer, 100, 200, **{"Content-Range": f"bytes 100-299/{len(DATA)}"}),
        "size": send(server, buffer, 100, 200, **{"Content-Range": "bytes 100-199/200"}),
        "form": send(server, buffer, 100, 200, **{"Content-Range": "bytes=100-199"}),
        "coding": send(server, buffer, 100, 200, **{"X-Encoding": "brotli"}),
        "damaged": send(server, buffer, 100, 200, **{"X-Encoding": "zstd"}),
    }
    status = {name: answer.status_code for name, answer in wrong.items()}
    assert status == dict.fromkeys(status, 400) | {"other": 409}
    assert all(answer.json()["error"]["message"] for answer in wrong.values())
    assert state(server, buffer) == before
    large = server.http.post("/v1/buffers", json={"size": 1 << 30}).json()["id"]
    headers = {"Content-Range": f"bytes 0-{(1 << 25) - 1}/{1 << 30}", "X-CRC32": "0" * 8}
    assert server.http.put(f"/v1/buffers/{large}", content=b"", headers=headers).status_code == 413
    server.http.delete(f"/v1/buffers/{large}")


def test_a_job_takes_no_half_image(server: Server, small_model: Any) -> None:
    image = noise(32, 32)
    id_ = server.http.post("/v1/buffers", json={"size": image.pixels.nbytes}).json()["id"]
    data = image.pixels.tobytes()[:1000]
    crc = f"{zlib.crc32(data):08x}"
    headers = {"Content-Range": f"bytes 0-999/{image.pixels.nbytes}", "X-CRC32": crc, "X-CRC32-Whole": crc}
    assert server.http.put(f"/v1/buffers/{id_}", content=data, headers=headers).status_code == 204
    images = {"image": {"header": image.header(), "buffer": id_}}
    wish = {"command": "run_model", "parameters": {"model": str(small_model)}, "images": images}
    assert server.http.post("/v1/jobs", json=wish).status_code == 400
    server.http.delete(f"/v1/buffers/{id_}")


@pytest.mark.parametrize("coding", ["zstd", "zstd; shuffle=2", "deflate; shuffle=4", "deflate"])
def test_ranges_come_encoded(server: Server, buffer: str, coding: str) -> None:
    send(server, buffer, 0, len(DATA))
    answer = server.http.get(f"/v1/buffers/{buffer}", headers={"Range": "bytes=1000-8999", "X-Accept-Encoding": coding})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes 1000-8999/{len(DATA)}"
    assert answer.headers["x-encoding"] == coding
    assert len(answer.content) < 8000
    known = Coding.parse(coding)
    assert known is not None
    assert known.decode(answer.content, 8000) == DATA[1000:9000]
    assert answer.headers["x-crc32"] == f"{zlib.crc32(DATA[1000:9000]):08x}"
    for wrong, status in (("0-", 400), ("0-1,4-5", 400), (f"0-{len(DATA)}", 416), ("9-3", 416)):
        answer = server.http.get(f"/v1/buffers/{buffer}", headers={"Range": f"bytes={wrong}"})
        assert answer.status_code == status, wrong


@settings(max_examples=100, deadline=None)
@given(
    data=st.binary(max_size=4000), method=st.sampled_from(["zstd", "deflate"]), shuffle=st.sampled_from([1, 2, 4, 8])
)
def test_every_encoding_is_lossless(data: bytes, method: str, shuffle: int) -> None:
    coding = Coding(method, shuffle)
    assert Coding.parse(str(coding)) == coding
    assert coding.decode(coding.encode(data), len(data)) == data
    if len(data) > 1:  # no part has no bytes
        with pytest.raises(ProtocolError):
            coding.decode(coding.encode(data), len(data) - 1)


def test_a_small_body_that_grows_is_refused() -> None:
    for method in ("zstd", "deflate"):
        bomb = Coding(method).encode(bytes(1 << 26))
        with pytest.raises(ProtocolError):
            Coding(method).decode(bomb, 1 << 20)


def test_parts_are_large_however_the_pixels_lie() -> None:
    pixels = np.arange(7 * 5 * 64, dtype="uint16").reshape(64, 5, 7)
    for each in (pixels, pixels.T, pixels[::2], pixels.astype(">u2")):
        parts = [bytes(part) for part in cut(each, 300)]
        assert b"".join(parts) == each.astype("<u2").tobytes()
        assert {len(part) for part in parts[:-1]} == {300}


def test_the_faster_way_is_taken() -> None:
    ways, taken = Ways(), []
    for _ in range(40):
        coding = ways.choose(2)
        taken.append(coding is not None)
        ways.took(coding, 1 << 22, 0.1 if coding is not None else 0.5)
    assert taken[:2] == [False, True]
    assert sum(taken) >= 36
    assert not all(taken[2:])  # the other one is tried now and then
    assert ways.choose(3) is None or str(ways.choose(3)) == "zstd"


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cutter, str, str]]:
    """A connection that can be cut, the address at its end, and the token of the server behind it."""
    with Cutter() as cutter:
        server = Server.start(tmp_path_factory.mktemp("far"), "--allowed-host", cutter.host)
        yield cutter, cutter.lead_to(server.connection.url), server.connection.token
        server.stop()


@pytest.fixture(scope="module")
def quick_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose network takes no time."""
    path = tmp_path_factory.mktemp("model") / "mean.zip"
    write_fake_package(path)
    return path


@pytest.mark.parametrize("way", ["reset", "silence"])
@pytest.mark.parametrize("when", ["Sending", "Tiles", "Receiving"])
def test_a_cut_costs_time_and_nothing_else(
    far: tuple[Cutter, str, str], quick_model: Path, way: str, when: str
) -> None:
    cutter, url, token = far
    image = noise(3, 1500, 1500, axes="tyx")  # several parts each way
    keys = {"model": quick_model, "tile": 256}
    cut: list[str] = []
    told: list[str] = []

    def progress(report: Progress) -> None:
        told.append(report.message)
        if not cut and report.message.startswith(when) and 0 < report.current < report.maximum:
            cut.append(report.message)
            cutter.cut(way)
            threading.Timer(3, cutter.mend).start()

    with Client(url=url, token=token, patience=60) as client:
        result = client.run("run_model", image, job=Job(progress), **keys)
    assert cut, told
    assert way == "silence" or any("waited for" in each for each in told)
    expected = find("run_model").run({"image": image, **keys}).images["output"]
    np.testing.assert_array_equal(result.images["output"].pixels, expected.pixels)


def test_who_waits_may_cancel_and_who_does_not_want_to_wait_is_told(far: tuple[Cutter, str, str]) -> None:
    cutter, url, token = far
    transport = Transport(url, token, patience=Patience(0.5))
    cutter.cut("reset")
    began = time.monotonic()
    with pytest.raises(ServerUnavailableError):
        transport.patience.of(lambda: transport.json("GET", "/v1/info"), Job())
    assert 0.5 <= time.monotonic() - began < 10
    job = Job()
    job.cancel()
    with pytest.raises(JobCancelledError):
        transport.patience.of(lambda: transport.json("GET", "/v1/info"), job)
    transport.close()
    cutter.mend()


def test_only_a_server_that_keeps_a_job_may_take_long_to_take_it(
    far_client: Client, quick_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float | None] = []
    json = far_client._transport.json

    def noted(method: str, path: str, *more: Any, seconds: float | None = None) -> dict[str, Any]:
        if (method, path) == ("POST", "/v1/jobs"):
            waits.append(seconds)
        return json(method, path, *more, seconds=seconds)

    monkeypatch.setattr(far_client._transport, "json", noted)
    far_client.run("run_model", noise(32, 32), model=quick_model)
    job = far_client.submit("run_model", noise(32, 32), model=quick_model)
    job.wait()
    job.forget()
    assert waits == [None, 120]


def test_a_hanging_part_does_not_stand_in_the_way(server: Server, buffer: str) -> None:
    host, port = server.connection.url.removeprefix("http://").split(":")
    head = (
        f"PUT /v1/buffers/{buffer} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 4000\r\n"
        f"Authorization: Bearer {server.connection.token}\r\nX-CRC32: {zlib.crc32(DATA[:4000]):08x}\r\n"
        f"X-CRC32-Whole: {zlib.crc32(DATA[:4000]):08x}\r\nContent-Range: bytes 0-3999/{len(DATA)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as old:
        old.sendall(head.encode() + DATA[:1000])
        assert send(server, buffer, 0, 4000).status_code == 204
        assert send(server, buffer, 4000, 8000).status_code == 204
        old.sendall(DATA[1000:4000])  # the network gives back what it kept
        assert b"204" in old.recv(1000)
    assert until(lambda: state(server, buffer)["received"]) == 8000
