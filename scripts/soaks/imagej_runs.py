"""One command again and again in one ImageJ: heap after a collection, threads, handles and files must not grow."""

from __future__ import annotations

from typing import Any

import growth
from programs.imagej import places, seen

SHORT, LONG = 12, 1000
WARM = 2
"""The first samples, which do not count: by the next one all classes are loaded."""

MORE = {"threads": 3, "handles": 4, "files": 0, "images": 0}
"""So many more may be there by chance."""


def run(soak: Any) -> dict[str, Any]:
    """Run; give the figures."""
    count = soak.count or (SHORT if soak.short else LONG)
    with places() as where:
        folders = (where.folder / "temporary", where.pixels)
        lines = seen(where, "runs", count, where.model, *folders, timeout=300 + 3 * count)
    samples = [line for line in lines if "run" in line]
    wrong = [line["wrong"] for line in lines if "wrong" in line]
    if samples[-1]["run"] != count:
        wrong.append(f"ended after {samples[-1]['run']} of {count} runs")
    wrong += growth.grown(samples[WARM:], MORE)
    return {"runs": count, "samples": samples, "wrong": wrong}
