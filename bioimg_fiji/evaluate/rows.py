"""What an evaluation gives, and how its rows are gathered."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bioimg_fiji.evaluate.samples import POSITIONS, REGION, Given, Sample

Cell = float | int | str | None
Tell = Callable[[int, int], None]
"""Hears how many planes are done, and of how many."""

INFINITE = "Infinity"
"""An infinite figure in tables and JSON, which have no such number; ImageJ's parseFloat reads it."""


@dataclass(frozen=True)
class Evaluation:
    """Rows and figures.

    Parameters
    ----------
    columns, units, rows
        A row per plane, volume, region or channel; None where a metric has no value.
    figures, figure_units
        Of all: means over the rows, or what only all together have.
    reasons
        Why a metric has no value in a row, or in none: the first reason by its name.
    notes
        Sentences for the user.
    """

    columns: tuple[str, ...]
    units: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    figures: Mapping[str, Cell]
    figure_units: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Rows:
    """Gathers the values of samples; metrics without a value are kept with the reason."""

    def __init__(self, given: Given, *, volumes: bool = False) -> None:
        self._letters = tuple(letter for letter in given.shown if not (volumes and letter == "z"))
        self._regions = given.regions is not None
        self._rows: list[tuple[tuple[int, ...], dict[str, float]]] = []
        self._failed: dict[str, list[str]] = {}
        self.reasons: dict[str, str] = {}
        self.notes: list[str] = []

    def measured(self, sample: Sample, ways: Mapping[str, Callable[[Sample], float]]) -> dict[str, float]:
        """Measure a sample in several ways; where one has no value, the reason is kept."""
        values = {}
        for name, way in ways.items():
            try:
                values[name] = way(sample)
            except ValueError as error:
                self._failed.setdefault(name, []).append(f"{error}{self._where(sample)}")
        return values

    def figure(self, name: str, ways: Iterable[Callable[[], float]]) -> dict[str, float]:
        """Give a figure of all, by its name: the mean over the ways that have a value; else the reason is kept."""
        values = []
        for way in ways:
            try:
                values.append(way())
            except ValueError as error:
                self.reasons.setdefault(name, str(error))
        return {name: math.fsum(values) / len(values)} if values else {}

    def add(self, sample: Sample, values: dict[str, float]) -> None:
        """Add a row."""
        region = (sample.region,) if self._regions else ()
        self._rows.append((tuple(sample.place.get(letter, 1) for letter in self._letters) + region, values))

    def together(self, *names: str) -> list[tuple[float, ...]]:
        """Give the values of several metrics in all rows that have all of them."""
        return [tuple(values[name] for name in names) for _, values in self._rows if all(n in values for n in names)]

    def means(self, names: Iterable[str]) -> dict[str, float]:
        """Give the mean of each metric over the rows that have a value; metrics without any are left out."""
        columns = {name: [value for (value,) in self.together(name)] for name in names}
        return {name: mean(column) for name, column in columns.items() if column}

    def evaluation(self, figures: Mapping[str, float], units: Mapping[str, str]) -> Evaluation:
        """Give the evaluation: a column for each metric that has a value somewhere."""
        names = tuple(dict.fromkeys(name for _, values in self._rows for name in values))
        positions = tuple(POSITIONS[letter] for letter in self._letters) + ((REGION,) if self._regions else ())
        rows = tuple((*place, *(cell(values.get(name)) for name in names)) for place, values in self._rows)
        return Evaluation(
            columns=(*positions, *names),
            units=("",) * len(positions) + tuple(units.get(name, "") for name in names),
            rows=rows,
            figures={name: cell(value) for name, value in figures.items()},
            figure_units={name: units.get(name, "") for name in figures},
            reasons={**self.reasons, **{name: reasons[0] for name, reasons in self._failed.items()}},
            notes=(*self.notes, *self._failures()),
        )

    def _failures(self) -> Iterator[str]:
        for name, reasons in self._failed.items():
            share = f" in {len(reasons)} of {len(self._rows)} rows" if len(reasons) < len(self._rows) else ""
            yield f"{name} has no value{share}: {reasons[0]}."

    def _where(self, sample: Sample) -> str:
        places = [f"{POSITIONS[letter].lower()} {sample.place[letter]}" for letter in self._letters]
        places += [f"region {sample.region}"] if sample.region else []
        return f" ({', '.join(places)})" if places else ""


def mean(values: Sequence[float]) -> float:
    """Give the mean: infinite where a value is, NaN where one is NaN or infinite ones contradict each other."""
    exact = all(map(math.isfinite, values))  # math.fsum refuses infinities of both signs
    return (math.fsum(values) if exact else sum(values)) / len(values)


def cell(value: float | None) -> Cell:
    """Give a value as tables have it."""
    if isinstance(value, float) and math.isinf(value):
        return INFINITE if value > 0 else f"-{INFINITE}"
    return value
