"""Confidence in ImageJ: a macro calibrates a model, runs it with bounds, and finds its figures and images.

The macros of docs/trust-confidence.md and docs/trust.md are run as they stand; only /data is another folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji import files
from bioimg_fiji.errors import BioimgError
from bioimg_fiji.fiji import Fiji
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.runtime.fake import write_random_unet
from bioimg_fiji.trust.attach import with_attachments
from bioimg_fiji.trust.conformal import Sample, calibration_of, dumps
from support.documents import blocks
from support.processes import run_cli


def test_a_macro_calibrates_and_gets_bounds(fiji: Fiji, tmp_path: Path) -> None:
    write_random_unet(tmp_path / "plain.zip")
    rng = np.random.default_rng(5)
    scales = {axis: Scale(0.5, "micron") for axis in "yx"}
    raw = Image(rng.normal(100, 10, (40, 48)).astype(np.float32), "yx", title="raw.tif", scales=scales)
    result = fiji.run("BioImg Run Model...", raw, model=tmp_path / "plain.zip").images["output"]
    true = result.with_pixels(result.pixels + rng.normal(0, 3, result.shape).astype(np.float32))
    with pytest.raises(BioimgError, match="no calibrated confidence"):
        fiji.run("BioImg Run Model...", raw, model=tmp_path / "plain.zip", confidence=90)
    fiji.show(Image(true.pixels, "yx", title="true.tif"))
    fiji.show(raw)
    models = f"model=[{tmp_path / 'plain.zip'}] output=[{tmp_path / 'c.zip'}]"
    told = fiji.run_macro(
        f"""
        selectImage("raw.tif");
        run("BioImg Calibrate Confidence...", "target=true.tif {models}");
        label = call("io.github.bioimgfiji.BioImg.figures");
        selectImage("raw.tif");
        run("BioImg Run Model...", "model=[{tmp_path / "c.zip"}] confidence=90");
        selectImage("raw-confidence");
        getPixelSize(unit, width, height);
        return label + ";" + unit + ";" + width + ";" + getMetadata("Info");
        """
    )
    assert told is not None
    figures, unit, width, info = told.split(";")[0], *told.split(";")[1:3], told.split(";", 3)[3]
    assert "confidence_label=empirical (1 image)" in figures
    assert (unit, float(width)) == ("µm", 0.5)
    assert "Bounds of 90 % confidence, empirical (1 image)" in info
    assert {"raw-lower", "raw-upper", "raw-confidence"} <= set(fiji.images())


def test_around_a_selection_nothing_is_known_and_nothing_is_measured(fiji: Fiji, tmp_path: Path) -> None:
    package = write_random_unet(tmp_path / "plain.zip")
    samples = [Sample(str(n), "", np.ones(500), np.ones(500), 500) for n in range(3)]
    content = dumps(calibration_of("augmentation", samples))
    with_attachments(package, {"confidence.json": content}, {}, tmp_path / "m.zip")
    pixels = np.random.default_rng(5).normal(100, 10, (40, 48)).astype(np.float32)
    fiji.show(Image(pixels, "yx", title="cells.tif"))
    told = fiji.run_macro(
        f"""
        selectImage("cells.tif");
        makeRectangle(8, 8, 20, 16);
        run("BioImg Run Model...", "model=[{tmp_path / "m.zip"}] confidence=90");
        width = call("io.github.bioimgfiji.BioImg.figure", "interval_width");
        selectImage("cells-confidence");
        outside = getPixel(2, 2);
        run("Select None");
        getStatistics(area, mean, least, most);
        getMinAndMax(black, white);
        return width + ";" + outside + ";" + mean + ";" + least + ";" + most + ";" + black + ";" + white;
        """
    )
    assert told is not None
    width, outside, mean, least, most, black, white = (float(each) for each in told.split(";"))
    assert np.isnan(outside)
    assert mean == pytest.approx(width, rel=1e-3)
    assert 0 < least < mean < most
    assert least - 1e-3 <= black < white <= most + 1e-3


def macro_in(folder: Path, text: str) -> str:
    """Run a macro on an image of a folder, in a process there; give what it printed last."""
    (folder / "example.ijm").write_text(f'open("cells.tif");\n{text}')
    done = run_cli("macro", folder / "example.ijm", timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.timeout(300)
def test_the_macros_of_the_documentation(small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(small_model, "m.zip")
    rng = np.random.default_rng(3)
    for name in ("raw", "true"):
        (tmp_path / name).mkdir()
    for number in range(3):
        noisy = Image(rng.poisson(60, (96, 96)).astype(np.uint16), "yx")
        files.write_image(noisy, tmp_path / "raw" / f"{number}.tif")
        files.write_image(Image(np.full((96, 96), 60, np.float32), "yx"), tmp_path / "true" / f"{number}.tif")
    files.write_image(noisy, tmp_path / "cells.tif")
    images = """
    for (i = 1; i <= nImages; i++) { selectImage(i); titles = titles + getTitle() + " "; }
    print(titles + call("io.github.bioimgfiji.BioImg.figure", "LABEL"));
    """
    (calibrated,) = blocks("docs/trust-confidence.md", "ijm")
    text = 'titles = "";' + calibrated.replace("/data", str(tmp_path)) + images.replace("LABEL", "confidence_label")
    told = macro_in(tmp_path, text)
    assert told == "cells.tif cells-lower cells-upper cells-confidence cells-denoised empirical (3 images)"
    shutil.copy("m-calibrated.zip", "nuclei-care.zip")
    (strict,) = blocks("docs/trust.md", "ijm")
    told = macro_in(tmp_path, 'titles = "";' + strict + images.replace("LABEL", "fit"))
    assert "cells-confidence" in told
    assert told.endswith(" green")
