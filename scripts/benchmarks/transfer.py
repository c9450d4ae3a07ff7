"""An image to a remote server and back, over TLS and cables of several speeds: as it is, compressed, and as chosen.

Client and server stand in network namespaces of their own (root, Linux and iproute2). The bars say that the choice
which the client makes by itself is never much slower than the better way.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji.client import transport
from bioimg_fiji.client.parts import Ways
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.remote.fingerprint import parse
from bioimg_fiji.server.coding import Coding
from soaks import server_cut

SPEEDS = ("", "1gbit", "100mbit")
SHAPE = (12, 1024, 2048)
ROUNDS = 3
BAR = 0.75
"""Part of the better way's speed that the choice has at least; it has to try both."""


def run() -> list[dict[str, Any]]:
    """Measure every speed of the cable."""
    figures = []
    for speed in SPEEDS:
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as text,
            server_cut.cable(speed) as between,
            server_cut.server(Path(text), between) as known,
        ):
            told = {"url": f"https://{server_cut.SERVER}:{server_cut.PORT}", "token": known.token}
            secret = json.dumps({**told, "pin": known.fingerprint})
            line = ["ip", "netns", "exec", between.client, sys.executable, "-m", "benchmarks.transfer"]
            folder = Path(__file__).parents[1]
            done = subprocess.run(line, input=secret, capture_output=True, text=True, check=True, cwd=folder)
            figures += _figures(speed or "no limit", json.loads(done.stdout))
    return figures


def _figures(speed: str, found: dict[str, float]) -> list[dict[str, Any]]:
    figures: list[dict[str, Any]] = [
        {"figure": f"{speed}: {name}", "value": value, "unit": "MB/s", "bar": "", "holds": True}
        for name, value in found.items()
    ]
    for way in ("up", "down"):
        ratio = found[f"chosen, {way}"] / max(found[f"as it is, {way}"], found[f"zstd, {way}"])
        name = f"{speed}: chosen / the better one, {way}"
        figures.append({"figure": name, "value": ratio, "unit": "", "bar": f">= {BAR}", "holds": ratio >= BAR})
    return figures


class _Always(Ways):
    """One way for all parts."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self._method = method

    def choose(self, itemsize: int) -> Coding | None:
        """Give it."""
        return Coding(self._method, itemsize) if self._method else None


def client(url: str, token: str, pin: str) -> dict[str, float]:
    """Send an image and get it again by each way in turn; give the medians in MB/s."""
    image = Image(np.random.default_rng(0).poisson(400, SHAPE).astype(np.uint16), "zyx")
    header = image.header()
    ways = {"as it is": lambda: _Always(""), "zstd": lambda: _Always("zstd"), "deflate": lambda: _Always("deflate")}
    seconds: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, make in {**ways, "chosen": Ways}.items():
            talk = transport.Transport(url, token, pin=parse(pin))
            talk._ways = {"PUT": make(), "GET": make()}  # noqa: SLF001 - what is measured
            id_ = talk.json("POST", "/v1/buffers", {"size": image.pixels.nbytes})["id"]
            start = time.perf_counter()
            talk.upload(id_, image.pixels, Job())
            middle = time.perf_counter()
            back = talk.download(id_, header, Job())
            end = time.perf_counter()
            assert np.array_equal(back, image.pixels)
            talk.json("DELETE", f"/v1/buffers/{id_}")
            talk.close()
            seconds.setdefault(f"{name}, up", []).append(middle - start)
            seconds.setdefault(f"{name}, down", []).append(end - middle)
    return {name: image.pixels.nbytes / 1e6 / float(np.median(each)) for name, each in seconds.items()}


if __name__ == "__main__":
    print(json.dumps(client(**json.loads(sys.stdin.readline()))))
