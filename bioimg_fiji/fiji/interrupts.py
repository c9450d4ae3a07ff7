"""Ctrl-C: it is Python's, also while Java runs, and stops the work and not the process.

Java takes the signal for itself when it starts (and ends the process with it), unless it is told not to. Python's own
handler then runs, but only between two steps of Python: while the main thread is inside Java, a macro would first run
to its end; and where Java is calling Python at that moment, a KeyboardInterrupt on its way through Java leaves JPype
broken. So what is inside Java is stopped from another thread, which Python's C code tells of the signal at once by the
file of `signal.set_wakeup_fd`, and the KeyboardInterrupt is put off until Java has returned.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

JAVA_OPTION = "-Xrs"
"""Has Java leave the signals alone."""

STUCK_SECONDS = 5.0
"""After an interrupt, the time that Java has to give up before `on_stuck` is called."""

THREAD = "bioimg-interrupts"

_PATIENCE = 3
"""Which Ctrl-C stops where the program has a handler of its own, as in `cli.interrupt`."""


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
        self._left = _PATIENCE
        if self._handler is signal.default_int_handler:
            self._left = 1
            signal.signal(signal.SIGINT, lambda *_: None)
        self._before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._listen, name=THREAD, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise the `KeyboardInterrupt` that was put off."""
        if self.happened:
            raise KeyboardInterrupt

    def close(self) -> None:
        """Give the signals back to whom they belonged."""
        self._ended.set()
        signal.set_wakeup_fd(self._before, warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, self._handler)
        os.write(self._write, b"\0")
        self._thread.join()
        os.close(self._write)
        os.close(self._read)

    def _listen(self) -> None:
        while not self._ended.is_set():
            numbers = os.read(self._read, 64)
            if self._before >= 0 and (others := numbers.strip(b"\0")):
                with contextlib.suppress(OSError):
                    os.write(self._before, others)
            self._left -= numbers.count(signal.SIGINT)
            if self._left <= 0 and not self.happened:
                self.happened = True
                self._stop()
                if self._on_stuck is not None and not self._ended.wait(STUCK_SECONDS):
                    self._on_stuck()


@contextlib.contextmanager
def stopping(stop: Callable[[], None], on_stuck: Callable[[], None] | None = None) -> Iterator[Interrupts | None]:
    """While the block runs in the main thread, have Ctrl-C call `stop` at once, on another thread.

    Where the program has a handler of its own, which gets its say when Java is left, only the third Ctrl-C does.

    Parameters
    ----------
    stop
        Makes what runs in Java end soon.
    on_stuck
        Called when it has not, `STUCK_SECONDS` later.

    Raises
    ------
    KeyboardInterrupt
        At the end of the block, when it was interrupted.
    """
    on_main = threading.current_thread() is threading.main_thread()
    if not on_main or signal.getsignal(signal.SIGINT) in (None, signal.SIG_IGN):
        yield None
        return
    watch = Interrupts(stop, on_stuck)
    try:
        yield watch
    finally:
        watch.close()
    watch.check()
