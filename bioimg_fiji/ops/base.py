"""What every operation is."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import PackageError
from bioimg_fiji.ops import stream
from bioimg_fiji.ops.stream import Stream

Array = npt.NDArray[Any]

Statistics = Mapping[str, npt.NDArray[np.float64]]
"""Figures of the whole image, each with as many axes as the tensor; reduced axes have size 1."""


@dataclass(frozen=True)
class Tensor:
    """An array with the ids of its axes, in order ("batch", "channel", "y", "x", ...)."""

    array: Array
    axes: tuple[str, ...]


@dataclass(frozen=True)
class Sources:
    """What a statistic may be taken of: the tensor itself, and the unprocessed input that the operation names."""

    tensor: Tensor | Stream
    reference: Tensor | Stream


class Op(abc.ABC):
    """One operation of the description. A subclass is a frozen dataclass whose fields are the operation's `kwargs`."""

    needs_whole: bool = True
    """Whether `apply` needs `statistics` of the whole image."""

    @property
    def reference(self) -> str | None:
        """Id of the unprocessed input tensor that the statistics are of; None for the tensor itself."""
        return None

    @abc.abstractmethod
    def statistics(self, sources: Sources) -> Statistics:
        """Measure the whole image, in float64."""

    @abc.abstractmethod
    def apply(self, tile: Tensor, statistics: Statistics) -> Array:
        """Give the tile, processed; the input is never changed."""


class Pointwise(Op):
    """An operation that needs nothing but the tile."""

    needs_whole = False

    def statistics(self, sources: Sources) -> Statistics:
        """Give none: the tile is enough."""
        del sources
        return {}

    def apply(self, tile: Tensor, statistics: Statistics) -> Array:
        """Give the tile, processed."""
        del statistics
        return self.process(tile)

    @abc.abstractmethod
    def process(self, tile: Tensor) -> Array:
        """Give the tile, processed; the input is never changed."""


def along(values: float | tuple[float, ...], axis: str | None, tensor: Tensor) -> Any:
    """Give values that broadcast over the tensor: a number as it is, a list along its axis.

    Raises
    ------
    PackageError
        When the tensor has no such axis, or one of another size.
    """
    if not isinstance(values, tuple):
        return values
    if len(values) == 1:
        return values[0]
    place = axis_place(axis, tensor)
    if tensor.array.shape[place] != len(values):
        raise PackageError(
            f"{len(values)} values are given along axis {axis!r}, which has {tensor.array.shape[place]} elements.",
            fix="Correct the operation's kwargs in the model description.",
        )
    shape = [1] * tensor.array.ndim
    shape[place] = len(values)
    return np.asarray(values, np.float64).reshape(shape)


def axis_place(axis: str | None, tensor: Tensor | Stream) -> int:
    """Give the position of an axis.

    Raises
    ------
    PackageError
        When the tensor has no such axis.
    """
    if axis is None or axis not in tensor.axes:
        raise PackageError(
            f"An operation names the axis {axis!r}; the tensor has {', '.join(tensor.axes)}.",
            fix="Correct the operation's kwargs in the model description.",
        )
    return tensor.axes.index(axis)


def reduced(axes: tuple[str, ...] | None, tensor: Tensor | Stream) -> tuple[int, ...]:
    """Give the positions of the axes over which a statistic is taken; None means all of them."""
    if axes is None:
        return tuple(range(len(tensor.axes)))
    return tuple(axis_place(axis, tensor) for axis in axes)


def by_blocks(tensor: Tensor | Stream) -> Tensor | Stream:
    """Give a large tensor as blocks: where its pixels are must not change the last bit of a figure."""
    if isinstance(tensor, Tensor) and stream.is_large(tensor.array.shape):
        return stream.blocked(tensor.array, tensor.axes)
    return tensor


def mean_and_std(tensor: Tensor | Stream, axes: tuple[str, ...] | None) -> tuple[Array, Array]:
    """Measure mean and standard deviation over some axes, accumulated in float64."""
    places, tensor = reduced(axes, tensor), by_blocks(tensor)
    if isinstance(tensor, Stream):
        return stream.mean_and_std(tensor, places)
    # NB: numpy sums in an order that follows the memory; only one layout gives the same last bit every time.
    array = np.ascontiguousarray(tensor.array)
    mean = np.asarray(np.mean(array, axis=places, dtype=np.float64, keepdims=True))
    return mean, np.asarray(np.sqrt(np.mean(np.square(array - mean), axis=places, keepdims=True)))


def quantiles(tensor: Tensor | Stream, axes: tuple[str, ...] | None, percents: tuple[float, ...], method: str) -> Array:
    """Measure percentiles over some axes; the first axis of the result runs over `percents`."""
    tensor = by_blocks(tensor)
    if isinstance(tensor, Stream):
        return stream.quantiles(tensor, reduced(axes, tensor), percents, method)
    array = np.ascontiguousarray(tensor.array)
    return np.percentile(array, percents, axis=reduced(axes, tensor), method=method, keepdims=True).astype(np.float64)  # type: ignore[call-overload, no-any-return]
