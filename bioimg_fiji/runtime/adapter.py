"""The edge behind which every runtime hides."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy.typing as npt

from bioimg_fiji import settings
from bioimg_fiji.errors import WeightsError
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.runtime.devices import failed_gpu, gpu_has_failed

Array = npt.NDArray[Any]


class Adapter(Protocol):
    """A loaded network.

    `weights` and `device` tell what was loaded where ("onnx" on "cpu"). `close` frees it and may be called twice.
    """

    weights: str
    device: str

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the network on preprocessed tensors.

        Parameters
        ----------
        inputs
            One array per input of the package, by id, with the axes and the dtype of the description.

        Returns
        -------
        One array per output of the package, by id, before postprocessing.

        Raises
        ------
        WeightsError
            When the network refuses the tensors, or memory does not suffice.
        """
        ...

    def close(self) -> None:
        """Free the network."""
        ...


def thread_count(threads: int) -> int:
    """Give the number of threads: the one asked for, else the setting's, else one per core."""
    return threads or int(settings.get("threads")) or os.cpu_count() or 1


def matched(given: Mapping[str, Array], package: ModelPackage) -> list[Array | None]:
    """Give the arrays in the order of the package's inputs; None for an optional one that is left out.

    Raises
    ------
    WeightsError
        When one that is needed is missing.
    """
    missing = [tensor.id for tensor in package.inputs if tensor.id not in given and not tensor.optional]
    if missing:
        raise WeightsError(
            f"The model needs the inputs {', '.join(tensor.id for tensor in package.inputs)}; "
            f"{', '.join(missing)} is missing.",
            fix="Give all of them.",
        )
    return [given.get(tensor.id) for tensor in package.inputs]


def refused(weights: str, error: Exception, inputs: Sequence[Array | None]) -> WeightsError:
    """Tell a failed run in the user's words."""
    text = " ".join(str(error).split())
    shapes = ", ".join(str(array.shape) for array in inputs if array is not None)
    if isinstance(error, MemoryError) or any(
        sign in text.lower() for sign in ("out of memory", "bad_alloc", "failed to allocate", "can't allocate")
    ):
        return WeightsError(
            f"Memory does not suffice to run the model on a tile of shape {shapes}.",
            fix="Choose a smaller tile.",
            reason="memory",
        )
    if gpu_has_failed(error):
        return failed_gpu(error)
    return WeightsError(
        f"The model ({weights}) failed on tensors of shape {shapes}: {text[:400]}",
        fix="Check that the image's axes are those that the model was made for.",
    )
