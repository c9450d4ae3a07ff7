"""Jobs: states, progress, cancelling.

Lives here: what a job is, for the code that does the work and for those who watch it; standard library only. Lives not
here: processes, queues, HTTP (server/), windows (fiji/, fiji-plugin/).

States::

    queued -> running -> done | failed | cancelled
       `-------------------------------^
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bioimg_fiji.errors import JobCancelledError


class JobState(enum.Enum):
    """State of a job, with the states that may follow."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether no other state follows."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)

    def may_become(self, other: JobState) -> bool:
        """Whether `other` is a state that may follow this one."""
        if self is JobState.QUEUED:
            return other in (JobState.RUNNING, JobState.FAILED, JobState.CANCELLED)
        return self is JobState.RUNNING and other.ended


@dataclass(frozen=True)
class Progress:
    """One report: where the work stands.

    `maximum` 0 means that the end is not known. `figures` are numbers worth a curve or a column (loss, psnr,
    seconds_left).
    """

    message: str = ""
    current: float = 0
    maximum: float = 0
    figures: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form that the protocol sends."""
        return {
            "message": self.message,
            "current": self.current,
            "maximum": self.maximum,
            "figures": self.figures,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Progress:
        """Read `to_json`'s form."""
        return cls(data["message"], data["current"], data["maximum"], dict(data.get("figures", {})))


class Job:
    """The worker's handle: it reports progress, gives notes to the user and asks whether it should stop.

    Parameters
    ----------
    on_progress
        Called with each `Progress`, on the worker's thread.
    on_note
        Called with each sentence meant for the user (a warning, a decision that was taken).
    """

    def __init__(
        self,
        on_progress: Callable[[Progress], None] | None = None,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        self._on_progress = on_progress or (lambda _: None)
        self._on_note = on_note or (lambda _: None)
        self._cancel = threading.Event()

    def progress(self, message: str, current: float = 0, maximum: float = 0, **figures: float) -> None:
        """Report where the work stands, then raise `JobCancelledError` if the user asked to stop."""
        self._on_progress(Progress(message, current, maximum, figures))
        self.check()

    def note(self, sentence: str) -> None:
        """Tell the user a sentence that outlives the progress line."""
        self._on_note(sentence)

    def cancel(self) -> None:
        """Ask the work to stop (any thread)."""
        self._cancel.set()

    @property
    def cancelled(self) -> bool:
        """Whether the user asked to stop."""
        return self._cancel.is_set()

    def check(self) -> None:
        """Raise `JobCancelledError` if the user asked to stop."""
        if self.cancelled:
            raise JobCancelledError("The job was cancelled.")
