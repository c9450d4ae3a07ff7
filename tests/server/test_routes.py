"""Routes, one by one, spoken by hand: statuses, bodies, and that no request makes the server fail."""

from __future__ import annotations

import random
import socket
import stat
import sys
import zlib
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from bioimg_fiji import commands
from bioimg_fiji.errors import BioimgError
from support.servers import Server, noise, until

pytestmark = pytest.mark.timeout(60)


def error_of(answer: httpx.Response) -> BioimgError:
    """Give the error of an answer; every one has our body."""
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"code", "message", "fix", "details"}
    error = BioimgError.from_json(answer.json()["error"])
    assert error.message
    return error


def test_info(server: Server) -> None:
    info = server.http.get("/v1/info").json()
    assert info["protocol"] == 1
    assert info["pid"] == server.process.pid
    assert info["environment"] == sys.prefix
    assert set(info["jobs"]) == {"running", "queued"}


def test_commands_are_those_of_the_registry(server: Server) -> None:
    assert server.http.get("/v1/commands").json() == {"commands": commands.describe_all()}


def test_models_are_told_with_whether_they_fit(server: Server) -> None:
    assert server.http.post("/v1/models", json={}).json() == {"models": []}
    header = {"title": "a", "axes": "yx", "shape": [64, 64], "dtype": "uint8"}
    assert server.http.post("/v1/models", json={"image": header}).json() == {"models": []}
    for wrong in (3, {"axes": "yx"}, {"axes": "yx", "shape": [1, 2, 3], "dtype": "uint8"}, {"shape": "x"}):
        answer = server.http.post("/v1/models", json={"image": wrong})
        assert answer.status_code == 400
        assert error_of(answer).code in ("protocol", "axes")


def test_the_machine_is_told(server: Server) -> None:
    machine = server.http.get("/v1/machine", timeout=60).json()
    assert machine["devices"][0].startswith("cpu (")
    assert 0 < machine["memory"]["free"] <= machine["memory"]["total"]
    assert machine["python"].count(".") == 2
    assert machine == server.http.get("/v1/machine").json() | {key: machine[key] for key in ("memory", "gpus")}
    assert all(0 <= gpu["used"] <= gpu["total"] for gpu in machine["gpus"])


def test_the_connection_file_is_private(server: Server) -> None:
    path = server.folder / "connection.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server.connection.token not in (server.folder / "server.err").read_text()


@pytest.mark.parametrize("given", [None, "Bearer", "Bearer wrong", "Basic {token}", "Bearer {token}x", "{token}"])
@pytest.mark.parametrize("route", ["/v1/info", "/v1/jobs/x", "/nowhere"])
def test_without_the_token_nothing_is_told(server: Server, given: str | None, route: str) -> None:
    headers = {} if given is None else {"Authorization": given.format(token=server.connection.token)}
    answer = httpx.get(server.connection.url + route, headers=headers, trust_env=False)
    assert answer.status_code == 401
    assert error_of(answer).code == "authentication"


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example:80"}, {"Host": "127.0.0.1"}, {"Origin": "http://evil.example"}, {"Host": ""}]
)
def test_a_web_page_is_refused(server: Server, headers: dict[str, str]) -> None:
    answer = server.http.get("/v1/info", headers=headers)
    assert answer.status_code == 403
    assert error_of(answer).code == "authentication"


@pytest.mark.parametrize(
    ("method", "route", "status", "code"),
    [
        ("GET", "/index.html", 404, "protocol"),
        ("GET", "/v2/info", 404, "protocol"),
        ("PATCH", "/v1/jobs", 405, "protocol"),
        ("GET", "/v1/jobs/unknown", 404, "unknown_job"),
        ("GET", "/v1/jobs/unknown/events", 404, "unknown_job"),
        ("POST", "/v1/jobs/unknown/cancel", 404, "unknown_job"),
        ("POST", "/v1/jobs/unknown/finish", 404, "unknown_job"),
        ("GET", "/v1/jobs/unknown/live", 404, "unknown_job"),
        ("GET", "/v1/jobs/unknown/finish", 405, "protocol"),
        ("GET", "/v1/buffers/unknown", 404, "unknown_job"),
        ("GET", "/v1/buffers/..%2f..%2fetc%2fpasswd", 404, "protocol"),
        ("PUT", "/v1/buffers/unknown", 404, "unknown_job"),
    ],
)
def test_what_is_not_there(server: Server, method: str, route: str, status: int, code: str) -> None:
    answer = server.http.request(method, route)
    assert answer.status_code == status
    assert error_of(answer).code == code


