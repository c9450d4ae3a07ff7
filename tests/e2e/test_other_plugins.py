"""Our lines of docs/from-other-plugins.md are run as they stand in a real ImageJ; only trainings are made short."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji import files
from bioimg_fiji.commands import find
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package
from support.documents import blocks
from support.processes import ImageJ

DISCS = ((20, 20, 9), (20, 60, 8), (60, 30, 10), (60, 95, 12))
"""Middle (y, x) and radius of the nuclei; the last one is cut by the border."""

pytestmark = [pytest.mark.timeout(300), pytest.mark.gui]


def examples() -> list[str]:
    return [block.replace("quality=quick", "steps=4") for block in blocks("docs/from-other-plugins.md", "ijm")]


@pytest.fixture
def folder(tmp_path: Path, private_places: Path, server: subprocess.Popen[bytes]) -> Path:
    """A folder with the images of the examples, a store with their models, and a server that runs."""
    y, x = np.mgrid[:80, :100]
    inside = np.any([(y - b) ** 2 + (x - a) ** 2 < r**2 for b, a, r in DISCS], axis=0)
    micrometre = {"y": Scale(0.5, "µm"), "x": Scale(0.5, "µm")}
    nuclei = Image((inside * 255).astype(np.uint8), "yx", scales=micrometre)
    files.write_image(nuclei, tmp_path / "nuclei.tif")
    noisy = np.random.default_rng(1).poisson(50, (96, 110)).astype(np.uint16)
    files.write_image(Image(noisy, "yx"), tmp_path / "cells.tif")
    for name in ("in", "raw", "clean"):
        (tmp_path / name).mkdir()
        files.write_image(Image(noisy, "yx"), tmp_path / name / "1.tif")
    write_fake_package(tmp_path / "smooth.zip")
    unit = {"id": "scale_linear", "kwargs": {"gain": 1 / 255, "offset": 0.0}}
    model = FakeModel(channels=("foreground",), pre=(unit,), output="probability", config={})
    write_fake_package(tmp_path / "nuclei.zip", model)
    for name in ("smooth", "nuclei"):
        find("models").run({"action": "add", "source": str(tmp_path / f"{name}.zip"), "nickname": name})
    return tmp_path


def run(imagej: ImageJ, folder: Path, parts: list[str]) -> list[str]:
    """Run parts of a macro one after the other in one ImageJ, and give what they printed."""
    clean = '\nclose("*"); roiManager("reset"); run("Clear Results");\n'
    return imagej.run_in(folder, clean.join(parts)).splitlines()


def test_segmentation_gives_what_the_others_give(imagej: ImageJ, folder: Path) -> None:
    save = 'print(getTitle()); saveAs("Tiff", "{}.tif");'
    parts = [each for each in examples() if "model=nuclei" in each]
    star, inside, probability, counted, _results, _measured, cellpose, scaled = parts
    parts = [star, inside, probability, counted, cellpose + save.format("cellpose"), scaled]
    said = run(imagej, folder, [*parts[:-1], scaled + save.format("scaled")])
    told = [line for line in said if "\t" not in line]  # but rows of tables
    assert told == [
        "4 in the ROI Manager",
        "3 inside",
        "4 objects",
        "nuclei-cellpose",
        "nuclei-labels",
    ]
    labels = files.read_image(folder / "nuclei-labels.tif")
    assert np.unique(labels.pixels).tolist() == [0, 1, 2, 3, 4]
    assert labels.scale("x") == Scale(0.5, "µm")
    np.testing.assert_array_equal(files.read_image(folder / "cellpose.tif").pixels, labels.pixels)
    again = files.read_image(folder / "scaled.tif").pixels
    assert np.unique(again).tolist() == [0, 1, 2, 3, 4]
    assert ((again > 0) == (labels.pixels > 0)).mean() > 0.97
    chances = files.read_image(folder / "nuclei-probability.tif").pixels
    assert chances.dtype == np.float32
    assert (float(chances.min()), float(chances.max())) == (0.0, pytest.approx(1.0))
    lines = (folder / "nuclei.csv").read_text("utf-8").splitlines()
    assert len(lines) == 5
    assert "area" in lines[0].lower()


@pytest.mark.parametrize("part", ["Table.rename", 'run("Measure")'])
def test_the_results_are_filled_where_imagej_has_its_window(imagej: ImageJ, folder: Path, part: str) -> None:
    (example,) = (each for each in examples() if part in each)
    example = example.replace("nuclei.tif", f"{folder}/nuclei.tif")
    done = imagej.macro(f'{example}File.saveString(nResults + "", "{folder}/count.txt");')
    assert (folder / "count.txt").read_text().strip() == "4", done.stdout + done.stderr


def test_restoration_gives_what_the_others_give(imagej: ImageJ, folder: Path) -> None:
    run_model, n2v, care = (each for each in examples() if "model=nuclei" not in each)
    mean = 'print(bitDepth() + " bit, mean " + round(getValue("Mean")));'
    told = run(imagej, folder, [run_model + "print(getTitle());", n2v + mean, care])
    assert (folder / "out" / "1.tif").is_file()
    assert "cells-smooth" in told
    assert [each for each in told if re.fullmatch("16 bit, mean (4[5-9]|5[0-5])", each)], told
    for name in ("cells-n2v.zip", "care.zip"):
        assert (folder / name).is_file()


def test_no_example_is_left_out() -> None:
    assert len(examples()) == 11
    assert all("BioImg" in block for block in examples())
