"""Which network a training uses for its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bioimg_fiji.train.config import TrainConfig

ARCHITECTURE = "unet"
_THIN = 4
"""A volume is pooled along z only when it has at least this many slices left at the coarsest level."""


def network_arguments(
    smallest: tuple[int, ...], in_channels: int, config: TrainConfig, changes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Give the JSON-able arguments of the network for samples whose smallest size per axis is `smallest`.

    `changes` are those that a method needs to be other than the configuration's.
    """
    scale = [2] * len(smallest)
    if len(smallest) == 3 and smallest[0] < _THIN * 2**config.depth:
        scale[0] = 1
    arguments = {
        "ndim": len(smallest),
        "in_channels": in_channels,
        "out_channels": in_channels,
        "filters": config.filters,
        "depth": config.depth,
        "scale": scale,
        "upsampling": config.upsampling,
        "padding": config.padding,
        **(changes or {}),
    }
    apart = arguments.pop("independent", config.channels == "separate")
    if apart and arguments["in_channels"] == arguments["out_channels"] > 1:
        arguments["independent"] = True
    return arguments
