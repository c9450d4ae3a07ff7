"""Waiting for a command's work on another thread, so that a cancelled one gives its caller ImageJ back at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from bioimg_fiji.errors import JobCancelledError

CANCEL_SECONDS = 0.7
"""From the wish to cancel until the caller goes on; with what comes around it below a second."""

POLL_SECONDS = 0.02
THREAD = "bioimg-command"

T = TypeVar("T")


class Patience(Generic[T]):
    """Work on a thread of its own.

    Work sees that it is to stop when it next reports its progress; a caller that cannot wait so long leaves it alone.

    Parameters
    ----------
    work
        What is to be done.
    ended
        Called on the thread when the work has ended; with its error if it has one and nobody waits any more.
    """

    def __init__(self, work: Callable[[], T], ended: Callable[[BaseException | None], None]) -> None:
        self.left = False
        self._done = False
        self._lock = threading.Lock()
        self._work = work
        self._on_end = ended
        self._ended = threading.Event()
        self._result: list[T] = []
        self._error: BaseException | None = None

    def wait(self, cancelled: Callable[[], bool]) -> T:
        """Do the work and give its result.

        Raises
        ------
        JobCancelledError
            When `cancelled` says so and the work has not ended a moment later.
        BaseException
            Whatever the work raises.
        """
        threading.Thread(target=self._run, name=THREAD, daemon=True).start()
        try:
            if not self._ends(cancelled) and not self._leave():
                self._ended.wait()  # it has ended at this very moment: what it has to say is still for the caller
        except BaseException:  # Ctrl-C in Python
            self._leave()
            raise
        if self.left:
            raise JobCancelledError("The command was cancelled.")
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _leave(self) -> bool:
        """Leave the work alone, unless it has ended."""
        with self._lock:
            self.left = not self._done
        return self.left

    def _ends(self, cancelled: Callable[[], bool]) -> bool:
        """Wait for the end; False when the caller has cancelled and must wait no longer."""
        deadline = None
        while not self._ended.wait(POLL_SECONDS):
            if deadline is None and cancelled():
                deadline = time.monotonic() + CANCEL_SECONDS
            elif deadline is not None and time.monotonic() > deadline:
                return False
        return True

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits
            self._error = error
        finally:
            with self._lock:
                self._done = True
                left = self.left
            try:
                self._on_end(self._error if left else None)
            finally:
                self._ended.set()
