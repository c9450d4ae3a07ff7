"""From a package that was trained here back to what a training starts from: its weights, and how data are scaled.

All of it is read from what the package is run with, so that a training goes on from the very network that was run. Only
our own networks are taken: their state dicts are data, loaded with `weights_only=True`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bioimg_fiji.errors import PackageError, ParameterError, WeightsError
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.package.links import main_input
from bioimg_fiji.package.model import OpSpec, TensorSpec
from bioimg_fiji.package.window import window_of
from bioimg_fiji.runtime.torch_adapter import FORMAT, known_network, loaded_network
from bioimg_fiji.runtime.trained import TrainedNetwork

_FIX = "Choose a package that was trained here, or train from the beginning."

Values = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class StartingPoint(TrainedNetwork):
    """A network that was trained before.

    Parameters
    ----------
    name, sha256
        Of the package.
    method
        By which method; empty where the package does not tell.
    """

    name: str = ""
    sha256: str = ""
    method: str = ""


def starting_point(package: ModelPackage) -> StartingPoint:
    """Read a package of our own for training on.

    Parameters
    ----------
    package
        A package that `bioimg_fiji.runtime.export.export` has written, in this or an earlier version.

    Returns
    -------
    StartingPoint
        Its `sample` is the package's test input.

    Raises
    ------
    PackageError
        When the package is not of our own: of another program, of an unknown network, or changed by hand.
    WeightsError
        When it has no state dict, or one that does not fit.
    """
    weights = package.weights.get(FORMAT)
    if weights is None or weights.architecture is None:
        raise WeightsError(
            f"{package.name} has no state dict, only {', '.join(package.weights)}: a training cannot go on from it.",
            fix=_FIX,
            weights=sorted(package.weights),
        )
    network = known_network(package)
    if network is None or not package.own or len(package.inputs) != 1 or len(package.outputs) != 1:
        raise PackageError(
            f"{package.name} was not trained by bioimg-fiji, or its network ({weights.architecture.callable}) has been "
            "changed: a training cannot go on from it.",
            fix=_FIX,
        )
    state = loaded_network(package).state_dict()
    try:
        return StartingPoint(
            architecture=network.name, kwargs=dict(weights.architecture.kwargs), state_dict=state, **_described(package)
        )
    except (ValueError, ParameterError) as error:
        raise PackageError(
            f"The description of {package.name} is not as bioimg-fiji writes it: {error}.", fix=_FIX
        ) from error


def _described(package: ModelPackage) -> dict[str, Any]:
    """Read all fields but the network's.

    Raises
    ------
    ValueError
        When something is not as we write it.
    """
    tensor, output = main_input(package), package.outputs[0]
    if tensor.test_tensor is None:
        raise ValueError("the input has no test tensor")
    window, labels = window_of(package), package.own.get("labels")
    if window is not None and window.before != window.after:
        raise ValueError("the window is not even")
    mean, std = _input_scale(tensor)
    out_std, out_mean = _output_scale(output)
    per_image = any(op.id == "zero_mean_unit_variance" for op in tensor.ops)
    same = not per_image and len(mean) == len(out_mean) and np.allclose((*mean, *std), (*out_mean, *out_std), 1e-12, 0)
    names, told = _names(output), _names(tensor)
    provenance = package.own.get("provenance")
    return {
        "name": package.name,
        "sha256": package.sha256,
        "mean": mean,
        "std": std,
        "out_mean": None if same else out_mean,
        "out_std": None if same else out_std,
        "per_image": per_image,
        "axes": "".join(letter for letter in tensor.letters if letter in "zyx"),
        "sample": np.asarray(tensor.test_tensor.read_array()[0], np.float32),
        "input_channels": ("intensity",) if window else told,
        "channels": () if not labels and names in ((output.id,), told) else names,
        "objects": dict(labels) if isinstance(labels, Mapping) else {},
        "window": window.before if window else 0,
        "method": str(provenance.get("method", "")) if isinstance(provenance, Mapping) else "",
    }


def _names(tensor: TensorSpec) -> tuple[str, ...]:
    axis = tensor.axis("c")
    if axis is None:
        raise ValueError(f"{tensor.id} has no channels")
    return axis.channel_names


def _input_scale(tensor: TensorSpec) -> tuple[Values, Values]:
    """Give mean and standard deviation by which the input is normalised."""
    op = _only(tensor)
    if op is None:
        raise ValueError(f"{tensor.id} is not normalised")
    if op.id == "fixed_zero_mean_unit_variance":
        return _values(op, "mean"), _values(op, "std")
    if op.id == "scale_linear":
        gains, offsets = _values(op, "gain"), _values(op, "offset")
        return tuple(-o / g for o, g in zip(offsets, gains, strict=True)), tuple(1 / g for g in gains)
    if op.id == "zero_mean_unit_variance":
        return (0.0,), (1.0,)
    raise ValueError(f"{tensor.id} is processed by {op.id}")


def _output_scale(tensor: TensorSpec) -> tuple[Values, Values]:
    """Give standard deviation and mean of the output."""
    op = _only(tensor)
    if op is None:
        return (1.0,), (0.0,)
    if op.id != "scale_linear":
        raise ValueError(f"{tensor.id} is processed by {op.id}")
    return _values(op, "gain"), _values(op, "offset")


def _only(tensor: TensorSpec) -> OpSpec | None:
    """Give the one operation besides conversions of the type."""
    ops = [op for op in tensor.ops if op.id not in ("ensure_dtype", "clip")]  # what is clipped was learnt unclipped
    if len(ops) > 1:
        raise ValueError(f"{tensor.id} has {len(ops)} operations")
    return ops[0] if ops else None


def _values(op: OpSpec, name: str) -> Values:
    value = op.kwargs.get(name)
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(each, (int, float)) and np.isfinite(each) for each in found):
        raise ValueError(f"{op.id} has the {name} {value!r}")
    return tuple(float(each) for each in found if each is not None)
