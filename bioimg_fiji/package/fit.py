"""Which axes of an image a model sees, and in what sizes. Nothing is guessed: what is not clear is an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bioimg_fiji.errors import AxesError, PackageError, ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.package.decode import before_decoding
from bioimg_fiji.package.links import Links, links, main_input
from bioimg_fiji.package.model import ModelPackage, Size, SizeReference, TensorAxis, TensorSpec
from bioimg_fiji.package.window import Window, window_of
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
    follows
        Axes of `tiled` whose size is another's plus a number: (other letter, number) by letter.
    links
        How the axes of the inputs and outputs follow those of the main input.
    uncut
        Why the model must see the whole image at once; empty where tiles are right.
    window
        The frames that the model sees as channels, around each one that is looped over; None where it sees channels.
    """

    axes: str
    looped: str
    seen: str
    tiled: str
    rules: tuple[AxisRule, ...]
    follows: Mapping[str, tuple[str, int]]
    links: Links
    uncut: str = ""
    window: Window | None = None


def fit(image: Image, package: ModelPackage, axes: str | None = None, others: Mapping[str, Image] | None = None) -> Fit:
    """Fit an image to a model.

    Parameters
    ----------
    image
        The image for the main input.
    package
        The model.
    axes
        Other letters for the image's axes, where it has them wrong ("zyx" for a stack that was opened as a movie).
    others
        Images for the model's other inputs, by their ids; None does not look at them.

    Raises
    ------
    AxesError
        When the model needs an axis that an image lacks, or another number of channels.
    PackageError
        When the model is of a kind that does not run here.
    ParameterError
        When an input has no image, or an image no input.
    """
    letters = image.with_axes(axes).axes if axes else image.axes
    tensor = main_input(package)
    needed = tensor.letters.replace("b", "")
    for axis in tensor.axes:
        _check_axis(axis, letters, image, package)
    window = window_of(package)
    if window is not None:
        _check_movie(window, letters, image, package)
    channels = _channels(tensor)
    size = dict(zip(letters, image.shape, strict=True))
    per_channel = window is not None or channels is None or (channels == 1 and size.get("c", 1) > 1)
    if channels is not None and not per_channel:
        _check_channels(size.get("c", 1), tensor, package, letters)
    looped = "".join(a for a in letters if a not in needed or (a == "c" and per_channel))
    tiled = needed.replace("c", "")
    made = before_decoding(package)
    linked, made_links = links(package), links(made)
    if others is not None:
        _check_others(others, package, size, linked)
    return Fit(
        letters,
        looped,
        needed,
        tiled,
        tuple(_rule(made, tensor, letter, made_links) for letter in tiled),
        _follows(tensor),
        linked,
        _uncut(made, tiled, made_links),
        window,
    )


def _check_channels(found: int, tensor: TensorSpec, package: ModelPackage, letters: str) -> None:
    channels = _channels(tensor) or 1
    if found != channels:
        raise AxesError(
            f"{package.name} needs {channels} channels ({_names(tensor)}); the image has {found}.",
            fix=f"Give an image with {channels} channels, or say with axes= which of its axes is c.",
            axes=letters,
        )


def _check_others(others: Mapping[str, Image], package: ModelPackage, size: Mapping[str, int], linked: Links) -> None:
    """Check that each further input has an image, of the size that belongs to the main one."""
    main = main_input(package)
    wanted = {tensor.id: tensor for tensor in package.inputs if tensor.id != main.id}
    missing = [name for name, tensor in wanted.items() if name not in others and not tensor.optional]
    unknown = [name for name in others if name not in wanted]
    if missing or unknown:
        names = ", ".join(tensor.id for tensor in package.inputs)
        raise ParameterError(
            f"{package.name} takes {len(package.inputs)} inputs ({names}); "
            + (f"{', '.join(missing)} is missing." if missing else f"it has no {', '.join(unknown)}."),
            fix="Give one image for each of them: image is the first, image2 and image3 are the others.",
            field="image",
            expected=names,
            got=[main.id, *others],
        )
    for name, image in others.items():
        tensor = wanted[name]
        for axis, link in zip(tensor.axes, linked[name], strict=True):
            _check_axis(axis, image.axes, image, package)
            if link is not None and image.size(axis.letter) != link.size(size[link.letter]):
                raise AxesError(
                    f"The image for {name!r} has {image.size(axis.letter)} pixels along {axis.letter!r}; "
                    f"beside an image of {size[link.letter]} it needs {link.size(size[link.letter])}.",
                    fix="Give images of the same field of view.",
                    axis=axis.letter,
                )
        if (channels := _channels(tensor)) is not None and image.size("c") != channels:
            _check_channels(image.size("c"), tensor, package, image.axes)
        for letter in image.axes:
            if letter not in tensor.letters and image.size(letter) not in (1, size.get(letter, 1)):
                raise AxesError(
                    f"The image for {name!r} has {image.size(letter)} along {letter!r}; "
                    f"the main image has {size.get(letter, 1)}.",
                    fix="Give images of the same length.",
                    axis=letter,
                )


