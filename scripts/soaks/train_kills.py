"""SIGKILLs of a training, half of them inside the writing of a checkpoint, and full disks; then it goes on.

After each of them the checkpoint on the disk must be, in all its parts and to the bit, the one that a training that
was never disturbed has at that step: the old one up to the renaming, the new one from there on. In the end all losses
must be those of the undisturbed training, and nothing but the checkpoint may be left.
"""

from __future__ import annotations

import collections
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from bioimg_fiji.train import checkpoint

EVERY = 5
"""Steps from one checkpoint to the next."""
STEPS_PER_KILL = 40
OLD_STAGES = ("before", "half written", "not yet flushed", "not yet renamed")
NEW_STAGES = ("renamed",)
"""Where inside `checkpoint.save` a kill strikes, by what must then be on the disk."""
LONGEST_STEPS_SECONDS = 0.15
DISK_BYTES = 2 << 20
PROGRAM = Path(__file__).resolve().with_name("programs") / "training.py"
State = dict[str, Any]


def run(soak: Any) -> dict[str, Any]:
    """Kill and fill; give the figures."""
    with tempfile.TemporaryDirectory(prefix="soak-") as text, _small_disk(Path(text) / "disk") as disk:
        trial = _Trial(Path(text), disk, STEPS_PER_KILL * soak.kills, random.Random(soak.seed))
        trial.undisturbed()
        for number in range(soak.kills):
            if number % 2:
                trial.kill_inside_saving()
            else:
                trial.kill_anywhere()
            if number % 4 == 1:
                trial.forbid_large_files()
            if number % 4 == 3 and disk is not None:
                trial.fill_disk(disk)
        trial.finish()
        return {"kills": soak.kills, "seed": soak.seed, **trial.figures(), "wrong": trial.wrong}


class _Trial:
    """An undisturbed training, and the same one disturbed again and again."""

    def __init__(self, folder: Path, disk: Path | None, steps: int, rng: random.Random) -> None:
        self._steps, self._rng = steps, rng
        self._copies = folder / "undisturbed"
        self._file = (disk or folder / "disturbed") / "training.checkpoint"
        self._events: collections.Counter[str] = collections.Counter()
        self._struck: list[int] = []
        self.wrong: list[str] = []

    def figures(self) -> dict[str, Any]:
        """Give what was done to the training, and the steps on the disk after each disturbance."""
        return {"steps": self._steps, "events": dict(self._events), "steps_on_disk": self._struck}

    def undisturbed(self) -> None:
        """Train to the end, with a copy of every checkpoint."""
        self._copies.mkdir()
        self._file.parent.mkdir(exist_ok=True)
        done = self._start(self._copies / "training.checkpoint", "copies")
        done.communicate()
        if done.returncode:
            raise RuntimeError("the undisturbed training has failed")

    def kill_anywhere(self) -> None:
        """Kill at a random moment while steps are done."""
        before = self._on_disk()
        with self._start(self._file, "slow") as process:
            self._heard(process, "going")
            time.sleep(self._rng.uniform(0, LONGEST_STEPS_SECONDS))
            self._end(process)
        self._check("killed anywhere", range(before, self._steps + 1, EVERY))

    def kill_inside_saving(self) -> None:
        """Kill inside the writing of one of the next checkpoints, at one of its stages in turn."""
        stages = OLD_STAGES + NEW_STAGES
        stage = stages[sum(self._events[f"killed {each}"] for each in stages) % len(stages)]
        whole = self._rng.randrange(3)
        saved = self._on_disk() + EVERY * whole
        with self._start(self._file, "stage", stage, str(whole)) as process:
            self._heard(process, stage)
            time.sleep(self._rng.uniform(0, 0.02))
            self._end(process)
        self._check(f"killed {stage}", [saved + EVERY if stage in NEW_STAGES else saved])

    def forbid_large_files(self) -> None:
        """Let the training write no file that is as large as a checkpoint: the write fails in the middle."""
        size = (self._copies / "training.checkpoint").stat().st_size
        self._refused("file too large", str(size // 2))

    def fill_disk(self, disk: Path) -> None:
        """Fill the disk but for half a checkpoint."""
        checkpoint.sweep(self._file)  # else what a kill has left makes room when the training goes on
        filler = disk / "filler"
        size = (self._copies / "training.checkpoint").stat().st_size
        filler.write_bytes(bytes(shutil.disk_usage(disk).free - size // 2))
        self._refused("disk full", "0")
        filler.unlink()

    def finish(self) -> None:
        """Go on to the end, undisturbed."""
        process = self._start(self._file, "plain")
        process.communicate()
        if process.returncode:
            self.wrong.append(f"the last part of the training ended with {process.returncode}")
        self._check("finished", [self._steps])
        self.wrong += [f"{path.name} is left" for path in self._file.parent.iterdir() if path != self._file]

    def _refused(self, event: str, limit: str) -> None:
        before = self._on_disk()
        with self._start(self._file, "limit", limit) as process:
            said, _ = process.communicate()
        if process.returncode != 3 or "storage" not in said:
            self.wrong.append(f"{event}: the training ended with {process.returncode} and {said!r}")
        self._check(event, [before])
        parts = [path.name for path in self._file.parent.glob(".*.part")]
        if parts:
            self.wrong.append(f"{event}: {parts} is left")

    def _check(self, event: str, expected: range | list[int]) -> None:
        self._events[event] += 1
        step = self._on_disk()
        self._struck.append(step)
        if step not in expected:
            self.wrong.append(f"{event}: the checkpoint has step {step}, not one of {list(expected)[:3]}")
        if step:
            told = differences(checkpoint.load(self._file), checkpoint.load(self._copies / f"{step}.copy"))
            self.wrong += [f"{event}: at step {step} {part} is not that of the undisturbed training" for part in told]

    def _on_disk(self) -> int:
        return len(checkpoint.load(self._file)["history"]) if self._file.exists() else 0

    def _start(self, file: Path, *mode: str) -> subprocess.Popen[str]:
        line = [sys.executable, str(PROGRAM), str(file), str(self._steps), str(EVERY), *mode]
        return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)

    def _heard(self, process: subprocess.Popen[str], word: str) -> None:
        """Wait until the training says a word, or ends."""
        assert process.stdout is not None
        if all(line.strip() != word for line in process.stdout):
            self.wrong.append(f"the training ended with {process.wait()} before it was {word!r}")

    def _end(self, process: subprocess.Popen[str]) -> None:
        process.kill()
        process.wait()


def differences(one: Any, other: Any, name: str = "state") -> list[str]:
    """Name the parts in which two checkpoints differ by a bit."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = one.dtype == other.dtype and one.shape == other.shape
        equal = same and one.numpy().tobytes() == other.numpy().tobytes()
        return [] if equal else [name]
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [part for key in one for part in differences(one[key], other[key], f"{name}.{key}")]
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [part for number, pair in pairs for part in differences(*pair, f"{name}[{number}]")]
    return [] if type(one) is type(other) and one == other else [name]


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    """Give a disk of `DISK_BYTES` in memory; None where none can be mounted (that takes root)."""
    folder.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    try:
        mounted = os.name == "posix" and subprocess.run(line, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
