"""What the server knows of one job."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from bioimg_fiji.errors import BioimgError, JobCancelledError, StorageError, WorkerDiedError
from bioimg_fiji.jobs import JobState, Progress
from bioimg_fiji.server import telemetry
from bioimg_fiji.server.process import Worker
from bioimg_fiji.server.requests import JobRequest

CANCELLED = "The job was cancelled."
"""What is said of a job that its user has cancelled."""

STOPPED = "The server was stopped."
"""What is said of a job that ended with its server."""


@dataclass
class JobRecord:
    """One job as the server knows it.

    `work` is the kind of its command (`bioimg_fiji.commands.registry.Work`), `client` who is charged for it. One
    that is `kept` outlives the server, and has begun `starts` times; `parked`: this server does no more for it.
    """

    id: str
    request: JobRequest
    state: JobState = JobState.QUEUED
    progress: Progress = field(default_factory=Progress)
    notes: list[str] = field(default_factory=list)
    error: BioimgError | None = None
    result: dict[str, Any] | None = None
    cancel_reason: str | None = None
    finishing: bool = False
    live: dict[str, Any] | None = None
    shown: int = 0
    worker: Worker | None = None
    task: asyncio.Task[None] | None = None
    touched: float = field(default_factory=time.monotonic)
    times: dict[str, float] = field(default_factory=lambda: {"queued": time.time()})
    since: float = field(default_factory=time.monotonic)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    work: str = "run"
    client: str = ""
    kept: bool = False
    starts: int = 0
    parked: bool = False

    @property
    def label(self) -> str:
        """What a worker that has done this job has loaded: the next job of the same label finds it there."""
        parameters = self.request.parameters
        loaded = [str(parameters.get(name) or "") for name in ("model", "weights", "device")]
        return "\n".join([self.request.command, *loaded])

    @property
    def finishable(self) -> bool:
        """Whether the work has said that it can end early with what it has: then it has something to keep."""
        return self.live is not None and bool(self.live.get("finishable"))

    def cancelled(self, error: BioimgError | None = None, *, late: float | None = None) -> JobCancelledError:
        """Give the error of this job's cancelling.

        Parameters
        ----------
        error
            With what the work ended. What it says is to be kept counts, and that the disk was too full to keep it;
            other errors of work that was to be stopped are of no interest.
        late
            Seconds after which the work was killed, where it was.
        """
        reason = self.cancel_reason or CANCELLED
        if isinstance(error, JobCancelledError):
            message = error.message if reason == CANCELLED else reason
            return JobCancelledError(message, fix=error.fix, **error.details)
        if isinstance(error, StorageError):
            return JobCancelledError(f"{reason} {error.message}", fix=error.fix)
        if late is not None and self.finishable:
            text = f"It had not stopped after {late:g} seconds and was ended: a checkpoint that it had kept before is"
            return JobCancelledError(reason, fix=f"{text} still there, but not its last steps.")
        return JobCancelledError(reason)

    def become(self, state: JobState) -> None:
        """Change the state; an ended job stays as it ended."""
        if self.state.may_become(state):
            self._count(state)
            self.state = state
            if state.ended:
                self.ended.set()
            self.announce()

    def fail(self, error: BioimgError) -> None:
        """Have failed before it began."""
        self.error = error
        self.become(JobState.FAILED)

    def park(self) -> None:
        """Leave the job to the next server: those who watch it hear nothing of an end."""
        self.parked = True
        self.ended.set()
        self.announce()

    def _count(self, state: JobState) -> None:
        now, command = time.monotonic(), self.request.command
        if state is JobState.RUNNING:
            telemetry.WAITED.labels(command).observe(now - self.since)
        else:
            telemetry.ENDED.labels(command, state.value).inc()
            if self.state is JobState.RUNNING:
                telemetry.RAN.labels(command).observe(now - self.since)
        if isinstance(self.error, WorkerDiedError):
            telemetry.DEATHS.labels(str(self.error.details.get("signal", ""))).inc()
        self.since = now
        self.times["running" if state is JobState.RUNNING else "ended"] = time.time()

    def show(self, live: dict[str, Any]) -> None:
        """Keep what can be looked at now, in the place of what was before."""
        self.live = live
        self.shown += 1
        self.announce()

    def announce(self) -> None:
        """Wake all who watch the job."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def status(self) -> dict[str, Any]:
        """Give the protocol's job status."""
        return {
            "id": self.id,
            "command": self.request.command,
            "state": self.state.value,
            "progress": self.progress.to_json(),
            "notes": list(self.notes),
            "error": None if self.error is None else self.error.to_json(),
            "result": self.result,
            "live": self.shown,
            "finishing": self.finishing,
            "kept": self.kept,
        }
