"""Why a model says what it says: which pixels of the input a classification or a part of a segmentation hangs on.

Grad-CAM (Selvaraju et al., ICCV 2017) weighs the feature maps of one layer by their gradients. Pooled gradients forget
where in the image a segmentation is asked about, so there each place has its own (HiResCAM, Draelos & Carin 2020;
Seg-XRes-CAM, Hasany et al., CVPR-W 2023). Occlusion (Zeiler & Fergus, ECCV 2014) hides one part of the image after the
other and tells how much is lost; integrated gradients (Sundararajan et al., ICML 2017) follow the gradient from a grey
image to the image. All are captum's. What is explained is a score: the mean of one output channel, before
postprocessing, over a region, or one class of a classifier. Occlusion asks the model only for its output, so it works
for any that runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import ParameterError
from bioimg_fiji.jobs import Job
from bioimg_fiji.objects import BACKGROUND
from bioimg_fiji.package import TensorSpec
from bioimg_fiji.package.decode import before_decoding
from bioimg_fiji.package.links import Link, links, main_input
from bioimg_fiji.runtime.adapter import Adapter
from bioimg_fiji.tiling import Span
from bioimg_fiji.trust import layers
from bioimg_fiji.trust.shown import Shown

Array = npt.NDArray[Any]
Method = Literal["grad_cam", "occlusion", "integrated_gradients"]

_WINDOWS = 8
"""Windows that lie side by side along the longest axis where no size is asked for."""
_STEPS = 20
"""Steps of integrated gradients."""


@dataclass(frozen=True)
class Target:
    """What is explained: the sum of an output's values, each with its weight.

    Parameters
    ----------
    place
        Which output of the model.
    channel
        Which of its channels.
    weights
        float32 of the output's shape.
    name
        Of the channel, or its number from 1.
    local
        Whether the output has places, as that of a segmentation.
    """

    place: int
    channel: int
    weights: Array
    name: str
    local: bool

    def score(self, outputs: Any) -> Any:
        """Give the score of each input of a batch, from the model's outputs (tensors of torch)."""
        import torch

        output = outputs if isinstance(outputs, torch.Tensor) else list(outputs)[self.place]
        weights = torch.from_numpy(self.weights).to(output.device)
        return (output * weights).reshape(output.shape[0], -1).sum(dim=1)


@dataclass(frozen=True)
class Explanation:
    """How much each pixel counts.

    Parameters
    ----------
    values
        float32, the spatial axes of what the network was shown. Of Grad-CAM 0 and more; else what speaks for the score
        is above 0, what speaks against it below.
    method
        By which it was made.
    layer
        Of Grad-CAM.
    score
        What was explained.
    runs
        How many times the network ran.
    """

    values: Array
    method: Method
    score: float
    layer: str = ""
    runs: int = 1


@dataclass(frozen=True)
class Asked:
    """Which score is to be explained.

    Parameters
    ----------
    output
        Id of an output; empty: the first.
    channel
        Name, or number from 1; empty: the most likely class of a classifier, else the first that is no background.
    region
        Which rows and columns of the image the score is of, bool (y, x); a classifier's is of all that it was shown.
    """

    output: str
    channel: str
    region: Array


def target(shown: Shown, outputs: list[Array], asked: Asked) -> Target:
    """Choose what is explained.

    Parameters
    ----------
    shown
        What the model was shown.
    outputs
        What it gave for it, before postprocessing.
    asked
        What is wanted.

    Raises
    ------
    ParameterError
        When there is no such output or channel, or the region lies outside the output.
    """
    output = asked.output
    raw = before_decoding(shown.package)
    ids = [tensor.id for tensor in raw.outputs]
    if output and output not in ids:
        raise ParameterError.of("output", f"one of {', '.join(ids)}", output)
    place = ids.index(output) if output else 0
    tensor, values = raw.outputs[place], outputs[place]
    number, name = _channel(tensor, values, asked.channel)
    weights = np.ones(values.shape, np.float32)
    tied = links(raw)[tensor.id]
    kept: dict[int, Array] = {}
    for axis, link in enumerate(tied):
        size = values.shape[axis]
        if tensor.letters[axis] == "c":
            weights *= _along(np.arange(size) == number, axis, values.ndim)
        elif link is not None:
            kept[axis] = _followed(size, link, shown.spans[link.letter])
            weights *= _along(kept[axis] >= 0, axis, values.ndim)
    letters = {tensor.letters[axis]: axis for axis in kept}
    if {"y", "x"} <= set(letters):
        weights *= _region(asked.region, kept, letters, values.ndim)
    if not weights.any():
        raise ParameterError(
            "The selection has no pixel of the model's output.", fix="Select a larger region.", field="selection"
        )
    weights /= weights.sum(dtype=np.float64)
    return Target(place, number, weights, name, bool(kept))


