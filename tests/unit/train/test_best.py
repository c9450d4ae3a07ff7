"""Which state of a training is kept."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bioimg_fiji.train.best import Best

PATCHES, PIXELS = 40, 1000.0


def errors(mean: float, spread: float = 0.0, seed: int = 0) -> torch.Tensor:
    """Give the shares of patches whose squared errors have this spread, and whose loss is exactly `mean`."""
    noise = np.random.default_rng(seed).normal(0, spread, PATCHES)
    return torch.from_numpy(mean / PATCHES + (noise - noise.mean()) / PIXELS)


def test_the_least_loss_is_kept() -> None:
    best = Best()
    kept = [best.consider(step, errors(loss)) for step, loss in ((1, 3.0), (2, 2.0), (3, 2.5), (4, 1.0))]
    assert kept == [True, True, False, True]
    assert best.kept == (4, pytest.approx(1.0))


def test_a_later_state_is_kept_while_the_patches_cannot_tell_them_apart() -> None:
    best = Best()
    best.consider(1, errors(1.0))
    spread = 2.0  # of a patch: the sum of 40 has a standard error of 12.6, a loss of 0.0126
    assert best.consider(2, errors(1.015, spread))
    assert not best.consider(3, errors(1.05, spread))
    assert best.kept is not None
    assert best.kept[0] == 2


def test_many_small_steps_up_do_not_add_up() -> None:
    best = Best()
    best.consider(0, errors(1.0))
    for step in range(1, 30):
        best.consider(step, errors(1.0 + 0.01 * step, 2.0, seed=step))
    assert best.kept is not None
    assert best.kept[1] < 1.05


def test_what_is_not_finite_is_never_kept() -> None:
    best = Best()
    assert not best.consider(1, errors(math.nan))
    assert best.kept is None
    assert best.consider(2, errors(2.0))
    assert not best.consider(3, errors(math.inf))
    assert best.kept == (2, pytest.approx(2.0))


def test_a_single_patch_tells_nothing_of_chance() -> None:
    best = Best()
    assert best.consider(1, torch.tensor([1.0], dtype=torch.float64))
    assert not best.consider(2, torch.tensor([1.001], dtype=torch.float64))


def test_it_goes_on_from_its_state() -> None:
    best, again = Best(), Best()
    best.consider(1, errors(1.0))
    again.restore(best.state())
    for step, loss in ((2, 1.02), (3, 1.2), (4, 0.9)):
        assert again.consider(step, errors(loss, 2.0)) == best.consider(step, errors(loss, 2.0))
    assert again.kept == best.kept
