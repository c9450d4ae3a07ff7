"""The told view of a package: the same model, which tells more than its result.

A training attaches `told.onnx` to its package, the network with further outputs, and `told.pt`, the weights of the head
that tells the spread, where one was learnt. A run with the view gives the same result as one with the package, bit for
bit; other software sees the package, with its one output.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from bioimg_fiji.package import ModelPackage, PackageFile, TensorSpec, Weights
from bioimg_fiji.package.attachments import TOLD_HEAD, TOLD_ONNX, attachments_of
from bioimg_fiji.package.model import OpSpec
from bioimg_fiji.runtime.sample import FEATURES
from bioimg_fiji.runtime.torch_adapter import FORMAT as TORCH
from bioimg_fiji.runtime.torch_adapter import known_network

SPREAD = "spread"
"""Id of the output with standard deviations, in the result's unit."""


def told_view(package: ModelPackage) -> ModelPackage | None:
    """Give the package with what its attachments tell.

    Returns
    -------
    A package of the same inputs and the same first output. Where a head was learnt there is a further output `SPREAD`,
    standard deviations as large as the first and in its unit; and runs give features (`predict(..., features=...)`).
    None for packages without the attachment: those of other programs, and of earlier versions.

    Raises
    ------
    PackageError
        When an attachment is missing or was altered.
    """
    files = attachments_of(package)
    if TOLD_ONNX not in files or known_network(package) is None:
        return None
    files[TOLD_ONNX].read()  # NB: the package has checked its own files when it was opened, and not those
    head = files.get(TOLD_HEAD)
    outputs = package.outputs if head is None else (*package.outputs, _spread(package.outputs[0]))
    weights = _weights(package, files[TOLD_ONNX], head)
    return dataclasses.replace(package, outputs=outputs, weights=weights, beside=(FEATURES,))


def _weights(package: ModelPackage, onnx: PackageFile, head: PackageFile | None) -> Mapping[str, Weights]:
    """Give the weights that tell: TorchScript has nothing of it, and is left out."""
    return {
        "onnx": Weights("onnx", onnx),
        TORCH: dataclasses.replace(package.weights[TORCH], more=head),
    }


def _spread(output: TensorSpec) -> TensorSpec:
    """Describe the standard deviations of an output: they scale as it does, and have no offset."""
    ops = tuple(_without_offset(op) for op in output.ops)
    return dataclasses.replace(output, id=SPREAD, ops=ops, spread=True, test_tensor=None)


def _without_offset(op: OpSpec) -> OpSpec:
    if op.id != "scale_linear":
        return op
    kwargs: dict[str, Any] = {**op.kwargs, "offset": np.zeros_like(op.kwargs["offset"], dtype=float).tolist()}
    return OpSpec(op.id, kwargs)
