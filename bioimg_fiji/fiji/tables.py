"""ImageJ's Results table as a `Table`."""

from __future__ import annotations

import math
from typing import Any

from bioimg_fiji.commands import Table
from bioimg_fiji.fiji.java import jclass

Snapshot = tuple[int, str]


def snapshot() -> Snapshot:
    """Take what tells whether the table is written to."""
    table = jclass("ij.measure.ResultsTable").getResultsTable()
    count = int(table.size())
    return count, str(table.getRowAsString(count - 1)) if count else ""


def results(before: Snapshot) -> Table | None:
    """Copy the Results table; None if it is as it was `before`."""
    if snapshot() == before:
        return None
    table = jclass("ij.measure.ResultsTable").getResultsTable()
    columns = [str(name) for name in table.getHeadings() if str(name).strip()]
    rows = [[_cell(table, name, row) for name in columns] for row in range(int(table.size()))]
    return Table(tuple(columns), tuple(tuple(row) for row in rows))


def _cell(table: Any, column: str, row: int) -> float | str:
    if column == "Label":
        return str(table.getLabel(row) or "")
    value = float(table.getValue(column, row))
    return str(table.getStringValue(column, row)) if math.isnan(value) else value
