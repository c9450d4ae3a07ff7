"""From file to file: memory for 1 gigapixel beside that for 4 megapixels; a kill half way, and the same bytes.

The image is uint8 in an OME-Zarr, the model one layer with percentiles over the whole image before it: two passes.
The environment variable BENCH_SIDE makes it smaller, for a quick look.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from bioimg_fiji.files.ome_zarr import attributes
from bioimg_fiji.files.source import phantom
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package

SMALL, SIDE, PIECE = 2048, int(os.environ.get("BENCH_SIDE", "32768")), 1024
RANGE = {"id": "scale_range", "kwargs": {"axes": ["channel", "y", "x"], "min_percentile": 1.0, "max_percentile": 99.8}}
CHILD = """
import pathlib, re, sys
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import open_package
from bioimg_fiji.predict import predict_file
report = Job(lambda each: print("at", each.message, int(each.current), int(each.maximum), flush=True))
found = predict_file(sys.argv[2], sys.argv[3], open_package(pathlib.Path(sys.argv[1])), job=report)
# NB: ru_maxrss begins with that of the process that has started this one.
peak = re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]
print("ended", int(peak) / 1024, found.report["seconds"], found.report["tiles"], flush=True)
"""


def run() -> list[dict[str, Any]]:
    """Measure memory and time, and compare the bytes."""
    with tempfile.TemporaryDirectory(prefix="bench-large-") as text:
        folder = Path(text)
        write_fake_package(folder / "model.zip", FakeModel(pre=(RANGE,), config={}))
        _write(folder / "small.ome.zarr", SMALL)
        _write(folder / "large.ome.zarr", SIDE)
        small_peak, _, _ = _whole(folder, "small", "small-result")
        peak, seconds, tiles = _whole(folder, "large", "whole")
        copied = _copied(folder / "large.ome.zarr", folder / "copy.zarr", folder / "whole.ome.zarr")
        share = _killed(folder, tiles / 2) / tiles
        _, resumed, _ = _whole(folder, "large", "killed")
        same = _hash(folder / "killed.ome.zarr") == _hash(folder / "whole.ome.zarr")
    more = peak - small_peak
    return [
        _figure(f"peak, {SMALL} x {SMALL}", small_peak, "MiB"),
        _figure(f"peak, {SIDE} x {SIDE}", peak, "MiB"),
        _figure("the large one's more", more, "MiB", "<= 500", more <= 500),
        _figure("time, large", seconds, "s"),
        _figure("time / reading it twice and writing the result", seconds / copied, ""),
        _figure("tiles done at the kill", share, ""),
        _figure("time to go on", resumed, "s"),
        _figure("same bytes after a kill", float(same), "", "= 1", same),
    ]


def _figure(figure: str, value: float, unit: str, bar: str = "", holds: bool = True) -> dict[str, Any]:
    return {"figure": figure, "value": value, "unit": unit, "bar": bar, "holds": holds}


def _write(path: Path, side: int) -> None:
    """Write an image of cells: discs on a noisy ground, everywhere the same but for the brightness."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:PIECE, :PIECE]
    ground = rng.poisson(30, (PIECE, PIECE)).astype(float)
    for y, x, radius in rng.integers((0, 0, 8), (PIECE, PIECE, 30), (60, 3)):
        ground[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] += 90
    image = Image(phantom((side, side), np.dtype(np.uint8)), "yx", scales={"x": Scale(0.5, "\u00b5m")})
    group = zarr.open_group(path, mode="w", zarr_format=3)
    group.attrs.update(attributes(image, 1, mean=False))
    array = group.create_array("0", shape=(side, side), chunks=(PIECE, PIECE), dtype=np.uint8)
    for y in range(0, side, PIECE):
        for x in range(0, side, PIECE):
            array[y : y + PIECE, x : x + PIECE] = np.clip(ground * (1 + (x + y) / (2 * side)), 0, 255).astype(np.uint8)


def _start(folder: Path, image: str, result: str) -> subprocess.Popen[str]:
    paths = [folder / "model.zip", folder / f"{image}.ome.zarr", folder / f"{result}.ome.zarr"]
    environment = os.environ | {"BIOIMG_FIJI_CACHE": str(folder / "cache")}
    line = [sys.executable, "-c", CHILD, *map(str, paths)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment)


def _whole(folder: Path, image: str, result: str) -> tuple[float, float, int]:
    """Run to the end; give the peak in MiB, the seconds, and the number of tiles."""
    with _start(folder, image, result) as process:
        assert process.stdout is not None
        last = [line for line in process.stdout if line.startswith("ended")]
    if process.returncode or not last:
        raise RuntimeError(f"The run of {image} has failed.")
    _, peak, seconds, tiles = last[0].split()
    return float(peak), float(seconds), int(tiles)


def _killed(folder: Path, tiles: float) -> int:
    """Kill a run when that many tiles are done; give how many that were."""
    with _start(folder, "large", "killed") as process:
        assert process.stdout is not None
        for line in process.stdout:
            kind, *_, done, _ = line.split()
            if kind == "at" and " Tiles " in line and int(done) >= tiles:
                os.kill(process.pid, signal.SIGKILL)
                break
        process.stdout.read()
    return int(done)


def _copied(source: Path, copy: Path, result: Path) -> float:
    """Time the least that there is to do with the files: reading the image twice, and writing as much as the result."""
    start = time.perf_counter()
    image = zarr.open_group(source, mode="r")["0"]
    made = zarr.open_group(result, mode="r")["0"]
    target = zarr.create_array(copy, shape=made.shape, chunks=made.chunks, dtype=made.dtype)  # type: ignore[union-attr]
    reading = 0.0
    for y in range(0, image.shape[0], PIECE):  # type: ignore[union-attr]
        for x in range(0, image.shape[1], PIECE):  # type: ignore[union-attr]
            place = (slice(y, y + PIECE), slice(x, x + PIECE))
            for _ in range(2):
                image[place]  # type: ignore[index]
            begin = time.perf_counter()
            part = made[place]  # type: ignore[index]
            reading += time.perf_counter() - begin  # the result is at hand in a run
            target[place] = part
    return time.perf_counter() - start - reading


def _hash(folder: Path) -> str:
    told = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            told.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return told.hexdigest()
