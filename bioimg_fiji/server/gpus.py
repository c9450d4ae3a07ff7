"""How full and how busy NVIDIA's GPUs are, as their driver tells it: nothing of them is taken for the question."""

from __future__ import annotations

import contextlib
from typing import TypedDict

import pynvml


class Gpu(TypedDict):
    """One GPU: its name, memory in bytes, and the share of the time, %, in which something was computed."""

    name: str
    used: int
    total: int
    busy: int


def gpus() -> list[Gpu]:
    """Look at all GPUs of this computer, whoever uses them; none where NVIDIA's driver is not there."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_gpu(pynvml.nvmlDeviceGetHandleByIndex(number)) for number in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:  # a GPU was lost
        return []
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _gpu(handle: object) -> Gpu:
    memory, name = pynvml.nvmlDeviceGetMemoryInfo(handle), pynvml.nvmlDeviceGetName(handle)
    busy = 0
    with contextlib.suppress(pynvml.NVMLError):  # a part of a GPU (MIG) does not tell
        busy = int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    return Gpu(
        name=name.decode() if isinstance(name, bytes) else str(name),
        used=int(memory.used),
        total=int(memory.total),
        busy=busy,
    )
