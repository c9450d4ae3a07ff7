"""Running a model from file to file: an image of any size in bounded memory, and after a kill from where it stopped.

While the model computes a tile, the next ones are read and preprocessed, and the last ones processed and written, each
on a thread of its own. What is written until the end lies in a folder beside the result (unfinished).

A killed program loses the tiles that were on their way. Nothing else is computed again, and since tiles do not depend
on each other the result is the same.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import AxesError, StorageError, WeightsError
from bioimg_fiji.files.sink import RAW, check_sink
from bioimg_fiji.files.source import Source, map_raw, open_source
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.ops import stream as by_blocks
from bioimg_fiji.package import ModelPackage, TensorSpec
from bioimg_fiji.package.decode import before_decoding
from bioimg_fiji.package.fit import fit
from bioimg_fiji.package.links import main_input
from bioimg_fiji.predict.lazy import LazySample, streamed
from bioimg_fiji.predict.look import check_not_empty, misfits
from bioimg_fiji.predict.run import Prediction
from bioimg_fiji.predict.samples import cuts_of
from bioimg_fiji.predict.unfinished import Diary, Files, Place, Written, part_folder, telling_what_is_kept
from bioimg_fiji.predict.work import PredictOptions, Work, borrowed, halved, provenance, sizes
from bioimg_fiji.runtime import Adapter
from bioimg_fiji.runtime.memory import check_size, learn, tile_budget
from bioimg_fiji.runtime.sample import Features, Measured, SampleRunner, tell_features

Array = npt.NDArray[Any]
T = TypeVar("T")

AHEAD = 2
"""Tiles that are read ahead, and as many that wait for being written."""

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class FilePrediction:
    """What a model gave: a file for each output ("output" is the first one), and figures of the run."""

    files: Mapping[str, Path]
    report: Mapping[str, float | int | str]


def predict_file(
    path: str | Path,
    target: str | Path,
    package: ModelPackage,
    options: PredictOptions | None = None,
    job: Job | None = None,
    properties: Mapping[str, str] | None = None,
    adapter: Adapter | None = None,
    features: Features | None = None,
) -> FilePrediction:
    """Run a model on an image file of any size; memory does not grow with the image.

    Pixels are those of `predict`; a mean or a standard deviation over the whole image is summed in another order, so
    that their last digits may differ.

    Parameters
    ----------
    path
        TIFF, OME-TIFF or OME-Zarr (0.4 or 0.5).
    target
        The result: an .ome.zarr (written as 0.5, with a pyramid) or an .ome.tif (BigTIFF above 4 GB). Further outputs
        of the model lie beside it, under `<name>-<output id>`; a spread (`told_view`), which is no result, in a folder
        (`aside`). A file of that name is replaced at the end.
    package
        A model of one image.
    options
        How to run it.
    job
        For progress (a report per tile) and cancelling.
    properties
        Further properties of the result.
    adapter
        The loaded model, when the caller has it; it is not closed then.
    features
        As for `predict`, on the thread of the caller. A run that goes on gives those of the tiles that were not done.

    Returns
    -------
    FilePrediction

    Raises
    ------
    AxesError, ImageError, PackageError, WeightsError, UntrustedModelError
        As `predict`.
    FileFormatError
        When the image cannot be read, or the result's name asks for another format.
    StorageError
        When the disk is full, or another run is writing the same result.
    JobCancelledError
        When the user asked to stop; what was done is kept for the next time.
    """
    path, target = Path(path), Path(target).absolute()
    options, job = options or PredictOptions(), job or Job()
    check_files(path, target)
    _check_outputs(package)
    with telling_what_is_kept(target), opened(path, options) as source:
        work = _work(source, package, options, job)
        report, files = _predicted(work, source, target, job, properties or {}, adapter, features or options.features)
    return FilePrediction(files.paths, report)


def predict_source(
    source: Source,
    folder: Path,
    package: ModelPackage,
    options: PredictOptions | None = None,
    job: Job | None = None,
    adapter: Adapter | None = None,
    features: Features | None = None,
) -> Prediction:
    """Run a model on an image that is read by parts, and write the results by parts.

    Metadata and pixels are those of `predict`, bit for bit where the source gives its pixels in single planes
    (`RawSource`).

    Parameters
    ----------
    source
        The image.
    folder
        Gets a raw file for each output (bool as 0 and 255), and what is needed meanwhile.
    package
        A model of one image whose outputs are images (see `needs_memory`).
    options, job, adapter, features
        As for `predict`.

    Returns
    -------
    Prediction
        Its images are mapped from their files.

    Raises
    ------
    As `predict`, and StorageError when the disk has not enough room: before the first tile.
    """
    options, job = options or PredictOptions(), job or Job()
    _check_outputs(package)
    work = _work(source, package, options, job)
    report, files = _predicted(work, source, folder / f"output{RAW}", job, {}, adapter, features or options.features)
    images = {
        name: files.images[name].with_pixels(map_raw(path, files.images[name].shape, files.images[name].dtype))
        for name, path in files.paths.items()
    }
    return Prediction(images, report)


def needs_memory(package: ModelPackage) -> bool:
    """Whether some output is no image, or is found in the whole image: then it is not written by parts."""
    try:
        _check_outputs(package)
    except WeightsError:
        return True
    return False


def _work(source: Source, package: ModelPackage, options: PredictOptions, job: Job) -> Work:
    """Say what is to be done, and tell the user what looks wrong."""
    image = source.image
    check_not_empty(image)
    work = Work(image, {}, package, options, fit(image, package, options.axes, {}))
    for sentence in misfits(_middle(source), work.way.axes, package) if options.look else ():
        job.note(sentence)
    return work


def _predicted(
    work: Work,
    source: Source,
    target: Path,
    job: Job,
    properties: Mapping[str, str],
    adapter: Adapter | None,
    features: Features | None,
) -> tuple[dict[str, Any], Written]:
    job.progress("Loading the model")
    with borrowed(work.package, work.options, adapter) as model, part_folder(target) as folder:
        return _run(work, source, model, Place(target, folder), job, properties, features)


def _run(
    work: Work,
    source: Source,
    model: Adapter,
    place: Place,
    job: Job,
    properties: Mapping[str, str],
    features: Features | None,
) -> tuple[dict[str, Any], Written]:
    budget = tile_budget(work.package, model.device)
    while True:
        diary = Diary(place.folder, _doing(work, source, model), budget)
        plan = work.plan(diary.budget)
        check_size(work.package, plan.outer)
        runner = SampleRunner(work.package, work.way.tiled, plan)
        made = provenance(work.package, model, plan)
        run = _Run(work, source, runner, Files(work, runner, place, made, properties), diary, job)
        try:
            run.tiles(model, features)
        except WeightsError as error:
            smaller = halved(plan, work)
            if error.details.get("reason") != "memory" or smaller is None:
                raise
            budget = math.prod(smaller.outer)
            learn(work.package, model.device, budget)
            diary.clear()
            job.note(
                f"Memory does not suffice for tiles of {sizes(plan)}: "
                f"going on with {sizes(smaller)}, now and next time."
            )
            continue
        done = run.finish()
        return {**made, "tiles": run.total, "seconds": run.seconds}, done


class _Run:
    """One run of all samples."""

    def __init__(self, work: Work, source: Source, runner: SampleRunner, files: Files, diary: Diary, job: Job) -> None:
        self._work, self._source, self._runner, self._files = work, source, runner, files
        self._diary, self._job = diary, job
        self._main = main_input(work.package)
        self._cuts = [cuts[self._main.id] for cuts in cuts_of(work.image, {}, work.way, work.package)]
        self.total = len(runner.plan) * len(self._cuts)
        self._start = time.perf_counter()
        self._status: tuple[str, int, int] = ("Reading", 0, 0)
        self._measured: tuple[int, Measured] | None = None
        self._tiles = runner.plan.tiles

    @property
    def seconds(self) -> float:
        """Time since the run began."""
        return round(time.perf_counter() - self._start, 3)

    def tiles(self, model: Adapter, features: Features | None) -> None:
        """Compute the tiles that are not done."""
        todo = [number for number in range(self.total) if number not in self._diary.done]
        before = self.total - len(todo)
        if before:
            self._job.note(f"Going on where an earlier run has stopped: {before} of {self.total} tiles are done.")
        reader, writer = ThreadPoolExecutor(1, "read"), ThreadPoolExecutor(1, "write")
        reading: collections.deque[Future[Array]] = collections.deque()
        writing: collections.deque[Future[None]] = collections.deque()
        ahead = iter(todo)
        try:
            for count, number in enumerate(todo):
                while len(reading) < AHEAD and (following := next(ahead, None)) is not None:
                    reading.append(reader.submit(self._read, following))
                left = {"seconds_left": round(self.seconds / count * (len(todo) - count), 1)} if count else {}
                self._job.progress("Tiles", before + count, self.total, **left)
                results = model.run({self._main.id: self._awaited(reading.popleft())})
                tell_features(results, features)
                writing.append(writer.submit(self._write, number, results))
                if len(writing) > AHEAD:
                    self._awaited(writing.popleft())
            while writing:
                self._awaited(writing.popleft())
        finally:
            reader.shutdown(cancel_futures=True)
            writer.shutdown(cancel_futures=False)
            self._diary.close()

    def finish(self) -> Written:
        """Process outputs that had to be whole, and put the files in their places."""
        for output in self._work.package.outputs:
            if self._runner.needs_whole(output):
                self._finish_raw(output)
        self._job.progress(self._files.last_step, self.total, self.total)
        return self._files.finish()

    def _read(self, number: int) -> Array:
        """Read and preprocess a tile."""
        sample, place = divmod(number, len(self._tiles))
        lazy = self._sample(sample)
        if self._measured is None or self._measured[0] != sample:
            self._measured = (sample, self._runner.measure({self._main.id: lazy.whole(self._tell)}))
        self._status = ("Tiles", 0, 0)
        places = self._runner.places(self._main.id, self._tiles[place], lazy.shape)
        return self._runner.prepared(self._main.id, lazy.tile(places), self._measured[1], places)

    def _write(self, number: int, results: Mapping[str, Array]) -> None:
        """Process and write a tile's outputs."""
        sample, place = divmod(number, len(self._tiles))
        outputs, tile = self._runner.outputs, self._tiles[place]
        parts = {each.id: self._runner.inner(each, results[each.id], tile) for each in outputs}
        self._files.check_space({name: part for name, (_, part) in parts.items()})
        for output in outputs:
            self._files.store(sample, *parts[output.id], output)
        self._diary.mark(number)

    def _finish_raw(self, output: TensorSpec) -> None:
        raw = self._files.raw(output)
        shape = raw.shape[1:]
        steps = by_blocks.steps(shape, output.axis_ids)
        for sample in range(len(self._cuts)):
            self._job.progress("Processing the whole result", sample, len(self._cuts))

            def read(place: Sequence[slice], sample: int = sample) -> Array:
                self._job.check()
                return np.asarray(raw[(sample, *place)])

            blocks = streamed(shape, output.axis_ids, steps, read, self._tell)
            whole = blocks if by_blocks.is_large(shape) else read([slice(0, size) for size in shape])
            references = self._runner.references({self._main.id: self._sample(sample).whole(self._tell)})
            process = self._runner.finishing(output, whole, references)
            for block in blocks.blocks():
                target = tuple(slice(each.start, each.stop) for each in block.places)
                self._files.write(sample, target, process(block), shape, output)

    def _sample(self, number: int) -> LazySample:
        return LazySample(self._source, self._cuts[number], self._main.axis_ids)

    def _tell(self, done: int, total: int) -> None:
        self._job.check()
        self._status = ("Measuring the image", done, total)

    def _awaited(self, future: Future[T]) -> T:
        """Wait for a thread; meanwhile, report what it does, and let the user stop it."""
        while True:
            try:
                return future.result(timeout=POLL_SECONDS)
            except TimeoutError:
                if future.done():
                    raise
                self._job.check()
                if self._status[2]:
                    self._job.progress(*self._status)


