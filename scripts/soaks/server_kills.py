"""Random SIGKILLs of the model server, its workers and its clients, while clients run a model, and train one, in loops.

Every run must give the right pixels, bit for bit, or an error that tells of a death. Every training must go on from the
checkpoint that is there, until it gives the weights of one that nobody disturbed. No call may hang; and in the end,
after one more server has started and ended, there is no process and no file left.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import io
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from bioimg_fiji.client import Client
from bioimg_fiji.commands import find
from bioimg_fiji.errors import BioimgError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.server import connection
from bioimg_fiji.train import checkpoint as checkpoints

RUNNERS = 2
TRAINING = {"steps": 400, "batch_size": 2, "patch": 32, "filters": 8, "depth": 1, "apply": False, "early_stop": 0}
"""Some seconds, and a checkpoint every hundred steps."""
SILENCE_SECONDS = 60.0
"""A call that says nothing for so long has hung."""
PATIENCE_SECONDS = 120.0
"""What a busy computer may need for one run, or for one training, where nothing is killed."""
LEAST_KILLS = 3
"""How many are killed at least where only a time is given, however short."""
ALIVE = "alive"
"""What the client that trains says at each loss that it is told."""
RIGHT = {"right", "trained", "going_on"}
DEATHS = {"server_unavailable", "server", "worker_died", "cancelled", "authentication", "unknown_job"}
"""Codes of the errors that a call may end with, when something was killed under it."""


def run(soak: Any) -> dict[str, Any]:
    """Kill for some time; give the figures."""
    with tempfile.TemporaryDirectory(prefix="soak-") as text:
        folder = Path(text)
        model = soak.model or _train(folder / "model.zip")
        expected = folder / "expected.npy"
        np.save(expected, find("run_model").run({"image": _image(), "model": model}).images["output"].pixels)
        undisturbed = folder / "undisturbed.zip"
        find("train_denoiser").run({"image": _image(), "model": undisturbed, **TRAINING})
        places = _Places(folder)
        try:
            program = [sys.executable, __file__]
            runner = [*program, "run", str(model), str(expected)]
            trainer = [*program, "train", str(undisturbed), str(folder / "trained.zip")]
            crowd = _Crowd(places, [*[runner] * RUNNERS, trainer])
            wrong = crowd.harass(soak.seconds, soak.count, random.Random(soak.seed))
            wrong += places.leftovers()
        finally:
            places.clear()
        return {"seconds": soak.seconds, "seed": soak.seed, **crowd.figures(), "wrong": wrong}


class _Places:
    """Home, connection file and folder for pixels of the soak's own processes, which are known by them."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        memory = Path("/dev/shm")
        self.pixels = Path(tempfile.mkdtemp(prefix="soak-", dir=memory if memory.is_dir() else None))
        self.connection = self.home / "connection.json"
        os.environ |= {
            "HOME": str(self.home),
            "USERPROFILE": str(self.home),
            "BIOIMG_FIJI_CONNECTION": str(self.connection),
            "BIOIMG_FIJI_BUFFERS": str(self.pixels),
        }

    def processes(self) -> list[psutil.Process]:
        """All living processes that were started with this connection file, except this one."""
        found = []
        for process in psutil.process_iter():
            try:
                mine = process.environ().get("BIOIMG_FIJI_CONNECTION") == str(self.connection)
                if mine and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def leftovers(self) -> list[str]:
        """Start and end one more server, and tell what is there afterwards."""
        with Client.local(start=True) as client:
            client.shutdown()
        deadline = time.monotonic() + 20
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.2)
            # A client that was killed while it started a server has left one that is quite well.
            with contextlib.suppress(BioimgError), Client.local() as client:
                client.shutdown()
        left = [f"process {each.pid} is left: {each.cmdline()}" for each in self.processes()]
        left += [f"{path} is left" for path in self.pixels.rglob("*")]
        # Logs, and what libraries keep.
        return left + [f"{path} is left" for path in self.home.iterdir() if path.name not in (".bioimg-fiji", ".cache")]

    def clear(self) -> None:
        """End what is left, if anything is."""
        for process in self.processes():
            process.kill()
        shutil.rmtree(self.pixels, ignore_errors=True)


