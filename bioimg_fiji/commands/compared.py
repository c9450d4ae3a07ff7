"""Models and baselines on a suite: each in a process of its own, measured, and what became of it as a row."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import logging
import math
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioimg_fiji.commands.macro import format_line, parse_line
from bioimg_fiji.commands.measured import Measured
from bioimg_fiji.errors import BioimgError, ImageError, JobCancelledError, ParameterError, StorageError, reason_of
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.benchmark.cases import Case, Cases
    from bioimg_fiji.benchmark.results import OfImage, Results, Row
    from bioimg_fiji.benchmark.suite import Suite
    from bioimg_fiji.image import Image

TOLERANCE = 1e-3
"""Largest difference, relative to the figure, by which a result that is checked may differ: other processors round."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """A suite, its images, and the folder for pictures; None for none."""

    suite: Suite
    data: Cases
    pictures: Path | None


@dataclass(frozen=True)
class Model:
    """What is run: its row, without figures as yet, and the values of each run; a row with a reason is not run."""

    row: Row
    values: Mapping[str, Any] = field(default_factory=dict)


def options_of(line: str) -> dict[str, str]:
    """Read further keys of `run_model`, as in a macro (ParameterError for one that is none of `RUN_KEYS`)."""
    from bioimg_fiji.benchmark.suite import RUN_KEYS, refused

    options = parse_line(line)
    if reason := refused(options):
        raise ParameterError(
            f"options: {reason}.",
            fix="The benchmark sets the others itself: give models with model=, code that is trusted with trust=.",
            field="options",
            expected=f"keys of {', '.join(RUN_KEYS)}",
            got=line,
        )
    return options


def packages(sources: Sequence[str], suite: Suite, keys: Mapping[str, Any]) -> list[Model]:
    """Open the models; one that cannot be opened becomes a row with the reason.

    `keys` has `device`, `trust` and `options` (`options_of`). A selection that was saved with an image does not count,
    as the whole image is scored.
    """
    from bioimg_fiji.benchmark.results import DONE, FAILED, Row, made
    from bioimg_fiji.package import open_package

    found = []
    now, options = made(keys["device"], _now()), format_line(keys["options"]).strip()
    for source in sources:
        try:
            package = open_package(source)
        except BioimgError as error:
            found.append(Model(Row(Path(source).stem, source, "", options, FAILED, str(error), made=now)))
            continue
        told = Path(source).expanduser()
        where = str(told.resolve()) if told.exists() else source
        name = Path(source).stem if told.exists() else source
        values = {**suite.manifest.run, **keys["options"], "labels": suite.kind == "labels", "selection": "ignore"}
        values |= {"model": where, "device": keys["device"], "trust": keys["trust"]}
        row = Row(name, where, package.sha256, options, DONE, made=now)
        found.append(Model(row, {name: value for name, value in values.items() if value != ""}))
    return found


def baselines(names: Sequence[str] | None, place: Place, job: Job) -> list[Model]:
    """Prepare the baselines: those of these names, or all that suit (None); one that cannot learn has the reason.

    Raises
    ------
    ParameterError
        For one that does not suit the suite.
    """
    from bioimg_fiji.benchmark import baselines as known
    from bioimg_fiji.benchmark.results import DONE, FAILED, Row, made

    training = place.data.training
    asked = known.suiting(place.suite, training=bool(training)) if names is None else names
    found = []
    for name in asked:
        known.check(name, place.suite, training=bool(training))
        job.progress(f"{place.suite.name}: preparing {name}")
        row = Row(name, name, "", "", DONE, made=made("cpu", _now()))
        try:
            width = known.learn(name, training)
        except ImageError as error:
            found.append(Model(dataclasses.replace(row, outcome=FAILED, reason=str(error))))
            continue
        learnt = f"sigma={width:.4g}" if width else ""
        found.append(Model(dataclasses.replace(row, sha256=learnt), {"baseline": name, "width": width}))
    return found


def measure(model: Model, place: Place, job: Job) -> Row:
    """Run a model on all test images; at the first that fails the row says why, as a mean over fewer says nothing."""
    from bioimg_fiji.benchmark.results import FAILED
    from bioimg_fiji.benchmark.score import means

    if model.row.reason:
        return model.row
    images: list[OfImage] = []
    memory = 0.0
    case = place.data.test[0]
    try:
        with tempfile.TemporaryDirectory(prefix="bioimg-benchmark-") as folder, Measured(Path(folder), job) as process:
            for case in place.data.test:
                image, memory = _one(case, model, place, process)
                images.append(image)
    except (JobCancelledError, StorageError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever is bad about one model must not stop the rest
        _log.info("%s failed on %s", model.row.model, case.name, exc_info=True)
        return dataclasses.replace(model.row, outcome=FAILED, reason=f"{case.name}: {reason_of(error)}")
    times = [each.seconds for each in images]
    return dataclasses.replace(
        model.row,
        figures=means([each.figures for each in images]),
        images=tuple(images),
        start=times[0],
        seconds=statistics.median(times[1:] or times),
        memory=memory,
    )


def _one(case: Case, model: Model, place: Place, process: Measured) -> tuple[OfImage, float]:
    """Run a model on one image, and give its figures and the process's memory so far (MiB)."""
    from bioimg_fiji.benchmark import baselines as known
    from bioimg_fiji.benchmark.results import OfImage
    from bioimg_fiji.benchmark.score import figures

    pair = case.load()
    values = dict(model.values)
    if values.get("baseline") == known.ORACLE:
        values["width"] = known.sigma(pair)
    answer = process.run(pair.image, values)
    digest = hashlib.sha256(answer.result.pixels.tobytes()).hexdigest()
    found = OfImage(case.name, figures(place.suite, pair, answer.result), answer.seconds, digest)
    if place.pictures is not None and case is place.data.test[0]:
        _draw(place, pair.image, pair.truth, answer.result, model.row)
    return found, answer.memory


