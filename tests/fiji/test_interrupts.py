"""Ctrl-C at the moments where it could be lost, or do harm."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
import threading
import time

import pytest

from bioimg_fiji.fiji import interrupts
from support.endpoints import ENDPOINT
from support.python import printed, run_python

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends a process there"),
    pytest.mark.timeout(120),
]

START = f"""
import asyncio, os, signal, sys, threading, time
import numpy as np
from bioimg_fiji import open_fiji
fiji = open_fiji({ENDPOINT!r})
def kill(after):
    threading.Timer(after, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
"""


def test_under_asyncio_one_is_enough() -> None:
    done = run_python(
        START
        + "async def main():\n"
        + "    kill(0.5)\n"
        + "    begin = time.monotonic()\n"
        + "    try:\n        fiji.run_macro('wait(20000);')\n"
        + "    finally:\n        print('stopped', time.monotonic() - begin < 2, flush=True)\n"
        + "try:\n    asyncio.run(main())\n"
        + "except KeyboardInterrupt:\n    print('interrupted', fiji.run_macro('return \"on\";'))\n"
    )
    assert done.stdout == "stopped True\ninterrupted on\n", done.stderr


def test_asyncios_own_handler_has_its_say() -> None:
    out = printed(
        START
        + "async def main():\n"
        + "    kill(0.5)\n"
        + "    try:\n        fiji.run_macro('wait(20000);')\n"
        + "    except KeyboardInterrupt:\n        print('kept on', flush=True)\n"
        + "    try:\n        await asyncio.sleep(20)\n"
        + "    except asyncio.CancelledError:\n        print('cancelled', flush=True)\n        raise\n"
        + "try:\n    asyncio.run(main())\n"
        + "except KeyboardInterrupt:\n    print('interrupted')\n"
    )
    assert out == "kept on\ncancelled\ninterrupted\n"


def test_none_is_lost_however_short_the_block() -> None:
    """A signal in the middle of taking or giving back the handler comes out as KeyboardInterrupt all the same."""
    stopped, came = [], 0
    pid = os.getpid()
    for number in range(300):
        begin = time.monotonic()
        try:
            threading.Timer(number * 2e-6, os.kill, (pid, signal.SIGINT)).start()
            while time.monotonic() < begin + 5:
                with interrupts.stopping(lambda: stopped.append(1)):
                    pass
        except KeyboardInterrupt:
            came += 1
    assert came == 300
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not [each for each in threading.enumerate() if each.name == interrupts.THREAD]


def test_a_block_within_one_has_its_stop() -> None:
    stopped = threading.Event()

    def nested() -> None:
        with interrupts.stopping(stopped.set), interrupts.stopping(lambda: None):
            os.kill(os.getpid(), signal.SIGINT)
            assert stopped.wait(2)

    with pytest.raises(KeyboardInterrupt):
        nested()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_stop_that_fails_is_not_the_end_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "STUCK_SECONDS", 0.1)
    stuck = threading.Event()

    def work() -> None:
        with interrupts.stopping(functools.partial(int, "no number"), stuck.set):
            os.kill(os.getpid(), signal.SIGINT)
            assert stuck.wait(2)

    with pytest.raises(KeyboardInterrupt):
        work()


def test_a_stop_that_comes_too_early_comes_again() -> None:
    """Where Java has not quite begun, nothing is there yet to be stopped."""
    enough = threading.Event()
    stops: list[int] = []

    def stop() -> None:
        stops.append(1)
        if len(stops) == 2:
            enough.set()

    def work() -> None:
        with interrupts.stopping(stop):
            os.kill(os.getpid(), signal.SIGINT)
            assert enough.wait(5)

    with pytest.raises(KeyboardInterrupt):
        work()


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
