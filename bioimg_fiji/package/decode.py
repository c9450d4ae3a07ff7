"""What a network gives where the description's output is what an operation makes of it."""

from __future__ import annotations

import dataclasses
import math

from bioimg_fiji.errors import PackageError
from bioimg_fiji.ops import make_pipeline
from bioimg_fiji.package.model import ModelPackage, Size, SizeReference, TensorAxis, TensorSpec


def before_decoding(package: ModelPackage) -> ModelPackage:
    """Give the package with its outputs as the network makes them.

    An operation that finds objects gives one channel of labels, several times larger than the network's output: the
    description has the labels' sizes.

    Raises
    ------
    PackageError
        When the sizes do not fit, or an operation is not known.
    """
    outputs = tuple(_before(tensor) for tensor in package.outputs)
    return package if outputs == package.outputs else dataclasses.replace(package, outputs=outputs)


def _before(tensor: TensorSpec) -> TensorSpec:
    decoder = make_pipeline(((op.id, op.kwargs) for op in tensor.ops), tensor.axis_ids).decoder
    if decoder is None:
        return tensor
    if tensor.axis("c") is None:
        raise PackageError(
            f"The output {tensor.id!r} has no channel axis, and its objects are found in several channels.",
            fix="Correct the description.",
            field=f"{tensor.id}.axes",
        )
    space = [letter for letter in "zyx" if letter in tensor.letters]
    factors = dict(zip(reversed(space), reversed(decoder.scale), strict=False))
    axes = tuple(
        dataclasses.replace(axis, size=Size(decoder.channels), channel_names=())
        if axis.letter == "c"
        else _coarse(tensor, axis, factors.get(axis.letter, 1))
        for axis in tensor.axes
    )
    return dataclasses.replace(tensor, axes=axes)


def _coarse(tensor: TensorSpec, axis: TensorAxis, factor: int) -> TensorAxis:
    """Give an axis of pixels that are `factor` times as large."""
    size = axis.size
    if isinstance(size, SizeReference):
        wrong, size = size.offset % factor, dataclasses.replace(size, offset=size.offset // factor)
    elif isinstance(size, Size):
        wrong, size = size.minimum % factor or size.step % factor, Size(size.minimum // factor, size.step // factor)
    else:
        wrong = 0
    if wrong:
        raise PackageError(
            f"The sizes of axis {axis.id!r} of {tensor.id!r} are no multiples of the grid, {factor}.",
            fix="Correct the description.",
            field=f"{tensor.id}.{axis.id}.size",
        )
    return dataclasses.replace(axis, size=size, scale=axis.scale * factor, halo=math.ceil(axis.halo / factor))
