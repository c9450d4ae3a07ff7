"""The command that shows what a layer of a network gives."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from bioimg_fiji.commands.keys import Device, axes_key, device_key, trust_key
from bioimg_fiji.commands.parameters import ImageInput, Parameters, key
from bioimg_fiji.commands.registry import MENU, command
from bioimg_fiji.commands.result import Result, Table
from bioimg_fiji.commands.selection import part_of
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.trust.shown import Shown

LAYERS = "layers"
"""Name of the table."""


class FeatureMaps(Parameters):
    """Parameters of `feature_maps`."""

    image: ImageInput = key(title="Image", help="The image that the network is shown.")
    model: Path = key(title="Model", widget="model", help="The model: a bioimage.io package.")
    layer: str = key(
        "auto",
        title="Layer",
        help="Name of a layer, as the table of layers has it; auto takes the coarsest, a U-Net's bottleneck.",
    )
    weights: Literal["auto", "pytorch_state_dict", "onnx"] = key(
        "auto",
        title="Weights",
        expert=True,
        help="In which of the package's formats; the layers of an ONNX graph are the values of its nodes.",
    )
    selection: Literal["crop", "ignore"] = key(
        "crop",
        title="Selection",
        help="With an area selected: crop shows the network its rectangle alone; ignore the whole image.",
    )
    axes: str | None = axes_key()
    device: Device = device_key()
    trust: str | None = trust_key()


@command(id="feature_maps", title="BioImg Feature Maps...", menu=MENU)
def feature_maps(parameters: FeatureMaps, job: Job) -> Result:
    """Show the feature maps of a layer as a stack, one slice for each of its channels, and list all layers."""
    from bioimg_fiji.package import open_package
    from bioimg_fiji.trust.layers import layers_of, named
    from bioimg_fiji.trust.shown import shown

    package = open_package(parameters.model)
    part = part_of(parameters.image, "ignore" if parameters.selection == "ignore" else "place", job.note)
    image = parameters.image if part is None else part.of(parameters.image)
    seen = shown(image, package, job.note, parameters.axes)
    job.progress("Loading the model")
    network = layers_of(package, parameters.weights, parameters.device, parameters.trust or "")
    shapes = network.shapes(seen.tensor)
    layer = named(shapes, parameters.layer)
    maps = network.maps(seen.tensor, layer)
    sizes = dict(zip(("channels", *_WORDS[-(maps.ndim - 1) :]), maps.shape, strict=True))
    figures = {"layer": layer, "weights": network.weights, "layers": len(shapes), **sizes}
    return Result(images={"output": _stack(maps, seen, layer)}, tables={LAYERS: _table(shapes)}, figures=figures)


_WORDS = ("depth", "height", "width")


def _table(shapes: dict[str, tuple[int, ...]]) -> Table:
    words = _WORDS[-(len(next(iter(shapes.values()))) - 2) :]
    return Table(("layer", "channels", *words), tuple((name, *shape[1:]) for name, shape in shapes.items()))


def _stack(maps: npt.NDArray[Any], seen: Shown, layer: str) -> Image:
    """Give maps (channels, spatial axes) as an image: channels are slices of a stack, of a volume channels.

    NB: ImageJ shows channels of which there are many only with difficulty, and scrolls through slices.
    """
    letters = seen.letters
    kept = tuple(slice(0, seen.elements(a, size)) for a, size in zip(letters, maps.shape[1:], strict=True))
    scales = {a: seen.scale(a, size) for a, size in zip(letters, maps.shape[1:], strict=True)}
    maps = np.ascontiguousarray(maps[(slice(None), *kept)], np.float32)
    stacked = "c" if "z" in letters else "z"
    base = seen.base()
    result = base.with_pixels(maps, stacked + letters)
    labels = () if stacked == "c" else tuple(f"{layer} {number}" for number in range(1, len(maps) + 1))
    plain = dataclasses.replace(result, scales=scales, roi=b"", overlay=(), labels=labels)
    return dataclasses.replace(plain, title=f"{seen.image.name}-{layer.strip('/').replace('/', '.')}")
