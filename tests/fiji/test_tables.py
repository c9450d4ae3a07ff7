"""Tables between Fiji, `Table` and pandas: types of columns, labels, units."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bioimg_fiji.commands import Table
from bioimg_fiji.errors import InputError
from bioimg_fiji.fiji import Fiji, tables
from bioimg_fiji.fiji.java import jclass
from support.endpoints import EMBEDDED

CELLS = Table(
    ("Label", "n", "mean", "kind", "note"),
    (
        ("cell µ 1", 1, 0.1, "round", 3.5),
        ("cell 2", 2**53, math.nan, "", "x"),
        ("cell 3", -3, math.inf, "NaN", math.nan),
    ),
)


def same(one: Table, other: Table) -> bool:
    """Compare tables; NaN equals NaN, and 1 is not True."""
    assert tuple(one.columns) == tuple(other.columns)
    assert repr([list(row) for row in one.rows]) == repr([list(row) for row in other.rows])
    return True


def as_imagej(table: Table) -> Table:
    """What of a table ImageJ can tell: all numbers are doubles."""
    rows = (tuple(float(c) if isinstance(c, int) else c for c in row) for row in table.rows)
    return Table(table.columns, tuple(rows))


@pytest.mark.parametrize("title", ["Results", "Zellen µ"])
def test_to_fiji_and_back(fiji: Fiji, title: str) -> None:
    fiji.show_table(CELLS, title)
    assert same(fiji.table(title), as_imagej(CELLS))
    fiji.show_table(Table(("a",), ((1.0,),)), title)
    assert same(fiji.table(title), Table(("a",), ((1.0,),)))


def test_macros_read_and_write_the_same_results(fiji: Fiji) -> None:
    fiji.show_table(CELLS)
    found = fiji.run_macro(
        'setResult("mean", 1, 7); setResult("new", 0, 5);'
        'return "" + nResults + " " + getResult("n", 2) + " " + getResultLabel(0) + " " + getResultString("kind", 0);'
    )
    assert found == "3 -3 cell µ 1 round"
    table = fiji.table()
    assert table.columns[-1] == "new"
    assert (table.rows[1][2], table.rows[0][-1]) == (7.0, 5.0)


def test_measurements(fiji: Fiji) -> None:
    try:
        fiji.run_macro(
            'newImage("a", "8-bit ramp", 50, 40, 1);'
            'run("Set Measurements...", "area mean display redirect=None decimal=3");'
            'run("Measure"); makeRectangle(0, 0, 10, 10); run("Measure");'
        )
        frame = fiji.table().to_pandas()
    finally:
        fiji.run_macro('run("Set Measurements...", "area mean min redirect=None decimal=3");')
    assert frame["Label"].tolist() == ["a", "a"]
    assert frame["Area"].tolist() == [2000.0, 100.0]
    assert frame["Mean"].iloc[0] > frame["Mean"].iloc[1]
    assert str(frame["Mean"].dtype) == "float64"


def test_units_stand_in_the_headings(fiji: Fiji) -> None:
    table = Table(("Area", "n"), ((2.5, 1), (3.5, 2)), ("µm²", ""))
    fiji.show_table(table, "objects")
    assert fiji.table("objects").columns == ("Area (µm²)", "n")


def test_a_table_stays_when_other_commands_run(fiji: Fiji) -> None:
    fiji.show_table(CELLS, "kept")
    result = fiji.run("Invert", np.zeros((4, 5), np.uint8))
    assert result.tables == {}
    assert same(fiji.table("kept"), as_imagej(CELLS))


def test_what_is_wrong_is_told(fiji: Fiji) -> None:
    fiji.show_table(CELLS, "one")
    with pytest.raises(InputError, match="No table is called 'two'") as caught:
        fiji.table("two")
    assert "one" in caught.value.fix
    with pytest.raises(InputError, match="would round"):
        fiji.show_table(Table(("a",), ((2**53 + 1,),)))
    with pytest.raises(InputError, match="called a"):
        fiji.show_table(Table(("a", "a"), ((1, 2),)))
    with pytest.raises(InputError, match="int is no table"):
        fiji.table(3)


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


TYPES = {
    "int64": (frame(a=[1, -2, 2**40]), [1, -2, 2**40]),
    "uint8": (frame(a=np.array([1, 255], np.uint8)), [1, 255]),
    "float64": (frame(a=[0.1, math.nan, math.inf]), [0.1, math.nan, math.inf]),
    "float32": (frame(a=np.array([0.5, math.nan], np.float32)), [0.5, math.nan]),
    "bool": (frame(a=[True, False]), [True, False]),
    "text": (frame(a=["x", "µ", None]), ["x", "µ", None]),
    "Int64 with gaps": (frame(a=pd.array([1, None], dtype="Int64")), [1.0, math.nan]),
    "category": (frame(a=pd.Categorical(["b", "a", "b"])), ["b", "a", "b"]),
    "time": (frame(a=[pd.Timestamp("2026-01-02 03:04:05")]), ["2026-01-02T03:04:05"]),
    "date": (frame(a=[dt.date(2026, 1, 2)]), ["2026-01-02"]),
    "mixed": (frame(a=[1, "x", 2.5]), [1, "x", 2.5]),
}


@pytest.mark.parametrize("kind", TYPES)
def test_pandas_types(fiji: Fiji, kind: str) -> None:
    source, cells = TYPES[kind]
    table = Table.from_pandas(source)
    assert same(table, Table(("a",), tuple((cell,) for cell in cells)))
    back = table.to_pandas()
    if kind in ("int64", "float64", "bool", "text"):
        pd.testing.assert_frame_equal(back, source)
    fiji.show_table(source, "frame")
    expected = [math.nan if cell is None else float(cell) if isinstance(cell, int) else cell for cell in cells]
    assert repr([row[0] for row in fiji.table("frame").rows]) == repr(expected)


def test_pandas_index_units_and_names() -> None:
    source = frame(area=[1.5, 2.5]).set_axis(["cell 1", "cell 2"])
    source.attrs["units"] = {"area": "µm²"}
    table = Table.from_pandas(source)
    assert table.columns == ("Label", "area")
    assert table.units == ("", "µm²")
    assert table.to_pandas().attrs["units"] == {"area": "µm²"}
    assert Table.from_pandas(table.to_pandas()).columns == ("Label", "area")
    named = source.rename_axis("cell")
    assert Table.from_pandas(named).columns == ("cell", "area")
    assert Table.from_pandas(pd.DataFrame()).columns == ()
    assert Table.from_pandas(frame(a=[])).to_pandas().shape == (0, 1)
    assert Table.from_pandas(source[source.area > 2]).rows == (("cell 2", 2.5),)
    with pytest.raises(InputError, match="the column Label, and there is one"):
        Table.from_pandas(frame(Label=["x"]).set_axis(["cell 1"]))
    with pytest.raises(InputError, match="called a"):
        Table.from_pandas(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(InputError, match="one level"):
        Table.from_pandas(frame(a=[1], b=[2]).set_index(["a", "b"]))
    with pytest.raises(InputError, match="Column a has complex"):
        Table.from_pandas(frame(a=[1 + 2j]))


def test_a_filtered_table_goes_back() -> None:
    table = Table(("Label", "Area"), tuple((f"cell {n}", area) for n, area in enumerate([10, 20, 30, 40, 50])))
    rest = table.to_pandas()
    rest = rest[rest.Area != 30]
    assert same(Table.from_pandas(rest), Table(table.columns, table.rows[:2] + table.rows[3:]))
    assert Table.from_pandas(rest[["Area"]]).columns == ("Area",)
    counted = rest[["Area"]].rename_axis("frame")
    assert Table.from_pandas(counted).rows == ((0, 10), (1, 20), (3, 40), (4, 50))


@pytest.mark.skipif(EMBEDDED, reason="needs SciJava's tables: set BIOIMG_FIJI_ENDPOINT")
class TestSciJava:
    def test_to_scijava_and_back(self, fiji: Fiji) -> None:
        table = Table(
            ("Label", "n", "mean", "kind", "good", "mixed"),
            (
                ("a", 1, 0.1, "x", True, 1),
                ("b", 2**60, math.nan, "µ", False, "y"),
                ("c", -3, math.inf, None, True, None),
            ),
        )
        scijava = tables.to_scijava(table)
        kinds = [str(scijava.get(place).getClass().getSimpleName()) for place in range(5)]
        assert kinds == ["LongColumn", "DoubleColumn", "GenericColumn", "BoolColumn", "GenericColumn"]
        assert str(scijava.getRowHeader(1)) == "b"
        assert same(fiji.table(scijava), table)

    def test_whole_numbers_beside_others_are_not_rounded(self, fiji: Fiji) -> None:
        table = Table(("a", "b"), ((2**60 + 1, 2**53), (0.5, math.nan), (None, 3.5), (-(2**63) + 1, None)))
        scijava = tables.to_scijava(table)
        assert fiji.table(scijava).rows[0] == (2**60 + 1, float(2**53))
        assert [row[0] for row in fiji.table(scijava).rows] == [2**60 + 1, 0.5, None, -(2**63) + 1]
        assert str(scijava.get(1).getClass().getSimpleName()) == "DoubleColumn"
        for cells in ([2**70], [0.5, -(2**70)], ["x", 2**63]):
            with pytest.raises(InputError, match="which Java's long does not hold"):
                tables.to_scijava(Table(("a",), tuple((cell,) for cell in cells)))

    @pytest.mark.parametrize(
        ("kind", "cells"),
        [("Byte", [1, -2]), ("Short", [1, -2]), ("Int", [1, -2]), ("Float", [0.5, math.nan]), ("Char", ["a", "b"])],
    )
    def test_tables_of_one_type(self, fiji: Fiji, kind: str, cells: list[Any]) -> None:
        scijava = jclass(f"org.scijava.table.Default{kind}Table")(1, 2)
        for row, cell in enumerate(cells):
            scijava.get(0).setValue(row, cell)
        assert repr([row[0] for row in fiji.table(scijava).rows]) == repr(cells)

    def test_imagejs_own_conversion_agrees(self, fiji: Fiji) -> None:
        results = tables.to_imagej(CELLS)
        converted = fiji.gateway.convert().convert(results, jclass("org.scijava.table.Table"))
        ours = fiji.table(converted)
        assert ours.columns[:3] == ("Label", "n", "mean")
        assert repr([row[:3] for row in ours.rows]) == repr([row[:3] for row in as_imagej(CELLS).rows])
