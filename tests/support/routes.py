"""The routes of the server as it has them: tests are made from this list, so that a new route is not forgotten."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from starlette.routing import Route

from bioimg_fiji.server.app import App
from bioimg_fiji.server.buffers import BufferStore
from bioimg_fiji.server.options import Limits, ServeOptions
from bioimg_fiji.server.store import JobStore


def all_routes() -> list[tuple[str, str]]:
    """Give each route as method and path, without the HEAD that goes with a GET."""
    with tempfile.TemporaryDirectory() as folder:
        store = BufferStore(Path(folder), Path(folder) / "disk")
        try:
            jobs = JobStore(ServeOptions(), store, "")
            routes = App(jobs, store, Limits(), "", asyncio.Event()).build().routes
        finally:
            store.close()
    found = [(method, route.path) for route in routes if isinstance(route, Route) for method in route.methods or ()]
    return sorted((method, path) for method, path in found if method != "HEAD")
