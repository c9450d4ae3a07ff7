"""A small training that can be made to stop in the middle of writing a checkpoint, or to be unable to write one.

Usage: training.py CHECKPOINT STEPS EVERY MODE [ARGUMENT ...]; it goes on from the checkpoint, if there is one. Modes:

plain            nothing special
copies           keep a copy of every checkpoint beside it, as STEP.copy
slow             say "going" after the first step; pause after each
stage NAME N     say NAME and wait at that stage of writing the checkpoint, after N that were written whole
limit BYTES      write no larger file (0: no limit); say the code of the error that ends the training, end with 3
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji.errors import BioimgError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.train import TrainConfig, checkpoint, synthetic, train

PAUSE_SECONDS, WAIT_SECONDS = 0.005, 120.0


class Slow(Job):
    """A job that pauses after each step and says when the first one is done."""

    going = False

    def progress(self, message: str, current: float = 0, maximum: float = 0, **figures: float) -> None:
        """Say once that steps are done."""
        if "loss" in figures and not self.going:
            self.going = True
            print("going", flush=True)
        super().progress(message, current, maximum, **figures)

    def check(self) -> None:
        """Pause."""
        time.sleep(PAUSE_SECONDS)
        super().check()


class Stage:
    """The stages of `checkpoint.save`, at one of which the program waits to be killed."""

    def __init__(self, wanted: str, after: int) -> None:
        self._wanted, self._left = wanted, after
        self._open, self._replace, self._fsync, self._mkstemp = os.fdopen, Path.replace, os.fsync, tempfile.mkstemp

    def watch(self) -> None:
        """Put the stages between the steps of saving."""
        os.fdopen = self._opened
        os.fsync = self._flushed
        tempfile.mkstemp = self._before(self._mkstemp, "before")
        Path.replace = self._before(self._replace, "not yet renamed")  # type: ignore[method-assign]

    def _at(self, name: str) -> None:
        if name != self._wanted:
            return
        if self._left:
            self._left -= 1
            return
        print(name, flush=True)
        time.sleep(WAIT_SECONDS)

    def _before(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def waits(*arguments: Any, **named: Any) -> Any:
            self._at(name)
            return function(*arguments, **named)

        return waits

    def _opened(self, handle: int, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        """Give a file whose first write comes in two halves."""
        file = self._open(handle, mode, *arguments, **named)
        if mode != "wb":
            return file
        write = file.write

        def halves(content: Any) -> int:
            view = memoryview(content)
            write(view[: len(view) // 2])
            file.flush()
            self._at("half written")
            write(view[len(view) // 2 :])
            return len(view)

        return _Writer(file, halves)

    def _flushed(self, handle: int) -> None:
        """Know the file, which is flushed before it is renamed, from its folder, which is flushed afterwards."""
        self._at("renamed" if stat.S_ISDIR(os.fstat(handle).st_mode) else "not yet flushed")
        self._fsync(handle)


class _Writer:
    """A file with a write of its own."""

    def __init__(self, file: Any, write: Callable[[Any], int]) -> None:
        self._file, self.write = file, write

    def __enter__(self) -> Any:
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def flush(self) -> None:
        """Flush."""
        self._file.flush()

    def fileno(self) -> int:
        """Give the handle."""
        number: int = self._file.fileno()
        return number


def keep_copies(file: Path) -> None:
    """Copy every checkpoint after it was written."""
    save = checkpoint.save

    def save_and_copy(path: Path, state: dict[str, Any]) -> None:
        save(path, state)
        shutil.copy(path, file.with_name(f"{len(state['history'])}.copy"))

    checkpoint.save = save_and_copy


def main(path: str, steps: str, every: str, mode: str, *told: str) -> int:
    """Train; give the exit code."""
    image = Image(synthetic.expose(synthetic.phantom(64, seed=1) * 5, np.random.default_rng(0)), "yx")
    config = TrainConfig(
        steps=int(steps),
        batch_size=2,
        patch=32,
        filters=2,
        depth=1,
        checkpoint_every=int(every),
        device="cpu",
        threads=1,
    )
    job = Slow() if mode == "slow" else Job()
    if mode == "copies":
        keep_copies(Path(path))
    if mode == "stage":
        Stage(told[0], int(told[1])).watch()
    if mode == "limit" and int(told[0]):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (int(told[0]),) * 2)
    try:
        train([image], config, job=job, checkpoint=Path(path), resume=True)
    except BioimgError as error:
        print(error.code, flush=True)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
