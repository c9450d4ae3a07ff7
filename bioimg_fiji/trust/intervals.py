"""Results with their bounds: what is asked, and the images of lower bound, upper bound and width.

Lives here: the run with a confidence, in memory, by parts and from file to file, and what is told of it. Lives not
here: where the spread comes from (spread), what it is multiplied with (conformal). Without a calibration there is no
image: a spread that is not calibrated looks like an error bar and is none.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji.errors import PackageError, ParameterError, WeightsError
from bioimg_fiji.files.sink import RAW, Sink, open_sink, put_in_place
from bioimg_fiji.files.source import Array, MemorySource, RawSource, Source, map_raw, open_source, phantom
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.package.attachments import attachments_of
from bioimg_fiji.package.links import main_input
from bioimg_fiji.predict import (
    PROPERTY,
    FilePrediction,
    Prediction,
    PredictOptions,
    predict_file,
    predict_source,
)
from bioimg_fiji.predict.large import check_files, opened
from bioimg_fiji.predict.outputs import spread_gain
from bioimg_fiji.predict.unfinished import (
    Diary,
    aside,
    beside,
    part_folder,
    read_begun,
    telling_what_is_kept,
    write_begun,
)
from bioimg_fiji.trust.conformal import COMMAND, FILE, Calibration, half_width
from bioimg_fiji.trust.spread import (
    Loaded,
    Spreading,
    SpreadName,
    Sums,
    members_of,
    predict_spread,
    source_run,
    spread_of,
    spreading,
)
from bioimg_fiji.trust.told import SPREAD
from bioimg_fiji.trust.turns import blocks

LOWER, UPPER, WIDTH = BOUNDS = "lower", "upper", "confidence"
"""Names of the images, with which their titles end."""

_PLAIN = 0
"""Number of the plain run in the diary of an unfinished one; the members' begin with 1."""


@dataclass(frozen=True)
class Confidence:
    """A confidence that a package can give.

    Parameters
    ----------
    made
        Where the spread comes from.
    level
        Share of the true values that the intervals are to hold, 0.5 to 0.99.
    factor, floor
        The interval's half is factor * sqrt(spread ** 2 + floor ** 2), in the unit of the stored values.
    label
        What it rests on.
    """

    made: Spreading
    level: float
    factor: float
    floor: float
    label: str

    def half(self, spread: Array, unit: float) -> Array:
        """Give half the width of intervals, float32; `unit` as of `spread_gain`."""
        return half_width(spread, self.factor, self.floor * unit)

    @property
    def sentence(self) -> str:
        """Say it for people."""
        return f"Bounds of {100 * self.level:g} % confidence, {self.label}; spread by {self.made.kind}."

    @property
    def figures(self) -> dict[str, float | str]:
        """Give what is reported beside the run's figures."""
        return {"confidence_level": 100 * self.level, "confidence_label": self.label, "spread": self.made.kind}


def calibration_in(package: ModelPackage) -> Calibration | None:
    """Give a package's calibration; None where it has none.

    Raises
    ------
    PackageError
        When it is damaged.
    """
    file = attachments_of(package).get(FILE)
    if file is None:
        return None
    try:
        data = json.loads(file.read())
    except ValueError as error:
        raise PackageError(
            f"{FILE} of {package.name} is no JSON: {error}.", fix=f"Calibrate with {COMMAND}."
        ) from error
    if not isinstance(data, Mapping):
        raise PackageError(f"{FILE} of {package.name} has no calibration.", fix=f"Calibrate with {COMMAND}.")
    return Calibration.from_json(data)


