"""Running a model on an image.

The way of the data: whole-image statistics -> preprocessing -> tile plan -> model, tile by tile -> stitch ->
postprocessing -> an image that is built from the input image, so that its calibration cannot be forgotten.

Lives here: what happens to the axes, and to everything that an image has besides pixels. Lives not here: what an
operation, a tile, a runtime or a package is.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import ImageError, ParameterError
from bioimg_fiji.image import Channel, Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import ModelPackage, TensorSpec
from bioimg_fiji.package.fit import Fit, fit
from bioimg_fiji.runtime import Adapter, choose
from bioimg_fiji.runtime.sample import SampleRunner
from bioimg_fiji.tiling import TilePlan, choose_tile, plan_tiles

Array = npt.NDArray[Any]

TILE_PIXELS = 2**19
"""Pixels of an automatic tile. Not taken from the free memory: the same image gives the same bits everywhere."""

PROPERTY = "BioImg"
"""Image property that tells how an image was made, as JSON without times: equal runs give equal texts."""


@dataclass(frozen=True)
class PredictOptions:
    """How to run a model.

    Parameters
    ----------
    weights
        "auto" or a weights format of the package.
    device
        "auto", "cpu", "cuda" or "mps".
    tile
        Side of a tile with its halo, pixels; 0 chooses by the image's shape.
    threads
        CPU threads; 0: the setting, else one per core.
    axes
        Other letters for the image's axes, where it has them wrong; None or empty: its own.
    """

    weights: str = "auto"
    device: str = "auto"
    tile: int = 0
    threads: int = 0
    axes: str | None = None

    def __post_init__(self) -> None:
        for name in ("tile", "threads"):
            if getattr(self, name) < 0:
                raise ParameterError.of(name, "0 or more", getattr(self, name))


@dataclass(frozen=True)
class Prediction:
    """What a model gave: images by name ("output" is its first), and figures of the run."""

    images: Mapping[str, Image]
    report: Mapping[str, float | int | str]


def predict(
    image: Image,
    package: ModelPackage,
    options: PredictOptions | None = None,
    job: Job | None = None,
    adapter: Adapter | None = None,
) -> Prediction:
    """Run a model on an image of any size.

    Axes that the model has not are looped over and put back in place; so are the channels of an image where the model
    takes one. The model sees the stored values. Images smaller than the model's minimum, or off its grid, are mirrored
    at the far end and the result is cut back.

    Parameters
    ----------
    image
        Image with any axes and any real dtype.
    package
        Model package with one input.
    options
        How to run it.
    job
        For progress (a report per tile) and cancelling.
    adapter
        The loaded model, when the caller has it; it is not closed then.

    Returns
    -------
    Prediction
        Images as large as the input, in the model's dtypes (floats as float32), titled `<image>-<output id>`.

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
    _check_pixels(image)
    way = fit(image, package, options.axes)
    plan = _plan(image, way, options.tile)
    runner = SampleRunner(package, way.tiled, plan)
    job.progress("Loading the model")
    model = adapter or choose(package, options.weights, options.device, options.threads)
    watch = _Watch(job, len(plan), math.prod(_loop_shape(image, way)))
    try:
        outputs = _run(image, way, runner, model, watch)
    finally:
        if adapter is None:
            model.close()
    made = _provenance(package, model, plan)
    images = {
        "output" if place == 0 else tensor.id: _image(image, way, package, tensor, outputs[place], made)
        for place, tensor in enumerate(package.outputs)
    }
    return Prediction(images, {**made, "tiles": watch.total, "seconds": watch.seconds})


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


def _check_pixels(image: Image) -> None:
    if image.pixels.size == 0:
        raise ImageError(f"The image has no pixels: its shape is {image.shape}.", fix="Give an image with pixels.")
    # NB: minimum and maximum tell NaN and infinity without an array of flags as large as the image.
    if image.dtype.kind == "f" and not np.isfinite([image.pixels.min(), image.pixels.max()]).all():
        raise ImageError(
            f"{image.title} has values that are not numbers (NaN) or infinite.", fix="Replace them, by 0 for example."
        )


def _plan(image: Image, way: Fit, side: int) -> TilePlan:
    """Plan the tiles of a sample from the image's shape, the model and the asked size alone."""
    shape = [image.shape[way.axes.index(letter)] for letter in way.tiled]
    tile = (side,) * len(shape) if side else choose_tile(shape, way.rules, TILE_PIXELS)
    return plan_tiles(shape, way.rules, tile)


def _loop_shape(image: Image, way: Fit) -> tuple[int, ...]:
    return tuple(image.shape[way.axes.index(letter)] for letter in way.looped)


