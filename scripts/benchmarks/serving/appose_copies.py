"""The copies of a run, by Appose: array -> shared memory -> the worker's array -> shared memory -> array.

Runs in an environment of its own that has Appose. Each line that comes is one round trip; the seconds are printed.
"""

from __future__ import annotations

import sys
import time

import appose
import numpy as np

WORK = "image = given.ndarray().copy()\nresult.ndarray()[:] = image"


def main() -> None:
    """Measure whenever a line comes."""
    shape = [int(size) for size in sys.argv[1].split(",")]
    pixels = np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)
    with appose.system().python() as service:
        service.task("import numpy").wait_for()
        print("ready", flush=True)
        for _ in sys.stdin:
            start = time.perf_counter()
            given, result = appose.NDArray("float32", shape), appose.NDArray("float32", shape)
            given.ndarray()[:] = pixels
            service.task(WORK, {"given": given, "result": result}).wait_for()
            back = result.ndarray().copy()
            given.shm.dispose()
            result.shm.dispose()
            seconds = time.perf_counter() - start  # a run of ours, too, ends when nothing of it is left
            assert np.array_equal(back, pixels)
            print(seconds, flush=True)


if __name__ == "__main__":
    main()