def _along(values: Array, axis: int, ndim: int) -> Array:
    return values.reshape([-1 if other == axis else 1 for other in range(ndim)])


def _followed(size: int, link: Link, span: Span) -> Array:
    """Give the image's pixel that each element of an output lies on; -1 for those that are mirrored."""
    middles = (np.arange(size) + 0.5 - link.offset / 2) / float(link.ratio)
    places = np.floor(middles).astype(np.intp) + span.start
    return np.where((places >= span.start) & (places < span.stop), places, -1)


def _region(region: Array, kept: dict[int, Array], letters: dict[str, int], ndim: int) -> Array:
    """Give for each element of an output whether its pixel of the image belongs to the region."""
    rows, columns = letters["y"], letters["x"]
    chosen = region[np.ix_(kept[rows].clip(0), kept[columns].clip(0))]
    others = [axis for axis in range(ndim) if axis not in (rows, columns)]
    return np.asarray(np.expand_dims(chosen if rows < columns else chosen.T, others))


def _channel(tensor: TensorSpec, values: Array, given: str) -> tuple[int, str]:
    """Tell the number and name of the channel that is explained."""
    if "c" not in tensor.letters:
        if given:
            raise ParameterError.of("channel", f"empty: {tensor.id} has no channels", given)
        return 0, tensor.id
    axis = tensor.letters.index("c")
    count = values.shape[axis]
    told = tensor.axis("c")
    names = told.channel_names if told is not None and len(told.channel_names) == count else ("",) * count
    named = [name or str(number) for number, name in enumerate(names, start=1)]
    if given and given in names:
        number = names.index(given)
    elif given.isdigit() and 1 <= int(given) <= count:
        number = int(given) - 1
    elif given:
        raise ParameterError.of("channel", f"a number from 1 to {count} or one of {', '.join(named)}", given)
    elif not set("yx") <= set(tensor.letters):
        means = values.mean(axis=tuple(other for other in range(values.ndim) if other != axis))
        number = int(np.argmax(means))
    else:
        number = next((n for n, name in enumerate(names) if not any(b in name.lower() for b in BACKGROUND)), 0)
    return number, named[number]


def grad_cam(network: Any, shown: Shown, wanted: Target, layer: str = layers.AUTO) -> Explanation:
    """Weigh the maps of a layer by their gradients, add them, keep what is above 0.

    For a classifier a map's weight is the mean of its gradient, for a segmentation its gradient at each place.

    Raises
    ------
    ParameterError
        When there is no such layer, or it is used several times.
    """
    from captum.attr import LayerAttribution, LayerGradCam, LayerGradientXActivation

    found = layers.TorchLayers(network).shapes(shown.tensor)
    once = {name: shape for name, shape in found.items() if ":" not in name and f"{name}:2" not in found}
    name = layers.named(once, layer)
    given = layers.on_device(shown.tensor, network)
    kind = LayerGradientXActivation if wanted.local else LayerGradCam
    made = kind(lambda x: wanted.score(network(x)), network.get_submodule(name))
    cam = made.attribute(given).detach().sum(dim=1, keepdim=True).relu()
    mode = "bilinear" if cam.ndim == 4 else "trilinear"
    values = LayerAttribution.interpolate(cam, tuple(given.shape[2:]), mode)[0, 0].float().cpu().numpy()
    return Explanation(values, "grad_cam", _score(network, given, wanted), name, 2)


