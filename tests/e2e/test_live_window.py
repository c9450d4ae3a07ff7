"""The window of a training, in a real ImageJ under a virtual display: what it shows, opens, asks and leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji import files
from bioimg_fiji.image import Image
from bioimg_fiji.package import open_package
from support.processes import ImageJ

pytestmark = [pytest.mark.gui, pytest.mark.timeout(180)]


def play(scene: str, display: str, *more: str) -> dict[str, Any]:
    """Run a scene of support/live_window.py in a process of its own and give what it saw."""
    tests = Path(__file__).resolve().parents[1]
    path = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "support.live_window", scene, *more],
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
    log = "BioImg Learn in Test: The job was cancelled. A checkpoint is kept."
    assert play("cancel", display) == {"left": [], "result": False, "went_on": False, "log": log}


def test_a_folder_or_a_file_can_be_chosen(display: str, plugin_jar: Path, tmp_path: Path) -> None:
    """An OME-Zarr is a folder: ImageJ's own chooser of files only walks into it."""
    zarr, listed = tmp_path / "cells.zarr", tmp_path / "list.txt"
    (zarr / "0").mkdir(parents=True)
    listed.write_text("a.tif\n")
    assert play("choose", display, str(tmp_path)) == {
        "drops": [True, "/dropped/a b.tif"],
        "listed": str(zarr),
        "file": str(listed),
        "entered": str(zarr),
        "nothing": str(zarr),
        "next": f"{tmp_path}{os.sep}",
    }


def test_batch_mode_has_no_window(display: str, plugin_jar: Path) -> None:
    assert play("batch", display) == {"left": [], "figures": {"steps": 20, "watched": False, "finished": False}}


def test_finish_now_keeps_the_model_of_a_real_training(imagej: ImageJ, tmp_path: Path) -> None:
    """Through a server that the plugin starts; the button is pressed by the mouse."""
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed (Debian: apt-get install xdotool)")
    pixels = np.random.default_rng(1).poisson(50, (64, 64)).astype(np.uint16)
    cells = files.write_image(Image(pixels, "yx", title="cells"), tmp_path / "cells.tif")
    model, ended, seen = tmp_path / "model.zip", tmp_path / "ended", tmp_path / "seen"
    line = f"model=[{model}] steps=200000 batch_size=2 patch=32 filters=4 depth=1 early_stop=0 apply=false force=true"
    macro = imagej.folder / "macro.ijm"
    macro.write_text(
        f'open("{cells}");\nrun("BioImg Train Denoiser...", "{line}");\nFile.saveString("", "{ended}");\n'
        f'while (!File.exists("{seen}")) wait(50);\nrun("Quit");\n'
    )
    process = subprocess.Popen(imagej.command("-macro", str(macro)), env=imagej.environ(), stderr=subprocess.DEVNULL)
    try:
        _wait(lambda: _visible(imagej))
        (window,) = _visible(imagej)
        time.sleep(0.5)  # the buttons are laid out after the window is there
        height = int(
            dict(each.split("=") for each in _xdotool(imagej, "getwindowgeometry", "--shell", window))["HEIGHT"]
        )
        _xdotool(imagej, "mousemove", "--window", window, "60", str(height - 20), "click", "1")
        _wait(ended.exists)
        _wait(lambda: not _visible(imagej))
        seen.touch()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait(timeout=10)
    assert open_package(model).own["provenance"]["ended"] == "finished"


def _visible(imagej: ImageJ) -> list[str]:
    return _xdotool(imagej, "search", "--onlyvisible", "--name", "^BioImg Train Denoiser$")


def _xdotool(imagej: ImageJ, *arguments: str) -> list[str]:
    done = subprocess.run(
        ["xdotool", *arguments], env=imagej.environ(), capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.split()


def _wait(condition: Callable[[], Any], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.1)
