"""Small model packages of every kind, written by hand so that they owe nothing to this project's writer.

Each network is one or two ONNX nodes with weights of a fixed seed; every kind is known well enough to be run whole.
"""

from __future__ import annotations

import collections
import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import ruyaml
from onnx import TensorProto, helper, numpy_helper

Op = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """One package of the zoo.

    Parameters
    ----------
    network
        "conv", "up" (twice the size), "down" (half), "valid" (no padding), "two_inputs", "two_outputs".
    axes
        Letters of the input, b first or not.
    channels
        Input channels; the output has one where there are several networks, else 2.
    pre, post
        Operations as version 0.5 has them.
    version
        "0.5" or "0.4".
    weights
        "onnx"; for the network "conv" also "torchscript" or "pytorch_state_dict", whose code comes with the package.
    """

    network: str = "conv"
    axes: str = "bcyx"
    channels: int = 1
    pre: Sequence[Op] = ()
    post: Sequence[Op] = ()
    version: str = "0.5"
    weights: str = "onnx"
    halo: int = 2
    sizes: Mapping[str, int] | int = field(default_factory=lambda: {"min": 16, "step": 4})

    @property
    def space(self) -> str:
        """Axes that the network convolves."""
        return "".join(letter for letter in self.axes if letter not in "bc")

    @property
    def scale(self) -> float:
        """Size of the output relative to the input."""
        return {"up": 2.0, "down": 0.5}.get(self.network, 1.0)

    @property
    def offset(self) -> int:
        """What the output has more than that, pixels."""
        return -2 if self.network == "valid" else 0

    def shape(self, size: int, *, output: bool = False) -> tuple[int, ...]:
        """Give the shape of the input, or of the first output, for images of that size."""
        made = int(size * self.scale) + self.offset if output else size
        channels = 2 if output else self.channels
        return tuple({"b": 1, "c": channels}.get(letter, made) for letter in self.axes)


def write(kind: Kind, folder: Path) -> Path:
    """Write the package and give its description's path."""
    folder.mkdir(parents=True)
    if kind.weights == "onnx":
        (folder / "weights.onnx").write_bytes(_network(kind).SerializeToString())
    else:
        _write_torch(kind, folder)
    (folder / "README.md").write_text("# Test\n\n## Validation\nNone.\n")
    size = kind.sizes if isinstance(kind.sizes, int) else kind.sizes["min"]
    rng = np.random.default_rng(1)
    for name in _inputs(kind):
        np.save(folder / f"{name}.npy", rng.normal(100, 20, kind.shape(size)).astype(np.float32))
    for name in _outputs(kind):
        np.save(folder / f"{name}.npy", np.zeros(kind.shape(size, output=True), np.float32))
    content = _description_5(kind) if kind.version == "0.5" else _description_4(kind)
    path = folder / "rdf.yaml"
    with path.open("w") as file:
        ruyaml.YAML(typ="safe", pure=True).dump(content, file)
    return path


def _inputs(kind: Kind) -> list[str]:
    return ["raw", "other"] if kind.network == "two_inputs" else ["raw"]


def _outputs(kind: Kind) -> list[str]:
    return ["first", "second"] if kind.network == "two_outputs" else ["first"]


def _about(kind: Kind) -> dict[str, Any]:
    return {
        "type": "model",
        "name": f"Test {kind.network}",
        "description": "For tests.",
        "authors": [{"name": "A"}],
        "cite": [{"text": "None", "doi": "10.1000/182"}],
        "license": "MIT",
        "documentation": "README.md",
        "weights": {kind.weights: _weights(kind)},
    }


