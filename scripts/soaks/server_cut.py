"""The network between a client and its server is cut, at sending, while the job runs, and at receiving.

Client and server stand in network namespaces of their own, with a virtual cable between them (iproute2), TLS and a
pinned certificate; a cut takes the cable's link down, and whatever is under way is lost in silence. The cable may be
made slow (`tc`). Each call must give the pixels that it gives without a cut, bit for bit, from one job of the server:
no part lost or taken twice. Needs root, Linux, `ip`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji.client import Client
from bioimg_fiji.commands import find
from bioimg_fiji.errors import BioimgError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.runtime.fake import write_fake_package
from bioimg_fiji.server import buffers, connection

SHORT_CUTS, LONG_CUTS = (5.0,), (5.0, 60.0, 600.0)
"""Seconds of the cuts."""

MOMENTS = ("Sending", "Tiles", "Receiving")
"""What the client is told when the cable is pulled."""

RATE = "400mbit"
"""Speed of the cable, so that sending and receiving take a moment."""

PORT = 8443
SERVER, CLIENT = "10.231.7.1", "10.231.7.2"


def run(soak: Any) -> dict[str, Any]:
    """Cut again and again; give the figures."""
    cuts = SHORT_CUTS if soak.short else LONG_CUTS
    with tempfile.TemporaryDirectory(prefix="soak-") as text, cable(RATE) as between:
        folder = Path(text)
        model = soak.model or folder / "mean.zip"
        if soak.model is None:
            write_fake_package(model)  # its network takes no time: the way there and back is what is looked at
        expected = find("run_model").run({"image": _image(), "model": model, "tile": 256}).images["output"]
        with server(folder, between) as known:
            calls = [
                _call(between, folder, known, model, _sum(expected), moment, seconds)
                for seconds in cuts
                for moment in MOMENTS
            ]
            wrong = [f"{each['moment']}, {each['cut']:g} s: {each['wrong']}" for each in calls if each["wrong"]]
    return {"cuts": len(calls), "calls": calls, "wrong": wrong}


class Cable:
    """Two network namespaces and the cable between them."""

    def __init__(self, name: str) -> None:
        self.server, self.client = f"{name}s", f"{name}c"

    def plug(self, *, up: bool) -> None:
        """Connect the cable, or pull it."""
        _ip("-n", self.server, "link", "set", "cable", "up" if up else "down")


@contextlib.contextmanager
def cable(rate: str) -> Iterator[Cable]:
    """Lay a cable of this speed; "" is as fast as can be."""
    laid = Cable(f"bf{os.getpid()}")
    try:
        for space in (laid.server, laid.client):
            _ip("netns", "add", space)
            _ip("-n", space, "link", "set", "lo", "up")
        _ip("-n", laid.server, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", laid.client)
        for space, address in ((laid.server, SERVER), (laid.client, CLIENT)):
            _ip("-n", space, "address", "add", f"{address}/24", "dev", "cable")
            _ip("-n", space, "link", "set", "cable", "up")
            shape = ["tc", "-n", space, "qdisc", "add", "dev", "cable", "root", "tbf", "rate", rate]
            if rate:
                subprocess.run([*shape, "burst", "256k", "latency", "50ms"], check=True, capture_output=True)
        yield laid
    finally:
        for space in (laid.server, laid.client):
            subprocess.run(["ip", "netns", "delete", space], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=20)


@contextlib.contextmanager
def server(folder: Path, between: Cable) -> Iterator[connection.Connection]:
    """Start a server in its namespace, with TLS and a token."""
    home = folder / "home"
    home.mkdir()
    path = folder / "connection.json"
    line = ["ip", "netns", "exec", between.server, sys.executable, "-m", "bioimg_fiji", "serve", "--host", "0.0.0.0"]
    line += ["--port", str(PORT), "--self-signed", "--token-file", str(folder / "token"), "--connection", str(path)]
    places = {"HOME": str(home), "USERPROFILE": str(home)}
    with (folder / "server.err").open("wb") as log:
        process = subprocess.Popen(line, env=os.environ | places, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while (known := connection.read(path)) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "server.err").read_text())
            time.sleep(0.1)
        yield known
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _call(
    between: Cable, folder: Path, known: connection.Connection, model: Path, expected: str, moment: str, seconds: float
) -> dict[str, Any]:
    """Run the client's program in its namespace, and pull the cable when it says that the moment has come."""
    line = ["ip", "netns", "exec", between.client, sys.executable, __file__, str(model), moment]
    before = _jobs(folder)
    secret = json.dumps({"url": f"https://{SERVER}:{PORT}", "token": known.token, "fingerprint": known.fingerprint})
    began = time.monotonic()
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(secret + "\n")
    process.stdin.flush()
    cut, answer = 0, ""
    try:
        for text in process.stdout:
            if text.startswith("now"):
                cut += 1
                between.plug(up=False)
                threading.Timer(seconds, lambda: between.plug(up=True)).start()
            else:
                answer = text
    finally:
        process.wait()
    told = json.loads(answer) if answer else {"error": f"the client ended with {process.returncode}"}
    wrong = told.get("error", "")
    if not wrong and cut != 1:
        wrong = f"the cable was pulled {cut} times"
    if not wrong and told["pixels"] != expected:
        wrong = "other pixels"
    if not wrong and _jobs(folder) - before != 1:
        wrong = f"{_jobs(folder) - before} jobs ran"
    left = [path.name for path in _pixels(known.pid) if path.name != "lock"]
    if not wrong and left:
        wrong = f"the server keeps {left}"
    took = round(time.monotonic() - began, 1)
    return {"moment": moment, "cut": seconds, "took": took, "waited": told.get("waited"), "wrong": wrong}


def _jobs(folder: Path) -> int:
    """Count the jobs that the server has begun, by its log."""
    log = folder / "home" / ".bioimg-fiji" / "logs" / "server.log"
    return log.read_text("utf-8").count(" runs in process ") if log.exists() else 0


def _pixels(server: int) -> list[Path]:
    """Give the files in its folder for pixels."""
    return [path for folder in buffers.root().glob(f"bioimg-fiji-{server}-*") for path in folder.iterdir()]


def _noise(*shape: int) -> Any:
    return np.random.default_rng(5).poisson(60, shape).astype(np.uint16)


def _image() -> Image:
    return Image(_noise(6, 1200, 1200), "tyx", title="noise.tif")


def client(model: Path, moment: str) -> None:
    """Run the model once; say when the moment has come, and at the end what came."""
    waited = 0.0
    came = threading.Event()

    def progress(report: Progress) -> None:
        nonlocal waited
        if "waited for" in report.message:
            waited = max(waited, float(report.message.split("(")[1].split()[0]))
        elif not came.is_set() and report.message.startswith(moment) and 0 < report.current < report.maximum:
            came.set()
            print("now", flush=True)
            time.sleep(0.3)  # until the cable is out

    try:
        with Client(**json.loads(sys.stdin.readline()), patience=900) as far:
            output = far.run("run_model", _image(), job=Job(progress), model=model, tile=256).images["output"]
        print(json.dumps({"waited": waited, "pixels": _sum(output)}), flush=True)
    except BioimgError as error:
        print(json.dumps({"waited": waited, "error": f"{error.code}: {error}"}), flush=True)


def _sum(image: Image) -> str:
    return hashlib.sha256(image.pixels.tobytes()).hexdigest()


if __name__ == "__main__":
    client(Path(sys.argv[1]), sys.argv[2])
