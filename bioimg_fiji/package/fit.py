"""Which axes of an image a model sees, and in what sizes. Nothing is guessed: what is not clear is an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bioimg_fiji.errors import AxesError, PackageError
from bioimg_fiji.image import Image
from bioimg_fiji.package.model import ModelPackage, Size, SizeReference, TensorAxis, TensorSpec
from bioimg_fiji.tiling import AxisRule


@dataclass(frozen=True)
class Fit:
    """How an image goes through a model.

    Parameters
    ----------
    axes
        The image's axes under the letters that the model is to understand.
    looped
        Those that the model has not, in the image's order: it runs once for each of their elements.
    seen
        The model's axes without b, in the model's order; one that the image lacks has size 1 (c only).
    tiled
        Those of `seen` that are cut into tiles, in the model's order.
    rules
        Sizes that the model takes, for each of `tiled`.
    """

    axes: str
    looped: str
    seen: str
    tiled: str
    rules: tuple[AxisRule, ...]


def fit(image: Image, package: ModelPackage, axes: str | None = None) -> Fit:
    """Fit an image to a model.

    Parameters
    ----------
    image
        The image.
    package
        A model with one input.
    axes
        Other letters for the image's axes, where it has them wrong ("zyx" for a stack that was opened as a movie).

    Raises
    ------
    AxesError
        When the model needs an axis that the image lacks, or another number of channels.
    PackageError
        When the model is of a kind that does not run here.
    """
    letters = image.with_axes(axes).axes if axes else image.axes
    tensor = _only_input(package)
    needed = tensor.letters.replace("b", "")
    for axis in tensor.axes:
        _check_axis(axis, letters, image, package)
    channels = _channels(tensor)
    size = dict(zip(letters, image.shape, strict=True))
    per_channel = channels is None or (channels == 1 and size.get("c", 1) > 1)
    if channels is not None and not per_channel and size.get("c", 1) != channels:
        raise AxesError(
            f"{package.name} needs {channels} channels ({_names(tensor)}); the image has {size.get('c', 1)}.",
            fix=f"Give an image with {channels} channels, or say with axes= which of its axes is c.",
            axes=letters,
        )
    looped = "".join(a for a in letters if a not in needed or (a == "c" and per_channel))
    tiled = needed.replace("c", "")
    return Fit(letters, looped, needed, tiled, tuple(_rule(package, tensor, letter) for letter in tiled))


def _only_input(package: ModelPackage) -> TensorSpec:
    if len(package.inputs) != 1:
        names = ", ".join(tensor.id for tensor in package.inputs)
        raise PackageError(
            f"{package.name} takes {len(package.inputs)} inputs ({names}); models with one image run here.",
            fix="Choose a model with one input.",
            field="inputs",
        )
    return package.inputs[0]


def _check_axis(axis: TensorAxis, letters: str, image: Image, package: ModelPackage) -> None:
    if not axis.letter:
        raise PackageError(
            f"{package.name} has an axis {axis.id!r} ({axis.type}), which no image has.",
            fix="Choose a model with the axes b, t, c, z, y, x.",
            field="inputs",
        )
    if axis.letter in "bc" or axis.letter in letters:
        return
    others = [a for a in letters if a not in "yx"]
    choices = [f"axes={letters.replace(other, axis.letter)}" for other in others]
    fix = f"If one of the image's axes is {axis.letter}, say so: {' or '.join(choices)}." if choices else ""
    raise AxesError(
        f"{package.name} needs the axis {axis.letter!r}; the image has {', '.join(letters)}.",
        fix=fix or f"Give an image with the axis {axis.letter!r}.",
        axis=axis.letter,
        axes=letters,
        sizes=list(image.shape),
    )


def _channels(tensor: TensorSpec) -> int | None:
    axis = tensor.axis("c")
    return None if axis is None else len(axis.channel_names)


def _names(tensor: TensorSpec) -> str:
    axis = tensor.axis("c")
    return "" if axis is None else ", ".join(axis.channel_names)


def _rule(package: ModelPackage, tensor: TensorSpec, letter: str) -> AxisRule:
    axis = tensor.axis(letter)
    if axis is None:
        raise PackageError(f"{package.name} has no axis {letter!r}.", fix="Correct the description.", field="inputs")
    size = _resolved(axis.size, tensor)
    halo = max(_halo(package, output, axis, tensor) for output in package.outputs)
    own = _own_sizes(package, axis.id)
    try:
        return AxisRule(**own) if own else AxisRule(size.minimum, size.step, halo)
    except ValueError as error:
        raise PackageError(
            f"{package.name} has sizes along {axis.id!r} that cannot be tiled: {error}.",
            fix="Correct the description.",
            field="inputs",
        ) from error


def _resolved(size: Size | SizeReference | None, tensor: TensorSpec) -> Size:
    """Give the size of an input's axis; one that follows another axis is known only where that one is fixed."""
    if isinstance(size, Size):
        return size
    if isinstance(size, SizeReference) and size.tensor == tensor.id:
        other = next((axis.size for axis in tensor.axes if axis.id == size.axis), None)
        if isinstance(other, Size) and other.step == 0:
            return Size(other.minimum + size.offset)
    raise PackageError(
        f"The input {tensor.id!r} has an axis whose size follows another's, which does not run here.",
        fix="Choose a model with sizes of its own per axis.",
        field="inputs",
    )


def _halo(package: ModelPackage, output: TensorSpec, axis: TensorAxis, tensor: TensorSpec) -> int:
    """Give the halo of an output along an axis; the output must have the input's size there."""
    found = output.axis(axis.letter)
    same = False
    if found is not None and isinstance(found.size, SizeReference):
        other = found.size
        same = (other.tensor, other.axis, other.offset) == (tensor.id, axis.id, 0) and found.scale == axis.scale
    elif found is not None and isinstance(found.size, Size) and isinstance(axis.size, Size):
        same = found.size == axis.size and found.size.step == 0
    if found is None or not same:
        raise PackageError(
            f"The output {output.id!r} of {package.name} has another size than its input along {axis.id!r}; "
            "such models do not run here.",
            fix="Choose a model whose output has the size of its input.",
            field="outputs",
        )
    return found.halo


def _own_sizes(package: ModelPackage, axis: str) -> Mapping[str, Any]:
    """Give the sizes that our own packages tell besides: the specification wants larger ones than the network does."""
    sizes = package.own.get("sizes")
    own = sizes.get(axis) if isinstance(sizes, Mapping) else None
    if own is None:
        return {}
    names = {"minimum", "step", "halo"}
    if not isinstance(own, Mapping) or set(own) != names or any(type(own[n]) is not int for n in names):
        raise PackageError(
            f"config.bioimg_fiji.sizes.{axis} must have whole numbers for {', '.join(sorted(names))}.",
            fix="Correct the description.",
            field="config.bioimg_fiji.sizes",
        )
    return own