def integrated_gradients(network: Any, shown: Shown, wanted: Target, steps: int = _STEPS) -> Explanation:
    """Add up the gradients on the way from a grey image, each channel its mean, to the image."""
    from captum.attr import IntegratedGradients

    given = layers.on_device(shown.tensor, network).requires_grad_()
    grey = layers.on_device(_grey(shown), network)
    made = IntegratedGradients(lambda x: wanted.score(network(x)))
    values = made.attribute(given, baselines=grey, n_steps=steps, internal_batch_size=1).detach().cpu().numpy()
    return Explanation(_summed(values, shown), "integrated_gradients", _score(network, given, wanted), runs=steps)


def occlusion(model: Adapter, shown: Shown, wanted: Target, job: Job, window: int = 0, stride: int = 0) -> Explanation:
    """Hide each window of the image in turn, all channels at once, by their means: what is lost of the score.

    Parameters
    ----------
    model
        The loaded model, of any format.
    shown
        What it is shown.
    wanted
        What is explained.
    job
        For progress and cancelling.
    window, stride
        Side of the window and step to the next one, pixels; 0: an eighth of the longest side, and half the window.

    Returns
    -------
    At each pixel the mean loss of the windows that have hidden it.
    """
    import torch
    from captum.attr import Occlusion

    letters = main_input(shown.package).letters
    sizes = dict(zip(letters, shown.tensor.shape, strict=True))
    sides = [sizes[letter] for letter in "yx" if letter in sizes]
    window = window or max(4, -(-max(sides) // _WINDOWS))
    stride = stride or max(1, window // 2)
    shape = tuple(min(window, sizes[a]) if a in "zyx" else sizes[a] for a in letters)
    steps = tuple(min(stride, side) if a in "zyx" else side for a, side in zip(letters, shape, strict=True))
    total = 1 + int(np.prod([1 + -(-(sizes[a] - n) // s) for a, n, s in zip(letters, shape, steps, strict=True)]))
    runs = 0

    def score(tensor: Any) -> Any:
        nonlocal runs
        job.progress("Hiding parts", runs, total)
        runs += 1
        outputs = raw_outputs(model, shown, tensor[0].numpy().astype(shown.tensor.dtype))
        found = wanted.weights * outputs[wanted.place]
        return torch.tensor([found.sum(dtype=np.float64)])

    given = torch.from_numpy(shown.tensor[np.newaxis].astype(np.float32))  # captum's batch, before the model's own axes
    grey = torch.from_numpy(_grey(shown)[np.newaxis].astype(np.float32))
    with torch.no_grad():
        value = float(score(given))
        found = Occlusion(score).attribute(given, sliding_window_shapes=shape, strides=steps, baselines=grey)
    return Explanation(_summed(found[0].numpy() / _hidden(shape, letters), shown), "occlusion", value, runs=runs)


def _hidden(shape: tuple[int, ...], letters: str) -> int:
    """Give how many channels a window hides together: captum gives each of them the whole loss."""
    return shape[letters.index("c")] if "c" in letters else 1


def raw_outputs(model: Adapter, shown: Shown, tensor: Array) -> list[Array]:
    """Run a model on what it is shown, or a changed tensor of it; give its outputs before postprocessing."""
    found = model.run({main_input(shown.package).id: tensor})
    return [found[output.id] for output in shown.package.outputs]


def network_outputs(network: Any, shown: Shown) -> list[Array]:
    """Run a torch network on what it is shown; give its outputs before postprocessing."""
    import torch

    with torch.inference_mode():
        found = network(layers.on_device(shown.tensor, network))
    return [each.float().cpu().numpy() for each in ([found] if isinstance(found, torch.Tensor) else found)]


def _grey(shown: Shown) -> Array:
    """Give the input with every channel at its mean."""
    letters = main_input(shown.package).letters
    axes = tuple(axis for axis, letter in enumerate(letters) if letter in "zyx")
    means = shown.tensor.mean(axis=axes, keepdims=True)
    return np.broadcast_to(means, shown.tensor.shape).astype(shown.tensor.dtype)


def _summed(values: Array, shown: Shown) -> Array:
    """Add up batch and channels."""
    letters = main_input(shown.package).letters
    axes = tuple(axis for axis, letter in enumerate(letters) if letter not in "zyx")
    return np.asarray(values.sum(axis=axes), np.float32)


def _score(network: Any, given: Any, wanted: Target) -> float:
    import torch

    with torch.no_grad():
        return float(wanted.score(network(given))[0])
