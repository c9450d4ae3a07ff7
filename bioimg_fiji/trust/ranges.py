"""Ranges of figures of images that fit: how far another image may be off before it is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

_SURE = 0.995
"""Probability that one figure of a fitting image is not too large (or not too small)."""
_PRIOR = 4
"""Images that the prior spread stands for: few images do not tell how much images differ."""
FEW = 4
"""Images below which parts of the same image stand for others, and the limit is widened by `1 + 1 / images`."""


@dataclass(frozen=True)
class Range:
    """Where a figure lies: its mean over what fits, and by how much one more image may be off."""

    mean: float
    limit: float

    def excess(self, value: float) -> float:
        """Give how far off a value is: 1 at the limit, below 0 where it is less than the mean."""
        return (value - self.mean) / self.limit

    def to_json(self) -> list[float]:
        """Give mean and limit."""
        return [self.mean, self.limit]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Range:
        """Read `to_json`'s form.

        Raises
        ------
        ValueError
            When it is another one.
        """
        mean, limit = (float(value) for value in data)
        if not (math.isfinite(mean) and 0 < limit < math.inf):
            raise ValueError(f"a range must be a finite mean and a limit above 0, not {data!r}")
        return cls(mean, limit)


def parts_per_image(images: int) -> int:
    """Give into how many parts each image is cut so that enough figures are there to tell their spread."""
    return 1 if images >= FEW else math.ceil(FEW / images)


def range_of(values: Sequence[float], prior: float, images: int) -> Range:
    """Give the range of one more image's figure: a prediction interval (Student's t) with a prior spread.

    Parameters
    ----------
    values
        Of planes of the images, or of their parts where there are few.
    prior
        Standard deviation that is believed before any image is seen, with the weight of `_PRIOR` of them.
    images
        Images that are independent: where they are few, parts of the same stand for others, and the limit is wider.
    """
    found = np.asarray(values, np.float64)
    count = min(len(found), max(images, FEW))  # planes of one image differ less than images
    free = _PRIOR + count - 1
    spread = math.sqrt((_PRIOR * prior**2 + (count - 1) * float(found.var(ddof=min(1, len(found) - 1)))) / free)
    wider = 1 + 1 / images if images < FEW else 1.0
    return Range(float(found.mean()), wider * float(stdtrit(free, _SURE)) * spread * math.sqrt(1 + 1 / count))
