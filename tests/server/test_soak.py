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
@pytest.mark.timeout(200)
def test_faults_in_writing(contract: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (Debian: apt-get install strace)")
    program = contract.parents[1] / "scripts" / "soaks" / "run.py"
    line = [sys.executable, str(program), "disk-faults", "--short"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=190, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["calls of checkpoint"] >= 4
    assert figures.get("told storage", 0) + figures.get("killed", 0) >= 4


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_hostile_paths_and_swapped_files(contract: Path) -> None:
    program = contract.parents[1] / "scripts" / "soaks" / "run.py"
    line = [sys.executable, str(program), "hostile-paths", "--short"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    cases = json.loads(done.stdout)["cases"]
    assert sum(cases[kind] for kind in ("path", "id", "model", "swap")) == 300
    assert min(cases.values()) >= 20


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
@pytest.mark.timeout(120)
def test_requests_made_from_the_openapi_document(contract: Path) -> None:
    program = contract.parents[1] / "scripts" / "soaks" / "run.py"
    line = [sys.executable, str(program), "api", "--short"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout.replace("\\n", "\n") + done.stderr
    figures = json.loads(done.stdout)
    assert figures["operations"] >= 24
    assert figures["cases"] >= 400


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
