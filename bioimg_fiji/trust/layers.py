"""The layers of a network: which there are, and what they give for an input.

Lives here: networks as torch modules and as ONNX graphs, by one protocol. Lives not here: what the input is (shown),
attributions (explain).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import ParameterError, UntrustedModelError, WeightsError
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.runtime.adapter import thread_count
from bioimg_fiji.runtime.choose import decide

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

AUTO = "auto"
TORCH, ONNX = "pytorch_state_dict", "onnx"


class Layers(Protocol):
    """A network whose layers can be looked at; `weights` tells in which format."""

    weights: str

    def shapes(self, tensor: Array) -> dict[str, Shape]:
        """Give the layers of feature maps (batch, channels, spatial axes) by name, in the order in which they run."""
        ...

    def maps(self, tensor: Array, name: str) -> Array:
        """Give what a layer gives, (channels, spatial axes), float32."""
        ...


def layers_of(package: ModelPackage, weights: str = AUTO, device: str = "auto", trust: str = "") -> Layers:
    """Load a network to look at its layers: as a torch module where that may run here, else as an ONNX graph.

    Raises
    ------
    WeightsError, UntrustedModelError
        When the package has neither, or its code is not trusted.
    """
    if weights == TORCH or (weights == AUTO and may_run(package, TORCH, device, trust)):
        return TorchLayers(torch_network(package, device, trust))
    if weights == ONNX or ONNX in package.weights:
        decide(package, ONNX, "cpu", trust)
        return OnnxLayers(package)
    if TORCH in package.weights:
        decide(package, TORCH, device, trust)  # tells that it is not trusted
    raise WeightsError(
        f"{package.name} has {', '.join(package.weights)}: its layers cannot be looked at.",
        fix="Choose a model with a PyTorch state dict or ONNX weights.",
        weights=sorted(package.weights),
    )


def may_run(package: ModelPackage, weights: str, device: str, trust: str) -> bool:
    """Whether a package has such weights, and they may run here."""
    try:
        decide(package, weights, device, trust)
    except (WeightsError, UntrustedModelError):
        return False
    return True


def torch_network(package: ModelPackage, device: str = "auto", trust: str = "") -> Any:
    """Give the network of a package's state dict, on the device, whose layers keep what they have given.

    Raises
    ------
    WeightsError, UntrustedModelError
        When there is no state dict, it does not fit, or its code is not trusted.
    """
    from bioimg_fiji.runtime.torch_adapter import loaded_network, torch_device

    _, device = decide(package, TORCH, device, trust)
    network = loaded_network(package)
    for module in network.modules():
        if getattr(module, "inplace", False):  # else a convolution's maps would be those after the rectifier
            module.inplace = False
    return network.to(torch_device(device)).eval()


def coarsest(shapes: Mapping[str, Shape]) -> str:
    """Name the last of the layers with the fewest pixels, but more than one.

    Of a U-Net that is the bottleneck, of a classifier the last convolution.

    Raises
    ------
    ParameterError
        When there is no layer with feature maps.
    """
    sizes = {name: int(np.prod(shape[2:])) for name, shape in shapes.items() if np.prod(shape[2:]) > 1}
    if not sizes:
        raise ParameterError(
            "The network has no layer whose maps have an extent.", fix="Choose another model.", field="layer"
        )
    least = min(sizes.values())
    return next(name for name in reversed(sizes) if sizes[name] == least)


def named(shapes: Mapping[str, Shape], layer: str) -> str:
    """Give the layer of that name, "auto" being the coarsest.

    Raises
    ------
    ParameterError
        When there is none; it lists those that there are.
    """
    if layer == AUTO:
        return coarsest(shapes)
    if layer not in shapes:
        raise ParameterError.of("layer", f"auto or one of {', '.join(shapes)}", layer)
    return layer


class TorchLayers:
    """A torch network, by the names of its innermost modules; the second use of a module is named "NAME:2"."""

    weights = TORCH

    def __init__(self, network: Any) -> None:
        self.network = network

    def shapes(self, tensor: Array) -> dict[str, Shape]:
        """Run the network once and note the shape of what each module gives."""
        found: dict[str, Shape] = {}

        def note(name: str, output: Any) -> None:
            found[name] = tuple(output.shape)

        self._run(tensor, note)
        return found

    def maps(self, tensor: Array, name: str) -> Array:
        """Run the network and give what the module gives."""
        found: list[Array] = []

        def take(other: str, output: Any) -> None:
            if other == name:
                found.append(np.asarray(output[0].float().cpu().numpy()))

        self._run(tensor, take)
        if not found:
            raise ParameterError.of("layer", "a layer of the network", name)
        return found[0]

    def _run(self, tensor: Array, see: Callable[[str, Any], None]) -> None:
        """Run the network; `see` is shown what each module gives, of which nothing else is kept."""
        import torch

        given = on_device(tensor, self.network)
        with torch.inference_mode(), self._hooked(see, given.ndim):
            self.network(given)

    @contextlib.contextmanager
    def _hooked(self, see: Callable[[str, Any], None], ndim: int) -> Iterator[None]:
        uses: dict[str, int] = {}

        def keep(name: str, output: Any) -> None:
            if getattr(output, "ndim", 0) == ndim:
                uses[name] = uses.get(name, 0) + 1
                see(name if uses[name] == 1 else f"{name}:{uses[name]}", output)

        hooks = [
            module.register_forward_hook(lambda _module, _inputs, output, name=name: keep(name, output))
            for name, module in self.network.named_modules()
            if name and not any(module.children())
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def on_device(tensor: Array, network: Any) -> Any:
    """Give an array as a tensor where the network is."""
    import torch

    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    return torch.from_numpy(np.array(tensor, order="C")).to(device)


class OnnxLayers:
    """An ONNX graph, by the names of the values that its nodes give."""

    weights = ONNX

    def __init__(self, package: ModelPackage) -> None:
        import onnx

        path = package.weights[ONNX].file.path
        try:
            self._model: Any = onnx.load(str(path))
        except Exception as error:
            raise WeightsError(
                f"{path.name} cannot be read as an ONNX model: {' '.join(str(error).split())[:300]}",
                fix="Get the package again.",
            ) from error

    def shapes(self, tensor: Array) -> dict[str, Shape]:
        """Run the graph with the shape of each value as a further output: the values themselves are not kept."""
        import onnx

        model = self._copy()
        names = [
            name
            for node in model.graph.node
            for name in node.output
            if name and node.op_type != "Constant" and "Sequence" not in node.op_type
        ]
        told = [f"bioimg shape {number}" for number in range(len(names))]
        for name, shape in zip(names, told, strict=True):
            model.graph.node.append(onnx.helper.make_node("Shape", [name], [shape]))
            model.graph.output.append(onnx.helper.make_tensor_value_info(shape, onnx.TensorProto.INT64, None))
        found = zip(names, _run(model, told, tensor), strict=True)
        shapes = {name: tuple(int(size) for size in shape) for name, shape in found}
        return {name: s for name, s in shapes.items() if len(s) == tensor.ndim and s[0] == tensor.shape[0]}

    def maps(self, tensor: Array, name: str) -> Array:
        """Make the value an output of the graph, and run it."""
        import onnx

        model = self._copy()
        if name not in {output.name for output in model.graph.output}:
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        return np.asarray(_run(model, [name], tensor)[0][0], np.float32)

    def _copy(self) -> Any:
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        return model


def _run(model: Any, outputs: list[str], tensor: Array) -> list[Array]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = thread_count(0)
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        found = session.run(outputs, {session.get_inputs()[0].name: np.ascontiguousarray(tensor)})
    except Exception as error:
        raise WeightsError(
            f"ONNX Runtime cannot give the layers of this network: {' '.join(str(error).split())[:300]}",
            fix="Choose weights=pytorch_state_dict where the package has it, or another layer.",
        ) from error
    return [np.asarray(each) for each in found]
