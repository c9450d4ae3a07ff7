"""How far the answers to one question lie apart: the same image turned, or told by other models.

Each member is run as any model is, by tiles and looped over what the model has not, and its result is turned back. The
spread is the standard deviation of the members; the result itself is that of the plain run, untouched.

Lives here: who the members are, and their spread. Lives not here: what a spread means (conformal), images of bounds
(intervals).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from bioimg_fiji.errors import PackageError, ParameterError
from bioimg_fiji.files.source import Array, MemorySource, RawSource, Source
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.package.fit import fit
from bioimg_fiji.package.links import main_input
from bioimg_fiji.predict import Prediction, PredictOptions, predict, predict_source
from bioimg_fiji.runtime import Adapter
from bioimg_fiji.trust.conformal import SpreadKind
from bioimg_fiji.trust.told import SPREAD, told_view
from bioimg_fiji.trust.turns import PLAIN, Turn, TurnedSource, blocks, turned

SpreadName = Literal["auto", "head", "augmentation", "ensemble"]

MIRRORED = ("", "y", "x", "yx")

Loaded = Callable[[ModelPackage], Adapter]
"""Gives the loaded model of a package, where the caller has them; none is closed then."""


@dataclass(frozen=True)
class Spreading:
    """Where a spread comes from.

    Parameters
    ----------
    kind
        "head", "augmentation" or "ensemble".
    package
        What gives the result; with a head, the view of it that tells the spread too.
    others
        The further models of an ensemble.
    """

    kind: SpreadKind
    package: ModelPackage
    others: tuple[ModelPackage, ...] = ()


class Sums:
    """The members' differences from the plain result, and their squares, summed pixel by pixel: in memory.

    Parameters
    ----------
    shape
        Shape of the result.

    Attributes
    ----------
    done
        Numbers of the members (from 1) that are in the sums already, and are not run again.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.done: Collection[int] = ()
        self._sums = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def after(self, number: int) -> tuple[Array, Array]:
        """Give the arrays of both sums after so many members; they may be those of the member before."""
        del number
        return self._sums

    def mark(self, number: int) -> None:
        """Note that a member is in the sums."""


@dataclass(frozen=True)
class Member:
    """A further run: another model, or another turn."""

    package: ModelPackage
    turn: Turn = PLAIN


def spreading(package: ModelPackage, kind: SpreadName = "auto", others: Sequence[ModelPackage] = ()) -> Spreading:
    """Choose where the spread comes from: "auto" takes other models where there are, a head where the package has one.

    Raises
    ------
    ParameterError
        When there is no such spread: a head that was not learnt, an ensemble of one.
    PackageError
        When the other models give another kind of result.
    """
    if kind == "ensemble" and not others:
        raise ParameterError.of(
            "ensemble",
            "the paths of further models for spread=ensemble",
            "",
            fix="Add ensemble=..., or another spread.",
        )
    if others and kind not in ("auto", "ensemble"):
        raise ParameterError.of(
            "ensemble", f"empty for spread={kind}", f"{len(others)} models", fix="Say spread=ensemble."
        )
    if others:
        for other in others:
            _check_same(package, other)
        return Spreading("ensemble", package, tuple(others))
    view = None if kind == "augmentation" else _told(package)
    if kind == "head" and view is None:
        raise ParameterError.of(
            "spread",
            f"augmentation or ensemble: {package.name} has not learnt its confidence",
            "head",
            fix="Train with confidence=true, or say spread=augmentation.",
        )
    return Spreading("augmentation", package) if view is None else Spreading("head", view)


def turns_of(image: Image, package: ModelPackage, axes: str | None = None) -> tuple[Turn, ...]:
    """Give the turns that suit a model and an image, without that which changes nothing.

    Mirrors along y and x, and rows for columns where pixels are square, the model treats both axes alike, and it was
    not trained on noise along one of them. Volumes are mirrored along z too, in every second turn.
    """
    way = fit(image, package, axes)
    sides = dict(zip(way.tiled, way.rules, strict=True))
    alike = sides.get("y") == sides.get("x") and not way.follows and "yx" in package.outputs[0].letters
    along = method_of(package) == "structn2v"
    ways = (False, True) if image.square and alike and not along else (False,)
    found = [Turn(exchanged, mirrored) for exchanged in ways for mirrored in MIRRORED]
    if "z" in way.tiled:
        found = [
            dataclasses.replace(turn, mirrored=f"z{turn.mirrored}" if number % 2 else turn.mirrored)
            for number, turn in enumerate(found)
        ]
    return tuple(turn for turn in found if turn != PLAIN)


def members_of(made: Spreading, image: Image, axes: str | None = None) -> tuple[Member, ...]:
    """Give the runs that the spread takes beside the plain one; none with a head."""
    if made.kind == "head":
        return ()
    if made.kind == "ensemble":
        return tuple(Member(other) for other in made.others)
    return tuple(Member(made.package, turn) for turn in turns_of(image, made.package, axes))


