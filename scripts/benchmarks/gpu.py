"""A CUDA device: training beside a bare loop, the share of its time used, bfloat16 beside float32, models run."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.training import figures, quality
from benchmarks.training.bare import compare, timed_config
from benchmarks.training.figures import Figure
from benchmarks.training.options import Options
from benchmarks.training.scenes import SCENES
from benchmarks.training.speed import picture
from bioimg_fiji.image import Image
from bioimg_fiji.predict import PredictOptions, predict
from bioimg_fiji.runtime import choose
from bioimg_fiji.runtime.fake import write_random_unet
from bioimg_fiji.server.gpus import gpus
from bioimg_fiji.train import train

SIZES = {"small": (16, 64, 32, 200), "large": (64, 128, 64, 40)}
"""Patches in a batch, their side, filters of the first level, and steps of one measurement."""
NETWORK = {"filters": 32, "depth": 2}
SAMPLED_SECONDS = 0.1


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the choices on the command line."""
    parser.add_argument("--seeds", type=int, default=3, help="trainings whose quality is compared")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each speed")
    parser.add_argument("--device", default="cuda", help="cpu, to try things out")
    parser.add_argument("--sizes", default=",".join(SIZES), help="of trainings whose speed is measured")
    parser.add_argument("--side", type=int, default=4096, help="of the image that a model is run on")


def run(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure what there is to measure, telling each figure at once; without a device nothing holds."""
    if given.device == "cuda" and not torch.cuda.is_available():
        return [figures.missing("GPU", "torch finds no CUDA device")]
    found = []
    for figure in _all(given):
        print(f"gpu: {figure['figure']}: {figure['value']} {figure['unit']}", file=sys.stderr, flush=True)
        found.append(figure)
    return found


def _all(given: argparse.Namespace) -> Iterator[Figure]:
    name = torch.cuda.get_device_name() if given.device == "cuda" else given.device
    yield figures.note("device", f"{name}, torch {torch.__version__}")
    yield from _running(given.device, given.side, given.rounds)
    if given.seeds:
        yield from _quality(given.device, given.seeds)
    for size in given.sizes.split(","):
        for precision in ("fp32", "bf16"):
            yield from _speed(size, precision, given.device, given.rounds)


def _speed(size: str, precision: str, device: str, rounds: int) -> Iterator[Figure]:
    batch, patch, filters, steps = SIZES[size]
    noisy = picture()[0]
    config = timed_config(precision, device, steps=steps, batch_size=batch, patch=patch, filters=filters)
    name = f"{size} ({batch} patches of {patch} x {patch}, {filters} filters), {precision}"
    found = compare(noisy, config, rounds)
    yield figures.note(f"{name}: bare loop", found["bare"], "patches/s")
    yield figures.note(f"{name}: training", found["ours"], "patches/s")
    yield figures.note(f"{name}: training with validation", found["validated"], "patches/s")
    yield figures.at_least(f"{name}: training / bare loop", found["ours"] / found["bare"], 0.9)
    with utilisation() as busy:
        train([Image(noisy, "yx")], dataclasses.replace(config, held_out=0, steps=3 * steps))
    yield figures.note(f"{name}: time in which a kernel ran", busy(), "%")


@contextlib.contextmanager
def utilisation() -> Iterator[Callable[[], float]]:
    """Have the driver's own figure sampled; the function gives its median over the middle half of the block."""
    values: list[int] = []
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(SAMPLED_SECONDS):
            values.extend(gpu["busy"] for gpu in gpus()[:1])

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield lambda: _middle_half(values)
    finally:
        ended.set()
        sampler.join()


def _middle_half(values: list[int]) -> float:
    quarter = len(values) // 4
    return statistics.median(values[quarter : len(values) - quarter] or [0])


def _running(gpu: str, side: int, rounds: int) -> Iterator[Figure]:
    """Run a network on an image: ours on the GPU and on the CPU."""
    pixels = np.random.default_rng(0).normal(100, 10, (side, side)).astype(np.float32)
    image = Image(pixels, "yx")
    with tempfile.TemporaryDirectory() as text:
        package = write_random_unet(Path(text) / "unet.zip", **NETWORK)
        weights = "pytorch_state_dict"
        results, seconds = {}, {}
        for device in (gpu, "cpu"):
            with contextlib.closing(choose(package, weights, device)) as adapter:
                took = []
                for number in range(rounds + 1 if device == gpu else 1):
                    began = time.perf_counter()
                    results[device] = predict(image, package, PredictOptions(), adapter=adapter).images["output"].pixels
                    if number or device == "cpu":
                        took.append(time.perf_counter() - began)
                seconds[device] = statistics.median(took)
    megapixels = side * side / 1e6
    for device, took in seconds.items():
        yield figures.note(f"run, {side} x {side}, {device}", megapixels / took, "megapixels/s")
    difference = np.abs(results[gpu].astype(np.float64) - results["cpu"]).max() / results["cpu"].std()
    yield figures.at_most("run: largest difference of GPU and CPU / standard deviation of the result", difference, 1e-4)


def _quality(device: str, seeds: int) -> Iterator[Figure]:
    """Train n2v with both precisions, judge by the truth."""
    arm = quality.arms()["n2v"]
    scene = SCENES[arm.scene]()
    apart = []
    for seed in range(seeds):
        found = {}
        for precision in ("fp32", "bf16"):
            config = quality.config_of(arm, seed, Options())
            config = dataclasses.replace(config, device=device, precision=precision)
            model = train(scene.images, config, targets=scene.targets)
            found[precision] = quality.judged(scene, [model.denoise(image) for image in scene.noisy])["psnr"]
        yield figures.note(
            f"n2v, 800 steps, seed {seed}: fp32 / bf16", f"{found['fp32']:.3f} / {found['bf16']:.3f}", "dB"
        )
        apart.append(found["bf16"] - found["fp32"])
    yield figures.within("bf16 - fp32, mean of the seeds", statistics.mean(apart), -0.05, 0.05, "dB")
    yield figures.note("bf16 - fp32, farthest of the seeds", figures.farthest(apart, 0), "dB")
