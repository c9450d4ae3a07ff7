"""What a model sees of its images: the elements that are looped over, arranged as its inputs; and the tiles of them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.package import ModelPackage, TensorSpec
from bioimg_fiji.package.fit import Fit
from bioimg_fiji.package.links import main_input
from bioimg_fiji.tiling import AxisRule, TilePlan, choose_tile, plan_tiles

Array = npt.NDArray[Any]


def plan_for(image: Image, way: Fit, package: ModelPackage, side: int, budget: int) -> TilePlan:
    """Plan the tiles of a sample: of the asked side, or of at most `budget` pixels."""
    shape = [image.shape[way.axes.index(letter)] for letter in way.tiled]
    rules = _square(shape, way, side, budget)
    if way.uncut:
        tiles = plan_tiles(shape, rules)
        if len(tiles) > 1 or (side and side < max(tiles.padded)):
            raise ParameterError(
                f"{package.name} cannot run by tiles: {way.uncut}.",
                fix=f"Leave tile at 0, and give an image of at most {' x '.join(str(r.minimum) for r in rules)} pixels."
                if len(tiles) > 1
                else "Leave tile at 0.",
                field="tile",
                expected="0",
                got=side,
            )
        return tiles
    return plan_tiles(shape, rules, (side,) * len(shape) if side else choose_tile(shape, rules, budget))


def _square(shape: list[int], way: Fit, side: int, budget: int) -> tuple[AxisRule, ...]:
    """Fix the sizes of axes that must be as long as each other: every tile has the size of the longest."""
    rules = dict(zip(way.tiled, way.rules, strict=True))
    lengths = dict(zip(way.tiled, shape, strict=True))
    for letter, (other, more) in way.follows.items():
        both, rule = (letter, other), rules[other]
        largest = round(budget ** (1 / len(shape)))
        wanted = min(max(lengths[each] for each in both), side or largest)
        size = max(rule.padded(wanted), rule.smallest_tile) if rule.step else rule.minimum
        halo = max(rules[each].halo for each in both)
        rules[other], rules[letter] = AxisRule(size, 0, halo), AxisRule(size + more, 0, halo)
    return tuple(rules[letter] for letter in way.tiled)


def loop_shape(image: Image, way: Fit) -> tuple[int, ...]:
    """Give the sizes of the axes that are looped over."""
    return tuple(image.shape[way.axes.index(letter)] for letter in way.looped)


@dataclass(frozen=True)
class Cut:
    """One sample of an image's array: which element of each looped axis, and the order of the remaining ones.

    The frames of a window are an axis that remains.

    Parameters
    ----------
    index
        A number for a looped axis, and everything of the others.
    missing
        Number of axes of size one that the tensor has more; they come first.
    order
        The tensor's axes among the missing and the remaining ones.
    frames
        Which elements, along which of the image's axes, are the channels of a model that sees a window of frames.
    """

    index: tuple[int | slice, ...]
    missing: int
    order: tuple[int, ...]
    frames: tuple[int, tuple[int, ...]] | None = None

    def of(self, array: Array) -> Array:
        """Give the sample: a view, or a copy of the few frames of a window that is mirrored at an end of the movie."""
        sample = array[self.index] if self.frames is None else self._framed(array, *self.frames)
        return sample.reshape((1,) * self.missing + sample.shape).transpose(self.order)

    def _framed(self, array: Array, axis: int, which: tuple[int, ...]) -> Array:
        first, last = min(which), max(which)
        index = (*self.index[:axis], slice(first, last + 1), *self.index[axis + 1 :])
        place = sum(isinstance(each, slice) for each in self.index[:axis])
        return gathered_along(array[index], [frame - first for frame in which], place)


def gathered_along(part: Array, which: Sequence[int], axis: int) -> Array:
    """Give elements along an axis; `part` itself where they are all of it, in order."""
    return part if list(which) == list(range(part.shape[axis])) else np.take(part, which, axis=axis)


def cuts_of(image: Image, others: Mapping[str, Image], way: Fit, package: ModelPackage) -> Iterator[dict[str, Cut]]:
    """Tell what the model sees without tiles, by input, once per element of the looped axes."""
    main = main_input(package)
    tensors = {tensor.id: tensor for tensor in package.inputs}
    sources = {main.id: (image.shape, way.axes)}
    sources |= {name: (each.shape, each.axes) for name, each in others.items()}
    for place in itertools.product(*(range(n) for n in loop_shape(image, way))):
        chosen = dict(zip(way.looped, place, strict=True))
        cuts = {name: _cut(shape, axes, chosen, tensors[name]) for name, (shape, axes) in sources.items()}
        if way.window is not None:
            cuts[main.id] = _framed_cut(image.shape, way, chosen, main)
        yield cuts


def samples_of(
    image: Image, others: Mapping[str, Image], way: Fit, package: ModelPackage
) -> Iterator[dict[str, Array]]:
    """Give what the model sees without tiles, by input, once per element of the looped axes."""
    arrays = {main_input(package).id: image.pixels} | {name: each.pixels for name, each in others.items()}
    for cuts in cuts_of(image, others, way, package):
        yield {name: cut.of(arrays[name]) for name, cut in cuts.items()}


def _cut(shape: tuple[int, ...], axes: str, chosen: Mapping[str, int], tensor: TensorSpec) -> Cut:
    """Take one element of each axis that the tensor has not, and arrange the rest as the tensor's axes."""
    looped = [letter for letter in axes if letter in chosen and (letter not in tensor.letters or letter == "c")]
    if "c" in looped and "c" in tensor.letters and len(tensor.axes[tensor.letters.index("c")].channel_names) > 1:
        looped.remove("c")
    index = tuple(min(chosen[a], n - 1) if a in looped else slice(None) for a, n in zip(axes, shape, strict=True))
    return _arranged(index, tensor, "".join(letter for letter in axes if letter not in looped))


def _framed_cut(shape: tuple[int, ...], way: Fit, chosen: Mapping[str, int], tensor: TensorSpec) -> Cut:
    """Take one element of each looped axis but that of the window, whose frames are the tensor's channels."""
    assert way.window is not None
    axis = way.axes.index(way.window.axis)
    index = tuple(chosen[a] if a in chosen and a != way.window.axis else slice(None) for a in way.axes)
    rest = "".join("c" if a == way.window.axis else a for a in way.axes if a == way.window.axis or a not in chosen)
    frames = (axis, way.window.frames(chosen[way.window.axis], shape[axis]))
    return dataclasses.replace(_arranged(index, tensor, rest), frames=frames)


def _arranged(index: tuple[int | slice, ...], tensor: TensorSpec, rest: str) -> Cut:
    missing = "".join(letter for letter in tensor.letters if letter not in rest)
    return Cut(index, len(missing), tuple((missing + rest).index(letter) for letter in tensor.letters))
