"""Curves drawn with characters: a line of braille dots for the first, marks for the others, numbers at the axes.

::

    ⠤ loss 0.0412   o validation 0.0437   (log)
         0.9 ┤⢣
             │ ⠣⡀o
        0.19 ┤  ⠑⠤⣀
             │    o ⠉⠒⠢⠤⣀⣀o
        0.04 ┤             ⠉⠉⠉
             └────────────────
              1     step    40
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style

Line = list[Segment]
Points = Sequence[tuple[float, float]]

LEAST_ROWS, LEAST_WIDTH = 6, 32
"""Below this there is nothing to be seen."""

_AROUND = 3
"""Rows that are no part of the plot: the legend, the axis, its numbers."""
_MARGIN = 10
"""Columns left of the plot: a number and the axis."""
_BRAILLE = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of each dot of a braille character, by row and column (Unicode 15, chapter 21.1)."""
_LOOKS = ((" ", "dodger_blue1"), ("o", "orange1"), ("x", "green3"), ("+", "magenta"), ("*", "yellow3"))
"""Character and colour of each curve; the first is a line. Colours that the colour-blind tell apart come first."""
_DIM = Style(dim=True)


@dataclass(frozen=True)
class _Frame:
    """What the plot shows: steps from `left` to `right`, heights (of values as drawn) from `bottom` to `top`."""

    left: float
    right: float
    bottom: float
    top: float
    columns: int
    rows: int

    def column(self, step: float, cells: int) -> int:
        """Give the column of a step, of so many."""
        return round((step - self.left) / (self.right - self.left) * (cells - 1))

    def row(self, height: float, cells: int) -> int:
        """Give the row of a height, counted from the top, of so many."""
        return round((self.top - height) / (self.top - self.bottom) * (cells - 1))


def draw(curves: Mapping[str, Points], width: int, rows: int, *, plain: bool = False) -> list[Line]:
    """Draw curves over their steps.

    Parameters
    ----------
    curves
        Points (step, value) by name. The axis of values is logarithmic where all are above 0.
    width, rows
        Size in characters; nothing is drawn below `LEAST_WIDTH` x `LEAST_ROWS`.
    plain
        Whether only ASCII may be used.

    Returns
    -------
    list of list of Segment
        `rows` lines of at most `width` characters; none where there is no room or no point.
    """
    finite = {name: [p for p in points if all(map(math.isfinite, p))] for name, points in curves.items()}
    shown = {name: points for name, points in finite.items() if points}
    if not shown or width < LEAST_WIDTH or rows < LEAST_ROWS:
        return []
    logarithmic = all(value > 0 for points in shown.values() for _, value in points)
    columns, plot_rows = width - _MARGIN, rows - _AROUND
    steps = [step for points in shown.values() for step, _ in points]
    left, right = _apart(min(steps), max(steps))
    heights = {name: [(x, math.log10(y) if logarithmic else y) for x, y in points] for name, points in shown.items()}
    drawn = {name: _thinned(points, left, right, 2 * columns) for name, points in heights.items()}
    values = [value for points in drawn.values() for _, value in points]
    bottom, top = _apart(min(values), max(values))
    frame = _Frame(left, right, bottom, top, columns, plot_rows)
    cells = _cells(drawn, frame, plain=plain)
    return [
        _legend(shown, width, logarithmic=logarithmic, plain=plain),
        *(_row(cells, row, frame, logarithmic=logarithmic, plain=plain) for row in range(plot_rows)),
        [Segment(" " * (_MARGIN - 1) + ("+" if plain else "└") + ("-" if plain else "─") * columns, _DIM)],
        _steps(left, right, columns),
    ]


