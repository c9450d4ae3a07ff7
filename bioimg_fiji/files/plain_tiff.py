"""A TIFF with uncompressed pixels, written at once, and whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy.typing as npt


def write_tiff(path: Path, pixels: npt.NDArray[Any], **described: Any) -> None:
    """Write pixels by tifffile, with its arguments.

    NB: it has numpy write them, which does not tell when the last few kilobytes could not be written.

    Raises
    ------
    OSError
        When the disk is full, or fails.
    """
    import tifffile

    written: Any = tifffile.imwrite(path, pixels, returnoffset=True, **described)
    missing = written[0] + pixels.nbytes - path.stat().st_size
    if missing > 0:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({missing} bytes could not be written)")
