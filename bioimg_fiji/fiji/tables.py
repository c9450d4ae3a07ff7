"""ImageJ's tables (the Results, and others by their titles) and SciJava's <-> `Table`.

ImageJ has numbers (all of them doubles) and texts, and a row's name under "Label"; SciJava's columns have types of
their own. A unit stands in a heading of ImageJ's, as in "Area (µm²)"; it is not looked for there on the way back.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from bioimg_fiji.commands import Table
from bioimg_fiji.commands.frames import LABEL
from bioimg_fiji.commands.result import Cell
from bioimg_fiji.errors import InputError
from bioimg_fiji.fiji.java import jclass

_RESULTS = "Results"
_SHOWN = "io.github.bioimgfiji.headless.Tables"
_IMAGEJ = "ij.measure.ResultsTable"
_SCIJAVA = "org.scijava.table"
_LARGEST = 2**53
"""The largest whole number below which a double holds each."""

_LARGEST_LONG = 2**63 - 1

Snapshot = tuple[int, str]


def snapshot() -> Snapshot:
    """Take what tells whether the Results table is written to, and have the others be old ones."""
    jclass(_SHOWN).mark()
    table = jclass(_IMAGEJ).getResultsTable()
    count = int(table.size())
    return count, str(table.getRowAsString(count - 1)) if count else ""


def changed(before: Snapshot) -> dict[str, Table]:
    """Copy the tables that were shown since `before`, and the Results table if it is not as it was.

    With windows the tables stay in theirs, and only the Results are copied.
    """
    found = {str(entry.getKey()): entry.getValue() for entry in jclass(_SHOWN).recent().entrySet()}
    found.pop(_RESULTS, None)
    if snapshot() != before:
        found[_RESULTS] = jclass(_IMAGEJ).getResultsTable()
    return {title: _from_imagej(table) for title, table in found.items()}


def get(table: Any = _RESULTS) -> Table:
    """Copy a table out of Fiji.

    Parameters
    ----------
    table
        Title of an open one, or a table of ImageJ or SciJava itself.

    Raises
    ------
    InputError
        When there is no such table.
    """
    if isinstance(table, str):
        table = _open(table)
    if isinstance(table, jclass(_IMAGEJ)):
        return _from_imagej(table)
    if _is_scijava(table):
        return _from_scijava(table)
    raise InputError(f"{type(table).__name__} is no table of Fiji.", fix="Give its title.")


def is_table(value: Any) -> bool:
    """Whether it is a table of ImageJ or SciJava."""
    return isinstance(value, jclass(_IMAGEJ)) or _is_scijava(value)


def is_python(value: Any) -> bool:
    """Whether it is a table of Python: ours, or a pandas.DataFrame."""
    pandas = sys.modules.get("pandas")  # where nobody has imported it, nobody has a DataFrame
    return isinstance(value, Table) or (pandas is not None and isinstance(value, pandas.DataFrame))


def as_table(table: Any) -> Table:
    """Give a Table, or a pandas.DataFrame as one.

    Raises
    ------
    InputError
        When it is neither.
    """
    if not is_python(table):
        raise InputError(f"{type(table).__name__} is no table.", fix="Give a Table or a pandas.DataFrame.")
    return table if isinstance(table, Table) else Table.from_pandas(table)


def show(table: Any, title: str = _RESULTS) -> None:
    """Open a copy of a table in Fiji, in place of one with this title. `table` is a Table or a pandas.DataFrame.

    Raises
    ------
    InputError
        When ImageJ cannot hold it.
    """
    to_imagej(as_table(table)).show(title)


def forget() -> None:
    """Forget the tables that are shown where there is no window for them."""
    jclass(_SHOWN).clear()


def to_imagej(table: Table) -> Any:
    """Give a table as ImageJ's ResultsTable. True and false are 1 and 0, nothing (None) is NaN.

    Raises
    ------
    InputError
        When a whole number is too large for ImageJ to hold exactly, or columns have the same heading.
    """
    import jpype

    result = jclass(_IMAGEJ)()
    rows = len(table.rows)
    for _ in range(rows):
        result.addRow()
    for place, heading in enumerate(_headings(table)):
        cells = [row[place] for row in table.rows]
        texts = {row: cell for row, cell in enumerate(cells) if isinstance(cell, str)}
        if heading == LABEL and len(texts) == rows:
            for row, text in texts.items():
                result.setLabel(text, row)
            continue
        numbers = [math.nan if cell is None or isinstance(cell, str) else _double(cell, heading) for cell in cells]
        result.setValues(heading, jpype.JArray(jpype.JDouble)(numbers))
        for row, text in texts.items():
            result.setValue(heading, row, text)
    return result


def to_scijava(table: Any) -> Any:
    """Give a Table or a pandas.DataFrame as SciJava's GenericTable, whose columns have types; labels name the rows.

    Raises
    ------
    InputError
        When a whole number is too large for Java's long.
    """
    table = as_table(table)
    result = jclass(f"{_SCIJAVA}.DefaultGenericTable")()
    labels: list[Cell] = []
    for place, heading in enumerate(_headings(table)):
        cells = [row[place] for row in table.rows]
        if heading == LABEL and all(isinstance(cell, str) for cell in cells):
            labels = cells
        else:
            result.add(_column(heading, cells))
    for row, label in enumerate(labels):
        result.setRowHeader(row, label)
    return result


def _open(title: str) -> Any:
    if title == _RESULTS:
        return jclass(_IMAGEJ).getResultsTable()
    shown = jclass(_SHOWN).shown()
    found = shown.get(title)
    if found is None and not jclass("java.awt.GraphicsEnvironment").isHeadless():
        found = jclass(_IMAGEJ).getResultsTable(title)
    if found is None:
        titles = ", ".join(sorted({_RESULTS, *(str(each) for each in shown.keySet())}))
        raise InputError(f"No table is called {title!r} in Fiji.", fix=f"There are: {titles}.")
    return found


def _headings(table: Table) -> list[str]:
    units = table.units or [""] * len(table.columns)
    headings = [f"{name} ({unit})" if unit else str(name) for name, unit in zip(table.columns, units, strict=True)]
    twice = sorted({name for name in headings if headings.count(name) > 1})
    if twice:
        raise InputError(f"Several columns are called {', '.join(twice)}.", fix="Rename them.")
    return headings


def _double(cell: float | bool, heading: str) -> float:
    if isinstance(cell, int) and abs(cell) > _LARGEST:
        raise InputError(f"{heading} has {cell}, which ImageJ would round.", fix="Give it as text.")
    return float(cell)


def _from_imagej(table: Any) -> Table:
    names = [str(name) for name in table.getHeadings() if str(name).strip()]
    rows = int(table.size())
    columns = [_cells(table, name, rows) for name in names]
    return Table(tuple(names), tuple(zip(*columns, strict=True)) if columns else ((),) * rows)


def _cells(table: Any, name: str, rows: int) -> Sequence[Cell]:
    if name == LABEL and not table.columnExists(name):
        return [str(table.getLabel(row) or "") for row in range(rows)]
    cells: list[Cell] = np.asarray(table.getColumn(name)).tolist()
    empty = [row for row, cell in enumerate(cells) if isinstance(cell, float) and math.isnan(cell)]
    variables = table.getColumnAsVariables(name) if empty else ()
    for row in empty:  # a text, or a number that is none
        text = variables[row].getString()
        cells[row] = math.nan if text is None else str(text)
    return cells


def _is_scijava(table: Any) -> bool:
    import jpype

    try:
        return isinstance(table, jpype.JClass(f"{_SCIJAVA}.Table"))
    except TypeError:  # embedded ImageJ has none
        return False


def _from_scijava(table: Any) -> Table:
    rows = int(table.getRowCount())
    names: list[str] = []
    columns: list[list[Cell]] = []
    labels = [table.getRowHeader(row) for row in range(rows)]
    if any(label is not None for label in labels):
        names.append(LABEL)
        columns.append([None if label is None else str(label) for label in labels])
    for place in range(int(table.getColumnCount())):
        header = table.getColumnHeader(place)
        names.append(f"C{place + 1}" if header is None else str(header))
        column = table.get(place)
        columns.append([_value(column.get(row)) for row in range(rows)])
    return Table(tuple(names), tuple(zip(*columns, strict=True)) if columns else ((),) * rows)


def _value(value: Any) -> Cell:
    if value is None:
        return None
    if isinstance(value, jclass("java.lang.Boolean") | bool):
        return bool(value)
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else str(value)


def _column(heading: str, cells: list[Cell]) -> Any:
    """Give a column of SciJava's of the type that all the cells have."""
    import jpype

    kinds = {type(cell) for cell in cells}
    largest = max((abs(cell) for cell in cells if isinstance(cell, int)), default=0)
    if largest > _LARGEST_LONG:
        raise InputError(f"{heading} has {largest}, which Java's long does not hold.", fix="Give it as text.")
    numbers = {float, int, type(None)}
    if kinds == {bool}:
        kind, array = "Bool", jpype.JArray(jpype.JBoolean)(cells)
    elif kinds == {int}:
        kind, array = "Long", jpype.JArray(jpype.JLong)(cells)
    elif kinds and kinds <= numbers and float in kinds and largest <= _LARGEST:
        kind, array = "Double", jpype.JArray(jpype.JDouble)([math.nan if cell is None else cell for cell in cells])
    else:
        column = jclass(f"{_SCIJAVA}.GenericColumn")(heading)
        for cell in cells:
            column.add(cell)
        return column
    column = jclass(f"{_SCIJAVA}.{kind}Column")(heading)
    column.fill(array)
    return column
