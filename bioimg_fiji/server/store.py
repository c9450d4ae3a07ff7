"""The job store: queued, running and ended jobs of one server. Everything runs on the event loop's thread."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import secrets
import time
from typing import Any

from bioimg_fiji.errors import (
    BioimgError,
    JobCancelledError,
    ProtocolError,
    ServerBusyError,
    UnknownJobError,
    WorkerDiedError,
)
from bioimg_fiji.jobs import JobState, Progress
from bioimg_fiji.server import roots
from bioimg_fiji.server.buffers import BufferStore
from bioimg_fiji.server.keeping import Keeper
from bioimg_fiji.server.options import ServeOptions
from bioimg_fiji.server.pool import Holding, WorkerPool
from bioimg_fiji.server.process import Worker
from bioimg_fiji.server.queue import JobQueue
from bioimg_fiji.server.record import CANCELLED, STOPPED, JobRecord
from bioimg_fiji.server.requests import ImagePart, JobRequest
from bioimg_fiji.server.shelf import Shelf
from bioimg_fiji.server.wire import byte_size

_log = logging.getLogger(__name__)

_LONGEST_WAIT = 30
"""Seconds after which a client that was told to wait asks again at the latest."""

_ASLEEP = 5.0
"""Seconds between two looks at all jobs, which come twice a second, that tell that the computer has slept."""


class JobStore:
    """All jobs of one server, and their workers."""

    def __init__(self, options: ServeOptions, buffers: BufferStore, log_file: str, shelf: Shelf | None = None) -> None:
        self._limits = options.limits
        self._roots = options.roots
        self._buffers = buffers
        self._log_file = log_file
        self._pool = WorkerPool(options.warmth)
        self._looked = time.monotonic()
        self._keeper = Keeper(shelf, buffers)
        self._accepting: dict[str, tuple[str, asyncio.Task[JobRecord]]] = {}
        self._leaving = False
        slots = {"run": options.parallel, "batch": options.batches, "training": options.trainings}
        self._queue = JobQueue(slots)
        self._jobs: dict[str, JobRecord] = {}
        self._keys: dict[str, tuple[str, str]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._stopping = False

    def prepare(self) -> None:
        """Start the first worker in advance."""
        self._pool.prepare()

    def take_up(self) -> None:
        """Take up the jobs that an earlier server has left; before the first client asks for one."""
        for taken in self._keeper.take():
            job = taken.job
            self._jobs[job.id] = job
            if taken.key:
                self._keys[taken.key] = (job.id, taken.fingerprint)
            if not job.state.ended:
                for part in job.request.images.values():
                    self._buffers.get(part.buffer).job = job.id
                self._queue.add(job.id, job.client, job.work)
            _log.info("job %s (%s) is taken up: %s", job.id, job.request.command, job.state.value)
        self._start_next()

    def leave(self) -> None:
        """Have what is kept end without a word, as the next server goes on with it."""
        self._leaving = True

    async def accept(self, request: JobRequest, key: str, fingerprint: str, *, work: str, client: str) -> JobRecord:
        """Take a job into the queue as `submit` does, on the disk before it is answered where it is one that is kept.

        Raises
        ------
        As `submit`, and StorageError when there is no space to keep it.
        """
        if not self._keeper.keeps(request):
            return self.submit(request, key, fingerprint, work=work, client=client)
        if key in self._accepting:  # its client has asked again while the first is still being kept
            before, accepting = self._accepting[key]
            if before != fingerprint:
                raise _other_request()
            return await asyncio.shield(accepting)
        self._check(request, client, work)
        accepting = asyncio.create_task(self._accept(request, key, fingerprint, work, client))
        if key:
            self._accepting[key] = (fingerprint, accepting)
            accepting.add_done_callback(lambda _: self._accepting.pop(key))
        return await asyncio.shield(accepting)

    async def _accept(self, request: JobRequest, key: str, fingerprint: str, work: str, client: str) -> JobRecord:
        kept = secrets.token_hex(16)
        put = functools.partial(self._keeper.put, key=key, fingerprint=fingerprint, work=work, client=client)
        await asyncio.to_thread(put, kept, request)
        return self.submit(request, key, fingerprint, work=work, client=client, kept=kept)

    def count(self, state: JobState) -> int:
        """How many jobs are in that state."""
        return sum(job.state is state for job in self._jobs.values())

    @property
    def busy(self) -> bool:
        """Whether a job waits or runs."""
        return any(not job.state.ended for job in self._jobs.values())

    def known(self, key: str, fingerprint: str) -> JobRecord | None:
        """Find the job that the same request has made before.

        Raises
        ------
        ProtocolError
            When the key came with another request.
        """
        if key not in self._keys:
            return None
        id_, before = self._keys[key]
        if before != fingerprint:
            raise _other_request()
        return self._jobs[id_]

    def submit(
        self,
        request: JobRequest,
        key: str = "",
        fingerprint: str = "",
        *,
        work: str = "run",
        client: str = "",
        kept: str = "",
    ) -> JobRecord:
        """Take a job into the queue.

        Parameters
        ----------
        request
            What is to be done.
        key, fingerprint
            Of the request, see `known`.
        work
            The kind of the command.
        client
            Who is charged for it.
        kept
            The id under which it is kept already, see `accept`.

        Raises
        ------
        ProtocolError, UnknownJobError
            When a buffer is not there or not filled.
        ServerBusyError
            When too many jobs wait; the buffers stay the client's.
        ParameterError
            When a path is not under one of the roots.
        """
        job = JobRecord(kept or secrets.token_hex(16), request, work=work, client=client, kept=bool(kept))
        try:
            self._check(request, client, work)
        except BaseException:
            self._keeper.drop(kept)
            raise
        for part in request.images.values():
            self._buffers.get(part.buffer).job = job.id
        self._jobs[job.id] = job
        if key:
            self._keys[key] = (job.id, fingerprint)
        self._queue.add(job.id, client, work)
        self._start_next()
        return job

    def all(self) -> list[JobRecord]:
        """Give all jobs."""
        return list(self._jobs.values())

    def _check(self, request: JobRequest, client: str, work: str) -> None:
        """Check all before anything is taken: a refused request leaves its buffers to the client."""
        for path in request.files.values():
            roots.place(path, self._roots)
        parts = list(request.images.values())
        if len({part.buffer for part in parts}) != len(parts):
            raise ProtocolError("Two images name the same buffer.", fix="Send each image to a buffer of its own.")
        for part in parts:
            self._buffers.check(part.buffer, byte_size(part.header))
        self._check_room(client, work)

    def _check_room(self, client: str, work: str) -> None:
        mine, limits = self._queue.waiting(client), self._limits
        if mine >= limits.queued_by_client:
            what = f"{mine} jobs of this client"
        elif len(self._queue) >= limits.queued:
            what = f"{len(self._queue)} jobs"
        else:
            return
        seconds = min(_LONGEST_WAIT, math.ceil(self._queue.seconds_to_wait(work)))
        raise ServerBusyError(
            f"The model server takes no job now: {what} wait already.",
            fix=f"Try again in {seconds} s.",
            retry_after=seconds,
        )

    def _start_next(self) -> None:
        for id_ in () if self._stopping else self._queue.start(time.monotonic()):
            job = self._jobs[id_]
            job.task = asyncio.create_task(self._run(job))
            # NB: not by the task itself, which never runs if it is cancelled before it has begun.
            job.task.add_done_callback(functools.partial(self._leave_queue, job))

    def _leave_queue(self, job: JobRecord, _: object = None) -> None:
        self._queue.end(job.id, time.monotonic())
        self._start_next()

    def get(self, id_: str) -> JobRecord:
        """Find a job and note that somebody asked after it.

        Raises
        ------
        UnknownJobError
            When there is none of that id.
        """
        job = self.peek(id_)
        job.touched = time.monotonic()
        return job

    def peek(self, id_: str) -> JobRecord:
        """Find a job as somebody who only looks: raises as `get`."""
        try:
            return self._jobs[id_]
        except KeyError:
            raise UnknownJobError(
                "There is no job of that id.", fix="The server was restarted, or the job was forgotten: run it again."
            ) from None

    def touch(self, id_: str) -> None:
        """Note that somebody is busy with the job's results."""
        if id_ in self._jobs:
            self._jobs[id_].touched = time.monotonic()

    def unended(self, id_: str) -> bool:
        """Whether the job exists and has not ended."""
        return id_ in self._jobs and not self._jobs[id_].state.ended

    def cancel(self, job: JobRecord, reason: str = CANCELLED) -> None:
        """Ask a job to stop; its worker is killed when it has not stopped in time, longer for one with a checkpoint."""
        if job.parked:  # its user has come to it before the next server
            job.parked, job.cancel_reason = False, reason
            self._end(job, JobState.CANCELLED, error=job.cancelled())
        if job.state.ended or job.cancel_reason not in (None, STOPPED):
            return
        told, job.cancel_reason = job.cancel_reason is not None, reason
        if told:
            return
        if job.state is JobState.QUEUED:
            self._end(job, JobState.CANCELLED, error=job.cancelled())
            self._give_up(job)
        else:
            self._later(self._stop_worker(job))

    def finish(self, job: JobRecord) -> None:
        """Ask a job to end early with the best result so far; one that still waits is told when it starts."""
        if job.state.ended or job.finishing:
            return
        job.finishing = True
        job.announce()
        if job.worker is not None:
            self._later(job.worker.send({"job": job.id, "wish": "finish"}))

    async def forget(self, id_: str) -> None:
        """Cancel a job if need be, free its results and forget it; an unknown one is no error."""
        job = self._jobs.get(id_)
        if job is None:
            return
        if not job.state.ended:
            # Ended first: those who watch it are told, and what its worker still sends is not taken any more.
            self._end(job, JobState.CANCELLED, error=JobCancelledError(job.cancel_reason or "The job was deleted."))
            if job.worker is not None:
                job.worker.kill()
            else:
                self._give_up(job)
            if job.task is not None:
                await asyncio.wait([job.task], timeout=3)
        self._drop(job)

    def tidy(self) -> None:
        """Cancel jobs whose lease has run out, forget old ones; called every now and then."""
        now = time.monotonic()
        slept, self._looked = now - self._looked, now
        if slept > _ASLEEP:  # nobody could ask meanwhile
            _log.warning("The server, or the computer, has slept for %.0f s: leases are as much longer.", slept)
            for job in self._jobs.values():
                job.touched += slept
            self._buffers.excuse(slept)
        for job in list(self._jobs.values()):
            lease, silent = job.request.lease, now - job.touched
            if not job.state.ended:
                if lease is not None and silent > lease:
                    self.cancel(job, f"The job was cancelled: nobody has asked after it for {lease:g} seconds.")
            elif silent > (self._limits.keep_job if lease is None else max(lease, self._limits.keep_leased)):
                self._drop(job)
        ended = sorted((job for job in self._jobs.values() if job.state.ended), key=lambda job: job.touched)
        for job in ended[: max(0, len(self._jobs) - self._limits.jobs)]:
            self._drop(job)
        for job in ended[: max(0, len(ended) - self._limits.lives)]:
            job.live = None
        self._pool.tidy()
        self._buffers.free_abandoned(self._limits.keep_buffer)

    async def stop(self) -> None:
        """End all jobs and kill all workers."""
        self._stopping = True
        for job in list(self._jobs.values()):
            self._end(job, JobState.CANCELLED, error=JobCancelledError(STOPPED))
            if job.task is not None:
                job.task.cancel()
        await self._pool.close()
        await asyncio.to_thread(self._keeper.close)

    def _give_up(self, job: JobRecord) -> None:
        """Let a job that has no worker yet wait no longer."""
        if job.task is None:
            self._leave_queue(job)
        else:
            job.task.cancel()

    def _drop(self, job: JobRecord) -> None:
        self._jobs.pop(job.id, None)
        if job.kept:
            self._keeper.drop(job.id)
        self._keys = {key: value for key, value in self._keys.items() if value[0] != job.id}
        self._buffers.free_job(job.id)

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _stop_worker(self, job: JobRecord) -> None:
        worker = job.worker
        if worker is None:
            return
        self._later(worker.send({"job": job.id, "wish": "cancel"}))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(job.ended.wait(), self._patience(job))
        if not job.state.ended:
            worker.kill()

    def _patience(self, job: JobRecord) -> float:
        return self._limits.checkpoint_seconds if job.finishable else self._limits.cancel_seconds

    async def _run(self, job: JobRecord) -> None:
        try:
            await self._work(job)
        except asyncio.CancelledError:
            self._end(job, JobState.CANCELLED, error=job.cancelled())
        except Exception as error:  # noqa: BLE001 - one job fails, the server goes on
            _log.exception("[error] job %s", job.id)
            text = f"The server failed: {type(error).__name__}: {error}"
            self._end(job, JobState.FAILED, error=BioimgError(text, fix=f"The log has the details: {self._log_file}"))

    async def _work(self, job: JobRecord) -> None:
        self._keeper.started(job)
        try:
            worker = self._pool.take(job.label)
            if not await self._employ(worker, job) and job.cancel_reason is None and not job.state.ended:
                # It was killed while it waited, which is not this job's matter.
                await self._employ(self._pool.take_fresh(), job)
            if job.worker is not None:
                self._end_without_answer(job, job.worker)
        finally:
            job.worker = None
            if job.state is not JobState.DONE:
                self._buffers.free_job(job.id)

    async def _employ(self, worker: Worker, job: JobRecord) -> bool:
        """Have a worker do a job; give False when the worker has died before it began."""
        job.worker = worker
        _log.info("job %s (%s) runs in process %d", job.id, job.request.command, worker.process.pid)
        job.become(JobState.RUNNING)
        begun = False
        try:
            await worker.send(self._order(job))
            if job.finishing:
                await worker.send({"job": job.id, "wish": "finish"})
            self._pool.prepare()
            while (message := await worker.messages.get()) is not None:
                if "waits" in message:
                    self._pool.give_back(worker, job.label, Holding(**message["waits"]))
                    return True
                begun = begun or "begun" in message
                if not job.state.ended:
                    self._receive(job, message)
                    if job.state.ended:
                        self._later(_let_end(worker, worker.jobs, self._limits.exit_seconds))
        except BaseException:
            worker.kill()
            raise
        worker.kill()
        return begun

    def _order(self, job: JobRecord) -> dict[str, Any]:
        request = job.request
        return {
            "job": job.id,
            "command": request.command,
            "parameters": request.parameters,
            "images": {name: self._ordered(part) for name, part in request.images.items()},
            "files": {name: roots.place(path, self._roots) for name, path in request.files.items()},
            "accept": None if request.accept is None else list(request.accept),
            "local": request.local,
            "folder": str(self._buffers.folder),
            "disk": str(self._buffers.disk) if self._buffers.on_disk(job.id) else None,
            "log": self._log_file,
            "keep": job.work == "run",
            "held": list(self._pool.held),
        }

    def _ordered(self, part: ImagePart) -> dict[str, Any]:
        buffer = self._buffers.get(part.buffer)
        return {"header": part.header, "path": str(buffer.path), "on_disk": buffer.on_disk}

    def _receive(self, job: JobRecord, message: dict[str, Any]) -> None:
        if "progress" in message:
            job.progress = Progress(**message["progress"])
            job.announce()
        elif "note" in message:
            job.notes.append(message["note"])
            job.announce()
        elif "live" in message:
            job.show(message["live"])
        elif "loaded" in message:  # the worker has its own copy: the memory is better spent on the result
            self._buffers.free_inputs(job.id, in_memory=True)
        elif "result" in message:
            self._end(job, JobState.DONE, result=self._result(job, message["result"]))
        elif "error" in message:
            error = BioimgError.from_json(message["error"])
            if job.cancel_reason is not None or isinstance(error, JobCancelledError):
                error = job.cancelled(error)
            state = JobState.CANCELLED if isinstance(error, JobCancelledError) else JobState.FAILED
            self._end(job, state, error=error)

    def _result(self, job: JobRecord, data: dict[str, Any]) -> dict[str, Any]:
        images = {}
        for name, image in data["images"].items():
            on_disk = image["on_disk"]
            buffer = self._buffers.adopt(image["file"], image["size"], image["crc"], job.id, on_disk=on_disk)
            path = str(buffer.path) if job.request.local else None
            images[name] = {"header": image["header"], "buffer": buffer.id, "path": path, "on_disk": on_disk}
        return {**data, "images": images}

    def _end_without_answer(self, job: JobRecord, worker: Worker) -> None:
        if job.cancel_reason is not None:
            self._end(job, JobState.CANCELLED, error=job.cancelled(late=self._patience(job)))
            return
        how, sentence = worker.how_it_ended()
        error = WorkerDiedError(
            f"The process that did the work ended before the work was done ({sentence}).",
            fix=f"Try a smaller image or smaller tiles. The log has the details: {self._log_file}",
            signal=how,
            log=worker.log_tail,
        )
        self._end(job, JobState.FAILED, error=error)

    def _end(
        self,
        job: JobRecord,
        state: JobState,
        *,
        error: BioimgError | None = None,
        result: dict[str, Any] | None = None,
    ) -> None:
        if job.state.ended or job.parked:
            return
        if self._leaving and job.kept and state is JobState.CANCELLED and job.cancel_reason in (None, STOPPED):
            self._keeper.left(job)
            job.park()
            _log.info("job %s is left to the next server", job.id)
            return
        job.error, job.result = error, result
        job.touched = time.monotonic()
        job.become(state)
        _log.info("job %s %s%s", job.id, state.value, f" [{error.code}] {error.message}" if error else "")
        self._buffers.free_inputs(job.id)
        self._keeper.ended(job)


def _other_request() -> ProtocolError:
    return ProtocolError("The idempotency key was used for another request.", fix="Use a new key for each job.")


async def _let_end(worker: Worker, jobs: int, seconds: float) -> None:
    """Kill a worker that has not cleared up, or ended, in time; `jobs` are those that it had done before."""
    await asyncio.sleep(seconds)
    if worker.jobs == jobs:
        worker.kill()
