"""Networks as ONNX, so that they run without torch, and as TorchScript, for programs that ask for it."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bioimg_fiji.nets import build, divisor
from bioimg_fiji.nets.told import is_head, told

OPSET = 17


def to_onnx(name: str, kwargs: Mapping[str, Any], state_dict: Mapping[str, torch.Tensor], opset: int = OPSET) -> bytes:
    """Write a network as an ONNX model.

    Parameters
    ----------
    name, kwargs
        Architecture, as for `bioimg_fiji.nets.build`.
    state_dict
        Its weights.
    opset
        ONNX operator set.

    Returns
    -------
    The serialised model: float32 `input` and `output`, (b, c, y, x) or (b, c, z, y, x), all axes but c of free size.
    """
    return _onnx(*_traceable(name, kwargs, state_dict), ("output",), opset)


def to_told_onnx(
    name: str, kwargs: Mapping[str, Any], state_dict: Mapping[str, torch.Tensor], opset: int = OPSET
) -> bytes:
    """Write a network that tells more than its output (`bioimg_fiji.nets.told`); parameters as for `to_onnx`.

    Returns
    -------
    The serialised model: after `output` a `spread` of the same shape, where the weights have a second head, and
    `features` (blocks, channels).
    """
    network = told(name, kwargs, state_dict)
    names = ("output", "spread", "features") if any(map(is_head, state_dict)) else ("output", "features")
    return _onnx(network.eval(), _example(name, kwargs), names, opset)


def _onnx(network: torch.nn.Module, example: torch.Tensor, outputs: tuple[str, ...], opset: int) -> bytes:
    axes = dict(enumerate(("b", "c", "z", "y", "x") if example.ndim == 5 else ("b", "c", "y", "x")))
    free = {place: axis for place, axis in axes.items() if axis != "c"}
    with tempfile.TemporaryDirectory(prefix="bioimg-onnx-") as folder, warnings.catch_warnings(), torch.no_grad():
        # NB: the exporter by tracing is called legacy, but it alone writes free axes without constraints on them.
        warnings.simplefilter("ignore")
        file = Path(folder) / "network.onnx"
        torch.onnx.export(
            network,
            (example,),
            file,
            dynamo=False,
            opset_version=opset,
            input_names=["input"],
            output_names=list(outputs),
            dynamic_axes={each: {0: "blocks"} if each == "features" else free for each in ("input", *outputs)},
        )
        return file.read_bytes()


def to_torchscript(name: str, kwargs: Mapping[str, Any], state_dict: Mapping[str, torch.Tensor]) -> bytes:
    """Write a network as TorchScript; parameters as for `to_onnx`.

    Returns
    -------
    A file for `torch.jit.load`: float32 (b, c, y, x) or (b, c, z, y, x) in and out, all axes but c of free size.
    """
    network, example = _traceable(name, kwargs, state_dict)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # NB: torch advises against TorchScript; other software asks for it. Nothing in our networks depends on sizes.
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(network, example), buffer)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def _traceable(
    name: str, kwargs: Mapping[str, Any], state_dict: Mapping[str, torch.Tensor]
) -> tuple[torch.nn.Module, torch.Tensor]:
    """Give the network, in evaluation mode on the CPU, and an input for it."""
    network = build(name, kwargs)
    network.load_state_dict(dict(state_dict))
    return network.eval(), _example(name, kwargs)


def _example(name: str, kwargs: Mapping[str, Any]) -> torch.Tensor:
    sizes = tuple(max(4 * step, 16) for step in divisor(name, kwargs))
    return torch.zeros(1, int(kwargs.get("in_channels", 1)), *sizes)