def _samples(image: Image, way: Fit, tensor: TensorSpec) -> Iterator[Array]:
    """Give what the model sees without tiles, with the axes of its input, once per element of the looped axes."""
    rest = "".join(letter for letter in way.axes if letter not in way.looped)
    array = image.pixels.transpose([way.axes.index(letter) for letter in way.looped + rest])
    missing = "".join(letter for letter in tensor.letters if letter not in rest)
    order = [(missing + rest).index(letter) for letter in tensor.letters]
    for place in itertools.product(*(range(n) for n in _loop_shape(image, way))):
        sample = array[place]
        yield sample.reshape((1,) * len(missing) + sample.shape).transpose(order)


def _run(image: Image, way: Fit, runner: SampleRunner, model: Adapter, watch: _Watch) -> list[Array]:
    """Give each output: the looped axes first, then the output's own."""
    loop = _loop_shape(image, way)
    outputs: list[Array] = []
    for number, sample in enumerate(_samples(image, way, runner.input)):
        first = number * watch.tiles
        arrays = runner.run(sample, model, lambda done, first=first: watch.report(first + done))  # type: ignore[misc]
        if not outputs:
            outputs = [np.empty((math.prod(loop), *a.shape), _kept_dtype(a)) for a in arrays]
        for output, array in zip(outputs, arrays, strict=True):
            output[number] = array
    watch.report(watch.total)
    return [output.reshape(loop + output.shape[1:]) for output in outputs]


def _kept_dtype(array: Array) -> np.dtype[Any]:
    return np.dtype(np.float32) if array.dtype.kind == "f" else array.dtype


def _image(
    image: Image, way: Fit, package: ModelPackage, tensor: TensorSpec, array: Array, made: Mapping[str, str]
) -> Image:
    """Build an output image from the input image."""
    array, axes = _arranged(array, way, tensor)
    own = dict(zip(way.axes, image.axes, strict=True))
    letters = "".join(own.get(letter, letter) for letter in axes)
    base = image
    if len(set(letters)) < len(letters):  # a new channel axis where the image's own "c" was said to be another axis
        base, letters = image.with_axes(way.axes), axes
    result = base.with_pixels(array, letters)
    if package.own.get("values") != "input":
        # Probabilities or labels: neither the display range nor the calibration of the input's values holds for them.
        plain = tuple(dataclasses.replace(channel, display=None) for channel in result.channels)
        result = dataclasses.replace(result, intensity=None, channels=plain)
    elif array.dtype.kind == "f":
        result = result.physical()
    if not result.channels and result.size("c") == len(names := _channel_names(tensor)) > 1:
        result = dataclasses.replace(result, channels=tuple(Channel(name) for name in names))
    text = json.dumps(made, sort_keys=True)
    return dataclasses.replace(
        result, title=f"{image.name}-{tensor.id}", properties={**image.properties, PROPERTY: text}
    )


def _channel_names(tensor: TensorSpec) -> tuple[str, ...]:
    axis = tensor.axis("c")
    return () if axis is None else axis.channel_names


def _arranged(array: Array, way: Fit, tensor: TensorSpec) -> tuple[Array, str]:
    """Drop b, merge the model's channels with those looped over, and put the axes in the image's order."""
    letters = tuple(way.looped) + tuple("batch" if letter == "b" else letter for letter in tensor.letters)
    if "batch" in letters:
        array = array.squeeze(letters.index("batch"))
        letters = tuple(letter for letter in letters if letter != "batch")
    if letters.count("c") == 2:
        # Channels that were looped over run slowest: those of the image's first channel come first.
        last = len(way.looped) + letters[len(way.looped) :].index("c")
        array = np.moveaxis(array, last, way.looped.index("c") + 1)
        place = way.looped.index("c")
        array = array.reshape((*array.shape[:place], -1, *array.shape[place + 2 :]))
        letters = letters[:last] + letters[last + 1 :]
    elif "c" in letters and "c" not in way.axes and array.shape[letters.index("c")] == 1:
        array = array.squeeze(letters.index("c"))
        letters = tuple(letter for letter in letters if letter != "c")
    order = way.axes
    if "c" in letters and "c" not in order:
        plane = min(order.index("y"), order.index("x"))
        order = order[:plane] + "c" + order[plane:]
    order = "".join(letter for letter in order if letter in letters)
    return np.ascontiguousarray(array.transpose([letters.index(letter) for letter in order])), order


def _provenance(package: ModelPackage, model: Adapter, plan: TilePlan) -> dict[str, str]:
    from bioimg_fiji import __version__

    return {
        "model": package.name,
        "package": package.sha256,
        "weights": model.weights,
        "device": model.device,
        "tile": " x ".join(str(size) for size in plan.outer),
        "version": __version__,
    }
