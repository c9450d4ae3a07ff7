"""`bioimg-fiji benchmark SUITE MODEL...`: models compared on suites of data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from bioimg_fiji.cli.options import given, is_elsewhere, options_for
from bioimg_fiji.cli.terminal import Terminal, number
from bioimg_fiji.client.where import run_at
from bioimg_fiji.commands import Result, find
from bioimg_fiji.commands.parameters import LIST, SERVER
from bioimg_fiji.commands.result import Table
from bioimg_fiji.errors import ParameterError

EXIT_FAILED = 1
VERIFY = "verify"
FOLDER = Path("benchmark-results")

_HELP = """Compare models on data with a known truth: one number per suite and model, time, memory, a page of ranks.

SUITE is the name of one that comes with bioimg-fiji (--list), or a folder with suite.toml; several with ; between.
MODEL is a package or a name in the store; baselines go along. Results and page go to --output, by default the folder
benchmark-results; those of other models there stay. Ends with 1 where a model has no result.

`benchmark verify RESULT.json` computes a result again, and ends with 1 where it does not agree.
"""
_KEPT = ("reason", "data", "agrees")
"""Columns that are never left out."""


def benchmark_line() -> click.Command:
    """Make the command line."""
    command = find("benchmark")
    parameters: list[click.Parameter] = [
        click.Argument(["suite"], required=False),
        click.Argument(["model"], nargs=-1),
        click.Option(["--list", "as_list"], is_flag=True, help="List the suites, and whether their data are here."),
        click.Option(["--new"], type=click.Path(path_type=Path), metavar="FOLDER", help="Write a suite to fill in."),
        *options_for(command, leave_out=("action", "suite", "model", "models")),
    ]
    return click.Command("benchmark", params=parameters, callback=_benchmark, help=_HELP)


def _benchmark(suite: str | None, model: tuple[str, ...], as_list: bool, new: Path | None, **options: Any) -> int:
    values = given(options)
    if new is not None:
        values |= {"action": "new", "suite": str(new)}
    elif as_list:
        values |= {"action": "list"}
    elif suite is None:
        raise ParameterError.of("SUITE", "a suite", "", fix="See them: bioimg-fiji benchmark --list.")
    elif suite == VERIFY:
        if len(model) != 1:
            raise ParameterError.of("RESULT.json", "one file", " ".join(model), fix="Verify one after the other.")
        values |= {"action": "verify", "suite": model[0]}
    else:
        values = {"output": FOLDER, **values, "suite": suite, "models": LIST.join(model)}
    if values.get("action") != "list":
        _check_here(values)
    terminal = Terminal()
    with terminal.job() as job:
        done = run_at(find("benchmark"), values, job)
    width = terminal.out.width
    tables = {name: fitting(table, width) for name, table in done.tables.items()}
    terminal.result(dataclasses.replace(_without_tables(done), tables=tables))
    return EXIT_FAILED if done.partial else 0


def _check_here(values: Mapping[str, Any]) -> None:
    """Refuse a named server: suites, data and results are folders, and none of them is sent or brought back."""
    if is_elsewhere(values):
        raise ParameterError.of(
            "--server",
            "left out, but with --list: the folders of suites, data and results would be those of the server",
            values[SERVER],
            fix="Run it on that computer itself. From here, `bioimg-fiji call benchmark suite=... output=... "
            f"server={values[SERVER]}` takes paths that it has, and leaves the page there.",
        )


def _without_tables(done: Result) -> Result:
    """Leave out the figures that the tables have, where there is a table for each suite."""
    return dataclasses.replace(done, figures={}) if "page" in done.files else done


def fitting(table: Table, width: int) -> Table:
    """Leave out columns from the right, the last two figures not, until a table fits a terminal of that width."""
    names = list(table.columns)
    cells = [[number(cell) for cell in row] for row in table.rows]
    widths = {name: max(len(name), *(len(row[place]) for row in cells), 0) + 2 for place, name in enumerate(names)}
    kept = list(names)
    if "reason" in kept and not any(row[names.index("reason")] for row in cells):
        kept.remove("reason")
    spare = [name for name in kept[2:] if name not in ("seconds_per_image", "memory", *_KEPT)]
    while spare and sum(widths[name] for name in kept if name not in _KEPT) > width - 20 * ("reason" in kept):
        kept.remove(spare.pop())
    places = [names.index(name) for name in kept]
    rows = tuple(tuple(row[place] for place in places) for row in table.rows)
    return Table(tuple(kept), rows, tuple(table.units[place] for place in places) if table.units else ())
