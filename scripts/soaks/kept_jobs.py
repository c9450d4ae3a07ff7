"""A server that keeps its jobs is killed, or told to end, again and again, while trainings and runs are asked of it.

No job may be lost: each is asked for once and ends with the right pixels or weights, whatever became of its server.
Some are waited for by a client that is patient, some are left alone and fetched later.
"""

from __future__ import annotations

import collections
import io
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from bioimg_fiji.client import Client
from bioimg_fiji.commands import find
from bioimg_fiji.errors import BioimgError, ServerUnavailableError
from bioimg_fiji.image import Image
from bioimg_fiji.runtime.fake import write_random_unet

PATIENCE = 600.0
WAITING, DETACHED = 2, 4
"""Clients that wait for each of their jobs, and jobs at a time that nobody waits for."""
ENDS, SHORT_ENDS = 100, 4
TRAINING = {"steps": 150, "batch_size": 2, "patch": 32, "filters": 8, "depth": 1, "apply": False, "early_stop": 0}
LAST_SECONDS = 300.0


def run(soak: Any) -> dict[str, Any]:
    """End the server so many times; give the figures."""
    ends = soak.count or (SHORT_ENDS if soak.short else ENDS)
    with tempfile.TemporaryDirectory(prefix="soak-") as text:
        folder = Path(text)
        os.environ |= {"HOME": text, "USERPROFILE": text, "BIOIMG_FIJI_CONNECTION": str(folder / "none.json")}
        right = _Right(folder)
        server = _Server(folder)
        crowd = _Crowd(server, right, folder)
        rng = random.Random(soak.seed)
        try:
            for _ in range(ends):
                time.sleep(rng.uniform(1.0, 12.0))
                server.again(rng.choice([signal.SIGKILL, signal.SIGTERM]))
            crowd.finish()
        finally:
            server.process.terminate()
            server.process.wait(60)
        left = sorted(path.name for path in server.shelf.iterdir() if path.name != "lock")  # all is written by now
        wrong = crowd.wrong + [f"{name} is left on the shelf" for name in left]
        return {"ends": dict(server.ends), "seed": soak.seed, "jobs": dict(crowd.jobs), "wrong": wrong}


def _image() -> Image:
    return Image(np.random.default_rng(5).poisson(60, (160, 160)).astype(np.uint16), "yx", title="noise.tif")


class _Right:
    """What the jobs give where nothing is killed."""

    def __init__(self, folder: Path) -> None:
        self.model = folder / "unet.zip"
        write_random_unet(self.model)
        self.pixels = find("run_model").run({"image": _image(), "model": self.model}).images["output"].pixels
        find("train_denoiser").run({"image": _image(), "model": folder / "right.zip", **TRAINING})
        self._weights = _weights(folder / "right.zip")

    def trained(self, package: Path) -> bool:
        """Whether a package has the right weights, to the bit."""
        found = _weights(package)
        return found.keys() == self._weights.keys() and all(
            torch.equal(found[name], self._weights[name]) for name in found
        )


class _Server:
    """The server, at one address with one token, and whoever follows it."""

    def __init__(self, folder: Path) -> None:
        self.shelf, self._folder = folder / "kept", folder
        self.ends: collections.Counter[str] = collections.Counter()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", "bioimg_fiji", "serve", "--port", str(self.port), "--keep-jobs", str(self.shelf)]
        line += ["--token-file", str(self._folder / "token"), "--connection", str(self._folder / "connection.json")]
        return subprocess.Popen(line, stderr=subprocess.DEVNULL)

    def again(self, by: signal.Signals) -> None:
        """End it and start the next."""
        children = psutil.Process(self.process.pid).children()
        self.process.send_signal(by)
        self.process.wait(60)
        psutil.wait_procs(children, timeout=10)
        self.ends[by.name] += 1
        self.process = self._start()

    def client(self) -> Client:
        """Give a client that waits for it."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                token = (self._folder / "token").read_text().strip()
                return Client(url=f"http://127.0.0.1:{self.port}", token=token, patience=PATIENCE)
            except (ServerUnavailableError, FileNotFoundError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)


class _Crowd:
    """Clients that ask for jobs until it is over."""

    def __init__(self, server: _Server, right: _Right, folder: Path) -> None:
        self._server, self._right, self._folder = server, right, folder
        self._over = threading.Event()
        self.jobs: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        works = [*[self._wait] * WAITING, self._leave]
        self._threads = [threading.Thread(target=self._safely, args=(work, n)) for n, work in enumerate(works)]
        for each in self._threads:
            each.start()

    def finish(self) -> None:
        """Let all jobs end."""
        self._over.set()
        for each in self._threads:
            each.join(LAST_SECONDS)
            if each.is_alive():
                self.wrong.append("a client hangs")

    def _safely(self, work: Any, number: int) -> None:
        while not self._over.is_set():
            try:
                with self._server.client() as client:
                    work(client, number)
            except BioimgError as error:
                self.wrong.append(f"[{error.code}] {error}")

    def _wait(self, client: Client, number: int) -> None:
        """Ask for a training and wait for it."""
        target = self._folder / f"trained{number}.zip"
        target.unlink(missing_ok=True)
        client.run("train_denoiser", _image(), model=target, **TRAINING)
        self._judge("waited for, trained", self._right.trained(target))

    def _leave(self, client: Client, number: int) -> None:
        """Leave some jobs alone, and fetch them later."""
        target = self._folder / f"left{number}.zip"
        target.unlink(missing_ok=True)
        jobs = [client.submit("run_model", _image(), model=self._right.model) for _ in range(DETACHED)]
        training = client.submit("train_denoiser", _image(), model=target, **TRAINING)
        training.result()
        self._judge("left alone, trained", self._right.trained(target))
        training.forget()
        for job in jobs:
            found = job.result().images["output"].pixels
            self._judge("left alone, run", np.array_equal(found, self._right.pixels))
            job.forget()

    def _judge(self, what: str, right: bool) -> None:
        self.jobs[what] += 1
        if not right:
            self.wrong.append(f"{what}: wrong")


def _weights(package: Path) -> dict[str, torch.Tensor]:
    with zipfile.ZipFile(package) as archive:
        (entry,) = (each for each in archive.namelist() if each.endswith(".pt"))
        weights: dict[str, torch.Tensor] = torch.load(io.BytesIO(archive.read(entry)), weights_only=True)
    return weights
