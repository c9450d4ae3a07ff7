"""The run itself: from images and a package to a prediction."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import ImageError, ParameterError, WeightsError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.package.fit import fit
from bioimg_fiji.package.links import main_input
from bioimg_fiji.predict.look import check_pixels, misfits
from bioimg_fiji.predict.outputs import Values, output_image, output_table
from bioimg_fiji.predict.work import PredictOptions, Work, borrowed, halved, provenance, sizes
from bioimg_fiji.runtime import Adapter
from bioimg_fiji.runtime.memory import LARGEST, check_size, learn, tile_budget
from bioimg_fiji.runtime.sample import Features, SampleRunner
from bioimg_fiji.tiling import TilePlan

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Prediction:
    """What a model gave: images and tables by name ("output" is its first output), and figures of the run."""

    images: Mapping[str, Image]
    report: Mapping[str, float | int | str]
    tables: Mapping[str, Values] = field(default_factory=dict)


def predict(
    image: Image | Mapping[str, Image],
    package: ModelPackage,
    options: PredictOptions | None = None,
    job: Job | None = None,
    adapter: Adapter | None = None,
    features: Features | None = None,
) -> Prediction:
    """Run a model on an image of any size.

    Axes that the model has not are looped over and put back in place; so are the channels of an image where the model
    takes one. The model sees the stored values. Images smaller than the model's minimum, or off its grid, are mirrored
    at the far end and the result is cut back.

    Parameters
    ----------
    image
        Image with any axes and any real dtype; for a model with several inputs, one for each by the input's id.
    package
        Model package.
    options
        How to run it.
    job
        For progress (a report per tile) and cancelling.
    adapter
        The loaded model, when the caller has it; it is not closed then.
    features
        Called with the features (blocks, channels) of each tile, for a package that gives them
        (`bioimg_fiji.trust.told`). Where memory does not suffice and tiles are made smaller, some are told twice.

    Returns
    -------
    Prediction
        Images in the model's dtypes (floats as float32), titled `<image>-<output id>`; one of another resolution or
        size than the input has its calibration changed with it. Outputs without the axes y and x are tables.

    Raises
    ------
    AxesError
        When the image lacks an axis that the model needs; the message names the choices.
    ImageError
        When the image has NaN or infinite values, or no pixels.
    PackageError, WeightsError, UntrustedModelError
        When the model cannot run here.
    JobCancelledError
        When the user asked to stop.
    """
    options, job = options or PredictOptions(), job or Job()
    image, others = _by_input(image, package)
    for each in (image, *others.values()):
        check_pixels(each)
    work = Work(image, others, package, options, fit(image, package, options.axes, others))
    check_size(package, work.plan(LARGEST).padded)  # what is wrong with the size is told before the model is loaded
    for sentence in misfits(image, work.way.axes, package) if options.look else ():
        job.note(sentence)
    job.progress("Loading the model")
    with borrowed(package, options, adapter) as model:
        plan, outputs, watch = _run_in_memory(work, model, job, features or options.features)
    made = provenance(package, model, plan)
    images, tables = {}, {}
    for place, (tensor, array) in enumerate(zip(package.outputs, outputs, strict=True)):
        name = "output" if place == 0 else tensor.id
        if {"y", "x"} <= set(tensor.letters):
            images[name] = output_image(image, work.way, package, tensor, array, made)
        else:
            tables[name] = output_table(work.way, tensor, array)
    return Prediction(images, {**made, "tiles": watch.total, "seconds": watch.seconds}, tables)


def _run_in_memory(
    work: Work, model: Adapter, job: Job, features: Features | None
) -> tuple[TilePlan, list[Array], _Watch]:
    """Run with tiles of the size that the memory allows; halve them, and remember it, where that was too much."""
    plan = work.plan(tile_budget(work.package, model.device))
    while True:
        runner = SampleRunner(work.package, work.way.tiled, plan)
        watch = _Watch(job, len(plan), math.prod(work.loop))
        try:
            return plan, _run(work, runner, model, watch, features), watch
        except WeightsError as error:
            smaller = halved(plan, work)
            if error.details.get("reason") != "memory" or smaller is None:
                raise
        learn(work.package, model.device, math.prod(smaller.outer))
        job.note(
            f"Memory does not suffice for tiles of {sizes(plan)}: going on with {sizes(smaller)}, now and next time."
        )
        plan = smaller


class _Watch:
    """Reports tiles over all samples, with the time left."""

    def __init__(self, job: Job, tiles: int, samples: int) -> None:
        self.job, self.tiles, self.total = job, tiles, tiles * samples
        self.start = time.perf_counter()

    @property
    def seconds(self) -> float:
        return round(time.perf_counter() - self.start, 3)

    def report(self, done: int) -> None:
        left = {"seconds_left": round(self.seconds / done * (self.total - done), 1)} if done else {}
        self.job.progress("Tiles", done, self.total, **left)


def _by_input(image: Image | Mapping[str, Image], package: ModelPackage) -> tuple[Image, dict[str, Image]]:
    """Tell the image for the main input from those for the others."""
    if isinstance(image, Image):
        return image, {}
    main = main_input(package).id
    if main not in image:
        raise ParameterError.of("image", f"an image for {main!r}", sorted(image))
    return image[main], {name: each for name, each in image.items() if name != main}


def _run(work: Work, runner: SampleRunner, model: Adapter, watch: _Watch, features: Features | None) -> list[Array]:
    """Give each output: the looped axes first, then the output's own."""
    loop = work.loop
    outputs: list[Array] = []
    for number, sample in enumerate(work.samples()):
        first = number * watch.tiles
        arrays = runner.run(
            sample,
            model,
            lambda done, first=first: watch.report(first + done),  # type: ignore[misc]
            features,
        )
        if not outputs:
            outputs = [np.empty((math.prod(loop), *a.shape), _kept_dtype(a)) for a in arrays]
        for output, array in zip(outputs, arrays, strict=True):
            if array.shape != output.shape[1:]:
                raise ImageError(
                    f"The model gave outputs of different shapes ({output.shape[1:]}, {array.shape}) for the image's "
                    "planes.",
                    fix="Run it on one of them at a time.",
                )
            output[number] = array
    watch.report(watch.total)
    return [output.reshape(loop + output.shape[1:]) for output in outputs]


def _kept_dtype(array: Array) -> np.dtype[Any]:
    return np.dtype(np.float32) if array.dtype.kind == "f" else array.dtype
