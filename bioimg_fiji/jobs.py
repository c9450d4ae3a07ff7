"""Jobs: states, progress, cancelling.

Lives here: what a job is, for the code that does the work and for those who watch it; standard library only. Lives not
here: processes, queues, HTTP (server/), windows (fiji/, fiji-plugin/).

States::

    queued -> running -> done | failed | cancelled
       `-------------------------------^
"""

from __future__ import annotations

import base64
import enum
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bioimg_fiji.errors import JobCancelledError


class JobState(enum.Enum):
    """State of a job, with the states that may follow."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether no other state follows."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)

    def may_become(self, other: JobState) -> bool:
        """Whether `other` is a state that may follow this one."""
        if self is JobState.QUEUED:
            return other in (JobState.RUNNING, JobState.FAILED, JobState.CANCELLED)
        return self is JobState.RUNNING and other.ended


@dataclass(frozen=True)
class Progress:
    """One report: where the work stands.

    `maximum` 0 means that the end is not known. `figures` are numbers worth a curve or a column (loss, psnr,
    seconds_left).
    """

    message: str = ""
    current: float = 0
    maximum: float = 0
    figures: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form that the protocol sends."""
        return {
            "message": self.message,
            "current": self.current,
            "maximum": self.maximum,
            "figures": self.figures,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Progress:
        """Read `to_json`'s form."""
        return cls(data["message"], data["current"], data["maximum"], dict(data.get("figures", {})))


@dataclass(frozen=True)
class Preview:
    """Two pictures of one place, to be shown with the same contrast.

    Parameters
    ----------
    step
        Where on the curves it was made.
    names
        What each picture shows, for example "before" and "after".
    shape
        Of each picture (y, x), pixels.
    display
        Values shown black and white.
    pixels
        Of each picture: float32, little-endian, C order.
    """

    step: float
    names: tuple[str, ...]
    shape: tuple[int, int]
    display: tuple[float, float]
    pixels: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form that the protocol sends (pixels in base64)."""
        return {
            "step": self.step,
            "names": list(self.names),
            "shape": list(self.shape),
            "display": [float(each) if math.isfinite(each) else 0.0 for each in self.display],
            "pixels": [base64.b64encode(each).decode("ascii") for each in self.pixels],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Preview:
        """Read `to_json`'s form."""
        height, width = data["shape"]
        low, high = data["display"]
        pixels = tuple(base64.b64decode(each) for each in data["pixels"])
        return cls(data["step"], tuple(data["names"]), (height, width), (low, high), pixels)


@dataclass(frozen=True)
class Live:
    """What can be looked at while a job runs: curves over its steps, and a preview of its result.

    `curves` are points (step, value) by name ("loss", "validation"), thinned where there are many. `finishable` tells
    whether `Job.finish` would end the work early with the best result so far.
    """

    curves: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    preview: Preview | None = None
    finishable: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form that the protocol sends; JSON has no NaN, so points that are not finite are left out."""
        return {
            "curves": {name: _finite(points) for name, points in self.curves.items()},
            "preview": None if self.preview is None else self.preview.to_json(),
            "finishable": self.finishable,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Live:
        """Read `to_json`'s form."""
        curves = {
            name: tuple((x, y) for x, y in points if x is not None and y is not None)
            for name, points in data["curves"].items()
        }
        preview = None if data["preview"] is None else Preview.from_json(data["preview"])
        return cls(curves, preview, data["finishable"])


def _finite(points: Sequence[tuple[float, float]]) -> list[list[float]]:
    return [[float(x), float(y)] for x, y in points if math.isfinite(x) and math.isfinite(y)]


class Job:
    """The worker's handle: it reports progress, gives notes to the user and asks whether it should stop.

    Parameters
    ----------
    on_progress
        Called with each `Progress`, on the worker's thread.
    on_note
        Called with each sentence meant for the user (a warning, a decision that was taken).
    on_live
        Called with each `Live`, on the worker's thread; the work makes none when nobody looks.
    scratch
        Folder on a disk for what is too large for memory, results too; given where an image is on that disk. Whoever
        gives it removes it. None: everything is in memory.
    """

    def __init__(
        self,
        on_progress: Callable[[Progress], None] | None = None,
        on_note: Callable[[str], None] | None = None,
        on_live: Callable[[Live], None] | None = None,
        scratch: Path | None = None,
    ) -> None:
        self.scratch = scratch
        self._on_progress = on_progress or (lambda _: None)
        self._on_note = on_note or (lambda _: None)
        self._on_live = on_live
        self._cancel = threading.Event()
        self._finish = threading.Event()

    def progress(self, message: str, current: float = 0, maximum: float = 0, **figures: float) -> None:
        """Report where the work stands, then raise `JobCancelledError` if the user asked to stop."""
        self._on_progress(Progress(message, current, maximum, figures))
        self.check()

    def note(self, sentence: str) -> None:
        """Tell the user a sentence that outlives the progress line."""
        self._on_note(sentence)

    @property
    def watched(self) -> bool:
        """Whether somebody looks at what `show` is given."""
        return self._on_live is not None

    def show(self, live: Live) -> None:
        """Show curves and a preview; they take the place of those shown before."""
        if self._on_live is not None:
            self._on_live(live)

    def finish(self) -> None:
        """Ask the work to end early with the best result so far (any thread); work that cannot goes on."""
        self._finish.set()

    @property
    def finishing(self) -> bool:
        """Whether the user asked to end early with what there is."""
        return self._finish.is_set()

    def cancel(self) -> None:
        """Ask the work to stop (any thread)."""
        self._cancel.set()

    @property
    def cancelled(self) -> bool:
        """Whether the user asked to stop."""
        return self._cancel.is_set()

    def check(self) -> None:
        """Raise `JobCancelledError` if the user asked to stop."""
        if self.cancelled:
            raise JobCancelledError("The job was cancelled.")


class PartJob(Job):
    """The job of a part of the work, as one image of many: cancelled with the whole; its progress is not shown.

    Parameters
    ----------
    whole
        The job of all.
    on_note
        Called with each sentence for the user; left out: they are not told.
    """

    def __init__(self, whole: Job, on_note: Callable[[str], None] | None = None) -> None:
        super().__init__(on_note=on_note)
        self._whole = whole

    @property
    def cancelled(self) -> bool:
        """Whether the user asked to stop the whole."""
        return self._whole.cancelled
