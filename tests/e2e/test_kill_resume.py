"""A training that is killed with SIGKILL at random moments and resumed equals one that was never killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from bioimg_fiji.train import checkpoint

STEPS = 400
KILLS = 5

PROGRAM = """
import sys, time
from pathlib import Path
import numpy as np
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.train import TrainConfig, synthetic, train

class Slow(Job):
    def check(self):
        time.sleep(float(sys.argv[2]))
        super().check()

photons = synthetic.phantom(64, seed=1) * 5
image = Image(synthetic.expose(photons, np.random.default_rng(0)), "yx")
config = TrainConfig(
    steps=int(sys.argv[3]), batch_size=2, patch=32, filters=2, depth=1, checkpoint_every=5, device="cpu", threads=1
)
print("ready", flush=True)
train([image], config, job=Slow(), checkpoint=Path(sys.argv[1]), resume=True)
"""


def start(path: Path, pause: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path), str(pause), str(STEPS)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_five_kills_change_no_loss(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.checkpoint", tmp_path / "killed.checkpoint"
    with start(whole, 0) as process:
        process.communicate()
    assert process.returncode == 0
    rng, done = random.Random(20), []
    for _ in range(KILLS):
        with start(killed, 0.002) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            wait_for_more(killed, done[-1] if done else 0)
            time.sleep(rng.uniform(0, 0.15))
            process.kill()
        assert process.returncode != 0
        done.append(len(checkpoint.load(killed)["history"]))
    assert done == sorted(done)
    assert 0 < done[0] < done[-1] < STEPS
    with start(killed, 0) as process:
        process.communicate()
    assert process.returncode == 0
    first, second = checkpoint.load(whole), checkpoint.load(killed)
    assert len(first["history"]) == STEPS
    assert torch.equal(first["history"], second["history"])
    assert first["validation"] == second["validation"]
    for name, tensor in first["average"].items():
        assert torch.equal(tensor, second["average"][name])
    assert sorted(p.name for p in tmp_path.iterdir()) == [killed.name, whole.name]


def wait_for_more(path: Path, before: int) -> None:
    """Wait until the training has gone on, so that each kill hits steps and not only the start."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and len(checkpoint.load(path)["history"]) > before:
            return
        time.sleep(0.01)
    raise AssertionError("the training did not go on")
