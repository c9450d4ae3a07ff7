"""Mutated model packages, one after the other, given to a real server to run.

The server must live on as the same process, and no package may run code, write outside the store, connect to anywhere
or hold the server up: every call gives an image or an error of ours within `LIMIT_SECONDS`. What the processes do is
seen by an audit hook (PEP 578) in each of them, from their first line on.
"""

from __future__ import annotations

import collections
import copy
import hashlib
import io
import os
import random
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import ruyaml
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from bioimg_fiji.client import Client
from bioimg_fiji.errors import BioimgError
from bioimg_fiji.image import Image
from bioimg_fiji.runtime.fake import write_fake_package

PER_SECOND = 4
"""Packages for each second that the soak is told to take; 2500 s are 10,000."""

LIMIT_SECONDS = 10.0
LIMIT_BYTES = 2 * 2**30
CANARY = "canary"

HOOK = """
import os, sys
_log, _roots = os.environ["SOAK_AUDIT"], tuple(os.environ["SOAK_ROOTS"].split(os.pathsep))
_fd = os.open(_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
def _hook(event, args):
    text = None
    if event == "open" and isinstance(args[0], str) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        if not os.path.realpath(args[0]).startswith(_roots) and args[0] not in ("/dev/null", "/dev/tty"):
            text = "writes " + args[0]
    elif event == "socket.connect" and isinstance(args[1], tuple):
        if args[1][0] not in ("127.0.0.1", "::1", "localhost"):
            text = "connects to " + repr(args[1])
    elif event == "os.system" or event == "os.exec":
        text = event + repr(args)
    elif event == "compile" and isinstance(args[1], str) and "canary" in args[1]:
        text = "compiles " + args[1]
    if text is not None:
        os.write(_fd, (text.replace("\\n", " ") + "\\n").encode("utf-8", "replace"))
sys.addaudithook(_hook)
"""

CODE = "from pathlib import Path\nPath({canary!r}).write_text('ran')\nimport torch\nNet = torch.nn.Identity\n"

VALUES: tuple[Any, ...] = (
    *(None, True, "", "x", "../../etc/passwd", "/etc/passwd", "https://example.org/w.onnx", "file:///etc/passwd"),
    *(0, -1, 1, 2**31, 2**63, 10**30, -0.5, 1e308, float("nan"), float("inf")),
    *([], {}, [[]], [{}], {"id": "x"}, {"id": "binarize", "kwargs": {"threshold": "a"}}, "A" * 5000, "\0", "ü" * 100),
    *(
        "rdf.yaml",
        "weights.onnx",
        "os.system",
        "code.py:Net",
        "float64",
        "bczyx",
        {"min": 1, "step": 0},
        {"min": -5, "step": -1},
    ),
)

YAML_BOMBS = (
    "!!python/object/apply:os.system ['touch {canary}']\n",
    "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{c}: &{c} [{', '.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
    "[" * 20000,
    "format_version: 0.5.4\ntype: model\n" * 3,
    "? !!set {{}}\n: {{}}\n",
)


def run(soak: Any) -> dict[str, Any]:
    """Mutate for some time; give the figures."""
    with tempfile.TemporaryDirectory(prefix="soak-") as text:
        return _Store(Path(text).resolve()).harass(max(20, round(soak.seconds * PER_SECOND)), soak.seed)


