"""What the server's computer has to compute with, as torch sees it."""

from __future__ import annotations

import asyncio
import json
import platform
import sys
from collections.abc import Coroutine
from typing import Any

import psutil

from bioimg_fiji.errors import ServerUnavailableError
from bioimg_fiji.server.gpus import gpus

_PROGRAM = "import json; from bioimg_fiji.runtime import devices; print(json.dumps(devices()))"
_SECONDS = 60
_known: list[list[str]] = []


async def look(stopping: asyncio.Event) -> dict[str, Any]:
    """Give the devices ("cpu (8 cores)", "cuda (NAME, 16 GiB)"), the memory in bytes, the GPUs, Python's version.

    Raises
    ------
    ServerUnavailableError
        When the server is told to end while the devices are looked for.
    """
    memory = psutil.virtual_memory()
    return {
        "python": platform.python_version(),
        "devices": await _devices(stopping),
        "memory": {"free": memory.available, "total": memory.total},
        "gpus": await asyncio.to_thread(gpus),
    }


async def _devices(stopping: asyncio.Event) -> list[str]:
    """Ask a process of its own, once: torch would take hundreds of megabytes in this one for ever."""
    if not _known:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _PROGRAM,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            output = await _first(process.communicate(), stopping)
            _known.append([str(each) for each in json.loads(output)])
        except (TimeoutError, ValueError):
            return []
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return _known[0]


async def _first(talk: Coroutine[Any, Any, tuple[bytes, bytes]], stopping: asyncio.Event) -> bytes:
    """Wait for a process' output, for `_SECONDS` at most and no longer than the server lives."""
    talking, ending = asyncio.create_task(talk), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({talking, ending}, timeout=_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if talking.done():
            return talking.result()[0]
        if ending.done():
            raise ServerUnavailableError("The model server is ending.", fix="Start it again, and ask then.")
        raise TimeoutError
    finally:
        talking.cancel()
        ending.cancel()
