"""What the server is told at its start."""

from __future__ import annotations

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
    jobs
        How many jobs are remembered; ended ones are forgotten, the oldest first.
    lives
        Of how many ended jobs the curves and the preview are kept, which may have half a megabyte each.
    cancel_seconds
        How long a worker may take to stop before it is killed.
    checkpoint_seconds
        The same for work that could be asked to finish (`Live.finishable`): it ends its step and keeps a checkpoint.
    exit_seconds
        How long a worker may take to end after its result has come.
    keep_buffer
        After so long an uploaded image that no job has taken is freed.
    keep_leased, keep_job
        After so long without a question an ended job is forgotten: one with a lease has a client that waits for
        it, one without may be asked after tomorrow.
    """

    json_bytes: int = 64 << 20
    buffer_bytes: int = 64 << 30
    disk_bytes: int = 16 << 40
    jobs: int = 1000
    lives: int = 20
    cancel_seconds: float = 1.0
    checkpoint_seconds: float = 10.0
    exit_seconds: float = 3.0
    keep_buffer: float = 600.0
    keep_leased: float = 60.0
    keep_job: float = 86400.0


@dataclass(frozen=True)
class ServeOptions:
    """Options of `serve`.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes a free one. Only loopback addresses are allowed.
    connection_file
        Connection file; None takes the one of the settings.
    idle_exit
        Seconds without request and job after which the server ends itself; None for never.
    parallel
        How many jobs run at the same time; the others wait in the order of their coming.
    grace
        Seconds that jobs without a checkpoint may go on when the server is told to end.
    """

    host: str = "127.0.0.1"
    port: int = 0
    connection_file: Path | None = None
    idle_exit: float | None = None
    parallel: int = 1
    grace: float = 0.0
    limits: Limits = field(default_factory=Limits)
