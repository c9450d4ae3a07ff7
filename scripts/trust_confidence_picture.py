"""The picture of docs/trust.md: a real two-photon frame, denoised, and the width of its bounds.

    .venv/bin/python scripts/trust_confidence_picture.py MOVIE OUTPUT.png [STEPS]

Noise2Noise learns from the movie itself (its noise is alike in neighbouring pixels, not from frame to frame), with its
confidence, which is calibrated by the next frames.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bioimg_fiji.commands import find
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job

LEVEL, FRAMES = 90, 200


def main(movie: Path, output: Path, steps: int) -> None:
    """Train, run, draw."""
    frames = tifffile.imread(movie)[:FRAMES]
    job = Job(on_note=print)
    with tempfile.TemporaryDirectory() as text:
        model = Path(text) / "movie-n2n.zip"
        keys = {
            "method": "n2n",
            "model": model,
            "steps": steps,
            "batch_size": 4,
            "confidence": True,
            "apply": False,
            "device": "cpu",
        }
        find("train_denoiser").run({"image": Image(frames, "tyx", title=movie.name), **keys}, job)
        frame = Image(frames[FRAMES // 2], "yx", title="frame.tif")
        result = find("run_model").run({"image": frame, "model": model, "confidence": LEVEL, "device": "cpu"}, job)
    width = result.images["confidence"].pixels
    print({name: value for name, value in result.figures.items() if "confidence" in name or "width" in name})
    denoised = result.images["output"].pixels
    figure = Figure(figsize=(11.4, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3)
    low, high = np.percentile(denoised, (0.2, 99.8))
    for panel, pixels, name in zip(axes, (frame.pixels, denoised), ("Raw", "Denoised"), strict=False):
        panel.imshow(pixels, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        panel.set_title(name)
    shown = axes[2].imshow(width, cmap="viridis", vmax=np.percentile(width, 99.5), interpolation="nearest")
    axes[2].set_title(f"Width of {LEVEL} % bounds: {result.figures['confidence_label']}")
    figure.colorbar(shown, ax=axes[2], label="grey levels", shrink=0.85)
    for panel in axes:
        panel.set_axis_off()
    figure.savefig(output, dpi=90)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 400)
