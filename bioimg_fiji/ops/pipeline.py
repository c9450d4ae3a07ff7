"""Operations in a row, on whole images by tiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bioimg_fiji.errors import PackageError, UntrustedModelError
from bioimg_fiji.ops.base import Array, Op, Sources, Statistics, Tensor
from bioimg_fiji.ops.instances import CellposeFlowDynamics, Decoder, StardistPostprocessing
from bioimg_fiji.ops.normalise import Clip, ScaleMeanVariance, ScaleRange, ZeroMeanUnitVariance
from bioimg_fiji.ops.pointwise import (
    Binarize,
    EnsureDtype,
    FixedZeroMeanUnitVariance,
    ScaleLinear,
    Sigmoid,
    Softmax,
)
from bioimg_fiji.ops.stream import Block, Stream

KNOWN_OPS: Mapping[str, type[Op]] = {
    "binarize": Binarize,
    "cellpose_flow_dynamics": CellposeFlowDynamics,
    "clip": Clip,
    "ensure_dtype": EnsureDtype,
    "fixed_zero_mean_unit_variance": FixedZeroMeanUnitVariance,
    "scale_linear": ScaleLinear,
    "scale_mean_variance": ScaleMeanVariance,
    "scale_range": ScaleRange,
    "sigmoid": Sigmoid,
    "softmax": Softmax,
    "stardist_postprocessing": StardistPostprocessing,
    "zero_mean_unit_variance": ZeroMeanUnitVariance,
}
"""Every operation by its id in the description."""


@dataclass(frozen=True)
class Pipeline:
    """Operations of one tensor.

    Parameters
    ----------
    ops
        Operations, in order.
    axes
        Ids of the tensor's axes, in order.
    """

    ops: tuple[Op, ...]
    axes: tuple[str, ...]

    @property
    def needs_whole(self) -> bool:
        """Whether any operation needs figures of the whole image."""
        return any(op.needs_whole for op in self.ops)

    @property
    def decoder(self) -> Decoder | None:
        """The operation that changes the shape, if there is one."""
        return next((op for op in self.ops if isinstance(op, Decoder)), None)

    def statistics(self, whole: Array | Stream, references: Mapping[str, Tensor | Stream]) -> tuple[Statistics, ...]:
        """Measure the whole image, once before its tiles are processed.

        Parameters
        ----------
        whole
            The tensor that will be processed, all of it, at once or as a stream.
        references
            Unprocessed input tensors by id, for operations that name one.

        Returns
        -------
        One set of figures per operation, empty for those that need none.
        """
        found: list[Statistics] = []
        current = whole if isinstance(whole, Stream) else Tensor(whole, self.axes)
        last = max((place for place, op in enumerate(self.ops) if op.needs_whole), default=-1)
        for place, op in enumerate(self.ops):
            figures = op.statistics(Sources(current, _reference(op, current, references))) if op.needs_whole else {}
            found.append(figures)
            if place < last:
                current = _processed(op, current, figures)
        return tuple(found)

    def apply(
        self, tile: Array, statistics: Sequence[Statistics], places: Sequence[Sequence[int]] | None = None
    ) -> Array:
        """Process a tile.

        Parameters
        ----------
        tile
            Part of the tensor.
        statistics
            Figures from `statistics`.
        places
            Per axis, which element of the whole each element of the tile is; None when the tile is the whole.
        """
        for op, figures in zip(self.ops, statistics, strict=True):
            local = figures if places is None else {name: _cut(f, places) for name, f in figures.items()}
            tile = op.apply(Tensor(tile, self.axes), local)
        return tile


def make_op(name: str, kwargs: Mapping[str, Any]) -> Op:
    """Make an operation from its description.

    Raises
    ------
    PackageError
        For an operation that is not known here, or kwargs that it does not take.
    UntrustedModelError
        For "custom": code that the package brings along.
    """
    if name == "custom":
        raise UntrustedModelError(
            "This model's processing runs code from its package (operation 'custom').",
            fix="Use a model without custom operations.",
            op=name,
        )
    if name not in KNOWN_OPS:
        raise PackageError(
            f"The model asks for the operation {name!r}, which is not known here.",
            fix=f"Known are {', '.join(KNOWN_OPS)}.",
            op=name,
        )
    try:
        return KNOWN_OPS[name](**{key: _frozen(value) for key, value in kwargs.items()})
    except (TypeError, ValueError) as error:
        raise PackageError(
            f"The operation {name!r} has wrong kwargs {dict(kwargs)}: {error}.",
            fix="Correct the model description.",
            op=name,
        ) from error


def make_pipeline(ops: Iterable[tuple[str, Mapping[str, Any]]], axes: Sequence[str]) -> Pipeline:
    """Make the operations of one tensor from (id, kwargs) pairs."""
    return Pipeline(tuple(make_op(name, kwargs) for name, kwargs in ops), tuple(axes))


def _processed(op: Op, tensor: Tensor | Stream, figures: Statistics) -> Tensor | Stream:
    if isinstance(tensor, Tensor):
        return Tensor(op.apply(tensor, figures), tensor.axes)
    axes = tensor.axes

    def process(block: Block) -> Array:
        local = {name: _cut(figure, block.places) for name, figure in figures.items()}
        return op.apply(Tensor(block.array, axes), local)

    return tensor.then(process)


def _reference(op: Op, tensor: Tensor | Stream, references: Mapping[str, Tensor | Stream]) -> Tensor | Stream:
    name = op.reference
    if name is None:
        return tensor
    if name not in references:
        raise PackageError(
            f"An operation refers to the tensor {name!r}; the model's inputs are {', '.join(references)}.",
            fix="Correct the model description.",
        )
    return references[name]


def _cut(figure: Array, places: Sequence[Sequence[int]]) -> Array:
    """Give the part of a figure that belongs to a tile: the figure may differ along axes that were not reduced."""
    for axis, chosen in enumerate(places):
        if figure.shape[axis] > 1:
            figure = np.take(figure, np.asarray(chosen), axis=axis)
    return figure


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
