"""The check of one run: what can be told of the image before it, what its tiles tell, and the verdict after it.

Our own packages have statistics of their training images (`fitness.FILE`); of others the test and sample inputs stand
for what the model was made for (`predict.look`).
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import MisfitError, PackageError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.package.attachments import attachments_of
from bioimg_fiji.package.fit import Fit, fit
from bioimg_fiji.package.links import main_input
from bioimg_fiji.predict.look import Finding, check_pixels, findings
from bioimg_fiji.predict.samples import cuts_of, loop_shape
from bioimg_fiji.trust.fitness import FILE, Figures, FitStatistics, Seen, each_normalised
from bioimg_fiji.trust.light import LIGHTS, Fitness, judged, light_of
from bioimg_fiji.trust.told import told_view

Array = npt.NDArray[Any]
Mode = Literal["warn", "strict", "off"]

_LIKE = "The image is like what the model was made for, as far as its test image tells."
_LOOKED_AT = 16
"""Planes of an image whose values are looked at; the features of all are."""


def fit_statistics(package: ModelPackage) -> FitStatistics | None:
    """Read what a package says of its training images; None where it says nothing.

    Raises
    ------
    PackageError
        When it cannot be read.
    """
    file = attachments_of(package).get(FILE)
    if file is None:
        return None
    try:
        return FitStatistics.from_json(json.loads(file.read()))
    except ValueError as error:
        raise PackageError(
            f"The package's {FILE} cannot be read: {error}.", fix="Get the package again, or say fit=off."
        ) from error


@dataclasses.dataclass(frozen=True)
class Excerpt:
    """What of a large image is looked at: `place`, the part along each axis of `image`, whose pixels are not read."""

    image: Image
    place: tuple[slice, ...]

    def samples(self, way: Fit) -> tuple[list[int], int]:
        """Give the numbers of the excerpt's samples in the whole image, and how many that has."""
        sizes = loop_shape(self.image, way)
        parts = dict(zip(way.axes, self.place, strict=True))
        ranges = [range(*parts[letter].indices(size)) for letter, size in zip(way.looped, sizes, strict=True)]
        numbers = [int(np.ravel_multi_index(place, sizes)) if place else 0 for place in itertools.product(*ranges)]
        return numbers, math.prod(sizes)


class FitCheck:
    """Checks whether a model fits the images of a run.

    Parameters
    ----------
    package
        The model.
    mode
        "warn" tells the user, "strict" stops with an error, "off" does nothing.
    axes
        Letters for the image's axes, where it has them wrong.
    job
        Gets the sentences.
    """

    def __init__(self, package: ModelPackage, mode: Mode, axes: str | None, job: Job) -> None:
        self._package, self._mode, self._axes, self._job = package, mode, axes, job
        self._statistics = None if mode == "off" else fit_statistics(package)
        self._tiles: list[tuple[Array, int]] = []
        self._said: list[Finding] = []
        self._values: Figures | None = None
        self._part = False

    @property
    def on(self) -> bool:
        """Whether anything is checked."""
        return self._mode != "off"

    def view(self, weights: str) -> ModelPackage:
        """Give the package to run with these weights: where its features tell something, the same with features."""
        if self._statistics is None or self._statistics.distance is None:
            return self._package
        told = told_view(self._package)
        if told is None or weights not in ("auto", *told.weights):
            return self._package
        more = tuple(output.id for output in told.outputs[len(self._package.outputs) :])
        return dataclasses.replace(told, outputs=self._package.outputs, beside=(*more, *told.beside))

    def features(self, array: Array) -> None:
        """Take the features of a tile, (blocks, channels), in the order of the tiles."""
        # NB: of an image larger than memory, all blocks would be too many to keep
        self._tiles.append((array.sum(axis=0, dtype=np.float64), len(array)))

    def before(self, image: Image, *, part: bool = False) -> None:
        """Look at an image, or at `part` of one, before it is run.

        Raises
        ------
        ImageError
            When it has no pixels, or NaN or infinite values: there is nothing that could fit.
        MisfitError
            When it does not fit, with "strict".
        """
        if not self.on:
            return
        check_pixels(image)
        self._part = part
        way = fit(image, self._package, self._axes)
        self._said = findings(image, way.axes, self._package, sampled=self._statistics is None)
        found = Fitness("green", _LIKE)
        if self._statistics is not None:
            raw = _together(self._raws(self._statistics, image, way)) if self._asks_values(self._statistics) else None
            self._values = self._statistics.figures(Seen(raw))
            found = judged(self._values, images=self._statistics.images)
        self._stop(_with(found, self._said))

    def after(self, image: Image, result: Image | None, tiles: int, excerpt: Excerpt | None = None) -> Fitness | None:
        """Judge the run of an image, and tell the user where it does not fit; None with "off".

        Parameters
        ----------
        image
            The image, or the excerpt, that was given before.
        result
            What the model gave for it.
        tiles
            How many tiles the run had: of one that had to begin again, the last ones count.
        excerpt
            What of the image was given, where that is not all of it.

        Raises
        ------
        MisfitError
            When it does not fit, with "strict".
        """
        if not self.on:
            return None
        found = Fitness("green", _LIKE)
        if self._statistics is not None:
            way = fit(image, self._package, self._axes)
            numbers, count = (None, 0) if excerpt is None else excerpt.samples(way)
            figures = self._figures(self._statistics, image, result, way, tiles, numbers, count)
            found = judged(*figures, self._statistics.images)
        found = _with(found, self._said)
        self._tiles.clear()
        self._stop(found)
        if found.light != "green":
            self._job.note(f"Fit: {found.light}. {found.sentence}")
        return found

    def _figures(
        self,
        statistics: FitStatistics,
        image: Image,
        result: Image | None,
        way: Fit,
        tiles: int,
        numbers: Sequence[int] | None,
        count: int,
    ) -> tuple[Figures, Sequence[Figures]]:
        raws = self._raws(statistics, image, way)
        same = result is not None and result.axes == image.axes and result.shape == image.shape
        keeps = same and self._package.own.get("values") == "input"
        stored = _stored(result, image) if keeps and result is not None else None
        results = None if stored is None else _planes(stored, way, self._package)
        features = self._tiles[-tiles:] if tiles else []
        means, blocks = _pooled(features)
        together = Seen(_together(raws), means, None if results is None else _together(results), blocks=blocks)
        whole = statistics.figures(together, self._values)
        count = raws.count if numbers is None else count
        if count == 1:
            return whole, []
        places = {n if numbers is None else numbers[n]: place for place, n in enumerate(raws.numbers)}
        planes: list[Figures] = []
        each = tiles // count if len(features) == tiles and tiles % count == 0 else 0
        for number in range(count):
            own, blocks = _pooled(features[number * each : (number + 1) * each])
            place = places.get(number) if self._asks_values(statistics) else None
            raw = None if place is None else raws.arrays[place]
            given = None if place is None or results is None else results.arrays[place]
            planes.append(statistics.figures(Seen(raw, own, given, blocks=blocks)))
        return whole, planes

    def _asks_values(self, statistics: FitStatistics) -> bool:
        """Tell whether values tell something: a part does not know the moments by which a whole image is normalised."""
        return not (statistics.normalised and self._part)

    def _raws(self, statistics: FitStatistics, image: Image, way: Fit) -> _Planes:
        raws = _planes(image, way, self._package)
        if statistics.normalised:
            raws.arrays = [each_normalised(each) for each in raws.arrays]
        return raws

    def _stop(self, found: Fitness) -> None:
        if self._mode == "strict" and found.light != "green":
            raise MisfitError(
                f"{self._package.name} does not fit the image (fit=strict, {found.light}): {found.sentence}",
                fix="Say fit=warn to run it all the same.",
                light=found.light,
                figures={name: list(figure) for name, figure in found.figures.items()},
            )


