"""AdamW (Loshchilov & Hutter, ICLR 2019), on lists of tensors.

NB: torch's own optimizers load its compiler when they are made, which takes seconds and 160 MB at the start of every
training; nothing else of a training needs it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch

_EPS = 1e-8
_DECAY = 0.01


class AdamW:
    """Adam with weight decay apart from the gradient.

    Parameters
    ----------
    parameters
        What is to be learnt; changed in place.
    betas
        Decay of the averages of gradients and of their squares.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], betas: tuple[float, float]) -> None:
        self._parameters: list[torch.Tensor] = list(parameters)
        self._betas = betas
        self._steps = 0
        self._means = [torch.zeros_like(p, memory_format=torch.preserve_format) for p in self._parameters]
        self._squares = [torch.zeros_like(p, memory_format=torch.preserve_format) for p in self._parameters]

    def clear(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Follow the gradients with the learning rate `rate`."""
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self._parameters]
        self._steps += 1
        first, second = self._betas
        torch._foreach_mul_(self._parameters, 1 - rate * _DECAY)
        torch._foreach_lerp_(self._means, gradients, 1 - first)
        torch._foreach_mul_(self._squares, second)
        torch._foreach_addcmul_(self._squares, gradients, gradients, 1 - second)
        roots = torch._foreach_sqrt(self._squares)  # noqa: SLF001
        torch._foreach_div_(roots, math.sqrt(1 - second**self._steps))
        torch._foreach_add_(roots, _EPS)
        torch._foreach_addcdiv_(self._parameters, self._means, roots, -rate / (1 - first**self._steps))

    def state_dict(self) -> dict[str, Any]:
        """Give all that `load_state_dict` needs to go on."""
        return {"steps": self._steps, "means": self._means, "squares": self._squares}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another one stood."""
        self._steps = int(state["steps"])
        for mine, given in ((self._means, state["means"]), (self._squares, state["squares"])):
            for tensor, value in zip(mine, given, strict=True):
                tensor.copy_(value)
