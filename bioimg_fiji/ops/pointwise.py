"""Operations that need nothing but the tile.

Each follows the class of the same name in the bioimage.io model description 0.5 ("preprocessing", "postprocessing").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bioimg_fiji.ops.base import Array, Pointwise, Tensor, along, axis_place

DTYPES = (
    "float32",
    "float64",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "bool",
)
"""Types that a tensor of the description may have."""


@dataclass(frozen=True)
class Binarize(Pointwise):
    """Give whether each value is above the threshold; several thresholds run along `axis`."""

    threshold: float | tuple[float, ...]
    axis: str | None = None

    def process(self, tile: Tensor) -> Array:
        """Give bool values."""
        return np.asarray(tile.array > along(self.threshold, self.axis, tile))


@dataclass(frozen=True)
class EnsureDtype(Pointwise):
    """Convert the values to another type, as numpy's `astype`."""

    dtype: str

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, not {self.dtype!r}")

    def process(self, tile: Tensor) -> Array:
        """Give the values in the type."""
        return tile.array.astype(self.dtype, copy=False)


@dataclass(frozen=True)
class ScaleLinear(Pointwise):
    """Give value * gain + offset; several gains or offsets run along `axis`."""

    gain: float | tuple[float, ...] = 1.0
    offset: float | tuple[float, ...] = 0.0
    axis: str | None = None

    def process(self, tile: Tensor) -> Array:
        """Give the scaled values."""
        return np.asarray(tile.array * along(self.gain, self.axis, tile) + along(self.offset, self.axis, tile))


@dataclass(frozen=True)
class FixedZeroMeanUnitVariance(Pointwise):
    """Give (value - mean) / (std + eps) with known figures; several run along `axis`."""

    EPS: ClassVar[float] = 1e-6
    """Added to `std`, as the reference implementation does, so that both give the same numbers."""

    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]
    axis: str | None = None

    def process(self, tile: Tensor) -> Array:
        """Give float64 values."""
        mean, std = along(self.mean, self.axis, tile), along(self.std, self.axis, tile)
        return np.asarray((tile.array.astype(np.float64) - mean) / (std + self.EPS))


@dataclass(frozen=True)
class Sigmoid(Pointwise):
    """Give 1 / (1 + exp(-value))."""

    def process(self, tile: Tensor) -> Array:
        """Give values from 0 to 1."""
        with np.errstate(over="ignore"):  # exp overflows to infinity, whose inverse is the right 0
            return np.asarray(1.0 / (1.0 + np.exp(-tile.array)))


@dataclass(frozen=True)
class Softmax(Pointwise):
    """Give exp(value), divided by its sum along `axis`."""

    axis: str = "channel"

    def process(self, tile: Tensor) -> Array:
        """Give values that sum to 1 along the axis."""
        place = axis_place(self.axis, tile)
        powers = np.exp(tile.array - tile.array.max(axis=place, keepdims=True))
        return np.asarray(powers / powers.sum(axis=place, keepdims=True))
