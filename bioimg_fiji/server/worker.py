"""The process that does one job's work.

It reads JSON lines from its standard input (the job, then perhaps a wish to finish or to cancel) and writes JSON lines
to its standard output: ready, loaded, progress, note, live, and at last result or error. Whatever the command itself
prints goes to standard error, which the server keeps as the log. The worker never outlives its server.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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


def main(server: int) -> int:
    """Do one job for the server process `server`."""
    channel = Channel()
    _die_with(server)
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    requests: queue.Queue[dict[str, Any]] = queue.Queue()
    live = Newest(channel.send_live, _LIVE_SECONDS)
    job = Job(
        on_progress=lambda progress: channel.send({"progress": progress.to_json()}),
        on_note=lambda sentence: channel.send({"note": sentence}),
        on_live=live.give,
    )

    def receive(message: dict[str, Any]) -> None:
        if "cancel" in message:
            job.cancel()
        elif "finish" in message:
            job.finish()
        else:
            requests.put(message)

    threading.Thread(target=channel.listen, args=(receive,), name="bioimg-listen", daemon=True).start()
    load_commands()
    channel.send({"ready": True})
    answer = _answer(requests.get(), job, channel)
    live.flush()
    channel.send(answer)
    return 0


def _answer(request: dict[str, Any], job: Job, channel: Channel) -> dict[str, Any]:
    """Run the command and give the last message: the result, or the error whatever it is."""
    try:
        images = {name: _load(part) for name, part in request["images"].items()}
        images |= {name: roots.read(root, path) for name, (root, path) in request["files"].items()}
        channel.send({"loaded": True})
        values, known_as = request["parameters"] | images, str(request["parameters"].get(SERVER) or LOCAL)
        if request["disk"] is None:
            result = find(request["command"]).run(values, job, known_as=known_as)
            return {"result": store(result, request["accept"], Path(request["folder"]), request["job"])}
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
