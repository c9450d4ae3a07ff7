"""Real calcium movies without a truth: what the look finds and names, the training that it names, what can be judged.

Pictures for the documentation are written to build/: frames before and after at one contrast, the residual, a trace.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import tifffile

from benchmarks.training import figures
from benchmarks.training.figures import Figure
from benchmarks.training.options import BUILD, Options
from benchmarks.training.pictures import Story, draw
from benchmarks.training.record import Record
from bioimg_fiji import Image
from bioimg_fiji.package import About
from bioimg_fiji.predict import predict
from bioimg_fiji.runtime.export import export
from bioimg_fiji.train import noise_check
from bioimg_fiji.train.judge import judge, residual

MOVIES = {"mouse": ("mouse_2p.tif", "tyx"), "fish": ("fish_lightsheet_tzyx.tif", "tzyx")}
ABOUT = About("Calcium", "A model of the benchmark.", "# Calcium\n\n## Validation\nNone.\n")


def run(options: Options, record: Record) -> Iterator[Figure]:
    """Look at both movies, train the method that the look names with the first seed, and judge."""
    for name, (file, axes) in MOVIES.items():
        movie = Image(tifffile.imread(options.shared("calcium", file)), axes, title=file)
        found = {each.code: each for each in noise_check.look([movie])}
        told = found.get("correlated_noise")
        text = told.sentence if told else "nothing"
        yield figures.expected(f"{name}: the look", text, "finds correlated noise", holds=told is not None)
        if told:
            for key, value in told.figures.items():
                yield figures.note(f"{name}: noise correlation {key}", value)
        advice = noise_check.recommend([movie])
        yield figures.note(f"{name}: method that it names", f"{advice.method}: {advice.sentence}")
        if advice.method == "none":
            continue
        settings = options.settings(movie=name, method=advice.method)
        settings["seed"] = options.seeds[0]
        values = record.measured("calcium", settings, partial(measure, name, movie, advice.method, options, record))
        for key, value in values["figures"].items():
            yield figures.note(f"{name}, {advice.method}, {options.setting}: {key}", value)
        for number, sentence in enumerate(values["sentences"], 1):
            yield figures.note(f"{name}, {advice.method}: sentence {number}", sentence)


def measure(name: str, movie: Image, method: str, options: Options, record: Record) -> dict[str, Any]:
    """Train, run the package as a user does, judge, and draw the pictures."""
    model = record.fit([movie], options.preset(method, seed=options.seeds[0]))
    with tempfile.TemporaryDirectory() as folder:
        package = export(model, ABOUT, Path(folder) / "calcium.zip")
        denoised = predict(movie, package).images["output"]
    found = judge(movie, denoised)
    draw(Story(f"{name}, {method}", movie, denoised, residual(movie, denoised)), BUILD / f"calcium-{name}")
    return {"figures": {key: float(value) for key, value in found.figures.items()}, "sentences": list(found.sentences)}
