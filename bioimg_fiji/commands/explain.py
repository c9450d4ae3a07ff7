"""The command that asks a model why it says what it says."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from bioimg_fiji.commands.keys import Device, axes_key, device_key, trust_key
from bioimg_fiji.commands.parameters import ImageInput, Parameters, key
from bioimg_fiji.commands.registry import MENU, command
from bioimg_fiji.commands.result import Result
from bioimg_fiji.commands.selection import part_of
from bioimg_fiji.errors import ParameterError, WeightsError
from bioimg_fiji.image import Channel, Image
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.package import ModelPackage
    from bioimg_fiji.trust.explain import Asked, Explanation, Target
    from bioimg_fiji.trust.shown import Shown

_DISPLAY = 99.9
"""Percentile of the heat that is shown at full colour."""


class Explain(Parameters):
    """Parameters of `explain`."""

    image: ImageInput = key(title="Image", help="The image for which the model is asked why.")
    model: Path = key(
        title="Model", widget="model", help="A model that classifies, segments or restores: a bioimage.io package."
    )
    method: Literal["auto", "grad_cam", "occlusion", "integrated_gradients"] = key(
        "auto",
        title="Method",
        help="grad_cam is fast and needs the network in PyTorch; occlusion hides one part after the other and works "
        "for any model; auto takes grad_cam where it can.",
    )
    selection: Literal["target", "crop", "ignore"] = key(
        "target",
        title="Selection",
        help="With an area selected: target explains what the model says of it, with all around it in view; crop shows "
        "the model the selection's rectangle alone; ignore explains the whole image. A classifier is shown the crop.",
    )
    output: str | None = key(
        None, title="Output", expert=True, help="Which of the model's outputs; empty takes the first."
    )
    channel: str | None = key(
        None,
        title="Channel",
        help="Name, or number from 1, of the output's channel or class; empty takes the most likely class, or the "
        "first channel that is no background.",
    )
    layer: str = key(
        "auto",
        title="Layer",
        expert=True,
        help="grad_cam: name of the layer (BioImg Feature Maps... lists them); auto takes the bottleneck, or the last "
        "convolution of a classifier.",
    )
    window: int = key(
        0,
        ge=0,
        le=4096,
        title="Window",
        unit="pixels",
        expert=True,
        help="occlusion: side of what is hidden; 0 takes an eighth of the image.",
    )
    stride: int = key(
        0,
        ge=0,
        le=4096,
        title="Stride",
        unit="pixels",
        expert=True,
        help="occlusion: step to the next window; 0 takes half the window.",
    )
    axes: str | None = axes_key()
    device: Device = device_key()
    trust: str | None = trust_key()


@command(id="explain", title="BioImg Explain...", menu=MENU)
def explain(parameters: Explain, job: Job) -> Result:
    """Show which pixels a model's answer hangs on, as a heat map (Grad-CAM, occlusion, integrated gradients)."""
    from bioimg_fiji.package import open_package
    from bioimg_fiji.trust import layers
    from bioimg_fiji.trust.explain import Asked
    from bioimg_fiji.trust.shown import MOST, shown
    from bioimg_fiji.trust.shown import Part as Place

    package = open_package(parameters.model)
    image = parameters.image
    method = parameters.method
    if method == "auto":
        there = layers.may_run(package, layers.TORCH, parameters.device, parameters.trust or "")
        method = "grad_cam" if there else "occlusion"
    _check_keys(parameters, method)
    part = part_of(image, "ignore" if parameters.selection == "ignore" else "place", job.note)
    classifies = _classifies(package, parameters.output)
    if part is not None and (parameters.selection == "crop" or classifies):
        image, part = part.of(image), None
    place = Place(None if part is None else part.box, MOST if classifies or method == "grad_cam" else MOST // 2)
    seen = shown(image, package, job.note, parameters.axes, place)
    job.progress("Loading the model")
    region = np.ones((image.size("y"), image.size("x")), bool) if part is None else part.mask
    asked = Asked(parameters.output or "", parameters.channel or "", region)
    found, wanted = _explained(parameters.model_copy(update={"method": method}), seen, asked, job)
    heat = dataclasses.replace(seen.placed(found.values), title=f"{image.name}-why")
    if not heat.pixels.any():
        other = f"another layer than {found.layer}, or method=occlusion" if found.layer else "another channel"
        job.note(f"No pixel speaks for {wanted.name} by {found.method}: the map is 0 everywhere. Try {other}.")
    figures: dict[str, Any] = {"method": found.method, "channel": wanted.name, "score": found.score}
    figures |= {"layer": found.layer} if found.layer else {}
    figures |= {"runs": found.runs} | ({} if part is None else {"share_inside": _share(heat.pixels, part.mask)})
    return Result(images={"output": _coloured(heat)}, figures=figures)


_ONLY_FOR = {"layer": "grad_cam", "window": "occlusion", "stride": "occlusion"}
"""Methods that alone use a key."""


def _check_keys(parameters: Explain, method: str) -> None:
    """Refuse keys that the method does not use, also one that auto has taken: they would have no effect."""
    for name, only in _ONLY_FOR.items():
        value = getattr(parameters, name)
        if value not in ("", Explain.model_fields[name].default) and method != only:
            taken = "auto, which takes " if parameters.method == "auto" else ""
            raise ParameterError.of(
                name,
                f"left out with method={taken}{method}, as only {only} uses it",
                value,
                fix=f"Say method={only}, or leave out {name}.",
            )


def _classifies(package: ModelPackage, output: str | None) -> bool:
    """Whether an output has no rows and columns."""
    tensor = next((each for each in package.outputs if each.id == output), package.outputs[0])
    return not {"y", "x"} <= set(tensor.letters)


def _explained(parameters: Explain, seen: Shown, asked: Asked, job: Job) -> tuple[Explanation, Target]:
    """Explain by the method, which is not "auto"."""
    from bioimg_fiji.trust import explain as ways
    from bioimg_fiji.trust import layers

    package, device, trust, method = seen.package, parameters.device, parameters.trust or "", parameters.method
    if method == "occlusion":
        from bioimg_fiji.runtime.warm import lent

        with lent(package, "auto", device, 0, trust) as model:
            wanted = ways.target(seen, ways.raw_outputs(model, seen, seen.tensor), asked)
            return ways.occlusion(model, seen, wanted, job, parameters.window, parameters.stride), wanted
    if layers.TORCH not in package.weights:
        raise WeightsError(
            f"{method} needs the gradients of a PyTorch network; {package.name} has {', '.join(package.weights)}.",
            fix="Choose method=occlusion, which works for any model.",
        )
    network = layers.torch_network(package, device, trust)
    wanted = ways.target(seen, ways.network_outputs(network, seen), asked)
    if method == "grad_cam":
        return ways.grad_cam(network, seen, wanted, parameters.layer), wanted
    return ways.integrated_gradients(network, seen, wanted), wanted


def _share(heat: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> float:
    """Give the share of what speaks for the score that lies inside the selection."""
    above = np.maximum(heat, 0).sum(axis=tuple(range(heat.ndim - 2)))
    return float(above[mask].sum() / above.sum()) if above.any() else 0.0


def _coloured(heat: Image) -> Image:
    """Give the heat map its colours: black to yellow where nothing is below 0, else blue to red with grey at 0."""
    signed = bool(heat.pixels.min() < 0)
    most = float(np.percentile(np.abs(heat.pixels), _DISPLAY)) or float(np.abs(heat.pixels).max()) or 1.0
    channel = Channel("why", _lut("coolwarm" if signed else "inferno"), (-most if signed else 0.0, most))
    return dataclasses.replace(heat, channels=(channel,))


def _lut(name: str) -> bytes:
    import matplotlib as mpl

    colours = mpl.colormaps[name](np.arange(256), bytes=True)[:, :3]
    return bytes(np.ascontiguousarray(colours.T).tobytes())
