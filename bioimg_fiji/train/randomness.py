"""Random numbers that depend on (seed, purpose, step) only, which is what makes a training resumable."""

from __future__ import annotations

import enum

import numpy as np


class Purpose(enum.IntEnum):
    """What a random stream is for; the numbers never change, or old checkpoints would resume differently."""

    WEIGHTS = 1
    BATCH = 2
    VALIDATION = 3
    HELD_OUT = 4
    TEST_TENSOR = 5
    MEASURE = 6


def generator(seed: int, purpose: Purpose, step: int = 0) -> np.random.Generator:
    """Give a fresh generator, the same one for the same three numbers on every machine."""
    return np.random.default_rng([seed, int(purpose), step])
