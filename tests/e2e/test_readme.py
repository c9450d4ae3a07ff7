"""The README's examples are run as they stand; only the training is made short."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bioimg_fiji import files
from bioimg_fiji.image import Image, Scale
from support.documents import ROOT, blocks
from support.endpoints import EMBEDDED, ENDPOINT

README = ROOT / "README.md"
SHORT = [("quality=quick", "steps=4"), ('quality="quick"', "steps=4"), ("--quality quick", "--steps 4")]


def examples(language: str, page: str = README.name) -> list[str]:
    found = blocks(page, language)
    for long, short in SHORT:
        found = [block.replace(long, short) for block in found]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with cells.tif and a Fiji to install the plugin into."""
    pixels = np.random.default_rng(1).poisson(50, (96, 110)).astype(np.uint16)
    files.write_image(Image(pixels, "yx", scales={"x": Scale(0.25, "µm")}), tmp_path / "cells.tif")
    truth = gaussian_filter(np.random.default_rng(2).random((96, 110)), 4) * 400
    noisy = np.random.default_rng(3).poisson(truth).astype(np.uint16)
    for name, each in (("raw", noisy), ("clean", truth.astype(np.float32))):
        (tmp_path / name).mkdir()
        files.write_image(Image(each, "yx"), tmp_path / name / "1.tif")
    (tmp_path / "Fiji.app" / "plugins").mkdir(parents=True)
    return tmp_path


def run(folder: Path, arguments: list[str]) -> str:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        # The caches of ImageJ and its jars stay those of this machine.
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        "JGO_CACHE_DIR": str(Path.home() / ".jgo"),
        "M2_REPO": str(Path.home() / ".m2" / "repository"),
    }
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_macro_example(folder: Path) -> None:
    macro, _ = examples("ijm")
    (folder / "denoise.ijm").write_text(macro)
    run(folder, [sys.executable, "-m", "bioimg_fiji", "macro", "denoise.ijm"])
    assert files.read_image(folder / "cells-denoised.tif").scale("x") == Scale(0.25, "µm")


def test_the_macro_example_of_trust(folder: Path) -> None:
    (folder / "trust.ijm").write_text("".join(examples("ijm")))
    run(folder, [sys.executable, "-m", "bioimg_fiji", "macro", "trust.ijm"])
    width = files.read_image(folder / "cells-confidence.tif")
    assert width.scale("x") == Scale(0.25, "µm")
    assert width.pixels.shape == (96, 110)
    assert width.pixels.min() > 0


def test_the_python_example(folder: Path) -> None:
    (text,) = examples("python")
    said = run(folder, [sys.executable, "-c", text])
    assert "Scale(step=0.25, unit='µm'" in said
    assert (folder / "cells-n2v.zip").is_file()


def test_the_page_on_python(folder: Path) -> None:
    dataset, rois = examples("python", "docs/python.md")
    pixels = np.full((120, 130), 200, np.uint8)
    pixels[20:50, 30:60] = pixels[70:110, 20:90] = 0
    files.write_image(Image(pixels, "yx"), folder / "blobs.tif")
    said = run(folder, [sys.executable, "-c", f"{rois}print(len(rois), len(frame))\n"])
    assert said.endswith("2 2\n")
    assert (folder / "blobs.zip").is_file()
    if not EMBEDDED:
        run(folder, [sys.executable, "-c", dataset.replace("/path/to/Fiji.app", ENDPOINT)])


def test_the_shell_examples(folder: Path) -> None:
    (folder / "denoise.ijm").write_text('print("a macro");\n')
    for block in examples("sh"):
        run(folder, ["bash", "-ec", block.replace("/path/to/", "")])
    assert list((folder / "Fiji.app" / "plugins").glob("bioimg_fiji-*.jar"))
    assert files.read_image(folder / "cells-denoised.tif").dtype == np.float32


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README.read_text("utf-8"))
    assert len(links) > 4
    assert [link for link in links if not (README.parent / link).exists()] == []
