"""The built-in commands. Each puts the parts together; none has a method of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bioimg_fiji.commands import in_parts, macro, registry
from bioimg_fiji.commands.confident import asked_of, confident_file_run, confident_run, placed_with_bounds
from bioimg_fiji.commands.fit import Checked
from bioimg_fiji.commands.keys import (
    ConfidenceKeys,
    Device,
    FitMode,
    ObjectKeys,
    Weights,
    axes_key,
    device_key,
    fit_key,
    tile_key,
    trust_key,
    weights_key,
)
from bioimg_fiji.commands.parameters import ImageInput, key
from bioimg_fiji.commands.registry import MENU, command
from bioimg_fiji.commands.result import Result
from bioimg_fiji.commands.segment import with_objects
from bioimg_fiji.commands.selection import Part, Selection, part_of
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.image import Image
    from bioimg_fiji.package import ModelPackage


class RunModel(ConfidenceKeys, ObjectKeys):
    """Parameters of `run_model`."""

    image: ImageInput = key(
        title="Image",
        help="The image to process. A colour (RGB) image is three channels, red, green and blue: a model of three "
        "channels takes them together, a model of one channel each by itself; a result of 8 bit is RGB again, any "
        "other has three channels.",
    )
    model: Path = key(
        title="Model", widget="model", help="A bioimage.io model package: a .zip, its folder or its rdf.yaml."
    )
    axes: str | None = axes_key()
    weights: Weights = weights_key()
    device: Device = device_key()
    tile: int = tile_key()
    trust: str | None = trust_key()
    fit: FitMode = fit_key()
    selection: Selection = key(
        "place",
        title="Selection",
        help="With an area selected, only its bounding rectangle is processed: place puts the result into a copy of "
        "the image (around it the image's own values where the model keeps them, else 0), crop gives it alone; ignore "
        "processes the whole image.",
    )
    image2: ImageInput | None = key(
        None, title="Second image", expert=True, help="For a model of several images, in its description's order."
    )
    image3: ImageInput | None = key(
        None, title="Third image", expert=True, help="For a model of several images, in its description's order."
    )


class RunFile(ConfidenceKeys):
    """Parameters of `run_file`."""

    input: Path = key(
        title="Image file", widget="path", help="A TIFF, an OME-TIFF or the folder of an OME-Zarr, of any size."
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
    fit: FitMode = fit_key()


@command(id="run_model", title="BioImg Run Model...", menu=MENU)
def run_model(parameters: RunModel, job: Job) -> Result:
    """Run a bioimage.io model on an image; the result keeps calibration, labels, colours and overlay."""
    from bioimg_fiji.package import open_package
    from bioimg_fiji.predict import PredictOptions

    package = open_package(parameters.model)
    options = PredictOptions(
        weights=parameters.weights,
        device=parameters.device,
        tile=parameters.tile,
        axes=parameters.axes,
        trust=parameters.trust or "",
    )
    confidence = asked_of(parameters, package)
    check = Checked(package, parameters.fit, options, job, confidence)
    part = part_of(parameters.image, parameters.selection, job.note)
    source = in_parts.on_disk(parameters.image, job)
    if source is not None:
        obstacle = in_parts.obstacle(parameters, package, part)
        if obstacle is None:
            return in_parts.run(source, check, job)
        in_parts.check_memory(parameters, part, obstacle)
    given = _by_input(parameters, package, part)
    check.before(given)
    prediction = confident_run(given, check, job)
    fit = check.after(given, prediction.images.get("output"), prediction.report["tiles"])
    image = parameters.image
    if part is not None and parameters.selection == "crop":
        image = part.of(image)
    elif part is not None:
        keeps = package.own.get("values") == "input"
        prediction = placed_with_bounds(prediction, part, keeps, job.note)
    images, tables = with_objects(prediction, image, package, parameters, job)
    return Result(images=images, tables={**tables, **fit.tables}, figures={**prediction.report, **fit.figures})


@command(id="run_file", title="BioImg Run on File...", menu=MENU, work="batch")
def run_file(parameters: RunFile, job: Job) -> Result:
    """Run a bioimage.io model on an image file larger than memory; a run that was stopped goes on from there."""
    from bioimg_fiji.package import open_package
    from bioimg_fiji.predict import PredictOptions

    package = open_package(parameters.model)
    options = PredictOptions(
        weights=parameters.weights,
        device=parameters.device,
        tile=parameters.tile,
        axes=parameters.axes,
        trust=parameters.trust or "",
    )
    line = macro.line(registry.find("run_file"), parameters)
    confidence = asked_of(parameters, package)
    check = Checked(package, parameters.fit, options, job, confidence)
    check.before_file(parameters.input)
    properties = {macro.PROPERTY: line}
    found = confident_file_run(parameters, check.package, check.options, job, properties, check.confidence)
    fit = check.after_file(parameters.input, found)
    return Result(files=found.files, figures={**found.report, **fit.figures}, tables=fit.tables)


def _by_input(parameters: RunModel, package: ModelPackage, part: Part | None) -> Image | dict[str, Image]:
    """Give each input of the model its image: the main one the first, the others theirs in the description's order.

    With a `part`, each image of the main one's size is cut to it.
    """
    from bioimg_fiji.package.links import main_input

    main = main_input(package).id
    others = [tensor.id for tensor in package.inputs if tensor.id != main]
    more = {"image2": parameters.image2, "image3": parameters.image3}
    found = {main: parameters.image}
    for number, (name, image) in enumerate(more.items()):
        if image is not None and number >= len(others):
            raise ParameterError.of(name, f"no image: {package.name} takes {len(package.inputs)}", image.title)
        if image is not None:
            found[others[number]] = image
    if part is not None:
        found = {name: part.of(image) for name, image in found.items()}
    return found if any(more.values()) else found[main]