def _apart(low: float, high: float) -> tuple[float, float]:
    """Give a range that is one, for a curve of one point or a constant one."""
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _thinned(points: Points, left: float, right: float, columns: int) -> Points:
    """Give the mean of all points that fall into the same column of dots: noise would make the line a band."""
    heaps: dict[int, list[tuple[float, float]]] = {}
    for step, height in points:
        heaps.setdefault(round((step - left) / (right - left) * (columns - 1)), []).append((step, height))
    means = []
    for _, heap in sorted(heaps.items()):
        steps, heights = zip(*heap, strict=True)
        means.append((math.fsum(steps) / len(heap), math.fsum(heights) / len(heap)))
    return means


def _cells(drawn: Mapping[str, Points], frame: _Frame, *, plain: bool) -> dict[tuple[int, int], tuple[str, Style]]:
    """Give character and style of each cell (row, column) that is not empty; later curves lie above earlier ones."""
    cells: dict[tuple[int, int], tuple[str, Style]] = {}
    for number, points in enumerate(drawn.values()):
        character, style = _look(number, plain=plain)
        if number == 0 and not plain:
            for cell, bits in _dots(points, frame).items():
                cells[cell] = (chr(_BRAILLE + bits), style)
            continue
        for step, height in points:
            cells[frame.row(height, frame.rows), frame.column(step, frame.columns)] = (character, style)
    return cells


def _dots(points: Points, frame: _Frame) -> dict[tuple[int, int], int]:
    """Give the braille bits of each cell that a line through the points touches."""
    places = [(frame.column(x, 2 * frame.columns), frame.row(y, 4 * frame.rows)) for x, y in points]
    bits: dict[tuple[int, int], int] = {}
    for (x0, y0), (x1, y1) in zip([places[0], *places], places, strict=False):
        length = max(abs(x1 - x0), abs(y1 - y0), 1)
        for part in range(length + 1):
            x, y = round(x0 + (x1 - x0) * part / length), round(y0 + (y1 - y0) * part / length)
            cell = (y // 4, x // 2)
            bits[cell] = bits.get(cell, 0) | _DOTS[y % 4][x % 2]
    return bits


def _look(number: int, *, plain: bool) -> tuple[str, Style]:
    character, colour = _LOOKS[number % len(_LOOKS)]
    if number % len(_LOOKS) == 0:
        character = "." if plain else "⠤"
    return character, Style(color=colour)


def _legend(curves: Mapping[str, Points], width: int, *, logarithmic: bool, plain: bool) -> Line:
    line: Line = []
    for number, (name, points) in enumerate(curves.items()):
        character, style = _look(number, plain=plain)
        line += [Segment(f"{character} {name} {points[-1][1]:.4g}", style), Segment("   ")]
    line.append(Segment("(log)" if logarithmic else "(linear)", _DIM))
    margin = min(_MARGIN, max(0, width - Segment.get_line_length(line)))
    return Segment.adjust_line_length([Segment(" " * margin), *line], width, pad=False)


def _row(
    cells: Mapping[tuple[int, int], tuple[str, Style]], row: int, frame: _Frame, *, logarithmic: bool, plain: bool
) -> Line:
    """Give one row of the plot; the first, the last and one between have the number that belongs to them."""
    number, axis = "", "|" if plain else "│"
    if row in (0, (frame.rows - 1) // 2, frame.rows - 1):
        height = frame.top - (frame.top - frame.bottom) * row / (frame.rows - 1)
        number, axis = f"{10**height if logarithmic else height:.3g}", "+" if plain else "┤"
    line: Line = [Segment(f"{number:>{_MARGIN - 2}} {axis}"[-_MARGIN:], _DIM)]
    for column in range(frame.columns):
        character, style = cells.get((row, column), (" ", None))
        line.append(Segment(character, style))
    return list(Segment.simplify(line))


def _steps(left: float, right: float, columns: int) -> Line:
    first, last = f"{left:.7g}", f"{right:.7g}"
    middle = "step".center(max(0, columns - len(first) - len(last)))
    return [Segment(" " * _MARGIN + first + middle + last, _DIM)]
