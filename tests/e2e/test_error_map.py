"""The examples of docs/trust-error-map.md as they stand, in a real ImageJ and in a shell; the table in its window."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bioimg_fiji import files
from bioimg_fiji.image import Image, Scale
from support.processes import ImageJ

DOCS = Path(__file__).resolve().parents[2] / "docs" / "trust-error-map.md"

pytestmark = pytest.mark.timeout(240)


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the images of the examples: one spot is invented."""
    rng = np.random.default_rng(0)
    truth = gaussian_filter(rng.random((96, 96)), 3) * 400 + 50
    scales = {axis: Scale(0.25, "µm") for axis in "yx"}
    raw = Image((rng.poisson(truth) * 1.0).astype(np.float32), "yx", scales=scales)
    truth[40:48, 60:68] += 60
    files.write_image(raw, tmp_path / "raw.tif")
    files.write_image(Image(truth.astype(np.float32), "yx", scales=scales), tmp_path / "denoised.tif")
    return tmp_path


@pytest.mark.gui
@pytest.mark.usefixtures("server")
def test_the_macro_tells_how_many_places(imagej: ImageJ, folder: Path) -> None:
    more = """
    table = "BioImg Error Map - places";
    print(Table.size(table) + " " + Table.getString("Kind", 0, table) + " " + getTitle() + " " + Overlay.size);
    """
    said = imagej.run_in(folder, block("ijm") + more)
    places, told = said.splitlines()[-2:]
    assert float(places) == 1
    assert told == "1 added denoised-error 1"


def test_the_line_of_the_shell(folder: Path) -> None:
    program, *arguments = shlex.split(block("sh"))
    assert program == "bioimg-fiji"
    (folder / "out").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "bioimg_fiji", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "places 1" in re.sub(" +", " ", done.stdout), done.stdout
    assert "the result has more light there" in re.sub(r"\s+", " ", done.stdout + done.stderr)
    (written,) = (folder / "out").glob("*.tif")
    image = files.read_image(written)
    assert written.name == "denoised-error.tif"
    assert image.scale("x").step == pytest.approx(0.25)
    assert image.pixels[44, 64] > 8
    assert len(image.overlay) == 1
