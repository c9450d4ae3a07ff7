"""Training: quality, movies, speed beside the peer, real calcium movies, real nuclei, segmentation.

Every measurement is added to build/bench-train.json as soon as it is known; a run that was broken off goes on with the
rest. The whole of it takes hours; `--only` chooses sections, `--setting` how long real images are trained.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Any

from benchmarks.training import figures
from benchmarks.training.options import DataMissingError, add_options, options_of
from benchmarks.training.record import Record
from bioimg_fiji.errors import BioimgError

options = add_options


def run(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the chosen sections; give all their figures."""
    chosen = options_of(given)
    record = Record(chosen)
    found: list[dict[str, Any]] = []
    for section in chosen.sections:
        own: list[dict[str, Any]] = []
        try:
            for figure in importlib.import_module(f"benchmarks.training.{section}").run(chosen, record):
                _tell(section, figure)
                own.append({**figure, "figure": f"{section}: {figure['figure']}"})
                record.keep(section, own)
        except (DataMissingError, BioimgError) as reason:  # the other sections can still be measured
            own.append(figures.missing(section, str(reason)))
            record.keep(section, own)
        found += own
    return found


def _tell(section: str, figure: dict[str, Any]) -> None:
    bar = f" (bar {figure['bar']}: {'holds' if figure['holds'] else 'DOES NOT HOLD'})" if figure["bar"] else ""
    print(f"{section}: {figure['figure']}: {figure['value']} {figure['unit']}{bar}", file=sys.stderr, flush=True)
