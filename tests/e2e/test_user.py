"""What a user does in a real ImageJ 1.54p, by mouse and keyboard: from Plugins > BioImg to the result."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji import files
from bioimg_fiji.commands import find
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.package import open_package
from support.processes import ImageJ
from support.scenes import play

pytestmark = [pytest.mark.gui, pytest.mark.timeout(480)]


@pytest.fixture(autouse=True)
def own_server(private_places: Path) -> Iterator[None]:
    """See to it that the server which a scene starts has ended before the next test."""
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed (Debian: apt-get install xdotool)")
    connection = Path(os.environ["BIOIMG_FIJI_CONNECTION"])
    yield
    end = time.monotonic() + 60
    while connection.exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not connection.exists()


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """A noisy image of blobs, with a calibration."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:192, :192]
    clean = np.full((192, 192), 20.0)
    for cy, cx, radius in zip(rng.uniform(0, 192, 25), rng.uniform(0, 192, 25), rng.uniform(4, 12, 25), strict=True):
        clean += 60 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * radius**2))
    scales = {"x": Scale(0.2, "µm"), "y": Scale(0.2, "µm")}
    image = Image(rng.poisson(clean).astype(np.uint16), "yx", scales=scales)
    return files.write_image(image, tmp_path / "cells.tif")


SUITE = """
title = "Cells"
task = "denoising"
modality = "synthetic"
source = "This test"
licence = "CC0"
metric = "psnr"
[data]
images = "cells.tif"
noise = { photons = 5 }
"""


def test_a_user_runs_a_model_from_the_menu(imagej: ImageJ, cells: Path, small_model: Path) -> None:
    seen = play(imagej, "user_scenes", "run", cells, small_model)
    assert seen["title"] == "cells-denoised"
    told = [text for text in seen["status"] if text.endswith("(Escape stops)")]
    assert len(told) > 1, seen["status"]
    result = files.read_image(Path(seen["saved"]))
    assert result.scale("x") == Scale(0.2, "µm")
    image = files.read_image(cells)
    by_python = find("run_model").run({"image": image, "model": small_model, "tile": 64}).images["output"]
    assert np.array_equal(result.pixels, by_python.pixels)


def test_a_user_trains_from_the_menu_and_presses_finish(imagej: ImageJ, cells: Path, tmp_path: Path) -> None:
    model = tmp_path / "own.zip"
    seen = play(imagej, "user_scenes", "train", cells, model, timeout=450)
    assert seen["moves"]
    assert seen["first"] != seen["later"]
    assert all("loss" in seen[when] and "validation" in seen[when] for when in ("first", "later"))
    assert seen["title"] == "cells-denoised"
    assert seen["model"]
    own = open_package(model).own["provenance"]
    assert own["ended"] == "finished"
    assert own["parameters"]["steps"] == 30000


def test_a_user_compares_two_images_from_the_menu(imagej: ImageJ, cells: Path, tmp_path: Path) -> None:
    truth = files.write_image(files.read_image(cells), tmp_path / "truth.tif")
    seen = play(imagej, "user_scenes", "evaluate", cells, truth)
    assert "psnr (dB)" in seen["table"][0]
    assert "Infinity" in seen["table"][1]
    assert seen["inside"], "the dialog is larger than the screen"


def test_a_user_ranks_a_model_from_the_menu(imagej: ImageJ, cells: Path, tmp_path: Path, small_model: Path) -> None:
    suite = tmp_path / "cells-suite"
    suite.mkdir()
    (suite / "suite.toml").write_text(SUITE)
    files.write_image(files.read_image(cells), suite / "cells.tif")
    seen = play(imagej, "user_scenes", "benchmark", suite, small_model)
    assert seen["table"][0].split()[:2] == ["model", "psnr"]
    assert "gaussian-oracle" in seen["table"][1]
    assert seen["inside"], "the dialog is larger than the screen"
