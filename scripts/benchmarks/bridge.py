"""numpy <-> ImagePlus: throughput as a ratio to a numpy copy of the same array, measured in turns in one run.

Both ways make new memory, and so does the copy. With a Fiji (BIOIMG_FIJI_ENDPOINT) pyimagej's own conversion stands
beside ours; it has no bar.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bioimg_fiji import Fiji, Image, open_fiji
from bioimg_fiji.fiji.java import jclass

BYTES = 2**28
SIDE = 2048
ROUNDS = 11
WARM_UP = 4
BAR = 0.6


def run() -> list[dict[str, Any]]:
    """Measure every pixel type."""
    figures = []
    with open_fiji() as fiji:
        for dtype in ("float32", "uint16", "uint8"):
            figures += _measure(fiji, dtype)
    return figures


def _measure(fiji: Fiji, dtype: str) -> list[dict[str, Any]]:
    shape = (BYTES // SIDE**2 // np.dtype(dtype).itemsize, SIDE, SIDE)
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8).astype(dtype)
    image = Image(pixels, "zyx")
    imp = fiji.to_fiji(image)
    ways: dict[str, Callable[[], Any]] = {
        "copy": pixels.copy,
        "numpy -> ImagePlus": lambda: fiji.to_fiji(image),
        "ImagePlus -> numpy": lambda: fiji.to_python(imp),
    }
    ij = fiji.gateway
    if ij is not None:
        ways |= {
            "pyimagej: numpy -> ImagePlus": lambda: ij.py.to_imageplus(ij.py.to_java(pixels)),
            "pyimagej: ImagePlus -> numpy": lambda: ij.py.from_java(imp),
        }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + WARM_UP):
        for name, way in ways.items():
            # Every way begins with all memory of the one before free, in numpy's hands as in Java's.
            gc.collect()
            jclass("java.lang.System").gc()
            start = time.perf_counter()
            result = way()
            if number >= WARM_UP:  # the first rounds make Java compile and take its memory
                seconds[name].append(time.perf_counter() - start)
            del result
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    speed = pixels.nbytes / medians.pop("copy") / 1e9
    figures = [_figure(f"{dtype}: numpy copy", speed, "GB/s", None)]
    for name, value in medians.items():
        ratio = pixels.nbytes / value / 1e9 / speed
        figures.append(_figure(f"{dtype}: {name}", ratio, "of copy", None if name.startswith("pyimagej") else BAR))
    return figures


def _figure(name: str, value: float, unit: str, bar: float | None) -> dict[str, Any]:
    return {
        "figure": name,
        "value": round(value, 3),
        "unit": unit,
        "bar": "" if bar is None else f">= {bar}",
        "holds": bar is None or value >= bar,
    }
