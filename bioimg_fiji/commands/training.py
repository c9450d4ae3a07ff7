"""The commands that train."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from bioimg_fiji import settings
from bioimg_fiji.commands import macro, registry
from bioimg_fiji.commands.documentation import describe
from bioimg_fiji.commands.gathering import Gathered, Wanted, gather
from bioimg_fiji.commands.keys import Device, ObjectKeys, axes_key, device_key
from bioimg_fiji.commands.parameters import ImageInput, ImageList, OneOf, Parameters, key
from bioimg_fiji.commands.registry import TRAIN_MENU, command
from bioimg_fiji.commands.result import Result
from bioimg_fiji.commands.segment import with_objects
from bioimg_fiji.commands.target import package_target
from bioimg_fiji.errors import JobCancelledError, ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.train.catalogue import CATALOGUE, Entry, learning_rate_of, of_kind

if TYPE_CHECKING:
    from bioimg_fiji.package import ModelPackage
    from bioimg_fiji.runtime.restart import StartingPoint
    from bioimg_fiji.train import TrainConfig, TrainedModel

Quality = Literal["quick", "normal", "thorough"]

DENOISERS = of_kind("denoising")

RATES = ", ".join(
    [f"{Entry.learning_rate:g}"]
    + [f"{e.learning_rate:g} for {e.name}" for e in CATALOGUE.values() if e.learning_rate != Entry.learning_rate]
)
"""The learning rates that methods take unasked, in words."""

FINE = 0.3
"""Factor of the learning rate where a training goes on from a model."""


def quality_key() -> Any:
    """Declare `quality`."""
    return key(
        "quick", title="Quality", help="quick shows in about a minute what to expect; normal and thorough take longer."
    )


def confidence_key() -> Any:
    """Declare `confidence`."""
    return key(
        False,
        title="Learn confidence",
        help="Learn also how far the result may be off in each pixel; the result itself stays the same.",
    )


def image_key(help_: str, **more: Any) -> Any:
    """Declare `image`, which others may stand for."""
    return key(None, title="Image", help=help_, unless=("images", "source"), **more)


def model_key() -> Any:
    """Declare `model`."""
    return key(title="Save model as", widget="save", suffix=".zip", help="Where the trained model package is written.")


class Training(Parameters):
    """Keys of every training."""

    axes: str | None = axes_key()
    images: ImageList = key(
        (), title="Open images", expert=True, help="Several open images to learn from, instead of the active one."
    )
    source: Path | None = key(
        None,
        title="Folder or file",
        widget="path",
        help="Instead of open images: a folder, an image file of any size (OME-Zarr, TIFF), or a text file with a path "
        "on each line.",
    )
    pattern: str = key(
        "*.tif *.tiff",
        title="Files",
        expert=True,
        help="Names of the files in a folder, * for anything; several with spaces between.",
    )
    start_from: Path | None = key(
        None,
        title="Go on from model",
        widget="model",
        expert=True,
        help="A model that was trained here, to go on from with these images (fine-tuning); empty begins anew.",
    )
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
    channels: Literal["separate", "joint"] = key(
        "separate",
        title="Channels",
        expert=True,
        help="separate gives each channel a network of its own, but for a segmentation; joint lets one network see and "
        "give all.",
    )
    filters: int | None = key(
        None, ge=1, le=256, title="Filters", expert=True, help="Width of the network; empty leaves it to the quality."
    )
    depth: int | None = key(
        None, ge=1, le=5, title="Depth", expert=True, help="Levels of the network; empty leaves it to the quality."
    )
    learning_rate: float | None = key(
        None,
        gt=0,
        le=1,
        title="Learning rate",
        expert=True,
        help=f"Peak of the schedule; empty takes the method's ({RATES}).",
    )
    schedule: Literal["one_cycle", "cosine"] = key(
        "one_cycle", title="Schedule", expert=True, help="How the learning rate goes: up and down, or down only."
    )
    early_stop: float = key(
        0.5,
        ge=0,
        le=1,
        title="Early stop",
        expert=True,
        help="Stop when the validation has not become better for this share of the steps; 0 goes on to the end.",
    )
    precision: Literal["auto", "fp32", "bf16"] = key(
        "auto",
        title="Precision",
        expert=True,
        help="bf16 computes faster where the processor has it; auto takes it on GPUs only.",
    )
    torchscript: bool = key(
        False, title="TorchScript too", expert=True, help="Write the weights as TorchScript, besides ONNX and PyTorch."
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

    image: ImageInput | None = image_key("The noisy image to learn from; every plane of a stack or movie is a sample.")
    method: Annotated[str, OneOf(entry.name for entry in DENOISERS)] = key(
        DENOISERS[0].name, title="Method", help=" ".join(entry.help for entry in DENOISERS)
    )
    model: Path = model_key()
    quality: Quality = quality_key()
    apply: bool = key(True, title="Denoise the image", help="Run the trained model on the image and show the result.")
    confidence: bool = confidence_key()
    residual: bool = key(
        False, title="Show what was removed", help="Show noisy minus denoised too: it should have no structure."
    )
    force: bool = key(
        False,
        title="Train although advised against",
        expert=True,
        help="Train even if the method does not suit the noise.",
    )
    frames: int = key(
        3, ge=1, le=16, title="Frames", expert=True, help="temporal: how many frames on each side it sees."
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


class Paired(Training):
    """Keys of trainings that learn what images should become."""

    targets: ImageList = key(
        (), title="Open targets", expert=True, help="What the open images should become, in the same order."
    )
    target_source: Path | None = key(
        None,
        title="Folder of targets",
        widget="path",
        help="With a folder of images: the folder with a target of the same name for each.",
    )


class TrainRestoration(Paired):
    """Parameters of `train_restoration`."""

    image: ImageInput | None = image_key("What is to be restored: the poor image of each pair.")
    target: ImageInput | None = key(
        None,
        title="Target",
        help="What it should become: the good image of the same pixels, or with 2, 3, ... times as many along y and x.",
    )
    model: Path = model_key()
    quality: Quality = quality_key()
    apply: bool = key(True, title="Restore the image", help="Run the trained model on the image and show the result.")
    confidence: bool = confidence_key()


class TrainSegmentation(Paired):
    """Parameters of `train_segmentation`."""

    image: ImageInput | None = image_key(
        "The image with objects; all of them must be annotated.", regions_unless=("target", "rois", "target_source")
    )
    target: ImageInput | None = key(
        None,
        title="Label image",
        help="The objects, numbered from 1; without one, the areas of the image's overlay or of the ROI Manager.",
    )
    rois: Path | None = key(
        None,
        title="Regions",
        widget="file",
        expert=True,
        help="A file of regions that the ROI Manager has saved (RoiSet.zip), instead of a label image.",
    )
    model: Path = model_key()
    quality: Quality = quality_key()
    apply: bool = key(True, title="Segment the image", help="Run the trained model on the image and show the labels.")


@command(id="train_denoiser", title="BioImg Train Denoiser...", menu=TRAIN_MENU, work="training")
def train_denoiser(parameters: TrainDenoiser, job: Job) -> Result:
    """Train a denoiser on the image itself, without clean data, and save it as a bioimage.io model package."""
    chosen = {"noise_axis": parameters.noise_axis, "noise_span": parameters.noise_span}
    changes: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    for name in ("method", "force", "frames", "confidence"):
        changes[name] = getattr(parameters, name)
    with contextlib.ExitStack() as stack:
        found = gather(_wanted(parameters, parameters.image), stack)
        if found.targets:
            raise ParameterError.of(
                "source",
                "a list without targets: a denoiser needs none",
                str(parameters.source),
                fix="Leave one path on each line, or use BioImg Train Restoration...",
            )
        result = _Training("train_denoiser", parameters, job).run(found, changes)
    if not parameters.residual or "output" not in result.images:
        return result
    from bioimg_fiji.train.judge import residual

    image = _shown(parameters)
    assert image is not None
    images = {**result.images, "residual": residual(image, result.images["output"])}
    return dataclasses.replace(result, images=images)


@command(id="train_restoration", title="BioImg Train Restoration...", menu=TRAIN_MENU, work="training")
def train_restoration(parameters: TrainRestoration, job: Job) -> Result:
    """Train on pairs (CARE), poor and good images of the same pixels, and save a bioimage.io model package."""
    wanted = dataclasses.replace(_wanted(parameters, parameters.image), target=parameters.target)
    with contextlib.ExitStack() as stack:
        found = gather(wanted, stack)
        if not found.targets:
            raise ParameterError(
                "There is no target: nothing tells what the image should become.",
                fix="Open the good image and name it with target=..., or name a folder with target_source=...",
                field="target",
                expected="an image",
            )
        changes = {"method": "care", "confidence": parameters.confidence}
        return _Training("train_restoration", parameters, job).run(found, changes)


@command(id="train_segmentation", title="BioImg Train Segmentation...", menu=TRAIN_MENU, work="training")
def train_segmentation(parameters: TrainSegmentation, job: Job) -> Result:
    """Train a segmentation on annotated objects, and save it as a bioimage.io model package that gives labels."""
    wanted = dataclasses.replace(_wanted(parameters, parameters.image), target=parameters.target)
    with contextlib.ExitStack() as stack:
        found = gather(wanted, stack)
        if not found.targets:
            drawn = [_drawn(image, parameters.rois, job) for image in found.images]
            images, targets = zip(*drawn, strict=True)
            found = dataclasses.replace(found, images=images, targets=targets)
        return _Training("train_segmentation", parameters, job).run(found, {"method": "segmentation"})


def _drawn(image: Any, rois: Path | None, job: Job) -> tuple[Image, Image]:
    """Give the image and the labels of what is drawn: the regions of a file, else those of the image's overlay.

    The selection is often the region that was drawn last: one that is an object is no region to learn from.
    """
    from bioimg_fiji.drawn import labels_of, regions_of, selected

    if not isinstance(image, Image):
        raise ParameterError.of(
            "target_source",
            "the label images: images read by parts have no regions",
            image.image.title,
            fix="Name the folder, or the file, with the label images.",
        )
    labels = labels_of(dataclasses.replace(image, overlay=regions_of(rois)) if rois else image)
    mask = selected(image)
    if mask is not None:
        numbers = labels.ordered("btczyx")[..., mask].reshape(-1, int(mask.sum())).max(axis=0)
        if numbers.min() == numbers.max() > 0:
            job.note(f"The selection of {image.title} is one of the objects: the whole image is learnt from.")
            image = dataclasses.replace(image, roi=b"")
    return image, labels


def _wanted(parameters: Training, image: Image | None) -> Wanted:
    wanted = Wanted(image, parameters.images, parameters.source, parameters.pattern, parameters.axes)
    if not isinstance(parameters, Paired):
        return wanted
    return dataclasses.replace(wanted, targets=parameters.targets, target_source=parameters.target_source)


def _shown(parameters: Any) -> Image | None:
    """Give the open image on which the model is run in the end: the first of them."""
    image: Image | None = parameters.image or next(iter(parameters.images), None)
    return None if image is None else image.with_axes(parameters.axes or image.axes)


class _Training:
    """A training from its images to its result, the same for every method."""

    def __init__(self, command_id: str, parameters: Any, job: Job) -> None:
        self._command, self._parameters, self._job = command_id, parameters, job
        self._target = package_target(parameters.model, "model")

    def run(self, found: Gathered, changes: Mapping[str, Any]) -> Result:
        """Train, write the package, and run it on the open image."""
        from bioimg_fiji.runtime.export import export
        from bioimg_fiji.train import train

        parameters, job = self._parameters, self._job
        start = self._start()
        config = _config(parameters, start, **changes)
        checkpoint = self._target.with_suffix(".checkpoint")
        try:
            trained = train(
                found.images,
                config,
                targets=found.targets,
                start=start,
                job=job,
                checkpoint=checkpoint,
                resume=parameters.resume,
            )
        except JobCancelledError as cancelled:
            if checkpoint.exists():
                cancelled.fix = f"The same command with resume=true goes on from {checkpoint}."
            raise
        job.progress("Writing the model")
        line = macro.line(registry.find(self._command), parameters)
        about = describe(trained.provenance, found.name, line)
        package = export(
            trained, about, self._target, CATALOGUE[config.method].output, torchscript=parameters.torchscript
        )
        checkpoint.unlink(missing_ok=True)
        return self._result(trained, package)

    def _start(self) -> StartingPoint | None:
        if self._parameters.start_from is None:
            return None
        from bioimg_fiji.package import open_package
        from bioimg_fiji.runtime.restart import starting_point

        return starting_point(open_package(self._parameters.start_from))

    def _result(self, trained: TrainedModel, package: ModelPackage) -> Result:
        from bioimg_fiji.predict import PredictOptions, predict

        image = _shown(self._parameters)
        images: dict[str, Image] = {}
        if self._parameters.apply and image is not None:
            options = PredictOptions(device=self._parameters.device, threads=settings.get("threads"))
            images, _ = with_objects(
                predict(image, package, options, self._job), image, package, ObjectKeys(), self._job
            )
        for sentence in trained.provenance["sentences"]:
            self._job.note(sentence)
        return Result(
            images=images,
            figures=dict(trained.provenance["figures"]),
            files={"model": self._target},
        )


def _config(parameters: Any, start: StartingPoint | None, **changes: Any) -> TrainConfig:
    from bioimg_fiji.train import TrainConfig

    names = ("steps", "batch_size", "filters", "depth", "learning_rate")
    chosen = {name: getattr(parameters, name) for name in names}
    if start is not None and chosen["learning_rate"] is None:
        chosen["learning_rate"] = FINE * learning_rate_of(changes["method"])
    kept = ("patch", "channels", "schedule", "early_stop", "precision", "seed", "device")
    return TrainConfig.preset(
        parameters.quality,
        dims=int(parameters.dims),
        threads=settings.get("threads"),
        **{name: getattr(parameters, name) for name in kept},
        **changes,
        **{name: value for name, value in chosen.items() if value is not None},
    )
