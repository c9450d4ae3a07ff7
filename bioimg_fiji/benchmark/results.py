"""Results: a file of JSON for each suite, with the hashes and versions by which they can be checked; and a CSV."""

from __future__ import annotations

import csv
import dataclasses
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Literal, Self

import psutil
import pydantic
from pydantic import AfterValidator, BaseModel, ConfigDict
from typing_extensions import TypedDict

import bioimg_fiji
from bioimg_fiji.benchmark.baselines import ORACLE
from bioimg_fiji.benchmark.cases import Cases
from bioimg_fiji.benchmark.score import rank, wish
from bioimg_fiji.benchmark.suite import Suite
from bioimg_fiji.errors import FileFormatError
from bioimg_fiji.files import whole

FORMAT: Literal["bioimg-fiji benchmark 1"] = "bioimg-fiji benchmark 1"
DONE: Literal["done"] = "done"
FAILED: Literal["failed"] = "failed"
_DIGITS = 8
"""Of a hash, where names are not enough."""
_PACKAGES = ("numpy", "scipy", "scikit-image", "onnxruntime", "torch", "bioimageio.core")


def _one_part(name: str) -> str:
    """Refuse a name that would be a path: files and folders are named by it."""
    if name in ("", ".", "..") or any(kind(name).name != name for kind in (PurePosixPath, PureWindowsPath)):
        raise ValueError(f"it must be the name of a folder, without its path, but it is {name!r}")
    return name


class OfSuite(TypedDict):
    """What the suite says of itself."""

    name: Annotated[str, AfterValidator(_one_part)]
    folder: str
    title: str
    task: str
    modality: str
    source: str
    licence: str
    metric: str
    further: list[str]
    better: str
    sha256: str


class OfData(TypedDict):
    """The images, and the SHA-256 of all and of each file."""

    sha256: str
    checked: bool
    training: list[str]
    test: list[str]
    files: dict[str, str]


class Made(TypedDict, total=False):
    """With what and where a result was made."""

    versions: dict[str, str]
    machine: dict[str, str | int | float]
    date: str


@dataclass(frozen=True)
class OfImage:
    """One image: its figures, how long it took, and the SHA-256 of the result's pixels."""

    name: str
    figures: Mapping[str, float]
    seconds: float
    sha256: str


@dataclass(frozen=True)
class Row:
    """What became of one model.

    Parameters
    ----------
    model, source
        Its name, and what was asked for: a path, a name in the store, or a baseline.
    sha256
        Of the package; of a baseline what it has learnt (`sigma=1.2`).
    options
        Keys of `run_model` that were given besides.
    outcome, reason
        `DONE`, or `FAILED` and why.
    figures
        Means over the images.
    images
        Each of them.
    start, seconds
        Of the first image with loading the model; median of the others (of the only one, where there is one).
    memory
        Largest memory of its process, MiB: Python and the libraries included, not that of a GPU.
    made
        Versions, machine, date.
    """

    model: str
    source: str
    sha256: str
    options: str
    outcome: Literal["done", "failed"]
    reason: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    images: tuple[OfImage, ...] = ()
    start: float = 0.0
    seconds: float = 0.0
    memory: float = 0.0
    made: Made = field(default_factory=Made)

    @property
    def is_baseline(self) -> bool:
        """Whether it is no package."""
        return not self.sha256 or "=" in self.sha256

    @property
    def ranks(self) -> bool:
        """Whether it is done and no oracle, which nobody can use."""
        return self.outcome == DONE and not (self.is_baseline and self.source == ORACLE)

    @property
    def identity(self) -> str:
        """What tells it from others of its name: the package's hash; of a baseline, or of what has none, the source."""
        return self.source if self.is_baseline else self.sha256

    @property
    def key(self) -> tuple[str, str]:
        """What a row is of: a package and the options."""
        return self.identity, self.options

    def same(self, other: Row) -> bool:
        """Whether both are of the same package with the same options."""
        return self.key == other.key


@dataclass(frozen=True)
class Results:
    """The results of a suite: what it says of itself, its data's hashes, and a row for each model, the best first."""

    suite: OfSuite
    data: OfData
    rows: tuple[Row, ...] = ()

    @property
    def metric(self) -> str:
        """The headline number."""
        return self.suite["metric"]

    @property
    def best(self) -> Row | None:
        """The best row that ranks."""
        return next((row for row in self.rows if row.ranks), None)

    def with_row(self, row: Row) -> Results:
        """Put a row in, in place of one of the same model, and sort."""
        rows = [each for each in self.rows if not each.same(row)] + [row]
        rows.sort(key=lambda each: rank(self.metric, each.figures.get(self.metric) if each.outcome == DONE else None))
        return dataclasses.replace(self, rows=tuple(rows))

    def known(self, row: Row) -> Row | None:
        """Give the row of the same model, made by the same versions on the same kind of machine, if it was done."""
        same = [each for each in self.rows if each.same(row) and each.outcome == DONE]
        return same[0] if same and _comparable(same[0].made) == _comparable(row.made) else None


