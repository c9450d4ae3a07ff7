"""Hostile names and swapped files, given to a real server and to the model store: nothing outside is read or changed.

Names come by the path of a request, as the id of a buffer or a job, as the name of a model. Files of buffers are
replaced by links (to a secret, to a device, to a folder), by pipes and folders, before a request and while it is
answered. Beside the server's folders lies one with a secret: no answer may have it, and afterwards it is as it was.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import os
import random
import tempfile
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import httpx
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from programs.served import served

from bioimg_fiji.errors import BioimgError
from bioimg_fiji.package import store

SHORT, LONG = 300, 10_000
SWAPS = 10
"""One case in so many swaps a file."""
SECRET = b"canary 7f3a9b: nobody may read this"

_PIECES = [
    "..", ".", "...", "%2e%2e", "%2E.", "..%2f", "..%5c", "%252e%252e", "..\\", "%00", "\x00", "%0d%0aX: y", "~",
    "~root", "etc", "passwd", "proc", "self", "environ", "fd", "3", "dev", "shm", "C:", "CON", "NUL.txt",
    "%c0%ae%c0%ae", "\uff0e\uff0e", "file:", "*", "?", "#", ";", "lock", "v1", "buffers", "jobs", "page",
    "dashboard.js", "", " ", "a" * 300, "µ", "\u202e",
]  # fmt: skip
_TEMPLATES = ["/v1/buffers/{}", "/v1/jobs/{}", "/v1/jobs/{}/live", "/v1/jobs/{}/events", "/{}", "/v1/{}", "/page/{}"]


def run(soak: Any) -> dict[str, Any]:
    """Send the cases; `count` is how many."""
    count = soak.count or (SHORT if soak.short else LONG)
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as (http, told):
        folder = Path(name)
        outside = folder / "outside"
        outside.mkdir()
        (outside / "secret").write_bytes(SECRET)
        (outside / "inner").mkdir()
        (outside / "inner" / "file").write_bytes(SECRET)
        before = _digest(outside)
        os.environ["BIOIMG_FIJI_MODELS"] = str(folder / "models")
        cases = _Cases(http, outside, soak.seed)
        _hypothesis(cases, count, soak.seed)
        cases.race(3.0 if soak.short else 30.0)
        wrong = cases.wrong
        if _digest(outside) != before:
            wrong.append("something outside was changed")
        if http.get("/v1/info").json()["pid"] != told["pid"]:
            wrong.append("the server is another process")
        if http.get("/v1/jobs").status_code != 200:
            wrong.append("the server does not answer any more")
        return {"cases": dict(cases.counts), "answers": dict(cases.answers), "wrong": wrong[:20]}


class _Cases:
    """The cases, what they counted, and what was wrong."""

    def __init__(self, http: httpx.Client, outside: Path, number: int) -> None:
        self._http, self.outside = http, outside
        self.random = random.Random(number)
        self.counts: collections.Counter[str] = collections.Counter()
        self.answers: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []

    def path(self, method: str, template: str, name: str) -> None:
        """Ask for a path."""
        self.counts["path"] += 1
        raw = template.replace("{}", name).encode("utf-8", "replace")
        url = self._http.base_url.copy_with(raw_path=_sendable(raw))
        self._look(f"{method} {raw!r}", self._http.request(method, url, content=b"", headers={"X-CRC32": "00000000"}))

    def id(self, name: str) -> None:
        """Give a name as a buffer's id."""
        self.counts["id"] += 1
        part = {"header": {"shape": [2, 2], "dtype": "uint8"}, "buffer": name}
        body = {"command": "run_model", "parameters": {}, "images": {"image": part}}
        text = json.dumps(body).encode()
        answer = self._http.post("/v1/jobs", content=text, headers={"Content-Type": "application/json"})
        self._look(f"buffer {name!r}", answer, least=400)

    def model(self, name: str) -> None:
        """Give a name to the model store."""
        self.counts["model"] += 1
        for work in (store.find, store.remove):
            try:
                self.wrong.append(f"the store has found {name!r}: {work(name)}")
            except BioimgError:
                self.answers["store refused"] += 1

    def swap(self, kind: str, method: str) -> None:
        """Put something else in the place of a buffer's file, then use the buffer."""
        self.counts["swap"] += 1
        size = len(SECRET)
        made = self._http.post("/v1/buffers", json={"size": size, "local": True}).json()
        path = Path(made["path"])
        path.unlink()
        self._put(path, kind)
        url = f"/v1/buffers/{made['id']}"
        if method == "PUT":
            data = b"x" * size
            answer = self._http.put(url, content=data, headers={"X-CRC32": f"{zlib.crc32(data):08x}"})
        elif method == "JOB":
            part = {"header": {"shape": [1, size], "dtype": "uint8"}, "buffer": made["id"]}
            answer = self._http.post("/v1/jobs", json={"command": "run_model", "images": {"image": part}})
        else:
            answer = self._http.request(method, url)
        self._look(f"{method} of a buffer that is a {kind}", answer, least=200 if method == "DELETE" else 400)
        self._http.delete(url)
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()

    def race(self, seconds: float) -> None:
        """Swap a buffer's file again and again while it is read and written."""
        size = len(SECRET)
        made = self._http.post("/v1/buffers", json={"size": size, "local": True}).json()
        path, url = Path(made["path"]), f"/v1/buffers/{made['id']}"
        stop = threading.Event()
        swapping = threading.Thread(target=self._swap_until, args=(path, stop))
        swapping.start()
        deadline = time.monotonic() + seconds
        data = b"y" * size
        while time.monotonic() < deadline:
            self.counts["race"] += 1
            if self.random.random() < 0.5:
                answer = self._http.get(url)
            else:
                answer = self._http.put(url, content=data, headers={"X-CRC32": f"{zlib.crc32(data):08x}"})
            self._look("race", answer)
        stop.set()
        swapping.join()
        self._http.delete(url)

    def _swap_until(self, path: Path, stop: threading.Event) -> None:
        other = path.with_name(path.name + ".swap")
        while not stop.is_set():
            for kind in ("file", "link"):
                with contextlib.suppress(FileExistsError):
                    self._put(other, kind)
                other.replace(path)

    def _put(self, path: Path, kind: str) -> None:
        if kind == "link":
            path.symlink_to(self.outside / "secret")
        elif kind == "link to a folder":
            path.symlink_to(self.outside / "inner", target_is_directory=True)
        elif kind == "link to a device":
            path.symlink_to("/dev/zero")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            path.write_bytes(b"z" * len(SECRET))

    def _look(self, what: str, answer: httpx.Response, *, least: int = 200, most: int = 499) -> None:
        self.answers[str(answer.status_code)] += 1
        text = answer.content + repr(answer.headers).encode()
        if SECRET in text or b"root:" in text:
            self.wrong.append(f"{what} has given the secret")
        if not least <= answer.status_code <= most or answer.status_code == 500:
            self.wrong.append(f"{what} was answered {answer.status_code}: {answer.text[:200]}")


