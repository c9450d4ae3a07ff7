"""A real server for a soak: with a home, a model store and a connection file in the soak's own folder."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[httpx.Client, dict[str, Any]]]:
    """Start it; give a client with the token, and what the connection file says."""
    file = folder / "connection.json"
    home = folder / "home"
    home.mkdir()
    environment = os.environ | {"HOME": str(home), "BIOIMG_FIJI_MODELS": str(folder / "models")}
    line = [sys.executable, "-m", "bioimg_fiji", "serve", "--connection", str(file)]
    process = subprocess.Popen(line, env=environment, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(0.05)
        told = json.loads(file.read_text("utf-8"))
        headers = {"Authorization": f"Bearer {told['token']}"}
        with httpx.Client(base_url=told["url"], headers=headers, trust_env=False, timeout=20) as http:
            yield http, told
    finally:
        process.terminate()
        process.wait(30)
