"""What a command gives back: a named set of images, tables, figures and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioimg_fiji import html
from bioimg_fiji.commands import show
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.image import Image

if TYPE_CHECKING:
    import pandas as pd

Cell = float | int | str | bool | None


@dataclass(frozen=True)
class Table:
    """A table: columns, their units ("" for none) and rows of numbers or texts."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    units: Sequence[str] = ()

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows) or len(self.units) not in (
            0,
            len(self.columns),
        ):
            raise ParameterError.of(
                "A table's rows and units", f"{len(self.columns)} long", [len(r) for r in self.rows]
            )

    def to_json(self) -> dict[str, Any]:
        """Give the protocol's form."""
        units = list(self.units) or [""] * len(self.columns)
        return {"columns": list(self.columns), "units": units, "rows": [list(row) for row in self.rows]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Table:
        """Read `to_json`'s form."""
        return cls(tuple(data["columns"]), tuple(tuple(row) for row in data["rows"]), tuple(data.get("units", ())))

    def to_pandas(self) -> pd.DataFrame:
        """Give it as a DataFrame, with the units in `attrs["units"]`."""
        from bioimg_fiji.commands.frames import to_frame

        return to_frame(self)

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame) -> Table:
        """Make it of a DataFrame, whose index, unless it only counts, becomes a column: under its name, or "Label".

        Raises
        ------
        InputError
            When names are not unique, or cells are no numbers, texts, true or false.
        """
        from bioimg_fiji.commands.frames import from_frame

        return from_frame(frame)


@dataclass(frozen=True)
class Result:
    """Result of a command.

    Parameters
    ----------
    images
        By name; "output" is the main one, others ("confidence") stand beside it.
    tables, figures
        By name; a figure is one number or a short text.
    files
        Files that the command has written, by name.
    notes
        Sentences for the user that should be read after the run.
    partial
        Whether a part of the work has failed and the rest was done; a shell or `ImageJ -batch` ends with 1 then.
    """

    images: Mapping[str, Image] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    figures: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    partial: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give everything but the images in the protocol's form."""
        return {
            "tables": {name: table.to_json() for name, table in self.tables.items()},
            "figures": dict(self.figures),
            "files": {name: str(path) for name, path in self.files.items()},
            "notes": list(self.notes),
            **({"partial": True} if self.partial else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], images: Mapping[str, Image]) -> Result:
        """Read `to_json`'s form; the images have travelled separately."""
        return cls(
            images=dict(images),
            tables={name: Table.from_json(table) for name, table in data.get("tables", {}).items()},
            figures=dict(data.get("figures", {})),
            files={name: Path(path) for name, path in data.get("files", {}).items()},
            notes=tuple(data.get("notes", ())),
            partial=bool(data.get("partial", False)),
        )

    @html.never_raises
    def _repr_html_(self) -> str:
        return show.describe(self)
