"""The results of a run from file to file while it is not at its end: a folder `<result>.part` beside the result.

::

    run.json      what is being done: the image, the package, the tiles; another run begins anew
    tiles         a line for each tile that is written
    results.json  shapes and types of the results
    *.zarr ...    the results so far; raw ones, where an operation has to see the whole result first

A run with bounds (trust.intervals) has such a folder too: its `tiles` are numbers of whole runs, and the one under way
has a folder of its own in it.

Lives here: what of it is written and read, and that the results get to their places. Lives not here: which tiles there
are, and how they are computed (large).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import ImageError, JobCancelledError, StorageError, storage_error
from bioimg_fiji.files.sink import Sink, open_sink, put_in_place
from bioimg_fiji.files.source import phantom
from bioimg_fiji.files.space import check_space, in_cache
from bioimg_fiji.image import Image
from bioimg_fiji.intensity import UNIT_ONLY
from bioimg_fiji.locks import LockFile
from bioimg_fiji.package import ModelPackage, TensorSpec
from bioimg_fiji.predict.outputs import arranged, arranged_place, output_image, spread_gain
from bioimg_fiji.predict.work import Work
from bioimg_fiji.runtime.sample import SampleRunner

Array = npt.NDArray[Any]

RAW_CHUNK = 512
"""Side of the pieces of a result that is to be processed when it is whole, pixels."""

LOCK, MARKS, BEGUN = "lock", "tiles", "results.json"


@dataclass(frozen=True)
class Written:
    """Finished results by name: the file, and the image but for its pixels."""

    paths: dict[str, Path]
    images: dict[str, Image]


@dataclass(frozen=True)
class Place:
    """Where results go: in the end, and until then."""

    target: Path
    folder: Path

    def final(self, package: ModelPackage, output: TensorSpec) -> Path:
        """Give the place of an output in the end."""
        if output is package.outputs[0]:
            return self.target
        if output.spread:
            return aside(self.target) / f"{self.target.name}.spread{_stem_and_ending(self.target)[1]}"
        return beside(self.target, output.id)

    def begun(self, package: ModelPackage, output: TensorSpec) -> Path:
        """Give the place of an output until then."""
        return self.folder / self.final(package, output).name


class Diary:
    """What was done before this process began, and is being done.

    Parameters
    ----------
    folder
        The folder beside the result.
    doing
        What is to be done; what lies there and is of anything else is removed.
    budget
        Pixels of a tile; a run that goes on keeps those it has begun with.
    """

    def __init__(self, folder: Path, doing: Mapping[str, Any], budget: int) -> None:
        self._folder, self._file = folder, folder / "run.json"
        with contextlib.suppress(OSError, ValueError):
            before = json.loads(self._file.read_text("utf-8"))
            # A result that is not there any more: a kill came while they were put in their places.
            whole = all((folder / each["file"]).exists() for each in read_begun(folder).values())
            if before["doing"] == doing and whole:
                budget = before["budget"]
            else:
                self.clear()
        self.budget = budget
        try:
            if not self._file.is_file():
                self.clear()
                self._file.write_text(json.dumps({"doing": doing, "budget": budget}, indent=1), "utf-8")
            self._marks = (folder / MARKS).open("a+", encoding="ascii")
        except OSError as error:
            raise storage_error("Writing", self._file, error) from error
        self._marks.seek(0)
        # A line that a kill has cut short has no end.
        self.done = {int(line) for line in self._marks if line.endswith("\n") and line.strip().isdigit()}
        self._marks.write("\n")

    def mark(self, number: int) -> None:
        """Note that a tile is written."""
        self._marks.write(f"{number}\n")
        self._marks.flush()

    def clear(self) -> None:
        """Remove what was done."""
        for each in self._folder.iterdir():
            if each.name != LOCK:
                shutil.rmtree(each) if each.is_dir() else each.unlink()

    def close(self) -> None:
        """Close its files."""
        self._marks.close()


class Files:
    """The results, each opened when its first part tells the type of its pixels."""

    def __init__(
        self, work: Work, runner: SampleRunner, place: Place, made: Mapping[str, str], properties: Mapping[str, str]
    ) -> None:
        self._work, self._runner, self._place = work, runner, place
        self._made, self._properties = made, properties
        self._sinks: dict[str, Sink] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._raw: dict[str, Any] = {}
        # Compressed files take what they take; those of an earlier run have their place.
        self._has_space = place.target.suffix == ".zarr" or bool(read_begun(place.folder))

    def check_space(self, parts: Mapping[str, Array]) -> None:
        """Check by the first parts that the disk has room for all that will be written without compression.

        Raises
        ------
        StorageError
            When it has not; nothing is written then.
        """
        if self._has_space:
            return
        needed = 0
        for output in self._runner.outputs:
            part = parts[output.id]
            pixels = math.prod(self._work.loop) * math.prod(self._runner.shape(output, part))
            needed += pixels * (4 if part.dtype.kind == "f" else part.dtype.itemsize)
            if self._runner.needs_whole(output) and not self._raw_path(output).exists():
                needed += pixels * part.dtype.itemsize
        check_space("The result", self._place.folder, needed)
        self._has_space = True

    def store(self, number: int, target: tuple[slice, ...], part: Array, output: TensorSpec) -> None:
        """Write a part of an output of sample `number`; raw, where the whole is to be processed later."""
        shape = self._runner.shape(output, part)
        if self._runner.needs_whole(output):
            try:
                raw = self._raw_array(output, shape, part.dtype)
                _fits(raw.shape[1:], shape)
                raw[(slice(number, number + 1), *target)] = part[np.newaxis]
            except OSError as error:
                path = self._raw_path(output)
                raise in_cache(storage_error("Writing", path, error), path) from error
        else:
            self.write(number, target, part, shape, output)

    def write(
        self, number: int, target: tuple[slice, ...], part: Array, shape: tuple[int, ...], output: TensorSpec
    ) -> None:
        """Write a part that is processed."""
        work = self._work
        if part.dtype.kind == "f":
            part = part.astype(np.float32, copy=False)
            intensity = work.image.intensity
            if output.spread:
                part = part * np.float32(spread_gain(work.image, work.package))
            elif _keeps_values(work) and intensity is not None and intensity.function != UNIT_ONLY:
                part = intensity.physical(part).astype(np.float32)
        sink = self._sinks.get(output.id) or self._open(output, shape, part.dtype)
        _fits(self._shapes[output.id], shape)
        place = tuple(int(index) for index in np.unravel_index(number, work.loop)) if work.loop else ()
        view, _ = arranged(part.reshape((1,) * len(place) + part.shape), work.way, output)
        where = arranged_place(place, target, shape, work.way, output)
        sink.write(where, view)

    @property
    def last_step(self) -> str:
        """What remains to be done when all pixels are there, for the user."""
        return "Writing lower resolutions" if self._place.target.suffix == ".zarr" else "Finishing the result"

    def raw(self, output: TensorSpec) -> Any:
        """Give the array with the raw output: samples first."""
        import zarr

        return zarr.open_array(self._raw_path(output), mode="r")

    def finish(self) -> Written:
        """Put the results in their places."""
        found = Written({}, {})
        known = read_begun(self._place.folder)
        for output in self._work.package.outputs:
            if output.id not in self._sinks:
                self._open(output, tuple(known[output.id]["shape"]), np.dtype(known[output.id]["dtype"]))
            self._sinks[output.id].finish()
        for number, output in enumerate(self._work.package.outputs):
            final = self._place.final(self._work.package, output)
            _make(final.parent)
            put_in_place(self._sinks[output.id].path, final, self._place.folder / "before")
            name = "output" if number == 0 else output.id
            found.paths[name], found.images[name] = final, self._sinks[output.id].image
        return found

    def _open(self, output: TensorSpec, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Sink:
        """Begin a result, or go on with it, and note its shape and type for a process that has only to finish it."""
        known = read_begun(self._place.folder)
        if output.id not in known:
            told = {"shape": shape, "dtype": dtype.str, "file": self._path(output).name}
            write_begun(self._place.folder, {**known, output.id: told})
        self._shapes[output.id] = shape
        self._sinks[output.id] = open_sink(self._path(output), self._header(output, shape, dtype))
        return self._sinks[output.id]

    def _path(self, output: TensorSpec) -> Path:
        return self._place.begun(self._work.package, output)

    def _raw_array(self, output: TensorSpec, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        import zarr

        if output.id not in self._raw:
            path = self._raw_path(output)
            if not (path / "zarr.json").is_file():
                chunks = [min(n, RAW_CHUNK) if a in "yx" else 1 for a, n in zip(output.letters, shape, strict=True)]
                count = math.prod(self._work.loop)
                zarr.create_array(path, shape=(count, *shape), chunks=(1, *chunks), dtype=dtype)
            self._raw[output.id] = zarr.open_array(path, mode="r+")
        return self._raw[output.id]

    def _raw_path(self, output: TensorSpec) -> Path:
        return self._place.folder / f"raw-{output.id}.zarr"

    def _header(self, output: TensorSpec, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Image:
        """Build the output image, but for its pixels."""
        work = self._work
        small = [1 if letter in "yx" else size for letter, size in zip(output.letters, shape, strict=True)]
        image = output_image(
            work.image, work.way, work.package, output, np.zeros((*work.loop, *small), dtype), self._made
        )
        image = dataclasses.replace(image, properties={**image.properties, **self._properties})
        lengths = dict(zip(output.letters, shape, strict=True))
        letters = [dict(zip(work.image.axes, work.way.axes, strict=True)).get(letter, letter) for letter in image.axes]
        full = [lengths[letter] if letter in "yx" else n for letter, n in zip(letters, image.shape, strict=True)]
        return image.with_pixels(phantom(tuple(full), dtype))


def folder_of(target: Path) -> Path:
    """Give the folder beside a result; it is there while the result is not whole."""
    return target.with_name(f"{target.name}.part")


def beside(target: Path, name: str) -> Path:
    """Give the place of a further result under its name: that of the result, `-<name>`, and its ending."""
    stem, ending = _stem_and_ending(target)
    return target.with_name(f"{stem}-{name}{ending}")


def _stem_and_ending(target: Path) -> tuple[str, str]:
    stem, dot, suffix = target.name.partition(".ome.")
    return (stem, dot + suffix) if dot else (target.stem, target.suffix)


def aside(target: Path) -> Path:
    """Give the folder beside a result for what is no result: a spread, which means nothing before it is calibrated.

    A file beside the result, named as further outputs are, could be the user's own.
    """
    return target.with_name(f"{target.name}.spread")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise storage_error("Writing", folder, error) from error


@contextlib.contextmanager
def part_folder(target: Path) -> Iterator[Path]:
    """Give the folder beside the result; it is removed at the end, unless the run was stopped."""
    folder = folder_of(target)
    _make(folder)
    lock = LockFile(folder / LOCK)
    if not lock.acquire():
        raise StorageError(f"Another run is writing {target}.", fix="Wait for it, or give another name.")
    ended = False
    try:
        yield folder
        ended = True
    finally:
        if ended or not _has_marks(folder):
            shutil.rmtree(folder, ignore_errors=True)
        lock.release()


@contextlib.contextmanager
def telling_what_is_kept(target: Path) -> Iterator[None]:
    """Have the error of a cancelled run say that the same command goes on, where anything is kept for it."""
    try:
        yield
    except JobCancelledError as error:
        if not folder_of(target).exists():
            raise
        raise JobCancelledError(
            error.message, fix="The same command goes on from there; delete the folder that ends with .part otherwise."
        ) from error


def _has_marks(folder: Path) -> bool:
    """Whether anything is done: a tile, here or of a run whose result goes into the folder."""
    for file in (folder / MARKS, *folder.glob(f"*/{MARKS}")):
        with contextlib.suppress(OSError):
            if file.read_text("ascii").strip():
                return True
    return False


def write_begun(folder: Path, begun: Mapping[str, Any]) -> None:
    """Note the results that are begun, by name: each with its `file`, below the folder, and what else is known."""
    file = folder / BEGUN
    file.with_suffix(".new").write_text(json.dumps(begun), "utf-8")
    file.with_suffix(".new").replace(file)


def read_begun(folder: Path) -> dict[str, Any]:
    """Read what `write_begun` noted; empty where it noted nothing."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder / BEGUN).read_text("utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _keeps_values(work: Work) -> bool:
    return work.package.own.get("values") == "input"


def _fits(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    if shape != other:
        raise ImageError(
            f"The model gave outputs of different shapes ({shape}, {other}) for parts of the image.",
            fix="Run it on one of them at a time.",
        )