class _Crowd:
    """The clients, runners first: programs that do the same again and again, started again when they were killed."""

    def __init__(self, places: _Places, lines: list[list[str]]) -> None:
        self._places = places
        self._lines = lines
        self._clients: dict[int, subprocess.Popen[str] | None] = dict.fromkeys(range(len(lines)))
        self._heard = [time.monotonic()] * len(lines)
        self._said: collections.Counter[str] = collections.Counter()
        self._kills: collections.Counter[str] = collections.Counter()
        self._wrong: list[str] = []

    def figures(self) -> dict[str, Any]:
        """Give what was killed, and how the calls ended."""
        return {"kills": dict(self._kills), "calls": dict(self._said)}

    def harass(self, seconds: float, kills: int | None, rng: random.Random) -> list[str]:
        """Kill one after the other, so many or for so long, once a first run was right; give what went wrong."""
        self._wait_for("right")
        end = time.monotonic() + (seconds if kills is None else 0)
        while sum(self._kills.values()) < (kills or LEAST_KILLS) or time.monotonic() < end:
            self._keep_going()
            time.sleep(rng.uniform(0.1, 2.0))
            kind = rng.choice(["worker", "worker", "server", "client"])
            victims = self._victims(kind)
            if victims:
                self._kill(rng.choice(victims), kind)
        self._recover()
        self._dismiss(list(self._clients))
        return self._wrong

    def _recover(self) -> None:
        """Wait, with no more kills, for one right run, and then one training: what was killed must not stay broken."""
        self._wait_for("right")
        self._dismiss(range(RUNNERS))  # a training gives way to runs: it has the computer to itself now
        self._wait_for("trained")

    def _wait_for(self, word: str) -> None:
        """Wait until a client says so once more; that none does in time is wrong."""
        before = self._said[word]
        end = time.monotonic() + PATIENCE_SECONDS
        while self._said[word] == before:
            if time.monotonic() > end:
                self._wrong.append(f"no call said {word!r} in {PATIENCE_SECONDS:g} s without a kill")
                return
            self._keep_going()
            time.sleep(0.1)

    def _dismiss(self, numbers: Iterable[int]) -> None:
        """Have these clients end, and not begin again."""
        for number in numbers:
            client = self._clients.pop(number, None)
            if client is not None:
                client.kill()
                client.wait()

    def _victims(self, kind: str) -> list[int]:
        if kind == "client":
            return [client.pid for client in self._clients.values() if client is not None and client.poll() is None]
        known = connection.read(self._places.connection)
        if known is None or known.pid not in {each.pid for each in self._places.processes()}:
            return []
        if kind == "server":
            return [known.pid]
        try:
            return [child.pid for child in psutil.Process(known.pid).children()]
        except psutil.Error:
            return []

    def _kill(self, pid: int, kind: str) -> None:
        try:
            psutil.Process(pid).kill()
            self._kills[kind] += 1
        except psutil.Error:
            pass

    def _keep_going(self) -> None:
        for number, client in self._clients.items():
            if client is None or client.poll() is not None:
                if client is not None and client.returncode != -9:
                    self._wrong.append(f"a client ended with {client.returncode}")
                line = self._lines[number]
                self._clients[number] = process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
                self._heard[number] = time.monotonic()
                threading.Thread(target=self._listen, args=(number, process), daemon=True).start()
            elif time.monotonic() - self._heard[number] > SILENCE_SECONDS:
                self._wrong.append(f"a call has hung for {SILENCE_SECONDS:g} s")
                client.kill()
                client.wait()

    def _listen(self, number: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self._heard[number] = time.monotonic()
                kind, _, text = line.strip().partition(" ")
                if kind == ALIVE:
                    continue
                self._said[kind] += 1
                if kind not in RIGHT and kind not in DEATHS:
                    self._wrong.append(f"{kind}: {text}")


def _train(path: Path) -> Path:
    find("train_denoiser").run({"image": _image(), "model": path, "steps": 5, "batch_size": 4, "apply": False})
    return path


def _image() -> Image:
    return Image(np.random.default_rng(5).poisson(60, (160, 160)).astype(np.uint16), "yx", title="noise.tif")


def train(undisturbed: Path, target: Path) -> None:
    """Train again and again, from the checkpoint if there is one; print how each call ended, and what went on."""
    checkpoint, expected = target.with_suffix(".checkpoint"), _weights(undisturbed)
    while True:
        target.unlink(missing_ok=True)
        kept = len(checkpoints.load(checkpoint)["history"]) if checkpoint.exists() else 0
        first: list[float] = []
        job = Job(functools.partial(_note, first))
        try:
            with Client.local(start=True) as near:
                near.run("train_denoiser", _image(), model=target, resume=True, job=job, **TRAINING)
            found = _weights(target)
            same = found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)
            print("trained" if same else "wrong_weights", flush=True)
        except BioimgError as error:
            print(error.code, repr(str(error)), flush=True)
        if kept and first:
            print("going_on" if first[0] >= kept else f"began_anew {first[0]} instead of {kept}", flush=True)


def _note(first: list[float], report: Progress) -> None:
    if "loss" in report.figures:
        first.append(report.current)
        print(ALIVE, flush=True)


def _weights(package: Path) -> dict[str, torch.Tensor]:
    (entry,) = (each for each in zipfile.ZipFile(package).namelist() if each.endswith(".pt"))
    weights: dict[str, torch.Tensor] = torch.load(io.BytesIO(zipfile.ZipFile(package).read(entry)), weights_only=True)
    return weights


def client(model: Path, expected: Path) -> None:
    """Run the model again and again, by file and by body in turn; print how each call ended."""
    reference = np.load(expected)
    for by_file in iter(lambda: random.random() < 0.5, None):
        try:
            with Client.local(start=True) as near:
                known = connection.read(Path(os.environ["BIOIMG_FIJI_CONNECTION"]))
                if by_file or known is None:
                    output = near.run("run_model", _image(), model=model).images["output"]
                else:
                    with Client(url=known.url, token=known.token) as far:
                        output = far.run("run_model", _image(), model=model).images["output"]
            print("right" if np.array_equal(output.pixels, reference) else "wrong_pixels", flush=True)
        except BioimgError as error:
            print(error.code, repr(str(error)), flush=True)


if __name__ == "__main__":
    {"run": client, "train": train}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
