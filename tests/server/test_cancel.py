"""How long a cancelled job may go on, and what its user is told: a job store with a worker that does as it is told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bioimg_fiji.errors import BioimgError, JobCancelledError, StorageError, TrainingError
from bioimg_fiji.jobs import Live
from bioimg_fiji.server.buffers import BufferStore
from bioimg_fiji.server.options import Limits, ServeOptions
from bioimg_fiji.server.requests import JobRequest
from bioimg_fiji.server.store import JobStore

FIX = "The same command with resume=true goes on from a.checkpoint."
LONG = 60.0
KEPT = JobCancelledError("The job was cancelled.", fix=FIX)
FULL = StorageError("The checkpoint cannot be written: the disk is full.", fix="Free some space.")


class Obedient:
    """A worker that shows something, and once it is to cancel ends with an error, or only when it is killed."""

    def __init__(self, *, finishable: bool, error: BioimgError | None) -> None:
        self.process = SimpleNamespace(pid=1)
        self.messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.messages.put_nowait({"live": Live(finishable=finishable).to_json()})
        self.killed = False
        self.jobs = 0
        self._error = error

    async def send(self, message: dict[str, Any]) -> None:
        """Do as the server says."""
        if message.get("wish") == "cancel" and self._error is not None:
            self.messages.put_nowait({"error": self._error.to_json()})
            self.messages.put_nowait(None)

    def kill(self) -> None:
        """End without a word."""
        self.killed = True
        self.messages.put_nowait(None)


def cancelled(worker: Obedient, folder: Path, limits: Limits, *reason: str) -> JobCancelledError:
    """Cancel a job that this worker does, and give the error that its user gets."""
    buffers = BufferStore(folder)
    store = JobStore(ServeOptions(limits=limits), buffers, "log")
    store._pool = cast("Any", SimpleNamespace(take=lambda _: worker, prepare=lambda: None, held=(0, 0)))

    async def play() -> BioimgError | None:
        job = store.submit(JobRequest("show_live", {}, {}))
        while not job.shown:
            await job.changed.wait()
        store.cancel(job, *reason)
        await asyncio.wait_for(job.ended.wait(), 30)
        assert job.task is not None
        await job.task
        assert job.state.value == "cancelled"
        return job.error

    error = asyncio.run(play())
    buffers.close()
    assert isinstance(error, JobCancelledError)
    return error


@pytest.fixture
def answers(tmp_path: Path) -> Any:
    """Cancel a job whose worker answers with an error, long before it would be killed; give what the user is told."""

    def answers(error: BioimgError, *reason: str) -> tuple[str, str]:
        limits = Limits(cancel_seconds=LONG, checkpoint_seconds=LONG)
        told = cancelled(Obedient(finishable=True, error=error), tmp_path, limits, *reason)
        return told.message, told.fix

    return answers


def test_the_work_tells_what_it_has_kept(answers: Any) -> None:
    assert answers(KEPT) == ("The job was cancelled.", FIX)
    assert answers(JobCancelledError("3 of 9 files are done.", fix=FIX)) == ("3 of 9 files are done.", FIX)


def test_who_cancelled_it_is_told_too(answers: Any) -> None:
    reason = "The job was cancelled: nobody has asked after it for 10 seconds."
    assert answers(KEPT, reason) == (reason, FIX)


def test_a_checkpoint_that_could_not_be_written_is_no_secret(answers: Any) -> None:
    message = "The job was cancelled. The checkpoint cannot be written: the disk is full."
    assert answers(FULL) == (message, "Free some space.")


def test_other_errors_of_work_that_was_to_stop_are_of_no_interest(answers: Any) -> None:
    assert answers(TrainingError("There is not enough memory.", fix="Use a smaller tile.")) == (
        "The job was cancelled.",
        "",
    )


def test_work_with_nothing_to_keep_is_killed_early(tmp_path: Path) -> None:
    worker = Obedient(finishable=False, error=None)
    error = cancelled(worker, tmp_path, Limits(cancel_seconds=0.01, checkpoint_seconds=LONG))
    assert worker.killed
    assert (error.message, error.fix) == ("The job was cancelled.", "")


def test_work_with_a_checkpoint_is_killed_later_and_the_user_is_told(tmp_path: Path) -> None:
    worker = Obedient(finishable=True, error=None)
    error = cancelled(worker, tmp_path, Limits(cancel_seconds=LONG, checkpoint_seconds=0.02))
    assert worker.killed
    assert error.message == "The job was cancelled."
    assert error.fix == (
        "It had not stopped after 0.02 seconds and was ended: a checkpoint that it had kept before is still there, "
        "but not its last steps."
    )


def test_the_limits_are_those_of_the_protocol() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text("utf-8")
    (row,) = (line for line in text.splitlines() if "/cancel`" in line)
    limits = Limits()
    assert f"after {limits.cancel_seconds:g} s, or" in row
    assert f"after {limits.checkpoint_seconds:g} s." in row
