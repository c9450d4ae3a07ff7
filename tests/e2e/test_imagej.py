"""A real ImageJ with our jar in plugins/, under a virtual display: menu, dialog, its own server, macros at night."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from bioimg_fiji import files
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.package import open_package
from support import zoo
from support.processes import ImageJ

SMALL = 'makeRectangle(0, 0, 9, 9);\nrun("Crop");\n'

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """A small noisy image with a calibration."""
    pixels = np.random.default_rng(1).poisson(50, (96, 110)).astype(np.uint16)
    scales = {"x": Scale(0.2, "µm"), "y": Scale(0.2, "µm")}
    return files.write_image(Image(pixels, "yx", scales=scales), tmp_path / "cells.tif")


@pytest.fixture
def own_server(private_places: Path) -> Iterator[Path]:
    """Place of the connection file of a server that the plugin starts; none is left running."""
    connection = Path(os.environ["BIOIMG_FIJI_CONNECTION"])
    yield connection
    wait_for(lambda: not connection.exists(), "the server that the plugin has started goes on")


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_the_menu_has_the_commands(imagej: ImageJ, tmp_path: Path) -> None:
    """A command found by its name alone is in the menu; ImageJ's own list tells where."""
    listed = tmp_path / "commands.txt"
    done = imagej.macro(
        f'List.setCommands;\nFile.saveString(List.get("BioImg Run Model...") + "\\n"'
        f' + List.get("BioImg Train Denoiser..."), "{listed}");'
    )
    assert listed.exists(), done.stdout + done.stderr
    name = "io.github.bioimgfiji.command.BioImg_Command"
    assert listed.read_text().splitlines() == [f'{name}("run_model")', f'{name}("train_denoiser")']


def test_the_dialog_opens_and_a_server_is_started_on_first_use(
    imagej: ImageJ, cells: Path, small_model: Path, tmp_path: Path, own_server: Path
) -> None:
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed (Debian: apt-get install xdotool)")
    result, seen = tmp_path / "result.tif", tmp_path / "titles.txt"
    macro = imagej.folder / "macro.ijm"
    macro.write_text(
        f'open("{cells}");\ndoCommand("BioImg Run Model...");\nwhile (nImages < 2) wait(50);\n'
        f'File.saveString(getTitle(), "{seen}");\nsaveAs("Tiff", "{result}");\nrun("Quit");\n'
    )
    assert not own_server.exists()
    process = subprocess.Popen(imagej.command("-macro", str(macro)), env=imagej.environ(), stderr=subprocess.DEVNULL)
    try:
        window = xdotool(imagej, "search", "--sync", "--onlyvisible", "--name", "^BioImg Run Model$").split()[0]
        time.sleep(0.5)  # the fields are laid out after the window is there
        # NB: without a window manager only a click gives the keyboard to a field; this is the first one.
        xdotool(imagej, "mousemove", "--window", window, "315", "46", "click", "1")
        xdotool(imagej, "type", "--delay", "5", str(small_model))
        xdotool(imagej, "key", "Return")
        process.wait(timeout=120)
    finally:
        process.kill()
        process.wait(timeout=10)
    assert seen.read_text() == "cells-denoised"
    image = files.read_image(result)
    assert image.dtype == np.float32
    assert image.scale("x") == Scale(0.2, "µm")


@pytest.mark.parametrize("trusted", [True, False])
def test_code_in_a_package_is_asked_for(
    imagej: ImageJ, cells: Path, tmp_path: Path, own_server: Path, trusted: bool
) -> None:
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed (Debian: apt-get install xdotool)")
    folder, result = zoo.write(zoo.Kind(weights="torchscript"), tmp_path / "package"), tmp_path / "result.tif"
    answered = tmp_path / "refused"
    macro = imagej.folder / "macro.ijm"
    macro.write_text(
        f'open("{cells}");\nrun("32-bit");\ndoCommand("BioImg Run Model...");\n'
        f'while (nImages < 2 && !File.exists("{answered}")) wait(50);\nsaveAs("Tiff", "{result}");\nrun("Quit");\n'
    )
    process = subprocess.Popen(imagej.command("-macro", str(macro)), env=imagej.environ(), stderr=subprocess.DEVNULL)
    try:
        search = ("search", "--sync", "--onlyvisible", "--name")
        window = xdotool(imagej, *search, "^BioImg Run Model$").split()[0]
        time.sleep(0.5)
        xdotool(imagej, "mousemove", "--window", window, "315", "46", "click", "1")
        xdotool(imagej, "type", "--delay", "5", str(folder))
        xdotool(imagej, "key", "Return")
        wait_for(lambda: window not in visible(imagej), "the dialog stays")
        question = xdotool(imagej, *search, "^BioImg Run Model$").split()[0]
        time.sleep(0.5)
        # Two buttons, side by side in the middle of the lower border; the right one refuses.
        shape = dict(line.split("=") for line in xdotool(imagej, "getwindowgeometry", "--shell", question).split())
        x, y = int(shape["WIDTH"]) // 2 + (-69 if trusted else 69), int(shape["HEIGHT"]) - 24
        xdotool(imagej, "mousemove", "--window", question, str(x), str(y), "click", "1")
        wait_for(lambda: question not in visible(imagej), "the question stays")
        if not trusted:
            answered.touch()
        process.wait(timeout=120)
    finally:
        process.kill()
        process.wait(timeout=10)
    assert files.read_image(result).size("c") == (2 if trusted else 1)


