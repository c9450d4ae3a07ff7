"""A real model server for the tests: started, spoken to by hand, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from bioimg_fiji.client import pinned
from bioimg_fiji.image import Image
from bioimg_fiji.server import connection
from bioimg_fiji.server.connection import Connection
from support import shared_memory

ENDED = ("done", "failed", "cancelled")


def until(what: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait for a true value and give it."""
    deadline = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return value


@dataclass
class Server:
    """A server process of its own, with a home, a connection file and a folder for pixels of its own."""

    process: subprocess.Popen[bytes]
    folder: Path
    connection: Connection
    http: httpx.Client

    @classmethod
    def start(cls, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Server:
        """Start a server and wait until it answers."""
        process = launch(folder, *arguments, environment=environment)

        def told() -> Connection | None:
            assert process.poll() is None, (folder / "server.err").read_text()
            found = connection.read(folder / "connection.json")
            return found if found is not None and found.pid == process.pid else None

        known = until(told, 60)
        headers = {"Authorization": f"Bearer {known.token}"}
        verify = pinned.context(known.fingerprint) if known.fingerprint else True
        http = httpx.Client(base_url=known.url, headers=headers, trust_env=False, verify=verify)
        return cls(process, folder, known, http)

    @property
    def pixels(self) -> Path:
        """Its private folder for pixels."""
        return next(iter(shared_memory.folder().glob(f"bioimg-fiji-{self.process.pid}-*")))

    def workers(self) -> list[psutil.Process]:
        """Give its worker processes."""
        return psutil.Process(self.process.pid).children()

    def ended(self) -> Path:
        """End it at once, as a lack of memory would; its workers end with it."""
        workers, pixels = self.workers(), self.pixels
        self.process.kill()
        self.process.wait()
        _, alive = psutil.wait_procs(workers, timeout=5)
        assert not alive, alive
        return pixels

    def stop(self) -> None:
        """End it cleanly, and check that it left nothing."""
        self.http.close()
        if self.process.poll() is not None:
            return
        workers = self.workers()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        left = [each.name for each in self.folder.iterdir() if each.name.startswith((".connection", "connection"))]
        assert left == []
        assert not list(shared_memory.folder().glob(f"bioimg-fiji-{self.process.pid}-*"))
        assert not any(worker.is_running() for worker in workers)

    def put(self, pixels: np.ndarray[Any, Any]) -> str:
        """Send pixels by body and give the buffer's id."""
        data = pixels.tobytes()
        made = self.http.post("/v1/buffers", json={"size": len(data)})
        assert made.status_code == 201, made.text
        id_: str = made.json()["id"]
        answer = self.http.put(f"/v1/buffers/{id_}", content=data, headers={"X-CRC32": f"{zlib.crc32(data):08x}"})
        assert answer.status_code == 204, answer.text
        return id_

    def job(self, command: str, parameters: Mapping[str, Any], image: Image | None = None, **more: Any) -> str:
        """Start a job and give its id."""
        images = {} if image is None else {"image": {"header": image.header(), "buffer": self.put(image.pixels)}}
        request = {"command": command, "parameters": parameters, "images": images, **more}
        answer = self.http.post("/v1/jobs", json=request)
        assert answer.status_code == 202, answer.text
        id_: str = answer.json()["id"]
        return id_

    def status(self, job: str) -> dict[str, Any]:
        """Give the status of a job."""
        answer = self.http.get(f"/v1/jobs/{job}")
        assert answer.status_code == 200, answer.text
        status: dict[str, Any] = answer.json()
        return status

    def wait(self, job: str, *states: str) -> dict[str, Any]:
        """Wait until the job has one of the states (left out: has ended), and give its status."""
        return until(lambda: (s := self.status(job))["state"] in (states or ENDED) and s, 60)  # type: ignore[no-any-return]


def launch(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start `serve`; what it says goes to `server.err` in the folder."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    path = str(folder / "connection.json")
    given = {"HOME": str(home), "USERPROFILE": str(home), "BIOIMG_FIJI_CONNECTION": path, **(environment or {})}
    with (folder / "server.err").open("ab") as log:
        line = [sys.executable, "-m", "bioimg_fiji", "serve", "--connection", path, *arguments]
        return subprocess.Popen(line, env=os.environ | given, stderr=log, stdout=log)


def noise(*shape: int, dtype: str = "uint16", axes: str = "yx") -> Image:
    """Give a noisy image, always the same."""
    return Image(np.random.default_rng(3).poisson(60, shape).astype(dtype), axes, title="noise.tif")


def training(folder: Path) -> dict[str, Any]:
    """Give parameters of a training that would take hours."""
    return {"model": str(folder / "trained.zip"), "steps": 1_000_000, "batch_size": 1, "patch": 32, "force": True}
