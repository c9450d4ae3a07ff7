"""The server beside what it is made of: memory copies, Appose's shared memory, the bare model; in turns in one run.

The large image goes through a command that gives its image back, so that nothing is measured but the way there and
back: two writers and two readers of 268 MB. Appose does the same copies in an environment of its own (`--appose`, or
one that is made by pip where that can be had; else its figures are left out, and it is said).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from serving import identity_command

from bioimg_fiji import settings
from bioimg_fiji.client import Client
from bioimg_fiji.errors import JobCancelledError
from bioimg_fiji.image import Image
from bioimg_fiji.package import open_package
from bioimg_fiji.runtime import Adapter, choose
from bioimg_fiji.runtime.fake import write_random_unet
from bioimg_fiji.server import connection

SHAPE = (64, 1024, 1024)
"""Float32: 268 MB."""

SIDE = 256
ROUNDS, WARM_UP = 5, 2
CLIENTS, RUNS = 8, 12
"""How many clients send small images at once, and how many each."""

LATENCY_ROUNDS = 10
_SETTLED_SECONDS = 2.5
"""After so long a package's file is taken for unchanged by its times."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare this benchmark's own arguments."""
    parser.add_argument("--appose", type=Path, help="a Python that has Appose; by default one is made in the cache")


def run(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure everything against one server."""
    python = given.appose or _appose()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        write_random_unet(folder / "unet.zip")
        with _server(folder) as near, _far(folder) as far:
            figures = _large(near, far, python)
            time.sleep(_SETTLED_SECONDS)
            figures += _small(near, folder / "unet.zip")
            figures += _crowd(folder / "unet.zip", 0)
            figures += _cancel(near)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        write_random_unet(folder / "unet.zip")
        # A core is left for the server and its clients, as there is on computers with more of them.
        threads = max(1, (os.cpu_count() or 2) - 1)
        with _server(folder, threads):
            return figures + _crowd(folder / "unet.zip", threads)


@contextlib.contextmanager
def _server(folder: Path, threads: int = 0) -> Iterator[Client]:
    path = os.pathsep.join([identity_command.install(folder), os.environ.get("PYTHONPATH", "")])
    os.environ |= {"BIOIMG_FIJI_CONNECTION": str(folder / "connection.json"), "PYTHONPATH": path, "HOME": str(folder)}
    os.environ["BIOIMG_FIJI_THREADS"] = str(threads)
    with Client.local(start=True) as client:
        try:
            yield client
        finally:
            client.shutdown()
            while (folder / "connection.json").exists():
                time.sleep(0.05)


def _far(folder: Path) -> Client:
    """Give a client as one on another computer."""
    known = connection.read(folder / "connection.json")
    assert known is not None
    return Client(url=known.url, token=known.token)


def _large(near: Client, far: Client, python: Path | None) -> list[dict[str, Any]]:
    pixels = np.random.default_rng(0).normal(100, 10, SHAPE).astype(np.float32)
    image = Image(pixels, "zyx")
    ways: dict[str, Callable[[], Any]] = {
        "copy": lambda: _timed(pixels.copy),
        "files": lambda: _timed(lambda: near.run("identity", image)),
        "body": lambda: _timed(lambda: far.run("identity", image)),
    }
    with contextlib.ExitStack() as stack:
        if python is not None:
            ways["appose"] = stack.enter_context(_appose_copies(python))
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(ROUNDS + WARM_UP):
            for name, way in ways.items():
                found = way()
                if number >= WARM_UP:
                    seconds[name].append(found)
    copy, files, body = (statistics.median(seconds[name]) for name in ("copy", "files", "body"))
    rate = pixels.nbytes / 1e9
    figures = [
        _figure("numpy copy of 268 MB", rate / copy, "GB/s"),
        _figure("268 MB there and back by files", 2 * rate / files, "GB/s"),
        _figure("268 MB there and back by bodies", 2 * rate / body, "GB/s"),
        _figure("files / bodies", body / files, "times", at_least=3.0),
        _figure("files, writer and reader, / copy", 2 * copy / files, "times", at_least=0.12),
    ]
    if "appose" in seconds:
        appose = statistics.median(seconds["appose"])
        figures.append(_figure("268 MB there and back by Appose", 2 * rate / appose, "GB/s"))
        return [*figures, _figure("files / Appose", appose / files, "times", at_least=1.0)]
    return [*figures, {"figure": "Appose", "value": "not to be had", "unit": "", "bar": "", "holds": True}]


