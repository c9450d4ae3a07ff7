"""Pictures of a denoised movie: frames before and after at one contrast, the residual, and a cell's trace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from bioimg_fiji import Image

Array = NDArray[Any]

SIDE = 7
"""Side of the region whose trace is drawn, pixels."""
SHOWN_FRAMES = 200
_DPI = 150


@dataclass(frozen=True)
class Story:
    """A movie before and after, and what was taken away; images with the same axes."""

    title: str
    before: Image
    after: Image
    residual: Image


def draw(story: Story, target: Path) -> list[Path]:
    """Write `target`-frames.png and `target`-trace.png; give their paths."""
    before, after, removed = (middle_movie(each) for each in (story.before, story.after, story.residual))
    row, column = liveliest(after)
    cell = (slice(None), slice(row, row + SIDE), slice(column, column + SIDE))
    frame = int(np.argmax(after[cell].mean(axis=(1, 2))))
    target.parent.mkdir(parents=True, exist_ok=True)
    paths = [target.with_name(f"{target.name}-{part}.png") for part in ("frames", "trace")]
    _frames(story.title, (before[frame], after[frame], removed[frame]), (row, column), paths[0])
    _trace(story.title, before[cell].mean(axis=(1, 2)), after[cell].mean(axis=(1, 2)), paths[1])
    return paths


def middle_movie(image: Image) -> Array:
    """Give the frames (t, y, x) of the middle slice and the first channel, float64."""
    pixels = image.ordered("tbczyx")
    movie: Array = pixels[:, 0, 0, pixels.shape[3] // 2].astype(np.float64)
    return movie


def liveliest(movie: Array) -> tuple[int, int]:
    """Give the corner of the region of `SIDE` x `SIDE` whose mean changes most over time."""
    means = np.stack([uniform_filter(frame, SIDE) for frame in movie])
    half = SIDE // 2
    inner = means.std(axis=0)[half:-half, half:-half]
    row, column = np.unravel_index(int(np.argmax(inner)), inner.shape)
    return int(row), int(column)


def _frames(title: str, planes: tuple[Array, Array, Array], corner: tuple[int, int], path: Path) -> None:
    low, high = np.percentile(planes[1], (0.5, 99.8))
    spread = float(np.percentile(np.abs(planes[2]), 99.5)) or 1.0
    height, width = planes[0].shape
    drawing = Drawing(figsize=(9.6, 3.2 * height / width + 0.5), layout="constrained")
    FigureCanvasAgg(drawing)
    drawing.suptitle(title)
    ranges = ((low, high), (low, high), (-spread, spread))
    names = ("Raw", "Denoised, same contrast", f"Raw - denoised (±{spread:.3g})")
    for axes, plane, name, limits in zip(drawing.subplots(1, 3), planes, names, ranges, strict=True):
        axes.imshow(plane, cmap="gray", vmin=limits[0], vmax=limits[1], interpolation="nearest")
        rows, columns = corner
        square = np.array([(0, 0), (SIDE, 0), (SIDE, SIDE), (0, SIDE), (0, 0)]) - 0.5
        axes.plot(square[:, 0] + columns, square[:, 1] + rows, color="#ffcc00", linewidth=0.8)
        axes.set_title(name, fontsize="medium")
        axes.set_axis_off()
    drawing.savefig(path, dpi=_DPI)


def _trace(title: str, before: Array, after: Array, path: Path) -> None:
    drawing = Drawing(figsize=(9.6, 3.0), layout="constrained")
    FigureCanvasAgg(drawing)
    axes = drawing.subplots()
    middle = int(np.argmax(after))
    first = max(0, min(middle - SHOWN_FRAMES // 2, len(before) - SHOWN_FRAMES))
    shown = slice(first, first + SHOWN_FRAMES)
    frames = np.arange(len(before))[shown]
    axes.plot(frames, before[shown], color="0.6", linewidth=0.9, label="raw")
    axes.plot(frames, after[shown], color="#0055cc", linewidth=1.2, label="denoised")
    axes.set_xlabel("frame")
    axes.set_ylabel(f"mean of {SIDE} x {SIDE} pixels")
    axes.set_title(title)
    axes.legend(frameon=False)
    drawing.savefig(path, dpi=_DPI)
