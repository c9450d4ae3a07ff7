"""Progress, notes and tables in a terminal: bars, curves and pictures where there is one, plain lines in a log file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.live import Live as Display
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from bioimg_fiji.cli.interrupt import finish_on_interrupt
from bioimg_fiji.cli.live import LiveView
from bioimg_fiji.commands import Result
from bioimg_fiji.jobs import Job, Live
from bioimg_fiji.jobs import Progress as Report

_RENEWALS = 4
"""Times a second that the display is renewed: a preview has some fifty kilobytes."""
PLAIN_EVERY = 5.0
"""Seconds between two lines of progress where the output is no terminal."""


class Terminal:
    """Shows a job's progress on stderr; results go to stdout."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.out = Console(highlight=False, soft_wrap=True)
        self.err = Console(stderr=True, highlight=False, quiet=quiet, soft_wrap=True)
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._last = (0.0, "")

    @contextmanager
    def job(self, *, finishable: bool = False) -> Iterator[Job]:
        """Give a job whose progress is shown while the block runs, with its curves and preview where it has such.

        Parameters
        ----------
        finishable
            Whether the first Ctrl-C asks the job to finish with the best result so far; the second cancels,
            and the third interrupts.
        """
        shown = self._shown() if self.err.is_terminal and not self.err.quiet else self._told()
        with shown as job, finish_on_interrupt(job, self._say) if finishable else nullcontext():
            yield job

    @contextmanager
    def _told(self) -> Iterator[Job]:
        """Give a job that is told in plain lines; nobody looks at its preview, so it makes none."""
        self._last = (0.0, "")
        yield Job(on_progress=self.report, on_note=self.note)

    @contextmanager
    def _shown(self) -> Iterator[Job]:
        """Give a job that is shown by a display, which stays as it was at the end."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[extra]}"),
        )
        self._bar = Progress(*columns, console=self.err)  # never started: the display shows it
        view = LiveView(self._bar)

        def show(live: Live) -> None:
            view.live = live

        try:
            with Display(view, console=self.err, refresh_per_second=_RENEWALS, vertical_overflow="crop"):
                yield Job(on_progress=self.report, on_note=self.note, on_live=show)
        finally:
            self._bar, self._tasks = None, {}

    def report(self, report: Report) -> None:
        """Show one report."""
        extra = figures_text(report.figures)
        if self._bar is None:
            self._plain(report, extra)
            return
        total = report.maximum or None
        if report.message not in self._tasks:
            self._tasks[report.message] = self._bar.add_task(report.message, total=total, extra=extra)
        self._bar.update(self._tasks[report.message], completed=report.current, total=total, extra=extra)

    def _plain(self, report: Report, extra: str) -> None:
        now = time.monotonic()
        when, message = self._last
        finished = bool(report.maximum) and report.current >= report.maximum
        if message == report.message and now - when < PLAIN_EVERY and not finished:
            return
        self._last = (now, report.message)
        count = f" {report.current:g}/{report.maximum:g}" if report.maximum else ""
        self.err.print(f"{report.message}{count} {extra}".rstrip())

    def _say(self, sentence: str) -> None:
        self.err.print(sentence, markup=False)

    def note(self, sentence: str) -> None:
        """Show a sentence for the user."""
        self.err.print(f"note: {sentence}", markup=False)

    def result(self, result: Result) -> None:
        """Print figures and tables, and where the files are."""
        if result.figures:
            self.table("", ("", ""), [(name, number(value)) for name, value in result.figures.items()])
        for name, path in result.files.items():  # no table: a path is copied, so it must not be broken
            self.out.print(f"{name}  {path}", markup=False)
        for name, table in result.tables.items():
            self.table(name, tuple(table.columns), [tuple(number(cell) for cell in row) for row in table.rows])
        for sentence in result.notes:
            self.note(sentence)

    def table(self, title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        """Print a table on stdout."""
        shown = RichTable(title=title or None, show_header=any(columns), box=None, pad_edge=False)
        for column in columns:
            shown.add_column(column, overflow="fold")
        for row in rows:
            shown.add_row(*row)
        self.out.print(shown)


def figures_text(figures: Mapping[str, float]) -> str:
    """Write a report's figures in one line: `loss 0.0123, 12 s left`."""
    parts = [f"{name} {number(value)}" for name, value in figures.items() if name != "seconds_left"]
    if "seconds_left" in figures:
        minutes, seconds = divmod(round(figures["seconds_left"]), 60)
        parts.append(f"{minutes} min {seconds} s left" if minutes else f"{seconds} s left")
    return ", ".join(parts)


def number(value: object) -> str:
    """Write a figure with as many digits as a reader needs; one that has no value is left empty."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
