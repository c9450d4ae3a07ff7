"""A U-Net for images and volumes (Ronneberger 2015; in three dimensions Cicek 2016), in one file that needs only torch.

This file itself is copied into model packages and loaded there by other programs, so it imports nothing but torch.
There is no batch normalisation: the output is a plain function of the intensities, equal for every tile and batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_LINEAR = {2: "bilinear", 3: "trilinear"}
_KERNEL = 3
_LOG_VARIANCES = (-16.0, 8.0)
"""Bounds of log variances, of outputs of about unit scale: neither a weight nor an interval becomes infinite."""


class UNet(nn.Module):
    """U-Net: at each level two 3-wide convolutions, maximum pooling down, interpolation up, concatenating skips.

    Input and output have the axes (b, c, y, x) or (b, c, z, y, x), float32, with each spatial size a multiple of
    `divisor`; the spatial shape is kept, or enlarged by `out_scale`.

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
    out_scale
        How many times larger the output is, per spatial axis, whole numbers in the order (z,) y, x; None: as large. The
        finest features are enlarged by `upsampling` and convolved once more.
    independent
        Whether each channel has a network of its own, so that no channel sees another; there are then as many output
        channels as input channels.
    spread
        Whether a second head tells the logarithm of the variance of each output's error. It looks at the finest
        features and does not shape them: outputs and their gradients are those of a network without it.
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
        out_scale: Sequence[int] | None = None,
        independent: bool = False,
        spread: bool = False,
    ) -> None:
        super().__init__()
        _check(ndim, upsampling, pooling)
        steps, larger = tuple(scale) if scale is not None else (2,) * ndim, _enlargement(ndim, out_scale)
        self.each: nn.ModuleList | None = None
        if independent:
            if in_channels != out_channels:
                raise ValueError(f"independent channels are as many out as in, not {in_channels} and {out_channels}")
            one = (ndim, 1, 1, filters, depth, scale, upsampling, padding, slope, pooling, top_skip, out_scale)
            self.each = nn.ModuleList(UNet(*one, spread=spread) for _ in range(in_channels))
            return
        self.top_skip = top_skip
        widths = [filters * 2**level for level in range(depth + 1)]

        def convolution(before: int, after: int) -> list[nn.Module]:
            layer = _CONV[ndim](before, after, _KERNEL, padding=_KERNEL // 2, padding_mode=padding)
            return [layer, nn.LeakyReLU(slope, inplace=True)]

        def block(before: int, after: int) -> nn.Sequential:
            return nn.Sequential(*convolution(before, after), *convolution(after, after))

        self.down = nn.ModuleList(block(a, b) for a, b in zip([in_channels, *widths], widths, strict=False))
        skipped = [*widths[-2:0:-1], widths[0] if top_skip else 0][:depth] if depth else []
        pairs = zip(widths[:0:-1], skipped, widths[-2::-1], strict=True)
        self.up = nn.ModuleList(block(before + skip, after) for before, skip, after in pairs)
        self.head = _CONV[ndim](filters, out_channels, 1)
        self.pool: nn.Module = _POOL[ndim](steps) if pooling == "max" else BlurPool(steps)
        self.grow = _growth(steps, upsampling)
        self.enlarge: nn.Module | None = None
        if max(larger) > 1:
            self.enlarge = nn.Sequential(_growth(larger, upsampling), *convolution(filters, filters))
        self._initialise(slope)
        self.log_variance: nn.Module | None = None
        if spread:
            with torch.random.fork_rng(devices=[]):  # the next network's random weights stay what they are without
                layer, last = _CONV[ndim](filters, filters, 1), _CONV[ndim](filters, out_channels, 1)
            for parameter in last.parameters():
                nn.init.zeros_(parameter)
            self.log_variance = nn.Sequential(layer, nn.LeakyReLU(slope), last)

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
        """Map (b, in_channels, ...) to (b, out_channels, ...), each spatial size times that of `out_scale`.

        With `spread` the log variances follow as further channels, as many as there are outputs.
        """
        output, log_variance, _ = self.parts(x)
        return output if log_variance is None else torch.cat([output, log_variance], dim=1)

    def parts(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
        """Give the output, its log variance (None without `spread`), and the coarsest features of all networks."""
        if self.each is not None:
            networks: list[Any] = list(self.each)
            parts = [network.parts(x[:, place : place + 1]) for place, network in enumerate(networks)]
            outputs, variances, coarsest = zip(*parts, strict=True)
            together = None if variances[0] is None else torch.cat(variances, dim=1)
            return torch.cat(outputs, dim=1), together, torch.cat(coarsest, dim=1)
        skips: list[torch.Tensor] = []
        for index, block in enumerate(self.down):
            x = block(x if index == 0 else self.pool(x))
            skips.append(x)
        coarse = skips.pop()
        for block in self.up:
            x, skip = self.grow(x), skips.pop()
            x = block(torch.cat([x, skip], dim=1) if skips or self.top_skip else x)
        finest = x if self.enlarge is None else self.enlarge(x)
        if self.log_variance is None:
            return self.head(finest), None, coarse
        return self.head(finest), self.log_variance(finest.detach()).clamp(*_LOG_VARIANCES), coarse


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


def _growth(factors: Sequence[int], upsampling: str) -> nn.Upsample:
    return nn.Upsample(
        scale_factor=tuple(float(factor) for factor in factors),
        mode=_LINEAR[len(factors)] if upsampling == "linear" else "nearest",
        align_corners=False if upsampling == "linear" else None,
    )


def _along(x: torch.Tensor, axis: int, start: int, stop: int | None, step: int = 1) -> torch.Tensor:
    return x[(slice(None),) * axis + (slice(start, stop, step),)]


def _check(ndim: int, upsampling: str, pooling: str) -> None:
    if ndim not in _CONV:
        raise ValueError(f"ndim must be 2 or 3, not {ndim!r}")
    if upsampling not in ("linear", "nearest"):
        raise ValueError(f'upsampling must be "linear" or "nearest", not {upsampling!r}')
    if pooling not in ("max", "blur"):
        raise ValueError(f'pooling must be "max" or "blur", not {pooling!r}')


def _enlargement(ndim: int, out_scale: Sequence[int] | None) -> tuple[int, ...]:
    factors = (1,) * ndim if out_scale is None else tuple(out_scale)
    if len(factors) != ndim or any(int(factor) != factor or factor < 1 for factor in factors):
        raise ValueError(f"out_scale must have a whole number of at least 1 for each of {ndim} axes, not {out_scale!r}")
    return factors


def divisor(ndim: int = 2, depth: int = 2, scale: Sequence[int] | None = None, **_others: object) -> tuple[int, ...]:
    """Give the number that each spatial size must be a multiple of, per axis, for a network of these arguments."""
    return tuple(step**depth for step in (scale if scale is not None else (2,) * ndim))


def halo(
    ndim: int = 2,
    depth: int = 2,
    scale: Sequence[int] | None = None,
    upsampling: str = "linear",
    pooling: str = "max",
    out_scale: Sequence[int] | None = None,
    **_others: object,
) -> tuple[int, ...]:
    """Give the input pixels around a tile, per spatial axis, beyond which nothing reaches the tile's output.

    The receptive field is walked back through the layers for every position on the pooling grid; the largest reach is
    rounded up to a multiple of `divisor`, so that a tile with its halo starts on the grid again.
    """
    steps = tuple(scale) if scale is not None else (2,) * ndim
    larger = _enlargement(ndim, out_scale)
    convolved = max(larger) > 1  # then the enlarged features are, along all axes
    linear, blur = upsampling == "linear", pooling == "blur"
    return tuple(
        _reach(depth, step, factor if convolved else None, linear=linear, blur=blur)
        for step, factor in zip(steps, larger, strict=True)
    )


def _reach(depth: int, step: int, enlarged: int | None, *, linear: bool, blur: bool) -> int:
    grid: int = step**depth
    widest = 0
    for position in range(grid * (enlarged or 1)):
        low, high = position, position
        if enlarged is not None:
            low, high = low - _KERNEL // 2, high + _KERNEL // 2
            low, high = (
                _before_growth(low, enlarged, linear=linear)[0],
                _before_growth(high, enlarged, linear=linear)[1],
            )
        low, high = _needed(low, high, depth, step, linear=linear, blur=blur)
        place = position // (enlarged or 1)
        widest = max(widest, place - low, high - place)
    return -(-widest // grid) * grid


def _before_growth(position: int, factor: int, *, linear: bool) -> tuple[int, int]:
    """Give the first and last element that a position of the enlarged features is made of, along one axis."""
    if factor == 1 or not linear:
        return position // factor, position // factor
    low = (2 * position + 1 - factor) // (2 * factor)  # centres: (position + 1/2) / factor - 1/2
    return low, low + 1


def _needed(low: int, high: int, depth: int, step: int, *, linear: bool, blur: bool) -> tuple[int, int]:
    """Give the first and last input pixel that the finest features from `low` to `high` depend on, along one axis."""
    convolutions = 2 * (_KERNEL // 2)
    for _ in range(depth):
        low, high = low - convolutions, high + convolutions
        low, high = _before_growth(low, step, linear=linear)[0], _before_growth(high, step, linear=linear)[1]
    low, high = low - convolutions, high + convolutions
    for _ in range(depth):
        if step > 1:
            low, high = (2 * low - 1, 2 * high + 2) if blur else (2 * low, 2 * high + 1)
        low, high = low - convolutions, high + convolutions
    return low, high
