"""open_fiji() on embedded ImageJ beside a bare scyjava.start_jvm() with ImageJ's jar, in fresh processes, in turns.

All that is cached is there before the first round. Counted is all from the first import on: of bioimg_fiji, or of
scyjava, whose way to find a Java and jars is left as it is but for the download of a Java.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import Any

from bioimg_fiji.fiji import find_java

ROUNDS = 11
BAR = 1.5

_CLOCK = "import time; begin = time.perf_counter()\n"
_TELL = "\nprint(time.perf_counter() - begin)\n"
_OURS = "import bioimg_fiji\nfiji = bioimg_fiji.open_fiji('embedded')"
_BARE = (
    "import scyjava, scyjava.config\n"
    "scyjava.config.set_java_constraints(fetch='auto', version='{}')\n"
    "scyjava.config.get_repositories().clear()\n"
    "scyjava.config.endpoints.append('net.imagej:ij:1.54p')\n"
    "scyjava.start_jvm()"
)


def run() -> list[dict[str, Any]]:
    """Measure both in turns."""
    programs = {"open_fiji()": _OURS, "scyjava.start_jvm()": _BARE.format(find_java().version)}
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(ROUNDS + 1):
        for name, program in programs.items():
            value = _seconds(program)
            if number:  # the first round fills the caches
                seconds[name].append(value)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = medians["open_fiji()"] / medians["scyjava.start_jvm()"]
    figures = [
        {"figure": name, "value": value, "unit": "s", "bar": "", "holds": True} for name, value in medians.items()
    ]
    bar = {"figure": "open_fiji / start_jvm", "value": ratio, "unit": "", "bar": f"<= {BAR}", "holds": ratio <= BAR}
    return [*figures, bar]


def _seconds(program: str) -> float:
    done = subprocess.run([sys.executable, "-c", _CLOCK + program + _TELL], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])
