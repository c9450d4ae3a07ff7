"""Ctrl-C in a process of its own: a signal that comes late would stop the tests. Each function is run by its name."""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import time

import pytest

from bioimg_fiji.fiji import interrupts


def none_is_lost_however_short_the_block() -> None:
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


def a_block_within_one_has_its_stop() -> None:
    stopped = threading.Event()

    def nested() -> None:
        with interrupts.stopping(stopped.set), interrupts.stopping(lambda: None):
            os.kill(os.getpid(), signal.SIGINT)
            assert stopped.wait(2)

    with pytest.raises(KeyboardInterrupt):
        nested()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def a_stop_that_fails_is_not_the_end_of_it() -> None:
    interrupts.STUCK_SECONDS = 0.1
    stuck = threading.Event()

    def work() -> None:
        with interrupts.stopping(functools.partial(int, "no number"), stuck.set):
            os.kill(os.getpid(), signal.SIGINT)
            assert stuck.wait(2)

    with pytest.raises(KeyboardInterrupt):
        work()


def a_stop_that_comes_too_early_comes_again() -> None:
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


if __name__ == "__main__":
    {name: each for name, each in globals().items() if callable(each)}[sys.argv[1]]()
    print("passed")
