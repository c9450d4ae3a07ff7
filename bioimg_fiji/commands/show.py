"""What a notebook shows of a result: its images, figures, tables, files and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bioimg_fiji import html
from bioimg_fiji.image import show

if TYPE_CHECKING:
    from bioimg_fiji.commands.result import Result, Table

_SIDES = {1: 160, 2: 112}
"""Sides of the thumbnails by the number of images, so that a page stays small."""
_SMALLEST_SIDE = 80
_MOST_IMAGES = 4
_MOST_TABLES = 4
_MOST_ROWS = 10
_MOST_COLUMNS = 16


def describe(result: Result) -> str:
    """Write a result as HTML."""
    side = _SIDES.get(len(result.images), _SMALLEST_SIDE)
    parts = []
    for number, (name, image) in enumerate(result.images.items()):
        shown = show.describe(image, side) if number < _MOST_IMAGES else html.text(image)
        parts.append(f"<h4>{html.text(name)}</h4>{shown}")
    facts = [*result.figures.items(), *((f"file {name}", path) for name, path in result.files.items())]
    if facts:
        parts.append(html.rows(facts[:40]))
    parts += [f"<h4>{html.text(name)}</h4>{_table(each)}" for name, each in [*result.tables.items()][:_MOST_TABLES]]
    if result.partial:
        parts.append("<p>A part of the work has failed.</p>")
    parts += [f"<p>{html.text(note)}</p>" for note in result.notes[:20]]
    return "".join(parts) or "<p>An empty result.</p>"


def _table(table: Table) -> str:
    units = [*table.units, *([""] * len(table.columns))]
    head = [f"{name} ({unit})" if unit else name for name, unit in zip(table.columns, units, strict=False)]
    cells = [[_cell(each) for each in row[:_MOST_COLUMNS]] for row in table.rows[:_MOST_ROWS]]
    more = len(table.rows) - len(cells)
    wider = len(table.columns) > _MOST_COLUMNS
    left = f"{f'{more} more rows' if more else ''}{', ' if more and wider else ''}{'more columns' if wider else ''}"
    return html.table(head[:_MOST_COLUMNS], cells) + (f"<p>{left}</p>" if left else "")


def _cell(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)[:60]
