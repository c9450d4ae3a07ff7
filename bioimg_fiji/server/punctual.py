"""Connections that trickle: a request's head and body must come in time, and an answer must be read in time.

A server that waits for as long as it takes can be filled with connections that never say anything. Measured is the time
that is spent waiting for the other side: a slow disk of ours costs a client nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from bioimg_fiji.errors import ProtocolError
from bioimg_fiji.server.answers import RefusedError

HEAD_SECONDS = 10.0
"""How long the head of a request may take, from the connection or its first byte on."""

BODY_SECONDS, BODY_RATE = 20.0, 1000.0
"""How long a body may keep us waiting: so many seconds, and one more for so many bytes that have come."""

ANSWER_SECONDS = 60.0
"""How long a block of an answer may wait to be taken."""

GONE_SECONDS = 20
"""How long the other computer may acknowledge nothing (or, on Linux, take nothing) before the connection is closed.

A computer that has lost its power, or its network, says nothing of it: else the connection would stay for a quarter of
an hour, and the stream of events would keep the lease of a client that is gone.
"""

_OPTIONS = {
    "TCP_USER_TIMEOUT": 1000 * GONE_SECONDS,  # where something is under way (Linux)
    "TCP_KEEPIDLE": GONE_SECONDS // 2,  # where nothing is: a question after so long, then others
    "TCP_KEEPALIVE": GONE_SECONDS // 2,  # macOS's name of the same
    "TCP_KEEPINTVL": GONE_SECONDS // 4,
    "TCP_KEEPCNT": 2,
}


class PunctualProtocol(H11Protocol):  # type: ignore[misc, unused-ignore]
    """uvicorn's connection, closed where no whole head comes in time."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override, unused-ignore]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        _notice_absence(transport.get_extra_info("socket"))
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take what has come; the first byte of a later head begins its time."""
        if self._head is None and self._between:
            self._await_head()
        super().data_received(data)
        if not self._between:
            self._unset_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._unset_head()
        super().connection_lost(exc)

    @property
    def _between(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def _await_head(self) -> None:
        self._head = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _unset_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


def _notice_absence(connected: socket.socket | None) -> None:
    """Have the system close a connection whose other end is gone; what it does not know stays as it is."""
    if connected is None:
        return
    with contextlib.suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Punctual:
    """Refuses bodies that come too slowly, with 408, and gives up answers that nobody reads."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        await self._app(scope, _Body(receive).receive, _in_time(send))


class _Body:
    """The body of one request, as it comes."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._whole = False
        self._left = BODY_SECONDS

    async def receive(self) -> Message:
        if self._whole:  # what comes now is the end of the connection: no hurry
            return await self._receive()
        start = time.monotonic()
        try:
            async with asyncio.timeout(self._left):
                message = await self._receive()
        except TimeoutError:
            raise RefusedError(
                408,
                ProtocolError(
                    f"The request's body has kept the server waiting for {BODY_SECONDS:g} s.", fix="Send it again."
                ),
            ) from None
        self._left += len(message.get("body", b"")) / BODY_RATE - (time.monotonic() - start)
        self._whole = not message.get("more_body", False)
        return message


def _in_time(send: Send) -> Send:
    async def send_in_time(message: Message) -> None:
        async with asyncio.timeout(ANSWER_SECONDS):
            await send(message)

    return send_in_time


def allow_many_files() -> None:
    """Let this process have as many open connections as the system allows; by default that is 1024 files."""
    if sys.platform == "win32":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
