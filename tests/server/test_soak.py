"""The short form of the long test."""

from __future__ import annotations

import json
import os
import shutil
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
@pytest.mark.timeout(240)
def test_cuts_of_the_network(contract: Path) -> None:
    if os.name != "posix" or os.geteuid() != 0 or not _has_namespaces():
        pytest.skip("network namespaces need root, Linux and iproute2; test_parts cuts connections without them")
    program = contract.parents[1] / "scripts" / "soaks" / "run.py"
    line = [sys.executable, str(program), "server-cut", "--short"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=230, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert [each["wrong"] for each in figures["calls"]] == ["", "", ""]
    assert all(each["took"] > each["cut"] for each in figures["calls"])


def _has_namespaces() -> bool:
    if shutil.which("ip") is None:
        return False
    name = f"bfprobe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return made
