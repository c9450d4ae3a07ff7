"""Java does not outlive a fork: its threads stay in the parent, and the child would wait for them for ever.

A child that was forked after Java's start is marked, so that each call tells what to do instead. One that was forked
before may start a Java of its own.
"""

from __future__ import annotations

import atexit
import os

from bioimg_fiji.errors import FijiError

_watching = False
_forked_from = 0


def watch() -> None:
    """Mark the children that are forked from now on."""
    global _watching  # noqa: PLW0603 - Java is one per process
    if not _watching and hasattr(os, "register_at_fork"):
        _watching = True
        os.register_at_fork(after_in_child=_mark)


def is_fork() -> bool:
    """Whether this process was forked from one where Java ran."""
    return _forked_from != 0


def check() -> None:
    """Refuse to go on in a fork.

    Raises
    ------
    FijiError
        With the next step.
    """
    if is_fork():
        raise FijiError(
            f"This process ({os.getpid()}) was forked from {_forked_from}, where Fiji runs: it has no Java.",
            fix='Start processes with multiprocessing.get_context("spawn"), or fork before the first open_fiji().',
        )


def _mark() -> None:
    global _forked_from  # noqa: PLW0603 - as above
    import jpype.config
    import scyjava

    _forked_from = os.getppid()
    # NB: the end of the fork must not wait for a Java that is not there.
    jpype.config.onexit = False
    jpype.config.destroy_jvm = False
    jpype.config.free_resources = False
    atexit.unregister(scyjava.shutdown_jvm)
