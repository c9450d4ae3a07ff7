"""What a terminal shows of a job that runs: the bar, below it the curves, and the preview where there is room."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress import Progress
from rich.segment import Segment

from bioimg_fiji.cli import curves, pictures
from bioimg_fiji.jobs import Live

Line = list[Segment]

_COLOURS = ("truecolor", "256")
"""Colour systems with enough greys for a picture."""
_MOST_PLOT = (16, 100)
"""Rows and columns of the curves beyond which nothing more is to be seen."""
_MOST_PICTURE_ROWS = 33
_BESIDE = 44
"""Columns that the curves keep where the pictures stand beside them."""
_GAP = 2


class LiveView:
    """The bars, and below them what the job shows: renewed by the display that it is given to.

    Parameters
    ----------
    bars
        The progress bars, one line each.
    """

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self.live: Live | None = None
        self._drawn: tuple[object, list[Line]] = (None, [])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._bars.get_renderable()
        live = self.live  # the work puts a new one here at any time
        # One row is left for the cursor: a display as high as the window would scroll at each renewal.
        rows = console.size.height - len(self._bars.tasks) - 1
        if live is None:
            return
        plain = options.ascii_only
        grey = not plain and not console.no_color and console.color_system in _COLOURS
        wanted = (live, options.max_width, rows, plain, grey)
        if self._drawn[0] != wanted:
            self._drawn = (wanted, arrange(live, options.max_width, rows, plain=plain, grey=grey))
        for line in self._drawn[1]:
            yield from line
            yield Segment.line()


def arrange(live: Live, width: int, rows: int, *, plain: bool, grey: bool) -> list[Line]:
    """Draw curves and preview within `width` x `rows` characters.

    The pictures stand below the curves or beside them, wherever they are larger; without room for both there are only
    curves.

    Parameters
    ----------
    live
        What the job shows.
    width, rows
        Room in characters.
    plain
        Whether only ASCII may be used.
    grey
        Whether the terminal has greys for pictures.

    Returns
    -------
    list of list of Segment
        At most `rows` lines of at most `width` characters.
    """
    most_rows, most_width = _MOST_PLOT
    if live.preview is not None and grey:
        half = min(rows - curves.LEAST_ROWS - 1, max(rows // 2, pictures.LEAST_ROWS + 1), _MOST_PICTURE_ROWS)
        beside = pictures.draw(live.preview, width - _BESIDE - _GAP, min(rows, _MOST_PICTURE_ROWS))
        below = pictures.draw(live.preview, width, half)
        if _characters(beside) > _characters(below):
            room = width - max(map(Segment.get_line_length, beside)) - _GAP
            plot = curves.draw(live.curves, min(room, most_width), min(len(beside), most_rows), plain=plain)
            return _side_by_side(plot, beside) if plot else beside
        if below:
            left = min(rows - len(below) - 1, most_rows)
            plot = curves.draw(live.curves, min(width, most_width), left, plain=plain)
            return [*plot, [], *below] if plot else below
    return curves.draw(live.curves, min(width, most_width), min(rows, most_rows), plain=plain)


def _characters(lines: list[Line]) -> int:
    return sum(map(Segment.get_line_length, lines[1:]))


def _side_by_side(left: list[Line], right: list[Line]) -> list[Line]:
    """Put two blocks of lines beside each other, the right one not lower than the left one."""
    width = max(map(Segment.get_line_length, left))
    lines = []
    for number, line in enumerate(right):
        start = left[number] if number < len(left) else []
        lines.append([*Segment.adjust_line_length(start, width + _GAP), *line])
    return lines
