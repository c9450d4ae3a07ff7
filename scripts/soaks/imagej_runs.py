"""One command again and again in one ImageJ: heap after a collection, threads, handles and files must not grow."""

from __future__ import annotations

from typing import Any

from programs.imagej import places, seen

SHORT, LONG = 12, 1000
HEAP = 1.1
"""The last sample of the heap may be so many times the third, by when all classes are loaded."""

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
    if last["heap"] > HEAP * first["heap"]:
        wrong.append(f"the heap grew from {first['heap']} to {last['heap']} bytes")
    for name, more in (("threads", THREADS), ("handles", HANDLES), ("files", 0), ("images", 0)):
        if last[name] > first[name] + more:
            wrong.append(f"{name} grew from {first[name]} to {last[name]}")
    return {"runs": count, "samples": samples, "wrong": wrong}
