"""A package against its own test tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bioimg_fiji.errors import PackageError
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.package.links import main_input
from bioimg_fiji.runtime.adapter import Adapter
from bioimg_fiji.runtime.sample import SampleRunner
from bioimg_fiji.tiling import AxisRule, plan_tiles


@dataclass(frozen=True)
class Difference:
    """How far an output is from its test tensor: the largest difference, and that relative to the tensor's range.

    Both are infinite where the shapes differ or there are values that are no numbers.
    """

    output: str
    absolute: float
    relative: float


def differences(package: ModelPackage, model: Adapter) -> list[Difference]:
    """Run the package's test inputs, whole, with all pre- and postprocessing, and compare with its test outputs.

    Raises
    ------
    PackageError
        When the package has no test tensors, or one of another number of axes than it says.
    WeightsError
        When the model does not run on them.
    """
    samples = {}
    for tensor in package.inputs:
        if tensor.test_tensor is not None:
            samples[tensor.id] = tensor.test_tensor.read_array()
            if samples[tensor.id].ndim != len(tensor.axes):
                raise PackageError(
                    f"The test input {tensor.id!r} has {samples[tensor.id].ndim} axes; "
                    f"the description has {len(tensor.axes)}.",
                    fix="Get the package again.",
                    field="inputs",
                )
    main = main_input(package)
    missing = [tensor.id for tensor in package.inputs if tensor.id not in samples and not tensor.optional]
    missing += [tensor.id for tensor in package.outputs if tensor.test_tensor is None and not tensor.spread]
    if missing:
        raise PackageError(
            f"{package.name} has no test tensors for {', '.join(missing)}.", fix="Get a complete package."
        )
    sizes = dict(zip(main.letters, samples[main.id].shape, strict=True))
    tiled = "".join(letter for letter in main.letters if letter not in "bc?")
    shape = [sizes[letter] for letter in tiled]
    plan = plan_tiles(shape, [AxisRule(n) for n in shape])
    outputs = SampleRunner(package, tiled, plan).run(samples, model, lambda _: None)
    return [
        _difference(tensor.id, array, tensor.test_tensor.read_array())
        for tensor, array in zip(package.outputs, outputs, strict=True)
        if tensor.test_tensor is not None
    ]


def _difference(name: str, array: np.ndarray, reference: np.ndarray) -> Difference:
    if array.shape != reference.shape:
        return Difference(name, np.inf, np.inf)
    exact = reference.astype(np.float64)
    absolute = float(np.abs(array.astype(np.float64) - exact).max(initial=0.0))
    if not np.isfinite(absolute):
        return Difference(name, np.inf, np.inf)
    span = float(np.ptp(exact)) or float(np.abs(exact).max(initial=0.0)) or 1.0
    return Difference(name, absolute, absolute / span)
