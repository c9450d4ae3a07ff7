"""How large a tile the memory allows, and what was learnt when it did not.

The size is a power of two and the memory is looked at coarsely, so that the same image has the same tiles, and so the
same bits, on every computer of about the same memory. Where it was too much all the same, the next run knows.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bioimg_fiji.errors import WeightsError
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.runtime.devices import failed_gpu
from bioimg_fiji.settings import cache_folder

LARGEST = 2**22
"""Pixels of the largest automatic tile: larger ones are not faster, and cancelling would wait for them."""

SMALLEST = 2**12
"""Pixels below which a tile is not halved any more."""

BYTES_PER_PIXEL = 4096
"""Memory that a network is taken to need per pixel of a tile: 64 channels of float32, in 16 layers at once."""

SHARE = 0.25
"""Part of the free memory that a tile may take."""

_log = logging.getLogger(__name__)
_held = {"cpu": 0, "cuda": 0}


def hold(cpu: int, cuda: int) -> None:
    """Count so many bytes as free, though models that are kept loaded have them: a run is to go as if they were not.

    They are given back where memory becomes short in earnest.
    """
    _held.update(cpu=cpu, cuda=cuda)


def tile_budget(package: ModelPackage, device: str) -> int:
    """Give how many pixels a tile may have: what the free memory allows, or what was learnt about this model there.

    Parameters
    ----------
    package
        The model.
    device
        "cpu", "cuda" or "mps", as the loaded model tells it.
    """
    allowed = SHARE * free_memory(device) / BYTES_PER_PIXEL
    budget = 1 << int(math.log2(max(allowed, SMALLEST)))
    return min(budget, LARGEST, _learnt().get(_key(package, device), LARGEST))


def check_size(package: ModelPackage, sizes: Sequence[int]) -> None:
    """Refuse a sample that this computer's memory cannot hold, before anything of it is made.

    Parameters
    ----------
    package
        The model.
    sizes
        What the tiles cover together, pixels: the image, mirrored to a size that the model takes.

    Raises
    ------
    WeightsError
        When the tiles' place in memory alone, 4 bytes for a pixel, exceeds what is free.
    """
    needed, free = 4 * math.prod(sizes), free_memory("cpu")
    if needed > free:
        shape = " x ".join(str(size) for size in sizes)
        raise WeightsError(
            f"{package.name} takes {shape} pixels at once for this image: {needed / 2**30:.3g} GiB of memory at "
            f"least, and {free / 2**30:.3g} GiB are free.",
            fix="Give a smaller image, close other programs, or use a model for smaller sizes.",
            needed=needed,
            free=free,
        )


def learn(package: ModelPackage, device: str, budget: int) -> None:
    """Remember that this model cannot have larger tiles on this device."""
    path = _file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        number, name = tempfile.mkstemp(prefix=".tiles-", dir=path.parent)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                json.dump({**_learnt(), _key(package, device): budget}, file, indent=1)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:  # the run goes on: only the next one learns it again
        _log.warning("The size of the tiles cannot be remembered in %s: %s", path, error)


def free_memory(device: str) -> int:
    """Give the free memory in bytes: the GPU's, or this computer's or container's."""
    if device.startswith("cuda"):
        import torch

        try:
            free, total = torch.cuda.mem_get_info()
        except torch.AcceleratorError as error:
            raise failed_gpu(error) from error
        return int(min(free + _held["cuda"], total))
    import psutil

    memory = psutil.virtual_memory()
    return min(int(min(memory.available + _held["cpu"], memory.total)), _left_in_container() + _held["cpu"])


def _left_in_container() -> int:
    """Give what a control group (version 2) leaves; containers do not see it in the system's figures."""
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):
        limit = int((group / "memory.max").read_text())  # "max" is no number: no limit
        used = int((group / "memory.current").read_text())
        files = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(files.get("inactive_file", 0)))
    return 2**62


def _file() -> Path:
    return cache_folder() / "tiles.json"


def _key(package: ModelPackage, device: str) -> str:
    return f"{package.sha256} {device}"


def _learnt() -> dict[str, int]:
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(_file().read_text("utf-8"))
        if isinstance(content, dict):
            return {name: value for name, value in content.items() if type(value) is int and value > 0}
    return {}
