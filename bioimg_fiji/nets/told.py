"""Networks that tell more than their output: how far it may be off, and what they saw.

The weights are those of the plain network, with those of its second head (`spread`) where one was learnt. Lives here:
what is told and in which form. It is no file that packages have: they have what `nets.export` writes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from bioimg_fiji.nets import build

HEAD = "log_variance"
"""Part of the names of a second head's parameters."""

BLOCK = 8
"""Side of the blocks over which features are averaged, in pixels of the coarsest level."""

Weights = Mapping[str, torch.Tensor]


class Told(nn.Module):
    """A network that gives its output, the standard deviation of its error where it has learnt it, and features.

    Parameters
    ----------
    network
        A network of `bioimg_fiji.nets` that has `parts`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give the output, (with a second head) the standard deviation of its shape, and features (blocks, channels).

        Features are those of the coarsest level, averaged over `BLOCK` x `BLOCK` of its pixels along y and x; blocks at
        the far ends are as large as what is left.
        """
        output, log_variance, coarse = self.network.parts(x)  # type: ignore[operator]
        features = _blocks(coarse)
        return (output, features) if log_variance is None else (output, (0.5 * log_variance).exp(), features)


def told(name: str, kwargs: Mapping[str, Any], state_dict: Weights) -> Told:
    """Make a network that tells; there is a second head if its weights are among those given."""
    with torch.random.fork_rng(devices=[]):  # the first, random weights are nobody's: the caller's numbers stay
        network = build(name, {**kwargs, "spread": any(is_head(key) for key in state_dict)})
    network.load_state_dict(dict(state_dict))
    return Told(network)


def is_head(parameter: str) -> bool:
    """Whether a parameter of that name belongs to a second head."""
    return HEAD in parameter.split(".")


def _blocks(coarse: torch.Tensor) -> torch.Tensor:
    """Average (b, c, (z,) y, x) over blocks in y and x: (blocks, c)."""
    planes = coarse if coarse.ndim == 4 else coarse.movedim(2, 1).flatten(0, 1)
    means = nn.functional.avg_pool2d(planes, BLOCK, ceil_mode=True, count_include_pad=False)
    return means.flatten(2).transpose(1, 2).flatten(0, 1)
