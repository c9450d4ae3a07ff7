"""What a training gives: weights with all that a model package says about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bioimg_fiji.runtime.trained import TrainedNetwork


@dataclass(frozen=True, kw_only=True)
class TrainedModel(TrainedNetwork):
    """A trained network, and how it was trained.

    Parameters
    ----------
    history
        Loss of every step.
    validation
        Loss on held-out pixels, as (steps done, loss).
    provenance
        Method, paper, parameters, data hash, versions, device, figures: JSON values.
    """

    history: tuple[float, ...]
    validation: tuple[tuple[int, float], ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
