"""Which state of a training is kept: the last one that the validation does not tell from the best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

STANDARD_ERRORS = 2.0
"""By so many of them a state has to be worse before an earlier one is kept instead of it."""


class Best:
    """Finds the step whose state is to be kept.

    A few thousand noisy pixels tell losses apart by a percent or so; the state of least loss is then often an early one
    that had luck, although the network still learns. So a later state is kept as long as it is not worse than the one
    of least loss by two standard errors of their difference, patch by patch (after the one-standard-error rule,
    Breiman et al., Classification and Regression Trees, 1984).
    """

    def __init__(self) -> None:
        self.kept: tuple[int, float] | None = None
        self._least: tuple[float, torch.Tensor] | None = None

    def consider(self, step: int, shares: torch.Tensor) -> bool:
        """Look at the state of a step.

        Parameters
        ----------
        step
            Steps done.
        shares
            What each validation patch adds to the loss, (n,), float64; the same patches every time.

        Returns
        -------
        Whether this state is to be kept instead of the one before.
        """
        loss = float(shares.sum())
        if not math.isfinite(loss):
            return False
        if self._least is None or loss < self._least[0]:
            self._least = loss, shares
        elif loss - self._least[0] > STANDARD_ERRORS * _standard_error(shares - self._least[1]):
            return False
        self.kept = step, loss
        return True

    def state(self) -> dict[str, Any]:
        """Give all that a checkpoint needs."""
        return {"kept": self.kept, "least": self._least}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.kept, self._least = state["kept"], state["least"]


def _standard_error(differences: torch.Tensor) -> float:
    """Give the standard error of the sum; 0 where a single patch tells nothing of it."""
    count = len(differences)
    return float(differences.std()) * math.sqrt(count) if count > 1 else 0.0
