"""Errors as HTTP answers, and JSON bodies read with a limit."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, NoReturn

from starlette.requests import Request
from starlette.responses import JSONResponse

from bioimg_fiji.errors import (
    AuthenticationError,
    BioimgError,
    InputError,
    ProtocolError,
    ServerBusyError,
    StorageError,
    UnknownCommandError,
    UnknownJobError,
)
from bioimg_fiji.server.wire import plain

DEPTH = 64
"""How deep a JSON body may nest: twice what any image's header or command's parameters need."""

VALUES = 1_000_000
"""How many values a JSON body may have. A short text of empty lists would become gigabytes of Python's objects."""

_LARGE = 1 << 20
# An unclosed text runs to the end: tried again from each quote in it, it would take time by the square of its length.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{},]', re.DOTALL)

_STATUS: list[tuple[type[BioimgError], int]] = [
    (UnknownCommandError, 404),
    (UnknownJobError, 404),
    (AuthenticationError, 401),
    (StorageError, 507),
    (ServerBusyError, 429),
    (ProtocolError, 400),
    (InputError, 400),
]


class RefusedError(Exception):
    """An error with a status of its own (403, 409, 413)."""

    def __init__(self, status: int, error: BioimgError) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


def answer(error: BioimgError, status: int | None = None) -> JSONResponse:
    """Give the protocol's error body with the status that belongs to the error."""
    if status is None:
        status = next((number for kind, number in _STATUS if isinstance(error, kind)), 500)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if isinstance(error, ServerBusyError):
        headers["Retry-After"] = str(error.details["retry_after"])
    return JSONResponse({"error": plain(error.to_json())}, status, headers)


async def read_json(request: Request, limit: int) -> tuple[dict[str, Any], bytes]:
    """Read a body that is one JSON object; give it and its bytes.

    Raises
    ------
    RefusedError
        When it is longer than `limit` (found out before it is read where the client tells, else while reading), or
        has more values than `VALUES`.
    ProtocolError
        When it is not JSON, nests deeper than `DEPTH`, or is not an object.
    """
    check_length(request, limit)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            too_large(limit)
        parts.append(part)
    body = b"".join(parts)
    if size > _LARGE:
        await asyncio.to_thread(_check_structure, body)
    else:
        _check_structure(body)
    try:
        data = json.loads(body, parse_constant=_no_constant)
        if b"\\u" in body:  # half a surrogate pair is JSON, but no text: it could be neither logged nor sent back
            json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"The body is not JSON: {error}.") from error
    if not isinstance(data, dict):
        raise ProtocolError(f"The body is a JSON object, not {type(data).__name__}.")
    return data, body


def _check_structure(body: bytes) -> None:
    """Count values and depth in the text, before anything is made of it."""
    depth = values = 0
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth -= 1
        values += first in b",[{"
        if depth > DEPTH:
            raise ProtocolError(f"The body nests deeper than {DEPTH} levels.", fix="Send a flatter object.")
        if values > VALUES:
            text = f"The body has more than {VALUES} values."
            raise RefusedError(413, ProtocolError(text, fix="Send pixels in a buffer.", limit=VALUES))


def check_length(request: Request, limit: int) -> None:
    """Refuse a body whose announced length is above the limit, before anything of it is read."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        too_large(limit)


def too_large(limit: int) -> NoReturn:
    """Refuse with 413."""
    raise RefusedError(413, ProtocolError(f"The body is too large: {limit} bytes are allowed.", limit=limit))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