def check_files(path: Path, target: Path) -> None:
    """Refuse a result that cannot be written in parts, or would replace the image itself; errors of `predict_file`."""
    check_sink(target)
    from bioimg_fiji.files import check_folder

    check_folder(target)
    if target.exists() and target.samefile(path):
        raise StorageError(f"{target} is the image itself.", fix="Give the result another name.")


def _check_outputs(package: ModelPackage) -> None:
    """Refuse outputs that are no images, or whose size only a run would tell."""
    raw = before_decoding(package)
    for output, before in zip(package.outputs, raw.outputs, strict=True):
        if not {"y", "x"} <= set(output.letters) or "?" in output.letters or before != output:
            what = "is no image" if before == output else "are objects, which are found in the whole image"
            raise WeightsError(
                f"The output {output.id!r} of {package.name} {what}: only images are written by parts.",
                fix="Open the image and run the model on it (run_model).",
            )


@contextlib.contextmanager
def opened(path: Path, options: PredictOptions) -> Iterator[Source]:
    """Open an image file for the time of a run; the options tell its axes where it does not."""
    try:
        source = open_source(path)
    except AxesError:
        if not options.axes:
            raise
        source = open_source(path, options.axes)
    with source:
        yield source


def _doing(work: Work, source: Source, model: Adapter) -> dict[str, Any]:
    from bioimg_fiji import __version__

    return {
        "image": source.identity,
        "package": work.package.sha256,
        "outputs": [output.id for output in work.package.outputs],
        "weights": model.weights,
        "device": model.device,
        "axes": work.options.axes or "",
        "tile": work.options.tile,
        "version": __version__,
    }


def _middle(source: Source, side: int = 512) -> Image:
    """Read the middle of the middle plane, for a look at it."""
    place: list[slice] = []
    for letter, size in zip(source.image.axes, source.image.shape, strict=True):
        length = min(side, size) if letter in "yx" else 1
        place.append(slice((size - length) // 2, (size - length) // 2 + length))
    return dataclasses.replace(source.image, channels=(), labels=(), rgb=False).with_pixels(source.read(tuple(place)))
