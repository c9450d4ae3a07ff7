"""Scenes with a real ImageJ: each is played by a process of its own (`real_imagej.main`), which prints what it saw."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.processes import ImageJ


def play(imagej: ImageJ, module: str, scene: str, *more: object, timeout: float = 240) -> dict[str, Any]:
    """Run a scene of support/`module`.py and give what it saw."""
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed (Debian: apt-get install xdotool)")
    tests = Path(__file__).resolve().parents[1]
    known = imagej.environ().get("PYTHONPATH", "")
    arguments = [scene, str(imagej.ij_jar), str(imagej.folder), *map(str, more)]
    done = subprocess.run(
        [sys.executable, "-m", f"support.{module}", *arguments],
        env=imagej.environ() | {"PYTHONPATH": os.pathsep.join([known, str(tests), str(tests.parent)])},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines, done.stdout + done.stderr
    assert lines[-1].startswith("{"), done.stdout + done.stderr
    seen: dict[str, Any] = json.loads(lines[-1])
    return seen