def confidence_of(
    package: ModelPackage,
    percent: float,
    bounds: str = "average",
    kind: SpreadName = "auto",
    others: Sequence[ModelPackage] = (),
) -> Confidence:
    """Find what a package's calibration gives for a level; nothing is run.

    Parameters
    ----------
    package
        The model.
    percent
        50 to 99.
    bounds
        "average" or "certified".
    kind, others
        Where the spread is to come from; "auto" takes what was calibrated.

    Raises
    ------
    PackageError
        When the package has no calibration, or it is damaged.
    ParameterError
        When another spread was calibrated than is asked for, or what is asked cannot be certified.
    """
    calibration = calibration_in(package)
    if calibration is None:
        raise PackageError(
            f"{package.name} has no calibrated confidence, and a spread that is not calibrated is no error bar.",
            fix=f"Calibrate it first: {COMMAND} (calibrate) takes raw and true images and writes a copy with one.",
        )
    _check_kind(package, calibration, kind, others)
    factor = calibration.factor(percent / 100, bounds)
    made = spreading(package, calibration.spread if kind == "auto" else kind, others)  # type: ignore[arg-type]
    return Confidence(made, percent / 100, factor, calibration.floor, calibration.label(bounds))


def predict_with(
    given: Image | Mapping[str, Image],
    confidence: Confidence,
    options: PredictOptions,
    job: Job,
    loaded: Loaded | None = None,
) -> Prediction:
    """Run a model in memory; give its results and the images of the bounds.

    Parameters
    ----------
    given, options, job
        As for `predict`.
    confidence
        What is asked.
    loaded
        The models, when the caller has them.

    Returns
    -------
    The prediction of `predict`, with `LOWER`, `UPPER` and `WIDTH`, float32.

    Raises
    ------
    As `predict`.
    """
    package = confidence.made.package
    image = given if isinstance(given, Image) else given[main_input(package).id]
    unit = spread_gain(image, package)
    prediction, spread = predict_spread(given, confidence.made, options, job, loaded)
    output = prediction.images["output"]
    _check_output(package, output)
    arrays = {name: np.empty(output.shape, np.float32) for name in BOUNDS}

    def write(name: str, place: tuple[slice, ...], part: Array) -> None:
        arrays[name][place] = part

    mean = _bounded(MemorySource(output), MemorySource(output.with_pixels(spread)), confidence, unit, write, job)
    images = {name: header(name, image, output, confidence).with_pixels(array) for name, array in arrays.items()}
    job.note(confidence.sentence)
    report = {**prediction.report, **confidence.figures, "interval_width": mean}
    return dataclasses.replace(prediction, images={**prediction.images, **images}, report=report)


def predict_source_with(
    source: Source, folder: Path, confidence: Confidence, options: PredictOptions, job: Job
) -> Prediction:
    """Run a model by parts, as `predict_source`; the bounds lie beside the result, as raw files.

    Raises
    ------
    As `predict_source`.
    """
    unit = spread_gain(source.image, confidence.made.package)
    prediction = predict_source(source, folder, confidence.made.package, options, job)
    images = dict(prediction.images)
    output = images["output"]
    _check_output(confidence.made.package, output)
    result = RawSource(output, folder / f"output{RAW}")
    scratch = aside(folder / f"output{RAW}")
    told = images.pop(SPREAD, None)
    if told is None:
        spread = _spread_by_parts(source, result, _FileSums(scratch, output), confidence, options, job)
    else:
        spread = MemorySource(told)
    sinks = _begun_bounds(lambda name: folder / f"{name}{RAW}", source.image, output, confidence)
    mean = _bounded(result, spread, confidence, unit, _into(sinks), job)
    shutil.rmtree(scratch, ignore_errors=True)
    for name, sink in sinks.items():
        sink.finish()
        images[name] = sink.image.with_pixels(map_raw(sink.path, output.shape, np.dtype(np.float32)))
    job.note(confidence.sentence)
    return Prediction(images, {**prediction.report, **confidence.figures, "interval_width": mean})


