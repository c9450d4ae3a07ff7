"""One worker process as the server sees it: started, spoken to, watched, killed."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Any, cast

import psutil

_log = logging.getLogger(__name__)

# The worker gets this process's import path and not its own (-P): a user's random.py in the folder where the server was
# started must not replace the library's.
_START = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[2]); "
    "from bioimg_fiji.server import worker; sys.exit(worker.main(int(sys.argv[1])))"
)


class Worker:
    """One process.

    `messages` gives its messages in their order and ends with None once the process is gone; `jobs` counts those that
    it has done. Must be made on the event loop's thread: on Linux a worker dies with the *thread* that started it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._log: collections.deque[str] = collections.deque(maxlen=40)
        self._reaping = threading.Lock()
        self.gone = asyncio.Event()
        self._sending = asyncio.Lock()
        self.jobs = 0
        self._reaped = False
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, str(os.getpid()), json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # own group: its children end with it, and Ctrl-C is the server's matter
        )
        self._stdin, self._stdout, self._stderr = (
            cast("IO[bytes]", pipe) for pipe in (self.process.stdin, self.process.stdout, self.process.stderr)
        )
        self._readers = [self._thread(self._read_messages), self._thread(self._read_log)]
        self._thread(self._watch)

    def _thread(self, target: Callable[[], None]) -> threading.Thread:
        name = f"bioimg-worker-{self.process.pid}"
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return not self._reaped

    @property
    def log_tail(self) -> str:
        """Last lines that it wrote to standard error."""
        return "\n".join(self._log)

    def forget_log(self) -> None:
        """Forget what it has written: the next job's user may be another one."""
        self._log.clear()

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message; a worker that has gone meanwhile is told by `messages`."""
        async with self._sending:  # a wish must not overtake the job that it is meant for
            await asyncio.to_thread(self._send, json.dumps(message).encode() + b"\n")

    def _send(self, line: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stdin.write(line)
            self._stdin.flush()

    def kill(self) -> None:
        """Kill the process and its children."""
        with self._reaping:
            if not self._reaped:
                _kill_group(self.process.pid)

    def _read_messages(self) -> None:
        for line in self._stdout:
            try:
                self._post(json.loads(line))
            except ValueError:  # a line that its death cut short
                _log.warning("worker %d sent half a message", self.process.pid)

    def _read_log(self) -> None:
        for line in self._stderr:
            text = line.decode("utf-8", "replace").rstrip()
            self._log.append(text)
            _log.info("worker %d: %s", self.process.pid, text)

    def _watch(self) -> None:
        """Wait for the end, kill what the process has left, and end the messages."""
        if hasattr(os, "waitid"):  # learn of the end while the zombie still keeps the group's number from being reused
            os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        else:
            self.process.wait()
        with self._reaping:
            if sys.platform != "win32":
                _kill_group(self.process.pid)
            self.process.wait()
            self._reaped = True
        for reader in self._readers:
            reader.join(timeout=2)
        for pipe in (self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(OSError):
                pipe.close()
        self._post(None)
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.gone.set)

    def _post(self, message: dict[str, Any] | None) -> None:
        with contextlib.suppress(RuntimeError):  # the server has stopped, nobody listens
            self._loop.call_soon_threadsafe(self.messages.put_nowait, message)

    def how_it_ended(self) -> tuple[str, str]:
        """Say how the process ended: a signal's name or an exit code, and a sentence."""
        code = self.process.returncode
        if code is not None and code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            reason = {
                "SIGKILL": "it was killed, most often because the computer's memory ran out",
                "SIGSEGV": "it crashed in native code",
                "SIGABRT": "native code gave up",
                "SIGBUS": "it crashed in native code, or a disk was full",
            }.get(name, "it was ended from outside")
            return name, f"{name}: {reason}"
        return f"exit code {code}", f"exit code {code}"


def _kill_group(pid: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        return
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.Error):
                each.kill()
