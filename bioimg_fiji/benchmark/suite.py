"""What a suite says: a folder with `suite.toml`, which names data, task and headline number, and hashes of the data."""

from __future__ import annotations

import hashlib
import importlib.resources
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from bioimg_fiji import settings
from bioimg_fiji.errors import ParameterError, storage_error
from bioimg_fiji.evaluate import Kind, of_pairs
from bioimg_fiji.evaluate.labels import AP, OF_AP

MANIFEST, SUMS = "suite.toml", "SHA256SUMS"
"""Names of the files of a suite; the second is optional, in the form of sha256sum."""

KINDS: Mapping[str, Kind] = {"denoising": "intensity", "restoration": "intensity", "segmentation": "labels"}
"""Kind of data of a task's results (`evaluate`)."""

RUN_KEYS = ("axes", "weights", "tile", "fit", "foreground", "boundary", "threshold", "minimum_size")
"""Keys of `run_model` that a suite, a user or a file of results may set: they tune the model of a row, and neither name
another one, nor grant it trust, nor choose what is scored."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Noise(_Part):
    """A camera that takes the images, which stand for the truth, with few photons."""

    photons: float = Field(gt=0, le=1e9)
    """Mean of each image, photons per pixel."""
    read_noise: float = Field(default=0.0, ge=0)
    """Electrons, standard deviation."""
    seed: int = Field(default=0, ge=0)


class Data(_Part):
    """Where the images are: files, or a generator."""

    folder: str = "."
    images: str = ""
    truth: str = ""
    axes: str | None = None
    alternate: bool = False
    """Whether frames 1, 3, 5, ... are the images, and frames 2, 4, 6, ... stand for the truth."""
    noise: Noise | None = None
    generator: Literal["", "phantom", "slow", "spikes"] = ""
    """Of `train.synthetic`: still images, or movies with slow or one-frame events."""
    get: str = ""


class Split(_Part):
    """Which images are for the test: those of these names (patterns), or each so-many-th; else all."""

    test: tuple[str, ...] = ()
    every: int = Field(default=0, ge=0)


class Manifest(_Part):
    """The contents of `suite.toml`."""

    title: str
    task: Literal["denoising", "restoration", "segmentation"]
    modality: str
    source: str
    licence: str
    metric: str
    further: tuple[str, ...] = ()
    data: Data
    split: Split = Split()
    run: Mapping[str, str | int | float | bool] = {}
    """Of `RUN_KEYS`, for every model."""


@dataclass(frozen=True)
class Suite:
    """A suite.

    Parameters
    ----------
    name
        The folder's.
    folder
        Where `suite.toml` lies.
    manifest
        What it says.
    sha256
        Of `suite.toml`.
    """

    name: str
    folder: Path
    manifest: Manifest
    sha256: str

    @property
    def kind(self) -> Kind:
        """Kind of data of the results."""
        return KINDS[self.manifest.task]

    def root(self, given: Path | None) -> Path:
        """Give the folder of the data: the first with images of `given`, the suite's and the setting `benchmark_data`.

        The setting is for the suites that come along: it does not divert one that has its images beside it.
        """
        setting = settings.get("benchmark_data")
        asked = given or (Path(setting) if setting else self.folder)
        roots = [each.expanduser() / self.manifest.data.folder for each in (asked, self.folder)]
        places = roots if given else reversed(roots)
        return next((place for place in places if self._has_images(place)), roots[0])

    def _has_images(self, place: Path) -> bool:
        images = self.manifest.data.images
        return bool(images) and place.is_dir() and any(place.glob(images))

    def sums(self) -> dict[str, str]:
        """Give the SHA-256 of the files by their names below the folder of the data; none where they are not told."""
        path = self.folder / SUMS
        if not path.is_file():
            return {}
        found = {}
        for line in path.read_text("utf-8").splitlines():
            digest, _, name = line.partition(" ")
            if name:
                found[name.lstrip(" *")] = digest.lower()
        return found


def find(text: str) -> Suite:
    """Find a suite: the name of one that comes with bioimg-fiji, or a folder with `suite.toml`.

    Raises
    ------
    ParameterError
        When there is none, or its file is wrong; names the field.
    """
    known = shipped()
    folder = known.get(text) or Path(text).expanduser()
    file = folder if folder.name == MANIFEST else folder / MANIFEST
    if not file.is_file():
        raise ParameterError.of(
            "suite",
            f"{', '.join(known)}, or a folder with {MANIFEST}",
            text,
            fix="Make one of your own: bioimg-fiji benchmark --new FOLDER.",
        )
    return read(file)


def read(file: Path) -> Suite:
    """Read `suite.toml` (ParameterError where it is wrong)."""
    content = file.read_bytes()
    try:
        manifest = Manifest.model_validate(tomllib.loads(content.decode("utf-8")))
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _wrong(file, ".".join(map(str, first["loc"])), first["msg"]) from error
    except ValueError as error:
        raise _wrong(file, "the file", str(error)) from error
    _check(manifest, file)
    return Suite(file.resolve().parent.name, file.resolve().parent, manifest, hashlib.sha256(content).hexdigest())


def shipped() -> dict[str, Path]:
    """Give the folders of the suites that come with bioimg-fiji, by name."""
    here = Path(str(importlib.resources.files("bioimg_fiji"))) / "suites"
    return {file.parent.name: file.parent for file in sorted(here.glob(f"*/{MANIFEST}"))}


def write_new(folder: Path) -> Path:
    """Write a `suite.toml` with a remark for each line, to be filled in; give its path.

    Raises
    ------
    ParameterError
        When there is one already.
    """
    target = folder / MANIFEST
    if target.exists():
        raise ParameterError.of("suite", "a folder without a suite", str(folder), fix="Name another folder.")
    text = importlib.resources.files("bioimg_fiji.benchmark").joinpath("template.toml").read_text("utf-8")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    except OSError as error:
        raise storage_error("Writing", target, error) from error
    return target


def refused(keys: Iterable[str]) -> str:
    """Say which of these keys is none of `RUN_KEYS`; "" where all are."""
    wrong = next((name for name in keys if name not in RUN_KEYS), None)
    return f"{wrong!r} is none of {', '.join(RUN_KEYS)}" if wrong is not None else ""


def base(metric: str) -> str:
    """Give the name that `evaluate` knows a figure by: ap for ap50."""
    return AP if metric in OF_AP else metric


def _check(manifest: Manifest, file: Path) -> None:
    """Refuse what no type tells."""
    data, kind = manifest.data, KINDS[manifest.task]
    known = [each for name in of_pairs(kind) for each in (OF_AP if name == AP else (name,))]
    if reason := refused(manifest.run):
        raise _wrong(file, "run", reason)
    for name in (manifest.metric, *manifest.further):
        if name not in known:
            raise _wrong(file, "metric, further", f"{name!r} is none of {', '.join(known)}")
    if bool(data.generator) == bool(data.images):
        raise _wrong(file, "data", "it has either images = (a pattern) or generator =")
    told = sum((bool(data.truth), data.alternate, data.noise is not None, bool(data.generator)))
    if told != 1:
        raise _wrong(file, "data", "the truth comes from one of: truth, alternate, noise, generator")
    if kind == "labels" and not data.truth:
        raise _wrong(file, "data", "a segmentation has label images: truth = (a pattern)")
    for name in ("folder", "images", "truth"):
        if not _lies_below(getattr(data, name)):
            raise _wrong(file, f"data.{name}", "paths lie below the folder of the data")


def _lies_below(pattern: str) -> bool:
    """Whether a path or pattern leads nowhere else, on any system."""
    path = PureWindowsPath(pattern)  # it takes / and \ for separators
    return not path.anchor and ".." not in path.parts


def _wrong(file: Path, field: str, reason: Any) -> ParameterError:
    return ParameterError(
        f"{file}: {field}: {reason}.",
        fix="Compare it with the remarks of a new one: bioimg-fiji benchmark --new FOLDER.",
        field="suite",
        expected="a suite",
        got=str(file),
    )
