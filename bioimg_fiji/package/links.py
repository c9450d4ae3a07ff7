"""How the sizes of a model's tensors follow those of its main input.

Along a linked axis, element `n` of the main input lies at `n * ratio` of the tensor, and a main input of size `n` makes
a tensor of size `n * ratio + offset`, as the description says it: `size(other) * scale(other) / scale(own) + offset`.
An axis without a link has a size of its own: fixed, or known only when the model has run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from bioimg_fiji.errors import PackageError
from bioimg_fiji.package.model import ModelPackage, Size, SizeReference, TensorAxis, TensorSpec

_FINEST = 4096
"""Largest denominator of a ratio: 1/3 is written as 0.333333."""


@dataclass(frozen=True)
class Link:
    """An axis that follows the main input's axis `letter`."""

    letter: str
    ratio: Fraction = Fraction(1)
    offset: int = 0

    def place(self, index: int) -> int:
        """Give where element `index` of the main input begins."""
        return math.floor(index * self.ratio)

    def size(self, length: int) -> int:
        """Give the size that belongs to a main input of that length; a fraction of a pixel is one."""
        return math.ceil(length * self.ratio) + self.offset

    def fits(self, size: int, length: int) -> bool:
        """Tell whether a tensor has the size that belongs to a main input of that length."""
        return abs(size - self.offset - length * self.ratio) < 1


Links = Mapping[str, tuple[Link | None, ...]]
"""By the tensor's id: a link or None per axis."""


def main_input(package: ModelPackage) -> TensorSpec:
    """Give the input that the user's image goes to: the first that is not optional, else the first."""
    return next((tensor for tensor in package.inputs if not tensor.optional), package.inputs[0])


def links(package: ModelPackage) -> Links:
    """Link the axes of all inputs and outputs to those of the main input.

    Raises
    ------
    PackageError
        When a size refers to an axis that is not there, or that follows nothing itself.
    """
    main = main_input(package)
    found: dict[str, tuple[Link | None, ...]] = {main.id: tuple(_own(axis) for axis in main.axes)}
    for tensor in (*package.inputs, *package.outputs):
        if tensor.id not in found:
            found[tensor.id] = tuple(_link(axis, tensor, package, found) for axis in tensor.axes)
    return found


def _own(axis: TensorAxis) -> Link | None:
    return Link(axis.letter) if axis.letter and axis.letter not in "bc" else None


def _link(axis: TensorAxis, tensor: TensorSpec, package: ModelPackage, found: Links) -> Link | None:
    if not axis.letter or axis.letter in "bc":
        return None
    if isinstance(axis.size, SizeReference):
        return _followed(axis, axis.size, tensor, package, found)
    main = main_input(package)
    other = main.axis(axis.letter)
    if other is None or axis.size is None:
        return None
    fixed = isinstance(other.size, Size) and other.size.step == 0 and axis.size.step == 0
    if not fixed:
        # Two inputs of free size are images of the same field of view.
        return Link(axis.letter, _ratio(other, axis)) if tensor in package.inputs else None
    assert isinstance(other.size, Size)
    ratio = _ratio(other, axis)
    return Link(axis.letter, ratio) if other.size.minimum * ratio == axis.size.minimum else None


def _followed(
    axis: TensorAxis, size: SizeReference, tensor: TensorSpec, package: ModelPackage, found: Links
) -> Link | None:
    for other in package.inputs:
        for place, each in enumerate(other.axes):
            if (other.id, each.id) == (size.tensor, size.axis) and other.id in found:
                before = found[other.id][place]
                if before is None:
                    return None
                ratio = _ratio(each, axis)
                offset = before.offset * ratio + size.offset
                if offset.denominator != 1:
                    raise _wrong(tensor, axis, "a whole number of pixels")
                return Link(before.letter, before.ratio * ratio, int(offset))
    raise _wrong(tensor, axis, "an axis of an input before it")


def _ratio(other: TensorAxis, axis: TensorAxis) -> Fraction:
    return Fraction(other.scale / axis.scale).limit_denominator(_FINEST)


def _wrong(tensor: TensorSpec, axis: TensorAxis, expected: str) -> PackageError:
    return PackageError(
        f"The size of axis {axis.id!r} of {tensor.id!r} must follow {expected}.",
        fix="Correct the description, or get another package.",
        field=f"{tensor.id}.{axis.id}.size",
    )
