"""Ctrl-C: it is Python's, also while Java runs, and stops the work and not the process.

Java takes the signal for itself when it starts (and ends the process with it), unless it is told not to. Python's own
handler then runs, but only between two steps of Python: while the main thread is inside Java, a macro would first run
to its end; and where Java is calling Python at that moment, a KeyboardInterrupt on its way through Java leaves JPype
broken. So what is inside Java is stopped from another thread, which Python's C code tells of the signal at once by the
file of `signal.set_wakeup_fd`, and the KeyboardInterrupt is put off until Java has returned.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

JAVA_OPTION = "-Xrs"
"""Has Java leave the signals alone."""

STUCK_SECONDS = 5.0
"""After an interrupt, the time that Java has to give up before `on_stuck` is called."""

THREAD = "bioimg-interrupts"

_PATIENCE = 3
"""Which Ctrl-C stops where the program has a handler of its own, as in `cli.interrupt`."""

_AGAIN_SECONDS = 0.2
_log = logging.getLogger(__name__)
_watch: Interrupts | None = None


def give_to_python() -> None:
    """Take Ctrl-C back from a Java that was started without `JAVA_OPTION`; only the main thread can."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)


class Interrupts:
    """What the main thread's block was interrupted by: `happened` tells whether it was."""

    def __init__(self, stop: Callable[[], None], on_stuck: Callable[[], None] | None) -> None:
        self.happened = False
        self._stop = stop
        self._on_stuck = on_stuck
        self._ended = threading.Event()
        self._read, self._write = os.pipe()
        if sys.platform != "win32":  # there Python asks for no such thing
            os.set_blocking(self._write, False)
        self._handler = signal.getsignal(signal.SIGINT)
        self._is_mine = _is_pythons(self._handler)
        self._left = 1 if self._is_mine else _PATIENCE
        if self._is_mine:
            signal.signal(signal.SIGINT, self._note)
        self._before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._listen, name=THREAD, daemon=True)
        self._thread.start()
        if self.happened:  # before the file of the wakeup was ours
            os.write(self._write, bytes([signal.SIGINT]))

    def check(self) -> None:
        """Raise the `KeyboardInterrupt` that was put off; asyncio's own handler has its say before."""
        if self.happened:
            if self._is_mine and callable(self._handler):
                self._handler(signal.SIGINT, None)
            raise KeyboardInterrupt

    def close(self) -> None:
        """Give the signals back to whom they belonged."""
        self._ended.set()
        signal.set_wakeup_fd(self._before, warn_on_full_buffer=False)
        os.close(self._write)  # what is in the pipe is still read
        self._thread.join()
        os.close(self._read)
        if self._is_mine:  # the last step: until now no signal is lost, and from now on it may raise
            signal.signal(signal.SIGINT, self._handler)

    def _note(self, *_: object) -> None:
        self.happened = True

    def _listen(self) -> None:
        stopped = False
        while numbers := os.read(self._read, 64):
            if self._before >= 0:
                _write(self._before, numbers)
            self._left -= numbers.count(signal.SIGINT)
            if self._left <= 0 and not stopped:
                self.happened = stopped = True
                self._end_work()

    def _end_work(self) -> None:
        """Stop what runs, again and again: a macro that has not quite begun would not notice the first time."""
        until = time.monotonic() + STUCK_SECONDS
        while time.monotonic() < until:
            try:
                self._stop()
            except Exception:  # noqa: BLE001 - of Java, too: what is stuck then is still told
                _log.debug("what runs in Java could not be stopped", exc_info=True)
            if self._ended.wait(_AGAIN_SECONDS):
                return
        if self._on_stuck is not None:
            self._on_stuck()


def _is_pythons(handler: object) -> bool:
    """Whether a handler of Ctrl-C is that of Python itself, or of asyncio.run, and not one of the program's own."""
    made_from = getattr(handler, "func", None)  # asyncio's is a functools.partial
    return handler is signal.default_int_handler or getattr(made_from, "__module__", "") == "asyncio.runners"


def _write(file: int, numbers: bytes) -> None:
    """Write to the wakeup file of another part of the program: on Windows asyncio's is a socket."""
    with contextlib.suppress(OSError):
        if sys.platform != "win32":
            os.write(file, numbers)
            return
        there = socket.socket(fileno=file)
        try:
            there.send(numbers)
        finally:
            there.detach()


@contextlib.contextmanager
def stopping(stop: Callable[[], None], on_stuck: Callable[[], None] | None = None) -> Iterator[Interrupts | None]:
    """While the block runs in the main thread, have Ctrl-C call `stop` at once, on another thread.

    Where the program has a handler of its own, which gets its say when Java is left, only the third Ctrl-C does.

    Parameters
    ----------
    stop
        Makes what runs in Java end soon; called again while it goes on.
    on_stuck
        Called when it has not, `STUCK_SECONDS` later.

    Raises
    ------
    KeyboardInterrupt
        At the end of the block, when it was interrupted, whatever error it ends with.
    """
    global _watch  # noqa: PLW0603 - the main thread's, of which there is one
    on_main = threading.current_thread() is threading.main_thread()
    if not on_main or signal.getsignal(signal.SIGINT) in (None, signal.SIG_IGN):
        yield None
        return
    if _watch is not None:  # a block within one: it has the same to stop
        _watch.check()
        yield _watch
        _watch.check()
        return
    watch = _watch = Interrupts(stop, on_stuck)
    try:
        yield watch
    finally:
        _watch = None
        watch.close()
        watch.check()
