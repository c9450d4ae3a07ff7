"""One thread at a time: ImageJ's active image, its batch mode and its macro interpreter are those of the process."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from bioimg_fiji.fiji import forks
from bioimg_fiji.fiji.patience import THREAD


class Turns:
    """A lock for what a session does; a command that calls the session again, in the course of its work, may enter."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        if not _in_command():
            self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not _in_command():
            self._lock.release()

    def free(self, seconds: float) -> bool:
        """Whether nobody has the lock, or gives it back within so many seconds."""
        free = self._lock.acquire(timeout=seconds)
        if free:
            self._lock.release()
        return free


P = ParamSpec("P")
T = TypeVar("T")


class HasTurns(Protocol):
    """What has a lock for its methods."""

    turns: Turns


S = TypeVar("S", bound=HasTurns)


def in_turn(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Have a method's callers on other threads wait until it has ended."""

    def taking_turns(self: S, /, *args: P.args, **keys: P.kwargs) -> T:
        if forks.is_fork():  # where the lock may be that of a thread which is not there
            return method(self, *args, **keys)
        with self.turns:
            return method(self, *args, **keys)

    functools.update_wrapper(taking_turns, method)
    return taking_turns


def _in_command() -> bool:
    """Whether this thread does the work of a command: its caller has the lock, and waits.

    NB: not of one from Fiji's own menu, nor of one whose caller has left it: these enter beside whoever has the lock.
    """
    return threading.current_thread().name == THREAD
