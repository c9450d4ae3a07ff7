"""A real ImageJ2 started by its own main class, as pipelines do: `net.imagej.Main --headless --run SCRIPT`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from bioimg_fiji import files
from bioimg_fiji.commands import find
from bioimg_fiji.fiji import find_java
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.runtime.fake import write_fake_package
from support.endpoints import FOLDER, needs_folder

pytestmark = [pytest.mark.timeout(240), needs_folder]

PARAMETERS = "#@ String image\n#@ String model\n#@ String output\n"
SCRIPTS = {
    "run.py": "from ij import IJ\nfrom io.github.bioimgfiji import BioImg\n"
    "result = BioImg.run(IJ.openImage(image), 'BioImg Run Model...', {'model': model})\n"
    "IJ.saveAs(result.image, 'Tiff', output)\nprint('ended on ' + result.figures['device'])\n",
    "run.ijm": 'open(image);\nrun("BioImg Run Model...", "model=[" + model + "]");\nsaveAs("Tiff", output);\n'
    'print("ended");\n',
}


@pytest.fixture
def app(tmp_path: Path, plugin_jar: Path) -> Path:
    """A copy of the ImageJ2 with our plugin in it."""
    assert FOLDER is not None
    folder = tmp_path / "app"
    try:
        shutil.copytree(FOLDER, folder, copy_function=os.link)
    except OSError:  # another disk
        shutil.rmtree(folder)
        shutil.copytree(FOLDER, folder)
    for old in folder.glob("plugins/bioimg_fiji*.jar"):
        old.unlink()
    shutil.copy(plugin_jar, folder / "plugins")
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "with a blank"
    folder.mkdir()
    pixels = np.random.default_rng(1).normal(100, 5, (48, 64)).astype(np.float32)
    files.write_image(Image(pixels, "yx", scales={"x": Scale(0.25, "µm")}), folder / "a.tif")
    write_fake_package(folder / "m.zip")
    return folder


def start(app: Path, work: Path, script: str, text: str) -> subprocess.CompletedProcess[str]:
    (work / script).write_text(PARAMETERS + text, encoding="utf-8")
    given = {"image": work / "a.tif", "model": work / "m.zip", "output": work / "out.tif"}
    home = work.parent / "home"
    home.mkdir(exist_ok=True)
    class_path = os.pathsep.join(str(app / part / "*") for part in ("jars", "plugins"))
    options = [f"-Dimagej.dir={app}", f"-Dplugins.dir={app}", f"-Duser.home={home}", "-Djava.awt.headless=true"]
    line = [
        str(find_java(app).home / "bin" / "java"),
        "--add-opens=java.base/java.lang=ALL-UNNAMED",
        *options,
        "-cp",
        class_path,
        "net.imagej.Main",
    ]
    line += ["--headless", "--run", str(work / script), ",".join(f'{name}="{value}"' for name, value in given.items())]
    environment = os.environ | {"BIOIMG_FIJI_PYTHON": sys.executable}
    environment |= {"JAVA_TOOL_OPTIONS": f"-Djava.util.prefs.userRoot={home}"}
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=200, check=False)


def servers() -> list[int]:
    """Numbers of the model servers that use this test's connection file."""
    found = []
    for process in psutil.process_iter():
        try:
            line, variables = process.cmdline(), process.environ()
        except psutil.Error:
            continue
        if "serve" in line and variables.get("BIOIMG_FIJI_CONNECTION") == os.environ["BIOIMG_FIJI_CONNECTION"]:
            found.append(process.pid)
    return found


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_a_command_and_leaves_no_process(app: Path, work: Path, script: str) -> None:
    done = start(app, work, script, SCRIPTS[script])
    assert done.returncode == 0, done.stderr
    assert "ended" in done.stdout, done.stdout + done.stderr
    image = files.read_image(work / "a.tif")
    wanted = find("run_model").run({"image": image, "model": work / "m.zip"}).images["output"]
    result = files.read_image(work / "out.tif")
    np.testing.assert_array_equal(result.pixels, wanted.pixels)
    assert result.scale("x") == Scale(0.25, "µm")
    deadline = time.monotonic() + 15
    while servers() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert servers() == []


def test_a_server_that_runs_is_used_and_stays(app: Path, work: Path, server: subprocess.Popen[bytes]) -> None:
    connection = json.loads(Path(os.environ["BIOIMG_FIJI_CONNECTION"]).read_text("utf-8"))
    done = start(app, work, "run.py", SCRIPTS["run.py"])
    assert "ended" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
    assert servers() == [server.pid] == [connection["pid"]]


@pytest.mark.parametrize(
    ("script", "text", "said"),
    [
        (
            "bad.py",
            SCRIPTS["run.py"].replace("{'model': model}", "{'model': 'nowhere'}") + "print('went on')\n",
            "There is no model 'nowhere'",
        ),
        ("bad.ijm", 'run("BioImg Run Model...", "modle=x");\nprint("went on");\n', 'has no key "modle"'),
    ],
)
def test_a_failure_is_told_and_the_process_ends(app: Path, work: Path, script: str, text: str, said: str) -> None:
    """ImageJ2's own exit status is 0 nevertheless, which is why there is `bioimg-fiji macro`."""
    done = start(app, work, script, text)
    assert done.returncode == 0
    assert said in done.stdout + done.stderr
    assert "went on" not in done.stdout
    assert not (work / "out.tif").exists()
