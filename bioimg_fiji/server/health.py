"""Whether the server lives, whether it can work, and what it counts: `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bioimg_fiji.jobs import JobState
from bioimg_fiji.server import telemetry
from bioimg_fiji.server.store import JobStore

LEAST_FREE = 256 << 20
"""Bytes: with less free space for pixels the server calls itself not ready."""


@dataclass(frozen=True)
class Health:
    """The routes for those who watch the server."""

    jobs: JobStore
    folders: Mapping[str, Path]
    stopping: asyncio.Event

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [Route("/healthz", self.alive), Route("/readyz", self.ready), Route("/metrics", self.metrics)]

    async def alive(self, _: Request) -> Response:
        """Say that the server answers, and nothing else: this needs no token."""
        return JSONResponse({"status": "alive"})

    async def ready(self, _: Request) -> Response:
        """Say whether a job that comes now could be worked on, and why not: 200 or 503."""
        checks = {
            "open": not self.stopping.is_set(),
            "worker": self._worker(),
            **{
                f"space_{name}": await asyncio.to_thread(telemetry.free_bytes, folder) >= LEAST_FREE
                for name, folder in self.folders.items()
            },
        }
        fine = all(checks.values())
        return JSONResponse({"ready": fine, "checks": checks}, 200 if fine else 503)

    def _worker(self) -> bool:
        """Whether a worker process waits or works; one that died while it waited is replaced now."""
        try:
            self.jobs.prepare()
        except OSError:
            return False
        return telemetry.workers() > 0

    async def metrics(self, _: Request) -> Response:
        """Give the counters in Prometheus' text form."""
        registry = CollectorRegistry()
        counts = {state.value: self.jobs.count(state) for state in JobState}
        registry.register(telemetry.Sight(lambda: counts, self.folders))
        text = await asyncio.to_thread(lambda: generate_latest(telemetry.REGISTRY) + generate_latest(registry))
        return Response(text, media_type=CONTENT_TYPE_LATEST)
