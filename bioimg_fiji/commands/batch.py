"""Running a model on a folder of images: one bad image does not stop the rest, and a report tells of each."""

from __future__ import annotations

import collections
import csv
import dataclasses
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bioimg_fiji.commands import registry
from bioimg_fiji.commands.confident import asked_of, confident_run, loaded_for
from bioimg_fiji.commands.fit import Checked
from bioimg_fiji.commands.keys import (
    ConfidenceKeys,
    Device,
    FitMode,
    ObjectKeys,
    Weights,
    axes_key,
    device_key,
    fit_key,
    tile_key,
    trust_key,
    weights_key,
)
from bioimg_fiji.commands.macro import told
from bioimg_fiji.commands.parameters import key
from bioimg_fiji.commands.registry import MENU, command
from bioimg_fiji.commands.result import Result, Table
from bioimg_fiji.commands.segment import with_objects
from bioimg_fiji.errors import (
    JobCancelledError,
    MisfitError,
    ParameterError,
    StorageError,
    reason_of,
    storage_error,
)
from bioimg_fiji.files import make_folder, read_image, whole, write_image
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job, PartJob

if TYPE_CHECKING:
    from bioimg_fiji.package import ModelPackage
    from bioimg_fiji.predict import Prediction
    from bioimg_fiji.trust.intervals import Confidence
    from bioimg_fiji.trust.spread import Loaded

REPORT = "bioimg-report.csv"
"""The report's name in the folder of the results."""

SEPARATOR = "/"
"""Between the names of several results: no file's name has it."""

DONE, FAILED, KEPT = "done", "failed", "kept"
_log = logging.getLogger(__name__)


class RunBatch(ConfidenceKeys, ObjectKeys):
    """Parameters of `run_batch`."""

    folder: Path = key(title="Folder", widget="folder", help="The folder with the images.")
    model: Path = key(
        title="Model", widget="model", help="A bioimage.io model package: a .zip, its folder or its rdf.yaml."
    )
    output: Path = key(
        title="Results to", widget="folder", help="The folder for the results; sub-folders are made as they are."
    )
    pattern: str = key(
        "*.tif *.tiff", title="Files", help="Names of the files, * for anything; several with spaces between."
    )
    subfolders: bool = key(True, title="With sub-folders", help="Take the images in sub-folders too.")
    resume: bool = key(
        False,
        title="Resume",
        help="Leave out images whose result by this model, with the same confidence, is there, as the report says; "
        "with fit=strict those alone that fit.",
    )
    axes: str | None = axes_key()
    weights: Weights = weights_key()
    device: Device = device_key()
    tile: int = tile_key()
    trust: str | None = trust_key()
    fit: FitMode = fit_key()


@dataclass(frozen=True)
class Row:
    """What became of one image."""

    file: str
    outcome: str
    seconds: str
    results: str
    reason: str
    model: str
    fit: str = ""
    confidence_level: str = ""
    confidence_label: str = ""
    interval_width: str = ""

    @property
    def settings(self) -> tuple[str, ...]:
        """What a result depends on besides its image: with others it is made again.

        The model's hash tells its calibration too, and so the spread and the models of an ensemble.
        """
        return self.model, self.confidence_level, self.confidence_label


@dataclass(frozen=True)
class _Work:
    """One image: its name below the folder, its path, its results' path without an extension, and an earlier report."""

    name: str
    path: Path
    target: Path
    before: Row | None


@dataclass(frozen=True)
class _Batch:
    """What all images have in common."""

    parameters: RunBatch
    package: ModelPackage
    confidence: Confidence | None
    loaded: Loaded

    @property
    def settings(self) -> tuple[str, ...]:
        """Give what `Row.settings` are of these images."""
        if self.confidence is None:
            return self.package.sha256, "", ""
        return self.package.sha256, f"{self.parameters.confidence:.15g}", self.confidence.label


@command(id="run_batch", title="BioImg Batch...", menu=MENU, work="batch")
def run_batch(parameters: RunBatch, job: Job) -> Result:
    """Run a bioimage.io model on every image of a folder; a report in the results' folder tells of each."""
    from bioimg_fiji.package import open_package
    from bioimg_fiji.predict import PredictOptions

    package = open_package(parameters.model)
    confidence = asked_of(parameters, package)
    images = _images(parameters)
    targets = _targets(images, parameters.output, confidence is not None)
    make_folder(parameters.output)
    before = _read_report(parameters.output)
    rows = {name: row for name, row in before.items() if name not in images}
    job.progress("Loading the model")
    if confidence is not None:
        job.note(confidence.sentence)
    check = Checked(package, parameters.fit, PredictOptions(weights=parameters.weights), job, confidence)
    start, fresh = time.perf_counter(), 0
    with loaded_for(check, parameters.device, parameters.trust or "") as loaded:
        batch = _Batch(parameters, package, confidence, loaded)
        for number, (name, path) in enumerate(images.items()):
            spent = time.perf_counter() - start
            left = {"seconds_left": round(spent / fresh * (len(images) - number), 1)} if fresh else {}
            job.progress(f"Images: {name}", number, len(images), **left)
            if parameters.resume and _is_done(before.get(name), batch):
                rows[name] = dataclasses.replace(before[name], outcome=KEPT)
                continue
            work = _Work(name, path, targets[name], before.get(name))
            rows[name] = _one(work, batch, _job_of(job, name, confidence))
            _write_report(parameters.output, rows)
            fresh += 1
    _write_report(parameters.output, rows)
    job.progress("Images", len(images), len(images))
    return _result([rows[name] for name in images], parameters.output, confidence)


