"""The short form of the long tests."""

from __future__ import annotations

import json
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
@pytest.mark.timeout(120)
def test_kills_of_servers_workers_and_clients(small_model: Path) -> None:
    figures = short("server-kills", "--model", str(small_model))
    assert figures["wrong"] == []
    assert sum(figures["kills"].values()) >= 3
    assert figures["calls"]["right"] >= 1


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
def test_mutated_packages() -> None:
    figures = short("hostile-packages")
    assert figures["packages"] >= 20
    assert figures["outcomes"]["package"] >= 1
