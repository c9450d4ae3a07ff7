"""How the threads of a computation behave beside other programs."""

from __future__ import annotations

import os


def share_cores() -> None:
    """Let threads of torch sleep while they wait for each other; must be called before torch is imported.

    They wait in a loop otherwise. Where Fiji, or anything else, needs one of the cores, a thread that loops keeps the
    one it waits for from running, and a training takes up to ten times as long. A value that the user has set for
    OMP_WAIT_POLICY stays (OpenMP 5.2, section 21.1.7).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
