"""A training that is killed with SIGKILL at random moments and resumed equals one that was never killed."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from bioimg_fiji.errors import StorageError
from bioimg_fiji.image import Image
from bioimg_fiji.train import TrainConfig, checkpoint, train
from soaks.train_kills import differences

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


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_inside_saving_and_full_disks(contract: Path) -> None:
    """The short form of the long test: at five stages of writing a checkpoint, the disk has the old or the new one."""
    program = contract.parents[1] / "scripts" / "soaks" / "run.py"
    line = [sys.executable, str(program), "train-kills", "--kills", "10", "--seed", "3"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=590, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["wrong"] == []
    stages = ("before", "half written", "not yet flushed", "not yet renamed", "renamed")
    assert [figures["events"][f"killed {stage}"] for stage in stages] == [1] * 5
    assert figures["events"]["killed anywhere"] == 5
    assert figures["events"]["file too large"] == 3
    assert figures["steps_on_disk"][-1] == figures["steps"]


@pytest.mark.parametrize("stage", ["write", "fsync", "rename"])
def test_a_disk_that_is_full_at_any_stage(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training ends with an error that tells of the disk; the old checkpoint stays, and goes on to equal losses."""
    pixels = np.random.default_rng(0).poisson(20, (40, 40)).astype(np.float32)
    config = TrainConfig(
        steps=9, batch_size=2, patch=32, filters=2, depth=1, checkpoint_every=3, device="cpu", threads=1
    )
    whole = train([Image(pixels, "yx")], config)
    path, saves = tmp_path / "training.checkpoint", 0
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    write, places = checkpoint.save, {"write": (os, "fdopen"), "fsync": (os, "fsync"), "rename": (Path, "replace")}

    def refuse(handle: object = None, *_: object, **__: object) -> None:
        if stage == "write":
            os.close(cast("int", handle))
        raise full

    def save(path: Path, state: dict[str, object]) -> None:
        nonlocal saves
        saves += 1
        with monkeypatch.context() as patched:
            if saves == 2:
                patched.setattr(*places[stage], refuse)
            write(path, state)

    monkeypatch.setattr(checkpoint, "save", save)
    with pytest.raises(StorageError, match="checkpoint"):
        train([Image(pixels, "yx")], config, checkpoint=path)
    assert [left.name for left in tmp_path.iterdir()] == [path.name]
    assert len(checkpoint.load(path)["history"]) == 3
    again = train([Image(pixels, "yx")], config, checkpoint=path, resume=True)
    assert again.history == whole.history
    assert differences(again.state_dict, whole.state_dict) == []


def test_a_difference_of_one_bit_is_told() -> None:
    one = {"weights": {"a": torch.zeros(3), "b": torch.tensor(1.0)}, "history": [1.0, 2.0], "best": None}
    assert differences(one, {**one, "weights": {"a": torch.zeros(3), "b": torch.tensor(1.0)}}) == []
    other = {**one, "weights": {"a": torch.tensor([0.0, -0.0, 0.0]), "b": torch.tensor(1.0)}}
    assert differences(one, other) == ["state.weights.a"]
    assert differences(one, {**one, "history": [1.0, 3.0]}) == ["state.history[1]"]
    assert differences(one, {**one, "best": 0}) == ["state.best"]