class _Store:
    """A home of its own for the server, whose processes write what they do into an audit log."""

    def __init__(self, folder: Path) -> None:
        self.home, self.packages, self.canary = folder / "home", folder / "packages", folder / CANARY
        self.audit = folder / "audit.txt"
        hook = folder / "hook"
        for each in (self.home, self.packages, hook, folder / "tmp"):
            each.mkdir()
        (hook / "sitecustomize.py").write_text(HOOK)
        base = folder / "base.zip"
        write_fake_package(base)
        with zipfile.ZipFile(base) as archive:
            self.files = {name: archive.read(name) for name in archive.namelist()}
        self.name = next(name for name in self.files if name.endswith("df.yaml") or name == "bioimageio.yaml")
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        self.slowest, self.peak = 0.0, 0
        os.environ |= {
            "HOME": str(self.home),
            "TMPDIR": str(folder / "tmp"),
            "BIOIMG_FIJI_CONNECTION": str(self.home / "connection.json"),
            "BIOIMG_FIJI_TRUSTED": str(self.home / "trusted.json"),
            "BIOIMG_FIJI_CACHE": str(self.home / "cache"),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(hook), os.environ.get("PYTHONPATH")))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SOAK_AUDIT": str(self.audit),
            "SOAK_ROOTS": os.pathsep.join((str(folder), "/dev/shm", "/proc/self")),
        }

    def harass(self, count: int, first: int) -> dict[str, Any]:
        image = Image(np.random.default_rng(0).poisson(50, (40, 50)).astype(np.uint16), "yx")
        with Client.local(start=True) as client:
            server = _server(self.home)
            begin = time.monotonic()

            @seed(first)
            @settings(
                max_examples=count,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                verbosity=Verbosity.quiet,
            )
            @given(st.integers(0, 2**64 - 1))
            def one(number: int) -> None:
                self._try(client, image, random.Random(number))
                for process in (server, *server.children(recursive=True)):
                    self.peak = max(self.peak, _peak(process))

            one()
            seconds = time.monotonic() - begin
            if not server.is_running() or server.status() == psutil.STATUS_ZOMBIE:
                self.wrong.append("the server has died")
            client.shutdown()
        peak = self.peak
        if peak > LIMIT_BYTES:
            self.wrong.append(f"a process has held {peak} bytes")
        if self.canary.exists():
            self.wrong.append("code of a package has run")
        if not self.audit.exists():
            self.wrong.append("the audit hook was not loaded")
        else:
            self.wrong += sorted(set(self.audit.read_text().splitlines()))[:20]
        return {
            "packages": sum(self.outcomes.values()),
            "seconds": round(seconds, 1),
            "slowest_seconds": round(self.slowest, 2),
            "peak_mib": peak // 2**20,
            "outcomes": dict(self.outcomes.most_common()),
            "wrong": self.wrong,
        }

    def _try(self, client: Client, image: Image, chance: random.Random) -> None:
        path = self.packages / "model.zip"
        kind = chance.choice(MUTATIONS)
        path.write_bytes(kind(self, chance))
        begin = time.monotonic()
        try:
            client.run("run_model", image, model=str(path))
            outcome = "image"
        except BioimgError as error:
            outcome = error.code
            if outcome == BioimgError.code:  # none of the tree: nobody has thought of it
                self.wrong.append(f"{kind.__name__}: {error}"[:300])
        except Exception as error:  # noqa: BLE001 - whatever comes that is not ours is what the soak is for
            outcome = f"{type(error).__name__}"
            self.wrong.append(f"{kind.__name__}: {type(error).__name__}: {error}"[:300])
        spent = time.monotonic() - begin
        self.slowest = max(self.slowest, spent)
        self.outcomes[outcome] += 1
        if outcome in (BioimgError.code, "server_unavailable") or spent > LIMIT_SECONDS:
            kept = Path(tempfile.gettempdir()) / f"soak-{outcome}-{len(self.wrong)}.zip"
            self.wrong.append(f"{kind.__name__}: {outcome} after {spent:.1f} s")
            if os.environ.get("SOAK_KEEP"):
                kept = Path(os.environ["SOAK_KEEP"]) / kept.name
                kept.write_bytes(path.read_bytes())

    def description(self) -> Any:
        """Give the description of the unharmed package."""
        return ruyaml.YAML(typ="safe", pure=True).load(self.files[self.name].decode())

    def packed(self, files: dict[str, bytes]) -> bytes:
        """Give a zip archive of files, with names as they are."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in files.items():
                entry = zipfile.ZipInfo("x")
                entry.filename = name
                archive.writestr(entry, data)
        return buffer.getvalue()

    def described(self, content: Any, **more: bytes) -> bytes:
        """Give a package with another description."""
        stream = io.StringIO()
        ruyaml.YAML(typ="safe", pure=True).dump(content, stream)
        return self.packed({**self.files, self.name: stream.getvalue().encode(), **more})


def _server(home: Path) -> psutil.Process:
    import json

    return psutil.Process(int(json.loads((home / "connection.json").read_text())["pid"]))


def _peak(process: psutil.Process) -> int:
    try:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
        return int(process.memory_info().rss)
    except (OSError, psutil.Error):
        return 0


def _nodes(content: Any) -> list[tuple[Any, Any]]:
    found = []
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in pairs:
        found += [(content, key), *_nodes(value)]
    return found


def nodes(store: _Store, chance: random.Random) -> bytes:
    """Change values of the description, leave them out, or put them somewhere else."""
    content = copy.deepcopy(store.description())
    for _ in range(chance.randint(1, 3)):
        found = _nodes(content)
        parent, key = chance.choice(found)
        what = chance.random()
        if what < 0.6:
            parent[key] = copy.deepcopy(chance.choice(VALUES))
        elif what < 0.75:
            del parent[key]
        elif what < 0.9:
            other, place = chance.choice(found)
            parent[key] = copy.deepcopy(other[place]) if place in other or isinstance(other, list) else None
        elif isinstance(parent, dict):
            parent[str(chance.choice(VALUES))[:50]] = chance.choice(VALUES)
        else:
            parent.append(copy.deepcopy(chance.choice(VALUES)))
    return store.described(content)


def text(store: _Store, chance: random.Random) -> bytes:
    """Change bytes of the description's text, or attack its parser."""
    if chance.random() < 0.2:
        data = chance.choice(YAML_BOMBS).replace("{canary}", str(store.canary)).encode()
    else:
        data = _flipped(store.files[store.name], chance)
    return store.packed({**store.files, store.name: data})


