"""Our training against a bare loop of the same network: forward, loss, backward, optimizer, and nothing else."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from bioimg_fiji import Image
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.nets import build
from bioimg_fiji.train import TrainConfig, train
from bioimg_fiji.train.catalogue import learning_rate_of

_CLOCKED = 2
"""Reports that a rate is made of: the first after the first step, and the last."""


def compare(noisy: NDArray[np.float32], config: TrainConfig, rounds: int) -> dict[str, float]:
    """Measure both in turns, in this process, with the same threads.

    Parameters
    ----------
    noisy
        (y, x), trained on.
    config
        Its steps make one measurement; the bare loop does as many.
    rounds
        Measurements of each; the medians count.

    Returns
    -------
    Patches per second: "bare"; "ours" without validation; "validated" with one every 40 steps, as in a training of 800.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(config.threads or before)
    plain = dataclasses.replace(config, held_out=0)
    step, _ = _trained(noisy, dataclasses.replace(plain, steps=4))  # the first run of all loads and warms up
    bare_step = _bare_loop(plain, {"ndim": 2, "filters": config.filters, "depth": config.depth})
    bare_step()
    found: dict[str, list[float]] = {"bare": [], "ours": [], "validation": []}
    try:
        for _ in range(rounds):
            step, _ = _trained(noisy, plain)
            found["ours"].append(step)
            found["bare"].append(_timed(bare_step, config.steps))
            watched, validations = _trained(noisy, config)
            found["validation"].append(max(0.0, watched - step) * (config.steps - 1) / max(validations, 1))
    finally:
        torch.set_num_threads(before)
    middle = {name: statistics.median(values) for name, values in found.items()}
    size = config.batch_size
    return {
        "bare": size / middle["bare"],
        "ours": size / middle["ours"],
        "validated": size / (middle["ours"] + middle["validation"] / 40),
    }


def timed_config(precision: str, device: str, **sizes: int) -> TrainConfig:
    """Give the parameters of a training that is timed beside the bare loop."""
    return TrainConfig(method="n2v", precision=precision, device=device, early_stop=0, **sizes)


def _trained(noisy: NDArray[np.float32], config: TrainConfig) -> tuple[float, int]:
    """Train; give the seconds of a step, from the first report of a whole one to the last, and the validations."""
    clock: list[tuple[float, float]] = []

    def look(progress: Progress) -> None:
        if progress.current >= 1:
            clock.append((progress.current, time.perf_counter()))

    model = train([Image(noisy, "yx")], config, job=Job(look))
    if len(clock) < _CLOCKED or clock[-1][0] == clock[0][0]:
        raise RuntimeError(f"{config.steps} steps are too few to be timed")
    (first, began), (last, ended) = clock[0], clock[-1]
    return (ended - began) / (last - first), len(model.validation)


def _bare_loop(config: TrainConfig, kwargs: dict[str, object]) -> Callable[[], None]:
    network = build("unet", kwargs | {"padding": config.padding, "upsampling": config.upsampling})
    network = network.to(config.device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate_of(config.method))
    inputs = torch.randn(config.batch_size, 1, config.patch, config.patch, device=config.device)
    inputs = inputs.to(memory_format=torch.channels_last)
    half = config.precision == "bf16"

    def step() -> None:
        with torch.autocast(config.device, torch.bfloat16, enabled=half):
            output = network(inputs)
        loss = (output.float() - inputs).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _timed(step: Callable[[], None], times: int) -> float:
    _wait()
    began = time.perf_counter()
    for _ in range(times):
        step()
    _wait()
    return (time.perf_counter() - began) / times


def _wait() -> None:
    """Wait until a GPU has done what it was told."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
