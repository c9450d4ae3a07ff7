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
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import bioimg_fiji
from bioimg_fiji import commands
from bioimg_fiji.commands.chooser import suggestions
from bioimg_fiji.errors import BioimgError, ProtocolError, ServerUnavailableError
from bioimg_fiji.jobs import JobState
from bioimg_fiji.server import buffers, coding, machine
from bioimg_fiji.server.answers import RefusedError, answer, read_json
from bioimg_fiji.server.buffer_routes import BufferRoutes
from bioimg_fiji.server.buffers import BufferStore
from bioimg_fiji.server.dashboard import Dashboard
from bioimg_fiji.server.health import Health
from bioimg_fiji.server.openapi import document
from bioimg_fiji.server.options import PROTOCOL, Limits
from bioimg_fiji.server.record import JobRecord
from bioimg_fiji.server.requests import JobRequest
from bioimg_fiji.server.sessions import Sessions
from bioimg_fiji.server.store import JobStore

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
    roots: Mapping[str, Path] = field(default_factory=dict)
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
            *BufferRoutes(self.jobs, self.buffers, self.limits).routes(),
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
                "transfer": {"part": self.limits.part_bytes, "encodings": list(coding.METHODS)},
                "roots": sorted(self.roots),
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
            wish = wish.with_files(command.parameters)
            wish.check_images(command.parameters)
            # NB: who does not say who it is shares with all of its computer.
            client = wish.client or (request.client.host if request.client else "")
            job = await self.jobs.accept(wish, key, fingerprint, work=command.work_of(wish.parameters), client=client)
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
        if state.ended or job.parked:
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
