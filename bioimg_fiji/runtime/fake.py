"""Models without a library or without a training, for tests, benchmarks and trying out what stands around a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji.errors import WeightsError
from bioimg_fiji.package import About, ModelPackage, NewPackage, NewTensor, write_package
from bioimg_fiji.runtime.adapter import Array, matched, refused

Function = Callable[[Array], Array]


def identity(tensor: Array) -> Array:
    """Give the tensor as it is."""
    return tensor


def mean_filter(tensor: Array) -> Array:
    """Give the mean of each pixel and its neighbours along the last two axes; outside the tensor there are zeros."""
    padded = np.pad(tensor, [(0, 0)] * (tensor.ndim - 2) + [(1, 1), (1, 1)])
    height, width = tensor.shape[-2:]
    parts = [padded[..., dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3)]
    return np.asarray(sum(parts) / np.float32(9)).astype(tensor.dtype)


class FakeAdapter:
    """Every output is a function of the first input; `shapes` keeps the shapes that it was given."""

    weights = "fake"
    device = "cpu"

    def __init__(self, package: ModelPackage, function: Function = identity) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self._function: Function | None = function
        self._package = package
        self._outputs = tuple(tensor.id for tensor in package.outputs)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Apply the function."""
        arrays = [array for array in matched(inputs, self._package) if array is not None]
        if self._function is None:
            raise WeightsError("The model has been closed.", fix="Load it again.")
        self.shapes.append(arrays[0].shape)
        try:
            return {name: self._function(arrays[0]) for name in self._outputs}
        except (ValueError, MemoryError) as error:
            raise refused(self.weights, error, arrays) from error

    def close(self) -> None:
        """Forget the function."""
        self._function = None


@dataclass(frozen=True)
class FakeModel:
    """What a fake package says; its network is the mean over 3 pixels along every space axis, zeros outside.

    Parameters
    ----------
    axes
        Letters of input and output after b, for example "cyx".
    channels
        Names of the channels, where `axes` has c.
    sizes
        The description's `size` of every space and time axis: a number, or `min` and `step`.
    halo
        Of every space and time axis of the output.
    pre, post
        Operations, as the description has them.
    output
        Id of the output.
    config
        Our own part of the description's free one.
    """

    axes: str = "cyx"
    channels: tuple[str, ...] = ("intensity",)
    sizes: int | Mapping[str, int] = field(default_factory=lambda: {"min": 8, "step": 1})
    halo: int = 1
    pre: tuple[Mapping[str, Any], ...] = ()
    post: tuple[Mapping[str, Any], ...] = ()
    output: str = "smooth"
    config: Mapping[str, Any] = field(default_factory=lambda: {"values": "input"})


def write_fake_package(target: Path, model: FakeModel | None = None) -> ModelPackage:
    """Write a package with an ONNX network that is known exactly; torch is not needed.

    Its test output is the test input: nothing is verified.
    """
    model = model or FakeModel()
    size = model.sizes if isinstance(model.sizes, int) else model.sizes["min"]
    shape = [1, *(len(model.channels) if a == "c" else size for a in model.axes)]
    test = np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)
    new = NewPackage(
        about=About("Fake model", "The mean over 3 pixels along each axis.", "# Fake\n\n## Validation\nNone.\n"),
        inputs=(NewTensor("raw", _axes(model, inputs=True), model.pre, test),),
        outputs=(NewTensor(model.output, _axes(model, inputs=False), model.post, test),),
        weights={"onnx": {"source": "weights.onnx", "opset_version": 17}},
        files={"weights.onnx": _mean_network(model)},
        config={"bioimg_fiji": dict(model.config)},
    )
    return write_package(new, target)


