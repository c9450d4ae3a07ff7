"""The menu of a real ImageJ 1.54p that has only our jar: there at once, from a cache, with nothing started for it."""

from __future__ import annotations

import os
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bioimg_fiji.package import open_package, store
from bioimg_fiji.runtime.fake import write_fake_package
from support.processes import ImageJ
from support.scenes import play

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]

COMMAND = "io.github.bioimgfiji.command.BioImg_Command"
MENU = [
    "BioImg Run Model...",
    "BioImg Run on File...",
    "BioImg Batch...",
    "BioImg Evaluate...",
    "BioImg Calibrate Confidence...",
    "BioImg Error Map...",
    "BioImg Explain...",
    "BioImg Feature Maps...",
    "BioImg Benchmark...",
    "Train",
    "BioImg Models...",
    "BioImg Macro Extensions",
    "BioImg Server...",
    "BioImg Check Installation",
    "BioImg Help",
]
MORE = '''
"""A command of a third-party package."""
import dataclasses
from bioimg_fiji.commands import ImageInput, Parameters, Result, command, key
from bioimg_fiji.jobs import Job

class Double(Parameters):
    image: ImageInput = key(title="Image", help="What to multiply.")
    factor: int = key(2, title="Factor", help="By what.")

@command(id="double", title="BioImg Double...", menu="Plugins>BioImg")
def double(parameters: Double, job: Job) -> Result:
    """Multiply an image."""
    image = parameters.image
    return Result(images={"output": image.with_pixels(image.pixels // image.pixels.max() * parameters.factor)})
'''


@pytest.fixture(autouse=True)
def own_server(private_places: Path) -> Iterator[None]:
    """See to it that the server which a scene starts has ended before the next test."""
    connection = Path(os.environ["BIOIMG_FIJI_CONNECTION"])
    yield
    end = time.monotonic() + 60
    while connection.exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not connection.exists()


@pytest.fixture
def third_party(imagej: ImageJ, tmp_path: Path) -> None:
    """Install a package with a command where the servers of this test find it."""
    folder = tmp_path / "packages"
    info = folder / "more_commands-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "more_commands.py").write_text(MORE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: more-commands\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bioimg_fiji.commands]\nmore = more_commands\n")
    imagej.environment["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])


def test_the_menu_is_there_and_nothing_was_started_for_it(imagej: ImageJ, tmp_path: Path) -> None:
    started = tmp_path / "started"
    spy = tmp_path / "python"
    spy.write_text(f"#!/bin/sh\ntouch '{started}'\n")
    spy.chmod(0o700)
    imagej.environment["BIOIMG_FIJI_PYTHON"] = str(spy)
    seen = play(imagej, "menu_scenes", "at_start")
    assert [each for each in seen["menu"] if each != "-"] == MENU
    assert seen["train"] == ["BioImg Train Denoiser...", "BioImg Train Restoration...", "BioImg Train Segmentation..."]
    assert seen["threads"] == []
    assert not seen["loaded"], "ImageJ has not even made the loader of plugins"
    assert not seen["connection"]
    assert not started.exists()
    assert sorted(path.name for path in (imagej.folder / "plugins").iterdir()) == [
        next((imagej.folder / "plugins").glob("bioimg_fiji-*.jar")).name
    ]


def test_titles_without_dots_run_in_a_plain_imagej(imagej: ImageJ, tmp_path: Path) -> None:
    """By `java -cp ij.jar ij.ImageJ`, in its very first command and again after a restart."""
    for number in range(2):
        log = tmp_path / f"log{number}.txt"
        done = imagej.macro(
            'run("BioImg Models", "action=list");\nrun("BioImg Server", "tell");\n'
            f'File.saveString(getInfo("log"), "{log}");\n'
        )
        assert log.exists(), done.stdout + done.stderr
        assert "BioImg Server: State: running" in log.read_text(), "the first command has started one"


def test_pinned_models_and_commands_of_others_come_into_the_menu_and_stay(
    imagej: ImageJ, third_party: None, tmp_path: Path
) -> None:
    write_fake_package(tmp_path / "model.zip")
    store.add(open_package(tmp_path / "model.zip"), "fox")
    before = play(imagej, "menu_scenes", "at_start")
    assert before["call"]["BioImg Double..."] is None
    assert "BioImg Run Model" in before["about"]
    seen = play(imagej, "menu_scenes", "pin", "fox")
    added = {"BioImg Double...", "BioImg: fox"}
    assert added < set(seen["menu"])
    assert seen["about"] == [], "titles without dots need no place once something of ours has run"
    assert seen["call"] == f'{COMMAND}("double")'
    with zipfile.ZipFile(imagej.folder / "plugins" / "bioimg_fiji-menu.jar") as jar:
        assert jar.namelist() == ["plugins.config"]
    start = play(imagej, "menu_scenes", "at_start")
    assert added < set(start["menu"]), "from the cache alone"
    assert start["call"]["BioImg Double"] == f'{COMMAND}("double")'
    assert not start["loaded"]
    again = play(imagej, "menu_scenes", "run_pinned", "fox")
    assert again["ran"][0].startswith("cells-")
    assert again["ran"][1:] == ["cells.tif-1", "3"]


def test_the_server_is_started_shown_and_ended_from_the_menu(imagej: ImageJ) -> None:
    seen = play(imagej, "menu_scenes", "server")
    assert seen["first"] == "not running; the next command starts one"
    assert seen["Address"].startswith("http://127.0.0.1:")
    assert seen["Jobs"] == "0 running, 0 waiting"
    assert " GiB free of " in seen["Memory"]
    assert seen["Log"].endswith("server.log")
    assert not seen["connection"]


def test_a_server_of_another_version_is_shown_and_ended_from_the_menu(
    imagej: ImageJ, old_server: subprocess.Popen[bytes]
) -> None:
    seen = play(imagej, "menu_scenes", "another_server")
    assert seen["State"] == "running, but this plugin cannot use it"
    assert seen["Version"] == "0.0.9"
    assert seen["Process"] == str(old_server.pid)
    assert old_server.wait(20) == 0


def test_the_check_offers_to_end_a_server_of_another_version(
    imagej: ImageJ, old_server: subprocess.Popen[bytes]
) -> None:
    play(imagej, "menu_scenes", "end_another")
    assert old_server.wait(20) == 0


def test_a_server_of_another_version_is_told_and_ended_in_a_batch(
    imagej: ImageJ, old_server: subprocess.Popen[bytes]
) -> None:
    done = imagej.macro('run("BioImg Models...", "action=list");', batch=True)
    assert done.returncode == 1
    assert f"(process {old_server.pid}) is bioimg-fiji 0.0.9" in done.stderr
    stop = 'run("BioImg Server", "stop")'
    assert stop in done.stderr
    assert old_server.poll() is None
    done = imagej.macro(f"{stop};", batch=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "State: not running" in done.stdout + done.stderr
    assert old_server.wait(20) == 0


def test_a_wrong_key_for_the_server_stops_the_macro(imagej: ImageJ) -> None:
    done = imagej.macro('run("BioImg Server", "stpo");', batch=True)
    assert done.returncode == 1
    assert "The keys are tell, stop." in done.stderr


def test_the_help_is_in_the_jar(imagej: ImageJ) -> None:
    assert "Fiji and ImageJ, with and without a display" in play(imagej, "menu_scenes", "help")["text"]
