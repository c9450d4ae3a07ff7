"""What a network is shown when it is asked why, or looked into: one plane or volume of an image, in one piece.

Lives here: which part of the image that is, what the network sees of it, and where it lies. Lives not here: tiles of
whole images (predict), attributions (explain), layers (layers).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import ParameterError
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.package.fit import Fit, fit
from bioimg_fiji.package.links import main_input
from bioimg_fiji.predict.samples import loop_shape, samples_of
from bioimg_fiji.runtime.sample import SampleRunner, gathered, taken
from bioimg_fiji.tiling import AxisRule, Span, Tile, plan_tiles

Array = npt.NDArray[Any]
Box = tuple[slice, slice]

MOST = 512
"""Longest side along y and x of what a network is shown at once: its features and gradients must fit into memory."""
MOST_SLICES = 32
NARROWER = 4
"""How many times narrower volumes are shown: features of a volume take as much memory as those of a plane."""


@dataclass(frozen=True)
class Part:
    """Which part of a large image is looked at: rows and columns in whose middle it lies, and its longest side."""

    box: Box | None = None
    most: int = MOST


@dataclass(frozen=True)
class Shown:
    """Part of an image as a network sees it.

    Parameters
    ----------
    package
        The model.
    image
        The whole image.
    way
        How it goes through the model.
    tensor
        The network's input after preprocessing, with the axes of the description.
    spans
        Where it lies in the image, by the letters of the model's spatial axes: `start` to `stop` are pixels of the
        image, up to `outer_stop` they are mirrored.
    """

    package: ModelPackage
    image: Image
    way: Fit
    tensor: Array
    spans: Mapping[str, Span]

    @property
    def letters(self) -> str:
        """The spatial axes, in the order of the tensor."""
        return "".join(letter for letter in main_input(self.package).letters if letter in "zyx")

    @property
    def box(self) -> Box:
        """The part, as rows and columns of the image."""
        return tuple(slice(self.spans[a].start, self.spans[a].stop) for a in "yx")  # type: ignore[return-value]

    @property
    def whole(self) -> bool:
        """Whether the part is all of the plane or volume."""
        sizes = dict(zip(self.way.axes, self.image.shape, strict=True))
        return all((span.start, span.stop) == (0, sizes[letter]) for letter, span in self.spans.items())

    def placed(self, values: Array) -> Image:
        """Give values at the part's pixels (axes `letters`) as an image as large as the plane or volume, 0 around them.

        float32, with the image's calibration, without its channels' colours and names.
        """
        sizes = dict(zip(self.way.axes, self.image.shape, strict=True))
        pixels = np.zeros([sizes[letter] for letter in self.letters], np.float32)
        place = tuple(slice(self.spans[letter].start, self.spans[letter].stop) for letter in self.letters)
        pixels[place] = values[tuple(slice(0, part.stop - part.start) for part in place)]
        return self.base().with_pixels(pixels, self.letters)

    def base(self) -> Image:
        """Give the image to build results from: under the axes that the model understands, without its values' unit."""
        image = self.image.with_axes(self.way.axes) if self.way.axes != self.image.axes else self.image
        return dataclasses.replace(image, channels=(), intensity=None, labels=(), mode="grayscale")

    def scale(self, letter: str, size: int) -> Scale:
        """Give the calibration of an axis of a layer that has `size` elements for the network's whole input."""
        before, span = self.base().scale(letter), self.spans[letter]
        ratio = span.size / size
        return Scale(before.step * ratio, before.unit, (before.origin - span.start) / ratio)

    def elements(self, letter: str, size: int) -> int:
        """Give how many of a layer's `size` elements along an axis are of the image, and not of what is mirrored."""
        span = self.spans[letter]
        return max(1, math.ceil((span.stop - span.start) * size / span.size))


