"""Pixels between numpy and Fiji: throughput as a ratio to a numpy copy of the same array, in turns in one run.

Both ways make new memory, and so does the copy. With a Fiji (BIOIMG_FIJI_ENDPOINT) there are its Datasets too, and
pyimagej's own conversions of the same images stand beside ours.
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
PEER_ROUNDS = 3
PEER_BAR = 10.0

Ways = dict[str, Callable[[], Any]]


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
    ways: Ways = {
        "copy": pixels.copy,
        "numpy -> ImagePlus": lambda: fiji.to_fiji(image),
        "ImagePlus -> numpy": lambda: fiji.to_python(imp),
    }
    peers: Ways = {}
    if fiji.gateway is not None:
        ways, peers = ways | _dataset_ways(fiji, image), _peers(fiji, image, imp)
    seconds = _in_turns(ways, ROUNDS, WARM_UP) | _in_turns(peers, PEER_ROUNDS, 1)
    speed = pixels.nbytes / seconds.pop("copy") / 1e9
    figures = [_figure(f"{dtype}: numpy copy", speed, "GB/s", None)]
    for name, value in seconds.items():
        if name in ways and "shared" not in name:
            figures.append(_figure(f"{dtype}: {name}", pixels.nbytes / value / 1e9 / speed, "of copy", BAR))
        if name in peers:
            bar = 1.0 if "shared" in name else PEER_BAR
            figures.append(_figure(f"{dtype}: {name}", value / seconds[_OURS[name]], "x pyimagej", bar))
    return figures


def _dataset_ways(fiji: Fiji, image: Image) -> Ways:
    """Give our conversions of Datasets: planes as of a file, and numpy's own memory."""
    planes = fiji.to_fiji(image, "Dataset")
    return {
        "numpy -> Dataset": lambda: fiji.to_fiji(image, "Dataset"),
        "Dataset -> numpy": lambda: fiji.to_python(planes),
        "numpy -> Dataset, shared": lambda: fiji.to_fiji(image, "Dataset", share=True),
    }


_OURS = {
    "pyimagej: ImagePlus -> numpy": "ImagePlus -> numpy",
    "pyimagej: Dataset -> numpy": "Dataset -> numpy",
    "pyimagej: numpy -> ImagePlus": "numpy -> ImagePlus",
    "pyimagej: numpy -> Dataset, shared": "numpy -> Dataset, shared",
}
"""Which way of ours each of pyimagej's is compared with."""


def _peers(fiji: Fiji, image: Image, imp: Any) -> Ways:
    """Give pyimagej's conversions of the same images."""
    python, planes = fiji.gateway.py, fiji.to_fiji(image, "Dataset")
    pixels = np.array(image.pixels)  # one that it may write to
    wrapped = python.to_dataset(pixels)
    ways = {
        "pyimagej: ImagePlus -> numpy": lambda: python.from_java(imp),
        "pyimagej: Dataset -> numpy": lambda: python.from_java(planes),
        "pyimagej: numpy -> ImagePlus": lambda: _copied(python.to_imageplus(wrapped)),
        "pyimagej: numpy -> Dataset, shared": lambda: python.to_dataset(pixels),
    }
    assert ways.keys() == _OURS.keys()
    return ways


def _copied(imp: Any) -> Any:
    """Have an ImagePlus read all its planes: pyimagej's is a virtual stack, which reads none before."""
    return imp.duplicate()


def _in_turns(ways: Ways, rounds: int, warm_up: int) -> dict[str, float]:
    """Give the median seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + warm_up):
        for name, way in ways.items():
            # Every way begins with all memory of the one before free, in numpy's hands as in Java's.
            gc.collect()
            jclass("java.lang.System").gc()
            start = time.perf_counter()
            result = way()
            if number >= warm_up:  # the first rounds make Java compile and take its memory
                seconds[name].append(time.perf_counter() - start)
            del result
    return {name: statistics.median(values) for name, values in seconds.items()}


def _figure(name: str, value: float, unit: str, bar: float | None) -> dict[str, Any]:
    return {
        "figure": name,
        "value": round(value, 3),
        "unit": unit,
        "bar": "" if bar is None else f">= {bar}",
        "holds": bar is None or value >= bar,
    }
