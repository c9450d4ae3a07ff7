"""Run a long test of this folder by name; print its figures; end with 0 if nothing went wrong.

A long test is a module with `run(Soak) -> dict`: figures, and `wrong`, a list of sentences that is empty when all held.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SHORT_SECONDS = 8.0
LONG_SECONDS = 300.0
SHORT_KILLS, LONG_KILLS = 6, 20


@dataclass(frozen=True)
class Soak:
    """How long or how many kills, with which random numbers, and a small model package (None: train one first).

    `count` is how many of what the test counts, `short` whether it is to be short where it is None.
    """

    seconds: float
    seed: int
    model: Path | None
    kills: int = 20
    count: int | None = None
    short: bool = False


def main() -> int:
    """Run, print, and give the exit code."""
    names = sorted(path.stem.replace("_", "-") for path in FOLDER.glob("*.py") if path.stem != "run")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=names)
    parser.add_argument(
        "--short", action="store_true", help=f"{SHORT_SECONDS:g} seconds or {SHORT_KILLS} kills, as the tests run it"
    )
    parser.add_argument("--seconds", type=float, help=f"how long; by default {LONG_SECONDS:g}")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random kills")
    parser.add_argument("--model", type=Path, help="a small model package; by default one is trained")
    parser.add_argument("--kills", type=int, help=f"how many, where they are counted; by default {LONG_KILLS}")
    parser.add_argument("--count", type=int, help="how many runs or cancels, where they are counted; by default theirs")
    given = parser.parse_args()
    seconds = given.seconds or (SHORT_SECONDS if given.short else LONG_SECONDS)
    sys.path.insert(0, str(FOLDER))
    kills = given.kills or (SHORT_KILLS if given.short else LONG_KILLS)
    soak = Soak(seconds, given.seed, given.model, kills, given.count, given.short)
    figures = importlib.import_module(given.name.replace("-", "_")).run(soak)
    print(json.dumps(figures, indent=1))
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
