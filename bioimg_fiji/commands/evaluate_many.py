"""The images of a folder or a list, each compared with its truth: a row for each, and a summary of all."""

from __future__ import annotations

import logging
import math
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bioimg_fiji.commands.evaluate import RESULTS, SUMMARY
from bioimg_fiji.commands.gathering import files_of, paired, read_target
from bioimg_fiji.commands.result import Cell, Result, Table
from bioimg_fiji.errors import JobCancelledError, ParameterError, reason_of
from bioimg_fiji.files import read_image
from bioimg_fiji.jobs import Job, PartJob

if TYPE_CHECKING:
    from bioimg_fiji.commands.evaluate import Evaluate
    from bioimg_fiji.evaluate import Evaluation, Kind

    Measure = Callable[[Evaluate, Job, Kind | None], tuple[Evaluation, Kind]]

_OTHERS = ("image", "truth", "raw", "lower", "upper", "tracks", "truth_tracks")
_log = logging.getLogger(__name__)


def evaluate_many(parameters: Evaluate, source: Path, measure: Measure, job: Job) -> Result:
    """Evaluate each image; one that cannot be read or measured has a row with the reason, and the others go on.

    Raises
    ------
    ParameterError
        When an image has no truth of its name, or a single image is given besides.
    """
    files = _files(parameters, source)
    found: dict[str, Mapping[str, Cell]] = {}
    reasons: dict[str, str] = {}
    units: dict[str, str] = {}
    kind: Kind | None = None
    names = _short([image for image, *_ in files])
    for number, (image, truth, raw) in enumerate(files):
        name = names[number]
        job.progress("Images", number, len(files))
        try:
            one = _one(parameters, image, truth, raw)
            evaluation, kind = measure(one, _job_of(job, name), kind)
            found[name] = evaluation.figures
            units |= evaluation.figure_units
        except JobCancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is bad about one image must not stop the rest
            _log.info("%s failed", image, exc_info=True)
            reasons[name] = reason_of(error)
    job.progress("Images", len(files), len(files))
    return _result(names, found, reasons, units, kind)


def _job_of(many: Job, image: str) -> Job:
    """Give the job of one image."""
    return PartJob(many, lambda sentence: many.note(f"{image}: {sentence}"))


def _files(parameters: Evaluate, source: Path) -> list[tuple[Path, Path | None, Path | None]]:
    """Give image, truth and raw image of each row."""
    for name in _OTHERS:
        if getattr(parameters, name) is not None:
            more = f"Say {name}_source=FOLDER." if name in ("truth", "raw") else f"Leave out {name} or source."
            raise ParameterError.of(name, "left out where source names many images", "an image", fix=more)
    paths = files_of(source, parameters.pattern, "source")
    truths, raws = (
        paths if folder is None else paired(paths, source, folder, parameters.pattern, name)
        for name, folder in (("truth_source", parameters.truth_source), ("raw_source", parameters.raw_source))
    )
    return [(path, truths[path], None if raws is paths else raws[path]) for path in paths]


def _one(parameters: Evaluate, image: Path, truth: Path | None, raw: Path | None) -> Evaluate:
    axes = parameters.axes
    read = {name: read_target(path, axes) for name, path in (("truth", truth), ("raw", raw)) if path is not None}
    update = {"image": read_image(image, axes), **read, "source": None, "truth_source": None, "raw_source": None}
    return parameters.model_copy(update=update)


def _short(paths: list[Path]) -> list[str]:
    """Give the images' names, with their folders where the names alone are not told apart."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _result(
    names: list[str],
    found: Mapping[str, Mapping[str, Cell]],
    reasons: Mapping[str, str],
    units: Mapping[str, str],
    kind: Kind | None,
) -> Result:
    columns = tuple(dict.fromkeys(name for figures in found.values() for name in figures))
    why = ("reason",) if reasons else ()
    rows = tuple(
        (name, *(found.get(name, {}).get(column) for column in columns), *((reasons.get(name, ""),) if why else ()))
        for name in names
    )
    told = tuple(units.get(column, "") for column in columns)
    tables = {RESULTS: Table(("Image", *columns, *why), rows, ("", *told, *("" for _ in why)))}
    summary = {column: _summary([figures.get(column) for figures in found.values()]) for column in columns}
    if found:
        tables[SUMMARY] = Table(
            ("metric", "mean", "sd", "lowest", "highest", "images", "unit"),
            tuple((name, *values, units.get(name, "")) for name, values in summary.items()),
        )
    figures = {name: values[0] for name, values in summary.items() if values[0] is not None}
    notes = tuple(
        f"{len(reasons)} of {len(names)} images failed, the first ({name}): {reason}"
        for name, reason in list(reasons.items())[:1]
    )
    counts = {"kind": kind or "none", "rows": len(found), "failed": len(reasons)}
    return Result(tables=tables, figures={**counts, **figures}, notes=notes, partial=bool(reasons))


def _summary(cells: list[Cell]) -> tuple[Cell, ...]:
    """Give mean, standard deviation, lowest and highest of the cells that have a value, and their number."""
    from bioimg_fiji.evaluate.rows import cell, mean

    values = [float(each) for each in cells if each is not None]
    if not values:
        return None, None, None, None, 0
    middle = mean(values)
    spread = statistics.stdev(values) if len(values) > 1 and math.isfinite(middle) else None
    return *(cell(each) for each in (middle, spread, min(values), max(values))), len(values)
