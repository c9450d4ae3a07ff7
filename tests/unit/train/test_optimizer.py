"""AdamW against torch's own, and what a training does not load."""

from __future__ import annotations

import subprocess
import sys

import torch

from bioimg_fiji.train.optimizer import AdamW


def test_steps_are_those_of_torch() -> None:
    torch.manual_seed(0)
    start = [torch.randn(4, 3), torch.randn(5)]
    ours = [torch.nn.Parameter(t.clone()) for t in start]
    theirs = [torch.nn.Parameter(t.clone()) for t in start]
    mine, reference = AdamW(ours, (0.9, 0.98)), torch.optim.AdamW(theirs, betas=(0.9, 0.98), weight_decay=0.01)
    for step in range(1, 8):
        rate = 1e-2 / step
        for group in reference.param_groups:
            group["lr"] = rate
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.sin(one.detach() * 3 + step)
            other.grad = torch.sin(other.detach() * 3 + step)
        mine.step(rate)
        reference.step()
    for one, other, before in zip(ours, theirs, start, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
        assert not torch.allclose(one, before, atol=1e-2)


def test_state_goes_on_bit_for_bit() -> None:
    def moved(parameter: torch.nn.Parameter, optimizer: AdamW, steps: range) -> torch.Tensor:
        for step in steps:
            parameter.grad = torch.cos(parameter.detach() + step)
            optimizer.step(1e-2)
        return parameter.detach().clone()

    first = torch.nn.Parameter(torch.arange(6.0))
    optimizer = AdamW([first], (0.9, 0.98))
    middle = moved(first, optimizer, range(5))
    second = torch.nn.Parameter(middle.clone())
    resumed = AdamW([second], (0.9, 0.98))
    resumed.load_state_dict(
        {k: v if k == "steps" else [t.clone() for t in v] for k, v in optimizer.state_dict().items()}
    )
    assert torch.equal(moved(first, optimizer, range(5, 9)), moved(second, resumed, range(5, 9)))


def test_a_training_does_not_load_the_compiler() -> None:
    program = """
import sys
import numpy as np
from bioimg_fiji.image import Image
from bioimg_fiji.train import TrainConfig, train

image = Image(np.random.default_rng(0).poisson(20, (64, 64)).astype(np.uint16), "yx")
train([image], TrainConfig(steps=2, batch_size=2, patch=32, filters=2, depth=1, device="cpu", threads=1))
print("torch._dynamo" in sys.modules, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["False", "True"]
