"""Run a benchmark of this folder by name; print a table or one JSON object per figure; end with 0 if every bar holds.

A benchmark is a module with `run() -> list[dict]`; each dict has figure, value, unit, bar ("" for none) and holds. One
that has `options(parser)` declares arguments of its own by it, and its `run` is given them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).resolve().parent


def main() -> int:
    """Run, print, and give the exit code."""
    names = sorted(p.stem for p in FOLDER.glob("*.py") if p.stem not in ("run", "__init__"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=names)
    parser.add_argument("--json", action="store_true", help="one JSON object per figure")
    sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]
    chosen = next((name for name in sys.argv[1:] if name in names), None)
    benchmark = importlib.import_module(chosen) if chosen else None
    declare = getattr(benchmark, "options", None)
    if declare is not None:
        declare(parser)
    arguments = parser.parse_args()
    assert benchmark is not None  # argparse has refused a line without a name
    figures = benchmark.run() if declare is None else benchmark.run(arguments)
    if arguments.json:
        for figure in figures:
            print(json.dumps(figure))
    else:
        table = Table("figure", "value", "unit", "bar", "holds", box=None)
        for figure in figures:
            value = figure["value"]
            text = f"{value:.4g}" if isinstance(value, float) else str(value)
            holds = "" if not figure["bar"] else "yes" if figure["holds"] else "NO"
            table.add_row(figure["figure"], text, figure["unit"], figure["bar"], holds)
        Console(width=140).print(table)
    return 0 if all(figure["holds"] for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
