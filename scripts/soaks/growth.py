"""What must not grow while the same is done again and again: told of samples of one process."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

HEAP = 1.1
"""Java's heap may be so many times what it was."""

Sample = Mapping[str, int]


def heap_of(samples: Sequence[Sample]) -> tuple[int, int]:
    """Give Java's heap before and after: medians of the first and the last third of the samples.

    One sample may be low: what lies behind soft references is kept only while there is room, and made again.
    """
    third = max(1, len(samples) // 3)
    first, last = (
        int(statistics.median(sample["heap"] for sample in part)) for part in (samples[:third], samples[-third:])
    )
    return first, last


def grown(samples: Sequence[Sample], more: Mapping[str, int], slack: int = 0) -> list[str]:
    """Say what has grown: the heap by a tenth and `slack` bytes, other figures by so many as `more` allows each."""
    before, after = heap_of(samples)
    found = [f"the heap grew from {before} to {after} bytes"] if after > HEAP * before + slack else []
    first, last = samples[0], samples[-1]
    found += [
        f"{name} grew from {first[name]} to {last[name]}"
        for name, allowed in more.items()
        if last[name] > first[name] + allowed
    ]
    return found
