"""`open_fiji(isolate=True)`: the work of commands in worker processes, each test in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from support import odd_command, shared_memory
from support.endpoints import ENDPOINT
from support.python import printed

START = f"""
ENDPOINT = {ENDPOINT!r}
import os, sys, time, threading
import numpy as np
from bioimg_fiji import Image, open_fiji
from bioimg_fiji.errors import *
from bioimg_fiji.jobs import Job
fiji = open_fiji(ENDPOINT, isolate=True)
image = Image(np.arange(64 * 48, dtype=np.uint16).reshape(64, 48), "yx", title="ramp.tif")
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Import path with the command `odd`, for the program and its workers."""
    return os.pathsep.join([odd_command.install(tmp_path / "odd"), os.environ.get("PYTHONPATH", "")])


def test_the_work_is_done_in_another_process_with_the_same_pixels(small_model: Path, path: str) -> None:
    out = printed(
        START + f"there = fiji.run('BioImg Run Model', image, model={str(small_model)!r})\n"
        "assert fiji.isolated\nodd = fiji.run('BioImg Odd', image, seconds=0.01)\n"
        "assert int(odd.figures['pid']) != os.getpid(), odd.figures\n"
        "fiji.close()\nfiji = open_fiji(ENDPOINT)\nassert not fiji.isolated\n"
        f"here = fiji.run('BioImg Run Model', image, model={str(small_model)!r})\n"
        "assert int(fiji.run('BioImg Odd', image, seconds=0.01).figures['pid']) == os.getpid()\n"
        "for name in here.images:\n"
        "    a, b = here.images[name], there.images[name]\n"
        "    assert a.dtype == b.dtype and (a.pixels == b.pixels).all()\n"
        "print(sorted(here.images), there.notes == here.notes)\n",
        PYTHONPATH=path,
        timeout=120,
    )
    assert out.strip() not in ("", "[] True")
    assert out.strip().endswith("True")


def test_a_crash_is_an_error_and_the_session_goes_on(path: str) -> None:
    out = printed(
        START + "for how in ('abort', 'exit'):\n"
        "    try:\n        fiji.run('BioImg Odd', image, how=how)\n"
        "    except WorkerDiedError as error:\n        print(error.details['signal'])\n"
        "def kill():\n"
        "    import psutil\n"
        "    while 'odd' not in told: time.sleep(0.01)\n"
        "    for child in psutil.Process().children(): child.kill()\n"
        "told = []\n"
        "fiji.watch(Job(lambda progress: told.append(progress.message.lower())))\n"
        "threading.Thread(target=kill).start()\n"
        "try:\n    fiji.run('BioImg Odd', image, seconds=30)\n"
        "except WorkerDiedError as error:\n    print(error.details['signal'])\n"
        "print(int(fiji.run('BioImg Odd', image, seconds=0.01).figures['pid']) != os.getpid())\n",
        PYTHONPATH=path,
        timeout=120,
    )
    assert out.split() == ["SIGABRT", "exit", "code", "3", "SIGKILL", "True"]


def test_progress_comes_and_a_cancel_kills_deaf_work(path: str) -> None:
    out = printed(
        START + "import psutil\n"
        "def running():\n    return {child.pid for child in psutil.Process().children(recursive=True)}\n"
        "at_work = set()\n"
        "def cancel(progress):\n"
        "    if progress.message == 'Odd':\n        at_work.update(running())\n        job.cancel()\n"
        "job = Job(cancel)\n"
        "fiji.watch(job)\n"
        "try:\n    fiji.run('BioImg Odd', image, seconds=600)\n"  # longer than the program may run
        "except JobCancelledError as error:\n    print('cancelled')\n"
        "assert at_work\n"
        "while at_work <= running():\n    time.sleep(0.05)\n"
        "fiji.watch(None)\n"
        "print(fiji.run('BioImg Odd', image, seconds=0.01).figures['variable'] == '')\n",
        PYTHONPATH=path,
        timeout=120,
    )
    assert out.split() == ["cancelled", "True"]


def test_a_macro_runs_its_commands_there(path: str) -> None:
    out = printed(
        START + "fiji.show(image)\n"
        'fiji.run_macro(\'run("BioImg Odd", "how=mess");\')\n'
        "print(os.environ.get('ODD'), fiji.images())\n",
        PYTHONPATH=path,
    )
    assert "None" in out
    assert "ramp" in out


def test_another_wish_than_that_of_the_open_session_is_told() -> None:
    printed(
        "from bioimg_fiji import open_fiji\nfrom bioimg_fiji.errors import EndpointError\n"
        f"first = open_fiji({ENDPOINT!r})\n"
        f"try:\n    open_fiji({ENDPOINT!r}, isolate=True)\n"
        "except EndpointError as error:\n    assert 'isolate=True cannot take effect' in str(error)\n"
        "else:\n    raise AssertionError\n"
        f"first.close()\nsecond = open_fiji({ENDPOINT!r}, isolate=True)\n"
        "assert second.isolated and open_fiji() is second\n"
    )


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_no_process_is_left(how: str, path: str) -> None:
    ending = "print('ready', flush=True)\ntime.sleep(60)\n" if how == "kill" else "print('ready', flush=True)\n"
    program = subprocess.Popen(
        [sys.executable, "-c", START + ending], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    try:
        assert program.stdout is not None
        children: list[psutil.Process] = []
        if how == "kill":
            assert program.stdout.readline() == "ready\n"
            children = psutil.Process(program.pid).children(recursive=True)
            assert children
            os.kill(program.pid, signal.SIGKILL)
        else:
            deadline = time.monotonic() + 30
            while not children and time.monotonic() < deadline:
                children = psutil.Process(program.pid).children(recursive=True)
            assert children
        program.wait(timeout=30)
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive
    finally:
        program.kill()
        program.wait()
        if program.stdout is not None:
            program.stdout.close()
    for folder in shared_memory.folder().glob(f"bioimg-fiji-{program.pid}-*"):
        assert how == "kill", f"{folder} is left"
        from bioimg_fiji.server.buffers import sweep

        assert folder in sweep(folder.parent)  # as the next session does