def random_unet(mean: float | Sequence[float] = 100.0, std: float | Sequence[float] = 10.0, **more: Any) -> Any:
    """Make a `TrainedNetwork`: our U-Net with random weights of seed 0, as if trained on noise.

    Parameters
    ----------
    mean, std
        Of its training data; one for all channels, or one for each.
    more
        Fields of `TrainedNetwork` (`window`, `channels`, ...), and arguments of the network; with `spread` it has a
        second head.
    """
    import torch

    from bioimg_fiji.nets import build
    from bioimg_fiji.nets.told import is_head
    from bioimg_fiji.runtime.trained import TrainedNetwork

    names = {each.name for each in dataclasses.fields(TrainedNetwork)}
    kwargs = {name: value for name, value in more.items() if name not in names}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = build("unet", kwargs).state_dict()
        head = {name: 0.1 * torch.randn_like(values) for name, values in state.items() if is_head(name)}
    state = {name: values for name, values in state.items() if not is_head(name)}
    kwargs.pop("spread", None)
    means, stds = (tuple(np.atleast_1d(np.asarray(value, np.float64)).tolist()) for value in (mean, std))
    channels, ndim = int(kwargs.get("in_channels", 1)), int(kwargs.get("ndim", 2))
    noise = np.random.default_rng(0).normal(size=(channels, *(16, 64, 64)[-ndim:]))
    sample = noise * np.reshape(stds, (-1, *(1,) * ndim)) + np.reshape(means, (-1, *(1,) * ndim))
    inputs = {"input_channels": tuple(f"channel {i + 1}" for i in range(channels))} if channels > 1 else {}
    fields: dict[str, Any] = {"mean": means, "std": stds, "axes": "zyx"[-ndim:], "sample": sample.astype(np.float32)}
    fields |= inputs if "window" not in more else {}
    fields |= {name: value for name, value in more.items() if name in names}
    return TrainedNetwork(architecture="unet", kwargs=kwargs, state_dict=state, head=head, **fields)


def write_random_unet(target: Path, mean: float = 100.0, std: float = 10.0, **more: Any) -> ModelPackage:
    """Write a package of `random_unet`; `torchscript` and `provenance` may be given besides."""
    from bioimg_fiji.runtime.export import export

    torchscript, provenance = more.pop("torchscript", False), more.pop("provenance", {})
    documentation = "# Random U-Net\n\n## Validation\nNone.\n"
    about = About("Random U-Net", "Random weights.", documentation, provenance=provenance)
    return export(random_unet(mean, std, **more), about, target, torchscript=torchscript)


def _axes(model: FakeModel, *, inputs: bool) -> tuple[Mapping[str, Any], ...]:
    axes: list[Mapping[str, Any]] = [{"type": "batch", "size": 1}]
    for letter in model.axes:
        if letter == "c":
            axes.append({"type": "channel", "channel_names": list(model.channels)})
            continue
        name = {"type": "time", "id": "time"} if letter == "t" else {"type": "space", "id": letter}
        reference = {"size": {"tensor_id": "raw", "axis_id": name["id"]}}
        halo = {"halo": model.halo} if model.halo else {}
        axes.append({**name, "size": model.sizes} if inputs else {**name, **reference, **halo})
    return tuple(axes)


def _mean_network(model: FakeModel) -> bytes:
    """Write the network: every axis but b and the spatial ones is folded into the batch, then one convolution."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    space = sum(letter in "zyx" for letter in model.axes)
    kernel = np.full((1, 1) + (3,) * space, 3.0**-space, np.float32)
    axes = ["b", *model.axes]
    dims = [1 if a == "b" else len(model.channels) if a == "c" else a for a in axes]
    first = len(axes) - space
    nodes = [
        helper.make_node("Shape", ["raw"], ["whole"]),
        helper.make_node("Shape", ["raw"], ["space"], start=first),
        helper.make_node("Concat", ["planes_first", "space"], ["folded"], axis=0),
        helper.make_node("Reshape", ["raw", "folded"], ["planes"]),
        helper.make_node("Conv", ["planes", "kernel"], ["means"], pads=[1] * (2 * space)),
        helper.make_node("Reshape", ["means", "whole"], [model.output]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("raw", TensorProto.FLOAT, dims)],
        [helper.make_tensor_value_info(model.output, TensorProto.FLOAT, dims)],
        [
            numpy_helper.from_array(kernel, "kernel"),
            numpy_helper.from_array(np.array([-1, 1], np.int64), "planes_first"),
        ],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(network)
    data: bytes = network.SerializeToString()
    return data
