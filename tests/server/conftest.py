"""A server that the tests of a session share; those that end theirs start one of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bioimg_fiji.client import Client
from support.servers import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server."""
    shared = Server.start(tmp_path_factory.mktemp("server"))
    yield shared
    assert shared.process.poll() is None, "a test has ended the shared server"
    shared.stop()
    log = (shared.folder / "home" / ".bioimg-fiji" / "logs" / "server.log").read_text("utf-8")
    assert "[error]" not in log, log


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers of this test's own; all are ended cleanly after it."""
    started: list[Server] = []

    def start(*arguments: str, name: str = "own", **environment: str) -> Server:
        started.append(Server.start(tmp_path / name, *arguments, environment=environment))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of the shared server, as one on this computer: pixels go by files."""
    monkeypatch.setenv("BIOIMG_FIJI_CONNECTION", str(server.folder / "connection.json"))
    with Client() as client:
        yield client


@pytest.fixture
def far_client(server: Server) -> Iterator[Client]:
    """A client of the shared server, as one on another computer: pixels go in requests."""
    with Client(url=server.connection.url, token=server.connection.token) as client:
        yield client
