"""The built-in commands. Each puts the parts together; none has a method of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from bioimg_fiji.commands.parameters import ImageInput, Parameters, key
from bioimg_fiji.commands.registry import command
from bioimg_fiji.commands.result import Result
from bioimg_fiji.jobs import Job

MENU = "Plugins>BioImg"
Device = Literal["auto", "cpu", "cuda", "mps"]


class RunModel(Parameters):
    """Parameters of `run_model`."""

    image: ImageInput = key(title="Image", help="The image to process.")
    model: Path = key(
        title="Model", widget="model", help="A bioimage.io model package: a .zip, its folder or its rdf.yaml."
    )
    axes: str | None = key(
        None,
        title="Axes",
        help="What the image's axes are, when ImageJ has them wrong: letters of tzcyx, for example tyx for a movie.",
    )
    weights: Literal["auto", "onnx", "pytorch_state_dict"] = key(
        "auto",
        title="Weights",
        expert=True,
        help="Which of the package's weights to use; auto takes the fastest safe one.",
    )
    device: Device = key(
        "auto", title="Device", expert=True, help="Where to compute; auto takes a GPU when there is one."
    )
    tile: int = key(
        0, ge=0, le=65536, title="Tile size", unit="pixels", expert=True, help="Side of a tile; 0 chooses by the image."
    )


@command(id="run_model", title="BioImg Run Model...", menu=MENU)
def run_model(parameters: RunModel, job: Job) -> Result:
    """Run a bioimage.io model on an image; the result keeps calibration, labels, colours and overlay."""
    from bioimg_fiji.package import open_package
    from bioimg_fiji.predict import PredictOptions, predict

    package = open_package(parameters.model)
    options = PredictOptions(
        weights=parameters.weights, device=parameters.device, tile=parameters.tile, axes=parameters.axes
    )
    prediction = predict(parameters.image, package, options, job)
    return Result(images=prediction.images, figures=prediction.report)
