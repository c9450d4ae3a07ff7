"""What the server's computer has to compute with, as torch sees it."""

from __future__ import annotations

import asyncio
import json
import platform
import sys
from typing import Any

import psutil

_PROGRAM = "import json; from bioimg_fiji.runtime import devices; print(json.dumps(devices()))"
_SECONDS = 60
_known: list[list[str]] = []


async def look() -> dict[str, Any]:
    """Give the devices ("cpu (8 cores)", "cuda (NAME, 16 GiB)"), the memory in bytes, and Python's version."""
    memory = psutil.virtual_memory()
    return {
        "python": platform.python_version(),
        "devices": await _devices(),
        "memory": {"free": memory.available, "total": memory.total},
    }


async def _devices() -> list[str]:
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
            output, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
            _known.append([str(each) for each in json.loads(output)])
        except (TimeoutError, ValueError):
            return []
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return _known[0]