KINDS = ["link", "link to a folder", "link to a device", "pipe", "folder"]


def _hypothesis(cases: _Cases, count: int, number: int) -> None:
    far = [str(cases.outside), "../" * 9 + "etc/passwd"]
    pieces = st.one_of(st.sampled_from([*_PIECES, *far]), st.text(max_size=12))
    names = st.lists(pieces, min_size=1, max_size=7).flatmap(
        lambda parts: st.sampled_from(["/", "%2f", "\\", ""]).map(lambda by: by.join(parts))
    )

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        names, st.sampled_from(["GET", "PUT", "DELETE", "HEAD"]), st.sampled_from(_TEMPLATES), st.integers(0, SWAPS - 1)
    )
    def case(name: str, method: str, template: str, choice: int) -> None:
        if choice == 0:
            cases.swap(cases.random.choice(KINDS), cases.random.choice(["GET", "PUT", "DELETE", "JOB"]))
        elif choice <= 2:
            cases.id(name)
        elif choice <= 4:
            cases.model(name)
        else:
            cases.path(method, template, name)

    case()


def _sendable(raw: bytes) -> bytes:
    """Leave out what no HTTP client can send in a request's first line."""
    return bytes(byte for byte in raw if 0x20 < byte < 0x7F and byte not in b"#") or b"/"


def _digest(folder: Path) -> str:
    found = [
        (str(path), path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    ]
    return hashlib.sha256(repr(found).encode()).hexdigest()
