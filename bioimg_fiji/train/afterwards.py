"""What is measured after a training: where it fails, the model is there all the same."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from bioimg_fiji.errors import BioimgError, JobCancelledError, reason_of
from bioimg_fiji.jobs import Job

T = TypeVar("T")

_log = logging.getLogger(__name__)


def tried(measure: Callable[[], T], job: Job, otherwise: str) -> T | None:
    """Measure something; where that fails, tell `otherwise` and the reason, and give None.

    Raises
    ------
    JobCancelledError
        When the user has asked to stop.
    """
    try:
        return measure()
    except JobCancelledError:
        raise
    except (BioimgError, MemoryError, RuntimeError, ValueError) as error:
        _log.warning("%s", otherwise, exc_info=True)
        job.note(f"{otherwise}: {reason_of(error)}")
        return None
