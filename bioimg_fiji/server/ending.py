"""A server's end that loses no work: nothing new is taken, trainings keep a checkpoint, short work may end.

Jobs that are kept (`keeping`) end in the same way, but are told so only by the next server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from bioimg_fiji.jobs import JobState
from bioimg_fiji.server.record import STOPPED, JobRecord
from bioimg_fiji.server.store import JobStore

_log = logging.getLogger(__name__)
_KILL_SECONDS = 2.0


async def drain(jobs: JobStore, grace: float, checkpoint_seconds: float) -> None:
    """End all jobs as gently as their work allows; what has not ended after that is left to `JobStore.stop`.

    Parameters
    ----------
    jobs
        The jobs of a server that takes no new ones.
    grace
        Seconds that work without a checkpoint may go on.
    checkpoint_seconds
        Seconds after which the store kills work that was to keep a checkpoint.
    """
    jobs.leave()
    for job in jobs.all():
        if job.state is JobState.QUEUED or (job.state is JobState.RUNNING and job.finishable):
            jobs.cancel(job, STOPPED)
    running = [job for job in jobs.all() if not job.ended.is_set()]
    keeping = [job for job in running if job.finishable]
    if running:
        _log.warning("The server ends: %d jobs run, %d of them keep a checkpoint.", len(running), len(keeping))
    await _ended(keeping, checkpoint_seconds + _KILL_SECONDS)
    await _ended(running, grace)


async def _ended(jobs: list[JobRecord], seconds: float) -> None:
    waits = asyncio.gather(*(job.ended.wait() for job in jobs))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(waits, seconds)
