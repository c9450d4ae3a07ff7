"""What the server knows of one job."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from bioimg_fiji.errors import BioimgError
from bioimg_fiji.jobs import JobState, Progress
from bioimg_fiji.server.pool import Worker
from bioimg_fiji.server.requests import JobRequest


@dataclass
class JobRecord:
    """One job as the server knows it."""

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
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def become(self, state: JobState) -> None:
        """Change the state; an ended job stays as it ended."""
        if self.state.may_become(state):
            self.state = state
            if state.ended:
                self.ended.set()
            self.announce()

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
        }
