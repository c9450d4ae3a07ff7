"""`bioimg-fiji dashboard` in a shell."""

from __future__ import annotations

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