def predict_file_with(
    path: Path,
    target: Path,
    confidence: Confidence,
    options: PredictOptions,
    job: Job,
    properties: Mapping[str, str],
) -> FilePrediction:
    """Run a model from file to file, as `predict_file`; the bounds lie beside the result, named as its other outputs.

    All get to their places at the end, none without the others. Until then they lie in the folder of an unfinished
    result, and a run that was stopped goes on: from the tiles of the plain run or of the member that was under way.
    What lies there is no error bar yet, and is named as none.

    Raises
    ------
    As `predict_file`.
    """
    target = target.absolute()
    check_files(path, target)
    with telling_what_is_kept(target), opened(path, options) as source, part_folder(target) as folder:
        unit = spread_gain(source.image, confidence.made.package)
        doing = _doing(source, confidence, options, properties)
        with contextlib.closing(Diary(folder, doing, 0)) as diary, contextlib.ExitStack() as stack:
            found = _plain(path, folder / target.name, confidence.made.package, options, job, properties)
            files = dict(found.files)
            head = files.pop(SPREAD, None)
            result = stack.enter_context(open_source(files["output"]))
            _check_output(confidence.made.package, result.image)
            diary.mark(_PLAIN)
            if head is None:
                sums = _FileSums(folder / "sums", result.image, diary)
                spread = _spread_by_parts(source, result, sums, confidence, options, job)
            else:
                spread = stack.enter_context(open_source(head))
            begun = partial(beside, folder / target.name)
            sinks = _begun_bounds(begun, source.image, result.image, confidence, properties)
            mean = _bounded(result, spread, confidence, unit, _into(sinks), job)
            for name, sink in sinks.items():
                sink.finish()
                files[name] = sink.path
        for name, file in reversed(files.items()):  # the result last: without it, a run that is killed here goes on
            files[name] = target.with_name(file.name)
            put_in_place(file, files[name], folder / "before")
    job.note(confidence.sentence)
    return FilePrediction(files, {**found.report, **confidence.figures, "interval_width": mean})


def _doing(
    source: Source, confidence: Confidence, options: PredictOptions, properties: Mapping[str, str]
) -> dict[str, Any]:
    """Say what is done: a run of anything else begins anew."""
    from bioimg_fiji import __version__

    made = confidence.made
    return {
        "image": source.identity,
        "packages": [[each.sha256, *each.beside] for each in (made.package, *made.others)],
        "confidence": [made.kind, confidence.level, confidence.factor, confidence.floor, confidence.label],
        "options": [options.weights, options.device, options.tile, options.axes or ""],
        "properties": dict(properties),
        "version": __version__,
    }


def _plain(
    path: Path, target: Path, package: ModelPackage, options: PredictOptions, job: Job, properties: Mapping[str, str]
) -> FilePrediction:
    """Run the model into a folder of what is unfinished; there a run that was stopped later has left the result."""
    folder = target.parent
    begun, report = read_begun(folder), folder / "report.json"
    if begun:
        job.note("Going on where an earlier run has stopped: the result is there, its bounds are not.")
        return FilePrediction(
            {name: folder / each["file"] for name, each in begun.items()}, json.loads(report.read_text("utf-8"))
        )
    found = predict_file(path, target, package, options, job, properties)
    report.write_text(json.dumps(dict(found.report)), "utf-8")
    write_begun(folder, {name: {"file": file.relative_to(folder).as_posix()} for name, file in found.files.items()})
    return found


def header(name: str, image: Image, output: Image, confidence: Confidence) -> Image:
    """Build an image of bounds from the result, but for its pixels: same calibration and units; label and title.

    The label is in the property that tells how the image was made, and in its Info.
    """
    told = json.loads(output.properties.get(PROPERTY, "{}"))
    told["confidence"] = {"image": name, **confidence.figures}
    info = output.properties.get("Info", "")
    properties = {
        **output.properties,
        PROPERTY: json.dumps(told, sort_keys=True),
        "Info": f"{info}\n{confidence.sentence}".lstrip("\n"),
    }
    channels = output.channels
    if name == WIDTH:
        channels = tuple(dataclasses.replace(channel, display=None) for channel in channels)
    pixels = phantom(output.shape, np.dtype(np.float32))
    made = dataclasses.replace(output.with_pixels(pixels), title=f"{image.name}-{name}", channels=channels)
    return dataclasses.replace(made, properties=properties)


