"""Whether small images of one model are computed faster together: batches of 8 beside 8 single ones, in turns."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji.package import open_package
from bioimg_fiji.runtime import choose
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package, write_random_unet

SIDE, BATCH, ROUNDS, WARM_UP = 256, 8, 9, 2


def run() -> list[dict[str, Any]]:
    """Measure the bench's models, with each of their weights."""
    figures = []
    with tempfile.TemporaryDirectory() as text:
        write_fake_package(Path(text) / "mean.zip", FakeModel())
        write_random_unet(Path(text) / "unet.zip")
        for name, weights in (("mean", "onnx"), ("unet", "onnx"), ("unet", "pytorch_state_dict")):
            figures += _measure(Path(text) / f"{name}.zip", weights)
    return figures


def _measure(path: Path, weights: str) -> list[dict[str, Any]]:
    package = open_package(path)
    model, name = choose(package, weights), package.inputs[0].id
    tensor = np.random.default_rng(0).normal(100, 10, (BATCH, 1, SIDE, SIDE)).astype(np.float32)
    ratios, equal = [], True
    for number in range(ROUNDS + WARM_UP):
        start = time.perf_counter()
        single = [next(iter(model.run({name: tensor[i : i + 1]}).values())) for i in range(BATCH)]
        middle = time.perf_counter()
        together = next(iter(model.run({name: tensor}).values()))
        end = time.perf_counter()
        equal = equal and np.array_equal(np.concatenate(single), together)
        if number >= WARM_UP:
            ratios.append((middle - start) / (end - middle))
    what = f"{path.stem}, {weights} on {model.device}"
    faster = {"figure": f"{what}: batch of {BATCH}", "value": statistics.median(ratios), "unit": "times as fast"}
    same = {"figure": f"{what}: the same bits", "value": str(equal).lower(), "unit": ""}
    return [{**each, "bar": "", "holds": True} for each in (faster, same)]