def _small(client: Client, model: Path) -> list[dict[str, Any]]:
    bare, tensor = _bare(model)
    runs, calls = [], []
    for number in range(LATENCY_ROUNDS + WARM_UP):
        # Some of each in a row: the threads of one runtime spin for a while after its run.
        run = [_timed(lambda: client.run("run_model", _image(), model=model)) for _ in range(3)]
        call = [_timed(lambda: bare.run(tensor)) for _ in range(3)]
        if number >= WARM_UP:
            runs.append(statistics.median(run))
            calls.append(statistics.median(call))
    added = (statistics.median(runs) - statistics.median(calls)) * 1e3
    return [
        _figure("256 x 256: bare model", statistics.median(calls) * 1e3, "ms"),
        _figure("256 x 256: a warm run", statistics.median(runs) * 1e3, "ms"),
        _figure("added by the server", added, "ms", at_most=15.0),
    ]


def _crowd(model: Path, threads: int) -> list[dict[str, Any]]:
    bare, tensor = _bare(model, threads)
    number = CLIENTS * RUNS
    alone, shared = [], []
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client()) for _ in range(CLIENTS)]
        for turn in range(3 + 1):
            start = time.perf_counter()
            for _ in range(number):
                bare.run(tensor)
            middle = time.perf_counter()
            _by_all(clients, model)
            end = time.perf_counter()
            if turn:
                alone.append(number / (middle - start))
                shared.append(number / (end - middle))
    ratio = statistics.median(shared) / statistics.median(alone)
    where = f"on {threads} of {os.cpu_count()} cores" if threads else "on all cores"
    return [
        _figure(f"256 x 256, {where}: bare model in a loop", statistics.median(alone), "runs/s"),
        _figure(f"256 x 256, {where}: by {CLIENTS} clients", statistics.median(shared), "runs/s"),
        _figure(f"clients / loop, {where}", ratio, "times", at_least=0.8),
    ]


def _by_all(clients: list[Client], model: Path) -> None:
    image, failed = _image(), []

    def work(client: Client) -> None:
        try:
            for _ in range(RUNS):
                client.run("run_model", image, model=model)
        except Exception as error:  # noqa: BLE001 - told by the main thread
            failed.append(error)

    threads = [threading.Thread(target=work, args=(each,)) for each in clients]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if failed:
        raise failed[0]


def _cancel(client: Client) -> list[dict[str, Any]]:
    """Cancel work that is deaf to it."""
    acknowledged, ended = [], []
    for _ in range(5):
        job = client.submit("identity", _image(), seconds=100)
        while not job.status()["progress"]["message"]:
            time.sleep(0.02)
        start = time.perf_counter()
        job.cancel()
        acknowledged.append(time.perf_counter() - start)
        with contextlib.suppress(JobCancelledError):
            job.result()
        ended.append(time.perf_counter() - start)
        job.forget()
    return [
        _figure("cancel: acknowledged, the slowest", max(acknowledged) * 1e3, "ms", at_most=100.0),
        _figure("cancel of deaf work: ended, the slowest", max(ended) * 1e3, "ms", at_most=1000.0),
    ]


def _bare(model: Path, threads: int = 0) -> tuple[Adapter, dict[str, Any]]:
    package = open_package(model)
    return choose(package, threads=threads), {package.inputs[0].id: _image().pixels[np.newaxis, np.newaxis]}


def _image() -> Image:
    return Image(np.random.default_rng(0).normal(100, 10, (SIDE, SIDE)).astype(np.float32), "yx")


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    del result
    return seconds


def _appose() -> Path | None:
    """Make an environment with Appose, once; None where it cannot be had."""
    folder = settings.cache_folder() / "bench-appose"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        lines = [
            [sys.executable, "-m", "venv", str(folder)],
            [str(python), "-m", "pip", "install", "-q", "appose==0.12.0", "numpy"],
        ]
        if any(subprocess.run(line, check=False).returncode for line in lines):
            print("Appose could not be installed: its figures are left out.", file=sys.stderr)
            return None
        (folder / "complete").touch()
    return python


@contextlib.contextmanager
def _appose_copies(python: Path) -> Iterator[Callable[[], float]]:
    program = Path(__file__).resolve().parent / "serving" / "appose_copies.py"
    line = [str(python), str(program), ",".join(map(str, SHAPE))]
    # Appose takes the first Python of the path for its worker.
    path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PATH": path}
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"

        def copies() -> float:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            return float(process.stdout.readline())

        yield copies
        process.stdin.close()


def _figure(
    name: str, value: float, unit: str, *, at_least: float | None = None, at_most: float | None = None
) -> dict[str, Any]:
    bar = f">= {at_least:g}" if at_least is not None else f"<= {at_most:g}" if at_most is not None else ""
    holds = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    return {"figure": name, "value": value, "unit": unit, "bar": bar, "holds": holds}
