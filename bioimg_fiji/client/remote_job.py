"""A job that a server runs: watched, cancelled, and its result fetched."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from bioimg_fiji.client.patience import Waiting
from bioimg_fiji.client.transport import Transport
from bioimg_fiji.commands import Result
from bioimg_fiji.errors import (
    BioimgError,
    JobCancelledError,
    ProtocolError,
    ServerUnavailableError,
    UnknownJobError,
)
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job, JobState, Live
from bioimg_fiji.server.wire import read_pixels

_AGAIN_SECONDS = 0.2


class RemoteJob:
    """One job of a server; `id` is its name there, and outlives this object.

    Status and result are those of docs/protocol.md, "Job status". Every method raises `ServerUnavailableError` when
    the server is gone, and `UnknownJobError` when it does not know the job (any more).
    """

    def __init__(self, transport: Transport, id_: str) -> None:
        self._transport = transport
        self.id = id_
        self._kept = False  # whether a server that is started again has it too

    def status(self) -> dict[str, Any]:
        """Give the job status as it is now."""
        return self._transport.json("GET", f"/v1/jobs/{self.id}")

    def cancel(self) -> dict[str, Any]:
        """Ask the job to stop, and give its status; one that has ended stays as it is."""
        return self._transport.json("POST", f"/v1/jobs/{self.id}/cancel")

    def finish(self) -> dict[str, Any]:
        """Ask the job to end early with the best result so far, and give its status; work that cannot goes on."""
        return self._transport.json("POST", f"/v1/jobs/{self.id}/finish")

    def live(self) -> Live | None:
        """Give the curves and the preview that the job shows now; None while it shows none."""
        try:
            return Live.from_json(self._transport.json("GET", f"/v1/jobs/{self.id}/live"))
        except ProtocolError as error:
            if "live" not in error.details:
                raise
            return None

    def forget(self) -> None:
        """Cancel the job if need be, and free what the server keeps of it."""
        self._transport.json("DELETE", f"/v1/jobs/{self.id}")

    def wait(self, job: Job | None = None) -> dict[str, Any]:
        """Wait until the job has ended, however it did, and give its status.

        Parameters
        ----------
        job
            Gets the remote job's progress and notes, and curves and preview where it is watched. Cancelling it cancels
            the remote one, and finishing it finishes that, within a second.

        Raises
        ------
        ServerUnavailableError
            When the server ends meanwhile.
        """
        return self._wait(_Told(job or Job()))

    def _wait(self, told: _Told) -> dict[str, Any]:
        for status in self._statuses(told.job):
            if told.job.cancelled and not told.cancelled:
                told.cancelled = self._reached(self.cancel)
            if told.job.finishing and not told.finishing:
                told.finishing = self._reached(self.finish)
            if status is not None:
                told.tell(status)
                if told.wants_live(status):
                    with contextlib.suppress(UnknownJobError):  # forgotten by another: the next status tells the end
                        self._reached(lambda: told.show(self.live()))
                if JobState(status["state"]).ended:
                    return status
        raise ProtocolError("The server's events ended before the job did.")

    def result(self, job: Job | None = None) -> Result:
        """Wait for the job and give its result, pixels and all.

        Raises
        ------
        BioimgError
            The error with which the job failed, of its own class; `JobCancelledError` when it was cancelled.
        """
        told = _Told(job or Job())
        before = None
        while True:
            status = self._wait(told)
            if status["error"] is not None:
                raise BioimgError.from_json(status["error"])
            result = status["result"]
            try:
                images = {name: self._image(part, told.job) for name, part in result["images"].items()}
            except UnknownJobError:
                if not self._kept or result["images"] == before:
                    raise
                before = result["images"]  # a server that ended before they were kept: the next one makes them anew
                continue
            return Result.from_json(result, images)

    def _reached(self, ask: Callable[[], object]) -> bool:
        """Ask something of the server; give whether it was there, where its loss is not at once the end."""
        try:
            ask()
        except ServerUnavailableError:
            if not self._transport.patience.seconds:
                raise
            return False
        return True

    def _image(self, part: Mapping[str, Any], job: Job) -> Image:
        header = part["header"]
        if part["path"] is not None:
            return Image.from_header(header, read_pixels(Path(part["path"]), header))
        return Image.from_header(header, self._transport.download(part["buffer"], header, job, kept=self._kept))

    def _statuses(self, job: Job) -> Iterator[dict[str, Any] | None]:
        """Give each status that the server tells, and None for each of its signs of life, until the job has ended.

        A stream that is lost is opened again, for as long as the connection's patience lasts; the next server has a job
        that is kept.
        """
        waiting = Waiting(self._transport.patience, job, kept=self._kept)
        while True:
            cause: Exception | None = None
            try:
                with self._transport.lines(f"/v1/jobs/{self.id}/events") as lines:
                    for line in lines:
                        waiting.found()
                        if line.startswith("data:"):
                            status = json.loads(line.removeprefix("data:"))
                            waiting.kept = self._kept = bool(status.get("kept"))
                            yield status
                        elif line.startswith(":"):
                            yield None
                time.sleep(_AGAIN_SECONDS)  # a server that leaves the job to the next one closes the stream
            except httpx.TransportError as error:
                cause = error
            try:  # the stream is lost; whether the server is, the next answer tells
                status = self.status()
            except ServerUnavailableError as gone:
                text = f"The model server at {self._transport.url} ended while the job ran."
                lost = ServerUnavailableError(text, fix=gone.fix, **gone.details)
                lost.__cause__ = cause or gone
                waiting.lost(lost)
            else:
                waiting.found()
                waiting.kept = self._kept = bool(status.get("kept"))
                yield status


class _Told:
    """What of a remote job the local one has been told already."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.cancelled = self.finishing = False
        self._live = 0
        self._notes = 0
        self._progress: dict[str, Any] = {"message": "", "current": 0, "maximum": 0, "figures": {}}

    def tell(self, status: Mapping[str, Any]) -> None:
        for sentence in status["notes"][self._notes :]:
            self.job.note(sentence)
        self._notes = len(status["notes"])
        progress = status["progress"]
        if progress != self._progress:
            self._progress = progress
            figures = {name: value for name, value in progress["figures"].items() if value is not None}
            with contextlib.suppress(JobCancelledError):  # `wait` sees it, cancels the remote job and waits for its end
                self.job.progress(progress["message"], progress["current"], progress["maximum"], **figures)

    def wants_live(self, status: Mapping[str, Any]) -> bool:
        """Whether the remote job has something to show that the local one has not."""
        shown: int = status.get("live", 0)
        news, self._live = shown > self._live, shown
        return news and self.job.watched

    def show(self, live: Live | None) -> None:
        if live is not None:
            self.job.show(live)
