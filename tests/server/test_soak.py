"""The short form of the long test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_kills_of_servers_workers_and_clients(contract: Path, small_model: Path) -> None:
    program = contract.parents[1] / "scripts" / "soaks" / "run.py"
    line = [sys.executable, str(program), "server-kills", "--short", "--model", str(small_model)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["wrong"] == []
    assert sum(figures["kills"].values()) >= 3
    assert figures["calls"]["right"] >= 1


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_mutated_packages(contract: Path) -> None:
    program = contract.parents[1] / "scripts" / "soaks" / "run.py"
    line = [sys.executable, str(program), "hostile-packages", "--short"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["packages"] >= 20
    assert figures["outcomes"]["package"] >= 1


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_many_clients_and_slow_connections(contract: Path) -> None:
    program = contract.parents[1] / "scripts" / "soaks" / "run.py"
    line = [sys.executable, str(program), "server-load", "--short"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=140, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["calls"]["right"] == figures["runs"]
    assert figures["calls"]["flood_refused"] > 0
    assert figures["slow_connections_opened"] >= figures["slow"]
