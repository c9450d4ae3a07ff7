"""ImageJ's tables as `Table`: the Results, and those that a command would open in a window of its own."""

from __future__ import annotations

import math
from typing import Any

from bioimg_fiji.commands import Table
from bioimg_fiji.fiji.java import jclass

_RESULTS = "Results"
_SHOWN = "io.github.bioimgfiji.headless.Tables"

Snapshot = tuple[int, str]


def snapshot() -> Snapshot:
    """Take what tells whether the Results table is written to, and forget the others."""
    jclass(_SHOWN).clear()
    table = jclass("ij.measure.ResultsTable").getResultsTable()
    count = int(table.size())
    return count, str(table.getRowAsString(count - 1)) if count else ""


def changed(before: Snapshot) -> dict[str, Table]:
    """Copy the tables that were shown since `before`, and the Results table if it is not as it was.

    With windows the tables stay in theirs, and only the Results are copied.
    """
    found = {str(entry.getKey()): entry.getValue() for entry in jclass(_SHOWN).shown().entrySet()}
    found.pop(_RESULTS, None)
    if snapshot() != before:
        found[_RESULTS] = jclass("ij.measure.ResultsTable").getResultsTable()
    return {title: copy(table) for title, table in found.items()}


def copy(table: Any) -> Table:
    """Copy a table of ImageJ."""
    columns = [str(name) for name in table.getHeadings() if str(name).strip()]
    rows = [[_cell(table, name, row) for name in columns] for row in range(int(table.size()))]
    return Table(tuple(columns), tuple(tuple(row) for row in rows))


def _cell(table: Any, column: str, row: int) -> float | str:
    if column == "Label":
        return str(table.getLabel(row) or "")
    value = float(table.getValue(column, row))
    return str(table.getStringValue(column, row)) if math.isnan(value) else value