def shown(
    image: Image, package: ModelPackage, tell: Callable[[str], None], axes: str | None = None, part: Part | None = None
) -> Shown:
    """Prepare what a network is shown of an image.

    Of a stack or movie it is the middle one of what the model sees at a time, of several channels that it takes one by
    one the first. Images larger than `part` says are cut to the middle of its box, or to their own. Statistics of the
    preprocessing are those of the whole plane or volume, as in a run.

    Parameters
    ----------
    image
        Image with any axes.
    package
        A model of one image.
    tell
        Is told what was left out.
    axes
        Other letters for the image's axes; None: its own.
    part
        Where the part lies, and how large it is.

    Raises
    ------
    ParameterError
        When the model takes several images.
    BioimgError
        What `bioimg_fiji.package.fit.fit` raises.
    """
    if sum(not tensor.optional for tensor in package.inputs) > 1:
        raise ParameterError(
            f"{package.name} takes {len(package.inputs)} images; this command looks into models of one.",
            fix="Choose another model.",
            field="model",
        )
    way = fit(image, package, axes or None)
    sizes = dict(zip(way.axes, image.shape, strict=True))
    name = main_input(package).id
    sample = _middle(image, way, package, tell)[name]
    spans = _spans(way, sizes, part or Part())
    runner = SampleRunner(package, way.tiled, plan_tiles([sizes[a] for a in way.tiled], way.rules))
    measured = runner.measure({name: sample})
    places = runner.places(name, Tile(tuple(spans[letter] for letter in way.tiled)), sample.shape)
    tensor = runner.prepared(name, gathered(sample[taken(places)], places), measured, places)
    found = Shown(package, image, way, tensor, spans)
    if not found.whole:
        size = " x ".join(str(span.stop - span.start) for span in spans.values())
        where = "around the selection" if part is not None and part.box else "in the middle"
        tell(f"{image.title} is large: a part of {size} pixels {where} is looked at.")
    return found


def _middle(image: Image, way: Fit, package: ModelPackage, tell: Callable[[str], None]) -> dict[str, Array]:
    """Give one sample: the middle one along the axes that are looped over, the first channel."""
    loop = loop_shape(image, way)
    place = tuple(0 if letter == "c" else size // 2 for letter, size in zip(way.looped, loop, strict=True))
    if math.prod(loop) > 1:
        said = ", ".join(f"{a} = {n + 1}" for a, n, size in zip(way.looped, place, loop, strict=True) if size > 1)
        tell(f"{package.name} sees {image.title} part by part: {said} is looked at. For another, duplicate it first.")
    number = int(np.ravel_multi_index(place, loop)) if loop else 0
    return next(itertools.islice(samples_of(image, {}, way, package), number, None))


def _spans(way: Fit, sizes: Mapping[str, int], part: Part) -> dict[str, Span]:
    """Choose the part along each axis, of a size that the model takes."""
    rules = dict(zip(way.tiled, way.rules, strict=True))
    middles = {letter: sizes[letter] // 2 for letter in way.tiled}
    if part.box is not None:
        middles |= {letter: (ends.start + ends.stop) // 2 for letter, ends in zip("yx", part.box, strict=True)}
    side = part.most // NARROWER if "z" in way.tiled and sizes["z"] > 1 else part.most
    most = {"z": MOST_SLICES, "y": side, "x": side}
    lengths = {letter: _size(sizes[letter], rules[letter], most.get(letter, sizes[letter])) for letter in way.tiled}
    for letter, (other, more) in way.follows.items():
        lengths[other] = max(lengths[other], rules[other].fit(lengths[letter] - more))
        lengths[letter] = lengths[other] + more
    return {a: _span(sizes[a], lengths[a], middles[a], rules[a].grid) for a in way.tiled}


def _size(length: int, rule: AxisRule, most: int) -> int:
    size = rule.fit(min(length, most))
    return max(rule.minimum, size - rule.step) if size > most >= rule.minimum else size


def _span(length: int, size: int, middle: int, grid: int) -> Span:
    if size >= length:
        return Span(0, length, 0, size)
    start = min(max(0, middle - size // 2), length - size) // grid * grid
    return Span(start, min(start + size, length), start, start + size)
