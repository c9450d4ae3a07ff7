"""Pictures for the demo and the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

SHOWN = 320
"""Largest side of the part of the image that is shown, pixels."""


def before_after(path: Path, noisy: NDArray[Any], denoised: NDArray[Any], truth: NDArray[Any] | None = None) -> None:
    """Write a PNG: noisy, denoised and, where known, truth at the same contrast, each with a zoomed inset.

    Stacks are shown by their middle plane, large images by their liveliest part.
    """
    panels = [("Noisy", _plane(noisy)), ("Noise2Void", _plane(denoised))]
    if truth is not None:
        panels.append(("Truth", _plane(truth)))
    window = _liveliest(panels[1][1], SHOWN)
    panels = [(name, plane[window]) for name, plane in panels]
    inset = _liveliest(panels[1][1], max(24, min(panels[1][1].shape) // 5))
    low, high = np.percentile(panels[1][1], (0.2, 99.8))
    height, width = panels[0][1].shape
    figure = Figure(figsize=(3.6 * len(panels), 3.6 * height / width + 0.3), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, plane) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        contrast = {"cmap": "gray", "vmin": low, "vmax": high, "interpolation": "nearest"}
        axes.imshow(plane, **contrast)
        axes.set_title(name)
        axes.set_axis_off()
        rows, columns = inset
        size = (columns.stop - columns.start, rows.stop - rows.start)
        axes.add_patch(Rectangle((columns.start, rows.start), *size, fill=False, edgecolor="#ffcc00", linewidth=1))
        zoom = axes.inset_axes((0.58, 0.02, 0.40, 0.40 * width / height))
        zoom.imshow(plane[inset], **contrast)
        zoom.set(xticks=[], yticks=[])
        for spine in zoom.spines.values():
            spine.set_edgecolor("#ffcc00")
    figure.savefig(path, dpi=150)


def _plane(pixels: NDArray[Any]) -> NDArray[Any]:
    flat = pixels.reshape(-1, *pixels.shape[-2:])
    return np.asarray(flat[len(flat) // 2], np.float64)


def _liveliest(plane: NDArray[Any], side: int) -> tuple[slice, slice]:
    """Find the window of that side with the largest standard deviation, on a grid of half windows."""
    height, width = (min(side, size) for size in plane.shape)
    rows = range(0, plane.shape[0] - height + 1, max(1, height // 2))
    columns = range(0, plane.shape[1] - width + 1, max(1, width // 2))
    windows = [(slice(r, r + height), slice(c, c + width)) for r in rows for c in columns]
    return max(windows, key=lambda window: float(np.std(plane[window])))
