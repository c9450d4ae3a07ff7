"""The worker processes of a server: one always started in advance, and those that wait with a model loaded.

A worker does one job at a time. After a run it waits for the next one of the same label, which finds the model loaded.
It is ended when it has waited for long, when all that wait hold more memory than they may (the one that was used least
recently first), or when it is worn out. A worker is never used for another label than its first, so that nothing which
one command or model leaves behind meets another.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import psutil

from bioimg_fiji.server.options import Warmth
from bioimg_fiji.server.process import Worker

_log = logging.getLogger(__name__)

_SHORT_OF_MEMORY = 0.1
"""Part of the computer's memory: with less than that available, no worker waits."""


@dataclass(frozen=True)
class Holding:
    """What a worker holds between two jobs, in bytes.

    `memory` is all of it, `growth` what has come since it started; `gpu_total` is what the GPU has. `clean` tells
    whether the job has left nothing running.
    """

    memory: int = 0
    growth: int = 0
    gpu: int = 0
    gpu_total: int = 0
    clean: bool = True


@dataclass
class _Waiting:
    """A worker that waits for its next job."""

    worker: Worker
    label: str
    holding: Holding
    since: float


class WorkerPool:
    """Gives workers and takes them back."""

    def __init__(self, warmth: Warmth) -> None:
        self._warmth = warmth
        self._spare: Worker | None = None
        self._waiting: list[_Waiting] = []  # the one that was used least recently first
        self._all: set[Worker] = set()
        self._open = True

    def prepare(self) -> None:
        """Start the worker that waits for the next job of a new label."""
        if self._open and (self._spare is None or not self._spare.alive):
            self._spare = self._start()

    def take(self, label: str) -> Worker:
        """Give a worker for a job: one that has done a job of that label, or else a fresh one."""
        for each in reversed(self._waiting):
            if each.label == label and each.worker.alive:
                self._waiting.remove(each)
                return each.worker
        worker = self._spare if self._spare is not None and self._spare.alive else self._start()
        self._spare = None
        return worker

    def take_fresh(self) -> Worker:
        """Give a worker that has done nothing yet."""
        return self.take("")

    def give_back(self, worker: Worker, label: str, holding: Holding) -> None:
        """Keep a worker that has done a job, or end it where it is not to be used again."""
        worker.jobs += 1
        worn = worker.jobs >= self._warmth.jobs or holding.growth > self._warmth.growth or not holding.clean
        if worn or not self._open:
            worker.kill()
            return
        worker.forget_log()
        self._waiting.append(_Waiting(worker, label, holding, time.monotonic()))
        self.tidy()

    def tidy(self) -> None:
        """End workers that have waited for too long, or that hold more memory than they may."""
        oldest = time.monotonic() - self._warmth.seconds
        for each in [each for each in self._waiting if each.since < oldest or not each.worker.alive]:
            self._end(each)
        while self._waiting and self._too_much():
            self._end(self._waiting[0])

    @property
    def held(self) -> tuple[int, int]:
        """Bytes of memory, and of GPU memory, that waiting workers would give back."""
        growth, gpu = (each.holding.growth for each in self._waiting), (each.holding.gpu for each in self._waiting)
        return sum(growth), sum(gpu)

    async def close(self) -> None:
        """Kill all workers and wait until they are gone."""
        self._open = False
        for worker in self._all:
            worker.kill()
        for worker in self._all:
            await worker.gone.wait()

    def _start(self) -> Worker:
        self._all = {worker for worker in self._all if worker.alive}
        worker = Worker()
        self._all.add(worker)
        return worker

    def _end(self, waiting: _Waiting) -> None:
        self._waiting.remove(waiting)
        waiting.worker.kill()
        _log.info("worker %d is ended: it was waiting", waiting.worker.process.pid)

    def _too_much(self) -> bool:
        computer = psutil.virtual_memory()
        memory = self._warmth.memory if self._warmth.memory is not None else computer.total // 4
        total = max(each.holding.gpu_total for each in self._waiting)
        gpu = self._warmth.gpu_memory if self._warmth.gpu_memory is not None else total // 2
        return (
            sum(each.holding.memory for each in self._waiting) > memory
            or sum(each.holding.gpu for each in self._waiting) > gpu
            or computer.available < _SHORT_OF_MEMORY * computer.total
        )
