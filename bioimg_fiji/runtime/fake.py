"""A runtime without a library, for tests and for trying out what stands around a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bioimg_fiji.errors import WeightsError
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.runtime.adapter import Array, matched, refused

Function = Callable[[Array], Array]


def identity(tensor: Array) -> Array:
    """Give the tensor as it is."""
    return tensor


def mean_filter(tensor: Array) -> Array:
    """Give the mean of each pixel and its neighbours along the last two axes; outside the tensor there are zeros."""
    padded = np.pad(tensor, [(0, 0)] * (tensor.ndim - 2) + [(1, 1), (1, 1)])
    height, width = tensor.shape[-2:]
    parts = [padded[..., dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3)]
    return np.asarray(sum(parts) / np.float32(9)).astype(tensor.dtype)


class FakeAdapter:
    """Every output is a function of the first input; `shapes` keeps the shapes that it was given."""

    weights = "fake"
    device = "cpu"

    def __init__(self, package: ModelPackage, function: Function = identity) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self._function: Function | None = function
        self._inputs = tuple(tensor.id for tensor in package.inputs)
        self._outputs = tuple(tensor.id for tensor in package.outputs)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Apply the function."""
        arrays = matched(inputs, self._inputs)
        if self._function is None:
            raise WeightsError("The model has been closed.", fix="Load it again.")
        self.shapes.append(arrays[0].shape)
        try:
            return {name: self._function(arrays[0]) for name in self._outputs}
        except (ValueError, MemoryError) as error:
            raise refused(self.weights, error, arrays) from error

    def close(self) -> None:
        """Forget the function."""
        self._function = None
