"""Tables that tests leave in the report: printed at its end."""

from __future__ import annotations

TOLD: list[str] = []
"""What is to be printed."""


class Counts:
    """A table of how many of how many were right, by row and column."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._cells: dict[str, dict[str, str]] = {}

    def add(self, row: str, column: str, right: int, all_: int) -> None:
        """Fill a cell."""
        self._cells.setdefault(row, {})[column] = f"{right}/{all_}"

    def tell(self) -> None:
        """Have it printed at the end of the report."""
        columns = sorted({column for cells in self._cells.values() for column in cells})
        lines = [f"{'':10}" + "".join(f"{column:>12}" for column in columns)]
        for row, cells in self._cells.items():
            lines.append(f"{row:10}" + "".join(f"{cells.get(column, ''):>12}" for column in columns))
        TOLD.append("\n".join([self._title, *lines]))