def predict_spread(
    given: Image | Mapping[str, Image],
    made: Spreading,
    options: PredictOptions,
    job: Job,
    loaded: Loaded | None = None,
) -> tuple[Prediction, Array]:
    """Run a model in memory; give the plain result, and the spread of its first output.

    Parameters
    ----------
    given, options, job
        As for `predict`.
    made
        Where the spread comes from.
    loaded
        The models, when the caller has them.

    Returns
    -------
    The prediction, without what only the spread was read from, and float32 standard deviations of its shape, in the
    result's unit.

    Raises
    ------
    As `predict`.
    """
    main = given if isinstance(given, Image) else given[main_input(made.package).id]
    plain = predict(given, made.package, options, job, loaded and loaded(made.package))
    if made.kind == "head":
        images = {name: image for name, image in plain.images.items() if name != SPREAD}
        return dataclasses.replace(plain, images=images), plain.images[SPREAD].pixels
    output = MemorySource(plain.images["output"])
    options = dataclasses.replace(options, features=None)  # only the plain run tells what the model sees

    def run(member: Member, part: Job) -> Source:
        images = {name: turned(image, member.turn) for name, image in _named(given, made.package).items()}
        named = _renamed(images, made.package, member.package)
        found = predict(named, member.package, options, part, loaded and loaded(member.package))
        return MemorySource(found.images["output"])

    members = members_of(made, main, options.axes)
    return plain, spread_of(output, members, run, Sums(output.image.shape), job)


def spread_of(
    output: Source, members: Sequence[Member], run: Callable[[Member, Job], Source], sums: Sums, job: Job
) -> Array:
    """Give the standard deviation of all members, the plain result among them, by blocks.

    Parameters
    ----------
    output
        The plain result.
    members
        Further runs.
    run
        Gives a member's result, as it lies.
    sums
        Where they are summed, and which of them are so already.
    job
        For progress and cancelling.

    Raises
    ------
    PackageError
        When a member's result has another shape.
    """
    shape, count = output.image.shape, len(members) + 1
    for number, member in enumerate(members, 1):
        if number in sums.done:
            continue
        with TurnedSource(run(member, _Part(job, number, len(members))), member.turn.back) as result:
            if result.image.shape != shape:
                raise PackageError(
                    f"{member.package.name} gives a result of shape {result.image.shape}, and not {shape}.",
                    fix="An ensemble is of models that give the same kind of result.",
                )
            (total, squares), (more, more_squares) = sums.after(number - 1), sums.after(number)
            for place in blocks(output.image):
                job.check()
                apart = result.read(place).astype(np.float32) - output.read(place)
                more[place] = total[place] + apart
                more_squares[place] = squares[place] + apart * apart
        sums.mark(number)
    (total, squares), (_, spread) = sums.after(len(members)), sums.after(count)
    for place in blocks(output.image):
        mean = total[place] / count
        spread[place] = np.sqrt(np.maximum(squares[place] / count - mean * mean, 0.0))
    return spread


def source_run(source: Source, options: PredictOptions, folder: Path) -> Callable[[Member, Job], Source]:
    """Give what runs members by parts; their results lie in `folder`, one at a time.

    A member that was stopped goes on from its tiles there, when it is the first one that is run.
    """
    options = dataclasses.replace(options, features=None)

    def run(member: Member, part: Job) -> Source:
        folder.mkdir(exist_ok=True)
        for each in folder.iterdir():
            if each.is_file():  # results of the member before; a folder is of this one, or of what was stopped
                each.unlink()
        image = predict_source(TurnedSource(source, member.turn), folder, member.package, options, part).images[
            "output"
        ]
        return RawSource(image, folder / "output.raw")

    return run


def method_of(package: ModelPackage) -> str:
    """Give the method by which a model of our own was trained; empty for others."""
    provenance = package.own.get("provenance")
    return str(provenance.get("method", "")) if isinstance(provenance, Mapping) else ""


def _told(package: ModelPackage) -> ModelPackage | None:
    """Give the view of a package whose network tells its spread; None where none was learnt."""
    view = told_view(package)
    return view if view is not None and any(output.id == SPREAD for output in view.outputs) else None


def _check_same(package: ModelPackage, other: ModelPackage) -> None:
    """Check that two models take and give the same kind of images."""
    for mine, theirs, what in (
        ([tensor.letters for tensor in package.inputs], [tensor.letters for tensor in other.inputs], "inputs"),
        ([package.outputs[0].letters], [other.outputs[0].letters], "output"),
    ):
        if mine != theirs:
            raise PackageError(
                f"{other.name} has another kind of {what} ({', '.join(theirs)}) than {package.name} "
                f"({', '.join(mine)}).",
                fix="An ensemble is of models for the same images and results.",
            )


def _named(given: Image | Mapping[str, Image], package: ModelPackage) -> dict[str, Image]:
    return {main_input(package).id: given} if isinstance(given, Image) else dict(given)


def _renamed(images: Mapping[str, Image], package: ModelPackage, other: ModelPackage) -> dict[str, Image]:
    """Give images under the ids of another model's inputs, in the same order."""
    ids = {mine.id: theirs.id for mine, theirs in zip(package.inputs, other.inputs, strict=True)}
    return {ids[name]: image for name, image in images.items()}


class _Part(Job):
    """The job of a further run: its notes were told by the first one."""

    def __init__(self, job: Job, number: int, count: int) -> None:
        super().__init__(scratch=job.scratch)
        self._job, self._name = job, f"Confidence, run {number} of {count}"

    def progress(self, message: str, current: float = 0, maximum: float = 0, **figures: float) -> None:
        """Report where the run stands."""
        self._job.progress(f"{self._name}: {message}", current, maximum, **figures)

    def check(self) -> None:
        """Stop with the whole job."""
        self._job.check()
