"""The commands that train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bioimg_fiji import settings
from bioimg_fiji.commands.documentation import describe
from bioimg_fiji.commands.keys import Device, ObjectKeys, axes_key, device_key
from bioimg_fiji.commands.parameters import ImageInput, Parameters, key
from bioimg_fiji.commands.registry import MENU, command
from bioimg_fiji.commands.result import Result
from bioimg_fiji.commands.segment import with_objects
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.files import check_folder
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.image import Image
    from bioimg_fiji.train import TrainConfig

Quality = Literal["quick", "normal", "thorough"]


def quality_key() -> Any:
    """Declare `quality`."""
    return key(
        "quick", title="Quality", help="quick shows in about a minute what to expect; normal and thorough take longer."
    )


class Training(Parameters):
    """Keys of every training."""

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


class TrainDenoiser(Training):
    """Parameters of `train_denoiser`."""

    image: ImageInput = key(
        title="Image", help="The noisy image to learn from; every plane of a stack or movie is a sample."
    )
    method: Literal["n2v", "n2v2", "structn2v", "n2n"] = key(
        "n2v",
        title="Method",
        help="n2v (Noise2Void) needs only the noisy image; its noise must be pixel by pixel. n2v2 avoids checkerboards "
        "and takes more steps. structn2v is for noise along lines. n2n (Noise2Noise) learns from neighbouring frames.",
    )
    model: Path = key(
        title="Save model as", widget="save", suffix=".zip", help="Where the trained model package is written."
    )
    quality: Quality = quality_key()
    apply: bool = key(True, title="Denoise the image", help="Run the trained model on the image and show the result.")
    force: bool = key(
        False,
        title="Train although advised against",
        expert=True,
        help="Train even if the method does not suit the noise.",
    )
    noise_axis: Literal["x", "y"] | None = key(
        None, title="Noise along", expert=True, help="structn2v: the axis of the lines; empty measures it."
    )
    noise_span: int | None = key(
        None,
        ge=3,
        le=63,
        title="Noise span",
        unit="pixels",
        expert=True,
        help="structn2v: how many pixels of a line are hidden, an odd number; empty measures it.",
    )


class TrainRestoration(Training):
    """Parameters of `train_restoration`."""

    image: ImageInput = key(title="Image", help="What is to be restored: the poor image of each pair.")
    target: ImageInput = key(title="Target", help="What it should become: the good image of the same pixels.")
    model: Path = key(
        title="Save model as", widget="save", suffix=".zip", help="Where the trained model package is written."
    )
    quality: Quality = quality_key()
    apply: bool = key(True, title="Restore the image", help="Run the trained model on the image and show the result.")


class TrainSegmentation(Training):
    """Parameters of `train_segmentation`."""

    image: ImageInput = key(title="Image", help="The image with objects; all of them must be annotated.")
    target: ImageInput | None = key(
        None, title="Label image", help="The objects, numbered from 1; without one, the areas of the image's overlay."
    )
    model: Path = key(
        title="Save model as", widget="save", suffix=".zip", help="Where the trained model package is written."
    )
    quality: Quality = quality_key()
    apply: bool = key(True, title="Segment the image", help="Run the trained model on the image and show the labels.")


@command(id="train_denoiser", title="BioImg Train Denoiser...", menu=MENU)
def train_denoiser(parameters: TrainDenoiser, job: Job) -> Result:
    """Train a denoiser on the image itself, without clean data, and save it as a bioimage.io model package."""
    chosen = {"noise_axis": parameters.noise_axis, "noise_span": parameters.noise_span}
    changes = {name: value for name, value in chosen.items() if value is not None}
    config = _config(parameters, parameters.quality, method=parameters.method, force=parameters.force, **changes)
    return _trained(parameters, parameters.image, (), config, parameters.model, parameters.apply, job)


@command(id="train_restoration", title="BioImg Train Restoration...", menu=MENU)
def train_restoration(parameters: TrainRestoration, job: Job) -> Result:
    """Train on pairs (CARE), a poor and a good image of the same pixels, and save a bioimage.io model package."""
    config = _config(parameters, parameters.quality, method="care")
    targets = (_with_axes(parameters.target, parameters),)
    return _trained(parameters, parameters.image, targets, config, parameters.model, parameters.apply, job)


@command(id="train_segmentation", title="BioImg Train Segmentation...", menu=MENU)
def train_segmentation(parameters: TrainSegmentation, job: Job) -> Result:
    """Train a segmentation on annotated objects, and save it as a bioimage.io model package that gives labels."""
    from bioimg_fiji.drawn import labels_of

    config = _config(parameters, parameters.quality, method="segmentation")
    given = parameters.target
    target = labels_of(_with_axes(parameters.image, parameters)) if given is None else _with_axes(given, parameters)
    return _trained(parameters, parameters.image, (target,), config, parameters.model, parameters.apply, job)


def _trained(
    parameters: Training,
    image: Image,
    targets: tuple[Image, ...],
    config: TrainConfig,
    model: Path,
    apply: bool,
    job: Job,
) -> Result:
    """Train, write the package, and run it on the image."""
    from bioimg_fiji.predict import predict
    from bioimg_fiji.runtime.export import export
    from bioimg_fiji.train import train

    target = _model_target(model)
    image = _with_axes(image, parameters)
    checkpoint = target.with_suffix(".checkpoint")
    trained = train([image], config, targets=targets, job=job, checkpoint=checkpoint, resume=parameters.resume)
    job.progress("Writing the model")
    package = export(trained, describe(trained.provenance, image.name), target, OUTPUTS.get(config.method, "denoised"))
    checkpoint.unlink(missing_ok=True)
    figures: dict[str, float | int | str | bool] = dict(trained.provenance["figures"])
    images: dict[str, Image] = {}
    if apply:
        images, _ = with_objects(predict(image, package, job=job), image, package, ObjectKeys())
    return Result(images=images, figures=figures, files={"model": target})


OUTPUTS = {"care": "restored", "segmentation": "objects"}
"""With what the titles of results end, where that is not "denoised"."""


def _with_axes(image: Image, parameters: Training) -> Image:
    return image.with_axes(parameters.axes or image.axes)


def _model_target(path: Path) -> Path:
    """Give the path of the package to write; refuse one that cannot be written, before the training."""
    target = path if path.suffix else path.with_suffix(".zip")
    if target.suffix.lower() != ".zip":
        raise ParameterError.of("model", "a name that ends with .zip", path.name, fix="A model package is a .zip file.")
    check_folder(target)
    return target


def _config(parameters: Training, quality: str, **changes: Any) -> TrainConfig:
    from bioimg_fiji.train import TrainConfig

    chosen = {"steps": parameters.steps, "batch_size": parameters.batch_size}
    return TrainConfig.preset(
        quality,
        patch=parameters.patch,
        dims=int(parameters.dims),
        seed=parameters.seed,
        device=parameters.device,
        threads=settings.get("threads"),
        **changes,
        **{name: value for name, value in chosen.items() if value is not None},
    )