def _weights(kind: Kind) -> dict[str, Any]:
    if kind.weights == "onnx":
        return {"source": "weights.onnx", "opset_version": 17}
    entry: dict[str, Any] = {"source": "weights.pt"} | ({"pytorch_version": "2.0"} if kind.version == "0.5" else {})
    if kind.weights == "torchscript":
        return entry
    kwargs = {"channels": kind.channels, "ndim": len(kind.space)}
    if kind.version == "0.4":
        return entry | {"architecture": "network.py:Net", "kwargs": kwargs, "architecture_sha256": _sha256(NETWORK)}
    return entry | {"architecture": {"source": "network.py", "callable": "Net", "kwargs": kwargs}}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


NETWORK = """
import torch


class Net(torch.nn.Module):
    def __init__(self, channels: int, ndim: int) -> None:
        super().__init__()
        self.conv = (torch.nn.Conv2d if ndim == 2 else torch.nn.Conv3d)(channels, 2, 3, padding=1)

    def forward(self, x):
        return self.conv(x)
"""


def _write_torch(kind: Kind, folder: Path) -> None:
    import torch

    ndim = len(kind.space)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        conv = (torch.nn.Conv2d if ndim == 2 else torch.nn.Conv3d)(kind.channels, 2, 3, padding=1)
    network = torch.nn.Sequential(collections.OrderedDict(conv=conv))
    if kind.weights == "pytorch_state_dict":
        (folder / "network.py").write_text(NETWORK)
        torch.save(network.state_dict(), folder / "weights.pt")
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises against TorchScript
        torch.jit.save(torch.jit.trace(network, torch.zeros(kind.shape(16))), folder / "weights.pt")  # type: ignore[no-untyped-call]


def _description_5(kind: Kind) -> dict[str, Any]:
    def axes(*, output: bool, first: bool = True) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for letter in kind.axes:
            if letter == "b":
                made.append({"type": "batch"})
            elif letter == "c":
                count = 2 if output else kind.channels
                made.append({"type": "channel", "channel_names": [f"c{i}" for i in range(count)]})
            else:
                axis = {"type": "time", "id": "time"} if letter == "t" else {"type": "space", "id": letter}
                size: Any = kind.sizes
                if output or not first:
                    size = {"tensor_id": "raw", "axis_id": axis["id"], "offset": kind.offset if output else 0}
                if output:
                    axis |= {"halo": kind.halo, "scale": 1 / kind.scale} if kind.halo else {"scale": 1 / kind.scale}
                made.append({**axis, "size": size})
        return made

    inputs = [
        {
            "id": name,
            "axes": axes(output=False, first=name == "raw"),
            "test_tensor": {"source": f"{name}.npy"},
            "data": {"type": "float32"},
            "preprocessing": list(kind.pre),
        }
        for name in _inputs(kind)
    ]
    outputs = [
        {
            "id": name,
            "axes": axes(output=True),
            "test_tensor": {"source": f"{name}.npy"},
            "data": {"type": "float32"},
            "postprocessing": list(kind.post),
        }
        for name in _outputs(kind)
    ]
    return {"format_version": "0.5.4", **_about(kind), "inputs": inputs, "outputs": outputs}


def _description_4(kind: Kind) -> dict[str, Any]:
    letters = kind.axes
    fixed = isinstance(kind.sizes, int)
    least, step = (kind.sizes, 0) if isinstance(kind.sizes, int) else (kind.sizes["min"], kind.sizes["step"])
    shape = kind.shape(least)
    steps = [0 if letter in "bc" else step for letter in letters]
    inputs = [
        {
            "name": name,
            "description": "",
            "axes": letters,
            "data_type": "float32",
            "shape": list(shape) if fixed else {"min": list(shape), "step": steps},
            "preprocessing": [_op_4(op) for op in kind.pre],
        }
        for name in _inputs(kind)
    ]
    channel_offset = (2 - kind.channels) / 2
    outputs = [
        {
            "name": name,
            "description": "",
            "axes": letters,
            "data_type": "float32",
            "halo": [0 if letter in "bc" else kind.halo for letter in letters],
            "shape": {
                "reference_tensor": "raw",
                "scale": [1.0 if letter in "bc" else kind.scale for letter in letters],
                "offset": [
                    0 if letter == "b" else channel_offset if letter == "c" else kind.offset / 2 for letter in letters
                ],
            },
            "postprocessing": [_op_4(op) for op in kind.post],
        }
        for name in _outputs(kind)
    ]
    return {
        "format_version": "0.4.10",
        **_about(kind),
        "timestamp": "2026-01-01T00:00:00",
        "inputs": inputs,
        "outputs": outputs,
        "test_inputs": [f"{name}.npy" for name in _inputs(kind)],
        "test_outputs": [f"{name}.npy" for name in _outputs(kind)],
    }


