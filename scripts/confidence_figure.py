"""The picture of a confidence map in docs/trust-confidence.md, and the coverage told there, from real nuclei.

    .venv/bin/python scripts/confidence_figure.py NUCLEI OUTPUT.png [STEPS]

NUCLEI is a folder with images/. Its images of 256 x 256 are the truth, to which photon and camera noise are added: a
third is learnt from, a third calibrates, the last third is judged.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bioimg_fiji.commands import find
from bioimg_fiji.image import Image

Array = NDArray[Any]
SIDE, PHOTONS, READ_NOISE, OFFSET, LEVEL = 256, 40.0, 1.5, 100.0, 90
SHOWN = 3
"""Which of the judged images is shown."""


def main(nuclei: Path, output: Path, steps: int) -> None:
    """Train, calibrate, run, draw."""
    found = [tifffile.imread(path) for path in sorted((nuclei / "images").glob("*.tif"))]
    truths = [_photons(each) for each in found if each.shape == (SIDE, SIDE)]
    rng = np.random.default_rng(0)
    raws = [_image(np.rint(rng.poisson(t) + rng.normal(OFFSET, READ_NOISE, t.shape)), n) for n, t in enumerate(truths)]
    goods = [_image(truth + OFFSET, number) for number, truth in enumerate(truths)]
    third = len(raws) // 3
    with tempfile.TemporaryDirectory() as text:
        model, calibrated = Path(text) / "care.zip", Path(text) / "calibrated.zip"
        find("train_restoration").run(
            {"images": raws[:third], "targets": goods[:third], "model": model, "steps": steps, "confidence": True}
        )
        middle = slice(third, 2 * third)
        find("calibrate").run(
            {"images": raws[middle], "targets": goods[middle], "model": model, "output": calibrated, "spread": "head"}
        )
        results = [
            find("run_model").run({"image": raw, "model": calibrated, "confidence": LEVEL}) for raw in raws[2 * third :]
        ]
    judged = list(zip(raws[2 * third :], goods[2 * third :], results, strict=True))
    inside = [
        float(((r.images["lower"].pixels <= good.pixels) & (good.pixels <= r.images["upper"].pixels)).mean())
        for _, good, r in judged
    ]
    print(f"{third} learnt from, {third} calibrate, {len(judged)} judged: coverage {np.mean(inside):.3f}, ", end="")
    print(f"least {min(inside):.3f}; of the one that is shown {inside[SHOWN]:.3f}")
    print("lights, from the least on:", [judged[place][2].figures["fit"] for place in np.argsort(inside)])
    raw, good, result = judged[SHOWN]
    _draw(output, raw.pixels, good.pixels, *(result.images[name].pixels for name in ("output", "confidence")))


def _photons(pixels: Array) -> Array:
    """Scale an image to `PHOTONS` in bright nuclei."""
    values = pixels.astype(np.float64)
    scaled: Array = values * (PHOTONS / np.percentile(values, 99))
    return scaled


def _image(pixels: Array, number: int) -> Image:
    return Image(pixels.astype(np.float32), "yx", title=f"nuclei-{number}.tif")


def _draw(path: Path, raw: Array, good: Array, denoised: Array, width: Array) -> None:
    figure = Figure(figsize=(10.4, 2.7), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    low, high = np.percentile(good, (0.5, 99.8))
    wide = np.percentile(width, 99.8)
    parts = (
        ("noisy", raw, "gray", low, high),
        ("denoised", denoised, "gray", low, high),
        (f"width of the {LEVEL} % interval", width, "magma", 0.0, wide),
        ("twice the true error", 2 * np.abs(denoised - good), "magma", 0.0, wide),
    )
    places = figure.subplots(1, len(parts))
    for axes, (title, pixels, colours, least, most) in zip(places, parts, strict=True):
        shown = axes.imshow(pixels, cmap=colours, vmin=least, vmax=most, interpolation="nearest")
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
    figure.colorbar(shown, ax=places[2:], shrink=0.9, label="photons")
    figure.savefig(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 600)
