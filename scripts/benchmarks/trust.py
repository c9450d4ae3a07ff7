"""What trust costs: runs with bounds and with the fit check beside plain ones, in turns in one run.

A restoration with a head for its confidence is trained for 100 steps on the synthetic set; only its size matters here.
Runs are those of `BioImg Run Model...` with ONNX weights, the model loaded as in a server that has run it before. Plain
is without a confidence and with fit=off: the package's plain weights. On two cores it takes about five minutes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.training import figures
from benchmarks.training.figures import Figure
from bioimg_fiji import Image
from bioimg_fiji.commands import find
from bioimg_fiji.jobs import Job
from bioimg_fiji.runtime.warm import keep_models
from bioimg_fiji.train import synthetic

STEPS, TILE = 100, 256
RUNS = 2
"""Of each way in a round, of which the quicker counts: other programs only ever make one slower."""

PLAIN = "plain"
WAYS: Mapping[str, Mapping[str, Any]] = {
    PLAIN: {"fit": "off"},
    "confidence=90": {"fit": "off", "confidence": 90.0},
    "fit=warn": {"fit": "warn"},
    "both": {"fit": "warn", "confidence": 90.0},
}
BARS = {"confidence=90": 1.10, "fit=warn": 1.05}

Times = dict[str, list[tuple[float, float]]]
"""Seconds by the clock and of the processor, of each round."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what may be asked."""
    parser.add_argument("--sides", type=int, nargs="+", default=[1024, 2048], help="of the square images, pixels")
    parser.add_argument("--rounds", type=int, nargs="+", default=[7, 3], help="for each side")


def run(arguments: argparse.Namespace) -> list[Figure]:
    """Train and time."""
    with tempfile.TemporaryDirectory() as text:
        model = _trained(Path(text) / "care.zip")
        keep_models()
        try:
            pairs = zip(arguments.sides, arguments.rounds, strict=True)
            return [figure for side, rounds in pairs for figure in _figures(model, side, rounds)]
        finally:
            keep_models(False)


def _trained(target: Path) -> Path:
    training, _, _ = synthetic.benchmark_set()
    truths = [synthetic.truth(synthetic.phantom(seed=seed)) for seed in range(len(training))]
    keys = {
        "images": [Image(each, "yx", title=f"{number}.tif") for number, each in enumerate(training)],
        "targets": [Image(each, "yx", title=f"truth-{number}.tif") for number, each in enumerate(truths)],
        "model": target,
        "steps": STEPS,
        "batch_size": 4,
        "confidence": True,
        "apply": False,
        "device": "cpu",
    }
    find("train_restoration").run(keys, Job())
    return target


def _image(side: int) -> Image:
    """Give an image like those of the training, as large as is asked for."""
    rng = np.random.default_rng(5)
    tiles = [synthetic.expose(synthetic.phantom(TILE, seed=300 + number), rng) for number in range(4)]
    count = -(-side // TILE)
    rows = [np.hstack([tiles[(row + column) % len(tiles)] for column in range(count)]) for row in range(count)]
    return Image(np.vstack(rows)[:side, :side], "yx", title="image.tif")


def _figures(model: Path, side: int, rounds: int) -> Iterator[Figure]:
    times = _timed(model, _image(side), rounds)
    name = f"{side} x {side}"
    for way, seconds in times.items():
        clock = statistics.median(each[0] for each in seconds)
        yield figures.note(f"{name}: {way}", clock, "s")
    for way in times:
        if way == PLAIN:
            continue
        for place, what in enumerate(("clock", "processor time")):
            ratios = [own[place] / plain[place] for own, plain in zip(times[way], times[PLAIN], strict=True)]
            text = f"{name}: {way} / plain, {what}, median of {rounds} pairs ({min(ratios):.3f} to {max(ratios):.3f})"
            ratio, bar = statistics.median(ratios), BARS.get(way)
            yield figures.note(text, ratio) if bar is None else figures.at_most(text, ratio, bar)


def _timed(model: Path, image: Image, rounds: int) -> Times:
    """Time all ways, one after the other in each round, forwards and backwards in turn."""
    times: Times = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in sorted(WAYS, key=list(WAYS).index, reverse=bool(number % 2)):
            _run(model, image, way)  # NB: one model is kept loaded, so that each way loads its own, untimed
            runs = [_run(model, image, way) for _ in range(RUNS)]
            times[way].append((min(clock for clock, _ in runs), min(processor for _, processor in runs)))
    return times


def _run(model: Path, image: Image, way: str) -> tuple[float, float]:
    """Run, and give the seconds by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    find("run_model").run({"image": image, "model": model, "weights": "onnx", "device": "cpu", **WAYS[way]}, Job())
    return time.perf_counter() - clock, time.process_time() - processor
