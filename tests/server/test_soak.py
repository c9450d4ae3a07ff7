"""The short form of the long tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "scripts" / "soaks" / "run.py"


def short(name: str, *more: str, timeout: float = 110) -> Any:
    """Run the short form of a long test, in which nothing may go wrong, and give its figures."""
    line = [sys.executable, str(PROGRAM), name, "--short", *more]
    done = subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_kills_of_servers_workers_and_clients(small_model: Path) -> None:
    figures = short("server-kills", "--model", str(small_model), timeout=270)
    assert figures["wrong"] == []
    assert sum(figures["kills"].values()) >= 3
    assert figures["calls"]["right"] >= 1


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_kept_jobs_outlive_their_servers() -> None:
    figures = short("kept-jobs", timeout=230)
    assert sum(figures["ends"].values()) == 4
    assert sorted(figures["jobs"]) == ["left alone, run", "left alone, trained", "waited for, trained"]


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_faults_in_writing() -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (Debian: apt-get install strace)")
    figures = short("disk-faults", timeout=190)
    assert figures["calls of checkpoint"] >= 4
    assert figures.get("told storage", 0) + figures.get("killed", 0) >= 4


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_hostile_paths_and_swapped_files() -> None:
    cases = short("hostile-paths")["cases"]
    assert sum(cases[kind] for kind in ("path", "id", "model", "swap")) == 300
    assert min(cases.values()) >= 20


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_mutated_packages() -> None:
    figures = short("hostile-packages")
    assert figures["packages"] >= 20
    assert figures["outcomes"]["package"] >= 1


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_requests_made_from_the_openapi_document() -> None:
    figures = short("api")
    assert figures["operations"] >= 24
    assert figures["cases"] >= 400


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_many_clients_and_slow_connections() -> None:
    figures = short("server-load", timeout=140)
    assert figures["calls"]["right"] == figures["runs"]
    assert figures["calls"]["flood_refused"] > 0
    assert figures["slow_connections_opened"] >= figures["slow"]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_cuts_of_the_network() -> None:
    if os.name != "posix" or os.geteuid() != 0 or not _has_namespaces():
        pytest.skip("network namespaces need root, Linux and iproute2; test_parts cuts connections without them")
    figures = short("server-cut", timeout=230)
    assert [each["wrong"] for each in figures["calls"]] == ["", "", ""]
    assert all(each["took"] > each["cut"] for each in figures["calls"])


def _has_namespaces() -> bool:
    if shutil.which("ip") is None:
        return False
    name = f"bfprobe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return made
