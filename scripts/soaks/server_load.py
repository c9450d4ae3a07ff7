"""Many clients at once, more jobs than are taken, and connections that trickle, against one server.

Every run must give the right pixels, bit for bit; jobs that are too many must be told to wait (429); the server's
memory, files and threads must not grow; /v1/info must answer within a second all the while.
"""

from __future__ import annotations

import collections
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from bioimg_fiji.client import Client
from bioimg_fiji.commands import find
from bioimg_fiji.errors import BioimgError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.runtime.fake import write_fake_package
from bioimg_fiji.server import connection
from bioimg_fiji.server.connection import Connection

PROGRAMS = 4
LONG = {"clients": 100, "runs": 10_000, "slow": 500}
SHORT = {"clients": 20, "runs": 200, "slow": 100}
FLOOD, LARGEST_FLOOD, FLOOD_THREADS = 150, 600, 8
"""Jobs that are sent at once now and then, by one client that does not wait: more while none of them is refused."""

SAMPLE_SECONDS = 0.5
ANSWER_SECONDS = 1.0
SLOPE = 1024.0
"""Bytes that the server may grow by with each run, in the second half."""

FEWEST_RUNS = 2000
"""With fewer in the second half, the slope says nothing: memory comes in pieces."""

SILENCE_SECONDS = 120.0


def run(soak: Any) -> dict[str, Any]:
    """Run it; give the figures."""
    size = dict(SHORT if soak.short else LONG)
    size["runs"] = soak.count or size["runs"]
    with tempfile.TemporaryDirectory(prefix="soak-") as text:
        folder = Path(text)
        os.environ |= {"HOME": text, "BIOIMG_FIJI_CONNECTION": str(folder / "connection.json")}
        model = soak.model or folder / "model.zip"
        if soak.model is None:
            write_fake_package(model)
        expected = find("run_model").run({"image": _image(), "model": model}).images["output"].pixels
        np.save(folder / "expected.npy", expected)
        with Client.local(start=True) as client:
            known = connection.read(folder / "connection.json")
            assert known is not None
            try:
                return _measured(known, folder, model, size)
            finally:
                client.shutdown()


def _measured(known: Connection, folder: Path, model: Path, size: dict[str, int]) -> dict[str, Any]:
    crowd = _Crowd(folder, model, size)
    watch = _Watch(known, crowd)
    slow = _Slow(known, size["slow"])
    threads = [threading.Thread(target=each, daemon=True) for each in (watch.run, slow.run, _Flood(known, watch).run)]
    for each in threads:
        each.start()
    wrong = crowd.wait()
    watch.over.set()
    slow.over.set()
    for each in threads:
        each.join(30)
    figures, more = watch.figures(size["runs"])
    told = crowd.said["busy"] + watch.refused
    if not told:
        more.append("no job was told to wait")
    calls = dict(crowd.said) | {"flood_taken": watch.taken, "flood_refused": watch.refused}
    return {**size, "calls": calls, "slow_connections_opened": slow.opened, **figures, "wrong": wrong + more}


class _Crowd:
    """The clients: programs with many threads, each a client of its own."""

    def __init__(self, folder: Path, model: Path, size: dict[str, int]) -> None:
        self.said: collections.Counter[str] = collections.Counter()
        self.runs = 0
        self._wrong: list[str] = []
        self._heard = time.monotonic()
        threads, runs = size["clients"] // PROGRAMS, size["runs"] // PROGRAMS
        line = [sys.executable, __file__, str(model), str(folder / "expected.npy"), str(threads), str(runs)]
        self._programs = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(PROGRAMS)]
        self._readers = [threading.Thread(target=self._listen, args=(each,), daemon=True) for each in self._programs]
        for each in self._readers:
            each.start()

    def _listen(self, program: subprocess.Popen[str]) -> None:
        assert program.stdout is not None
        with program.stdout as lines:
            for line in lines:
                self._heard = time.monotonic()
                kind, _, text = line.strip().partition(" ")
                self.said[kind] += 1
                self.runs += kind != "busy"
                if kind not in ("right", "busy"):
                    self._wrong.append(f"{kind}: {text}")

    def wait(self) -> list[str]:
        """Wait for all; give what went wrong."""
        while any(each.poll() is None for each in self._programs):
            if time.monotonic() - self._heard > SILENCE_SECONDS:
                self._wrong.append(f"no run has ended for {SILENCE_SECONDS:g} s")
                for each in self._programs:
                    each.kill()
            time.sleep(0.1)
        for reader in self._readers:
            reader.join(10)
        return self._wrong + [f"a program ended with {each.returncode}" for each in self._programs if each.returncode]


