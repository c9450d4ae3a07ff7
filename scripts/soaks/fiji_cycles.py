"""Images opened, converted, worked on and closed again and again in one session: nothing may grow.

The memory of the process is sampled after collections of both sides; its slope is the median of those between all pairs
of samples but those of the first fifth, when Java still compiles. Java has its whole heap from the start, so that this
is no part of the slope; what is in the heap is told beside it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import tempfile
from pathlib import Path
from typing import Any

import growth
import numpy as np
import psutil
from scipy.stats import theilslopes

from bioimg_fiji import Image, open_fiji, write_image
from bioimg_fiji.fiji import Fiji
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.runtime.fake import write_random_unet

SHORT, LONG = 40, 500
SAMPLES = 25
SLOPE = 20.0
"""KiB that the process may grow by in each cycle."""

HEAP_OPTIONS = "-Xms512m -Xmx512m -XX:+AlwaysPreTouch"

HEAP_SLACK = 4 << 20
"""Bytes by which Java's heap may grow besides: what comes and goes as a whole has 2.7 MB, 40 kept images would be 8."""

MORE = {"threads": 3, "handles": 4}
"""So many more may be there by chance."""


def run(soak: Any) -> dict[str, Any]:
    """Run; give the figures."""
    count = soak.count or (SHORT if soak.short else LONG)
    with tempfile.TemporaryDirectory(prefix="soak-") as text:
        folder = Path(text)
        os.environ |= {"BIOIMG_FIJI_CONNECTION": str(folder / "none.json"), "JAVA_TOOL_OPTIONS": HEAP_OPTIONS}
        model = folder / "unet.zip"
        write_random_unet(model)
        image = Image(np.random.default_rng(0).poisson(60, (4, 160, 160)).astype(np.uint16), "zyx", title="cells.tif")
        file = write_image(image, folder / "cells.tif")
        with open_fiji() as fiji:
            samples = [_sample(0)]
            for number in range(1, count + 1):
                wrong = _cycle(fiji, image, file, model)
                if wrong:
                    return {"cycles": number, "samples": samples, "wrong": wrong}
                if number % max(1, count // SAMPLES) == 0:
                    samples.append(_sample(number))
            version = fiji.version
    return {"imagej": version, "cycles": count, **_judged(samples, soak.short), "samples": samples}


def _cycle(fiji: Fiji, image: Image, file: Path, model: Path) -> list[str]:
    """Open, convert, run and close; give what was wrong."""
    opened = fiji.open(file)
    active = fiji.active_image()
    added = fiji.run("Add...", image, value=1, stack=True).images["output"]
    found = fiji.run("BioImg Run Model...", image, model=model).images["output"]
    pixels = {"file": opened.pixels, "active": active.pixels, "added": added.pixels - 1}
    if fiji.gateway is not None:
        pixels["copied"] = fiji.to_python(fiji.to_fiji(image, "Dataset")).pixels
        shared = fiji.to_fiji(image, "Dataset", share=True)
        pixels["shared"] = fiji.to_python(shared, share=True).pixels.copy()
    fiji.run_macro('close("*");')
    wrong = [f"{name}: other pixels" for name, given in pixels.items() if not np.array_equal(given, image.pixels)]
    if found.shape != image.shape:
        wrong.append(f"the model's result has shape {found.shape}")
    if fiji.images():
        wrong.append(f"open images: {fiji.images()}")
    return wrong


def _sample(number: int) -> dict[str, int]:
    runtime = jclass("java.lang.Runtime").getRuntime()
    for _ in range(2):
        gc.collect()
        jclass("java.lang.System").gc()
    with contextlib.suppress(AttributeError):  # glibc: what is free goes back to the system, or stays for hours
        ctypes.CDLL(None).malloc_trim(0)
    process = psutil.Process()
    return {
        "cycle": number,
        "rss": process.memory_info().rss,
        "heap": int(runtime.totalMemory() - runtime.freeMemory()),
        "threads": process.num_threads(),
        "handles": process.num_fds() if os.name == "posix" else 0,
    }


def _judged(samples: list[dict[str, int]], short: bool) -> dict[str, Any]:
    counted = [sample for sample in samples if sample["cycle"] >= samples[-1]["cycle"] / 5]
    cycles = [sample["cycle"] for sample in counted]
    line = theilslopes([sample["rss"] / 1024 for sample in counted], cycles)
    slope = float(line.slope)
    wrong = growth.grown(counted, MORE, HEAP_SLACK)
    if slope > SLOPE and not short:  # a short run is all warming up
        wrong.append(f"the memory grew by {slope:.1f} KiB a cycle")
    sure = [round(float(line.low_slope), 2), round(float(line.high_slope), 2)]
    return {"KiB a cycle": round(slope, 2), "of 95 %": sure, "heap": list(growth.heap_of(counted)), "wrong": wrong}
