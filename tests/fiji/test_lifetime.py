"""Ctrl-C, the end of the process, threads and further processes; each in a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from support.endpoints import ENDPOINT
from support.python import BEGUN, PRESS, printed, run_python

START = f"""
import os, signal, sys, threading, time
import numpy as np
from bioimg_fiji import Image, open_fiji
from bioimg_fiji.errors import *
from bioimg_fiji.jobs import Job
ENDPOINT = {ENDPOINT!r}
"""
INTERRUPT = """
def interrupted(work, begun=None):
    def kill():
        time.sleep(0.5) if begun is None else begun.wait()
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=kill, daemon=True).start()
    try:
        work()
    except KeyboardInterrupt:
        return
    raise AssertionError("no KeyboardInterrupt")
"""
"""Stop `work` by Ctrl-C, half a second after its begin or when `begun` is set."""

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends a process there")


@needs_signals
def test_ctrl_c_stops_what_runs_and_java_goes_on() -> None:
    out = printed(
        START
        + INTERRUPT
        + "fiji = open_fiji(ENDPOINT)\n"
        + "fiji.show(np.zeros((20, 20), np.uint8))\n"
        + "noise = np.random.default_rng(0).random((4000, 4000)).astype(np.float32)\n"
        + "from bioimg_fiji.fiji.java import jclass\n"
        + 'end = \'call("java.lang.System.setProperty", "macro.ended", "yes");\'\n'
        + "for work in (\n"
        + "    lambda: time.sleep(20),\n"
        + "    lambda: fiji.run_macro('wait(20000);' + end),\n"
        + "    lambda: fiji.run_macro('while (true) { a = 1; }'),\n"
        + "    lambda: fiji.run_macro('setBatchMode(true); for (i = 0; i < 200; i++) wait(100);' + end),\n"
        + "    lambda: fiji.run('Median...', noise, radius=60),\n"
        + "):\n"
        + "    interrupted(work)\n"
        + "    assert jclass('java.lang.System').getProperty('macro.ended') is None\n"
        + "    assert fiji.run_macro('wait(50); return \"on\";') == 'on'\n"
        + "    assert fiji.images() == ['image'], fiji.images()\n"
        + "print('on')\n",
        timeout=120,
    )
    assert out == "on\n"


@needs_signals
def test_ctrl_c_stops_a_command_of_ours(tmp_path: object) -> None:
    printed(
        START
        + INTERRUPT
        + "fiji = open_fiji(ENDPOINT)\n"
        + "image = Image(np.random.default_rng(0).poisson(60, (128, 128)).astype(np.uint16), 'yx')\n"
        + f"target = {str(tmp_path)!r} + '/model.zip'\n"
        + "begun = threading.Event()\n"
        + "fiji.watch(Job(lambda progress: begun.set() if progress.current else None))\n"
        + "interrupted(lambda: fiji.run('BioImg Train Denoiser...', image, model=target, steps=1000000), begun)\n"
        + "assert fiji.run_macro('return \"on\";') == 'on'\n",
        timeout=120,
    )


@needs_signals
def test_a_handler_of_the_program_keeps_its_say(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    printed(
        START
        + PRESS
        + "came = []\n"
        + "signal.signal(signal.SIGINT, lambda *_: came.append(1))\n"
        + "fiji = open_fiji(ENDPOINT)\n"
        + f"press_when_begun({str(first)!r})\n"
        + f"assert fiji.run_macro('{BEGUN.format(path=first)} wait(1000); return \"whole\";') == 'whole'\n"
        + "assert came == [1]\n"
        + f"press_when_begun({str(second)!r}, times=3)\n"
        + f"try:\n    fiji.run_macro('{BEGUN.format(path=second)} wait(20000);')\n"
        + "except KeyboardInterrupt:\n    print('stopped by the third')\n"
        + "assert fiji.run_macro('return \"on\";') == 'on'\n"
    )


ENDINGS = {
    "with open images": "fiji.show(np.zeros((9, 9), np.uint8))\n",
    "after a filter": "fiji.run('Gaussian Blur...', np.zeros((300, 300), np.float32), sigma=3)\n",
    "with a thread that works": (
        "threading.Thread(target=lambda: fiji.run_macro('while (true) wait(10);'), daemon=True).start()\n"
        "time.sleep(0.5)\n"
    ),
    "in another thread than the main one": (
        "t = threading.Thread(target=lambda: fiji.run_macro('return 1;')); t.start(); t.join()\n"
    ),
}


@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize(("end", "code"), [("", 0), ("sys.exit(7)", 7), ("raise ValueError('no')", 1)])
def test_the_process_ends(how: str, end: str, code: int) -> None:
    done = run_python(START + "fiji = open_fiji(ENDPOINT)\n" + ENDINGS[how] + "print('end', flush=True)\n" + end)
    assert done.stdout == "end\n"
    assert done.returncode == code, done.stderr
    assert "atexit" not in done.stderr, done.stderr


@needs_signals
def test_sigterm_ends_the_process() -> None:
    done = run_python(
        START + "fiji = open_fiji(ENDPOINT)\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)\n", timeout=60
    )
    assert done.returncode in (-15, 143), done.stderr


def test_a_session_of_another_thread_and_calls_from_many() -> None:
    printed(
        START
        + "from concurrent.futures import ThreadPoolExecutor\n"
        + "with ThreadPoolExecutor(1) as opener:\n"
        + "    fiji = opener.submit(open_fiji, ENDPOINT).result()\n"
        + "def work(number):\n"
        + "    pixels = np.full((40, 40), number, np.float32)\n"
        + "    made = fiji.run('Add...', pixels, value=1000).images['output']\n"
        + '    text = fiji.run_macro(f\'newImage("n{number}", "8-bit black", 5, 5, 1); t = getTitle(); close();'
        + " return t;')\n"
        + "    return float(made.pixels.min()), float(made.pixels.max()), text\n"
        + "with ThreadPoolExecutor(8) as pool:\n"
        + "    for number, made in enumerate(pool.map(work, range(60))):\n"
        + "        assert made == (number + 1000, number + 1000, f'n{number}'), made\n"
        + "assert fiji.images() == []\n",
        timeout=120,
    )


def test_many_threads_open_one_session() -> None:
    printed(
        START
        + "from concurrent.futures import ThreadPoolExecutor\n"
        + "with ThreadPoolExecutor(8) as pool:\n"
        + "    sessions = set(map(id, pool.map(lambda _: open_fiji(ENDPOINT), range(16))))\n"
        + "assert len(sessions) == 1\n"
    )


def test_spawned_processes_have_each_a_java_of_their_own(tmp_path: object) -> None:
    program = f"{tmp_path}/spawning.py"
    with open(program, "w") as file:  # noqa: PTH123 - a plain script, as a user writes it
        file.write(
            START
            + "import multiprocessing\n"
            + "def blurred(value):\n"
            + "    fiji = open_fiji(ENDPOINT)\n"
            + "    made = fiji.run('Gaussian Blur...', np.full((30, 30), value, np.float32), sigma=2)\n"
            + "    return os.getpid(), float(made.images['output'].pixels.mean())\n"
            + "if __name__ == '__main__':\n"
            + "    open_fiji(ENDPOINT)\n"
            + "    with multiprocessing.get_context('spawn').Pool(2) as pool:\n"
            + "        made = pool.map(blurred, [1.0, 2.0, 3.0], chunksize=1)\n"
            + "    assert [round(mean, 4) for _, mean in made] == [1, 2, 3], made\n"
            + "    assert os.getpid() not in {pid for pid, _ in made}\n"
        )
    printed(f"import runpy; runpy.run_path({program!r}, run_name='__main__')", timeout=120)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_after_javas_start_is_refused_and_ends() -> None:
    out = printed(
        "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n"
        + START
        + "fiji = open_fiji(ENDPOINT)\n"
        + "child = os.fork()\n"
        + "if child == 0:\n"
        + "    calls = (open_fiji, lambda: fiji.run_macro(''), lambda: fiji.run('Invert'), fiji.images,\n"
        + "        fiji.active_image, lambda: fiji.show(np.zeros((3, 3))), lambda: fiji.open('x'),\n"
        + "        lambda: fiji.to_fiji(np.zeros((3, 3))), fiji.log)\n"
        + "    for call in calls:\n"
        + "        try:\n            call()\n"
        + "        except FijiError as error:\n            assert 'spawn' in error.fix, error\n"
        + "        else:\n            os._exit(9)\n"
        + "    fiji.close()\n"
        + "    repr(fiji)\n"
        + "    sys.exit(5)\n"  # with all of Python's end
        + "deadline = time.monotonic() + 20\n"
        + "done = (0, 0)\n"
        + "while not done[0] and time.monotonic() < deadline:\n"
        + "    done = os.waitpid(child, os.WNOHANG)\n"
        + "    time.sleep(0.05)\n"
        + "if not done[0]:\n    os.kill(child, 9)\n"
        + "print(os.waitstatus_to_exitcode(done[1]), fiji.run_macro('return \"on\";'))\n"
    )
    assert out == "5 on\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_before_javas_start_has_one_of_its_own() -> None:
    printed(
        "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n"
        + START
        + "child = os.fork()\n"
        + "assert open_fiji('embedded').run_macro('return \"on\";') == 'on'\n"
        + "if child:\n    assert os.waitpid(child, 0)[1] == 0\n"
    )


def test_workers_of_pytest_xdist(tmp_path: object) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    test = f"{tmp_path}/test_two.py"
    with open(test, "w") as file:  # noqa: PTH123 - as above
        file.write(
            "import os, pytest\nfrom bioimg_fiji import open_fiji\n"
            "@pytest.mark.parametrize('number', range(4))\n"
            "def test_one(number):\n"
            f"    fiji = open_fiji({ENDPOINT!r})\n"
            "    assert fiji.run_macro(f'return \"{number}\";') == str(number)\n"
            "    print('worker', os.environ['PYTEST_XDIST_WORKER'])\n"
        )
    done = run_python(
        "import sys, pytest\n"
        f"sys.exit(pytest.main(['-q', '-n', '2', '-p', 'no:cacheprovider', '-rP', '--rootdir', {str(tmp_path)!r}, "
        f"{test!r}]))",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert {"worker gw0", "worker gw1"} <= set(done.stdout.splitlines())
