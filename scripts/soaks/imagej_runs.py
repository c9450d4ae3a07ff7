"""One command again and again in one ImageJ: heap after a collection, threads, handles and files must not grow."""

from __future__ import annotations

import statistics
from typing import Any

from programs.imagej import places, seen

SHORT, LONG = 12, 1000
HEAP = 1.1
"""The heap may be so many times what it was from the third sample on, by when all classes are loaded: medians of the
first and the last third, as one sample may be low by what Java has cleared and will make again."""

WARM = 2
THREADS, HANDLES = 3, 4
"""So many more than at the third sample may be there by chance."""


def run(soak: Any) -> dict[str, Any]:
    """Run; give the figures."""
    count = soak.count or (SHORT if soak.short else LONG)
    with places() as where:
        folders = (where.folder / "temporary", where.pixels)
        lines = seen(where, "runs", count, where.model, *folders, timeout=300 + 3 * count)
    samples = [line for line in lines if "run" in line]
    wrong = [line["wrong"] for line in lines if "wrong" in line]
    first, last = samples[WARM], samples[-1]
    if last["run"] != count:
        wrong.append(f"ended after {last['run']} of {count} runs")
    third = max(1, (len(samples) - WARM) // 3)
    before, after = (
        statistics.median(sample["heap"] for sample in part)
        for part in (samples[WARM : WARM + third], samples[-third:])
    )
    if after > HEAP * before:
        wrong.append(f"the heap grew from {before} to {after} bytes")
    for name, more in (("threads", THREADS), ("handles", HANDLES), ("files", 0), ("images", 0)):
        if last[name] > first[name] + more:
            wrong.append(f"{name} grew from {first[name]} to {last[name]}")
    return {"runs": count, "samples": samples, "wrong": wrong}