def _job_of(batch: Job, image: str, confidence: Confidence | None) -> Job:
    """Give the job of one image: what holds for all is told once."""
    known = None if confidence is None else confidence.sentence

    def note(sentence: str) -> None:
        if sentence != known:
            batch.note(f"{image}: {sentence}")

    return PartJob(batch, note)


def _targets(images: Mapping[str, Path], output: Path, with_bounds: bool) -> Mapping[str, Path]:
    """Give the results' paths without an extension.

    Images that differ by their extension alone keep it in the name, and so does one that is named as another's bounds.
    """
    from bioimg_fiji.trust.intervals import BOUNDS

    stems = {name: output / Path(name).parent / Path(name).stem.removesuffix(".ome") for name in images}
    counts = collections.Counter(str(stem).casefold() for stem in stems.values())
    if with_bounds:
        counts.update(f"{stem}-{name}".casefold() for stem in stems.values() for name in BOUNDS)
    return {
        name: stem if counts[str(stem).casefold()] == 1 else stem.with_name(Path(name).name.replace(".", "_"))
        for name, stem in stems.items()
    }


def _one(work: _Work, batch: _Batch, job: Job) -> Row:
    """Run the model on one image; only what would stop every image is an error."""
    from bioimg_fiji.predict import PredictOptions

    begin = time.perf_counter()
    parameters, package = batch.parameters, batch.package
    row = Row(work.name, FAILED, "", "", "", package.sha256)
    try:
        options = PredictOptions(tile=parameters.tile, axes=parameters.axes, weights=parameters.weights)
        image = read_image(work.path, parameters.axes)
        check = Checked(package, parameters.fit, options, job, batch.confidence)
        check.before(image)
        found = confident_run(image, check, job, batch.loaded)
        fit = check.after(image, found.images.get("output"), found.report["tiles"])
        row = dataclasses.replace(row, fit=str(fit.figures.get("fit", "")))
        images, tables = with_objects(found, image, package, parameters, job)
        images = dict(told(registry.find("run_batch"), parameters, Result(images=images)).images)
        written = _write(images, tables, work.target)
        _remove_stale(work, package.sha256, written)
        row = dataclasses.replace(row, outcome=DONE, results=SEPARATOR.join(written), **_confidence(batch, found))
    except (JobCancelledError, StorageError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever is bad about one image must not stop the rest
        _log.info("%s failed", work.path, exc_info=True)
        light = row.fit
        if isinstance(error, MisfitError):
            light = error.details["light"]
            _remove_misfit(work, job)
        row = dataclasses.replace(row, reason=reason_of(error), fit=str(light))
    return dataclasses.replace(row, seconds=f"{time.perf_counter() - begin:.3f}")


def _images(parameters: RunBatch) -> Mapping[str, Path]:
    """Give the images by their names below the folder, in order; results that lie below it are none."""
    folder, output = parameters.folder, parameters.output.resolve()
    if not folder.is_dir():
        raise ParameterError.of("folder", "a folder", str(folder), fix="Give the folder with the images.")
    patterns = parameters.pattern.split()
    if not patterns or any(pattern.startswith("/") or ".." in pattern for pattern in patterns):
        raise ParameterError.of("pattern", "names such as *.tif", parameters.pattern)
    if output == folder.resolve():
        raise ParameterError.of("output", "another folder than that of the images", str(parameters.output))
    found = {
        path.relative_to(folder).as_posix(): path
        for pattern in patterns
        for path in (folder.rglob(pattern) if parameters.subfolders else folder.glob(pattern))
        if path.is_file() and not path.name.startswith(".") and not path.resolve().is_relative_to(output)
    }
    if not found:
        raise ParameterError.of("pattern", f"at least one file in {folder}", parameters.pattern)
    return dict(sorted(found.items()))


def _write(images: Mapping[str, Image], tables: Mapping[str, Table], target: Path) -> list[str]:
    """Write what was found for one image, and give the names; nothing is left of a result that was not whole."""
    make_folder(target.parent)
    names = []
    for name, image in images.items():
        path = target.with_name(target.name + ("" if name == "output" else f"-{name}") + ".tif")
        names.append(write_image(image, path).name)
    for name, values in tables.items():
        path = target.with_name(f"{target.name}-{name}.csv")
        whole(path, lambda part, values=values: _write_csv(part, [values.columns, *values.rows]))  # type: ignore[misc]
        names.append(path.name)
    return names


def _confidence(batch: _Batch, found: Prediction) -> dict[str, str]:
    """Give the columns of the report that tell of bounds."""
    if batch.confidence is None:
        return {}
    _, level, label = batch.settings
    width = f"{found.report['interval_width']:.6g}"
    return {"confidence_level": level, "confidence_label": label, "interval_width": width}


def _remove_stale(work: _Work, model: str, written: Sequence[str]) -> None:
    """Remove bounds around the result of another model: beside the new one they would look like its own."""
    from bioimg_fiji.trust.intervals import BOUNDS

    if work.before is None or work.before.model == model:
        return
    ours = {f"{work.target.name}-{name}.tif" for name in BOUNDS}
    for name in ours.intersection(work.before.results.split(SEPARATOR)).difference(written):
        work.target.with_name(name).unlink(missing_ok=True)


def _remove_misfit(work: _Work, job: Job) -> None:
    """Remove what an earlier run, which was not strict, gave for an image that does not fit: it now has no result."""
    before = "" if work.before is None else work.before.results
    ours = work.target.name
    left = [
        path
        for path in map(work.target.with_name, filter(None, before.split(SEPARATOR)))
        if path.name.startswith((f"{ours}.", f"{ours}-")) and path.is_file()
    ]
    for path in left:
        try:
            path.unlink()
        except OSError as error:
            raise storage_error("Removing", path, error) from error
    if left:
        job.note(f"It does not fit, and its earlier result was removed: {', '.join(path.name for path in left)}.")


def _is_done(row: Row | None, batch: _Batch) -> bool:
    if row is None or row.outcome == FAILED or row.settings != batch.settings:
        return False
    if batch.parameters.fit == "strict" and row.fit != "green":  # also where nobody has looked
        return False
    folder = (batch.parameters.output / row.file).parent
    return all((folder / name).is_file() for name in row.results.split(SEPARATOR))


def _read_report(output: Path) -> dict[str, Row]:
    try:
        with (output / REPORT).open(newline="", encoding="utf-8") as file:
            rows = [Row(**row) for row in csv.DictReader(file)]
    except FileNotFoundError:
        return {}
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise ParameterError(
            f"{output / REPORT} is no report of ours: {error}.", fix="Move it away, or choose another folder."
        ) from error
    return {row.file: row for row in rows}


def _write_report(output: Path, rows: Mapping[str, Row]) -> None:
    names = [field.name for field in dataclasses.fields(Row)]
    lines = [names, *([getattr(row, name) for name in names] for _, row in sorted(rows.items()))]
    whole(output / REPORT, lambda part: _write_csv(part, lines))


def _write_csv(path: Path, lines: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)


def _lights(rows: Sequence[Row]) -> dict[str, float | int | str | bool]:
    """Give how many images have which light, and the worst as the figure that a single run has; none unless looked at.

    Those that are kept have the light of the run that made them.
    """
    from bioimg_fiji.trust.light import LIGHTS

    counts = {light: sum(row.fit == light for row in rows) for light in LIGHTS}
    seen = [light for light in LIGHTS if counts[light]]
    return {"fit": seen[-1], **{f"fit_{light}": count for light, count in counts.items()}} if seen else {}


def _result(rows: list[Row], output: Path, confidence: Confidence | None) -> Result:
    figures: dict[str, float | int | str | bool] = {
        outcome: sum(row.outcome == outcome for row in rows) for outcome in (DONE, FAILED, KEPT)
    }
    figures |= _lights(rows)
    widths = [float(row.interval_width) for row in rows if row.interval_width]
    if confidence is not None and widths:
        figures |= {**confidence.figures, "interval_width": sum(widths) / len(widths)}
    bad = [row for row in rows if row.outcome == FAILED]
    notes = (f"{len(bad)} of {len(rows)} images failed, the first ({bad[0].file}): {bad[0].reason}",) if bad else ()
    columns = ("file", "outcome", "reason", "fit")
    table = Table(columns, tuple(tuple(getattr(row, name) for name in columns) for row in bad))
    return Result(
        figures=figures,
        tables={"failed": table} if bad else {},
        files={"report": output / REPORT},
        notes=notes,
        partial=bool(bad),
    )
