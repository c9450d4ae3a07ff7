"""What users of other plugins have suffered from, in a real ImageJ with windows: one test each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji import files
from bioimg_fiji.commands import find
from bioimg_fiji.image import Image
from bioimg_fiji.runtime.fake import write_fake_package
from support.processes import ImageJ

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]

RUN = "BioImg Run Model..."


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment of a server that the tests of this module share: each ImageJ finds it at once."""
    folder = tmp_path_factory.mktemp("server")
    environment = {
        "BIOIMG_FIJI_SETTINGS": str(folder / "settings.toml"),
        "BIOIMG_FIJI_CONNECTION": str(folder / "connection.json"),
        "BIOIMG_FIJI_MODELS": str(folder / "models"),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "bioimg_fiji", "serve"], env=os.environ | environment, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (folder / "connection.json").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    yield environment
    process.terminate()
    process.wait(timeout=20)


@pytest.fixture
def near(imagej: ImageJ, shared_server: dict[str, str]) -> ImageJ:
    """An ImageJ with a server that runs."""
    imagej.environment.update(shared_server)
    return imagej


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that runs at once."""
    path = tmp_path_factory.mktemp("model") / "model.zip"
    write_fake_package(path)
    return path


def said(near: ImageJ, macro: str) -> list[str]:
    """Run a macro whose `say(text)` writes a line, and give the lines."""
    path = near.folder / "said.txt"
    path.unlink(missing_ok=True)
    done = near.macro(f'function say(text) {{ File.append(text, "{path}"); }}\n{macro}', timeout=60)
    assert path.exists(), done.stdout + done.stderr
    return path.read_text("utf-8").splitlines()


def test_a_result_in_batch_mode_is_there_for_the_macro(near: ImageJ, model: Path, tmp_path: Path) -> None:
    """It is the active image, can be saved, and is shown when batch mode ends."""
    lines = said(
        near,
        f"""
        setBatchMode(true);
        newImage("cells.tif", "16-bit ramp", 64, 48, 1);
        run("{RUN}", "model=[{model}]");
        say(getTitle() + " " + nImages + " " + bitDepth());
        saveAs("Tiff", "{tmp_path}/result.tif");
        setBatchMode("exit and display");
        say(getTitle() + " " + nImages);
        """,
    )
    assert lines == ["cells-smooth 2 32", "result.tif 2"]
    assert files.read_image(tmp_path / "result.tif").shape == (48, 64)


def test_three_results_have_three_titles(near: ImageJ, model: Path) -> None:
    three = f'selectImage("cells.tif"); run("{RUN}", "model=[{model}]"); say(getTitle());\n' * 3
    assert said(near, f'newImage("cells.tif", "16-bit ramp", 64, 48, 1);\n{three}say(nImages);') == [
        "cells-smooth",
        "cells-smooth-1",
        "cells-smooth-2",
        "4",
    ]


@pytest.mark.parametrize("shape", [(1, 64), (48, 1), (1, 1)])
def test_images_one_pixel_wide_and_stacks_of_one_slice(
    near: ImageJ, model: Path, tmp_path: Path, shape: tuple[int, int]
) -> None:
    pixels = np.random.default_rng(0).normal(100, 5, shape).astype(np.float32)
    source = files.write_image(Image(pixels, "yx"), tmp_path / "thin.tif")
    expected = find("run_model").run({"image": files.read_image(source), "model": model}).images["output"]
    lines = said(
        near,
        f"""
        open("{source}");
        run("{RUN}", "model=[{model}]");
        say("" + getWidth() + " " + getHeight() + " " + nSlices);
        saveAs("Tiff", "{tmp_path}/result.tif");
        """,
    )
    assert lines == [f"{shape[1]} {shape[0]} 1"]
    np.testing.assert_array_equal(files.read_image(tmp_path / "result.tif").pixels, expected.pixels)


@pytest.mark.parametrize(
    "name", ["a [b] c µ.zip", "one ] bracket.zip", 'say "so".zip', "back\\slash.zip", "C:\\my data\\größe.zip"]
)
def test_any_path_in_the_options_is_found(near: ImageJ, model: Path, tmp_path: Path, name: str) -> None:
    """As the recorder writes it: in brackets where they balance, else in quotes; the language doubles backslashes."""
    from bioimg_fiji.commands.macro import format_line

    path = tmp_path / "müller's files" / name
    path.parent.mkdir()
    shutil.copy(model, path)
    options = json.dumps(format_line({"model": str(path)}), ensure_ascii=False)
    lines = said(near, f'newImage("cells.tif", "16-bit ramp", 64, 48, 1);\nrun("{RUN}", {options});\nsay(getTitle());')
    assert lines == ["cells-smooth"]


def test_notes_and_missing_objects_are_in_the_log(near: ImageJ, model: Path) -> None:
    lines = said(
        near,
        f"""
        newImage("empty.tif", "8-bit black", 64, 48, 1);
        run("{RUN}", "model=[{model}] labels=true threshold=200");
        run("BioImg Models...", "action=add source=[{model}] nickname=fox");
        say(getInfo("log"));
        """,
    )
    text = "\n".join(lines)
    assert "BioImg Run Model: No objects were found in empty.tif." in text
    assert "BioImg Models: Added. Name it model=fox" in text


def test_a_batch_with_failed_images_goes_on_and_ends_with_1(near: ImageJ, model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    files.write_image(Image(np.full((40, 40), 100, np.float32), "yx"), tmp_path / "in" / "good.tif")
    (tmp_path / "in" / "bad.tif").write_bytes(b"no image")
    line = f"folder=[{tmp_path}/in] model=[{model}] output=[{tmp_path}/out]"
    done = near.macro(f'run("BioImg Batch...", "{line}"); print("went" + " on");', batch=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "went on" in done.stdout
    assert "BioImg Batch: 1 of 2 images failed, the first (bad.tif):" in done.stderr
    assert (tmp_path / "out" / "good.tif").exists()
    (tmp_path / "in" / "bad.tif").unlink()
    assert near.macro(f'run("BioImg Batch...", "{line}");', batch=True).returncode == 0


def play(scene: str, display: str) -> dict[str, Any]:
    """Run a scene of support/gui_scenes.py in a process of its own and give what it saw."""
    tests = Path(__file__).resolve().parents[1]
    path = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "support.gui_scenes", scene],
        env=os.environ | {"DISPLAY": display, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def test_the_recorder_writes_every_key_in_each_of_its_languages(display: str, plugin_jar: Path) -> None:
    seen = play("recorder", display)
    with_image = '"BioImg Tint in Test...", "strength=0.5 name=[] fast=false server=local ");'
    without = '"BioImg Tell in Test...", "text=[a [b] c] number=[] server=local ");'
    assert seen.pop("modes") == list(seen) == ["Macro", "JavaScript", "BeanShell", "Python", "Java"]
    assert seen.pop("Macro") == [f"run({with_image}", f"run({without}"]
    for lines in seen.values():
        assert lines == [f"IJ.run(imp, {with_image}", f"IJ.run({without}"]


def test_a_failure_stops_a_macro_on_any_thread(display: str, plugin_jar: Path) -> None:
    seen = play("threads", display)
    message = "strength must be below 1, but it is '1'."
    for thread in ("worker-7", "My_Macro$", "python-thread"):
        assert seen[f"{thread}_told"].startswith(f"BioImg Tint in Test: {message} in line 1")
    assert seen["run_macro"] == f"The macro failed in line 1: {message}"
    assert seen["run"] == message
    assert seen["went_on"] == seen["windows"] == []
    assert not seen["locked"]
