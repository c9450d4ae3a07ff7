"""A U-Net for images and volumes (Ronneberger 2015; in three dimensions Cicek 2016), in one file that needs only torch.

This file itself is copied into model packages and loaded there by other programs, so it imports nothing but torch.
There is no batch normalisation: the output is a plain function of the intensities, equal for every tile and batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_LINEAR = {2: "bilinear", 3: "trilinear"}
_KERNEL = 3


class UNet(nn.Module):
    """U-Net: at each level two 3-wide convolutions, maximum pooling down, interpolation up, concatenating skips.

    Input and output have the axes (b, c, y, x) or (b, c, z, y, x), float32, with each spatial size a multiple of
    `divisor`; the spatial shape is kept.

    Parameters
    ----------
    ndim
        2 or 3 spatial axes.
    in_channels, out_channels
        Channels of the input and of the output.
    filters
        Channels of the first level; each level down doubles them.
    depth
        How many times the image is pooled.
    scale
        Pooling factor per spatial axis (1 or 2), in the order (z,) y, x; 2 for every axis when None.
    upsampling
        "linear" or "nearest".
    padding
        What the convolutions see outside: "zeros", "reflect", "replicate" or "circular".
    slope
        Slope of the LeakyReLU below zero.
    pooling
        "max", or "blur": the maximum of neighbours, blurred before every second pixel is taken (Zhang 2019).
    top_skip
        Whether the finest level has a skip; without one, single pixels do not pass (N2V2, Hoeck 2022).
    """

    def __init__(
        self,
        ndim: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        filters: int = 16,
        depth: int = 2,
        scale: Sequence[int] | None = None,
        upsampling: str = "linear",
        padding: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        slope: float = 0.1,
        pooling: str = "max",
        top_skip: bool = True,
    ) -> None:
        super().__init__()
        if ndim not in _CONV:
            raise ValueError(f"ndim must be 2 or 3, not {ndim!r}")
        if upsampling not in ("linear", "nearest"):
            raise ValueError(f'upsampling must be "linear" or "nearest", not {upsampling!r}')
        if pooling not in ("max", "blur"):
            raise ValueError(f'pooling must be "max" or "blur", not {pooling!r}')
        steps = tuple(scale) if scale is not None else (2,) * ndim
        self.top_skip = top_skip
        widths = [filters * 2**level for level in range(depth + 1)]

        def block(before: int, after: int) -> nn.Sequential:
            layers: list[nn.Module] = []
            for channels in (before, after):
                layers.append(_CONV[ndim](channels, after, _KERNEL, padding=_KERNEL // 2, padding_mode=padding))
                layers.append(nn.LeakyReLU(slope, inplace=True))
            return nn.Sequential(*layers)

        self.down = nn.ModuleList(block(a, b) for a, b in zip([in_channels, *widths], widths, strict=False))
        skipped = [*widths[-2:0:-1], widths[0] if top_skip else 0][:depth] if depth else []
        pairs = zip(widths[:0:-1], skipped, widths[-2::-1], strict=True)
        self.up = nn.ModuleList(block(before + skip, after) for before, skip, after in pairs)
        self.head = _CONV[ndim](filters, out_channels, 1)
        self.pool: nn.Module = _POOL[ndim](steps) if pooling == "max" else BlurPool(steps)
        self.grow = nn.Upsample(
            scale_factor=tuple(float(step) for step in steps),
            mode=_LINEAR[ndim] if upsampling == "linear" else "nearest",
            align_corners=False if upsampling == "linear" else None,
        )
        self._initialise(slope)

    def _initialise(self, slope: float) -> None:
        """Start from He's weights for a leaky rectifier (He 2015) and an output near zero."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Conv3d)):
                nn.init.kaiming_normal_(module.weight, a=slope)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.head.weight.mul_(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (b, in_channels, ...) to (b, out_channels, ...) of the same spatial shape."""
        skips: list[torch.Tensor] = []
        for index, block in enumerate(self.down):
            x = block(x if index == 0 else self.pool(x))
            skips.append(x)
        skips.pop()
        for block in self.up:
            x, skip = self.grow(x), skips.pop()
            x = block(torch.cat([x, skip], dim=1) if skips or self.top_skip else x)
        output: torch.Tensor = self.head(x)
        return output


class BlurPool(nn.Module):
    """Maximum over each pixel and the next, a blur by 1 2 1, and every second pixel of it (Zhang, ICML 2019).

    Parameters
    ----------
    steps
        1 or 2 per spatial axis; nothing is done along axes of step 1.
    """

    def __init__(self, steps: Sequence[int]) -> None:
        super().__init__()
        self.steps = tuple(steps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (b, c, ...) to the same with each size divided by its step; at the border the last pixel is repeated."""
        axes = [axis for axis, step in enumerate(self.steps, 2) if step > 1]
        for axis in axes:
            x = torch.maximum(x, torch.cat([_along(x, axis, 1, None), _along(x, axis, -1, None)], dim=axis))
        for axis in axes:
            x = torch.cat([_along(x, axis, 0, 1), x, _along(x, axis, -1, None)], dim=axis)
            sides = _along(x, axis, 0, -2, 2) + _along(x, axis, 2, None, 2)
            x = 0.25 * sides + 0.5 * _along(x, axis, 1, -1, 2)
        return x


def _along(x: torch.Tensor, axis: int, start: int, stop: int | None, step: int = 1) -> torch.Tensor:
    return x[(slice(None),) * axis + (slice(start, stop, step),)]


def divisor(ndim: int = 2, depth: int = 2, scale: Sequence[int] | None = None, **_others: object) -> tuple[int, ...]:
    """Give the number that each spatial size must be a multiple of, per axis, for a network of these arguments."""
    return tuple(step**depth for step in (scale if scale is not None else (2,) * ndim))


def halo(
    ndim: int = 2,
    depth: int = 2,
    scale: Sequence[int] | None = None,
    upsampling: str = "linear",
    pooling: str = "max",
    **_others: object,
) -> tuple[int, ...]:
    """Give the pixels around a tile, per spatial axis, beyond which nothing reaches the tile's output.

    The receptive field is walked back through the layers for every position on the pooling grid; the largest reach is
    rounded up to a multiple of `divisor`, so that a tile with its halo starts on the grid again.
    """
    steps = tuple(scale) if scale is not None else (2,) * ndim
    return tuple(_reach(depth, step, linear=upsampling == "linear", blur=pooling == "blur") for step in steps)


def _reach(depth: int, step: int, *, linear: bool, blur: bool) -> int:
    grid: int = step**depth
    widest = 0
    for position in range(grid):
        low, high = _needed(position, depth, step, linear=linear, blur=blur)
        widest = max(widest, position - low, high - position)
    return -(-widest // grid) * grid


def _needed(position: int, depth: int, step: int, *, linear: bool, blur: bool) -> tuple[int, int]:
    """Give the first and last input pixel that the output at `position` depends on, along one axis."""
    convolutions = 2 * (_KERNEL // 2)
    low, high = position, position
    for _ in range(depth):
        low, high = low - convolutions, high + convolutions
        if step > 1:
            low, high = ((low - 1) // 2, (high + 1) // 2) if linear else (low // 2, high // 2)
    low, high = low - convolutions, high + convolutions
    for _ in range(depth):
        if step > 1:
            low, high = (2 * low - 1, 2 * high + 2) if blur else (2 * low, 2 * high + 1)
        low, high = low - convolutions, high + convolutions
    return low, high
