"""Results: a file of JSON for each suite, with the hashes and versions by which they can be checked; and a CSV."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

import bioimg_fiji
from bioimg_fiji.benchmark.baselines import ORACLE
from bioimg_fiji.benchmark.cases import Cases
from bioimg_fiji.benchmark.score import rank, wish
from bioimg_fiji.benchmark.suite import Suite
from bioimg_fiji.errors import FileFormatError
from bioimg_fiji.files import whole

FORMAT = "bioimg-fiji benchmark 1"
DONE, FAILED = "done", "failed"
_PACKAGES = ("numpy", "scipy", "scikit-image", "onnxruntime", "torch", "bioimageio.core")
_SUITE = ("name", "folder", "title", "task", "modality", "source", "licence", "metric", "further", "better", "sha256")
_DATA = ("sha256", "checked", "training", "test", "files")
_INFINITE = {"Infinity": math.inf, "-Infinity": -math.inf}


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
    outcome: str
    reason: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    images: tuple[OfImage, ...] = ()
    start: float = 0.0
    seconds: float = 0.0
    memory: float = 0.0
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_baseline(self) -> bool:
        """Whether it is no package."""
        return not self.sha256 or "=" in self.sha256

    @property
    def ranks(self) -> bool:
        """Whether it is done and no oracle, which nobody can use."""
        return self.outcome == DONE and not (self.is_baseline and self.source == ORACLE)

    def same(self, other: Row) -> bool:
        """Whether both are of the same package with the same options."""
        return (self.source if self.is_baseline else self.sha256, self.options) == (
            other.source if other.is_baseline else other.sha256,
            other.options,
        )


@dataclass(frozen=True)
class Results:
    """The results of a suite: what it says of itself, its data's hashes, and a row for each model, the best first."""

    suite: Mapping[str, Any]
    data: Mapping[str, Any]
    rows: tuple[Row, ...] = ()

    @property
    def metric(self) -> str:
        """The headline number."""
        return str(self.suite["metric"])

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


def begin(suite: Suite, found: Cases) -> Results:
    """Give the results of a suite, without any."""
    said = suite.manifest
    told = {name: getattr(said, name) for name in ("title", "task", "modality", "source", "licence", "metric")}
    told |= {"further": list(said.further), "better": wish(said.metric), "sha256": suite.sha256}
    data = {
        "sha256": found.sha256,
        "checked": found.checked,
        "training": [case.name for case in found.training],
        "test": [case.name for case in found.test],
        "files": dict(found.files),
    }
    return Results({"name": suite.name, "folder": str(suite.folder), **told}, data)


def read(path: Path) -> Results:
    """Read a file of results (FileFormatError where it is none)."""
    try:
        content = json.loads(path.read_text("utf-8"))
        found = _results(content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(
            f"{path} has no results of a benchmark: {type(error).__name__}: {error}.",
            fix="Give the .json that bioimg-fiji benchmark has written.",
        ) from error
    return found


def _results(content: Mapping[str, Any]) -> Results:
    if content["format"] != FORMAT:
        raise ValueError(f"its format is {content['format']!r}")
    suite = {name: content["suite"][name] for name in _SUITE}
    data = {name: content["data"][name] for name in _DATA}
    return Results(suite, data, tuple(_row(each) for each in content["rows"]))


def write(results: Results, folder: Path) -> Path:
    """Write the JSON and, beside it, the CSV; give the JSON's path."""
    target = folder / f"{results.suite['name']}.json"
    content = {"format": FORMAT, "suite": results.suite, "data": results.data}
    text = json.dumps(content | {"rows": [_to_json(row) for row in results.rows]}, indent=1, ensure_ascii=False)
    whole(target, lambda part: _text(part, text))
    whole(target.with_suffix(".csv"), lambda part: _csv(part, results))
    return target


def made(device: str, when: str) -> dict[str, Any]:
    """Tell with what and where a result is made."""
    versions = {"bioimg-fiji": bioimg_fiji.__version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    machine = {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": psutil.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "device": device,
    }
    return {"versions": versions, "machine": machine, "date": when}


def columns(results: Results) -> tuple[str, ...]:
    """Give the names of the figures, the headline number first; those that no model has are left out."""
    told = (results.metric, *results.suite["further"])
    return tuple(name for name in dict.fromkeys(told) if name == results.metric or _has(results.rows, name))


def _has(rows: Sequence[Row], name: str) -> bool:
    return any(name in row.figures for row in rows)


def _comparable(told: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: told.get(name) for name in ("versions", "machine")}


def _to_json(row: Row) -> dict[str, Any]:
    found = dataclasses.asdict(row)
    found["figures"] = _written(row.figures)
    found["images"] = [{**dataclasses.asdict(each), "figures": _written(each.figures)} for each in row.images]
    return found


def _written(figures: Mapping[str, float]) -> dict[str, float | str]:
    """Give figures as JSON has them, which knows no infinity."""
    return {
        name: value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
        for name, value in figures.items()
    }


def _row(data: Mapping[str, Any]) -> Row:
    images = tuple(OfImage(**{**each, "figures": _read(each["figures"])}) for each in data["images"])
    return Row(**{**data, "figures": _read(data["figures"]), "images": images})


def _read(figures: Mapping[str, Any]) -> dict[str, float]:
    return {name: _INFINITE[value] if isinstance(value, str) else float(value) for name, value in figures.items()}


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
