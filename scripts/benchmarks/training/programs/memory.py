"""The largest memory of this process so far."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


def peak_megabytes() -> float:
    """Give the largest resident size of this process, MB; that of processes it has started does not count."""
    status = Path("/proc/self/status")
    if status.exists():
        # NB: ru_maxrss begins with that of the process that has started this one.
        found = re.search(r"VmHWM:\s+(\d+)", status.read_text())
        return int(found[1]) * 1024 / 1e6 if found else float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
