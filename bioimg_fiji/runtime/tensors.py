"""How a package describes the tensors of a trained network: channels, sizes, halo, pre- and postprocessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bioimg_fiji.package import NewTensor
from bioimg_fiji.runtime.adapter import Array
from bioimg_fiji.runtime.trained import EPS, TrainedNetwork
from bioimg_fiji.tiling import AxisRule, mirrored

INPUT = "raw"

_SMALLEST = 64
"""Least size along y and x that packages tell; other software makes its tiles of it."""

_LEAST_STD = 1e-3
"""Below it the 1e-6 that the operation fixed_zero_mean_unit_variance adds to `std` would be felt."""


def size_rules(trained: TrainedNetwork) -> dict[str, AxisRule]:
    """Give the sizes that the network itself takes: reflecting at the coarsest level needs two pixels there."""
    return {
        letter: AxisRule(2 * step, step, halo)
        for letter, step, halo in zip(trained.axes, trained.divisor, trained.halo, strict=True)
    }


def input_tensor(trained: TrainedNetwork, raw: Array) -> NewTensor:
    """Describe the input, with its test tensor (b, c, axes ...)."""
    space: list[Mapping[str, Any]] = [
        {"type": "space", "id": letter, "size": {"min": _told_minimum(trained, letter), "step": step}}
        for letter, step in zip(trained.axes, trained.divisor, strict=True)
    ]
    about = "Intensities as the microscope gave them"
    if trained.window:
        about = f"Intensities as the microscope gave them; the channels are {2 * trained.window + 1} frames of a movie"
    return NewTensor(INPUT, _axes(input_names(trained), space), (_normalising(trained),), raw, about)


def output_tensor(trained: TrainedNetwork, result: Array, name: str) -> NewTensor:
    """Describe the output of that id, with its test tensor; the specification wants the halo in its own pixels."""
    space: list[Mapping[str, Any]] = []
    for letter, halo, factor in zip(trained.axes, trained.halo, trained.scale, strict=True):
        axis = {"type": "space", "id": letter, "size": {"tensor_id": INPUT, "axis_id": letter}, "halo": halo * factor}
        space.append({**axis, "scale": 1 / factor} if factor > 1 else axis)
    if trained.objects:
        about = "For each pixel, whether it belongs to an object, and how far it lies from the border (1: the middle)"
    else:
        about = f"Intensities in the units of the {'input' if trained.keeps_values else 'images to learn from'}"
    return NewTensor(name, _axes(output_names(trained, name), space), _rescaling(trained), result, about)


def input_names(trained: TrainedNetwork) -> tuple[str, ...]:
    """Name the input channels; the frames of a window are "t-1", "t", "t+1"."""
    if not trained.window:
        return trained.input_channels
    return tuple(f"t{step:+d}" if step else "t" for step in range(-trained.window, trained.window + 1))


def output_names(trained: TrainedNetwork, name: str) -> tuple[str, ...]:
    """Name the output channels: as said, else as the inputs', else by the output's id."""
    count = trained.out_channels
    if trained.channels:
        return trained.channels
    if count == 1:
        return (name,)
    if count == len(trained.input_channels):
        return trained.input_channels
    return tuple(f"{name} {number}" for number in range(1, count + 1))


def example_input(trained: TrainedNetwork) -> Array:
    """Give the sample as (b, c, (z,) y, x) float32, mirrored or cut to a size that the description tells."""
    sample = np.asarray(trained.sample, np.float32)
    for axis, letter in enumerate(trained.axes):
        step, length = trained.divisor[axis], sample.shape[axis + 1]
        size = max(_told_minimum(trained, letter), length // step * step)
        sample = np.take(sample, mirrored(0, size, length), axis=axis + 1)
    top = float(np.abs(sample).max())
    # NB: the specification refuses test tensors without a value above 1e-4.
    return (sample if top > 1e-2 or top == 0 else sample / np.float32(top))[np.newaxis]


def _told_minimum(trained: TrainedNetwork, letter: str) -> int:
    """Give the least size that the description tells: above twice the halo, and large enough for sensible tiles."""
    place = trained.axes.index(letter)
    step, halo = trained.divisor[place], trained.halo[place]
    least = 2 * halo + step if letter == "z" else max(_SMALLEST, 4 * halo)
    return -(-least // step) * step


def _normalising(trained: TrainedNetwork) -> Mapping[str, Any]:
    """Give the operation from raw values to what the network sees."""
    if trained.per_image:
        axes = [*(["channel"] if trained.moments_over_channels else []), *trained.axes]
        return {"id": "zero_mean_unit_variance", "kwargs": {"axes": axes, "eps": EPS}}
    if min(trained.std) >= _LEAST_STD:
        return _along("fixed_zero_mean_unit_variance", mean=trained.mean, std=trained.std)
    gains = tuple(1 / std for std in trained.std)
    offsets = tuple(-mean / std for mean, std in zip(trained.mean, trained.std, strict=True))
    return _along("scale_linear", gain=gains, offset=offsets)


def _rescaling(trained: TrainedNetwork) -> tuple[Mapping[str, Any], ...]:
    """Give the operations from what the network gives to the result's unit; none where they are the same."""
    gain, offset = trained.result_scale
    ops: list[Mapping[str, Any]] = []
    if set(gain) != {1.0} or set(offset) != {0.0}:
        ops.append(_along("scale_linear", gain=gain, offset=offset))
    if trained.bounds is not None:
        ops.append({"id": "clip", "kwargs": {"min": trained.bounds[0], "max": trained.bounds[1]}})
    return tuple(ops)


def _along(name: str, **values: Sequence[float]) -> Mapping[str, Any]:
    """Give an operation with one value for all channels, or one for each of them."""
    lists = {key: [float(value) for value in each] for key, each in values.items()}
    if all(len(each) == 1 for each in lists.values()):
        return {"id": name, "kwargs": {key: each[0] for key, each in lists.items()}}
    return {"id": name, "kwargs": {**lists, "axis": "channel"}}


def _axes(channels: Sequence[str], space: list[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    return ({"type": "batch"}, {"type": "channel", "channel_names": list(channels)}, *space)
