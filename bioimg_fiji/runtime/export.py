"""From a trained network to a model package that any bioimage.io software runs.

The package has the weights as a state dict and as ONNX, the network's source file, test tensors, a cover and the
record of the training. It is read back and run in both formats before it gets its name.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bioimg_fiji.errors import PackageError
from bioimg_fiji.nets import architecture, build
from bioimg_fiji.nets.export import OPSET, to_onnx
from bioimg_fiji.package import About, ModelPackage, NewPackage, NewTensor, write_package
from bioimg_fiji.runtime.adapter import Adapter, Array
from bioimg_fiji.runtime.cover import cover
from bioimg_fiji.runtime.onnx_adapter import OnnxAdapter
from bioimg_fiji.runtime.torch_adapter import FORMAT as TORCH
from bioimg_fiji.runtime.torch_adapter import TorchAdapter
from bioimg_fiji.runtime.verify import differences
from bioimg_fiji.tiling import AxisRule, mirrored

INPUT = "raw"
WEIGHTS, ONNX = "weights.pt", "weights.onnx"

TOLERANCE = 1e-4
"""Largest difference between formats on one computer, as a share of the test output's range."""

_SMALLEST = 64
"""Least size along y and x that packages tell; other software makes its tiles of it."""

_EPS = 1e-6
"""What the operation zero_mean_unit_variance adds to the standard deviation."""

_LEAST_STD = 1e-3
"""Below it the 1e-6 that the operation fixed_zero_mean_unit_variance adds to `std` would be felt."""


