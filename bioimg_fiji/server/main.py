"""One server's life: lock, listen, tell the address, end cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn

import bioimg_fiji
from bioimg_fiji import commands, settings
from bioimg_fiji.errors import ServerError, storage_error
from bioimg_fiji.locks import LockFile
from bioimg_fiji.server import address, buffers, connection
from bioimg_fiji.server.address import Access
from bioimg_fiji.server.app import App
from bioimg_fiji.server.connection import Connection
from bioimg_fiji.server.ending import drain
from bioimg_fiji.server.logs import logging_to_file
from bioimg_fiji.server.options import PROTOCOL, ServeOptions
from bioimg_fiji.server.punctual import Punctual, PunctualProtocol, allow_many_files
from bioimg_fiji.server.security import Gate
from bioimg_fiji.server.shelf import Shelf
from bioimg_fiji.server.store import JobStore

_log = logging.getLogger(__name__)
_TIDY_SECONDS = 0.5
_OTHER_STARTS_SECONDS = 60.0


class _Uvicorn(uvicorn.Server):  # type: ignore[misc, unused-ignore]
    """uvicorn without its own signal handling, which would end the process before our files are removed."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.answering.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(options: ServeOptions) -> int:
    """Run the server until it is stopped; give the exit code."""
    access = address.prepare(options)
    path = options.connection_file or settings.connection_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = LockFile(path.with_name(path.name + ".lock"))
        mine = _lock_or_find_other(lock, path)
    except OSError as error:
        raise storage_error("Writing the connection file", path, error) from error
    if not mine:
        return 0
    # Until the event loop takes the signals over: an end during the start leaves nothing behind either.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with logging_to_file() as log_file:
            return _serve(options, access, path, log_file)
    finally:
        lock.release()
        signal.signal(signal.SIGTERM, before)


def _lock_or_find_other(lock: LockFile, path: Path) -> bool:
    """Take the lock; give False once another server that has it answers or goes on starting."""
    deadline = time.monotonic() + _OTHER_STARTS_SECONDS
    while not lock.acquire():
        other = connection.read(path)
        if other is not None or time.monotonic() > deadline:
            where = other.url if other else "an address that it has not told yet"
            logging.getLogger("bioimg_fiji").warning("A server runs already, at %s: this one ends.", where)
            return False
        time.sleep(0.1)
    return True


def _serve(options: ServeOptions, access: Access, path: Path, log_file: str) -> int:
    commands.load_commands()  # first of all: what a client asks later must be answered at once
    allow_many_files()
    gc.collect()
    gc.freeze()  # the modules stay: a collection has only requests and jobs to look at, and is due in time
    with contextlib.ExitStack() as stack:
        shelf = None if options.keep_jobs is None else Shelf(options.keep_jobs)
        if shelf is not None:
            stack.callback(shelf.close)
        listening = _listen(options)
        stack.callback(listening.close)
        store = buffers.BufferStore(buffers.root())
        stack.callback(store.close)
        asyncio.run(_Life(options, access, path, log_file, store, shelf, listening).live())
    return 0


def _listen(options: ServeOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only then: each answer would take 40 ms more.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # on Windows the option would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((options.host, options.port))
        listening.listen(128)  # here, where a port that is taken can be told
    except OSError as error:
        listening.close()
        raise ServerError(
            f"The server cannot listen on {options.host} port {options.port}: {error.strerror}.",
            fix="Leave the port out: a free one is taken.",
        ) from error
    return listening


class _Life:
    """A server while it lives."""

    def __init__(
        self,
        options: ServeOptions,
        access: Access,
        path: Path,
        log_file: str,
        store: buffers.BufferStore,
        shelf: Shelf | None,
        listening: socket.socket,
    ) -> None:
        self._options, self._path, self._listening = options, path, listening
        self._stop = asyncio.Event()
        self._jobs = JobStore(options, store, log_file, shelf)
        port = listening.getsockname()[1]
        identity = access.identity
        self._connection = Connection(
            access.url(options.host, port),
            access.token,
            os.getpid(),
            bioimg_fiji.__version__,
            time.time(),
            PROTOCOL,
            "" if identity is None else identity.fingerprint,
        )
        app = App(self._jobs, store, options.limits, log_file, self._stop, options.roots)
        self._gate = Gate(Punctual(app.build()), access.token, access.hosts(port), app.sessions)
        config = uvicorn.Config(
            self._gate,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            lifespan="off",
            http=PunctualProtocol,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
            ssl_certfile=None if identity is None else identity.certificate,
            ssl_keyfile=None if identity is None else identity.key,
        )
        self._server = _Uvicorn(config)

    async def live(self) -> None:
        """Serve until a signal, a client or idleness ends it."""
        with _signals(self._stop):
            await self._live()

    async def _live(self) -> None:
        self._jobs.take_up()
        serving = asyncio.create_task(self._server.serve(sockets=[self._listening]))
        try:
            await _first(serving, self._server.answering)
            self._jobs.prepare()
            connection.write(self._path, self._connection)
            _log.warning("The model server listens at %s (process %d).", self._connection.url, os.getpid())
            if self._connection.fingerprint:
                _log.warning("SHA-256 fingerprint of its certificate: %s", self._connection.fingerprint)
            await self._watch(serving)
        finally:
            connection.remove(self._path, self._connection)
            self._stop.set()  # also after idleness: what still waits for something sees it
            await drain(self._jobs, self._options.grace, self._options.limits.checkpoint_seconds)
            await self._jobs.stop()
            self._server.should_exit = True
            await serving
            _log.warning("The model server has ended.")

    async def _watch(self, serving: asyncio.Task[None]) -> None:
        while not self._stop.is_set() and not serving.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _TIDY_SECONDS)
            self._jobs.tidy()
            idle = self._options.idle_exit
            if idle is not None and not self._jobs.busy and self._gate.idle_seconds > idle:
                _log.warning("Nobody has asked for %g seconds: the server ends.", idle)
                return


async def _first(serving: asyncio.Task[None], answering: asyncio.Event) -> None:
    """Wait until the server answers, or has failed to."""
    waiting = asyncio.create_task(answering.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if serving.done():
        serving.result()
        raise ServerError("The server ended before it answered.", fix="The log has the details.")


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """Have SIGINT and SIGTERM (on Windows also Ctrl-Break) end the server cleanly."""
    loop = asyncio.get_running_loop()
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    before = {}
    for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
        before[number] = signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