def weights(store: _Store, chance: random.Random) -> bytes:
    """Change bytes of the weights, and tell the description of it."""
    content = store.description()
    name = content["weights"]["onnx"]["source"]
    data = _flipped(store.files[name], chance)
    content["weights"]["onnx"]["sha256"] = hashlib.sha256(data).hexdigest()
    return store.described(content, **{name: data})


def archive(store: _Store, chance: random.Random) -> bytes:
    """Change bytes of the archive."""
    return _flipped(store.packed(store.files), chance)


def names(store: _Store, chance: random.Random) -> bytes:
    """Add a file to the archive whose name leads elsewhere."""
    bad = ("../out", "/tmp/out", "C:\\out", "\\\\host\\out", "a/../../out", "RDF.YAML", "nul", "x" * 3000, "a\0b", "")
    return store.packed({**store.files, chance.choice(bad): b"out"})


def code(store: _Store, chance: random.Random) -> bytes:
    """Bring code that nobody has trusted."""
    source = CODE.replace("{canary!r}", repr(str(store.canary))).encode()
    content = store.description()
    digest = hashlib.sha256(source).hexdigest()
    foreign = {"source": "canary.py", "sha256": digest, "callable": "Net", "kwargs": {}}
    state = {"source": "canary.pt", "architecture": foreign, "pytorch_version": "2.0"}
    script = {"source": "canary.pt", "pytorch_version": "2.0"}
    chosen = chance.choice(({"pytorch_state_dict": state}, {"torchscript": script}))
    content["weights"] = chosen if chance.random() < 0.7 else {**content["weights"], **chosen}
    if chance.random() < 0.3:
        custom = {"id": "custom", "callable": "Net", "source": "canary.py", "sha256": digest, "kwargs": {}}
        chance.choice(content["inputs"] + content["outputs"]).setdefault("preprocessing", []).append(custom)
    pickled = b"cposix\nsystem\n(S'touch " + str(store.canary).encode() + b"'\ntR."
    return store.described(content, **{"canary.py": source, "canary.pt": pickled})


MUTATIONS: tuple[Callable[[_Store, random.Random], bytes], ...] = (
    nodes,
    nodes,
    nodes,
    text,
    weights,
    archive,
    names,
    code,
)


def _flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    what = chance.random()
    if what < 0.2:
        return bytes(changed[: chance.randrange(len(changed))])
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        place = chance.randrange(len(changed))
        if what < 0.7:
            changed[place] ^= 1 << chance.randrange(8)
        elif what < 0.85:
            changed[place : place + chance.randint(1, 16)] = chance.randbytes(chance.randint(0, 16))
            if not changed:
                return b""
        else:
            changed[place] = chance.choice((0, 0x7F, 0x80, 0xFF))
    return bytes(changed)


if __name__ == "__main__":
    sys.exit("run me by scripts/soak")
