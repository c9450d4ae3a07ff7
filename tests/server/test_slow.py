"""Connections that say little: they are closed in time, and keep nobody else waiting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from bioimg_fiji.server import punctual
from support.servers import Server

pytestmark = pytest.mark.timeout(90)
MARGIN = 10.0


@pytest.fixture
def lines(server: Server) -> Iterator[list[socket.socket]]:
    """Connections to the server, closed in the end."""
    found: list[socket.socket] = []
    yield found
    for line in found:
        line.close()


def connect(server: Server, lines: list[socket.socket], text: str = "") -> socket.socket:
    lines.append(socket.create_connection(("127.0.0.1", int(server.connection.url.rsplit(":", 1)[1]))))
    lines[-1].sendall(text.encode())
    return lines[-1]


def head(server: Server, request: str, *more: str) -> str:
    host = server.connection.url.removeprefix("http://")
    fixed = [f"{request} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {server.connection.token}"]
    return "\r\n".join([*fixed, *more, "", ""])


def trickled(line: socket.socket, seconds: float, piece: bytes = b"x") -> bytes:
    """Send a byte now and then until the server says something or ends it; give all that it says."""
    line.settimeout(0.2)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            line.sendall(piece)
            return said(line, line.recv(65536))
        except TimeoutError:
            continue
        except OSError:
            return b""
    pytest.fail("the connection was kept")


def said(line: socket.socket, start: bytes = b"") -> bytes:
    """Read on until nothing comes for a while, or no more: head and body may come one after the other."""
    line.settimeout(2)
    parts = [start]
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        while part := line.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_a_head_that_trickles_ends_the_connection(server: Server, lines: list[socket.socket]) -> None:
    silent = connect(server, lines)
    line = connect(server, lines, "GET /v1/info HTTP/1.1\r\nX: ")
    assert trickled(line, punctual.HEAD_SECONDS + MARGIN) == b""
    silent.settimeout(MARGIN)
    assert silent.recv(1) == b""


def test_the_second_head_on_a_connection_has_no_more_time(server: Server, lines: list[socket.socket]) -> None:
    line = connect(server, lines, head(server, "GET /v1/info"))
    line.settimeout(10)
    answer = b""
    while not answer.endswith(b"}"):  # head and body may come one after the other
        answer += line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")
    assert trickled(line, punctual.HEAD_SECONDS + MARGIN) == b""


def test_a_body_that_trickles_is_refused(server: Server, lines: list[socket.socket]) -> None:
    id_ = server.http.post("/v1/buffers", json={"size": 100_000}).json()["id"]
    wish = head(server, f"PUT /v1/buffers/{id_}", "Content-Length: 100000", "X-CRC32: 00000000")
    answer = trickled(connect(server, lines, wish), punctual.BODY_SECONDS + MARGIN)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"kept the server waiting" in answer
    assert server.http.delete(f"/v1/buffers/{id_}").status_code == 204


def test_many_slow_connections_keep_nobody_waiting(server: Server, lines: list[socket.socket]) -> None:
    for number in range(500):
        body = head(server, "POST /v1/jobs", "Content-Length: 1000", "Content-Type: application/json") + "{"
        connect(server, lines, body if number % 2 else "GET /v1/info HTTP/1.1\r\n")
    for _ in range(5):
        start = time.monotonic()
        assert server.http.get("/v1/info", timeout=5).status_code == 200
        assert time.monotonic() - start < 1


@pytest.mark.parametrize("known", [True, False])
def test_a_computer_that_is_gone_is_noticed(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at a connection that the server's own protocol has accepted; what a system does not know does not matter."""
    names = [name for name in punctual._OPTIONS if hasattr(socket, name)]
    assert names
    if not known:
        for name in names:
            monkeypatch.setattr(socket, name, 9999)
    seen: list[dict[str, int]] = []

    class Looking(punctual.PunctualProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override, unused-ignore]
            super().connection_made(transport)
            accepted = transport.get_extra_info("socket")
            found = {"SO_KEEPALIVE": accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)}
            if known:
                found |= {name: accepted.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names}
            seen.append(found)

    async def house(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def ask() -> bytes:
        config = uvicorn.Config(house, http=Looking, ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        listening = socket.create_server(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        server.should_exit = True
        await serving
        return answer

    assert asyncio.run(ask()).startswith(b"HTTP/1.1 204")
    assert seen[0].pop("SO_KEEPALIVE") != 0
    if known:
        assert seen == [{name: punctual._OPTIONS[name] for name in names}]
        idle = seen[0].get("TCP_KEEPIDLE", seen[0].get("TCP_KEEPALIVE", 0))
        assert idle + seen[0]["TCP_KEEPINTVL"] * seen[0]["TCP_KEEPCNT"] == punctual.GONE_SECONDS == 20
    if sys.platform == "linux" and known:
        assert seen[0]["TCP_USER_TIMEOUT"] == 20_000