def _begun_bounds(
    place: Callable[[str], Path],
    image: Image,
    output: Image,
    confidence: Confidence,
    properties: Mapping[str, str] | None = None,
) -> dict[str, Sink]:
    """Begin the files of the bounds, or go on with them."""
    sinks = {}
    for name in BOUNDS:
        made = header(name, image, output, confidence)
        made = dataclasses.replace(made, properties={**made.properties, **(properties or {})})
        sinks[name] = open_sink(place(name), made)
    return sinks


def _bounded(
    output: Source,
    spread: Source,
    confidence: Confidence,
    unit: float,
    write: Callable[[str, tuple[slice, ...], Array], None],
    job: Job,
) -> float:
    """Write the bounds by blocks; give the mean width."""
    total = 0.0
    for place in blocks(output.image):
        job.check()
        half = confidence.half(spread.read(place), unit)
        middle = output.read(place).astype(np.float32, copy=False)
        write(LOWER, place, middle - half)
        write(UPPER, place, middle + half)
        write(WIDTH, place, 2 * half)
        total += float(half.sum(dtype=np.float64))
    return 2 * total / output.image.pixels.size


class _FileSums(Sums):
    """The sums in files of a folder, those after one member beside those after the next.

    So a member that a kill has left half in the sums is in none that the next run goes on from.
    """

    def __init__(self, folder: Path, image: Image, diary: Diary | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.done = () if diary is None else diary.done - {_PLAIN}
        self._image, self._diary = Image(phantom(image.shape, np.dtype(np.float32)), image.axes), diary

    def after(self, number: int) -> tuple[Array, Array]:
        """Give the arrays of both sums after so many members."""
        total, squares = (self._array(f"{name}-{number % 2}") for name in ("total", "squares"))
        if number == 0:
            total[...] = 0
            squares[...] = 0
        return total, squares

    def mark(self, number: int) -> None:
        """Note that a member is in the sums."""
        if self._diary is not None:
            self._diary.mark(number)

    def _array(self, name: str) -> Array:
        sink = open_sink(self.folder / f"{name}{RAW}", self._image)
        return np.memmap(sink.path, "<f4", "r+", 0, self._image.shape)


def _spread_by_parts(
    source: Source, result: Source, sums: _FileSums, confidence: Confidence, options: PredictOptions, job: Job
) -> Source:
    """Give the spread of a result that was written by parts; the members' results lie beside the sums."""
    run = source_run(source, options, sums.folder / "member")
    members = members_of(confidence.made, source.image, options.axes)
    return MemorySource(result.image.with_pixels(spread_of(result, members, run, sums, job)))


def _into(sinks: Mapping[str, Sink]) -> Callable[[str, tuple[slice, ...], Array], None]:
    return lambda name, place, part: sinks[name].write(place, part)


def _check_kind(
    package: ModelPackage, calibration: Calibration, kind: SpreadName, others: Sequence[ModelPackage]
) -> None:
    """Check that what is asked for is what was calibrated."""
    if kind not in ("auto", calibration.spread):
        raise ParameterError.of(
            "spread",
            f"{calibration.spread} (or auto), which is what {package.name} was calibrated for",
            kind,
            fix=f"Calibrate it for spread={kind} with {COMMAND}.",
        )
    found = [other.sha256 for other in others]
    if calibration.spread == "ensemble" and sorted(found) != sorted(calibration.members):
        wanted = ", ".join(digest[:16] for digest in calibration.members)
        raise ParameterError.of(
            "ensemble",
            f"the paths of the models that {package.name} was calibrated with (SHA-256 {wanted})",
            ", ".join(digest[:16] for digest in found),
            fix=f"Name them with ensemble=..., or calibrate with {COMMAND}.",
        )
    if others and calibration.spread != "ensemble":
        raise ParameterError.of(
            "ensemble", f"empty, as {package.name} was calibrated for {calibration.spread}", f"{len(others)} models"
        )


def _check_output(package: ModelPackage, output: Image) -> None:
    if output.dtype.kind != "f":
        raise WeightsError(
            f"{package.name} gives {output.dtype} values: bounds are for restored intensities.",
            fix="Leave confidence empty.",
        )
