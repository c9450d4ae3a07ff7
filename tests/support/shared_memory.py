"""The folder for pixels in memory: the system's, or where pytest works in several processes, one for each of them."""

from __future__ import annotations

import os
from pathlib import Path

SYSTEM = Path("/dev/shm")
_SETTING = "BIOIMG_FIJI_BUFFERS"


def folder() -> Path:
    """Folder in which the programs that this process starts make theirs; it is absent on some systems."""
    return Path(os.environ.get(_SETTING, SYSTEM))


def take_own(worker: str) -> None:
    """Have this process of pytest, one of several, see only what it has itself left behind."""
    if SYSTEM.is_dir():
        own = SYSTEM / f"tests-{os.getpid()}-{worker}"
        own.mkdir(mode=0o700)
        os.environ[_SETTING] = str(own)


def give_back(worker: str) -> None:
    """Remove what `take_own` has made; what is in it has been told already."""
    own = SYSTEM / f"tests-{os.getpid()}-{worker}"
    if own.is_dir():
        del os.environ[_SETTING]
        own.rmdir()
