"""The built-in commands. Each puts the parts together; none has a method of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bioimg_fiji import settings
from bioimg_fiji.commands import macro, registry
from bioimg_fiji.commands.documentation import describe
from bioimg_fiji.commands.keys import (
    Device,
    ObjectKeys,
    Weights,
    axes_key,
    device_key,
    tile_key,
    trust_key,
    weights_key,
)
from bioimg_fiji.commands.parameters import ImageInput, Parameters, key
from bioimg_fiji.commands.registry import MENU, command
from bioimg_fiji.commands.result import Result
from bioimg_fiji.commands.segment import with_objects
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.files import check_folder
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.image import Image
    from bioimg_fiji.package import ModelPackage
    from bioimg_fiji.train import TrainConfig


class RunModel(ObjectKeys):
    """Parameters of `run_model`."""

    image: ImageInput = key(title="Image", help="The image to process.")
    model: Path = key(
        title="Model", widget="model", help="A bioimage.io model package: a .zip, its folder or its rdf.yaml."
    )
    axes: str | None = axes_key()
    weights: Weights = weights_key()
    device: Device = device_key()
    tile: int = tile_key()
    trust: str | None = trust_key()
    image2: ImageInput | None = key(
        None, title="Second image", expert=True, help="For a model of several images, in its description's order."
    )
    image3: ImageInput | None = key(
        None, title="Third image", expert=True, help="For a model of several images, in its description's order."
    )


class RunFile(Parameters):
    """Parameters of `run_file`."""

    input: Path = key(
        title="Image file", widget="file", help="A TIFF, an OME-TIFF or the folder of an OME-Zarr, of any size."
    )
    model: Path = key(
        title="Model", widget="model", help="A bioimage.io model package: a .zip, its folder or its rdf.yaml."
    )
    output: Path = key(
        title="Result to", widget="save", suffix=".ome.zarr", help="The result, named .ome.zarr or .ome.tif."
    )
    axes: str | None = axes_key()
    weights: Weights = weights_key()
    device: Device = device_key()
    tile: int = tile_key()
    trust: str | None = trust_key()


class TrainDenoiser(Parameters):
    """Parameters of `train_denoiser`."""

    image: ImageInput = key(
        title="Image", help="The noisy image to learn from; every plane of a stack or movie is a sample."
    )
    method: Literal["n2v"] = key(
        "n2v", title="Method", help="n2v (Noise2Void) needs only the noisy image; its noise must be pixel by pixel."
    )
    model: Path = key(
        title="Save model as", widget="save", suffix=".zip", help="Where the trained model package is written."
    )
    quality: Literal["quick", "normal", "thorough"] = key(
        "quick", title="Quality", help="quick shows in about a minute what to expect; normal and thorough take longer."
    )
    apply: bool = key(True, title="Denoise the image", help="Run the trained model on the image and show the result.")
    axes: str | None = axes_key()
    steps: int | None = key(
        None, ge=1, le=10_000_000, title="Steps", expert=True, help="Optimiser steps; empty leaves it to the quality."
    )
    batch_size: int | None = key(
        None, ge=1, le=1024, title="Batch size", expert=True, help="Patches per step; empty leaves it to the quality."
    )
    patch: int = key(
        64, ge=16, le=1024, title="Patch size", unit="pixels", expert=True, help="Side of a training patch."
    )
    dims: Literal["2", "3"] = key(
        "2", title="Dimensions", expert=True, help="2 learns from single planes, 3 from volumes (needs a z axis)."
    )
    seed: int = key(0, ge=0, le=2**31 - 1, title="Seed", expert=True, help="The same seed gives the same model.")
    device: Device = device_key()
    resume: bool = key(
        False,
        title="Resume",
        expert=True,
        help="Go on from the checkpoint that a stopped training left beside the model.",
    )
    force: bool = key(
        False,
        title="Train although advised against",
        expert=True,
        help="Train even if the method does not suit the noise.",
    )


@command(id="run_model", title="BioImg Run Model...", menu=MENU)
def run_model(parameters: RunModel, job: Job) -> Result:
    """Run a bioimage.io model on an image; the result keeps calibration, labels, colours and overlay."""
    from bioimg_fiji.package import open_package
    from bioimg_fiji.predict import PredictOptions, predict

    package = open_package(parameters.model)
    options = PredictOptions(
        weights=parameters.weights,
        device=parameters.device,
        tile=parameters.tile,
        axes=parameters.axes,
        trust=parameters.trust or "",
    )
    prediction = predict(_by_input(parameters, package), package, options, job)
    images, tables = with_objects(prediction, parameters.image, package, parameters)
    return Result(images=images, tables=tables, figures=prediction.report)


@command(id="run_file", title="BioImg Run on File...", menu=MENU)
def run_file(parameters: RunFile, job: Job) -> Result:
    """Run a bioimage.io model on an image file larger than memory; a run that was stopped goes on from there."""
    from bioimg_fiji.package import open_package
    from bioimg_fiji.predict import PredictOptions, predict_file

    package = open_package(parameters.model)
    options = PredictOptions(
        weights=parameters.weights,
        device=parameters.device,
        tile=parameters.tile,
        axes=parameters.axes,
        trust=parameters.trust or "",
    )
    line = macro.line(registry.find("run_file"), parameters)
    found = predict_file(parameters.input, parameters.output, package, options, job, {macro.PROPERTY: line})
    return Result(files=found.files, figures=found.report)


@command(id="train_denoiser", title="BioImg Train Denoiser...", menu=MENU)
def train_denoiser(parameters: TrainDenoiser, job: Job) -> Result:
    """Train a denoiser on the image itself, without clean data, and save it as a bioimage.io model package."""
    from bioimg_fiji.predict import predict
    from bioimg_fiji.runtime.export import export
    from bioimg_fiji.train import train

    target = _model_target(parameters.model)
    image = parameters.image.with_axes(parameters.axes or parameters.image.axes)
    checkpoint = target.with_suffix(".checkpoint")
    trained = train([image], _config(parameters), job=job, checkpoint=checkpoint, resume=parameters.resume)
    job.progress("Writing the model")
    package = export(trained, describe(trained.provenance, image.name), target)
    checkpoint.unlink(missing_ok=True)
    figures: dict[str, float | int | str | bool] = dict(trained.provenance["figures"])
    images = {}
    if parameters.apply:
        images = dict(predict(image, package, job=job).images)
    return Result(images=images, figures=figures, files={"model": target})


def _by_input(parameters: RunModel, package: ModelPackage) -> Image | dict[str, Image]:
    """Give each input of the model its image: the main one the first, the others theirs in the description's order."""
    from bioimg_fiji.package.links import main_input

    main = main_input(package).id
    others = [tensor.id for tensor in package.inputs if tensor.id != main]
    more = {"image2": parameters.image2, "image3": parameters.image3}
    if not any(more.values()):
        return parameters.image
    found = {main: parameters.image}
    for number, (name, image) in enumerate(more.items()):
        if image is not None and number >= len(others):
            raise ParameterError.of(name, f"no image: {package.name} takes {len(package.inputs)}", image.title)
        if image is not None:
            found[others[number]] = image
    return found


def _model_target(path: Path) -> Path:
    """Give the path of the package to write; refuse one that cannot be written, before the training."""
    target = path if path.suffix else path.with_suffix(".zip")
    if target.suffix.lower() != ".zip":
        raise ParameterError.of("model", "a name that ends with .zip", path.name, fix="A model package is a .zip file.")
    check_folder(target)
    return target


def _config(parameters: TrainDenoiser) -> TrainConfig:
    from bioimg_fiji.train import TrainConfig

    chosen = {"steps": parameters.steps, "batch_size": parameters.batch_size}
    return TrainConfig.preset(
        parameters.quality,
        method=parameters.method,
        patch=parameters.patch,
        dims=int(parameters.dims),
        seed=parameters.seed,
        device=parameters.device,
        force=parameters.force,
        threads=settings.get("threads"),
        **{name: value for name, value in chosen.items() if value is not None},
    )
