"""The examples of docs/metrics.md as they stand: in a real ImageJ and in a shell; and regions of the ROI Manager."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bioimg_fiji import files, metrics
from bioimg_fiji.image import Image, Scale
from support.processes import ImageJ

DOCS = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"

pytestmark = pytest.mark.timeout(240)


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the images of the examples."""
    rng = np.random.default_rng(0)
    truth = (gaussian_filter(rng.normal(size=(96, 96)), 4) * 400 + 200).astype(np.float32)
    noisy = (truth + rng.normal(0, 10, truth.shape)).astype(np.float32)
    tracks = np.zeros((3, 40, 40), np.uint16)
    tracks[:2, 5:15, 5:15] = 1
    tracks[2, 5:15, 2:8], tracks[2, 5:15, 12:18] = 2, 3
    images = {
        "truth": Image(truth, "yx"),
        "noisy": Image(noisy, "yx"),
        "denoised": Image(gaussian_filter(noisy, 1.0), "yx", scales={a: Scale(0.25, "micron") for a in "yx"}),
        "labels": Image(tracks, "tyx"),
        "found": Image(tracks, "tyx"),
        "man_track": Image(tracks, "tyx"),
    }
    for name, image in images.items():
        files.write_image(image, tmp_path / f"{name}.tif")
    for place, name in (("results", "denoised"), ("truths", "truth")):
        (tmp_path / place).mkdir()
        for number in (1, 2):
            files.write_image(images[name], tmp_path / place / f"a{number}.tif")
    for name in ("man_track", "res_track"):
        (tmp_path / f"{name}.txt").write_text("1 0 1 0\n2 2 2 1\n3 2 2 1\n")
    return tmp_path


def psnr(folder: Path) -> float:
    truth, image = (files.read_image(folder / f"{name}.tif").pixels for name in ("truth", "denoised"))
    return metrics.psnr(truth, image)


@pytest.mark.gui
@pytest.mark.usefixtures("server")
def test_the_macro_prints_the_figure(imagej: ImageJ, folder: Path) -> None:
    said = imagej.run_in(folder, block("ijm"))
    assert float(said.split()[-1]) == pytest.approx(psnr(folder))


@pytest.mark.gui
@pytest.mark.usefixtures("server")
def test_regions_of_the_roi_manager_become_rows_of_a_table(imagej: ImageJ, folder: Path) -> None:
    said = imagej.run_in(
        folder,
        """
        open("truth.tif");
        open("denoised.tif");
        makeRectangle(10, 20, 30, 25);
        roiManager("add");
        makeOval(50, 50, 20, 20);
        roiManager("add");
        run("Select None");
        run("BioImg Evaluate...", "truth=truth.tif roi=regions");
        table = "BioImg Evaluate - results";
        print(Table.headings(table));
        for (i = 0; i < Table.size(table); i++)
          print(Table.get("Region", i, table) + " " + Table.get("mean", i, table));
        print(Table.getString("metric", 0, "BioImg Evaluate - summary"));
        print(call("io.github.bioimgfiji.BioImg.figure", "roi_slope"));
        """,
    )
    headings, first, second, summary, slope = said.splitlines()
    assert {"Region", "psnr (dB)", "ssim"} <= set(headings.split("\t"))
    assert re.search(r"\tfrc \(.*m\)", headings), headings  # ImageJ writes micron with the Greek letter
    image = files.read_image(folder / "denoised.tif").pixels
    assert first.split()[0] == "1"
    assert float(first.split()[1]) == pytest.approx(image[20:45, 10:40].mean(), abs=1e-3)
    assert second.split()[0] == "2"
    assert summary == "psnr"
    assert float(slope) == pytest.approx(1, abs=0.1)


def test_the_lines_of_the_shell(folder: Path) -> None:
    wanted = (f"psnr {psnr(folder):.4g}", "residual_autocorrelation", "ap90 1 ", "tra 1 ", "a2.tif ", "a1.tif ")
    lines = [line.partition("#")[0] for line in block("sh").splitlines()]
    assert len(lines) == len(wanted)
    for line, text in zip(lines, wanted, strict=True):
        program, *arguments = shlex.split(line)
        assert program == "bioimg-fiji"
        done = subprocess.run(
            [sys.executable, "-m", "bioimg_fiji", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert text in re.sub(" +", " ", done.stdout), done.stdout
