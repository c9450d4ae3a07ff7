"""What users of other plugins have suffered from, where Python has opened ImageJ without a display: one test each."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji import commands
from bioimg_fiji.commands import Result, registry
from bioimg_fiji.commands.parameters import ImageInput, Parameters, key
from bioimg_fiji.errors import HeadlessError, JobCancelledError, MacroError
from bioimg_fiji.fiji import Fiji, open_fiji
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.fiji.patience import THREAD
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.runtime.fake import write_fake_package
from support.endpoints import ENDPOINT

TITLE = "BioImg Sleep in Test..."
RUN = "BioImg Run Model..."


class Sleep(Parameters):
    """Parameters of the command."""

    image: ImageInput = key(title="Image", help="Not looked at.")
    seconds: float = key(0.0, title="Seconds", help="How long it does not report.", aliases=("pause",))


def sleep(parameters: Sleep, job: Job) -> Result:
    """Report nothing for some time."""
    end = time.monotonic() + parameters.seconds
    while time.monotonic() < end:
        time.sleep(0.01)
    try:
        job.progress("Slept")
    except JobCancelledError as cancelled:
        cancelled.fix = "The dream is kept."
        raise
    return Result(figures={"slept": parameters.seconds})


@pytest.fixture
def sleeper() -> Iterator[Fiji]:
    """A session that has the command, and an open image."""
    commands.load_commands()
    commands.command(id="sleep_in_test", title=TITLE, menu="Plugins>BioImg")(sleep)
    try:
        with open_fiji(ENDPOINT) as session:
            session.show(Image(np.zeros((4, 4), np.uint8), "yx", title="a.tif"))
            yield session
            for thread in threading.enumerate():
                if thread.name == THREAD:
                    thread.join(20)
    finally:
        del registry._commands["sleep_in_test"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model that runs at once."""
    write_fake_package(tmp_path / "model.zip")
    return tmp_path / "model.zip"


def test_an_ambiguous_title_stops_the_macro_with_the_ids(fiji: Fiji, model: Path) -> None:
    shown = [
        fiji.show(Image(np.ones((40, 40), np.float32), "yx", title=title)) for title in ("a.tif", "b.tif", "a.tif")
    ]
    ids = [int(imp.getID()) for imp in shown]
    with pytest.raises(MacroError, match=r'image must name one image, but 2 open images are called "a\.tif"') as caught:
        fiji.run_macro(f'run("{RUN}", "model=[{model}] image=a.tif"); print("went" + " on");')
    assert caught.value.fix.endswith(f": {ids[0]}, {ids[2]}.")
    assert "went on" not in fiji.log()
    with pytest.raises(MacroError, match=r'but it is "c\.tif"') as caught:
        fiji.run_macro(f'run("{RUN}", "model=[{model}] image=c.tif");')
    assert caught.value.fix == "Open images: a.tif, b.tif, a.tif."
    fiji.run_macro(f'run("{RUN}", "model=[{model}] image={ids[0]}");')
    assert fiji.images()[-1] == "a-smooth"


def test_no_dialog_is_raised_without_a_display(fiji: Fiji) -> None:
    fiji.show(np.zeros((4, 4), np.uint8))
    for line in (f'run("{RUN}")', f'run("{RUN}", "")', 'run("BioImg Models...")'):
        with pytest.raises(HeadlessError, match="would open a dialog, and there is no display"):
            fiji.run_macro(f'{line}; print("went" + " on");')
    assert "went on" not in fiji.log()


@pytest.mark.parametrize("java", [True, False])
def test_a_failure_stops_a_macro_on_any_thread(fiji: Fiji, java: bool) -> None:
    """Macros that Python does not run by `run_macro`: on a thread of Java's, and on one of Python's."""
    import jpype

    fiji.show(np.zeros((4, 4), np.uint8))
    text = f'run("{RUN}", "modle=a.zip"); print("went" + " on"); return "the end";'
    given: list[str] = []

    def work() -> None:
        given.append(str(jclass("ij.IJ").runMacro(text)))

    if java:
        thread = jclass("java.lang.Thread")(jpype.JProxy("java.lang.Runnable", dict={"run": work}), "worker-7")
        thread.start()
        thread.join(20_000)
    else:
        other = threading.Thread(target=work)
        other.start()
        other.join(20)
    assert given
    assert given[0] != "the end"
    assert "went on" not in fiji.log()
    assert "Did you mean model?" in fiji.log()
    assert not fiji._ids() or not jclass("ij.WindowManager").getCurrentImage().isLocked()
    assert fiji.run_macro('return "next";') == "next"


