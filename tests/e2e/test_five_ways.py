"""The same pixels, bit for bit, and the same metadata, whichever way an image goes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bioimg_fiji
from bioimg_fiji.image import Image
from support import zoo
from support.endpoints import EMBEDDED, ENDPOINT, in_this_process
from support.processes import ImageJ, run_cli
from support.python import printed

MAKE_IMAGE = """
newImage("cells", "16-bit composite-mode", 150, 131, 2, 3, 4);
setBatchMode(true);
for (i = 1; i <= nSlices; i++) {
    setSlice(i);
    random("seed", i);
    for (y = 0; y < 131; y++) for (x = 0; x < 150; x++) setPixel(x, y, 300 + 40 * i + 60 * random("gaussian"));
    setMetadata("Label", "plane " + i);
}
setVoxelSize(0.25, 0.5, 1.5, "microns");
Stack.setFrameInterval(2.5);
Stack.setTUnit("sec");
Stack.setChannel(1); run("Green"); setMinAndMax(150, 900);
Stack.setChannel(2); run("Magenta"); setMinAndMax(200, 1500);
setMetadata("Info", "Objective: 40x\\nStain: DAPI");
makeRectangle(10, 12, 30, 20); Overlay.addSelection("yellow");
makeOval(40, 30, 25, 25); Overlay.addSelection("red");
makePolygon(5, 5, 60, 9, 40, 70);
saveAs("Tiff", getArgument());
close();
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hyperstack with everything, written by ImageJ."""
    path = tmp_path_factory.mktemp("source") / "cells.tif"
    # NB: in a process of its own, as this one may have another ImageJ.
    printed(f"import bioimg_fiji\nbioimg_fiji.open_fiji('embedded').run_macro({MAKE_IMAGE!r}, {str(path)!r})\n", 120)
    image = bioimg_fiji.read_image(path)
    assert image.axes == "tzcyx"
    assert image.shape == (4, 3, 2, 131, 150)
    from dataclasses import replace

    calibrated = replace(image, intensity=bioimg_fiji.Intensity("straight_line", (-100.0, 0.5), "photons"))
    return bioimg_fiji.write_image(calibrated, path)


def command_line(source: Path, model: Path, target: Path) -> None:
    done = run_cli("run", model, source, target)
    assert done.returncode == 0, done.stderr


def python(source: Path, model: Path, target: Path) -> None:
    with bioimg_fiji.open_fiji("embedded") as fiji:
        result = fiji.run("BioImg Run Model...", bioimg_fiji.read_image(source), model=model)
    bioimg_fiji.write_image(result.images["output"], target)


def macro_in_python(source: Path, model: Path, target: Path) -> None:
    with bioimg_fiji.open_fiji("embedded") as fiji:
        fiji.run_macro(macro(source, model, target))


def macro(source: Path, model: Path, target: Path) -> str:
    return f'open("{source}");\nrun("BioImg Run Model...", "model=[{model}]");\nsaveAs("Tiff", "{target}");\nclose();\n'


@in_this_process
@pytest.mark.gui
@pytest.mark.timeout(600)
def test_same_pixels_and_metadata_by_all_ways(
    source: Path, small_model: Path, tmp_path: Path, imagej: ImageJ, server: subprocess.Popen[bytes]
) -> None:
    ways = {"shell": command_line, "python": python, "macro": macro_in_python}
    targets = {name: tmp_path / f"{name}.tif" for name in ways}
    for name, way in ways.items():
        way(source, small_model, targets[name])
    targets["imagej"] = tmp_path / "imagej.tif"
    done = imagej.macro(macro(source, small_model, targets["imagej"]))
    assert targets["imagej"].exists(), done.stdout + done.stderr
    assert server.poll() is None

    original = bioimg_fiji.read_image(source)
    results = {name: bioimg_fiji.read_image(path) for name, path in targets.items()}
    reference = results["shell"]
    assert reference.pixels.dtype == np.float32
    assert reference.shape == original.shape
    assert float(np.abs(reference.pixels - original.pixels).mean()) > 0.001, "the model did nothing"
    for name, result in results.items():
        np.testing.assert_array_equal(result.pixels, reference.pixels, err_msg=name, strict=True)
        assert_metadata(result, original, name)


@pytest.mark.skipif(EMBEDDED, reason="BIOIMG_FIJI_ENDPOINT names no Fiji")
@pytest.mark.timeout(600)
def test_same_pixels_and_metadata_in_a_real_imagej2(source: Path, small_model: Path, tmp_path: Path) -> None:
    """In a process of its own: this one may have opened another ImageJ. Opened by pyimagej, asked in five ways."""
    line = [sys.executable, "-m", "support.imagej2_ways", source, small_model, tmp_path]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    variables = os.environ | {"PYTHONPATH": path, "BIOIMG_FIJI_ENDPOINT": ENDPOINT}
    done = subprocess.run(line, env=variables, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    command_line(source, small_model, tmp_path / "shell.tif")

    original = bioimg_fiji.read_image(source)
    results = {path.stem: bioimg_fiji.read_image(path) for path in tmp_path.glob("*.tif")}
    assert sorted(results) == ["command", "dataset", "function", "macro", "script", "shell", "title"]
    for name, result in results.items():
        np.testing.assert_array_equal(result.pixels, results["shell"].pixels, err_msg=name, strict=True)
        assert_metadata(result, original, name)


@in_this_process
@pytest.mark.gui
@pytest.mark.timeout(300)
def test_a_second_image_by_all_ways(tmp_path: Path, imagej: ImageJ, server: subprocess.Popen[bytes]) -> None:
    model = zoo.write(zoo.Kind("two_inputs"), tmp_path / "package")
    rng = np.random.default_rng(1)
    images = [Image(rng.normal(100, 10, (40, 52)).astype(np.float32), "yx") for _ in range(2)]
    first, second = (
        bioimg_fiji.write_image(image, tmp_path / f"{name} image.tif")
        for name, image in zip(("first", "second"), images, strict=True)
    )
    targets = {name: tmp_path / f"{name}.tif" for name in ("shell", "python", "macro", "imagej")}
    done = run_cli("run", model, first, targets["shell"], "--image2", second)
    assert done.returncode == 0, done.stderr

    def macro(target: Path) -> str:
        line = f"model=[{model}] image2=[{second.name}]"
        return (
            f'open("{second}");\nopen("{first}");\nrun("BioImg Run Model...", "{line}");\nsaveAs("Tiff", "{target}");\n'
        )

    with bioimg_fiji.open_fiji("embedded") as fiji:
        found = fiji.run("BioImg Run Model...", images[0], model=model, image2=images[1])
        bioimg_fiji.write_image(found.images["output"], targets["python"])
        fiji.run_macro(macro(targets["macro"]))
    imagej.macro(macro(targets["imagej"]))
    reference = bioimg_fiji.read_image(targets["shell"]).pixels
    for name, path in targets.items():
        np.testing.assert_array_equal(bioimg_fiji.read_image(path).pixels, reference, err_msg=name, strict=True)


def assert_metadata(result: Image, original: Image, way: str) -> None:
    """Everything but the pixels is that of the input."""
    # A 32-bit image has no calibration function in ImageJ: its values are physical ones, and so are its display ranges.
    wanted_image = original.with_pixels(original.pixels.astype(np.float32)).physical()
    assert wanted_image.intensity == bioimg_fiji.Intensity("none", unit="photons")
    got, wanted = comparable(result), comparable(wanted_image)
    for field, value in wanted.items():
        assert got[field] == value, f"{way}: {field}"


def comparable(image: Image) -> dict[str, Any]:
    header = image.header()
    return {
        "axes": header["axes"],
        "shape": header["shape"],
        "labels": header["labels"],
        "mode": header["mode"],
        "intensity": header["intensity"],
        "channels": header["channels"],
        "info": header["properties"]["Info"],
        "overlay": len(header["overlay"]),
        "roi": header["roi"],
        "scales": {
            axis: (scale["unit"], round(scale["step"], 6), round(scale["origin"], 6))
            for axis, scale in header["scales"].items()
        },
    }
