"""The short forms of the long tests in ImageJ: Escape at random moments, and one run after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.mark.parametrize("name", ["fiji-cycles", "imagej-cancels", "imagej-runs"])
def test_short_soak(name: str, display: str, plugin_jar: Path) -> None:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "soaks" / "run.py"), name, "--short"],
        env=os.environ | {"DISPLAY": display, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=390,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["wrong"] == []