def test_no_objects_are_told(fiji: Fiji, model: Path) -> None:
    image = Image(np.full((40, 40), 9, np.uint8), "yx", title="empty.tif")
    fiji.show(image)
    fiji.run_macro(f'run("{RUN}", "model=[{model}] labels table threshold=100");')
    assert "No objects were found in empty.tif. Lower threshold (it is 100)" in fiji.log()
    assert fiji.images() == ["empty.tif", "empty-labels"]


def test_notes_of_a_result_are_told(fiji: Fiji, model: Path) -> None:
    fiji.run_macro(f'run("BioImg Models...", "action=add source=[{model}] nickname=fox");')
    assert "BioImg Models: Added. Name it model=fox" in fiji.log()


def test_keys_are_lower_snake_case_and_older_names_are_understood(sleeper: Fiji, contract: Path) -> None:
    described = json.loads((contract / "commands.json").read_text("utf-8"))["commands"]
    keys = [name for each in described for name in each["schema"]["properties"]]
    assert len(keys) > 50
    assert [name for name in keys if name != name.lower() or not name.replace("_", "").isalnum()] == []
    assert sleeper.run(TITLE, Image(np.zeros((4, 4), np.uint8), "yx"), pause=0.01).figures == {"slept": 0.01}


def test_a_cancelled_command_gives_imagej_back_within_a_second(sleeper: Fiji) -> None:
    """The work reports nothing for three seconds: its caller goes on, the image is free, and what it kept is told."""
    watcher = Job()
    sleeper.watch(watcher)
    cancelled: list[float] = []

    def cancel() -> None:
        cancelled.append(time.monotonic())
        watcher.cancel()

    threading.Timer(0.3, cancel).start()
    with pytest.raises(JobCancelledError):
        sleeper.run_macro(f'run("{TITLE}", "seconds=3"); print("went" + " on");')
    assert time.monotonic() - cancelled[0] < 1.0
    assert "went on" not in sleeper.log()
    assert not jclass("ij.WindowManager").getCurrentImage().isLocked()
    sleeper.watch(None)
    assert sleeper.run(TITLE, Image(np.zeros((4, 4), np.uint8), "yx"), seconds=0).figures == {"slept": 0.0}
    end = time.monotonic() + 20
    while "The dream is kept." not in sleeper.log() and time.monotonic() < end:
        time.sleep(0.05)
    assert "The dream is kept." in sleeper.log()


@pytest.mark.parametrize("name", ["細胞 [1].zip", "one ] bracket.zip", "C:\\моё\\a b.zip", 'say "so".zip'])
def test_any_path_in_the_options_is_found(fiji: Fiji, model: Path, tmp_path: Path, name: str) -> None:
    from bioimg_fiji.commands.macro import format_line

    path = model.rename(tmp_path / name)
    fiji.show(Image(np.ones((40, 40), np.float32), "yx", title="a.tif"))
    fiji.run_macro(f"run({json.dumps(RUN)}, {json.dumps(format_line({'model': str(path)}), ensure_ascii=False)});")
    assert fiji.images() == ["a.tif", "a-smooth"]


def test_macro_extensions_without_a_display(fiji: Fiji, model: Path) -> None:
    fiji.run_macro(f'run("BioImg Models...", "action=add source=[{model}] nickname=fox");')
    fiji.show(Image(np.ones((40, 40), np.float32), "yx", title="a.tif"))
    told = fiji.run_macro(
        'run("BioImg Macro Extensions"); job = Ext.BioImg_start("BioImg Run Model", "model=fox"); Ext.BioImg_wait(job);'
        'return getTitle() + " " + Ext.BioImg_server() + " " + call("io.github.bioimgfiji.BioImg.figure", "device")'
        ' + " " + Ext.BioImg_property("fox", "weights");'
    )
    assert told == "a-smooth in-process cpu onnx"
    with pytest.raises(MacroError, match=r"line 2: The property must be one of the model's, but it is .size."):
        fiji.run_macro(
            'x = 1;\ny = call("io.github.bioimgfiji.BioImg.property", "fox", "size");\nprint("went" + " on");'
        )
    assert "went on" not in fiji.log()
