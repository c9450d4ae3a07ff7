"""Who is served next: jobs that wait, and how many of each kind may run.

Lives here: the order, and nothing that runs; the clock is the caller's. Each kind of work has slots of its own, so that
a training or a folder of images never keeps a single image waiting. Within a kind, clients are served by what they have
used: who sends a thousand jobs does not delay who sends one.

The rule is that of weighted fair queueing (Demers, Keshav, Shenker 1989), with all weights equal::

    used(client)   seconds that its jobs have run, as if all clients had begun together
    clock          seconds that each of the clients that are there could have had until now

The client with the least `used` is next; among equals the one whose turn is longest ago. A client that comes, or comes
back, begins at `clock`: it is neither made to wait for its past nor owed for its absence. Since `clock` moves on with
every job, whoever waits is overtaken by newcomers only for so long: nobody starves.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

LEAST_SECONDS = 0.01
"""What a job counts at least: a turn is worth something, however short the work."""

_MEMORY = 0.2
"""Weight of the newest job in the usual time of a job."""


@dataclass
class _Client:
    """A client with jobs that wait or run."""

    used: float
    turn: int
    waiting: collections.deque[str] = field(default_factory=collections.deque)
    running: dict[str, float] = field(default_factory=dict)

    def seconds(self, now: float, usual: float) -> float:
        """Give what it has used; a job that runs counts as long as jobs usually take, or as long as it has run."""
        return self.used + sum(max(usual, now - start) for start in self.running.values())


class Lane:
    """Jobs of one kind.

    Parameters
    ----------
    slots
        How many may run at once.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._clients: dict[str, _Client] = {}
        self._clock = 0.0
        self._turns = 0
        self._usual = LEAST_SECONDS

    def __len__(self) -> int:
        """How many jobs wait."""
        return sum(len(client.waiting) for client in self._clients.values())

    @property
    def running(self) -> int:
        """How many jobs run."""
        return sum(len(client.running) for client in self._clients.values())

    def waiting(self, client: str) -> int:
        """How many jobs of a client wait."""
        return len(self._clients[client].waiting) if client in self._clients else 0

    def add(self, job: str, client: str) -> None:
        """Let a job wait for its turn."""
        if client not in self._clients:
            self._clients[client] = _Client(self._clock, self._turns)
        self._clients[client].waiting.append(job)

    def start(self, now: float) -> str | None:
        """Take the job whose turn it is, if a slot is free; None when there is none."""
        if self.running >= self._slots:
            return None
        waiting = [client for client in self._clients.values() if client.waiting]
        if not waiting:
            return None
        chosen = min(waiting, key=lambda client: (client.seconds(now, self._usual), client.turn))
        self._turns += 1
        chosen.turn = self._turns
        job = chosen.waiting.popleft()
        chosen.running[job] = now
        return job

    def end(self, job: str, now: float) -> None:
        """Note that a job waits or runs no more; one that is not here is no error."""
        for name, client in self._clients.items():
            if job in client.running:
                self._charge(client, now - client.running.pop(job))
            elif job in client.waiting:
                client.waiting.remove(job)
            else:
                continue
            if not client.waiting and not client.running:
                del self._clients[name]
            return

    def _charge(self, client: _Client, seconds: float) -> None:
        seconds = max(seconds, LEAST_SECONDS)
        client.used += seconds
        self._clock += seconds / len(self._clients)
        self._usual += _MEMORY * (seconds - self._usual)

    def seconds_to_wait(self) -> float:
        """Guess how long a job that came now would wait, as if there were one client."""
        return self._usual * (len(self) + 1) / self._slots


class JobQueue:
    """Jobs of all kinds.

    Parameters
    ----------
    slots
        How many of each kind may run at once, by its name; the most urgent kind first.
    """

    def __init__(self, slots: Mapping[str, int]) -> None:
        self._lanes = {kind: Lane(number) for kind, number in slots.items()}

    def __len__(self) -> int:
        """How many jobs wait."""
        return sum(len(lane) for lane in self._lanes.values())

    def waiting(self, client: str) -> int:
        """How many jobs of a client wait."""
        return sum(lane.waiting(client) for lane in self._lanes.values())

    def add(self, job: str, client: str, kind: str) -> None:
        """Let a job wait for its turn."""
        self._lanes[kind].add(job, client)

    def start(self, now: float) -> Iterator[str]:
        """Take every job whose turn it is, the most urgent kind first."""
        for lane in self._lanes.values():
            while (job := lane.start(now)) is not None:
                yield job

    def end(self, job: str, now: float) -> None:
        """Note that a job waits or runs no more; one that is not here is no error."""
        for lane in self._lanes.values():
            lane.end(job, now)

    def seconds_to_wait(self, kind: str) -> float:
        """Guess how long a job of that kind would wait if it came now."""
        return self._lanes[kind].seconds_to_wait()
