"""What the benchmark `train` can be told."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bioimg_fiji.train import PRESETS, TrainConfig

ROOT = Path(__file__).resolve().parents[3]
_FOLDERS = [folder / "shared" / "data" for folder in ROOT.parents]
SHARED = next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])
"""Folder of real images beside the project's folder, or beside one above it; absent on most machines."""
BUILD = ROOT / "build"
SECTIONS = ("quality", "movies", "speed", "calcium", "nuclei", "segmentation")


class DataMissingError(Exception):
    """Something that a section needs is not on this machine."""


@dataclass(frozen=True)
class Options:
    """The choices of one run.

    Parameters
    ----------
    sections
        Which to run, of `SECTIONS`.
    seeds
        Of the trainings; the worst of them counts.
    setting
        Preset ("quick", "normal", "thorough") of the sections with real images and of the movies.
    steps
        Optimiser steps of every training; 0 leaves each section's own.
    precision
        Of the trainings of presets: "fp32" (what "auto" is on a CPU) or "bf16".
    methods
        Only these training methods, in the sections movies and nuclei; empty: all.
    photons
        Mean photons per pixel, in the section nuclei.
    rounds
        Of the section speed.
    threads
        CPU threads; 0 leaves torch's choice.
    out
        JSON file that results are added to.
    fresh
        Measure all anew.
    older
        Take results of other versions of the code too.
    """

    sections: tuple[str, ...] = SECTIONS
    seeds: tuple[int, ...] = (0, 1, 2)
    setting: str = "quick"
    steps: int = 0
    precision: str = "fp32"
    methods: tuple[str, ...] = ()
    photons: tuple[float, ...] = (2.7, 10.0)
    rounds: int = 3
    threads: int = 0
    out: Path = BUILD / "bench-train.json"
    fresh: bool = False
    older: bool = False

    def preset(self, method: str, **changes: Any) -> TrainConfig:
        """Give the configuration of the chosen setting."""
        told = {"device": "cpu", "threads": self.threads, "method": method, "precision": self.precision, **changes}
        return TrainConfig.preset(self.setting, **(told | ({"steps": self.steps} if self.steps else {})))

    def settings(self, **more: Any) -> dict[str, Any]:
        """Give what a training of the chosen setting is known by, with more of it."""
        return {"setting": self.setting, "steps": self.steps, "precision": self.precision, **more}

    def shared(self, *parts: str) -> Path:
        """Give a path in the folder of real images.

        Raises
        ------
        DataMissingError
            When it is not there.
        """
        path = SHARED.joinpath(*parts)
        if not path.exists():
            raise DataMissingError(f"{path} is not here")
        return path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the choices on the command line."""
    default = Options()
    parser.add_argument("--only", type=_names, default=SECTIONS, help=f"sections, of {','.join(SECTIONS)}")
    parser.add_argument("--seeds", type=_whole_numbers, default=default.seeds, help="for example 0,1,2")
    parser.add_argument("--setting", choices=sorted(PRESETS), default=default.setting, help="of movies and real images")
    parser.add_argument("--steps", type=int, default=0, help="of every training, to try things out")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of movies and real images")
    parser.add_argument("--methods", type=_names, default=(), help="movies and nuclei: only these methods")
    parser.add_argument("--photons", type=_numbers, default=default.photons, help="section nuclei: for example 2.7,10")
    parser.add_argument("--rounds", type=int, default=default.rounds, help="section speed: rounds of measurements")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; section speed: 2 by default")
    parser.add_argument("--out", type=Path, default=default.out, help="JSON file that results are added to")
    parser.add_argument("--fresh", action="store_true", help="measure all anew")
    parser.add_argument("--older", action="store_true", help="take results of other versions of the code too")


def options_of(given: argparse.Namespace) -> Options:
    """Give the choices as they were made.

    Raises
    ------
    SystemExit
        For an unknown section.
    """
    unknown = [name for name in given.only if name not in SECTIONS]
    if unknown:
        raise SystemExit(f"There is no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}.")
    fields = {name: getattr(given, name) for name in Options.__dataclass_fields__ if name != "sections"}
    return Options(sections=tuple(name for name in SECTIONS if name in given.only), **fields)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in _names(text))


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in _names(text))
