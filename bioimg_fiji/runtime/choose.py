"""Which weights run where."""

from __future__ import annotations

import ctypes.util
import sys
from pathlib import Path

from bioimg_fiji import settings
from bioimg_fiji.errors import ParameterError, UntrustedModelError, WeightsError
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.runtime.adapter import Adapter

RUNNABLE = ("onnx", "pytorch_state_dict")
DEVICES = ("auto", "cpu", "cuda", "mps")

_ELSEWHERE = {
    "torchscript": "TorchScript is code that came with the package",
    "keras_hdf5": "it needs Keras and TensorFlow",
    "keras_v3": "it needs Keras",
    "tensorflow_js": "it needs TensorFlow.js",
    "tensorflow_saved_model_bundle": "it needs TensorFlow",
}


def choose(package: ModelPackage, weights: str = "auto", device: str = "auto", threads: int = 0) -> Adapter:
    """Load the fastest safe weights of a package.

    On the CPU that is ONNX by ONNX Runtime, without torch. A state dict of one of our own networks runs by torch where
    CUDA is there, where another device is asked for, or where there is no ONNX.

    Parameters
    ----------
    package
        Model package.
    weights
        "auto", or a format of the description.
    device
        "auto" (the setting, else CUDA or the CPU), "cpu", "cuda" or "mps".
    threads
        On the CPU; 0: the setting, else one per core.

    Raises
    ------
    ParameterError
        For a device that does not exist.
    WeightsError
        When the package has no weights that can run as asked; it lists those that it has.
    UntrustedModelError
        When they are code of others.
    """
    device = str(settings.get("device")) if device == "auto" else device
    if device not in DEVICES:
        raise ParameterError.of("device", "one of " + ", ".join(DEVICES), device)
    weights = _format(package, weights, device)
    if weights == "onnx":
        if device in ("cuda", "mps"):
            raise WeightsError(
                f"ONNX weights run on the CPU here, not on {device}.",
                fix=f"Choose device=cpu{', or weights=pytorch_state_dict' * _own(package)}.",
            )
        from bioimg_fiji.runtime.onnx_adapter import OnnxAdapter

        return OnnxAdapter(package, threads)
    from bioimg_fiji.runtime.torch_adapter import TorchAdapter, torch_device

    return TorchAdapter(package, torch_device(device), threads)


def _format(package: ModelPackage, weights: str, device: str) -> str:
    there = [name for name in RUNNABLE if name in package.weights]
    if weights == "auto":
        if not there:
            raise _nothing_runs(package)
        torch_asked = device in ("cuda", "mps") or (device == "auto" and _cuda_seems_there())
        if "onnx" not in there or (torch_asked and _own(package) and _cuda_works(device)):
            return "pytorch_state_dict"
        return "onnx"
    if weights not in package.weights:
        raise WeightsError(
            f"{package.name} has no weights {weights!r}; it has {', '.join(package.weights)}.",
            fix=f"Choose weights={there[0]}." if there else "Choose another model.",
            weights=sorted(package.weights),
        )
    if weights == "torchscript":
        raise UntrustedModelError(
            f"TorchScript of {package.name} is code that came with the package; it would run here.",
            fix=f"Choose weights={there[0]}." if there else "Choose a model with ONNX weights.",
            weights=weights,
        )
    if weights not in RUNNABLE:
        raise _nothing_runs(package)
    return weights


def _nothing_runs(package: ModelPackage) -> WeightsError:
    reasons = [f"{name} ({_ELSEWHERE.get(name, 'unknown here')})" for name in package.weights]
    return WeightsError(
        f"None of the weights of {package.name} run here: {'; '.join(reasons)}.",
        fix="Choose a model with ONNX weights.",
        weights=sorted(package.weights),
    )


def _own(package: ModelPackage) -> bool:
    from bioimg_fiji.runtime.torch_adapter import known_network

    return known_network(package) is not None


def _cuda_seems_there() -> bool:
    """Tell whether a CUDA driver is installed, without the seconds that importing torch takes."""
    if sys.platform == "win32":
        return ctypes.util.find_library("nvcuda") is not None
    return sys.platform == "linux" and Path("/dev/nvidiactl").exists()


def _cuda_works(device: str) -> bool:
    if device != "auto":
        return True
    from bioimg_fiji.runtime.torch_adapter import torch_device

    return torch_device("auto") == "cuda"
