"""A lost connection is waited for: the server goes on with the job, and the client goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from bioimg_fiji.errors import ServerUnavailableError
from bioimg_fiji.jobs import Job

T = TypeVar("T")

_FIRST, _LONGEST = 0.2, 5.0
"""Seconds between two tries: at first and at most."""

_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Patience:
    """How long a server that does not answer is waited for.

    Parameters
    ----------
    seconds
        While nothing answers: the network may be cut.
    refused
        While its computer answers that nobody listens there: the server has ended.
    """

    seconds: float = 0.0
    refused: float = 0.0

    def of(self, work: Callable[[], T], job: Job, *, kept: bool = False) -> T:
        """Do work that may be done twice, again and again while the server is lost.

        Parameters
        ----------
        kept
            Whether a server that has ended has left what is asked for to the next one.

        Raises
        ------
        ServerUnavailableError
            When it stays lost for too long.
        JobCancelledError
            When the user does not want to wait.
        """
        waiting = Waiting(self, job, kept=kept)
        while True:
            try:
                return work()
            except ServerUnavailableError as error:
                waiting.lost(error)


class Waiting:
    """One loss of the connection, from the first failure on."""

    def __init__(self, patience: Patience, job: Job, *, kept: bool = False) -> None:
        self._patience, self._job = patience, job
        self._since: float | None = None
        self._pause = _FIRST
        self.kept = kept
        """Whether a server that has ended has left what is waited for to the next one."""

    def found(self) -> None:
        """Take note that the server has answered."""
        self._since, self._pause = None, _FIRST

    def lost(self, error: ServerUnavailableError) -> None:
        """Wait until it is time for the next try; the user is told, and may cancel.

        Raises
        ------
        ServerUnavailableError
            This error, when it has been lost for too long.
        JobCancelledError
            When the user cancels.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
        ended = error.details.get("refused") and not self.kept
        limit = self._patience.refused if ended else self._patience.seconds
        if now - self._since >= limit:
            raise error
        end = now + self._pause
        self._pause = min(2 * self._pause, _LONGEST)
        while time.monotonic() < end:
            seconds = time.monotonic() - self._since
            self._job.progress(f"The connection is lost; the server is waited for ({seconds:.0f} s)")
            time.sleep(_LOOK_SECONDS)