class _File(BaseModel):
    """The contents of a file of results; JSON has no infinity and no NaN, which are texts there."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    format: Literal["bioimg-fiji benchmark 1"]
    suite: OfSuite
    data: OfData
    rows: tuple[Row, ...]

    @pydantic.model_validator(mode="after")
    def _has_headlines(self) -> Self:
        metric = self.suite["metric"]
        for row in self.rows:
            if row.outcome == DONE and metric not in row.figures:
                raise ValueError(f"rows: {row.model} is done and has no {metric}")
        return self


def begin(suite: Suite, found: Cases) -> Results:
    """Give the results of a suite, without any."""
    said = suite.manifest
    told: OfSuite = {
        "name": suite.name,
        "folder": str(suite.folder),
        "title": said.title,
        "task": said.task,
        "modality": said.modality,
        "source": said.source,
        "licence": said.licence,
        "metric": said.metric,
        "further": list(said.further),
        "better": wish(said.metric),
        "sha256": suite.sha256,
    }
    data: OfData = {
        "sha256": found.sha256,
        "checked": found.checked,
        "training": [case.name for case in found.training],
        "test": [case.name for case in found.test],
        "files": dict(found.files),
    }
    return Results(told, data)


def read(path: Path) -> Results:
    """Read a file of results (FileFormatError where it is none; names what is wrong of it)."""
    try:
        found = _File.model_validate_json(path.read_bytes())
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _no_results(path, ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))) from error
    except OSError as error:
        raise _no_results(path, str(error)) from error
    return Results(found.suite, found.data, found.rows)


def _no_results(path: Path, reason: str) -> FileFormatError:
    return FileFormatError(
        f"{path} has no results of a benchmark: {reason}.",
        fix="Give the .json that bioimg-fiji benchmark has written; move one away that was altered.",
    )


def are_meant(path: Path) -> bool:
    """Whether a file of JSON says that it has results, even if they cannot be read."""
    try:
        return b'"bioimg-fiji benchmark ' in path.read_bytes()
    except OSError:
        return False


def write(results: Results, folder: Path) -> Path:
    """Write the JSON and, beside it, the CSV; give the JSON's path."""
    target = folder / f"{results.suite['name']}.json"
    text = _File(format=FORMAT, suite=results.suite, data=results.data, rows=results.rows).model_dump_json(indent=1)
    whole(target, lambda part: _text(part, text))
    whole(target.with_suffix(".csv"), lambda part: _csv(part, results))
    return target


def made(device: str, when: str) -> Made:
    """Tell with what and where a result is made."""
    versions = {"bioimg-fiji": bioimg_fiji.__version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    machine: dict[str, str | int | float] = {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": psutil.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "device": device,
    }
    return {"versions": versions, "machine": machine, "date": when}


def names(rows: Iterable[Row]) -> dict[str, str]:
    """Give the models' names by `Row.identity`; packages of one name have the first digits of their hash behind it."""
    found = {row.identity: row for row in rows}
    shared = Counter(row.model for row in found.values())
    return {
        identity: row.model if shared[row.model] == 1 or row.is_baseline else f"{row.model} {row.sha256[:_DIGITS]}"
        for identity, row in found.items()
    }


def columns(results: Results) -> tuple[str, ...]:
    """Give the names of the figures, the headline number first; those that no model has are left out."""
    told = (results.metric, *results.suite["further"])
    return tuple(name for name in dict.fromkeys(told) if name == results.metric or _has(results.rows, name))


def _has(rows: Sequence[Row], name: str) -> bool:
    return any(name in row.figures for row in rows)


def _comparable(told: Made) -> tuple[object, object]:
    return told.get("versions"), told.get("machine")


def _text(path: Path, text: str) -> None:
    path.write_text(text + "\n", "utf-8")


def _csv(path: Path, results: Results) -> None:
    names = columns(results)
    head = ("suite", "model", *names, "seconds", "start", "memory_mib", "images", "outcome", "reason")
    hashes = ("package_sha256", "data_sha256", "suite_sha256", "options", "date")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow((*head, *hashes))
        for row in results.rows:
            values = [row.figures.get(name, "") for name in names]
            timing = (row.seconds, row.start, row.memory) if row.outcome == DONE else ("", "", "")
            told = (*timing, len(row.images), row.outcome, row.reason)
            known = (row.sha256, results.data["sha256"], results.suite["sha256"], row.options, row.made.get("date", ""))
            writer.writerow((results.suite["name"], row.model, *values, *told, *known))
