"""Operations that need figures of the whole image.

Each follows the class of the same name in the bioimage.io model description 0.5. "Whole image" is what the model
would see were it run without tiles: all of its axes, one batch entry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bioimg_fiji.ops.base import Array, Op, Sources, Statistics, Tensor, mean_and_std, quantiles

Axes = tuple[str, ...] | None


@dataclass(frozen=True)
class ZeroMeanUnitVariance(Op):
    """Give (value - mean) / (std + eps), mean and standard deviation taken over `axes` (None: all)."""

    axes: Axes = None
    eps: float = 1e-6

    def statistics(self, sources: Sources) -> Statistics:
        """Measure mean and standard deviation."""
        mean, std = mean_and_std(sources.tensor, self.axes)
        return {"mean": mean, "std": std}

    def apply(self, tile: Tensor, statistics: Statistics) -> Array:
        """Give float64 values."""
        return np.asarray((tile.array - statistics["mean"]) / (statistics["std"] + self.eps))


@dataclass(frozen=True)
class ScaleRange(Op):
    """Give (value - low) / (high - low + eps), low and high being percentiles over `axes` (None: all)."""

    axes: Axes = None
    min_percentile: float = 0.0
    max_percentile: float = 100.0
    eps: float = 1e-6
    reference_tensor: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.min_percentile < self.max_percentile <= 100:
            raise ValueError(f"percentiles must rise within 0 and 100: {self.min_percentile}, {self.max_percentile}")

    @property
    def reference(self) -> str | None:
        """Percentiles may be those of an input."""
        return self.reference_tensor

    def statistics(self, sources: Sources) -> Statistics:
        """Measure both percentiles, interpolated linearly."""
        low, high = quantiles(sources.reference, self.axes, (self.min_percentile, self.max_percentile), "linear")
        return {"low": low, "high": high}

    def apply(self, tile: Tensor, statistics: Statistics) -> Array:
        """Give float64 values."""
        low, high = statistics["low"], statistics["high"]
        return np.asarray((tile.array - low) / (high - low + self.eps))


@dataclass(frozen=True)
class ScaleMeanVariance(Op):
    """Give (value - mean) / (std + eps) * (reference std + eps) + reference mean, over `axes` (None: all)."""

    reference_tensor: str
    axes: Axes = None
    eps: float = 1e-6

    @property
    def reference(self) -> str | None:
        """Two of the figures are those of an input."""
        return self.reference_tensor

    def statistics(self, sources: Sources) -> Statistics:
        """Measure mean and standard deviation of both tensors."""
        mean, std = mean_and_std(sources.tensor, self.axes)
        reference_mean, reference_std = mean_and_std(sources.reference, self.axes)
        return {"mean": mean, "std": std, "reference_mean": reference_mean, "reference_std": reference_std}

    def apply(self, tile: Tensor, statistics: Statistics) -> Array:
        """Give float64 values."""
        normal = (tile.array - statistics["mean"]) / (statistics["std"] + self.eps)
        return np.asarray(normal * (statistics["reference_std"] + self.eps) + statistics["reference_mean"])


@dataclass(frozen=True)
class Clip(Op):
    """Bring values below `min` to it, and those above `max`; either may be a percentile over `axes` (None: all)."""

    min: float | None = None
    max: float | None = None
    min_percentile: float | None = None
    max_percentile: float | None = None
    axes: Axes = None

    def __post_init__(self) -> None:
        if {self.min, self.max, self.min_percentile, self.max_percentile} == {None}:
            raise ValueError("clip needs a minimum or a maximum")
        if None not in (self.min, self.min_percentile) or None not in (self.max, self.max_percentile):
            raise ValueError("clip takes a value or a percentile for one end, not both")

    @property
    def needs_whole(self) -> bool:  # type: ignore[override]
        """Percentiles are of the whole image; fixed values need nothing."""
        return self.min_percentile is not None or self.max_percentile is not None

    def statistics(self, sources: Sources) -> Statistics:
        """Measure the percentiles that are asked for.

        Per sample the reference implementation takes a value that occurs; over all samples it interpolates.
        """
        method = "linear" if self.axes is None or "batch" in self.axes else "inverted_cdf"
        wanted = {"low": self.min_percentile, "high": self.max_percentile}
        return {
            name: quantiles(sources.tensor, self.axes, (percent,), method)[0]
            for name, percent in wanted.items()
            if percent is not None
        }

    def apply(self, tile: Tensor, statistics: Statistics) -> Array:
        """Give the values between both ends, in the tile's type where that is a float."""
        kind = tile.array.dtype if tile.array.dtype.kind == "f" else np.dtype(np.float64)
        low = statistics["low"].astype(kind) if "low" in statistics else self.min
        high = statistics["high"].astype(kind) if "high" in statistics else self.max
        return np.asarray(np.clip(tile.array.astype(kind, copy=False), low, high))
