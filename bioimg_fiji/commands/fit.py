"""What the commands that run models do for `fit`: look before and after, tell figures, a table and a sentence.

Lives not here: what fits (trust.fitness), what is said (trust.light), how an image is looked at (trust.check).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bioimg_fiji.commands.result import Cell, Table
from bioimg_fiji.errors import MisfitError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.commands.keys import FitMode
    from bioimg_fiji.files.source import Source
    from bioimg_fiji.package import ModelPackage
    from bioimg_fiji.predict import FilePrediction, PredictOptions
    from bioimg_fiji.trust.intervals import Confidence
    from bioimg_fiji.trust.light import Fitness

TABLE = "fit"
"""Name of the table."""

_COLUMNS = ("image", "plane", "fit", "distance", "removed", "noise", "contrast", "sentence")
_FIGURES = {"distance": "fit_distance", "removed": "fit_residual", "noise": "fit_noise", "contrast": "fit_contrast"}


@dataclasses.dataclass(frozen=True)
class Told:
    """Figures and tables that a result gets besides its own."""

    figures: Mapping[str, float | str] = dataclasses.field(default_factory=dict)
    tables: Mapping[str, Table] = dataclasses.field(default_factory=dict)


class Checked:
    """A run that is checked: `package`, `options` and `confidence` are what to run, and tell what is needed."""

    def __init__(
        self,
        package: ModelPackage,
        mode: FitMode,
        options: PredictOptions,
        job: Job,
        confidence: Confidence | None = None,
    ) -> None:
        from bioimg_fiji.trust.check import FitCheck

        self._check = FitCheck(package, mode, options.axes, job)
        self.package = self._check.view(options.weights)
        self.options = dataclasses.replace(
            options, look=False, features=self._check.features if self._check.on else None
        )
        self.confidence = confidence
        if confidence is not None and confidence.made.kind != "head":  # a head's package tells features as it is
            self.confidence = dataclasses.replace(
                confidence, made=dataclasses.replace(confidence.made, package=self.package)
            )

    def before(self, given: Image | Mapping[str, Image]) -> None:
        """Look at what is to be run; with several images at the main one.

        Raises
        ------
        ImageError, MisfitError
            When it has no pixels that a model can be run on; when it does not fit, with `fit=strict`.
        """
        self._check.before(self._main(given))

    def after(self, given: Image | Mapping[str, Image], result: Image | None, tiles: object) -> Told:
        """Judge the run.

        Raises
        ------
        MisfitError
            When it does not fit, with `fit=strict`.
        """
        image = self._main(given)
        return _or_nothing(self._check.after(image, result, int(str(tiles))), image.title)

    def before_parts(self, source: Source) -> None:
        """Look at the middle of an image that is read by parts; errors as of `before`."""
        if self._check.on:
            excerpt = _excerpt(source)
            self._check.before(excerpt, part=excerpt.shape != source.image.shape)

    def after_parts(self, source: Source, result: Image | None, tiles: object) -> Told:
        """Judge the run of an image that is read by parts by its middle and by all features; errors as of `after`."""
        if not self._check.on:
            return Told()
        same = result is not None and result.axes == source.image.axes and result.shape == source.image.shape
        middle = result.with_pixels(result.pixels[_middle(source.image)]) if same and result is not None else None
        return self._after_excerpt(source, middle, tiles)

    def before_file(self, path: Path) -> None:
        """Look at the middle of a file; errors as of `before`."""
        from bioimg_fiji.predict.large import opened

        if self._check.on:
            with opened(path, self.options) as source:
                self.before_parts(source)

    def after_file(self, path: Path, found: FilePrediction) -> Told:
        """Judge the run of a file; errors as of `after`."""
        if not self._check.on:
            return Told()
        from bioimg_fiji.files.source import open_source
        from bioimg_fiji.predict.large import opened

        with opened(path, self.options) as source, open_source(found.files["output"]) as result:
            same = (result.image.axes, result.image.shape) == (source.image.axes, source.image.shape)
            middle = _excerpt(result) if same else None
            try:
                return self._after_excerpt(source, middle, found.report["tiles"])
            except MisfitError as error:
                kept = ", ".join(str(each) for each in found.files.values())
                fix = f"It was computed, and lies in {kept}: delete it, or use it with care. {error.fix}"
                raise MisfitError(error.message, fix=fix, **error.details) from None

    def _after_excerpt(self, source: Source, middle: Image | None, tiles: object) -> Told:
        from bioimg_fiji.trust.check import Excerpt

        excerpt = Excerpt(source.image, _middle(source.image))
        return _or_nothing(self._check.after(_excerpt(source), middle, int(str(tiles)), excerpt), source.image.title)

    def _main(self, given: Image | Mapping[str, Image]) -> Image:
        from bioimg_fiji.package.links import main_input

        return given if isinstance(given, Image) else given[main_input(self.package).id]


def _or_nothing(found: Fitness | None, title: str) -> Told:
    return Told() if found is None else _told(found, title)


def _told(found: Fitness, title: str) -> Told:
    values = {name: figure.value for name, figure in found.figures.items()}
    figures: dict[str, float | str] = {"fit": found.light}
    figures |= {told: round(values[name], 4) for name, told in _FIGURES.items() if name in values}
    if found.plane is not None:
        figures["fit_plane"] = found.plane
    if found.light == "green":
        return Told(figures)
    row: tuple[Cell, ...] = (title, found.plane, found.light, *(values.get(name) for name in _FIGURES), found.sentence)
    return Told(figures, {TABLE: Table(_COLUMNS, (row,))})


_MOST = {"y": 512, "x": 512, "z": 32, "t": 8, "b": 8}


def _middle(image: Image) -> tuple[slice, ...]:
    """Give the place of an image's middle, small enough to be looked at in no time."""
    place = []
    for letter, size in zip(image.axes, image.shape, strict=True):
        length = min(size, _MOST.get(letter, size))
        place.append(slice((size - length) // 2, (size - length) // 2 + length))
    return tuple(place)


def _excerpt(source: Source) -> Image:
    plain = dataclasses.replace(source.image, channels=(), labels=(), rgb=False)
    return plain.with_pixels(source.read(_middle(source.image)))
