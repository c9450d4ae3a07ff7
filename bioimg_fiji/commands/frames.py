"""`Table` <-> pandas.DataFrame. pandas is imported when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bioimg_fiji.commands.result import Cell, Table
from bioimg_fiji.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

UNITS = "units"
"""Key of a frame's `attrs`: units by column, of those that have one."""

LABEL = "Label"
"""ImageJ's column of the rows' names."""


def to_frame(table: Table) -> pd.DataFrame:
    """Give a table as a DataFrame.

    Returns
    -------
    pandas.DataFrame
        Columns of whole numbers are int64, of numbers float64 (nothing is NaN), of true and false bool, of texts str;
        others have Python's objects. `attrs["units"]` has the units by column.
    """
    import pandas as pd

    columns = [[row[place] for row in table.rows] for place in range(len(table.columns))]
    series = [pd.Series(_filled(cells), dtype=None if cells else "float64") for cells in columns]
    frame = pd.concat(series, axis=1) if series else pd.DataFrame(index=range(len(table.rows)))
    frame.columns = pd.Index([str(name) for name in table.columns], dtype="str")
    frame.attrs[UNITS] = {name: unit for name, unit in zip(table.columns, table.units, strict=False) if unit}
    return frame


def from_frame(frame: pd.DataFrame) -> Table:
    """Give a DataFrame as a table: NaN and what is missing are NaN among numbers, else nothing (None).

    Its index becomes the first column, unless it only counts the rows (whole numbers without a name, also those that
    are left of them): under its name, else as ImageJ's "Label".
    Categories and times become texts.

    Raises
    ------
    InputError
        When columns or the index have the same name, or several levels, or cells are no numbers, texts, true or false.
    """
    if frame.columns.nlevels > 1 or frame.index.nlevels > 1:
        raise InputError("A table has columns and rows of one level.", fix="Join the levels, or use reset_index().")
    units: Mapping[str, str] = frame.attrs.get(UNITS, {})
    if not _counts(frame.index):
        name = LABEL if frame.index.name is None else str(frame.index.name)
        if name in map(str, frame.columns):
            raise InputError(
                f"The rows' names would be the column {name}, and there is one.",
                fix=f"Drop them (frame.reset_index(drop=True)), or name them (frame.rename_axis('{name} 2')).",
            )
        frame = frame.reset_index(names=name)
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"Several columns are called {', '.join(twice)}.", fix="Rename them.")
    columns = [_cells(frame.iloc[:, place], name) for place, name in enumerate(names)]
    rows = tuple(zip(*columns, strict=True)) if columns else ((),) * len(frame)
    return Table(tuple(names), rows, tuple(units.get(name, "") for name in names) if units else ())


def _counts(index: pd.Index[Any]) -> bool:
    """Whether an index only counts the rows, or those of which these were chosen."""
    import pandas as pd

    return isinstance(index, pd.RangeIndex) or (index.name is None and pd.api.types.is_integer_dtype(index.dtype))


def _filled(cells: list[Cell]) -> list[Any]:
    """Put NaN for nothing among numbers."""
    numbers = all(cell is None or (isinstance(cell, int | float) and not isinstance(cell, bool)) for cell in cells)
    return [float("nan") if cell is None else cell for cell in cells] if numbers else cells


def _cells(column: pd.Series[Any], name: str) -> list[Cell]:
    import pandas as pd

    kind = column.dtype
    if pd.api.types.is_bool_dtype(kind) and not column.hasnans:
        return [bool(value) for value in column]
    if pd.api.types.is_integer_dtype(kind) and not column.hasnans:
        return [int(value) for value in column]
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind):
        return [float("nan") if pd.isna(value) else float(value) for value in column]
    return [_cell(value, name) for value in column]


def _cell(value: Any, name: str) -> Cell:
    import numpy as np
    import pandas as pd

    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str | bool | int | float):
        return value if isinstance(value, str) or not pd.isna(value) else None
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, pd.Timestamp | pd.Timedelta | pd.Period) or hasattr(value, "isoformat"):
        return value.isoformat() if hasattr(value, "isoformat") else str(value)
    raise InputError(
        f"Column {name} has {type(value).__name__}, and a table has numbers, texts, true and false.",
        fix="Convert or drop the column.",
    )
