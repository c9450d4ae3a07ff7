"""From a trained network to a model package that any bioimage.io software runs.

The package has the weights as a state dict and as ONNX (and as TorchScript where that is asked for), the network's
source file, test tensors, a cover and the record of the training. It is read back and run in every format before it
gets its name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji.errors import PackageError
from bioimg_fiji.nets import architecture
from bioimg_fiji.nets.export import OPSET, to_torchscript
from bioimg_fiji.package import About, ModelPackage, NewPackage, write_package
from bioimg_fiji.package.attachments import TOLD_ONNX
from bioimg_fiji.runtime import tensors
from bioimg_fiji.runtime.adapter import Adapter, Array
from bioimg_fiji.runtime.cover import cover
from bioimg_fiji.runtime.onnx_adapter import OnnxAdapter
from bioimg_fiji.runtime.sample import FEATURES
from bioimg_fiji.runtime.told import told_view
from bioimg_fiji.runtime.torch_adapter import FORMAT as TORCH
from bioimg_fiji.runtime.torch_adapter import SCRIPT as TORCHSCRIPT
from bioimg_fiji.runtime.torch_adapter import TorchAdapter
from bioimg_fiji.runtime.trained import TrainedNetwork
from bioimg_fiji.runtime.verify import differences

WEIGHTS, ONNX, SCRIPT = "weights.pt", "weights.onnx", "weights.ts"

TOLERANCE = 1e-4
"""Largest difference between formats on one computer, as a share of the test output's range."""


def export(
    trained: TrainedNetwork, about: About, target: Path, output: str = "denoised", *, torchscript: bool = False
) -> ModelPackage:
    """Write a trained network as a bioimage.io 0.5 package.

    Parameters
    ----------
    trained
        The network.
    about
        What people want to know; `provenance` is kept in the package's configuration.
    target
        Path of the .zip.
    output
        Id of the output, with which the titles of results end.
    torchscript
        Whether the network is written as TorchScript too, for programs that want it. It is code: those who run it must
        trust the package, and nothing here runs it unless it is asked for.

    Returns
    -------
    The package, opened.

    Raises
    ------
    PackageError
        When the written package does not give its own test output, in any of its formats.
    StorageError
        When it cannot be written; nothing is left behind.
    """
    raw = tensors.example_input(trained)
    result = trained.outputs(raw[0])[np.newaxis]
    new = NewPackage(
        about=about,
        inputs=(tensors.input_tensor(trained, raw),),
        outputs=(tensors.output_tensor(trained, result, output),),
        weights=_weights(trained, torchscript),
        files=_files(trained, torchscript),
        cover=cover(raw[0, trained.window], result[0, 0], same_values=trained.keeps_values),
        config=_config(trained, about, result),
        attachments={**trained.told_bytes(), **trained.attachments},
    )
    return write_package(new, target, lambda package: _verify_all(package, trained, raw[0]))


def _config(trained: TrainedNetwork, about: About, result: Array) -> dict[str, Any]:
    """Give the description's free part: how exactly results repeat, and what only we read."""
    frames = {"axis": "t", "before": trained.window, "after": trained.window}
    return {
        "bioimageio": {"reproducibility_tolerance": [_tolerance(result)]},
        "bioimg_fiji": {
            "values": _values(trained),
            **({"labels": dict(trained.objects)} if trained.objects else {}),
            **({"window": frames} if trained.window else {}),
            "sizes": {letter: dataclasses.asdict(rule) for letter, rule in tensors.size_rules(trained).items()},
            "provenance": dict(about.provenance),
        },
    }


def _values(trained: TrainedNetwork) -> str:
    """Tell what the results are: in the unit of the input, of other images, or probabilities."""
    if trained.objects:
        return "probability"
    return "input" if trained.keeps_values else "target"


def _verify_all(package: ModelPackage, trained: TrainedNetwork, raw: Array) -> None:
    verify(package)
    view = told_view(package)
    if view is not None:
        _verify_told(view, trained.told().computed(raw), trained.normalised(raw))


def _verify_told(view: ModelPackage, wanted: Sequence[Array], seen: Array) -> None:
    """Compare what the told network gives as ONNX with what it gives as torch."""
    import onnxruntime

    session = onnxruntime.InferenceSession(view.weights["onnx"].file.read())
    for name, array, like in zip(
        (output.name for output in session.get_outputs()),
        session.run(None, {session.get_inputs()[0].name: seen[np.newaxis]}),
        wanted,
        strict=True,
    ):
        found = array if name == FEATURES else array[0]
        if found.shape != like.shape or not np.abs(found - like).max() <= TOLERANCE * max(np.ptp(like), 1.0):
            raise PackageError(
                f"{TOLD_ONNX} of {view.name} does not tell the {name} that the network tells.",
                fix="Train again, or report this with the log.",
            )


def verify(package: ModelPackage) -> None:
    """Run a package's own test tensors in every format that was written, and the told network's output.

    Raises
    ------
    PackageError
        When the output is not the test output.
    """
    view = told_view(package)
    for each in (package, view) if view is not None else (package,):
        _verify_formats(each)


def _verify_formats(package: ModelPackage) -> None:
    makers: dict[str, Callable[[ModelPackage], Adapter]] = {
        "onnx": OnnxAdapter,
        TORCH: TorchAdapter,
        TORCHSCRIPT: lambda package: TorchAdapter(package, weights=TORCHSCRIPT),
    }
    for weights, make in makers.items():
        if weights not in package.weights:
            continue
        model = make(package)
        try:
            _verify(package, model)
        finally:
            model.close()


def _verify(package: ModelPackage, model: Adapter) -> None:
    for found in differences(package, model):
        if not found.relative <= TOLERANCE:
            raise PackageError(
                f"{package.name} does not give its own test output {found.output!r} with the weights {model.weights}: "
                f"{found.relative:g} of its range lies between them.",
                fix="Train again, or report this with the log.",
            )


def _weights(trained: TrainedNetwork, torchscript: bool) -> dict[str, dict[str, Any]]:
    import torch

    network = architecture(trained.architecture)
    made = {"source": network.file.name, "callable": network.callable, "kwargs": dict(trained.kwargs)}
    version = str(torch.__version__).split("+")[0]
    script = {"source": SCRIPT, "pytorch_version": version, "parent": TORCH}
    return {
        TORCH: {"source": WEIGHTS, "pytorch_version": version, "architecture": made},
        "onnx": {"source": ONNX, "opset_version": OPSET, "parent": TORCH},
        **({TORCHSCRIPT: script} if torchscript else {}),
    }


def _files(trained: TrainedNetwork, torchscript: bool) -> dict[str, bytes]:
    network = architecture(trained.architecture)
    files = {
        WEIGHTS: trained.weights_bytes(),
        ONNX: trained.onnx_bytes(),
        network.file.name: network.source.encode("utf-8"),
    }
    if torchscript:
        files[SCRIPT] = to_torchscript(trained.architecture, trained.kwargs, trained.state_dict)
    return files


def _tolerance(result: Array) -> dict[str, float]:
    """Give what other computers may differ by; the specification allows 1 % of the largest value, if positive."""
    absolute = min(5e-3 * float(np.ptp(result)), 9e-3 * float(result.max()))
    return {"relative_tolerance": 1e-3, "absolute_tolerance": max(0.0, absolute)}
