"""The window of a training, in a real ImageJ under a virtual display: what it shows, opens, asks and leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.gui, pytest.mark.timeout(180)]


def play(scene: str, display: str) -> dict[str, Any]:
    """Run a scene of support/live_window.py in a process of its own and give what it saw."""
    tests = Path(__file__).resolve().parents[1]
    path = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "support.live_window", scene],
        env=os.environ | {"DISPLAY": display, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def test_the_window_shows_asks_and_finishes(display: str, plugin_jar: Path) -> None:
    seen = play("finish", display)
    assert seen["title"] == "BioImg Learn in Test"
    assert seen["status"].startswith("Learning ")
    assert "/100000, loss " in seen["status"]
    assert ", validation " in seen["status"]
    assert seen["status"].endswith(", 1 min 15 s left")
    buttons = seen["buttons"]
    assert [each["text"] for each in buttons] == ["Finish now", "Cancel", "Open curves", "Open preview"]
    assert [each["name"] for each in buttons] == [each["text"] for each in buttons]
    assert [each["mnemonic"] for each in buttons] == ["F", "C", "U", "P"]
    assert all(len(each["help"]) > 20 and each["fits"] and each["enabled"] for each in buttons)
    assert seen["opened"] == ["BioImg Learn in Test - curves", "BioImg Learn in Test - preview", "cells.tif"]
    assert seen["preview"] == [2, 32, 10, 150]
    assert seen["labels"] == ["before", "after"]
    assert seen["plot"] == "loss"
    assert seen["closing"] == ["Finish now", "Cancel training", "Keep training without window"]
    assert seen["escape"] == ["Finish now", "Cancel training", "Keep training"]
    assert seen["goes_on"]
    assert seen["after"][0] == ["Finishing...", False, True]
    assert seen["after"][1] == ["Cancel", True, True]
    assert seen["figures"]["finished"]
    assert seen["figures"]["watched"]
    assert seen["left"] == []


def test_closed_from_a_macro_the_training_goes_on(display: str, plugin_jar: Path) -> None:
    seen = play("hide", display)
    assert seen["left"] == []
    assert seen["running"]
    assert not seen["figures"]["finished"]


def test_cancel_stops_the_macro(display: str, plugin_jar: Path) -> None:
    assert play("cancel", display) == {"left": [], "result": False, "went_on": False}


def test_batch_mode_has_no_window(display: str, plugin_jar: Path) -> None:
    assert play("batch", display) == {"left": [], "figures": {"steps": 20, "watched": False, "finished": False}}
