"""The short forms of the long tests in ImageJ: Escape at random moments, one run after the other, and in Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.mark.gui
@pytest.mark.parametrize("name", ["imagej-cancels", "imagej-runs"])
def test_short_soak_with_windows(name: str, display: str, plugin_jar: Path) -> None:
    soak(name, DISPLAY=display)


def test_short_soak_without_a_display(plugin_jar: Path) -> None:
    soak("fiji-cycles")


def soak(name: str, **environment: str) -> None:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "soaks" / "run.py"), name, "--short"],
        env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        timeout=390,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["wrong"] == []
