"""Ctrl-C at the moments where it could be lost, or do harm."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from bioimg_fiji.fiji import interrupts
from support.endpoints import ENDPOINT
from support.python import BEGUN, PRESS, printed, run_python

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends a process there"),
    pytest.mark.timeout(120),
]

START = f"""
import asyncio, os, signal, sys, threading, time
import numpy as np
from bioimg_fiji import open_fiji
fiji = open_fiji({ENDPOINT!r})
"""


def test_under_asyncio_one_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "begun"
    done = run_python(
        START
        + PRESS
        + "async def main():\n"
        + f"    press_when_begun({str(path)!r})\n"
        + f"    try:\n        fiji.run_macro('{BEGUN.format(path=path)} wait(20000);')\n"
        + "    finally:\n        print('stopped', time.monotonic() - pressed[0] < 2, flush=True)\n"
        + "try:\n    asyncio.run(main())\n"
        + "except KeyboardInterrupt:\n    print('interrupted', fiji.run_macro('return \"on\";'))\n"
    )
    assert done.stdout == "stopped True\ninterrupted on\n", done.stderr


def test_asyncios_own_handler_has_its_say(tmp_path: Path) -> None:
    path = tmp_path / "begun"
    out = printed(
        START
        + PRESS
        + "async def main():\n"
        + f"    press_when_begun({str(path)!r})\n"
        + f"    try:\n        fiji.run_macro('{BEGUN.format(path=path)} wait(20000);')\n"
        + "    except KeyboardInterrupt:\n        print('kept on', flush=True)\n"
        + "    try:\n        await asyncio.sleep(20)\n"
        + "    except asyncio.CancelledError:\n        print('cancelled', flush=True)\n        raise\n"
        + "try:\n    asyncio.run(main())\n"
        + "except KeyboardInterrupt:\n    print('interrupted')\n"
    )
    assert out == "kept on\ncancelled\ninterrupted\n"


@pytest.mark.parametrize(
    "name",
    [
        "none_is_lost_however_short_the_block",
        "a_block_within_one_has_its_stop",
        "a_stop_that_fails_is_not_the_end_of_it",
        "a_stop_that_comes_too_early_comes_again",
    ],
)
def test_signals(name: str) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    out = printed(
        f"import runpy, sys; sys.argv[1:] = [{name!r}]; runpy.run_module('support.signals', run_name='__main__')",
        PYTHONPATH=path,
    )
    assert out == "passed\n"


def test_other_signals_reach_the_event_loop() -> None:
    came = []

    async def main() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, came.append, 1)
        with interrupts.stopping(lambda: None):
            os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.sleep(0.1)

    asyncio.run(main())
    assert came == [1]


def test_one_while_java_prints_comes_again_and_what_is_printed_later_is_not_lost() -> None:
    out = printed(
        START
        + "import jpype\n"
        + "write = sys.stdout.write\n"
        + "class Interrupted:\n"
        + "    sent = False\n"
        + "    def write(self, text):\n"
        + "        if 'first' in text and not self.sent:\n"
        + "            self.sent = True\n"
        + "            raise KeyboardInterrupt\n"  # what Python's handler does in this very moment
        + "        return write(text)\n"
        + "    def flush(self):\n        sys.__stdout__.flush()\n"
        + "sys.stdout = Interrupted()\n"
        + "try:\n"
        + "    jpype.java.lang.System.out.println('first')\n"
        + "    time.sleep(5)\n"
        + "except KeyboardInterrupt:\n    write('interrupted\\n')\n"
        + "jpype.java.lang.System.out.println('second')\n"
        + "fiji.run_macro('print(\"third\");')\n"
    )
    assert out.split() == ["interrupted", "second", "third"]
