"""How many patches fit into the memory at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from bioimg_fiji.runtime.memory import free_memory
from bioimg_fiji.train.config import TrainConfig

_SHARE = 0.5
"""Part of the free memory that a step may take."""

_COPIES = 40
"""Arrays as large as the first level's that a step is taken to keep: activations of all levels and their gradients."""


def patches_at_once(
    kwargs: Mapping[str, Any], patch: tuple[int, ...], config: TrainConfig, device: torch.device
) -> int:
    """Give how many patches of a batch are computed at once: all of them, or as many as the free memory holds."""
    if config.together:
        return min(config.together, config.batch_size)
    networks = int(kwargs["in_channels"]) if kwargs.get("independent") else 1
    enlarged = math.prod(kwargs.get("out_scale") or (1,))
    needed = math.prod(patch) * enlarged * int(kwargs["filters"]) * networks * 4 * _COPIES
    return max(1, min(config.batch_size, int(_SHARE * free_memory(device.type) / needed)))


def is_full(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice: torch has a class for it on GPUs, and a text on CPUs."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text
