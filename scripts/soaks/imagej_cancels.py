"""Escape at random moments of runs and trainings in a real ImageJ.

Each command must give ImageJ back within a second, its macro must not go on, the image must be free, and the next run
must work. The event queue must answer within 100 ms while a command runs. Nothing else may keep the computer busy then.
"""

from __future__ import annotations

from typing import Any

from programs.imagej import places, seen

SHORT, LONG = 4, 200
SECONDS, EVENTS_MS = 1.0, 100.0
SHORT_SECONDS, SHORT_EVENTS_MS = 5.0, 1000.0
"""The short form runs beside other tests, on computers that do much else."""


def run(soak: Any) -> dict[str, Any]:
    """Cancel; give the figures."""
    count = soak.count or (SHORT if soak.short else LONG)
    with places() as where:
        lines = seen(where, "cancels", count, soak.seed, where.model, where.folder / "work", timeout=120 + 30 * count)
    told = [line for line in lines if "number" in line]
    cancelled = [line for line in told if not line["ended_before"]]
    wrong = [line["wrong"] for line in lines if "wrong" in line]
    if len(told) != count:
        wrong.append(f"{len(told)} of {count} commands were cancelled")
    most, most_ms = (SHORT_SECONDS, SHORT_EVENTS_MS) if soak.short else (SECONDS, EVENTS_MS)
    wrong += [f"number {line['number']}: {line['seconds']} s" for line in cancelled if line["seconds"] > most]
    wrong += [f"number {line['number']}: the macro went on" for line in cancelled if line["went_on"]]
    wrong += [f"number {line['number']}: the image is locked" for line in told if line["locked"]]
    worst = max(line["events_ms"] for line in told)
    if worst > most_ms:
        wrong.append(f"the event queue answered after {worst} ms")
    return {
        "cancelled": len(cancelled),
        "ended_before": len(told) - len(cancelled),
        "slowest_seconds": max((line["seconds"] for line in cancelled), default=0),
        "slowest_event_ms": worst,
        "wrong": wrong,
    }
