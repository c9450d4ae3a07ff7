"""The learning rate as a pure function of the step: nothing of it needs saving."""

from __future__ import annotations

import math

_WARM_UP = 0.1
_SHORT = 0.01
_START, _END = 0.04, 1e-3


def learning_rate(schedule: str, step: int, steps: int, peak: float) -> float:
    """Give the learning rate of a step (0-based) by the schedule of that name."""
    return one_cycle(step, steps, peak) if schedule == "one_cycle" else cosine(step, steps, peak)


def cosine(step: int, steps: int, peak: float) -> float:
    """Give the learning rate of a step: up in a hundredth of the steps, then cosine down (Loshchilov 2017)."""
    place = (step + 0.5) / steps
    return peak * min(1.0, place / _SHORT) * (_END + (1 - _END) * (1 + math.cos(math.pi * place)) / 2)


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Give the learning rate of a step (0-based): cosine up for a tenth, then cosine down to nearly 0 (Smith 2018)."""
    place = (step + 0.5) / steps
    if place < _WARM_UP:
        start, end, share = _START, 1.0, place / _WARM_UP
    else:
        start, end, share = 1.0, _END, (place - _WARM_UP) / (1 - _WARM_UP)
    return peak * (end + (start - end) * (1 + math.cos(math.pi * share)) / 2)
