"""Ctrl-C that asks a job to finish, then to cancel, and only then interrupts it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from bioimg_fiji.jobs import Job

FINISHING = "Finishing: the best state so far is kept. Ctrl-C again cancels."
CANCELLING = "Cancelling after the step that runs: a checkpoint is kept. Ctrl-C again stops at once."


@contextmanager
def finish_on_interrupt(job: Job, say: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, have the first Ctrl-C finish the job and the second cancel it.

    The third one does what it did before the block. SIGTERM cancels the job, which then leaves a checkpoint; a second
    one ends the process as before. Only the main thread can do this: elsewhere nothing is changed. A signal that is
    ignored (nohup) stays ignored.

    Parameters
    ----------
    job
        The job of the block.
    say
        Shows `FINISHING` and `CANCELLING`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = _Handlers(job, say)
    handlers.take(signal.SIGINT, handlers.finish)
    handlers.take(signal.SIGTERM, handlers.cancel)
    try:
        yield
    finally:
        handlers.restore_all()


class _Handlers:
    """The handlers of a job, and what the signals did before."""

    def __init__(self, job: Job, say: Callable[[str], None]) -> None:
        self._job, self._say = job, say
        self._before: dict[int, Any] = {}

    def take(self, number: int, handler: Callable[[int, FrameType | None], None]) -> None:
        known = signal.getsignal(number)
        if known not in (signal.SIG_IGN, None):  # None: set by other than Python, and could not be restored
            self._before[number] = known
            signal.signal(number, handler)

    def finish(self, number: int, _: FrameType | None) -> None:
        if self._job.finishing or self._job.cancelled:
            # NB: no KeyboardInterrupt yet: it would stop in the middle of a step.
            self.cancel(number, None)
            self._tell(CANCELLING)
        else:
            self._job.finish()
            self._tell(FINISHING)

    def cancel(self, number: int, _: FrameType | None) -> None:
        self._restore(number)
        self._job.cancel()

    def restore_all(self) -> None:
        for number in list(self._before):
            self._restore(number)

    def _restore(self, number: int) -> None:
        if number in self._before:
            signal.signal(number, self._before.pop(number))

    def _tell(self, sentence: str) -> None:
        # On a thread of its own: the main one may have been stopped in the middle of a print.
        threading.Thread(target=self._say, args=(sentence,), daemon=True).start()