def _uncut(package: ModelPackage, tiled: str, linked: Links) -> str:
    """Tell why tiles would be wrong: something does not follow the image."""
    for tensor in package.outputs:
        followed = {link.letter for link in linked[tensor.id] if link is not None}
        lacking = [letter for letter in tiled if letter not in followed]
        if lacking:
            return f"its output {tensor.id!r} does not follow the image along {', '.join(lacking)}"
    return ""


def _check_axis(axis: TensorAxis, letters: str, image: Image, package: ModelPackage) -> None:
    if not axis.letter:
        raise PackageError(
            f"{package.name} has an axis {axis.id!r} ({axis.type}), which no image has.",
            fix="Choose a model with the axes b, t, c, z, y, x.",
            field="inputs",
        )
    if axis.letter not in "bc" and axis.letter not in letters:
        raise _lacks(axis.letter, letters, image, package)


def _check_movie(window: Window, letters: str, image: Image, package: ModelPackage) -> None:
    """Check that there are frames: one alone has no neighbours to learn from."""
    if window.axis not in letters:
        raise _lacks(window.axis, letters, image, package)
    if image.shape[letters.index(window.axis)] < 2:
        raise AxesError(
            f"{package.name} sees {window.length} frames of a movie at a time; the image has one.",
            fix="Give a movie of several frames.",
            axis=window.axis,
            axes=letters,
            sizes=list(image.shape),
        )


def _lacks(letter: str, letters: str, image: Image, package: ModelPackage) -> AxesError:
    others = [a for a in letters if a not in "yx"]
    choices = [f"axes={letters.replace(other, letter)}" for other in others]
    fix = f"If one of the image's axes is {letter}, say so: {' or '.join(choices)}." if choices else ""
    return AxesError(
        f"{package.name} needs the axis {letter!r}; the image has {', '.join(letters)}.",
        fix=fix or f"Give an image with the axis {letter!r}.",
        axis=letter,
        axes=letters,
        sizes=list(image.shape),
    )


def _channels(tensor: TensorSpec) -> int | None:
    axis = tensor.axis("c")
    return None if axis is None else len(axis.channel_names)


def _names(tensor: TensorSpec) -> str:
    axis = tensor.axis("c")
    return "" if axis is None else ", ".join(axis.channel_names)


def _rule(package: ModelPackage, tensor: TensorSpec, letter: str, linked: Links) -> AxisRule:
    axis = tensor.axis(letter)
    if axis is None:
        raise PackageError(f"{package.name} has no axis {letter!r}.", fix="Correct the description.", field="inputs")
    minimum, step = _resolved(axis.size, tensor)
    halo, whole = 0, 1
    for output in package.outputs:
        for each, link in zip(output.axes, linked[output.id], strict=True):
            if link is not None and link.letter == letter:
                # What a network without padding loses at a border of the tile is lost there only.
                halo = max(halo, math.ceil((each.halo + max(0, -link.offset)) / link.ratio))
                whole = math.lcm(whole, link.ratio.denominator)
    own = _own_sizes(package, axis.id)
    try:
        rule = AxisRule(**own) if own else AxisRule(minimum, step, halo)
        return _on_whole_pixels(rule, whole)
    except ValueError as error:
        raise PackageError(
            f"{package.name} has sizes along {axis.id!r} that cannot be tiled: {error}.",
            fix="Correct the description.",
            field="inputs",
        ) from error


def _on_whole_pixels(rule: AxisRule, whole: int) -> AxisRule:
    """Take of the sizes those that make outputs of whole pixels: a multiple of `whole`."""
    if whole == 1:
        return rule
    if rule.step == 0:
        if rule.grid % whole:
            raise ValueError(f"tiles cannot begin at multiples of {whole} pixels: {rule}")
        return rule
    sizes = (rule.minimum + n * rule.step for n in range(whole))
    minimum = next((size for size in sizes if size % whole == 0), rule.minimum)
    return AxisRule(minimum, math.lcm(rule.step, whole), rule.halo)


def _resolved(size: Size | SizeReference | None, tensor: TensorSpec) -> tuple[int, int]:
    """Give minimum and step of an input's axis; one that follows another has that one's."""
    seen: list[str] = []
    more = 0
    while isinstance(size, SizeReference) and size.tensor == tensor.id and size.axis not in seen:
        seen.append(size.axis)
        more += size.offset
        reference = size.axis
        size = next((axis.size for axis in tensor.axes if axis.id == reference), None)
    if not isinstance(size, Size) or size.minimum + more < 1:
        raise PackageError(
            f"The input {tensor.id!r} has an axis whose size depends on another tensor's, which does not run here.",
            fix="Choose a model whose first input has sizes of its own.",
            field="inputs",
        )
    return size.minimum + more, size.step


def _follows(tensor: TensorSpec) -> Mapping[str, tuple[str, int]]:
    """Give the axes that are as long as another of the same input, plus a number."""
    letters = {axis.id: axis.letter for axis in tensor.axes}
    return {
        axis.letter: (letters[axis.size.axis], axis.size.offset)
        for axis in tensor.axes
        if isinstance(axis.size, SizeReference) and axis.letter not in "bc"
    }


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
