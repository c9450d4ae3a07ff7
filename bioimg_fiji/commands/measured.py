"""Running a model, or a baseline, in a process of its own, so that its time and memory are its alone.

The process reads a line of JSON for each image from its standard input, and answers with one. It ends with its input:
it does not outlive whoever has started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import numpy as np

from bioimg_fiji.errors import BioimgError, WorkerDiedError, reason_of
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job

_START = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from bioimg_fiji.commands import measured; measured.main()"
)
_WAIT = 0.1
_MIB = 2**20


@dataclass(frozen=True)
class Answer:
    """What became of one image: seconds for its result, and the process's largest memory so far in MiB."""

    result: Image
    seconds: float
    memory: float


class Measured:
    """A process that runs one model; use it as a context.

    Parameters
    ----------
    folder
        For the images that go between the processes; emptied by whoever gives it.
    job
        Is asked while the process works: where it is cancelled, the process is ended.
    """

    def __init__(self, folder: Path, job: Job) -> None:
        self._folder, self._job = folder, job
        self._answers: queue.Queue[str] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._reader = threading.Thread(target=self._read, name="bioimg-measured", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what a process that has died did not take cannot be sent any more
                cast("IO[bytes]", pipe).close()

    def run(self, image: Image, values: Mapping[str, Any]) -> Answer:
        """Run it on an image.

        Parameters
        ----------
        values
            Those of `run_model` but the image; or `baseline` and `width` (`benchmark.baselines.apply`).

        Raises
        ------
        BioimgError
            What the run has raised.
        WorkerDiedError
            When the process has ended, as it does where memory runs out.
        JobCancelledError
            When the job is.
        """
        # NB: no TIFF, in which ImageJ has signed 16 bit shifted by 32768
        source, target = self._folder / "image.npy", self._folder / "result.npy"
        np.save(source, image.pixels)
        asked = {"image": str(source), "header": image.header(), "result": str(target)}
        line = json.dumps(asked | {"values": dict(values)}).encode() + b"\n"
        stdin = cast("IO[bytes]", self._process.stdin)
        try:
            stdin.write(line)
            stdin.flush()
        except OSError:
            raise self._died() from None
        answer = self._answer()
        if "error" in answer:
            raise BioimgError.from_json(answer["error"])
        return Answer(Image.from_header(answer["header"], np.load(target)), answer["seconds"], answer["memory"])

    def _answer(self) -> dict[str, Any]:
        while True:
            self._job.check()
            try:
                line = self._answers.get(timeout=_WAIT)
            except queue.Empty:
                continue
            if not line:
                raise self._died()
            found: dict[str, Any] = json.loads(line)
            return found

    def _read(self) -> None:
        for line in cast("IO[bytes]", self._process.stdout):
            self._answers.put(line.decode())
        self._answers.put("")

    def _died(self) -> WorkerDiedError:
        code = self._process.wait()
        why = "it was killed, most often because the memory ran out" if code < 0 else "it crashed"
        return WorkerDiedError(
            f"The model's process has ended with {'signal' if code < 0 else 'exit code'} {abs(code)}: {why}.",
            fix="Run the model on one image alone to see more.",
        )


def main() -> None:
    """Be the process."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    from bioimg_fiji.runtime.threads import share_cores
    from bioimg_fiji.runtime.warm import keep_models

    share_cores()
    keep_models()
    while True:
        try:
            answer = _work(json.loads(lines.get()))
        except BioimgError as error:
            answer = {"error": error.to_json()}
        except Exception as error:  # noqa: BLE001 - whatever a model raises is the row's reason
            answer = {"error": BioimgError(reason_of(error)).to_json()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _listen(lines: queue.Queue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def _work(asked: Mapping[str, Any]) -> dict[str, Any]:
    from bioimg_fiji.benchmark import baselines
    from bioimg_fiji.commands.registry import find

    image = Image.from_header(asked["header"], np.load(asked["image"]))
    values = dict(asked["values"])
    begin = time.perf_counter()
    if "baseline" in values:
        result = baselines.apply(values["baseline"], image, values["width"])
    else:
        result = find("run_model").run({"image": image, **values}).images["output"]
    seconds = time.perf_counter() - begin
    memory = peak_memory() / _MIB
    np.save(asked["result"], result.pixels)
    return {"seconds": seconds, "memory": memory, "header": result.header()}


def peak_memory() -> int:
    """Give the largest resident size of this process so far, bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # NB: ru_maxrss begins with that of the process that has started this one.
        found = re.search(r"VmHWM:\s+(\d+)", status.read_text())
        return int(found[1]) * 1024 if found else 0
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
