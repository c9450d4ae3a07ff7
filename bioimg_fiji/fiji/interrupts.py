"""Ctrl-C: it is Python's, also while Java runs, and stops the work and not the process.

Java takes the signal for itself when it starts (and ends the process with it), unless it is told not to. Python's own
handler then runs, but only between two steps of Python: while the main thread is inside Java, a macro would first run
to its end. So what is inside Java is stopped from another thread, which Python's C code tells of the signal at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator

JAVA_OPTION = "-Xrs"
"""Has Java leave the signals alone."""

_PATIENCE = 3


def give_to_python() -> None:
    """Take Ctrl-C back from a Java that was started without `JAVA_OPTION`; only the main thread can."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)


@contextlib.contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[threading.Event]:
    """Call `stop` on another thread when Ctrl-C comes meanwhile, and tell by the event that it came.

    Where the program has a handler of its own, which gets its say when Java is left, only the third Ctrl-C stops
    (as in `cli.interrupt`). Nothing is done where it is ignored, and on other threads than the main one.
    """
    came = threading.Event()
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    if not main or handler is None or handler is signal.SIG_IGN:
        yield came
        return
    left = 1 if handler is signal.default_int_handler else _PATIENCE
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)

    def watch() -> None:
        nonlocal left
        while numbers := reading.recv(64):
            if before >= 0:  # somebody else, such as an event loop, waits for signals this way
                with contextlib.suppress(OSError):
                    os.write(before, numbers)
            left -= numbers.count(signal.SIGINT)
            if left <= 0 and not came.is_set():
                came.set()
                stop()

    thread = threading.Thread(target=watch, name="bioimg-interrupt", daemon=True)
    thread.start()
    try:
        yield came
    finally:
        signal.set_wakeup_fd(before)
        writing.close()
        thread.join()
        reading.close()