def _draw(place: Place, image: Image, truth: Image, result: Image, row: Row) -> None:
    from bioimg_fiji.benchmark import page, pictures

    assert place.pictures is not None
    planes = [pictures.plane(each) for each in (image, truth, result)]
    given = pictures.grey(planes[0], pictures.limits(planes[0]))
    if place.suite.kind == "labels":
        drawn = [given, *(pictures.coloured(plane) for plane in planes[1:])]
    else:
        drawn = [pictures.grey(plane, pictures.limits(planes[1])) for plane in planes]
    for name, picture in zip((pictures.IMAGE, pictures.TRUTH, page.picture_of(row)), drawn, strict=True):
        pictures.write(picture, place.pictures, name)


def recomputed(
    told: Results, root: Path | None, keys: Mapping[str, Any], job: Job
) -> Iterator[tuple[Row, Row | None, str]]:
    """Compute each row that was done again; give it, the new one, and why it does not agree ("" where it does).

    Raises
    ------
    ParameterError
        When suite or data are others than those of the results.
    """
    from bioimg_fiji.benchmark.cases import cases
    from bioimg_fiji.benchmark.results import DONE

    suite = _suite_of(told)
    data = cases(suite, root)
    if data.sha256 != told.data["sha256"]:
        raise ParameterError(
            f"The data of {suite.name} are others here than those of the results: their SHA-256 is "
            f"{data.sha256[:16]}..., and the results say {told.data['sha256'][:16]}...",
            fix="Get the same data; generated ones can differ with other versions of numpy and scipy.",
            field="root",
            expected=told.data["sha256"],
            got=data.sha256,
        )
    place = Place(suite, data, None)
    rows = [row for row in told.rows if row.outcome == DONE]
    for number, row in enumerate(rows):
        job.progress(f"Verifying {row.model}", number, len(rows))
        (model,) = _again(row, place, keys, job)
        if model.row.reason or model.row.sha256 != row.sha256:
            here = model.row.reason or f"here it is {model.row.sha256[:16] or 'nothing'}, told was {row.sha256[:16]}"
            yield row, None, f"it is not the same model: {here}."
            continue
        found = measure(model, place, job)
        yield row, found, found.reason or disagreement(row, found)


def _suite_of(told: Results) -> Suite:
    from bioimg_fiji.benchmark import suite as suites

    known = suites.shipped().get(str(told.suite["name"]))
    folder = Path(told.suite["folder"])
    suite = suites.find(str(folder if (folder / suites.MANIFEST).is_file() or known is None else known))
    if suite.sha256 != told.suite["sha256"]:
        raise ParameterError(
            f"The suite {suite.name} in {suite.folder} is another one than that of the results.",
            fix=f"Get the {suites.MANIFEST} with the SHA-256 {told.suite['sha256']}.",
            field="suite",
            expected=told.suite["sha256"],
            got=suite.sha256,
        )
    return suite


def _again(row: Row, place: Place, keys: Mapping[str, Any], job: Job) -> list[Model]:
    if row.is_baseline:
        return baselines([row.source], place, job)
    device = row.made.get("machine", {}).get("device", "auto") if keys["device"] == "auto" else keys["device"]
    return packages([row.source], place.suite, {**keys, "device": device, "options": options_of(row.options)})


def disagreement(told: Row, found: Row) -> str:
    """Say what of a row is not as told: a figure, of all or of an image, or the set of images; "" where all agrees."""
    if [each.name for each in told.images] != [each.name for each in found.images]:
        return "its images are others than those of the suite."
    pairs = [("", told.figures, found.figures)]
    pairs += [(f" of {a.name}", a.figures, b.figures) for a, b in zip(told.images, found.images, strict=True)]
    for where, old, new in pairs:
        for name in sorted({*old, *new}):
            if name not in old or name not in new or not _close(old[name], new[name]):
                return f"{name}{where} is told as {old.get(name)}, and found as {new.get(name)}."
    return ""


def _close(old: float, new: float) -> bool:
    return math.isclose(old, new, rel_tol=TOLERANCE, abs_tol=TOLERANCE**2) or (math.isnan(old) and math.isnan(new))


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
