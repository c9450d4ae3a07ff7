"""What the server is told at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROTOCOL = 1
"""Version of docs/protocol.md."""


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds.

    Parameters
    ----------
    json_bytes
        Longest JSON body: headers carry overlays and slice labels, so it is generous.
    buffer_bytes
        Largest image in memory.
    disk_bytes
        Largest image on the disk.
    part_bytes
        Largest part of an image that comes or goes in parts.
    body_seconds
        How long the next bytes of such a part may take to come.
    jobs
        How many jobs are remembered; ended ones are forgotten, the oldest first.
    lives
        Of how many ended jobs the curves and the preview are kept, which may have half a megabyte each.
    queued, queued_by_client
        How many jobs may wait, in all and of one client; more are answered 429.
    cancel_seconds
        How long a worker may take to stop before it is killed: a job has ended within a second.
    checkpoint_seconds
        The same for work that could be asked to finish (`Live.finishable`): it ends its step and keeps a checkpoint.
    exit_seconds
        How long a worker may take to clear up, or to end, after its result has come.
    keep_buffer, longest_lease
        After so long an uploaded image that no job has taken is freed; at most so long where its client asks for more.
    keep_leased, keep_job
        After so long without a question an ended job is forgotten: one with a lease has a client that waits for
        it, one without may be asked after tomorrow.
    """

    json_bytes: int = 64 << 20
    buffer_bytes: int = 64 << 30
    disk_bytes: int = 16 << 40
    part_bytes: int = 16 << 20
    body_seconds: float = 60.0
    jobs: int = 1000
    lives: int = 20
    queued: int = 500
    queued_by_client: int = 100
    cancel_seconds: float = 0.8
    checkpoint_seconds: float = 10.0
    exit_seconds: float = 3.0
    keep_buffer: float = 600.0
    longest_lease: float = 3600.0
    keep_leased: float = 60.0
    keep_job: float = 86400.0


@dataclass(frozen=True)
class Warmth:
    """Which worker processes are kept, with the model that they have loaded, for the next run of it.

    Parameters
    ----------
    memory
        Bytes of memory that waiting workers may hold together; None: a quarter of this computer's. Those that were used
        least recently go first.
    gpu_memory
        The same of a GPU's memory; None: half of it.
    seconds
        How long a worker waits for the next run.
    growth
        A worker whose memory has grown by so many bytes since it started is renewed.
    jobs
        A worker that has done so many jobs is renewed.
    """

    memory: int | None = None
    gpu_memory: int | None = None
    seconds: float = 600.0
    growth: int = 1 << 30
    jobs: int = 500


@dataclass(frozen=True)
class ServeOptions:
    """Options of `serve`.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes a free one. An address that others reach needs TLS and a token.
    connection_file
        Connection file; None takes the one of the settings.
    idle_exit
        Seconds without request and job after which the server ends itself; None for never.
    parallel, batches, trainings
        How many runs, batch runs and trainings there are at the same time, each beside the others.
    grace
        Seconds that jobs without a checkpoint may go on when the server is told to end.
    certificate, key
        PEM files; None: plain HTTP.
    self_signed
        Whether to use a certificate of our own, made at the first time.
    token_file
        File with the token, made where there is none; None: the environment's, else a new one at each start.
    allowed_hosts
        Further names (or name:port) under which clients reach the server.
    roots
        Folders by name whose images clients may name instead of sending them.
    keep_jobs
        Folder in which jobs of clients that come again outlive the server; None: they end with it.
    """

    host: str = "127.0.0.1"
    port: int = 0
    connection_file: Path | None = None
    idle_exit: float | None = None
    parallel: int = 1
    grace: float = 0.0
    batches: int = 1
    trainings: int = 1
    warmth: Warmth = field(default_factory=Warmth)
    certificate: Path | None = None
    key: Path | None = None
    self_signed: bool = False
    token_file: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    roots: Mapping[str, Path] = field(default_factory=dict)
    keep_jobs: Path | None = None
    limits: Limits = field(default_factory=Limits)
