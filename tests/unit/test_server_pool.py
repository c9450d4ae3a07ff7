"""Which workers are kept, and which of them has to go."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bioimg_fiji.server.options import Warmth
from bioimg_fiji.server.pool import Holding, WorkerPool

pytestmark = pytest.mark.timeout(20)


class Puppet:
    """A worker without a process."""

    def __init__(self, number: int) -> None:
        self.process = SimpleNamespace(pid=number)
        self.alive = True
        self.jobs = 0
        self.log = ["a line"]

    def kill(self) -> None:
        self.alive = False

    def forget_log(self) -> None:
        self.log = []


def pool_of(monkeypatch: pytest.MonkeyPatch, **warmth: Any) -> WorkerPool:
    """Give a pool that starts puppets, numbered from 1."""
    pool = WorkerPool(Warmth(**({"memory": 100, "gpu_memory": 100} | warmth)))
    numbers = iter(range(1, 1000))
    monkeypatch.setattr(pool, "_start", lambda: Puppet(next(numbers)))
    return pool


def work(pool: WorkerPool, label: str, **held: Any) -> Any:
    """Have a job of that label done; give the worker."""
    worker = pool.take(label)
    pool.give_back(worker, label, Holding(**held))
    return worker


def test_a_label_finds_its_worker_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of(monkeypatch)
    first, second = work(pool, "a"), work(pool, "b")
    assert first is not second
    assert (work(pool, "b"), work(pool, "a")) == (second, first)
    taken = pool.take("a")
    assert taken is first
    assert pool.take("a") not in (first, second)


def test_the_one_that_was_used_least_recently_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of(monkeypatch)
    first, second = work(pool, "a", memory=40), work(pool, "b", memory=40)
    work(pool, "a", memory=40)
    third = work(pool, "c", memory=40)
    assert (first.alive, second.alive, third.alive) == (True, False, True)
    assert work(pool, "b", memory=10) is not second


def test_the_memory_of_the_gpu_counts_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of(monkeypatch, gpu_memory=None)
    first = work(pool, "a", gpu=30, gpu_total=100)
    assert first.alive
    second = work(pool, "b", gpu=30, gpu_total=100)  # more than half of it together
    assert (first.alive, second.alive) == (False, True)
    assert pool.held == (0, 30)


def test_one_that_alone_holds_too_much_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of(monkeypatch)
    assert not work(pool, "a", memory=101).alive
    assert pool.held == (0, 0)


@pytest.mark.parametrize("worn", [{"clean": False}, {"growth": 2 << 30}])
def test_a_worn_worker_is_not_kept(monkeypatch: pytest.MonkeyPatch, worn: dict[str, Any]) -> None:
    assert not work(pool_of(monkeypatch), "a", **worn).alive


def test_a_worker_is_renewed_after_its_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of(monkeypatch, jobs=3)
    workers = [work(pool, "a") for _ in range(4)]
    assert workers[0] is workers[1] is workers[2]
    assert (workers[2].alive, workers[3].alive) == (False, True)


def test_none_waits_for_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("bioimg_fiji.server.pool.time", SimpleNamespace(monotonic=lambda: clock[0]))
    pool = pool_of(monkeypatch, seconds=50.0)
    worker = work(pool, "a")
    for seconds, alive in ((49.0, True), (51.0, False)):
        clock[0] = seconds
        pool.tidy()
        assert worker.alive is alive


def test_what_was_said_in_one_job_is_not_told_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    assert work(pool_of(monkeypatch), "a").log == []


def test_a_worker_that_has_died_waiting_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of(monkeypatch)
    first = work(pool, "a")
    first.alive = False
    assert pool.take("a") is not first


def test_none_waits_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of(monkeypatch)
    short = SimpleNamespace(total=1000, available=99)
    monkeypatch.setattr("bioimg_fiji.server.pool.psutil.virtual_memory", lambda: short)
    assert not work(pool, "a").alive
