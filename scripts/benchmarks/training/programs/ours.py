"""One training of ours in a process of its own: how fast, how large, how soon. It prints one JSON object.

Usage: ours.py SPEC.json, with keys image (.npy), result (.npy), steps, batch_size, patch, filters, threads, precision,
held_out, seed, and born (`time.time()` just before this process was started).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from memory import peak_megabytes

from bioimg_fiji import Image
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.train import TrainConfig, train

spec = json.loads(Path(sys.argv[1]).read_text())
clock: list[tuple[float, float]] = []


def look(progress: Progress) -> None:
    """Note when so many steps were done."""
    if progress.current >= 1:
        clock.append((progress.current, time.time()))


config = TrainConfig(
    method="n2v",
    steps=spec["steps"],
    batch_size=spec["batch_size"],
    patch=spec["patch"],
    filters=spec["filters"],
    threads=spec["threads"],
    precision=spec["precision"],
    held_out=spec["held_out"],
    seed=spec["seed"],
    early_stop=0,
    device="cpu",
)
noisy = np.load(spec["image"])
model = train([Image(noisy, "yx")], config, job=Job(look))
peak = peak_megabytes()
np.save(spec["result"], model.denoise(noisy))
(first, began), (last, ended) = clock[0], clock[-1]
figures = {
    "first_step": began - spec["born"],
    "rate": (last - first) * config.batch_size / (ended - began),
    "peak": peak,
    "parameters": sum(weights.numel() for weights in model.state_dict.values()),
}
print(json.dumps(figures))