def _op_4(op: Op) -> dict[str, Any]:
    kwargs = dict(op.get("kwargs", {}))
    if "axes" in kwargs:
        axes = [axis for axis in kwargs["axes"] if axis != "batch"]
        kwargs["mode"] = "per_dataset" if "batch" in kwargs["axes"] else "per_sample"
        kwargs["axes"] = "".join({"channel": "c", "time": "t"}.get(axis, axis) for axis in axes)
    return {"name": op["id"], "kwargs": kwargs} if kwargs else {"name": op["id"]}


class _Graph:
    """Nodes and constants; tensors are brought to b, c, space and back."""

    def __init__(self, kind: Kind) -> None:
        letters = kind.axes
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._rng = np.random.default_rng(0)
        self._order = [letters.index(a) for a in "bc" if a in letters] + [letters.index(a) for a in kind.space]
        self._lacking = [place for place, letter in enumerate("bc") if letter not in letters]
        if self._lacking:
            self.constants.append(numpy_helper.from_array(np.array(self._lacking, np.int64), "lacking"))

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def enter(self, name: str) -> str:
        moved = self.add("Transpose", [name], f"{name}_moved", perm=self._order)
        return self.add("Unsqueeze", [moved, "lacking"], f"{name}_full") if self._lacking else moved

    def leave(self, name: str, output: str) -> None:
        if self._lacking:
            name = self.add("Squeeze", [name, "lacking"], f"{name}_left")
        self.add("Transpose", [name], output, perm=np.argsort(self._order).tolist())

    def kernel(self, name: str, shape: tuple[int, ...]) -> str:
        values = self._rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)
        self.constants.append(numpy_helper.from_array(values, name))
        return name


def _network(kind: Kind) -> onnx.ModelProto:
    graph, ndim = _Graph(kind), len(kind.space)
    outs = 2 if "c" in kind.axes else 1
    shape = (outs, kind.channels, *[3] * ndim)
    pads = {} if kind.network == "valid" else {"pads": [1] * (2 * ndim)}
    twice = {"strides": [2] * ndim}
    source = graph.enter("raw")
    if kind.network == "up":
        kernel = graph.kernel("k", (kind.channels, outs, *[2] * ndim))
        result = graph.add("ConvTranspose", [source, kernel], "grown", **twice)
    else:
        result = graph.add("Conv", [source, graph.kernel("k", shape)], "convolved", **pads)
    if kind.network == "down":
        result = graph.add("AveragePool", [result], "pooled", kernel_shape=[2] * ndim, **twice)
    if kind.network == "two_inputs":
        other = graph.add("Conv", [graph.enter("other"), graph.kernel("k2", shape)], "convolved_other", **pads)
        result = graph.add("Sub", [result, other], "difference")
    graph.leave(result, "first")
    if kind.network == "two_outputs":
        graph.leave(graph.add("Conv", [source, graph.kernel("k2", shape)], "convolved_second", **pads), "second")
    dims = [1 if a == "b" else kind.channels if a == "c" else a for a in kind.axes]
    results = [1 if a == "b" else outs if a == "c" else f"{a}_out" for a in kind.axes]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            kind.network,
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name in _inputs(kind)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, results) for name in _outputs(kind)],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    return model
