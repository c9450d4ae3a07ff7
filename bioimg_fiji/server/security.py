"""Who may speak to the server: this user's programs, by a token, and this user's dashboard, by a cookie and a key.

No web page, by whatever name it calls us. What every answer says to a browser stands here too.
"""

from __future__ import annotations

import hmac
import logging
import re
import time
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bioimg_fiji.errors import AuthenticationError
from bioimg_fiji.server import telemetry
from bioimg_fiji.server.answers import answer
from bioimg_fiji.server.sessions import COOKIE, KEY_HEADER, Sessions

_log = logging.getLogger(__name__)

PUBLIC = frozenset(
    [("GET", path) for path in ("/", "/dashboard.css", "/dashboard.js", "/icon.svg", "/healthz")]
    + [("POST", "/v1/dashboard/login")]
)
"""Requests without token: the page, which has no data in it, that the server lives, and the way in by a code."""

_DASHBOARD = re.compile(
    r"(GET|HEAD) /v1/(info|machine|log|jobs|jobs/[^/]+/live)"
    r"|POST /v1/(models|jobs/[^/]+/(cancel|finish)|dashboard/logout)"
)
"""What the dashboard may ask: it looks, cancels and finishes, and starts nothing."""

_FORMS = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
"""Types of bodies that a page can send to any address without asking it first."""

_SAFE = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class _Refusal(NamedTuple):
    status: int
    reason: str
    message: str
    fix: str = ""


class Gate:
    """Lets requests through that name our own host and carry the token or a session; counts them for the idle clock.

    A page in the user's browser can reach loopback: by a name of its own that it lets point there (Host tells), or
    across origins (Origin tells). Neither has the token; both are refused before it is even compared.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: frozenset[str], sessions: Sessions | None = None) -> None:
        self._app = app
        self._token = f"Bearer {token}".encode()
        self._hosts = hosts
        self._sessions = sessions or Sessions()
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
        receive, send = _counted(receive, send, scope["method"])
        refused = self._refused(scope, Headers(scope=scope))
        if refused is not None:
            telemetry.REFUSED.labels(refused.reason).inc()
            _log.info("refused (%s) %s from %s", refused.reason, scope["method"], (scope.get("client") or ("?",))[0])
            await answer(AuthenticationError(refused.message, fix=refused.fix), refused.status)(scope, receive, send)
            return
        if not scope["path"].startswith("/v1/"):  # who watches whether it lives does not keep it alive
            await self._app(scope, receive, send)
            return
        self._open += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open -= 1
            self._last = time.monotonic()

    def _refused(self, scope: Scope, headers: Headers) -> _Refusal | None:
        if [host.lower() for host in headers.getlist("host")] not in [[host] for host in self._hosts]:
            return _Refusal(403, "host", "This server is not reached under that name.", "Use its own address.")
        if "upgrade" in headers:
            return _Refusal(403, "upgrade", "This server speaks HTTP/1.1 only.", "Leave the header Upgrade out.")
        own = {f"{scope['scheme']}://{host}" for host in self._hosts}
        if any(origin.lower() not in own for origin in headers.getlist("origin")):
            return _Refusal(403, "origin", "Web pages may not use this server.", "Open the server's own page.")
        if headers.get("content-type", "").split(";")[0].strip().lower() in _FORMS:
            return _Refusal(
                403, "form", "Web forms may not use this server.", "Send JSON with Content-Type: application/json."
            )
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if (method, scope["path"]) in PUBLIC:
            return _not_same_origin(headers) if method == "POST" else None
        if "authorization" in headers:
            return self._wrong_token(headers)
        return self._wrong_session(scope, headers)

    def _wrong_token(self, headers: Headers) -> _Refusal | None:
        given = [each.encode("utf-8", "replace") for each in headers.getlist("authorization")]
        if len(given) == 1 and hmac.compare_digest(given[0], self._token):
            return None
        text = "Read it from the connection file again: the server was restarted."
        return _Refusal(401, "token", "The token is missing or wrong.", text)

    def _wrong_session(self, scope: Scope, headers: Headers) -> _Refusal | None:
        cookie = session_cookie(scope, headers)
        if not cookie or not self._sessions.knows(cookie, headers.get(KEY_HEADER, "")):
            return self._wrong_token(headers)
        if _DASHBOARD.fullmatch(f"{scope['method']} {scope['path']}") is None:
            return _Refusal(403, "cookie", "The dashboard may not do this.", "Use the command line, Fiji or the token.")
        scope["bioimg.dashboard"] = True
        return _not_same_origin(headers) if scope["method"] == "POST" else _cross_site(headers)


def cookie_name(scope: Scope) -> str:
    """Give the session cookie's name: of this port, and under TLS bound to this very host by its prefix."""
    prefix = "__Host-" if scope["scheme"] == "https" else ""
    return f"{prefix}{COOKIE}-{scope['server'][1]}"


def session_cookie(scope: Scope, headers: Headers) -> str:
    """Give the value of the session's cookie, "" where there is none."""
    try:
        found = SimpleCookie(headers.get("cookie", "")[:4096]).get(cookie_name(scope))
    except CookieError:
        return ""
    return found.value if found else ""


def _not_same_origin(headers: Headers) -> _Refusal | None:
    """Refuse what changes something and does not come from our own page: that one always names its origin."""
    if len(headers.getlist("origin")) != 1:
        return _Refusal(403, "origin", "The request does not say that it comes from the server's own page.")
    return _cross_site(headers)


def _cross_site(headers: Headers) -> _Refusal | None:
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return _Refusal(403, "origin", "Other pages may not use the dashboard's session.")
    return None


def _counted(receive: Receive, send: Send, method: str) -> tuple[Receive, Send]:
    """Count the bytes and the answer, and put on it what every answer says."""

    async def received() -> Message:
        message = await receive()
        telemetry.BYTES.labels("in").inc(len(message.get("body", b"")))
        return message

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SAFE.items():
                headers.setdefault(name, value)
            telemetry.answered(method, message["status"])
        telemetry.BYTES.labels("out").inc(len(message.get("body", b"")))
        await send(message)

    return received, sent
