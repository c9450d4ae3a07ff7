"""The dialogs of a real ImageJ under a virtual display, with real clicks and typing."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from bioimg_fiji.package import open_package, store
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package
from support.processes import ImageJ
from support.scenes import play

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]


@pytest.fixture(autouse=True)
def _tools() -> None:
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed (Debian: apt-get install xdotool)")


@pytest.fixture
def own_server(private_places: Path) -> Any:
    """See to it that the server which a scene starts has ended before the next test."""
    connection = Path(os.environ["BIOIMG_FIJI_CONNECTION"])
    yield
    end = time.monotonic() + 60
    while connection.exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not connection.exists()


@pytest.mark.usefixtures("server")
def test_fields_are_checked_as_typed_and_explain_themselves(imagej: ImageJ) -> None:
    seen = play(imagej, "dialog_scenes", "fields")
    assert seen["toggle"] == ["Show expert settings", "Hide expert settings"]
    first, second = (f"cells.tif (ID {number})" for number in seen["ids"][::-1])
    assert seen["images"] == ["(none)", first, second]
    least = 'Patch size must be at least 16 (pixels), but it is "5".'
    number = 'Patch size must be a whole number (pixels), but it is "5x".'
    assert seen["patch"] == ["usual", ["red", least], ["red", number], ["usual", ""]]
    assert seen["help"] == (
        "Side of a training patch. Unit: pixels. Range: 16 to 1024. Default: 64. Key in macros: patch."
    )
    assert seen["refused"] == [True, "red", "Save model as is missing. Where the trained model package is written."]
    assert seen["reset"] == ["usual", "usual"]


def test_the_chooser_says_which_model_fits_and_why_not(
    imagej: ImageJ, small_model: Path, tmp_path: Path, own_server: None
) -> None:
    write_fake_package(tmp_path / "deep.zip", FakeModel(axes="czyx"))
    flat = store.add(open_package(small_model), "a-flat")
    deep = store.add(open_package(tmp_path / "deep.zip"), "b-deep")
    seen = play(imagej, "dialog_scenes", "chooser")
    title = open_package(small_model).name
    assert seen["first"] == [flat.name, f"{title}: denoising, axes cyx. It fits cells.tif.", "usual"]
    why = "It does not fit cells.tif: Fake model needs the axis 'z'; the image has y, x."
    assert seen["second"][0] == deep.name
    assert seen["second"][1].startswith(f"Fake model: axes czyx. {why}")
    assert seen["second"][2] == "red"


def test_last_values_outlive_imagej_until_they_are_reset(imagej: ImageJ, small_model: Path, own_server: None) -> None:
    assert "cells-denoised" in play(imagej, "dialog_scenes", "remember", str(small_model))["titles"]
    seen = play(imagej, "dialog_scenes", "again")
    assert seen["last"] == [str(small_model), "48", True]
    assert seen["reset"] == ["", "0"]
    assert seen["after"] == ["", "0"]


def test_while_the_server_starts_there_is_progress_and_escape_ends_it(imagej: ImageJ, tmp_path: Path) -> None:
    never = tmp_path / "python"
    never.write_text("#!/bin/sh\nexec sleep 100\n")
    never.chmod(0o700)
    imagej.environment["BIOIMG_FIJI_PYTHON"] = str(never)
    seen = play(imagej, "dialog_scenes", "starting")
    assert seen["status"] == "Starting the model server (first use), 2 s (Escape stops)"
    assert seen["end"] == "BioImg: cancelled"
    assert seen["quick"]
