"""Who is served next."""

from __future__ import annotations

import collections
import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioimg_fiji.server.queue import JobQueue, Lane

pytestmark = pytest.mark.timeout(60)

LONGEST = 10.0
seconds = st.floats(0.01, LONGEST)


@dataclass
class Shop:
    """A lane whose jobs take a time that is known, on a clock of its own."""

    slots: int
    now: float = 0.0
    served: list[str] = field(default_factory=list)
    used: collections.Counter[str] = field(default_factory=collections.Counter)

    def __post_init__(self) -> None:
        self.lane = Lane(self.slots)
        self._times: dict[str, float] = {}
        self._ends: dict[str, float] = {}
        self._owner: dict[str, str] = {}

    def add(self, client: str, time: float) -> None:
        job = f"{client}/{len(self._times)}"
        self._times[job], self._owner[job] = time, client
        self.lane.add(job, client)
        self.fill()

    def fill(self) -> None:
        while (job := self.lane.start(self.now)) is not None:
            self._ends[job] = self.now + self._times[job]
            self.served.append(job)
        assert self.lane.running == len(self._ends) <= self.slots
        assert not len(self.lane) or len(self._ends) == self.slots, "a slot is free and a job waits"

    def step(self) -> bool:
        """Go on to the next end of a job; tell whether there was one."""
        if not self._ends:
            return False
        job = min(self._ends, key=lambda each: self._ends[each])
        self.now = self._ends.pop(job)
        self.used[self._owner[job]] += self._times[job]
        self.lane.end(job, self.now)
        self.fill()
        return True


@given(st.lists(st.tuples(st.sampled_from("abcd"), seconds), max_size=40), st.integers(1, 4))
def test_every_job_is_served_once_and_those_of_a_client_in_their_order(
    jobs: list[tuple[str, float]], slots: int
) -> None:
    shop = Shop(slots)
    for client, time in jobs:
        shop.add(client, time)
    while shop.step():
        pass
    assert len(shop.served) == len(set(shop.served)) == len(jobs)
    for client in "abcd":
        numbers = [int(job[2:]) for job in shop.served if job[0] == client]
        assert numbers == sorted(numbers)
    assert (len(shop.lane), shop.lane.running) == (0, 0)


@given(st.lists(seconds, min_size=30, max_size=30), st.lists(seconds, min_size=30, max_size=30), st.integers(1, 3))
def test_clients_that_always_wait_get_equal_time(first: list[float], second: list[float], slots: int) -> None:
    shop = Shop(slots)
    for each in first:
        shop.add("a", each)
    for each in second:
        shop.add("b", each)
    while shop.step() and shop.lane.waiting("a") and shop.lane.waiting("b"):
        # What is under way is not counted yet: a slot more or less, each of the longest job.
        assert abs(shop.used["a"] - shop.used["b"]) <= 2 * slots * LONGEST


@given(st.integers(1, 200), st.floats(0.1, 5.0))
def test_one_job_does_not_wait_for_a_thousand(crowd: int, time: float) -> None:
    shop = Shop(1)
    for _ in range(crowd):
        shop.add("many", time)
    for _ in range(crowd // 2):
        shop.step()
    shop.add("one", time)
    before = len(shop.served)
    shop.step()
    shop.step()
    assert "one" in {job.split("/")[0] for job in shop.served[before:]} or crowd == 1


@settings(max_examples=25)
@given(st.integers(2, 30), st.floats(0.1, LONGEST))  # shorter ones need as many more turns
def test_who_waits_is_served_although_new_clients_never_end(at_once: int, time: float) -> None:
    shop = Shop(1)
    shop.add("patient", LONGEST)  # it has used the most
    shop.add("patient", LONGEST)
    bound = LONGEST + (LONGEST + 2 * time) * (at_once + 2)
    for number in itertools.count():
        while len(shop.lane) <= at_once:
            shop.add(f"new {number} {len(shop.lane)}", time)
        shop.step()
        if shop.lane.waiting("patient") == 0:
            break
        assert shop.now <= bound, "it starved"


def test_a_client_that_comes_back_is_owed_nothing() -> None:
    shop = Shop(1)
    shop.add("rare", 1.0)
    shop.step()
    for _ in range(100):
        shop.add("busy", 1.0)
    for _ in range(50):
        shop.step()
    for _ in range(10):
        shop.add("rare", 1.0)
    before = len(shop.served)
    for _ in range(10):
        shop.step()
    turns = collections.Counter(job.split("/")[0] for job in shop.served[before:])
    assert abs(turns["rare"] - turns["busy"]) <= 2


def test_one_client_does_not_take_all_slots_that_become_free_at_once() -> None:
    lane = Lane(4)
    for number in range(8):
        lane.add(f"a{number}", "a")
    for number in range(8):
        lane.add(f"b{number}", "b")
    started = [lane.start(0.0) for _ in range(5)]
    assert sorted(str(job)[0] for job in started[:4]) == ["a", "a", "b", "b"]
    assert started[4] is None


def test_a_job_that_does_not_wait_any_more_is_not_served() -> None:
    lane = Lane(1)
    lane.add("a", "x")
    lane.add("b", "x")
    lane.add("c", "x")
    lane.end("b", 0.0)
    lane.end("unknown", 0.0)
    assert lane.start(0.0) == "a"
    lane.end("a", 1.0)
    assert lane.start(1.0) == "c"
    lane.end("c", 2.0)
    lane.end("c", 3.0)
    assert (len(lane), lane.running, lane.start(3.0)) == (0, 0, None)


def test_kinds_do_not_wait_for_each_other_and_the_urgent_one_is_first() -> None:
    queue = JobQueue({"run": 1, "training": 1})
    queue.add("long", "a", "training")
    queue.add("longer", "a", "training")
    queue.add("short", "a", "run")
    assert list(queue.start(0.0)) == ["short", "long"]
    assert (len(queue), queue.waiting("a"), queue.waiting("b")) == (1, 1, 0)
    queue.end("short", 1.0)
    assert list(queue.start(1.0)) == []
    queue.add("next", "b", "run")
    assert list(queue.start(1.0)) == ["next"]


def test_the_wait_is_guessed_from_what_jobs_usually_take() -> None:
    shop = Shop(2)
    for _ in range(60):
        shop.add("a", 4.0)
    for _ in range(40):
        shop.step()
    waiting = len(shop.lane)
    assert shop.lane.seconds_to_wait() == pytest.approx(4.0 * (waiting + 1) / 2, rel=0.01)
