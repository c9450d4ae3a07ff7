"""The folder for pixels in memory: the system's, or where pytest works in several processes, one for each of them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

SYSTEM = Path("/dev/shm")
_SETTING = "BIOIMG_FIJI_BUFFERS"


def folder() -> Path:
    """Folder in which the programs that this process starts make theirs; it is absent on some systems."""
    return Path(os.environ.get(_SETTING, SYSTEM))


def take_own() -> None:
    """Have this process of pytest, one of several, see only what it has itself left behind."""
    if SYSTEM.is_dir():
        _own().mkdir(mode=0o700)
        os.environ[_SETTING] = str(_own())


def give_back() -> None:
    """Remove what `take_own` has made; what a test left in it has been told at that test."""
    if os.environ.get(_SETTING) == str(_own()):
        del os.environ[_SETTING]
        shutil.rmtree(_own())


def _own() -> Path:
    return SYSTEM / f"tests-{os.getpid()}"