class _Planes:
    """Some planes or volumes (c, (z,) y, x) of an image, their numbers, and how many there are."""

    def __init__(self, arrays: Sequence[Array], numbers: Sequence[int], count: int) -> None:
        self.arrays, self.numbers, self.count = list(arrays), list(numbers), count


def _planes(image: Image, way: Fit, package: ModelPackage) -> _Planes:
    """Give what the model sees of an image, sample by sample; of a window of frames the middle one."""
    tensor = main_input(package)
    cuts = [each[tensor.id] for each in cuts_of(image, {}, way, package)]
    numbers = np.unique(np.linspace(0, len(cuts) - 1, min(len(cuts), _LOOKED_AT)).round().astype(int))
    order = tensor.letters
    arrays = []
    for number in numbers:
        array = cuts[number].of(image.pixels)
        array = np.moveaxis(array, order.index("c"), 0) if "c" in order else array[np.newaxis]
        if way.window is not None:
            array = array[way.window.before : way.window.before + 1]
        rest = order.replace("c", "")
        array = np.moveaxis(array, (1 + rest.index("y"), 1 + rest.index("x")), (-2, -1))
        arrays.append(array.reshape(len(array), -1, *array.shape[-2:]))
    return _Planes(arrays, [int(number) for number in numbers], len(cuts))


def _pooled(tiles: Sequence[tuple[Array, int]]) -> tuple[Array | None, int]:
    """Give the mean features of some tiles as one row, and of how many blocks it is; None where there are none."""
    blocks = sum(count for _, count in tiles)
    return (None, 0) if blocks == 0 else (np.sum([total for total, _ in tiles], axis=0)[np.newaxis] / blocks, blocks)


def _stored(result: Image, image: Image) -> Image | None:
    """Give a result in the image's stored values; None where its calibration cannot be undone."""
    if image.intensity is None:
        return result
    pixels = image.intensity.stored(result.pixels)
    return None if pixels is None else result.with_pixels(pixels)


def _together(planes: _Planes) -> Array:
    """Give all planes as one volume."""
    return planes.arrays[0] if len(planes.arrays) == 1 else np.concatenate(planes.arrays, axis=1)


def _with(found: Fitness, said: Sequence[Finding]) -> Fitness:
    """Add what has been found beside the figures."""
    if not said:
        return found
    worst = light_of(max(each.excess for each in said))
    sentences = [each.sentence for each in said] + [found.sentence] * (found.light != "green")
    light = max(worst, found.light, key=LIGHTS.index)
    return dataclasses.replace(found, light=light, sentence=" ".join(sentences))
