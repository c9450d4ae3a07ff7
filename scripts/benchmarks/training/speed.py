"""Speed, memory and start of our training beside CAREamics and beside a bare loop, measured in turns.

Each training beside the peer is a process of its own, on the same image with the same filters, levels, batch, patch,
threads and steps. Both are measured as they come, with their own validation, and as bare as can be: ours without
validation; the peer with all steps as one epoch, its data loaded in its own process or in another one, whichever is
faster. Memory of another process is not counted.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks.training import figures, peer
from benchmarks.training.bare import compare, timed_config
from benchmarks.training.figures import Figure
from benchmarks.training.options import ROOT, DataMissingError, Options
from benchmarks.training.record import Record
from bioimg_fiji import metrics
from bioimg_fiji.train import synthetic

Array = NDArray[np.float32]
Values = dict[str, Any]

FILTERS, BATCH, PATCH, THREADS, STEPS, BARE_STEPS = 32, 16, 64, 2, 100, 20
SIZE, NOISE_DB = 512, 20.0
SLIMMER = 28
"""Filters with which our network makes as many multiplications a patch (348 million) as the peer's with 32 (341)."""
PROGRAMS = Path(__file__).resolve().parent / "programs"
WAYS: dict[str, dict[str, Any]] = {
    "ours": {"precision": "fp32", "held_out": 0.05},
    "peer": {"workers": -1, "one_epoch": False},
    "ours, no validation": {"precision": "fp32", "held_out": 0},
    "peer, one epoch": {"workers": 0, "one_epoch": True},
    "ours, bf16": {"precision": "bf16", "held_out": 0.05},
    "ours, slimmer": {"precision": "fp32", "held_out": 0.05, "filters": SLIMMER},
    "ours, slimmer, bf16": {"precision": "bf16", "held_out": 0.05, "filters": SLIMMER},
    "peer, one epoch, loader beside": {"workers": 1, "one_epoch": True},
}


def run(options: Options, record: Record) -> Iterator[Figure]:
    """Measure beside the bare loop, then beside the peer."""
    threads, steps = options.threads or THREADS, options.steps or STEPS
    yield from _beside_bare(options, record, threads)
    python = peer.interpreter()
    rounds = []
    for number in range(options.rounds):
        settings = {"way": "peer", "round": number, "threads": threads, "steps": steps, "filters": FILTERS}
        rounds.append(record.measured("speed", settings, partial(_round, number, threads, steps, python)))
    for way in WAYS:
        found = [each[way] for each in rounds]
        text = ", ".join(f"{_middle(found, key):.4g} {unit}" for key, unit in _SHOWN)
        yield figures.note(f"{way} ({found[0]['parameters']} parameters), {steps} steps", text)
    yield from _bars(rounds)


_SHOWN = (("rate", "patches/s"), ("peak", "MB"), ("first_step", "s to the first step"), ("psnr", "dB"))


def _beside_bare(options: Options, record: Record, threads: int) -> Iterator[Figure]:
    steps = options.steps or BARE_STEPS
    for precision in ("fp32", "bf16"):
        sizes = {"batch_size": BATCH, "patch": PATCH, "filters": FILTERS}
        config = timed_config(precision, "cpu", steps=steps, threads=threads, **sizes)
        settings = {"way": "bare", "precision": precision, "threads": threads, "steps": steps, "rounds": options.rounds}
        found = record.measured("speed", settings, partial(compare, picture()[0], config, options.rounds))
        for key, name in (
            ("bare", "bare loop"),
            ("ours", "ours"),
            ("validated", "ours with validation as in 800 steps"),
        ):
            yield figures.note(f"{precision}, {name}", found[key], "patches/s")
        for key, name in (("ours", "ours"), ("validated", "ours with validation")):
            ratio = found[key] / found["bare"]
            bar = (precision, key) == ("fp32", "ours")
            text = f"{precision}: {name} / bare loop"
            yield figures.at_least(text, ratio, 0.9) if bar else figures.note(text, ratio)