def visible(imagej: ImageJ) -> list[str]:
    """Give the windows of the command, dialogs and questions."""
    line = ["xdotool", "search", "--onlyvisible", "--name", "^BioImg Run Model$"]
    return subprocess.run(line, env=imagej.environ(), capture_output=True, text=True, check=False).stdout.split()


def xdotool(imagej: ImageJ, *arguments: str) -> str:
    done = subprocess.run(
        ["xdotool", *arguments], env=imagej.environ(), capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_a_macro_trains_and_runs_without_any_server_before(
    imagej: ImageJ, cells: Path, tmp_path: Path, own_server: Path
) -> None:
    model, result = tmp_path / "own model.zip", tmp_path / "result.tif"
    done = imagej.macro(
        f'open("{cells}");\n'
        f'run("BioImg Train Denoiser...", "model=[{model}] steps=4 batch_size=2 apply=false");\n'
        f'run("BioImg Run Model...", "model=[{model}]");\nsaveAs("Tiff", "{result}");\n'
    )
    assert result.exists(), done.stdout + done.stderr
    assert model.exists()
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ('run("BioImg Run Model...", "modle=a.zip")', "Did you mean model?"),
        ('run("BioImg Run Model...", "model=/nowhere/a.zip")', "There is no model at /nowhere/a.zip"),
        ('run("BioImg Run Model...", "model=[{model}] axes=zyx")', "Axes 'zyx' do not describe"),
        ('run("BioImg Run Model...", "model=[{model}] tile=many")', "tile must be a whole number"),
        (SMALL + 'run("BioImg Train Denoiser...", "model=[{folder}/m.zip] apply=false")', "Use a larger image"),
        (
            'run("BioImg Train Denoiser...", "model=[{folder}/none/m.zip] steps=4 apply=false")',
            "Create the folder first",
        ),
    ],
)
def test_mistakes_end_a_batch_with_a_message(
    imagej: ImageJ, cells: Path, small_model: Path, call: str, text: str, own_server: Path
) -> None:
    folder = cells.parent
    before = {path.name for path in folder.iterdir()}
    call = call.format(model=small_model, folder=folder)
    done = imagej.macro(f'open("{cells}");\n{call};\nprint("went on");\n', batch=True)
    assert text in done.stderr, done.stdout + done.stderr
    assert done.returncode == 1
    assert "went on" not in done.stdout
    assert {path.name for path in folder.iterdir()} == before


def test_without_a_python_the_message_says_what_to_install(imagej: ImageJ, cells: Path) -> None:
    imagej.environment["BIOIMG_FIJI_PYTHON"] = "/nowhere/python"
    line = 'run("BioImg Run Model...", "model=a.zip")'
    done = imagej.macro(f'open("{cells}");\n{line};\nprint("went on");\n', batch=True)
    assert done.returncode == 1
    assert "/nowhere/python" in done.stderr
    assert "went on" not in done.stdout


def test_a_killed_server_ends_the_command_with_a_message(
    imagej: ImageJ, cells: Path, tmp_path: Path, server: subprocess.Popen[bytes]
) -> None:
    model = tmp_path / "m.zip"
    macro = imagej.folder / "macro.ijm"
    line = f'run("BioImg Train Denoiser...", "model=[{model}] steps=100000 batch_size=2 apply=false")'
    macro.write_text(f'open("{cells}");\n{line};\nprint("went on");\n')
    process = subprocess.Popen(
        imagej.command("-batch", str(macro)),
        env=imagej.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for((tmp_path / "m.checkpoint").exists, "the training does not begin")
    workers = psutil.Process(server.pid).children(recursive=True)
    server.kill()
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "server" in stderr
    assert "went on" not in stdout
    _, alive = psutil.wait_procs(workers, timeout=15)
    assert not alive, "a worker outlives its server"
    assert not model.exists()


def test_objects_of_the_roi_manager_train_a_segmentation(
    imagej: ImageJ, cells: Path, tmp_path: Path, own_server: Path
) -> None:
    """The manager's regions are lent to the image, which has no overlay of its own, and are taken back."""
    model, said = tmp_path / "objects.zip", tmp_path / "said.txt"
    squares = "".join(
        f'makeRectangle({x}, {y}, 14, 14);\nroiManager("Add");\n' for x, y in ((4, 4), (40, 4), (4, 50), (60, 60))
    )
    done = imagej.macro(
        f'open("{cells}");\n{squares}'
        f'run("BioImg Train Segmentation...", "model=[{model}] steps=2 filters=2 depth=1 batch_size=2 patch=32");\n'
        f'title = getTitle();\nselectWindow("cells.tif");\nFile.saveString(title + " " + Overlay.size, "{said}");\n'
    )
    assert said.exists(), done.stdout + done.stderr
    assert said.read_text() == "cells-labels 0"
    own = open_package(model).own
    assert own["provenance"]["method"] == "segmentation"
    assert own["provenance"]["data"]["smallest"] == [96, 110]  # the last region is still selected, and limits nothing
    assert own["labels"] == {"minimum_size": 14 * 14 // 4}