@pytest.mark.parametrize("route", ["/v1/buffers/gone", "/v1/jobs/gone"])
def test_what_is_gone_may_be_deleted_again(server: Server, route: str) -> None:
    assert server.http.delete(route).status_code == 204


def test_a_buffer_by_body(server: Server) -> None:
    data = np.random.default_rng(0).bytes(3_000_001)
    id_ = server.put(np.frombuffer(data, np.uint8))
    answer = server.http.get(f"/v1/buffers/{id_}")
    assert answer.content == data
    assert answer.headers["x-crc32"] == f"{zlib.crc32(data):08x}"
    assert answer.headers["content-length"] == str(len(data))
    assert server.http.delete(f"/v1/buffers/{id_}").status_code == 204
    assert server.http.get(f"/v1/buffers/{id_}").status_code == 404


def test_a_buffer_by_file_is_private(server: Server) -> None:
    made = server.http.post("/v1/buffers", json={"size": 5, "local": True})
    assert made.status_code == 201
    path = Path(made.json()["path"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.read_bytes() == b""
    path.write_bytes(b"hello")
    answer = server.http.get(f"/v1/buffers/{made.json()['id']}")
    assert (answer.content, answer.headers["x-crc32"]) == (b"hello", f"{zlib.crc32(b'hello'):08x}")
    server.http.delete(f"/v1/buffers/{made.json()['id']}")
    assert not path.exists()


def test_a_buffer_whose_file_was_removed(server: Server) -> None:
    made = server.http.post("/v1/buffers", json={"size": 5, "local": True}).json()
    Path(made["path"]).unlink()
    answer = server.http.get(f"/v1/buffers/{made['id']}")
    assert answer.status_code == 404
    assert error_of(answer).fix
    server.http.delete(f"/v1/buffers/{made['id']}")


@pytest.mark.parametrize(
    ("data", "crc", "status"),
    [
        (b"12345678", "00000000", 400),
        (b"12345678", None, 400),
        (b"1234567", f"{zlib.crc32(b'1234567'):08x}", 400),
        (b"123456789", f"{zlib.crc32(b'123456789'):08x}", 413),
        (b"", "00000000", 400),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_damaged_pixels_are_refused_and_freed(
    server: Server, data: bytes, crc: str | None, status: int, chunked: bool
) -> None:
    id_ = server.http.post("/v1/buffers", json={"size": 8}).json()["id"]
    headers = {} if crc is None else {"X-CRC32": crc}
    answer = server.http.put(f"/v1/buffers/{id_}", content=iter([data]) if chunked else data, headers=headers)
    assert answer.status_code == status
    assert error_of(answer).code == "protocol"
    assert (server.pixels / id_).stat().st_size == 0
    request = {"command": "run_model", "images": {"image": {"header": noise(2, 2).header(), "buffer": id_}}}
    assert server.http.post("/v1/jobs", json=request).status_code == 400
    good = {"X-CRC32": f"{zlib.crc32(b'12345678'):08x}"}
    assert server.http.put(f"/v1/buffers/{id_}", content=b"12345678", headers=good).status_code == 204
    server.http.delete(f"/v1/buffers/{id_}")


def test_an_upload_that_breaks_off_leaves_an_empty_buffer(server: Server) -> None:
    id_ = server.http.post("/v1/buffers", json={"size": 20 << 20}).json()["id"]

    def broken() -> Any:
        yield bytes(18 << 20)
        raise RuntimeError("the client dies")

    headers = {"Content-Length": str(20 << 20), "X-CRC32": "00000000"}
    with pytest.raises(RuntimeError, match="the client dies"):
        server.http.put(f"/v1/buffers/{id_}", content=broken(), headers=headers)
    until(lambda: (server.pixels / id_).stat().st_size == 0)
    assert server.http.delete(f"/v1/buffers/{id_}").status_code == 204


def test_too_large(server: Server) -> None:
    answer = server.http.post("/v1/buffers", json={"size": 2**60})
    assert answer.status_code == 413
    error_of(answer)
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:{server.http.base_url.port}\r\nContent-Length: {1 << 30}\r\n"
        f"Authorization: Bearer {server.connection.token}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.http.base_url.port or 0), timeout=10) as line:
        line.sendall(head.encode())  # refused before anything of it is sent
        assert line.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_job_of_an_unknown_command_names_the_nearest(server: Server) -> None:
    answer = server.http.post("/v1/jobs", json={"command": "run_modell"})
    assert answer.status_code == 404
    error = error_of(answer)
    assert error.code == "unknown_command"
    assert "Did you mean run_model" in error.fix


def test_a_refused_job_leaves_its_buffers_to_the_client(server: Server) -> None:
    image = noise(8, 8)
    id_ = server.put(image.pixels)
    part = {"header": image.header(), "buffer": id_}
    for images in ({"image": part, "image2": part}, {"image": part | {"header": noise(8, 9).header()}}):
        answer = server.http.post("/v1/jobs", json={"command": "run_model", "images": images})
        assert answer.status_code == 400
        assert error_of(answer).code == "protocol"
    assert server.http.get(f"/v1/buffers/{id_}").content == image.pixels.tobytes()
    server.http.delete(f"/v1/buffers/{id_}")


def test_the_same_key_gives_the_same_job(server: Server, tmp_path: Path) -> None:
    request = {"command": "run_model", "parameters": {"model": str(tmp_path / "gone.zip")}}
    headers = {"Idempotency-Key": "once"}
    first, second = (server.http.post("/v1/jobs", json=request, headers=headers) for _ in range(2))
    assert first.status_code == second.status_code == 202
    assert first.json()["id"] == second.json()["id"]
    other = server.http.post("/v1/jobs", json=request | {"local": True}, headers=headers)
    assert other.status_code == 400
    assert "key" in error_of(other).message
    server.wait(first.json()["id"])
    server.http.delete(f"/v1/jobs/{first.json()['id']}")
    again = server.http.post("/v1/jobs", json=request | {"local": True}, headers=headers)
    assert again.status_code == 202
    server.http.delete(f"/v1/jobs/{again.json()['id']}")


VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 2**70, -(2**70), 1e308, "", "x", "\x00", "µ" * 300, "../../etc/passwd", [], [[]], [None],
    {}, {"": {}}, {"header": {}}, {"image": None}, {"image": {"header": {}, "buffer": 3}}, ["uint8", 3],
    {"image": {"header": {"shape": [2, 2], "dtype": []}, "buffer": "x"}},
    {"image": {"header": {"shape": [2, 2], "dtype": "uint8"}, "buffer": "x"}},
    {"image": {"header": {"shape": [-1], "dtype": "uint8"}, "buffer": "x"}},
    {"image": {"header": {"shape": [1] * 200, "dtype": "uint8"}, "buffer": "x"}},
    {"image": {"header": {"shape": [2**30] * 6, "dtype": "uint8"}, "buffer": "x"}},
]  # fmt: skip
JOB = ("command", "parameters", "images", "accept", "local", "lease", "unknown")


def test_any_values_of_the_fields_are_answered_with_our_errors(server: Server) -> None:
    rng = random.Random(7)
    for number in range(400):
        if number % 4 == 0:
            route, body = "/v1/buffers", {name: rng.choice(VALUES) for name in ("size", "local") if rng.random() < 0.9}
        else:
            route = "/v1/jobs"
            body = {name: rng.choice(VALUES) for name in JOB if rng.random() < 0.5} | {"lease": rng.choice(["x", -1])}
            if rng.random() < 0.6:
                body["command"] = "run_model"
        answer = server.http.post(route, json=body)
        if answer.status_code == 201:
            assert body["size"] == 0, body
            server.http.delete(f"/v1/buffers/{answer.json()['id']}")
            continue
        assert 400 <= answer.status_code < 500, (body, answer.text)
        error_of(answer)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"3", b'"x"', b"\xff\xfe", b'{"size": NaN}', b'{"size": 1e999}', b"[" * 100_000,
        b'{"command": "\\ud800"}', b'{"\\ud800": 1}', b'{"size": ' + b"9" * 5000 + b"}", b'{"command": "\\u0000"}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000, b'{"command": "run_model", "images": {"\\udfff": {}}}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("route", ["/v1/buffers", "/v1/jobs"])
def test_what_is_no_request(server: Server, route: str, body: bytes) -> None:
    answer = server.http.post(route, content=body)
    assert 400 <= answer.status_code < 500, answer.text
    error_of(answer)


def test_a_header_that_only_the_worker_understands_fails_the_job_and_not_the_server(
    server: Server, small_model: Path
) -> None:
    image = noise(32, 32)
    for field, value in (("axes", "qq"), ("scales", 3), ("channels", [{"lut": "!"}]), ("intensity", {}), ("labels", 1)):
        part = {"header": image.header() | {field: value}, "buffer": server.put(image.pixels)}
        request = {"command": "run_model", "parameters": {"model": str(small_model)}, "images": {"image": part}}
        status = server.wait(server.http.post("/v1/jobs", json=request).json()["id"])
        assert status["state"] == "failed"
        assert status["error"]["code"] in ("protocol", "axes", "image"), (field, status["error"])
        server.http.delete(f"/v1/jobs/{status['id']}")
