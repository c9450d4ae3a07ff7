"""What a shell is told of the server that runs: by `bioimg-fiji dashboard` and by `doctor`."""

from __future__ import annotations

import json
import sys

import psutil
import pytest

from support.processes import run_cli
from support.servers import Server


@pytest.mark.timeout(60)
def test_the_address_of_the_server_that_runs(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOIMG_FIJI_CONNECTION", str(server.folder / "connection.json"))
    done = run_cli("dashboard")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(server.connection.url + "/#code=")
    assert done.stdout.count("\n") == 1
    assert "120 seconds" in done.stderr


@pytest.mark.timeout(60)
def test_without_a_server_it_is_told() -> None:
    done = run_cli("dashboard")
    assert done.returncode == 1
    assert "connection file" in done.stderr
    assert done.stdout == ""


@pytest.mark.timeout(120)
@pytest.mark.skipif(sys.platform == "win32", reason="the line is for another system's shell")
def test_how_to_end_a_server_that_does_not_fit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOIMG_FIJI_CONNECTION", str(server.folder / "connection.json"))
    done = run_cli("doctor", "--json", "--plugin", "0.99.0")
    found = next(each for each in json.loads(done.stdout)["findings"] if each["name"] == "server")
    pid = server.connection.pid
    assert psutil.pid_exists(pid)
    assert not found["ok"]
    assert "BioImg Server > Stop" in found["fix"]
    assert f"`kill {pid}`" in found["fix"]
