"""Which jobs are kept on the shelf, what is told of them there, and how they are taken up again."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

from bioimg_fiji import commands
from bioimg_fiji.commands.parameters import entries
from bioimg_fiji.commands.registry import Work
from bioimg_fiji.errors import BioimgError, StorageError, WorkerDiedError
from bioimg_fiji.jobs import JobState
from bioimg_fiji.server.buffers import BufferStore
from bioimg_fiji.server.record import JobRecord
from bioimg_fiji.server.requests import ImagePart, JobRequest
from bioimg_fiji.server.shelf import Shelf
from bioimg_fiji.server.wire import byte_size

LEAST_LEASE = 60.0
"""Clients with a shorter lease wait for no server that is started again."""

_MOST_STARTS = 10
"""A job that has begun so often without an end is taken for what has ended the servers."""

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Taken:
    """A job from the shelf: its record, and its idempotency key with the request's fingerprint."""

    job: JobRecord
    key: str
    fingerprint: str


class Keeper:
    """Keeps the jobs of one server.

    Parameters
    ----------
    shelf
        Where; None keeps nothing.
    buffers
        The server's.
    """

    def __init__(self, shelf: Shelf | None, buffers: BufferStore) -> None:
        self._shelf, self._buffers = shelf, buffers
        self._writer = ThreadPoolExecutor(1, "bioimg-keeper")  # one thread: changes are written in their order

    def close(self) -> None:
        """Wait until all is written."""
        self._writer.shutdown()

    def _write(self, work: Callable[[Shelf], None]) -> None:
        """Have the writer do something to the shelf, if there is one."""
        if self._shelf is not None:
            with contextlib.suppress(RuntimeError):  # the server has ended: what comes now is the next one's matter
                self._writer.submit(work, self._shelf).add_done_callback(_tell)

    def _write_starts(self, job: JobRecord, starts: int) -> None:
        self._write(lambda shelf: shelf.change(job.id, starts=starts))

    def keeps(self, request: JobRequest) -> bool:
        """Whether a job is one that is kept: somebody comes back for it."""
        return self._shelf is not None and (request.lease is None or request.lease >= LEAST_LEASE)

    def put(self, id_: str, request: JobRequest, *, key: str, fingerprint: str, work: str, client: str) -> None:
        """Keep a job before it is taken; blocks while its pixels are copied.

        Raises
        ------
        StorageError
            When there is no space for it.
        """
        assert self._shelf is not None
        told = dataclasses.asdict(request) | {"images": {name: part.header for name, part in request.images.items()}}
        entry = {
            "request": told,
            "key": key,
            "fingerprint": fingerprint,
            "work": work,
            "client": client,
            "queued": time.time(),
            "starts": 0,
            "state": JobState.QUEUED.value,
        }
        pixels = {f"in.{name}": self._buffers.get(part.buffer).path for name, part in request.images.items()}
        self._shelf.put(id_, entry, pixels)

    def started(self, job: JobRecord) -> None:
        """Note that a kept job begins."""
        if job.kept:
            job.starts += 1
            self._write_starts(job, job.starts)

    def left(self, job: JobRecord) -> None:
        """Note that a job that runs is left to the next server in good order: this start does not count."""
        if job.kept and job.state is JobState.RUNNING:
            self._write_starts(job, max(1, job.starts - 1))  # none would have it begin without its checkpoint

    def ended(self, job: JobRecord) -> None:
        """Keep how a kept job has ended, with a copy of its result."""
        if not job.kept:
            return
        values: dict[str, Any] = {"state": job.state.value, "notes": job.notes, "progress": job.progress.to_json()}
        if job.error is not None:
            values["error"] = job.error.to_json()
        results: dict[str, Path] = {}
        if job.result is not None:
            values["result"] = job.result
            images = job.result["images"]
            results = {f"out.{name}": self._buffers.get(image["buffer"]).path for name, image in images.items()}
        inputs = [f"in.{name}" for name in job.request.images]
        self._write(lambda shelf: _write_end(shelf, job.id, values, results, inputs))

    def drop(self, id_: str) -> None:
        """Keep a job no longer; "" is none."""
        if id_:
            self._write(lambda shelf: shelf.drop(id_))

    def take(self) -> Iterator[Taken]:
        """Give the jobs that an earlier server has left, the oldest first, with their pixels back in buffers.

        One that waits and cannot be taken up has failed, and says why; an ended one whose result has no room now stays
        for the next server.
        """
        for id_, entry in self._shelf.entries() if self._shelf is not None else ():
            try:
                yield self._taken(id_, entry)
            except BioimgError as error:
                _log.warning("The kept job %s is left on the shelf: %s", id_, error)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                _log.warning("The kept job %s is of another version, and left: %r", id_, error)

    def _taken(self, id_: str, entry: dict[str, Any]) -> Taken:
        told, starts, state = dict(entry["request"]), int(entry["starts"]), JobState(entry["state"])
        if entry["work"] not in get_args(Work):
            raise ValueError(entry["work"])
        headers, told["images"] = told["images"], {}
        accept = told["accept"]
        request = JobRequest(**(told | {"accept": None if accept is None else tuple(accept)}))
        job = JobRecord(id_, request, work=entry["work"], client=entry["client"], kept=True, starts=starts)
        job.times["queued"] = float(entry["queued"])
        if state.ended:
            self._as_it_ended(job, state, entry)
        elif starts >= _MOST_STARTS:
            text = f"The job has begun {starts} times, and each time its server ended before it."
            fix = "Try a smaller image or smaller tiles; the log may tell why the server ended."
            if can_resume(request.command):
                fix += " The same command with resume=true goes on from its checkpoint."
            job.fail(WorkerDiedError(text, fix=fix, signal="", log=""))
        else:
            try:
                job.request = dataclasses.replace(request, images=self._inputs(id_, headers))
                if starts:
                    job.request = resumed(job.request)
            except BioimgError as error:
                job.fail(error)
        return Taken(job, entry["key"], entry["fingerprint"])

    def _inputs(self, id_: str, headers: dict[str, Any]) -> dict[str, ImagePart]:
        return {
            name: ImagePart(header, self._buffer(id_, f"in.{name}", byte_size(header)))
            for name, header in headers.items()
        }

    def _buffer(self, id_: str, name: str, size: int) -> str:
        """Bring a kept file back into a buffer: in memory, or where that has no space on the disk."""
        assert self._shelf is not None
        try:
            buffer = self._buffers.create(size, local=False)
        except StorageError:
            buffer = self._buffers.create(size, local=False, on_disk=True)
        self._shelf.take(id_, name, buffer.path)
        buffer.filled = True
        buffer.received = size
        return buffer.id

    def _as_it_ended(self, job: JobRecord, state: JobState, entry: dict[str, Any]) -> None:
        job.notes.extend(entry.get("notes", []))
        if entry.get("error") is not None:
            job.error = BioimgError.from_json(entry["error"])
        if entry.get("result") is not None:
            result = dict(entry["result"])
            result["images"] = {name: self._output(job, name, image) for name, image in result["images"].items()}
            job.result = result
        job.state = state
        job.ended.set()

    def _output(self, job: JobRecord, name: str, image: dict[str, Any]) -> dict[str, Any]:
        """Bring back an image of a result under its old id: its client may know that already."""
        id_, size = str(image["buffer"]), byte_size(image["header"])
        if not re.fullmatch(re.escape(job.id) + r"\.\d+", id_):
            raise ValueError(id_)
        for on_disk in (False, True):
            folder = self._buffers.disk if on_disk else self._buffers.folder
            try:
                assert self._shelf is not None
                self._shelf.take(job.id, f"out.{name}", folder / id_)
                break
            except StorageError:
                if on_disk:
                    raise
        buffer = self._buffers.adopt(id_, size, None, job.id, on_disk=on_disk)
        path = str(buffer.path) if job.request.local else None
        return image | {"path": path, "on_disk": on_disk}


def _tell(written: Future[None]) -> None:
    if (error := written.exception()) is not None:
        _log.error("a kept job could not be changed", exc_info=error)


def _write_end(shelf: Shelf, id_: str, values: dict[str, Any], results: dict[str, Path], inputs: list[str]) -> None:
    """Write how a job has ended; what was given to it is not needed any more."""
    try:
        shelf.add(id_, results)
    except BioimgError as error:  # the client may have it all the same, if it comes before the server ends
        _log.warning("The result of job %s is not kept: %s", id_, error)
        return
    shelf.change(id_, **values)
    shelf.drop(id_, *inputs)


def can_resume(command: str) -> bool:
    """Whether a command's work can go on from a checkpoint."""
    return "resume" in entries(commands.find(command).parameters)


def resumed(request: JobRequest) -> JobRequest:
    """Give the request of work that had begun: one that can go on from a checkpoint does."""
    if not can_resume(request.command):
        return request
    return dataclasses.replace(request, parameters=request.parameters | {"resume": True})
