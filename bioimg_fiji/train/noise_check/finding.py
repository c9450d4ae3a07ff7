"""What the look at the noise gives: findings, a recommendation, and the bounds from which something is said."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

CORRELATED = 0.15
"""Correlation of neighbouring pixels' noise from which a movie is refused."""
SUSPECT = 0.3
"""The same in a single image's flattest places, from which a warning is given."""
REACHES = 0.1
"""Correlation below which noise is taken for independent."""
FARTHEST = 10
"""Largest distance at which it is looked for, pixels."""
CLIPPED = 0.01
"""Share of pixels at one end of the range from which a warning is given."""
FINE = 0.75
"""Power near Nyquist beside that at half of it: below, noise that is called white is not (1 for white noise)."""
SMOOTH = 0.7
"""Correlation of activity from frame to frame below which single frames matter (one-frame spikes have 0)."""
CHANGES = 1.3
"""Ratio of the differences' variance at two frames' distance and at one from which frames are no repeats."""


class Severity(enum.Enum):
    """What a finding means for the training."""

    NOTE = "note"
    UNSUITABLE = "unsuitable"


@dataclass(frozen=True)
class Finding:
    """One thing seen: a stable code, a sentence for the user, and the figures behind it, the deciding one first."""

    code: str
    severity: Severity
    sentence: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Recommendation:
    """The self-supervised method that suits the data ("none" where none does), a sentence why, and the figures."""

    method: str
    sentence: str
    figures: Mapping[str, float] = field(default_factory=dict)
