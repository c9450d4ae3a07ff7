"""The process that does jobs' work, one at a time.

It reads JSON lines from its standard input (a job, then perhaps a wish to finish or to cancel it) and writes JSON lines
to its standard output: ready; for each job begun, loaded, progress, note, live, and at last result or error; and, where
it is to be kept, what it holds between two jobs. Whatever the command itself prints goes to standard error, which the
server keeps as the log. The worker never outlives its server.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import json
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bioimg_fiji.commands import find, load_commands
from bioimg_fiji.commands.parameters import SERVER
from bioimg_fiji.errors import BioimgError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job, Live
from bioimg_fiji.remote.named import LOCAL
from bioimg_fiji.server import roots
from bioimg_fiji.server.newest import Newest
from bioimg_fiji.server.results import scratch, store, store_on_disk
from bioimg_fiji.server.wire import map_pixels, plain, read_pixels

_PR_SET_PDEATHSIG = 1
_LIVE_SECONDS = 1.0
"""Least time between two messages with a preview, which may have half a megabyte."""
_POLITE = 5
"""How much a batch run or a training gives way to runs that somebody waits for (nice(2))."""

_log = logging.getLogger(__name__)


class Channel:
    """The pipes to the server, out of the reach of the command's own prints and reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Plain handles: Python's end would trip over a buffered file that a daemon thread is reading.
        self._input = os.dup(0)
        self._output = os.dup(1)
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device, not a path
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message whole; a server that is gone is told by the reading side."""
        text = json.dumps(plain(message), ensure_ascii=False, separators=(",", ":"))
        line = text.encode("utf-8", "replace") + b"\n"  # a file's name may have bytes that are no text
        with self._lock, contextlib.suppress(OSError):
            view = memoryview(line)
            while view:
                view = view[os.write(self._output, view) :]

    def send_live(self, live: Live) -> None:
        """Send what is to be looked at; a command's mistake in it costs the picture and not the work."""
        try:
            self.send({"live": live.to_json()})
        except Exception:  # noqa: BLE001 - a command may give anything
            _log.exception("what the command shows cannot be sent")

    def listen(self, receive: Callable[[dict[str, Any]], None]) -> None:
        """Give each message to `receive`, until the server is gone; then end this process and its children."""
        parts: list[bytes] = []
        while block := os.read(self._input, 1 << 20):
            *lines, rest = block.split(b"\n")
            for line in lines:
                receive(json.loads(b"".join([*parts, line])))
                parts.clear()
            parts.append(rest)
        _end_all()


class _Line:
    """One job's way to the server: what a thread that the job has left behind says later is not taken for the next's.

    A preview that waits is sent before the answer.
    """

    def __init__(self, channel: Channel, id_: str) -> None:
        self.id = id_
        self._channel = channel
        self._open = True
        self._live = Newest(self._send_live, _LIVE_SECONDS)
        self.job = Job(
            on_progress=lambda progress: self.send({"progress": progress.to_json()}),
            on_note=lambda sentence: self.send({"note": sentence}),
            on_live=self._live.give,
        )

    def send(self, message: Mapping[str, Any]) -> None:
        if self._open:
            self._channel.send(message)

    def _send_live(self, live: Live) -> None:
        if self._open:
            self._channel.send_live(live)

    def close(self, answer: Mapping[str, Any]) -> None:
        """Send the last message."""
        self._live.flush()
        self.send(answer)
        self._open = False


