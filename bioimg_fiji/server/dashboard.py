"""The page for a browser, the way into it, and what only it asks: all jobs in short, the end of the log.

The page itself (bioimg_fiji/server/page) is plain HTML, CSS and JavaScript without data in it: everything it shows
comes by the routes that other clients use.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bioimg_fiji.errors import AuthenticationError, ParameterError
from bioimg_fiji.server.answers import read_json
from bioimg_fiji.server.record import JobRecord
from bioimg_fiji.server.security import cookie_name, session_cookie
from bioimg_fiji.server.sessions import CODE_SECONDS, SESSION_SECONDS, Sessions
from bioimg_fiji.server.store import JobStore
from bioimg_fiji.server.wire import plain

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_FILES = {
    "/": ("index.html", "text/html"),
    "/dashboard.css": ("dashboard.css", "text/css"),
    "/dashboard.js": ("dashboard.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_LOGIN_BYTES = 1024
_LOG_LINES = 200
_MOST_LINES = 2000
_LINE_BYTES = 400


@dataclass(frozen=True)
class Dashboard:
    """The routes of the page."""

    jobs: JobStore
    sessions: Sessions
    log_file: str

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            *(Route(path, self.page) for path in _FILES),
            Route("/v1/dashboard/codes", self.new_code, methods=["POST"]),
            Route("/v1/dashboard/login", self.login, methods=["POST"]),
            Route("/v1/dashboard/logout", self.logout, methods=["POST"]),
            Route("/v1/jobs", self.all_jobs, methods=["GET"]),
            Route("/v1/log", self.log),
        ]

    async def page(self, request: Request) -> Response:
        """Give a file of the page."""
        name, kind = _FILES[request.url.path]
        text = (files("bioimg_fiji.server") / "page" / name).read_bytes()
        return Response(text, media_type=kind, headers={"Content-Security-Policy": _PAGE_POLICY})

    async def new_code(self, _: Request) -> Response:
        """Make a one-time code; who asks has the token."""
        code = self.sessions.new_code()
        return JSONResponse({"code": code, "path": f"/#code={code}", "seconds": CODE_SECONDS}, 201)

    async def login(self, request: Request) -> Response:
        """Turn a one-time code into a session."""
        data, _ = await read_json(request, _LOGIN_BYTES)
        code = data.get("code")
        opened = self.sessions.open(code) if isinstance(code, str) else None
        if opened is None:
            raise AuthenticationError(
                "This code is wrong, too old, or was used before.", fix="Get a new one by: bioimg-fiji dashboard"
            )
        cookie, key = opened
        answer = JSONResponse({"key": key, "seconds": SESSION_SECONDS})
        answer.set_cookie(cookie_name(request.scope), cookie, int(SESSION_SECONDS), **_cookie_rules(request))
        return answer

    async def logout(self, request: Request) -> Response:
        """End the session of the browser that asks."""
        self.sessions.close(session_cookie(request.scope, request.headers))
        answer = Response(status_code=204)
        answer.delete_cookie(cookie_name(request.scope), **_cookie_rules(request))
        return answer

    async def all_jobs(self, _: Request) -> Response:
        """Give all jobs in short, the newest first. Who looks at them keeps no lease."""
        newest = sorted(self.jobs.all(), key=lambda job: job.times["queued"], reverse=True)
        return JSONResponse({"jobs": [_short(job) for job in newest]})

    async def log(self, request: Request) -> Response:
        """Give the last lines of the log."""
        text = request.query_params.get("lines", str(_LOG_LINES))
        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:6]) <= _MOST_LINES):
            raise ParameterError.of("lines", f"a whole number from 1 to {_MOST_LINES}", text[:40])
        return JSONResponse({"lines": await asyncio.to_thread(_tail, Path(self.log_file), int(text))})


def _cookie_rules(request: Request) -> Any:
    return {"path": "/", "secure": request.url.scheme == "https", "httponly": True, "samesite": "strict"}


def _short(job: JobRecord) -> dict[str, Any]:
    """Give a job's status without its result, whose headers may have megabytes."""
    status = job.status()
    result = status.pop("result") or {}
    short: dict[str, Any] = plain(
        {
            **status,
            "times": job.times,
            "finishable": job.finishable,
            "figures": result.get("figures", {}),
            "files": result.get("files", {}),
        }
    )
    return short


def _tail(path: Path, lines: int) -> list[str]:
    """Give the last lines of a file, reading no more of it than they may need; nothing where there is no file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = max(0, size - lines * _LINE_BYTES)
            file.seek(start)
            found = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return found[1 if start else 0 :][-lines:]
