"""Commands' work in worker processes of this process: a crash, a full memory or a cancel ends a job and nothing else.

The processes, their files in memory, and the rules for cancelling and ending are those of the server, without its
HTTP: its job store runs on the event loop of a thread here.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji import commands
from bioimg_fiji.commands import Result
from bioimg_fiji.errors import BioimgError, JobCancelledError
from bioimg_fiji.files.source import map_raw, raw_file
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job, Live
from bioimg_fiji.server.buffers import BufferStore, root
from bioimg_fiji.server.options import ServeOptions
from bioimg_fiji.server.record import JobRecord
from bioimg_fiji.server.requests import ImagePart, JobRequest
from bioimg_fiji.server.store import JobStore
from bioimg_fiji.server.wire import plain, read_pixels, write_pixels

_POLL_SECONDS = 0.01
_TIDY_SECONDS = 30.0
_LOG = "that of Python's logger bioimg_fiji.server"


class Isolation:
    """Worker processes for one session. They end with `close`, or with this process however it ends."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # NB: on Linux a worker dies with the thread that started it: this one stays until the end.
        self._thread = threading.Thread(target=self._loop.run_forever, name="bioimg-isolation", daemon=True)
        self._thread.start()
        self._buffers = BufferStore(root())
        self._store = self._on_loop(lambda: JobStore(ServeOptions(), self._buffers, _LOG))
        self._on_loop(self._store.prepare)
        asyncio.run_coroutine_threadsafe(self._tidy(), self._loop)

    def run(self, name: str, values: Mapping[str, Any], job: Job) -> Result:
        """Run a command in a worker process and give its result.

        Raises
        ------
        BioimgError
            What the command raises; WorkerDiedError when the process ended before the work was done.
        """
        command = commands.find(name)
        images = {key: value for key, value in values.items() if isinstance(value, Image)}
        parts: dict[str, ImagePart] = {}
        try:
            for key, image in images.items():
                parts[key] = ImagePart(plain(image.header()), self._put(image))
            parameters = {key: plain(value) for key, value in values.items() if key not in images}
            request = JobRequest(command.id, parameters, parts, local=True)
            record = self._on_loop(lambda: self._store.submit(request, work=command.work_of(parameters)))
        except BaseException:
            for part in parts.values():
                self._on_loop(functools.partial(self._buffers.free, part.buffer))
            raise
        try:
            self._follow(record, job)
            if record.error is not None:
                raise BioimgError.from_json(record.error.to_json())
            answer = record.result or {}
            given = {key: self._take(part, job) for key, part in answer["images"].items()}
            return Result.from_json(answer, given)
        finally:
            self._wait_for(self._store.forget(record.id))

    def close(self) -> None:
        """End all work and all processes, and remove the files."""
        if self._loop.is_closed():
            return
        with contextlib.suppress(RuntimeError):  # at Python's end no thread can be had any more for its last step,
            self._wait_for(self._store.stop())  # which closes the shelf of kept jobs: there is none here
        self._on_loop(self._buffers.close)
        self._wait_for(_end_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _put(self, image: Image) -> str:
        on_disk = raw_file(image) is not None
        buffer = self._on_loop(lambda: self._buffers.create(image.pixels.nbytes, local=True, on_disk=on_disk))
        write_pixels(buffer.path, image.pixels, create=False, checked=False)
        return str(buffer.id)

    def _take(self, part: Mapping[str, Any], job: Job) -> Image:
        """Read a result's image; one that is on the disk stays there, in the folder of this run."""
        header, path = part["header"], Path(part["path"])
        if not part["on_disk"] or job.scratch is None:
            return Image.from_header(header, read_pixels(path, header))
        kept = path.replace(job.scratch / path.name)
        return Image.from_header(header, map_raw(kept, tuple(header["shape"]), np.dtype(header["dtype"])))

    def _follow(self, record: JobRecord, job: Job) -> None:
        """Tell the job what the worker tells, and the worker what is wished of the job, until the work has ended."""
        progress, notes, shown, cancelled = record.progress, 0, 0, False
        while True:
            ended = record.state.ended
            if record.progress is not progress:
                progress = record.progress
                with contextlib.suppress(JobCancelledError):  # the worker is asked, and may have something to keep
                    job.progress(progress.message, progress.current, progress.maximum, **progress.figures)
            for sentence in record.notes[notes:]:
                notes += 1
                job.note(sentence)
            if record.shown != shown and record.live is not None:
                shown = record.shown
                job.show(Live.from_json(record.live))
            if ended:
                return
            if job.cancelled and not cancelled:
                cancelled = True
                self._on_loop(lambda: self._store.cancel(record))
            if job.finishing and not record.finishing:
                self._on_loop(lambda: self._store.finish(record))
            time.sleep(_POLL_SECONDS)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            self._store.tidy()

    def _on_loop(self, call: Callable[[], Any]) -> Any:
        """Call something on the event loop's thread, where all of the store belongs."""

        async def there() -> Any:
            return call()

        return self._wait_for(there())

    def _wait_for(self, work: Any) -> Any:
        future: concurrent.futures.Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()


async def _end_others() -> None:
    """End what still waits on this event loop."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