class _Desk:
    """Takes what the server says: jobs into a queue, wishes to the job that they are meant for."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._jobs: queue.Queue[tuple[dict[str, Any], _Line]] = queue.Queue()
        self._line: _Line | None = None
        self.next = self._jobs.get

    def receive(self, message: dict[str, Any]) -> None:
        """Take one message (the listening thread); the server sends a job when the one before has ended."""
        if "command" in message:
            self._line = _Line(self._channel, message["job"])
            self._jobs.put((message, self._line))
        elif self._line is not None and self._line.id == message["job"]:
            self._line.job.cancel() if message["wish"] == "cancel" else self._line.job.finish()


def main(server: int) -> int:
    """Do jobs for the server process `server`, until one is the last or the server ends."""
    channel = Channel()
    _die_with(server)
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    desk = _Desk(channel)
    threading.Thread(target=channel.listen, args=(desk.receive,), name="bioimg-listen", daemon=True).start()
    load_commands()
    channel.send({"ready": True})
    place = _Place.now()
    first = True
    while True:
        request, line = desk.next()
        place.prepare(request)
        line.send({"begun": True})
        line.close(_answer(request, line))
        if not request["keep"]:
            return 0
        channel.send({"waits": place.restored(first=first)})
        first = False


@dataclass(frozen=True)
class _Place:
    """What a process is before its first job; after each it is made so again."""

    folder: Path
    environment: Mapping[str, str]
    memory: int
    threads: frozenset[int]

    @classmethod
    def now(cls) -> _Place:
        """Look at this process."""
        threads = frozenset(thread.ident or 0 for thread in threading.enumerate())
        return cls(Path.cwd(), dict(os.environ), psutil.Process().memory_info().rss, threads)

    def prepare(self, request: Mapping[str, Any]) -> None:
        """Have the next run go as in a fresh process: memory that is kept for it counts as free, in all workers."""
        from bioimg_fiji.runtime import memory, warm

        warm.keep_models(enabled=request["keep"])
        if not request["keep"] and hasattr(os, "nice"):
            os.nice(_POLITE)  # this process ends with the job: it need not become urgent again
        own = max(0, psutil.Process().memory_info().rss - self.memory)
        memory.hold(request["held"][0] + own, request["held"][1])

    def restored(self, *, first: bool) -> dict[str, Any]:
        """Clear up after a job, the first or a further one; tell what this process holds (`server.pool.Holding`)."""
        from bioimg_fiji.runtime import warm

        gc.collect()
        if first:
            gc.freeze()  # the libraries stay: the next collections have only what jobs have made to look at
        clean = not _has_children() and all(each.ident in self.threads for each in threading.enumerate())
        if Path.cwd() != self.folder:
            os.chdir(self.folder)
        if dict(os.environ) != self.environment:
            os.environ.clear()
            os.environ.update(self.environment)
        try:
            gpu, total = warm.gpu_memory()
        except RuntimeError:  # a GPU that has failed is none for this process any more
            gpu, total, clean = 0, 0, False
        memory = psutil.Process().memory_info().rss
        growth = memory - self.memory
        return {"memory": memory, "growth": growth, "gpu": gpu, "gpu_total": total, "clean": clean}


def _has_children() -> bool:
    if not hasattr(os, "waitid"):
        return bool(psutil.Process().children())
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _answer(request: dict[str, Any], line: _Line) -> dict[str, Any]:
    """Run the command and give the last message: the result, or the error whatever it is."""
    job = line.job
    try:
        images = {name: _load(part) for name, part in request["images"].items()}
        images |= {name: roots.read(root, path) for name, (root, path) in request["files"].items()}
        line.send({"loaded": True})
        values, known_as = request["parameters"] | images, str(request["parameters"].get(SERVER) or LOCAL)
        if request["disk"] is None:
            result = find(request["command"]).run(values, job, known_as=known_as)
            folder, checked = Path(request["folder"]), not request["local"]
            return {"result": store(result, request["accept"], folder, request["job"], checked=checked)}
        with scratch(Path(request["disk"]), request["job"]) as job.scratch:
            result = find(request["command"]).run(values, job, known_as=known_as)
            return {"result": store_on_disk(result, request["accept"], Path(request["disk"]), request["job"], job)}
    except BioimgError as error:
        _log.info("[%s] %s", error.code, error, exc_info=True)
        return {"error": error.to_json()}
    except MemoryError:
        _log.exception("[error] out of memory")
        text = "This computer's memory is not enough for the job."
        return {
            "error": BioimgError(text, fix="Close other programs, or use a smaller image or smaller tiles.").to_json()
        }
    except BaseException as error:  # noqa: BLE001 - a command may raise anything, SystemExit too
        _log.exception("[error] %s", type(error).__name__)
        text = f"The command failed: {type(error).__name__}: {error}"
        return {"error": BioimgError(text, fix=f"The log has the details: {request['log']}").to_json()}


def _load(part: Mapping[str, Any]) -> Image:
    read = map_pixels if part["on_disk"] else read_pixels
    return Image.from_header(part["header"], read(Path(part["path"]), part["header"]))


def _die_with(server: int) -> None:
    """Have the kernel end this process with its server, where it can (Linux).

    The reading thread does the same everywhere, but native code that holds Python's lock would keep it from running.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:  # it died before the call
            _end_all()


def _end_all() -> None:
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