class Trained(Protocol):
    """What `bioimg_fiji.train.TrainedModel` has, as far as a package needs it."""

    @property
    def architecture(self) -> str: ...  # noqa: D102
    @property
    def kwargs(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def state_dict(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def mean(self) -> float: ...  # noqa: D102
    @property
    def std(self) -> float: ...  # noqa: D102
    @property
    def out_scale(self) -> tuple[float, float]: ...  # noqa: D102
    @property
    def per_image(self) -> bool: ...  # noqa: D102
    @property
    def channels(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def objects(self) -> Mapping[str, int]: ...  # noqa: D102
    @property
    def axes(self) -> str: ...  # noqa: D102
    @property
    def halo(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def divisor(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def sample(self) -> Array: ...  # noqa: D102


def export(trained: Trained, about: About, target: Path, output: str = "denoised") -> ModelPackage:
    """Write a trained network as a bioimage.io 0.5 package.

    Parameters
    ----------
    trained
        Network that maps (raw - mean) / std to (result - out_mean) / out_std, one channel in, with a raw crop
        of the data in `sample` (axes `trained.axes`).
    about
        What people want to know; `provenance` is kept in the package's configuration.
    target
        Path of the .zip.
    output
        Id of the output, with which the titles of results end.

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
    rules = _rules(trained)
    raw = _test_input(trained)
    result = _reference(trained, raw)
    network = architecture(trained.architecture)
    config = {
        "bioimageio": {"reproducibility_tolerance": [_tolerance(result)]},
        "bioimg_fiji": {
            "values": _values(trained),
            **({"labels": dict(trained.objects)} if trained.objects else {}),
            "sizes": {letter: dataclasses.asdict(rule) for letter, rule in rules.items()},
            "provenance": dict(about.provenance),
        },
    }
    new = NewPackage(
        about=about,
        inputs=(_input(trained, raw),),
        outputs=(_output(trained, result, output),),
        weights=_weights(trained, network.file.name, network.callable),
        files=_files(trained, network.file.name, network.source),
        cover=cover(raw[0, 0], result[0, 0]),
        config=config,
    )
    return write_package(new, target, verify)


def _values(trained: Trained) -> str:
    """Tell what the results are: in the unit of the input, of other images, or probabilities."""
    if trained.channels:
        return "probability"
    return "input" if trained.out_scale == (trained.std, trained.mean) else "target"


def verify(package: ModelPackage) -> None:
    """Run a package's own test tensors in every format that was written.

    Raises
    ------
    PackageError
        When the output is not the test output.
    """
    makers: dict[str, Callable[[ModelPackage], Adapter]] = {"onnx": OnnxAdapter, "pytorch_state_dict": TorchAdapter}
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


def _rules(trained: Trained) -> dict[str, AxisRule]:
    """Give the sizes that the network itself takes: reflecting at the coarsest level needs two pixels there."""
    return {
        letter: AxisRule(2 * step, step, halo)
        for letter, step, halo in zip(trained.axes, trained.divisor, trained.halo, strict=True)
    }


def _told_minimum(trained: Trained, letter: str) -> int:
    """Give the least size that the description tells: above twice the halo, and large enough for sensible tiles."""
    place = trained.axes.index(letter)
    step, halo = trained.divisor[place], trained.halo[place]
    least = 2 * halo + step if letter == "z" else max(_SMALLEST, 4 * halo)
    return -(-least // step) * step


def _test_input(trained: Trained) -> Array:
    """Give the sample as (b, c, (z,) y, x) float32, mirrored or cut to a size that the description tells."""
    sample = np.asarray(trained.sample, np.float32)
    for axis, letter in enumerate(trained.axes):
        step, length = trained.divisor[axis], sample.shape[axis]
        size = max(_told_minimum(trained, letter), length // step * step)
        sample = np.take(sample, mirrored(0, size, length), axis=axis)
    top = float(np.abs(sample).max())
    # NB: the specification refuses test tensors without a value above 1e-4.
    return (sample if top > 1e-2 or top == 0 else sample / np.float32(top))[None, None]


def _reference(trained: Trained, raw: Array) -> Array:
    """Run the network on the test input, on the CPU."""
    import torch

    network = build(trained.architecture, trained.kwargs)
    network.load_state_dict(dict(trained.state_dict))
    values = raw.astype(np.float64)
    mean, std = (values.mean(), values.std() + _EPS) if trained.per_image else (trained.mean, trained.std)
    scaled = ((values - mean) / std).astype(np.float32)
    with torch.inference_mode():
        result = network.eval().cpu()(torch.from_numpy(scaled)).numpy()
    gain, offset = trained.out_scale
    return np.asarray(result * np.float32(gain) + np.float32(offset), np.float32)


def _input(trained: Trained, raw: Array) -> NewTensor:
    space: list[Mapping[str, Any]] = [
        {"type": "space", "id": letter, "size": {"min": _told_minimum(trained, letter), "step": step}}
        for letter, step in zip(trained.axes, trained.divisor, strict=True)
    ]
    mean, std = float(trained.mean), float(trained.std)
    op: dict[str, Any]
    if trained.per_image:
        axes = ["channel", *trained.axes]
        op = {"id": "zero_mean_unit_variance", "kwargs": {"axes": axes, "eps": _EPS}}
    elif std >= _LEAST_STD:
        op = {"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": mean, "std": std}}
    else:
        op = {"id": "scale_linear", "kwargs": {"gain": 1 / std, "offset": -mean / std}}
    return NewTensor(INPUT, _axes(("intensity",), space), (op,), raw, "Intensities as the microscope gave them")


def _output(trained: Trained, result: Array, name: str) -> NewTensor:
    space: list[Mapping[str, Any]] = [
        {"type": "space", "id": letter, "size": {"tensor_id": INPUT, "axis_id": letter}, "halo": halo}
        for letter, halo in zip(trained.axes, trained.halo, strict=True)
    ]
    gain, offset = map(float, trained.out_scale)
    ops = [] if (gain, offset) == (1.0, 0.0) else [{"id": "scale_linear", "kwargs": {"gain": gain, "offset": offset}}]
    if trained.channels:
        about = "For each pixel, whether it belongs to an object, and how far it lies from the border (1: the middle)"
        return NewTensor(name, _axes(trained.channels, space), tuple(ops), result, about)
    return NewTensor(name, _axes((name,), space), tuple(ops), result, "Intensities in the units of the input")


def _axes(channels: Sequence[str], space: list[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    return ({"type": "batch"}, {"type": "channel", "channel_names": list(channels)}, *space)


def _weights(trained: Trained, source: str, factory: str) -> dict[str, dict[str, Any]]:
    import torch

    made = {"source": source, "callable": factory, "kwargs": dict(trained.kwargs)}
    version = str(torch.__version__).split("+")[0]
    return {
        TORCH: {"source": WEIGHTS, "pytorch_version": version, "architecture": made},
        "onnx": {"source": ONNX, "opset_version": OPSET, "parent": TORCH},
    }


def _files(trained: Trained, name: str, source: str) -> dict[str, bytes]:
    import torch

    buffer = io.BytesIO()
    torch.save(dict(trained.state_dict), buffer)
    onnx = to_onnx(trained.architecture, trained.kwargs, trained.state_dict)
    return {WEIGHTS: buffer.getvalue(), ONNX: onnx, name: source.encode("utf-8")}


def _tolerance(result: Array) -> dict[str, float]:
    """Give what other computers may differ by; the specification allows 1 % of the largest value, if positive."""
    absolute = min(5e-3 * float(np.ptp(result)), 9e-3 * float(result.max()))
    return {"relative_tolerance": 1e-3, "absolute_tolerance": max(0.0, absolute)}
