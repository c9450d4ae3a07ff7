"""Ctrl-C that asks a job to finish before it cancels it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from bioimg_fiji.jobs import Job

FINISHING = "Finishing: the best state so far is kept. Ctrl-C again cancels."


@contextmanager
def finish_on_interrupt(job: Job, say: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, have the first Ctrl-C finish the job; the second is what it was before.

    SIGTERM cancels the job, which then leaves a checkpoint; a second one ends the process as before. Only the main
    thread can do this: elsewhere nothing is changed. A signal that is ignored (nohup) stays ignored.

    Parameters
    ----------
    job
        The job of the block.
    say
        Shows `FINISHING`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def restore(number: int) -> None:
        if number in before:
            signal.signal(number, before.pop(number))

    def finish(number: int, _: FrameType | None) -> None:
        restore(number)
        job.finish()
        # On a thread of its own: the main one may have been stopped in the middle of a print.
        threading.Thread(target=say, args=(FINISHING,), daemon=True).start()

    def cancel(number: int, _: FrameType | None) -> None:
        restore(number)
        job.cancel()

    handlers: dict[int, Callable[[int, FrameType | None], None]] = {signal.SIGINT: finish, signal.SIGTERM: cancel}
    for number, handler in handlers.items():
        known = signal.getsignal(number)
        if known not in (signal.SIG_IGN, None):  # None: set by other than Python, and could not be restored
            before[number] = known
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number in list(before):
            restore(number)
