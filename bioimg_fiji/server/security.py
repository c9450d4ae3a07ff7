"""Who may speak to the server: this user's programs, by a token; no web page, by whatever name it calls us."""

from __future__ import annotations

import hmac
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from bioimg_fiji.errors import AuthenticationError
from bioimg_fiji.server.answers import answer


class Gate:
    """Lets requests through that name our own host and carry the token; counts them for the idle clock.

    A page in the user's browser can reach loopback: by a name of its own that it lets point there (Host tells), or
    across origins (Origin tells). Neither has the token; both are refused before it is even compared.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: frozenset[str]) -> None:
        self._app = app
        self._token = f"Bearer {token}".encode()
        self._hosts = hosts
        self._open = 0
        self._last = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """Seconds since the last request has ended; 0 while one is open."""
        return 0.0 if self._open else time.monotonic() - self._last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 or 401, or pass the request on."""
        if scope["type"] != "http":
            return
        refused = self._refused(Headers(scope=scope))
        if refused is not None:
            status, error = refused
            await answer(error, status)(scope, receive, send)
            return
        self._open += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open -= 1
            self._last = time.monotonic()

    def _refused(self, headers: Headers) -> tuple[int, AuthenticationError] | None:
        if headers.getlist("host") not in [[host] for host in self._hosts]:
            return 403, AuthenticationError("This server is not reached under that name.", fix="Use its own address.")
        origin = headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            return 403, AuthenticationError("Web pages may not use this server.")
        given = headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, self._token):
            return 401, AuthenticationError(
                "The token is missing or wrong.",
                fix="Read it from the connection file again: the server was restarted.",
            )
        return None