def _round(number: int, threads: int, steps: int, python: Path) -> dict[str, Values]:
    """Run all ways once, in turns; every second round the other way about."""
    ways = list(WAYS) if number % 2 == 0 else list(WAYS)[::-1]
    spec = {"steps": steps, "batch_size": BATCH, "patch": PATCH, "filters": FILTERS, "threads": threads, "seed": number}
    with tempfile.TemporaryDirectory() as text:
        return {way: _trained(way, spec, python, Path(text)) for way in ways}


def _trained(way: str, spec: dict[str, Any], python: Path, folder: Path) -> Values:
    noisy, truth = picture()
    image, result, file = folder / "image.npy", folder / "result.npy", folder / "spec.json"
    np.save(image, noisy)
    told = spec | WAYS[way] | {"image": str(image), "result": str(result)}
    ours = way.startswith("ours")
    program = PROGRAMS / ("ours.py" if ours else "peer_careamics.py")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": str(spec["threads"])} | ({"PYTHONPATH": str(ROOT)} if ours else {})
    file.write_text(json.dumps(told | {"born": time.time()}))
    line = [sys.executable if ours else str(python), str(program), str(file)]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, cwd=folder, check=False)
    if done.returncode:
        raise DataMissingError(f"{way} failed: {done.stderr.strip()[-500:]}")
    values: Values = json.loads(done.stdout.strip().splitlines()[-1])
    return values | {"psnr": metrics.psnr(truth, np.load(result))}


def picture() -> tuple[Array, Array]:
    """Give a noisy image and its truth, (512, 512): real nuclei where they are here, else four phantoms."""
    try:
        truth = tifffile.imread(Options().shared("stardist", "img2d.tif"))[:SIZE, :SIZE].astype(np.float32)
    except DataMissingError:
        rows = [np.hstack([synthetic.phantom(SIZE // 2, seed=row + n) for n in range(2)]) for row in (0, 2)]
        truth = np.vstack(rows)
    spread = float(truth.max() - truth.min()) * 10 ** (-NOISE_DB / 20)
    noisy = truth + np.random.default_rng(0).normal(0, spread, truth.shape)
    return noisy.astype(np.float32), truth


def _bars(rounds: list[dict[str, Values]]) -> Iterator[Figure]:
    middle = {way: {key: _middle([each[way] for each in rounds], key) for key, _ in _SHOWN} for way in WAYS}
    ours, half, theirs = middle["ours"], middle["ours, bf16"], middle["peer"]
    yield figures.at_least("patches per second, ours / CAREamics, as they come", ours["rate"] / theirs["rate"], 2)
    yield figures.note("patches per second, ours in bf16 / CAREamics, as they come", half["rate"] / theirs["rate"])
    for way in ("ours, slimmer", "ours, slimmer, bf16"):
        name = f"patches per second, {way.replace('slimmer', f'{SLIMMER} filters')} / CAREamics, as they come"
        yield figures.note(name, middle[way]["rate"] / theirs["rate"])
    fastest = max(values["rate"] for way, values in middle.items() if way.startswith("peer"))
    bare = middle["ours, no validation"]["rate"] / fastest
    yield figures.note("patches per second, ours / CAREamics, both without validation", bare)
    yield figures.at_most("peak memory, ours / CAREamics", ours["peak"] / theirs["peak"], 1)
    soonest = min(values["first_step"] for way, values in middle.items() if way.startswith("peer"))
    yield figures.at_most("from start to the first step, ours / CAREamics", ours["first_step"] / soonest, 1 / 3)
    best = max(values["psnr"] for way, values in middle.items() if way.startswith("peer"))
    yield figures.at_least("PSNR after equal steps, ours - CAREamics", ours["psnr"] - best, 0, "dB")
    yield figures.note("PSNR after equal steps, bf16 - fp32", half["psnr"] - ours["psnr"], "dB")


def _middle(found: list[Values], key: str) -> float:
    return float(statistics.median(each[key] for each in found))
