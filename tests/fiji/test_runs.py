"""Runs beside each other, and a menu that changes, where Python has opened ImageJ without a display."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji import commands
from bioimg_fiji.commands import Result, registry
from bioimg_fiji.commands.parameters import Parameters, key
from bioimg_fiji.errors import BioimgError, ImageError, JobCancelledError, MacroError
from bioimg_fiji.fiji import Fiji
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.fiji.patience import Patience
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import open_package, pins, store
from bioimg_fiji.runtime.fake import write_fake_package

TITLE = "BioImg Count in Test..."
SECONDS = 30

_state: dict[str, Any] = {}


class Count(Parameters):
    """Parameters of the command."""

    number: int = key(0, title="Number", help="What is given back; 1 waits for 2, and 2 for the end of 1.")
    fails: bool = key(False, title="Fails", help="Fail with the number.")


@dataclass(frozen=True)
class Late(Result):
    """A result that is handed on only when the job beside it has ended."""

    def to_json(self) -> dict[str, Any]:
        _let_the_job_end()
        return super().to_json()


def _let_the_job_end() -> None:
    _state["released"].set()
    ended = threading.Event()
    for _ in range(SECONDS * 50):
        if str(jclass("io.github.bioimgfiji.api.Jobs").state(_state["job"])) != "running":
            return
        ended.wait(0.02)


def count(parameters: Count, _: Job) -> Result:
    """Give a number."""
    if parameters.number == 1:
        _state["started"].set()
        assert _state["released"].wait(SECONDS)
    if parameters.fails:
        if parameters.number == 2:
            _let_the_job_end()
        raise ImageError("It is no number.", fix="Count again.", number=parameters.number)
    kind = Late if parameters.number == 2 else Result
    return kind(figures={"number": parameters.number})


@pytest.fixture
def counter(fiji: Fiji) -> Iterator[Fiji]:
    """A session that was open before the command came."""
    commands.command(id="count_in_test", title=TITLE, menu="Plugins>BioImg")(count)
    _state.update(started=threading.Event(), released=threading.Event())
    try:
        yield fiji
    finally:
        _state["released"].set()
        del registry._commands["count_in_test"]


def start_job(fiji: Fiji, options: str) -> str:
    """Start the command as a job and wait until it works."""
    job = fiji.run_macro(f'run("BioImg Macro Extensions"); return Ext.BioImg_start("{TITLE}", "{options}");')
    assert job is not None
    assert _state["started"].wait(SECONDS)
    _state["job"] = job
    return job


def test_a_job_that_ends_beside_a_run_keeps_its_own_result(counter: Fiji) -> None:
    job = start_job(counter, "number=1")
    assert counter.run(TITLE, number=2).figures == {"number": 2}
    figure = 'call("io.github.bioimgfiji.BioImg.figure", "number")'
    assert counter.run_macro(f'run("BioImg Macro Extensions"); Ext.BioImg_wait("{job}"); return {figure};') == "1"


def test_a_job_that_fails_beside_a_run_keeps_its_own_error(counter: Fiji) -> None:
    start_job(counter, "number=1 fails=true")
    with pytest.raises(ImageError) as caught:
        counter.run(TITLE, number=2, fails=True)
    assert caught.value.details == {"number": 2}


def test_a_command_that_comes_while_the_session_is_open_is_known(fiji: Fiji) -> None:
    with pytest.raises(MacroError):
        fiji.run_macro(f'run("{TITLE}", "number=3");')
    commands.command(id="count_in_test", title=TITLE, menu="Plugins>BioImg")(count)
    try:
        assert fiji.run(TITLE, number=3).figures == {"number": 3}
        fiji.run_macro(f'run("{TITLE.rstrip(".")}", "number=3");')
    finally:
        del registry._commands["count_in_test"]
    with pytest.raises(MacroError):
        fiji.run_macro(f'run("{TITLE}", "number=3");')


def test_a_pin_is_in_the_menu_at_once_and_gone_at_once(fiji: Fiji, tmp_path: Path) -> None:
    write_fake_package(tmp_path / "model.zip")
    image = Image(np.ones((40, 40), np.float32), "yx", title="a.tif")
    fiji.show(image)
    add = f'run("BioImg Models...", "action=add source=[{tmp_path / "model.zip"}] nickname=fox");'
    pin = 'run("BioImg Models...", "action=pin source=fox");'
    unpin = 'run("BioImg Models...", "action=unpin source=fox");'
    assert fiji.run_macro(f'{add} {pin} run("BioImg: fox", "tile=0"); return getTitle();') == "a-smooth"
    assert fiji.run("BioImg: fox", image, tile=0).images["output"].title == "a-smooth"
    with pytest.raises(MacroError):
        fiji.run_macro(f'{unpin} run("BioImg: fox", "tile=0"); print("went" + " on");')
    assert "went on" not in fiji.log()


def test_a_pin_of_python_is_known_to_the_next_macro(fiji: Fiji, tmp_path: Path) -> None:
    write_fake_package(tmp_path / "model.zip")
    store.add(open_package(tmp_path / "model.zip"), "fox")
    fiji.show(Image(np.ones((40, 40), np.float32), "yx", title="a.tif"))
    pins.pin("fox")
    assert fiji.run_macro('run("BioImg: fox", "tile=0"); return getTitle();') == "a-smooth"
    pins.unpin("fox")
    with pytest.raises(BioimgError):
        fiji.run("BioImg: fox", tile=0)


def test_work_that_ends_at_the_moment_of_leaving_is_heard_by_its_caller() -> None:
    told: list[BaseException | None] = []
    ended = threading.Event()

    def work() -> None:
        raise JobCancelledError("The command was cancelled.", fix="Go on from a.checkpoint.")

    def end(error: BaseException | None) -> None:
        told.append(error)
        ended.set()

    class Leaving(Patience[None]):
        """Leaves after the last look, when the work has ended."""

        def _ends(self, _: object) -> bool:
            return not ended.wait(SECONDS)

    with pytest.raises(JobCancelledError) as caught:
        Leaving(work, end).wait(lambda: True)
    assert caught.value.fix == "Go on from a.checkpoint."
    assert told == [None], "its caller tells it, and nobody else"
