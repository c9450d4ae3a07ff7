"""Progress bars in notebooks: of every command that is run from Python without a job of its own.

Lives here: whether a bar is wanted, and the bar of a cell. Lives not here: those of terminals (cli/) and of Fiji.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bioimg_fiji import html
from bioimg_fiji.jobs import Job, Progress

_EVERY = 0.25
"""Seconds between two renewals of a bar."""

_wanted: bool | None = None


def show_progress(on: bool | None = None) -> None:
    """Say whether commands that Python runs show a bar: True, False, or None for wherever there is a notebook.

    A bar needs IPython; elsewhere `True` changes nothing. A job that is given to a command, or to `Fiji.watch`, has
    its own way of showing, and gets no bar.
    """
    global _wanted  # noqa: PLW0603 - one will of the user's for the whole process
    _wanted = on


@contextmanager
def watched(job: Job | None) -> Iterator[Job]:
    """Give the job itself; where there is none, one whose progress is shown by a bar while the block runs."""
    if job is not None or not _has_bar():
        yield job or Job()
        return
    bar = _Bar()
    try:
        yield Job(bar.report, bar.note)
    except BaseException:
        bar.close("stopped")
        raise
    bar.close("")


def _has_bar() -> bool:
    shell = _shell()
    if shell is None or _wanted is False:
        return False
    return _wanted is True or getattr(shell, "kernel", None) is not None


def _shell() -> Any:
    """Give IPython's shell, where this is one; IPython is not imported for it."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


class _Bar:
    """A bar in the output of a cell, made at the first report and renewed in its place."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._last = Progress()
        self._shown = 0.0
        self._notes: list[str] = []
        self._begun = time.monotonic()

    def report(self, report: Progress) -> None:
        ended = bool(report.maximum) and report.current >= report.maximum
        new = report.message != self._last.message
        self._last = report
        if new or ended or time.monotonic() - self._shown > _EVERY:
            self._show("")

    def note(self, sentence: str) -> None:
        self._notes.append(sentence)
        self._show("")

    def close(self, ending: str) -> None:
        if self._handle is not None:
            self._show(ending or f"{time.monotonic() - self._begun:.1f} s")

    def _show(self, ending: str) -> None:
        import IPython.display

        room: Any = IPython.display  # it has no types
        self._shown = time.monotonic()
        shown = room.HTML(self._html(ending))
        if self._handle is None:
            self._handle = room.display(shown, display_id=True)
        else:
            self._handle.update(shown)

    def _html(self, ending: str) -> str:
        report = self._last
        value = f' value="{report.current:g}" max="{report.maximum:g}"' if report.maximum else ""
        count = f" {report.current:g}/{report.maximum:g}" if report.maximum else ""
        figures = "".join(f", {name} {value:.4g}" for name, value in report.figures.items() if name != "seconds_left")
        bar = "" if ending and not value else f"<progress{value}></progress> "
        notes = "".join(f"<br>{html.text(each)}" for each in self._notes[-5:])
        end = f" ({html.text(ending)})" if ending else ""
        return f"<div>{bar}{html.text(report.message)}{count}{html.text(figures)}{end}{notes}</div>"
