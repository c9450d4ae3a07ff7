"""The newest of many values, sent now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Newest(Generic[T]):
    """Sends values at most every so many seconds; a newer one takes the place of one that still waits.

    The sending is done by a thread of its own: whoever gives a value does not wait for it.

    Parameters
    ----------
    send
        Gets the values, one at a time, in the order in which they were given.
    seconds
        Least time between two sendings.
    """

    def __init__(self, send: Callable[[T], None], seconds: float) -> None:
        self._send = send
        self._seconds = seconds
        self._waiting: list[T] = []
        self._timer: threading.Timer | None = None
        self._last = -seconds
        self._lock = threading.Lock()
        self._sending = threading.Lock()

    def give(self, value: T) -> None:
        """Have this value sent as soon as the time has come (any thread)."""
        with self._lock:
            self._waiting = [value]
            if self._timer is None:
                self._timer = threading.Timer(max(0.0, self._last + self._seconds - time.monotonic()), self._due)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Send at once what still waits; after it nothing is under way."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
        self._due()

    def _due(self) -> None:
        with self._sending:
            with self._lock:
                waiting, self._waiting, self._timer = self._waiting, [], None
                self._last = time.monotonic()
            for value in waiting:
                self._send(value)
