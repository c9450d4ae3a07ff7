"""The first run of an ONNX model on a server that is not running yet, beside the mere import of ONNX Runtime."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji.client import Client
from bioimg_fiji.image import Image
from bioimg_fiji.runtime.fake import write_fake_package

ROUNDS = 5


def run() -> list[dict[str, Any]]:
    """Measure both in turns."""
    seconds: dict[str, list[float]] = {"import onnxruntime": [], "server ready": [], "first run": [], "second run": []}
    image = Image(np.random.default_rng(0).normal(50, 5, (256, 256)).astype(np.float32), "yx")
    with tempfile.TemporaryDirectory() as text:
        model = Path(text) / "model.zip"
        write_fake_package(model)
        os.environ["BIOIMG_FIJI_CONNECTION"] = str(Path(text) / "connection.json")
        for number in range(ROUNDS + 1):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", "import onnxruntime"], check=True)
            stamps = [start, time.perf_counter()]
            start = time.perf_counter()
            with Client.local(start=True) as client:
                ready = time.perf_counter()
                client.run("run_model", image, model=str(model))
                first = time.perf_counter()
                client.run("run_model", image, model=str(model))
                second = time.perf_counter()
                client.shutdown()
            if number:  # the first round fills the system's file cache
                found = (stamps[1] - stamps[0], ready - start, first - start, second - first)
                for name, value in zip(seconds, found, strict=True):
                    seconds[name].append(value)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    figures = [
        {"figure": name, "value": value, "unit": "s", "bar": "", "holds": True} for name, value in medians.items()
    ]
    ratio = medians["first run"] / medians["import onnxruntime"]
    return [*figures, {"figure": "first run / import", "value": ratio, "unit": "", "bar": "", "holds": True}]