@dataclass
class _Watch:
    """Looks at the server now and then."""

    known: Connection
    crowd: _Crowd
    over: threading.Event = field(default_factory=threading.Event)
    samples: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    slowest: float = 0.0
    taken: int = 0
    refused: int = 0

    def run(self) -> None:
        """Sample until it is over: runs, memory, files, threads, the workers' memory."""
        process = psutil.Process(self.known.pid)
        with _http(self.known) as http:
            while not self.over.wait(SAMPLE_SECONDS):
                start = time.perf_counter()
                try:
                    http.get("/v1/info").raise_for_status()
                    seconds = time.perf_counter() - start
                except httpx.HTTPError:
                    seconds = float("inf")
                self.slowest = max(self.slowest, seconds)
                workers = sum(_memory(each) for each in process.children())
                self.samples.append(
                    (self.crowd.runs, _memory(process), process.num_fds(), process.num_threads(), workers)
                )

    def figures(self, runs: int) -> tuple[dict[str, Any], list[str]]:
        """Give the figures, and what is wrong about them."""
        half = [each for each in self.samples if each[0] >= runs / 2]
        done = np.array([each[0] for each in half], float)
        memory, files, threads, workers = (np.array([each[i] for each in half], float) for i in range(1, 5))
        slope = float(np.polyfit(done, memory, 1)[0]) if len(half) > 2 and np.ptp(done) else 0.0
        third = max(1, len(half) // 3)
        figures = {
            "info_slowest_seconds": round(self.slowest, 3),
            "server_bytes_per_run": round(slope, 1),
            "server_mib": [round(float(each) / 2**20, 1) for each in (memory[0], memory[-1])],
            "workers_mib": [round(float(each) / 2**20, 1) for each in (workers.min(), workers.max())],
            "files": [int(files.min()), int(files.max())],
            "threads": [int(threads.min()), int(threads.max())],
        }
        wrong = []
        if self.slowest > ANSWER_SECONDS:
            wrong.append(f"/v1/info took {self.slowest:.2f} s")
        if runs / 2 >= FEWEST_RUNS and slope > SLOPE:
            wrong.append(f"the server grows by {slope:.0f} bytes a run")
        for name, values in (("files", files), ("threads", threads)):
            first, last = np.median(values[:third]), np.median(values[-third:])
            if last > 1.1 * first + 20:
                wrong.append(f"{name} grow from {first:g} to {last:g}")
        return figures, wrong


class _Flood:
    """Sends more jobs at once than are taken, and takes them back."""

    def __init__(self, known: Connection, watch: _Watch) -> None:
        self._known, self._watch = known, watch

    def run(self) -> None:
        """Flood now and then until it is over."""
        while not self._watch.over.wait(3 * SAMPLE_SECONDS):
            with _http(self._known) as http, contextlib.suppress(httpx.HTTPError):
                answers = self._flood(http)
                self._watch.taken += sum(each.status_code == 202 for each in answers)
                self._watch.refused += sum(each.status_code == 429 for each in answers)
                for each in answers:
                    if each.status_code == 202:
                        http.delete(f"/v1/jobs/{each.json()['id']}")

    @staticmethod
    def _flood(http: httpx.Client) -> list[httpx.Response]:
        body = {"command": "run_model", "parameters": {"model": "none.zip"}, "client": "flood"}
        answers: list[httpx.Response] = []
        with ThreadPoolExecutor(FLOOD_THREADS) as threads:
            while len(answers) < LARGEST_FLOOD and all(each.status_code != 429 for each in answers):
                answers += threads.map(lambda _: http.post("/v1/jobs", json=body), range(FLOOD))
        return answers


class _Slow:
    """Connections that say a byte now and then: half of them a head, half of them a body."""

    def __init__(self, known: Connection, number: int) -> None:
        self._known, self._number = known, number
        self.over = threading.Event()
        self.opened = 0

    def run(self) -> None:
        """Keep so many open until it is over."""
        lines: list[socket.socket] = []
        while not self.over.wait(SAMPLE_SECONDS):
            kept = []
            for line in lines:
                try:
                    line.send(b"x")
                    kept.append(line)
                except OSError:  # the server has had enough of it
                    line.close()
            lines = kept
            with contextlib.suppress(OSError):
                while len(lines) < self._number:
                    lines.append(self._open())
        for line in lines:
            line.close()

    def _open(self) -> socket.socket:
        host = self._known.url.removeprefix("http://")
        head = f"POST /v1/jobs HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {self._known.token}\r\n"
        self.opened += 1
        if self.opened % 2:
            head += "Content-Length: 100000\r\n\r\n"
        line = socket.create_connection(("127.0.0.1", int(host.rsplit(":", 1)[1])), 5)
        line.sendall(head.encode())
        line.setblocking(False)
        return line


def _http(known: Connection) -> httpx.Client:
    headers = {"Authorization": f"Bearer {known.token}"}
    return httpx.Client(base_url=known.url, headers=headers, trust_env=False, timeout=30)


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _image() -> Image:
    return Image(np.random.default_rng(5).poisson(60, (96, 96)).astype(np.uint16), "yx", title="noise.tif")


def clients(model: Path, expected: Path, threads: int, runs: int) -> int:
    """Run the model so often by so many clients, by file and by body; print how each run ended."""
    reference, image = np.load(expected), _image()
    known = connection.read(Path(os.environ["BIOIMG_FIJI_CONNECTION"]))
    assert known is not None
    left = iter(range(runs))
    taking, saying = threading.Lock(), threading.Lock()

    def say(*words: object) -> None:
        with saying:
            print(*words, flush=True)

    def work(number: int) -> None:
        with Client() if number % 2 else Client(url=known.url, token=known.token) as client:
            while True:
                with taking:
                    if next(left, None) is None:
                        return
                try:
                    job = Job(on_progress=lambda now: say("busy") if now.message.startswith("Waiting") else None)
                    output = client.run("run_model", image, model=model, job=job).images["output"]
                    say("right" if np.array_equal(output.pixels, reference) else "wrong_pixels")
                except BioimgError as error:
                    say(error.code, repr(str(error)))

    crowd = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join()
    return 0


if __name__ == "__main__":
    sys.exit(clients(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
