"""The images of a suite: read from files whose hashes are checked, or generated; split into training and test."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.benchmark.suite import MANIFEST, SUMS, Noise, Suite
from bioimg_fiji.errors import AxesError, BioimgError, FileFormatError, ParameterError
from bioimg_fiji.files import read_image
from bioimg_fiji.image import Image

_TRAINING, _TEST = range(8), range(100, 103)
"""Seeds of the phantoms, as in `train.synthetic.benchmark_set`."""
_MOVIES = {"training": 8, "test": 7}


@dataclass(frozen=True)
class Pair:
    """An image that a model is given, and what it should make of it."""

    image: Image
    truth: Image


@dataclass(frozen=True)
class Case:
    """One image of a suite, read when it is asked for."""

    name: str
    load: Callable[[], Pair]


@dataclass(frozen=True)
class Cases:
    """The images of a suite.

    Parameters
    ----------
    training, test
        In the order of their names.
    files
        SHA-256 by name, of files or of generated arrays.
    checked
        Whether the suite tells them too.
    """

    training: tuple[Case, ...]
    test: tuple[Case, ...]
    files: Mapping[str, str]
    checked: bool

    @property
    def sha256(self) -> str:
        """Hash of all data."""
        lines = (f"{digest}  {name}\n" for name, digest in sorted(self.files.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def cases(suite: Suite, root: Path | None) -> Cases:
    """Find the images of a suite.

    Raises
    ------
    ParameterError
        When a file is missing, or an image has no truth; says how to get the data.
    FileFormatError
        When a file is another one than the suite's hashes say.
    """
    if suite.manifest.data.generator:
        return _generated(suite.manifest.data.generator)
    folder = suite.root(root)
    pairs = _pairs(suite, folder)
    names = [path.relative_to(folder).as_posix() for each in pairs for path in each if path is not None]
    files = {name: _sha256(folder / name) for name in names}
    sums = suite.sums()
    for name, digest in files.items() if sums else ():
        told = f"{sums[name][:16]}..." if name in sums else "nothing of it"
        if sums.get(name) != digest:
            raise FileFormatError(
                f"{folder / name} is another file than that of the suite {suite.name}: "
                f"its SHA-256 is {digest[:16]}..., and {SUMS} says {told}.",
                fix=_get(suite) if name in sums else f"Move it away, or add it to {suite.folder / SUMS}.",
            )
    found = [Case(image.name, partial(_load, suite, image, truth)) for image, truth in pairs]
    test = _chosen(suite, [case.name for case in found])
    return Cases(
        tuple(case for case in found if case.name not in test),
        tuple(case for case in found if case.name in test),
        files,
        bool(sums),
    )


def _pairs(suite: Suite, folder: Path) -> list[tuple[Path, Path | None]]:
    """Give the image files in the order of their names, each with its truth where the suite has such."""
    data = suite.manifest.data
    missing = [name for name in suite.sums() if not (folder / name).is_file()]
    images = sorted(path for path in folder.glob(data.images) if path.is_file()) if folder.is_dir() else []
    if missing or not images:
        raise ParameterError(
            f"{folder / (missing[0] if missing else data.images)} is missing, which the suite {suite.name} needs.",
            fix=f"{_get(suite)} Then say root=FOLDER, or set benchmark_data to it.",
            field="root",
            expected="the folder of the data",
            got=str(folder),
        )
    _check_names(suite, images, "image")
    if not data.truth:
        return [(path, None) for path in images]
    found = sorted(path for path in folder.glob(data.truth) if path.is_file())
    _check_names(suite, found, "truth")
    truths = {path.stem: path for path in found}
    if len(images) == len(truths) == 1:
        return [(images[0], next(iter(truths.values())))]
    lacking = [path.name for path in images if path.stem not in truths]
    if lacking:
        raise ParameterError(
            f"{len(lacking)} images have no truth of their name in {folder / data.truth}: {', '.join(lacking[:3])}.",
            fix=_get(suite),
            field="root",
            expected="a truth for each image, of its name",
            got=f"none for {', '.join(lacking)}",
        )
    return [(path, truths[path.stem]) for path in images]


def _check_names(suite: Suite, paths: Sequence[Path], what: str) -> None:
    """Refuse files of the same name in several folders: it would not be told which truth belongs to which image."""
    first: dict[str, Path] = {}
    for path in paths:
        other = first.setdefault(path.stem, path)
        if other is not path:
            raise ParameterError.of(
                "suite",
                f"one {what} of each name",
                f"{other} and {path}",
                fix=f"Name them differently, or narrow the patterns in {suite.folder / MANIFEST}.",
            )


def _get(suite: Suite) -> str:
    return suite.manifest.data.get or f"Get the data: {suite.manifest.source}."


def _chosen(suite: Suite, names: Sequence[str]) -> set[str]:
    split = suite.manifest.split
    if split.test:
        chosen = {name for name in names if any(fnmatch.fnmatchcase(name, each) for each in split.test)}
    else:
        chosen = set(names[:: split.every or 1])
    if not chosen:
        raise ParameterError.of(
            "suite", "one with images for the test", suite.name, fix=f"Correct split.test: {', '.join(names[:3])}..."
        )
    return chosen


def _load(suite: Suite, image: Path, truth: Path | None) -> Pair:
    data = suite.manifest.data
    given = _read(image, data.axes)
    if truth is not None:
        return Pair(given, _read(truth, data.axes))
    if data.alternate:
        return _alternate(given)
    assert data.noise is not None
    return exposed(given, data.noise)


def _read(path: Path, axes: str | None) -> Image:
    try:
        return read_image(path)
    except AxesError:
        return read_image(path, axes)


def _alternate(movie: Image) -> Pair:
    """Give the odd frames, and the even ones that follow them: the same cells with noise of their own."""
    if movie.size("t") < 2:
        raise ParameterError.of("suite", "movies for data.alternate", movie.title, fix='Say data.axes = "tyx".')
    place, count = movie.axes.index("t"), movie.size("t") // 2 * 2
    first, second = (
        movie.with_pixels(np.take(movie.pixels, range(start, count, 2), place), movie.axes) for start in (0, 1)
    )
    return Pair(first, dataclasses.replace(second, title=f"{movie.name}-next.tif"))


def exposed(image: Image, noise: Noise) -> Pair:
    """Give what a camera of gain 1 reads of an image that is `noise.photons` bright on average, and the truth."""
    pixels = image.pixels.astype(np.float64)
    mean = float(pixels.mean())
    if not mean > 0:
        raise ParameterError.of("suite", "images with light in them", image.title)
    photons = pixels * (noise.photons / mean)
    # The name is part of the seed: images do not share their noise.
    key = int.from_bytes(hashlib.sha256(image.title.encode()).digest()[:8], "big")
    rng = np.random.default_rng([noise.seed, key])
    reading = rng.poisson(photons) + rng.normal(0, noise.read_noise, photons.shape)
    return Pair(
        image.with_pixels(reading.astype(np.float32), image.axes),
        image.with_pixels(photons.astype(np.float32), image.axes),
    )


def _generated(kind: str) -> Cases:
    made = _phantoms() if kind == "phantom" else _movies(kind)
    files: dict[str, str] = {}
    parts: dict[str, list[Case]] = {"training": [], "test": []}
    for part, name, image, truth in made:
        files |= {f"{name}-image": _of_array(image), f"{name}-truth": _of_array(truth)}
        axes = "tyx"[-image.ndim :]
        pair = Pair(Image(image, axes, title=f"{name}.tif"), Image(truth, axes, title=f"{name}-truth.tif"))
        parts[part].append(Case(name, partial(_same, pair)))
    return Cases(tuple(parts["training"]), tuple(parts["test"]), files, checked=False)


def _same(pair: Pair) -> Pair:
    return pair


_Made = Iterator[tuple[str, str, NDArray[Any], NDArray[Any]]]


def _phantoms() -> _Made:
    from bioimg_fiji.train.synthetic import expose, phantom, truth

    rng = np.random.default_rng(1)
    for part, seeds in (("training", _TRAINING), ("test", _TEST)):
        for seed in seeds:
            photons = phantom(seed=seed)
            yield part, f"phantom-{seed}", expose(photons, rng), truth(photons)


def _movies(kind: str) -> _Made:
    from bioimg_fiji.train.synthetic import expose, movie, truth

    for part, seed in _MOVIES.items():
        photons, _ = movie(kind, seed=seed)
        yield part, f"{kind}-{seed}", expose(photons, np.random.default_rng(seed)), truth(photons)


def _of_array(array: NDArray[Any]) -> str:
    return hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).hexdigest()


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error}.", fix="Check the file.") from error


def missing(suite: Suite, root: Path | None) -> str:
    """Say what is missing or wrong of a suite's data; "" where all is there."""
    try:
        cases(suite, root)
    except BioimgError as error:
        return str(error)
    return ""
