"""The routes of docs/protocol.md."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import sys
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import bioimg_fiji
from bioimg_fiji import commands
from bioimg_fiji.commands.chooser import suggestions
from bioimg_fiji.errors import BioimgError, ProtocolError, ServerUnavailableError, UnknownJobError
from bioimg_fiji.jobs import JobState
from bioimg_fiji.server import buffers, machine
from bioimg_fiji.server.answers import RefusedError, answer, check_length, read_json, too_large
from bioimg_fiji.server.buffers import Buffer, BufferStore
from bioimg_fiji.server.dashboard import Dashboard
from bioimg_fiji.server.health import Health
from bioimg_fiji.server.openapi import document
from bioimg_fiji.server.options import PROTOCOL, Limits
from bioimg_fiji.server.plainfile import PlainFile, empty, open_plain
from bioimg_fiji.server.record import JobRecord
from bioimg_fiji.server.requests import JobRequest
from bioimg_fiji.server.sessions import Sessions
from bioimg_fiji.server.store import JobStore
from bioimg_fiji.server.wire import BLOCK, buffer_error, crc_text

_log = logging.getLogger(__name__)
_COMMENT_SECONDS = 1.0
_LEAST_EVENT_SECONDS = 0.03


@dataclass(frozen=True)
class App:
    """The routes' functions and what they share."""

    jobs: JobStore
    buffers: BufferStore
    limits: Limits
    log_file: str
    stopping: asyncio.Event
    sessions: Sessions = field(default_factory=Sessions)

    def build(self) -> Starlette:
        """Give the ASGI application."""
        folders = {"memory": self.buffers.folder.parent, "disk": buffers.disk_root()}
        routes = [
            *Health(self.jobs, folders, self.stopping).routes(),
            *Dashboard(self.jobs, self.sessions, self.log_file).routes(),
            Route("/v1/openapi.json", self.openapi),
            Route("/v1/info", self.info),
            Route("/v1/commands", self.commands),
            Route("/v1/models", self.models, methods=["POST"]),
            Route("/v1/machine", self.machine),
            Route("/v1/buffers", self.create_buffer, methods=["POST"]),
            Route("/v1/buffers/{id}", self.fill_buffer, methods=["PUT"]),
            Route("/v1/buffers/{id}", self.read_buffer, methods=["GET"]),
            Route("/v1/buffers/{id}", self.free_buffer, methods=["DELETE"]),
            Route("/v1/jobs", self.submit, methods=["POST"]),
            Route("/v1/jobs/{id}", self.status, methods=["GET"]),
            Route("/v1/jobs/{id}", self.forget, methods=["DELETE"]),
            Route("/v1/jobs/{id}/events", self.events),
            Route("/v1/jobs/{id}/cancel", self.cancel, methods=["POST"]),
            Route("/v1/jobs/{id}/finish", self.finish, methods=["POST"]),
            Route("/v1/jobs/{id}/live", self.live, methods=["GET"]),
            Route("/v1/shutdown", self.shutdown, methods=["POST"]),
        ]
        app = Starlette(
            routes=routes,
            exception_handlers={
                BioimgError: _told,
                RefusedError: _refused,
                HTTPException: _no_route,
                ClientDisconnect: _nobody,
                Exception: self._unexpected,
            },
        )
        app.router.redirect_slashes = False  # a path is a route, or none
        return app

    async def openapi(self, _: Request) -> Response:
        """Describe all routes."""
        return JSONResponse(document())

    async def info(self, _: Request) -> Response:
        """Say who answers."""
        counts = {"running": self.jobs.count(JobState.RUNNING), "queued": self.jobs.count(JobState.QUEUED)}
        return JSONResponse(
            {
                "protocol": PROTOCOL,
                "version": bioimg_fiji.__version__,
                "pid": os.getpid(),
                "environment": sys.prefix,
                "jobs": counts,
            }
        )

    async def commands(self, _: Request) -> Response:
        """Describe all commands."""
        return JSONResponse({"commands": commands.describe_all()})

    async def models(self, request: Request) -> Response:
        """Tell what the models of the store are, and whether each fits an image."""
        data, _ = await read_json(request, self.limits.json_bytes)
        image = data.get("image")
        if image is not None and not isinstance(image, dict):
            raise ProtocolError("The image is its header, a JSON object, or left out.")
        found = await asyncio.to_thread(suggestions, image)
        return JSONResponse({"models": [each.to_json() for each in found]})

    async def machine(self, _: Request) -> Response:
        """Say what there is to compute on."""
        try:
            found = await machine.look(self.stopping)
        except ServerUnavailableError as error:
            raise RefusedError(503, error) from error
        return JSONResponse({**found, "log": self.log_file})

    async def create_buffer(self, request: Request) -> Response:
        """Make an empty buffer."""
        data, _ = await read_json(request, self.limits.json_bytes)
        size, local, on_disk = data.get("size"), data.get("local", False), data.get("on_disk", False)
        if type(size) is not int or size < 0 or type(local) is not bool or type(on_disk) is not bool:
            raise ProtocolError("A buffer has a size in bytes, and local and on_disk, true or false.")
        limit = self.limits.disk_bytes if on_disk else self.limits.buffer_bytes
        if size > limit:
            too_large(limit)
        buffer = self.buffers.create(size, local=local, on_disk=on_disk)
        path = str(buffer.path) if local else None
        return JSONResponse({"id": buffer.id, "size": size, "path": path}, 201)

    async def fill_buffer(self, request: Request) -> Response:
        """Take the bytes of a buffer; one that broke off may be sent again."""
        buffer = self.buffers.get(request.path_params["id"])
        if buffer.job is not None or buffer.filling:
            raise RefusedError(
                409, ProtocolError("The buffer is in use.", fix="Send the image to a buffer of its own.")
            )
        check_length(request, buffer.size)
        buffer.crc, buffer.filled, buffer.filling = None, False, True
        try:
            size, crc = await self._receive(request, buffer)
            _check_received(buffer, size, crc, request.headers.get("x-crc32", "").lower())
            buffer.crc, buffer.filled = crc, True
        except FileNotFoundError as error:
            raise UnknownJobError("The buffer's file was removed.", fix="Send the image again.") from error
        except OSError as error:
            raise buffer_error(buffer.path.parent.parent, error) from error
        finally:
            buffer.filling = False
            if not buffer.filled:  # broken off, or wrong: its memory is given back now
                with contextlib.suppress(OSError):
                    empty(buffer.path)
        return Response(status_code=204)

    async def _receive(self, request: Request, buffer: Buffer) -> tuple[int, int]:
        size, crc, waiting = 0, 0, bytearray()
        with os.fdopen(open_plain(buffer.path, os.O_WRONLY | os.O_TRUNC), "wb") as file:

            def write(block: bytes, before: int) -> int:
                file.write(block)
                return zlib.crc32(block, before)

            async for part in request.stream():
                size += len(part)
                if size > buffer.size:
                    too_large(buffer.size)
                waiting += part
                if len(waiting) >= BLOCK:
                    crc = await asyncio.to_thread(write, bytes(waiting), crc)
                    waiting.clear()
            crc = await asyncio.to_thread(write, bytes(waiting), crc)
        return size, crc

    async def read_buffer(self, request: Request) -> Response:
        """Give the bytes of a buffer."""
        buffer = self.buffers.get(request.path_params["id"])
        if buffer.job is not None:
            self.jobs.touch(buffer.job)
        try:
            crc = buffer.crc if buffer.crc is not None else await asyncio.to_thread(_crc_of, buffer)
            headers = {"X-CRC32": crc_text(crc), "Cache-Control": "no-store"}
            return PlainFile(buffer.path, headers=headers, media_type="application/octet-stream")
        except OSError as error:
            raise UnknownJobError("The buffer's file was removed.", fix="Run the job again.") from error

    async def free_buffer(self, request: Request) -> Response:
        """Free a buffer."""
        if self.buffers.has(request.path_params["id"]):
            self._not_in_use(self.buffers.get(request.path_params["id"]))
            self.buffers.free(request.path_params["id"])
        return Response(status_code=204)

    def _not_in_use(self, buffer: Buffer) -> None:
        if buffer.job is not None and self.jobs.unended(buffer.job):
            raise RefusedError(409, ProtocolError("The buffer belongs to a job that has not ended."))

    async def submit(self, request: Request) -> Response:
        """Take a job."""
        if self.stopping.is_set():
            raise RefusedError(
                503, ServerUnavailableError("The server is ending.", fix="Start it again, and ask then.")
            )
        data, body = await read_json(request, self.limits.json_bytes)
        key, fingerprint = request.headers.get("idempotency-key", "")[:200], hashlib.sha256(body).hexdigest()
        job = self.jobs.known(key, fingerprint) if key else None
        if job is None:
            wish = JobRequest.parse(data)
            command = commands.find(wish.command)
            wish.check_images(command.parameters)
            # NB: who does not say who it is shares with all of its computer.
            client = wish.client or (request.client.host if request.client else "")
            job = self.jobs.submit(wish, key, fingerprint, work=command.work, client=client)
        return JSONResponse({"id": job.id, "state": job.state.value}, 202)

    async def status(self, request: Request) -> Response:
        """Tell a job's status."""
        return JSONResponse(self.jobs.get(request.path_params["id"]).status())

    async def forget(self, request: Request) -> Response:
        """Forget a job."""
        await self.jobs.forget(request.path_params["id"])
        return Response(status_code=204)

    async def cancel(self, request: Request) -> Response:
        """Ask a job to stop."""
        job = self.jobs.get(request.path_params["id"])
        self.jobs.cancel(job)
        return JSONResponse(job.status(), 202)

    async def finish(self, request: Request) -> Response:
        """Ask a job to end early with what there is."""
        job = self.jobs.get(request.path_params["id"])
        self.jobs.finish(job)
        return JSONResponse(job.status(), 202)

    async def live(self, request: Request) -> Response:
        """Give what can be looked at while a job runs; the dashboard's look keeps no lease."""
        id_ = request.path_params["id"]
        job = self.jobs.peek(id_) if "bioimg.dashboard" in request.scope else self.jobs.get(id_)
        if job.live is None:
            text = "There is nothing of this job to look at" + (" any more." if job.state.ended else " yet.")
            fix = "Only trainings show something, after their first steps; ask again when the status' live has grown."
            raise RefusedError(404, ProtocolError(text, fix=fix, live=job.shown))
        return JSONResponse(job.live)

    async def events(self, request: Request) -> Response:
        """Stream a job's events."""
        job = self.jobs.get(request.path_params["id"])
        return StreamingResponse(_events(job), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def shutdown(self, _: Request) -> Response:
        """End the server."""
        self.stopping.set()
        return JSONResponse({}, 202)

    async def _unexpected(self, _: Request, error: Exception) -> Response:
        _log.error("[error] unexpected", exc_info=error)
        text = f"The server failed: {type(error).__name__}: {error}"
        return answer(BioimgError(text, fix=f"The log has the details: {self.log_file}"))


async def _events(job: JobRecord) -> AsyncIterator[bytes]:
    """Give what changed since the last event, at most some thirty times a second; the last event is the end."""
    state, notes, progress, shown, finishing = None, 0, job.progress, 0, False
    while True:
        job.touched = time.monotonic()
        changed = job.changed
        if len(job.notes) > notes:
            notes = len(job.notes)
            yield _event("note", job)
        if job.progress is not progress:
            progress = job.progress
            yield _event("progress", job)
        if job.shown > shown:
            shown = job.shown
            yield _event("live", job)
        if job.state is not state or job.finishing is not finishing:
            state, finishing = job.state, job.finishing
            yield _event("state", job)
        if state.ended:
            return
        try:
            await asyncio.wait_for(changed.wait(), _COMMENT_SECONDS)
        except TimeoutError:
            yield b": still here\n\n"
        else:
            with contextlib.suppress(TimeoutError):  # the end is told at once
                await asyncio.wait_for(job.ended.wait(), _LEAST_EVENT_SECONDS)


def _event(name: str, job: JobRecord) -> bytes:
    return f"event: {name}\ndata: {json.dumps(job.status(), ensure_ascii=False)}\n\n".encode()


def _check_received(buffer: Buffer, size: int, crc: int, announced: str) -> None:
    if size != buffer.size or announced != crc_text(crc):
        raise ProtocolError(
            f"{size} bytes with CRC-32 {crc_text(crc)} have come; announced were {buffer.size} bytes, "
            f"CRC-32 {announced or '(none)'}.",
            fix="Send them again.",
        )


def _crc_of(buffer: Buffer) -> int:
    crc = 0
    with os.fdopen(open_plain(buffer.path), "rb") as file:
        while block := file.read(BLOCK):
            crc = zlib.crc32(block, crc)
    return crc


async def _told(_: Request, error: Exception) -> Response:
    return answer(cast("BioimgError", error))


async def _refused(_: Request, error: Exception) -> Response:
    refusal = cast("RefusedError", error)
    return answer(refusal.error, refusal.status)


async def _nobody(_: Request, __: Exception) -> Response:
    """Answer a client that went away while it sent: nobody reads this."""
    return Response(status_code=400)


async def _no_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = f"{request.method} {request.url.path} is no request that this server knows."
    refused = answer(ProtocolError(text, fix="docs/protocol.md has the list."), status)
    if status == 405:
        refused.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return refused


def _methods(request: Request) -> set[str]:
    """Give the methods that the path has, by whichever of its routes."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    return set().union(*(route.methods or () for route in routes if route.path_regex.match(request.scope["path"])))
