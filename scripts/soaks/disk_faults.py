"""A fault in every system call by which a checkpoint, a package and a result are written, one at a time.

strace makes the kernel answer one write, fsync, rename or the like with an error, or kills the program there (Linux).
Afterwards the old or the new version must be there, whole; success may be told of the new one only; and a program that
was not killed leaves nothing half-written behind, but for what a run from file to file goes on from.
"""

from __future__ import annotations

import collections
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from programs.saving import KINDS

PROGRAM = Path(__file__).resolve().with_name("programs") / "saving.py"
CALLS = (
    "write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,link,ftruncate,fallocate,mkdir,chmod,fchmod,unlink"
)
FAULTS = ("error=ENOSPC", "error=EIO", "error=EACCES", "signal=KILL")
SHORT = 8
GOES_ON = {"result", "pyramid"}
"""Kinds whose unfinished folder is kept, for the next run to go on from."""
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)")
_SECONDS = 120


@dataclass(frozen=True)
class Call:
    """The n-th call of a name in one thread of the program."""

    name: str
    number: int


def run(soak: Any) -> dict[str, Any]:
    """Write everything with every fault, or as many as are asked for; give the figures."""
    if shutil.which("strace") is None:
        return {"wrong": ["strace is not installed (Debian: apt-get install strace)"]}
    rng, counts, wrong = random.Random(soak.seed), collections.Counter[str](), []
    wanted = soak.count or (SHORT if soak.short else None)
    with tempfile.TemporaryDirectory(prefix="soak-") as text:
        cases = []
        for kind in KINDS:
            folder = Path(text) / kind
            (folder / "first").mkdir(parents=True)
            done = _save(kind, folder / "first", 1)
            if done.stdout.strip() != "saved":
                return {"wrong": [f"{kind} is not written without a fault: {done.stdout}{done.stderr[-2000:]}"]}
            calls = _calls(kind, folder)
            counts[f"calls of {kind}"] = len(calls)
            cases += [(kind, folder, call, fault) for call in calls for fault in FAULTS]
        for kind, folder, call, fault in cases if wanted is None else rng.sample(cases, min(wanted, len(cases))):
            outcome, sentences = _trial(kind, folder, call, fault)
            counts[outcome] += 1
            wrong += [f"{kind}, {call.name} {call.number}, {fault}: {sentence}" for sentence in sentences]
    return {"seed": soak.seed, "faults": len(cases) if wanted is None else wanted, **counts, "wrong": wrong}


def _save(kind: str, folder: Path, version: int, *strace: str) -> subprocess.CompletedProcess[str]:
    line = [*strace, sys.executable, str(PROGRAM), kind, str(folder / KINDS[kind][0]), str(version)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(line, capture_output=True, text=True, timeout=_SECONDS, check=False, env=environment)


def _copy(folder: Path) -> Path:
    """Give a folder with the first version alone."""
    place = folder / "place"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder / "first", place)
    return place


def _calls(kind: str, folder: Path) -> list[Call]:
    """List the calls that touch the folder while the second version is written over the first."""
    place, log = _copy(folder), folder / "strace.log"
    done = _save(kind, place, 2, "strace", "-f", "-y", "-o", str(log), "-e", f"trace={CALLS}")
    if done.stdout.strip() != "saved":
        raise RuntimeError(f"strace does not work here: {done.stderr[-2000:]}")
    counts, found = collections.Counter[tuple[str, str]](), []
    for line in log.read_text("utf-8", "replace").splitlines():
        matched = _LINE.match(line)
        if matched is None:
            continue
        thread, name, rest = matched.groups()
        counts[thread, name] += 1
        if str(place) in rest:
            found.append(Call(name, counts[thread, name]))
    return list(dict.fromkeys(found))


def _trial(kind: str, folder: Path, call: Call, fault: str) -> tuple[str, list[str]]:
    """Write the second version over the first one with a fault; give what came of it, and what is wrong."""
    place, log = _copy(folder), folder / "strace.log"
    inject = f"inject={call.name}:{fault}:when={call.number}"
    done = _save(kind, place, 2, "strace", "-f", "-y", "-o", str(log), "-e", f"trace={call.name}", "-e", inject)
    text = log.read_text("utf-8", "replace")
    killed = "+++ killed by SIGKILL" in text
    injected = [line for line in text.splitlines() if "(INJECTED)" in line]
    if not killed and (not injected or any(str(place) not in line for line in injected)):
        return "not reached", []  # or another thread's call of that number, to another file
    told = done.stdout.strip()
    wrong = _checked(kind, place, told, killed)
    if not killed and told not in ("saved", "storage"):
        wrong.append(f"it said {told!r}: {done.stderr[-600:]}")
    return "killed" if killed else f"told {told}", wrong


def _checked(kind: str, place: Path, told: str, killed: bool) -> list[str]:
    target = place / KINDS[kind][0]
    try:
        version = KINDS[kind][2](target)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever reading it says is the finding
        return [f"nothing that can be read is left: {type(error).__name__}: {error}"]
    wrong = []
    if version not in (1, 2):
        wrong.append(f"version {version} is there")
    if told == "saved" and version != 2:
        wrong.append("success was told of the old version")
    left = sorted(each.name for each in place.iterdir() if each != target)
    kept = [f"{target.name}.part"] if kind in GOES_ON and told != "saved" else []
    if not killed and left not in ([], kept):
        wrong.append(f"left behind: {left}")
    return wrong
