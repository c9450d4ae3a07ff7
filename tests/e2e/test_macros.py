"""The examples of docs/macros.md are run as they stand: macros in a real ImageJ, scripts in a real Java."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji import files
from bioimg_fiji.commands import find
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.runtime.fake import write_fake_package, write_random_unet
from bioimg_fiji.trust.attach import with_attachments
from bioimg_fiji.trust.conformal import Sample, calibration_of, dumps
from support.documents import blocks
from support.processes import ImageJ

DOCS = "docs/macros.md"
JYTHON = "org.python:jython-slim:2.7.4"
GROOVY = "org.apache.groovy:groovy:4.0.24"
RHINO = "org.mozilla:rhino:1.7.15"
NASHORN = "org.openjdk.nashorn:nashorn-core:15.4"

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def folder(tmp_path: Path, private_places: Path, server: subprocess.Popen[bytes]) -> Path:
    """A folder with the images of the examples, a store with their model, and a server that runs."""
    rng = np.random.default_rng(1)
    cells = Image(rng.normal(100, 5, (48, 64)).astype(np.float32), "yx", scales={"x": Scale(0.25, "µm")})
    files.write_image(cells, tmp_path / "cells.tif")
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    for name in ("a.tif", "b.tif"):
        files.write_image(cells, tmp_path / "in" / name)
    movie = Image(rng.normal(100, 5, (2, 3, 32, 40)).astype(np.float32), "tzyx")
    files.write_image(movie, tmp_path / "movie.tif")
    write_fake_package(tmp_path / "model.zip")
    find("models").run({"action": "add", "source": str(tmp_path / "model.zip"), "nickname": "fox"})
    return tmp_path


def expected(folder: Path) -> np.ndarray:
    image = files.read_image(folder / "cells.tif")
    return find("run_model").run({"image": image, "model": folder / "model.zip"}).images["output"].pixels


@pytest.mark.gui
def test_one_image_a_folder_and_a_loop(imagej: ImageJ, folder: Path) -> None:
    one, batch, loop, planes, *_ = blocks(DOCS, "ijm")
    imagej.run_in(folder, one)
    result = files.read_image(folder / "cells-result.tif")
    np.testing.assert_array_equal(result.pixels, expected(folder))
    assert result.scale("x") == Scale(0.25, "µm")
    imagej.run_in(folder, batch + 'close("*");\n' + loop.replace('"out/"', '"out/by-loop-"') + planes)
    made = sorted(path.name for path in (folder / "out").glob("*.tif"))
    looped = [f"plane-t{t}-z{z}.tif" for t in (1, 2) for z in (1, 2, 3)]
    assert made == sorted(["a.tif", "b.tif", "by-loop-a.tif", "by-loop-b.tif", *looped])
    np.testing.assert_array_equal(
        files.read_image(folder / "out" / "by-loop-a.tif").pixels, files.read_image(folder / "out" / "a.tif").pixels
    )
    assert (folder / "out" / "bioimg-report.csv").is_file()
    assert files.read_image(folder / "out" / "plane-t2-z3.tif").shape == (32, 40)


@pytest.mark.gui
def test_bounds_and_fit(imagej: ImageJ, folder: Path) -> None:
    *_, bounds, _, _ = blocks(DOCS, "ijm")
    package = write_random_unet(folder / "plain.zip")
    samples = [Sample(str(n), "", np.ones(100), np.ones(100), 100) for n in range(3)]
    content = dumps(calibration_of("augmentation", samples))
    with_attachments(package, {"confidence.json": content}, {}, folder / "denoiser-calibrated.zip")
    said = imagej.run_in(folder, bounds).splitlines()
    assert said == ["empirical (3 images), fit green"]
    image = files.read_image(folder / "cells.tif")
    keys = {"model": folder / "denoiser-calibrated.zip", "confidence": 90}
    wanted = find("run_model").run({"image": image, **keys}).images["confidence"]
    np.testing.assert_array_equal(files.read_image(folder / "cells-confidence.tif").pixels, wanted.pixels)
    files.write_image(image.with_pixels(np.full(image.shape, 7, np.float32)), folder / "cells.tif")
    (folder / "cells-confidence.tif").unlink()
    with pytest.raises(AssertionError, match="fit=strict"):  # it ends with exit code 1
        imagej.run_in(folder, bounds)
    assert not (folder / "cells-confidence.tif").exists()


@pytest.mark.gui
def test_extensions_and_calls(imagej: ImageJ, folder: Path) -> None:
    *_, extensions, calls = blocks(DOCS, "ijm")
    said = imagej.run_in(folder, extensions)
    names, weights, server, *progress, last = said.splitlines()
    assert (names[:4], weights) == ("fox@", "onnx")
    assert server.startswith("running at http://127.0.0.1:")
    told = [line.rpartition(" ") for line in progress]
    wrong = [each for each in told if not each[0] or not (each[2] == "NaN" or 0 <= float(each[2]) <= 1)]
    assert wrong == []
    assert last == "cells-smooth by cpu"
    assert imagej.run_in(folder, f"{calls}print(getTitle());").splitlines() == [names, "cells-smooth"]
    wrong = 'run("BioImg Macro Extensions"); Ext.BioImg_wait("7"); print("went" + " on");'
    done = imagej.macro(wrong, batch=True)
    assert done.returncode == 1
    assert 'it is "7"' in done.stderr
    assert "went on" not in done.stdout


@pytest.mark.gui
def test_a_job_is_cancelled_while_the_macro_goes_on(imagej: ImageJ, folder: Path) -> None:
    macro = f"""
    run("BioImg Macro Extensions");
    open("cells.tif");
    line = "model=[{folder}/m.zip] steps=1000000 patch=32 batch_size=2 filters=2 depth=1 apply=false force=true";
    job = Ext.BioImg_start("BioImg Train Denoiser...", line);
    while (!File.exists("{folder}/m.checkpoint")) wait(20);
    before = Ext.BioImg_state(job);
    Ext.BioImg_cancel(job);
    start = getTime();
    while (Ext.BioImg_state(job) == "running") wait(10);
    print(before + " " + Ext.BioImg_state(job) + " " + ((getTime() - start) < 1000));
    """
    assert imagej.run_in(folder, macro).splitlines() == ["running cancelled 1"]


def maven(*coordinates: str) -> list[str]:
    """Give the jars of Maven coordinates, with what they need."""
    code = f"import jgo\nfor each in {coordinates!r}: print(jgo.build(each).path)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False)
    if done.returncode:
        pytest.skip(f"{', '.join(coordinates)} cannot be had here: {done.stderr[-300:]}")
    folders = done.stdout.splitlines()[-len(coordinates) :]
    return sorted(str(jar) for each in folders for jar in Path(each).rglob("*.jar"))


@pytest.fixture(scope="session")
def run_script(ij_jar: Path, plugin_jar: Path) -> Callable[..., str]:
    """Run a script in a folder by a main class of an interpreter, with ImageJ and the plugin; give what it printed."""

    def run(jars: list[str], main: list[str], script: Path, options: list[str], display: str = "") -> str:
        place = os.pathsep.join([str(ij_jar), str(plugin_jar), *jars])
        done = subprocess.run(
            ["java", f"-Djava.awt.headless={str(not display).lower()}", *options, "-cp", place, *main, script.name],
            cwd=script.parent,
            env=os.environ | {"BIOIMG_FIJI_PYTHON": sys.executable, "DISPLAY": display},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_jython_example(run_script: Callable[..., str], folder: Path) -> None:
    (script,) = blocks(DOCS, "jython")
    path = folder / "example.py"
    path.write_text(script)
    options = ["-Dpython.console.encoding=UTF-8", f"-Dpython.cachedir={folder / 'cache'}"]
    said = run_script(maven(JYTHON), ["org.python.util.jython"], path, options)
    assert said.splitlines()[-1] == "cpu"
    np.testing.assert_array_equal(files.read_image(folder / "cells-result.tif").pixels, expected(folder))


@pytest.mark.gui
def test_the_groovy_example(run_script: Callable[..., str], folder: Path, display: str) -> None:
    (script,) = blocks(DOCS, "groovy")
    path = folder / "example.groovy"
    ending = "println(ij.WindowManager.imageTitles.toList())\nIJ.saveAs(result.image, 'Tiff', 'shown.tif')\n"
    path.write_text(f"{script}{ending}System.exit(0)\n")
    said = run_script(maven(GROOVY), ["groovy.ui.GroovyMain"], path, [], display)
    assert said.splitlines()[-1] == "[cells-labels]"
    labels = find("run_model").run(
        {"image": files.read_image(folder / "cells.tif"), "model": folder / "model.zip", "labels": True}
    )
    np.testing.assert_array_equal(files.read_image(folder / "shown.tif").pixels, labels.images["output"].pixels)


@pytest.mark.gui
@pytest.mark.parametrize("engine", ["rhino", "nashorn", "imagej"])
def test_the_javascript_example(run_script: Callable[..., str], folder: Path, display: str, engine: str) -> None:
    """By Rhino, by Nashorn as Fiji starts it (with Rhino's words), and by ImageJ's own way to run a .js file."""
    (script,) = blocks(DOCS, "javascript")
    path = folder / "example.js"
    ending = "IJ.saveAs(result.getImage(), 'Tiff', 'shown.tif');\njava.lang.System.exit(0);\n"
    words = 'load("nashorn:mozilla_compat.js");\n' if engine == "nashorn" else ""
    path.write_text(f"{words}{script}{ending}")
    main = {
        "rhino": ["org.mozilla.javascript.tools.shell.Main"],
        "nashorn": ["org.openjdk.nashorn.tools.Shell", "-scripting"],
        "imagej": ["ij.ImageJ", "-port0", "-macro"],
    }[engine]
    jars = maven(RHINO if engine == "rhino" else NASHORN)
    run_script(jars, main, path, [f"-Duser.home={folder}"], display)
    np.testing.assert_array_equal(files.read_image(folder / "shown.tif").pixels, expected(folder))


def test_the_java_example(ij_jar: Path, plugin_jar: Path, folder: Path) -> None:
    (source,) = blocks(DOCS, "java")
    path = folder / "Denoise.java"
    path.write_text(source)
    done = subprocess.run(
        ["java", "-Djava.awt.headless=true", "-cp", os.pathsep.join(map(str, [ij_jar, plugin_jar])), str(path)],
        cwd=folder,
        env=os.environ | {"BIOIMG_FIJI_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    np.testing.assert_array_equal(files.read_image(folder / "cells-result.tif").pixels, expected(folder))
