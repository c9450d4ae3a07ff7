"""Our commands in the windows of a real ImageJ2: its search bar, its recorder, and both kinds of image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bioimg_fiji import commands
from bioimg_fiji.runtime.fake import write_fake_package
from support.endpoints import EMBEDDED, ENDPOINT


@pytest.mark.skipif(EMBEDDED, reason="BIOIMG_FIJI_ENDPOINT names no ImageJ2: embedded ImageJ has no SciJava")
@pytest.mark.gui
@pytest.mark.timeout(240)
def test_the_search_bar_runs_a_pinned_model_and_the_recorder_writes_it(display: str, tmp_path: Path) -> None:
    """In a process of its own: this one has opened an ImageJ without windows, or will."""
    write_fake_package(tmp_path / "fake.zip")
    titles = [each["title"] for each in commands.describe_all()]
    tests = Path(__file__).resolve().parents[1]
    variables = {
        "DISPLAY": display,
        "BIOIMG_FIJI_ENDPOINT": ENDPOINT,
        "BIOIMG_FIJI_HOME": str(tmp_path / "home"),
        "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, "-m", "support.imagej2_windows", str(tmp_path / "fake.zip")],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["counts"] == dict.fromkeys(titles, 1)
    assert seen["changed"]
    assert seen["same"] == dict.fromkeys(("ImagePlus", "Dataset", "pinned", "recorded"), True)
    line, *others = seen["lines"]
    assert all(each.startswith("selectImage(") for each in others), "ImageJ notes which window is in front"
    assert line.startswith(f'run("{seen["title"]}", "'), line
