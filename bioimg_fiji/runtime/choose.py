"""Which weights run where."""

from __future__ import annotations

import ctypes.util
import sys
from pathlib import Path

from bioimg_fiji import settings
from bioimg_fiji.errors import ParameterError, WeightsError
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.package.trust import check_trust
from bioimg_fiji.runtime.adapter import Adapter

RUNNABLE = ("onnx", "pytorch_state_dict", "torchscript")
DEVICES = ("auto", "cpu", "cuda", "mps")

_ELSEWHERE = {
    "keras_hdf5": "it needs Keras and TensorFlow",
    "keras_v3": "it needs Keras",
    "tensorflow_js": "it needs TensorFlow.js",
    "tensorflow_saved_model_bundle": "it needs TensorFlow",
}


def choose(
    package: ModelPackage, weights: str = "auto", device: str = "auto", threads: int = 0, trust: str = ""
) -> Adapter:
    """Load the fastest safe weights of a package.

    On the CPU that is ONNX by ONNX Runtime, without torch. A state dict of one of our own networks runs by torch where
    CUDA is there, where another device is asked for, or where there is no ONNX; networks of others, which are code of
    the package, only where there is nothing else or they are asked for, and only for a trusted package.

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
    trust
        First digits of the SHA-256 by which the package may run code of its own; empty: only if the user's list has it.

    Raises
    ------
    ParameterError
        For a device that does not exist.
    WeightsError
        When the package has no weights that can run as asked; it lists those that it has.
    UntrustedModelError
        When they are code of others, and the package is not trusted.
    """
    return load(package, *decide(package, weights, device, trust), threads)


def decide(package: ModelPackage, weights: str, device: str, trust: str) -> tuple[str, str]:
    """Give format and device ("auto" for torch to choose) of what `choose` loads; raises what it raises, but loading.

    Nothing is loaded, and no code of the package is run.
    """
    device = str(settings.get("device")) if device == "auto" else device
    if device not in DEVICES:
        raise ParameterError.of("device", "one of " + ", ".join(DEVICES), device)
    weights = _format(package, weights, device)
    if is_code(package, weights):
        check_trust(package, _code(package, weights), trust)
    if weights == "onnx" and device in ("cuda", "mps"):
        raise WeightsError(
            f"ONNX weights run on the CPU here, not on {device}.",
            fix=f"Choose device=cpu{_or_torch(package)}.",
        )
    return weights, device


def load(package: ModelPackage, weights: str, device: str, threads: int) -> Adapter:
    """Load what `decide` has given."""
    if weights == "onnx":
        from bioimg_fiji.runtime.onnx_adapter import OnnxAdapter

        return OnnxAdapter(package, threads)
    from bioimg_fiji.runtime.torch_adapter import TorchAdapter, torch_device

    return TorchAdapter(package, torch_device(device), threads, weights)


def is_code(package: ModelPackage, weights: str) -> bool:
    """Whether these weights are code of the package, which runs when they are loaded."""
    return weights == "torchscript" or (weights == "pytorch_state_dict" and not _own(package))


def code_of(package: ModelPackage) -> list[str]:
    """Tell what of a package is code of its own, a line for each of its weights that is."""
    return [_code(package, weights) for weights in package.weights if is_code(package, weights)]


def _code(package: ModelPackage, weights: str) -> str:
    """Tell what of the package would run."""
    architecture = package.weights[weights].architecture
    if architecture is None:
        return f"TorchScript ({package.weights[weights].file.name})"
    place = architecture.library if architecture.file is None else architecture.file.name
    return f"Python code ({architecture.callable} of {place})"


def _or_torch(package: ModelPackage) -> str:
    found = [name for name in RUNNABLE[1:] if name in package.weights]
    return f", or weights={found[0]}" if found else ""


def _format(package: ModelPackage, weights: str, device: str) -> str:
    there = [name for name in RUNNABLE if name in package.weights]
    if weights == "auto":
        if not there:
            raise _nothing_runs(package)
        torch_asked = device in ("cuda", "mps") or (device == "auto" and _cuda_seems_there())
        torch_asked = torch_asked and _own(package) and _cuda_works(device)
        return there[0] if there[0] != "onnx" or not torch_asked else "pytorch_state_dict"
    if weights not in package.weights:
        raise WeightsError(
            f"{package.name} has no weights {weights!r}; it has {', '.join(package.weights)}.",
            fix=f"Choose weights={there[0]}." if there else "Choose another model.",
            weights=sorted(package.weights),
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
