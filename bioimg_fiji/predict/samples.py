"""What a model sees of its images: the elements that are looped over, arranged as its inputs; and the tiles of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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

    Parameters
    ----------
    index
        A number for a looped axis, and everything of the others.
    missing
        Number of axes of size one that the tensor has more; they come first.
    order
        The tensor's axes among the missing and the remaining ones.
    """

    index: tuple[int | slice, ...]
    missing: int
    order: tuple[int, ...]

    def of(self, array: Array) -> Array:
        """Give the sample, as a view."""
        sample = array[self.index]
        return sample.reshape((1,) * self.missing + sample.shape).transpose(self.order)


def cuts_of(image: Image, others: Mapping[str, Image], way: Fit, package: ModelPackage) -> Iterator[dict[str, Cut]]:
    """Tell what the model sees without tiles, by input, once per element of the looped axes."""
    main = main_input(package)
    tensors = {tensor.id: tensor for tensor in package.inputs}
    sources = {main.id: (image.shape, way.axes)}
    sources |= {name: (each.shape, each.axes) for name, each in others.items()}
    for place in itertools.product(*(range(n) for n in loop_shape(image, way))):
        chosen = dict(zip(way.looped, place, strict=True))
        yield {name: _cut(shape, axes, chosen, tensors[name]) for name, (shape, axes) in sources.items()}


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
    rest = "".join(letter for letter in axes if letter not in looped)
    missing = "".join(letter for letter in tensor.letters if letter not in rest)
    return Cut(index, len(missing), tuple((missing + rest).index(letter) for letter in tensor.letters))
