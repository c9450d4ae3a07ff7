"""ONNX models by ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bioimg_fiji.errors import WeightsError
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.runtime.adapter import Array, matched, refused, thread_count

FORMAT = "onnx"


class OnnxAdapter:
    """One session of ONNX Runtime.

    The same threads, tiles and model give the same bits in every process: kernels do not choose by timing, and nothing
    is summed in the order in which threads end.

    Raises
    ------
    WeightsError
        When the package has no ONNX weights, or ONNX Runtime cannot load them.
    """

    weights = FORMAT
    device = "cpu"

    def __init__(self, package: ModelPackage, threads: int = 0) -> None:
        import onnxruntime

        if FORMAT not in package.weights:
            raise WeightsError(f"{package.name} has no ONNX weights.", fix="Choose other weights.")
        self._package = package
        self._outputs = (*(tensor.id for tensor in package.outputs), *package.beside)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = thread_count(threads)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # NB: tiles differ in shape; a plan per shape would keep the memory of each of them.
        options.enable_mem_pattern = False
        file = package.weights[FORMAT].file
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(file.path), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise WeightsError(
                f"ONNX Runtime cannot load {file.name}: {' '.join(str(error).split())[:300]}",
                fix="Choose other weights, or get the package again.",
            ) from error
        self._check_arity(package)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the session; tensors are matched by their order, as the description says."""
        arrays = [None if a is None else np.ascontiguousarray(a) for a in matched(inputs, self._package)]
        if self._session is None:
            raise WeightsError("The model has been closed.", fix="Load it again.")
        nodes = self._session.get_inputs()
        feed = {node.name: array for node, array in zip(nodes, arrays, strict=True) if array is not None}
        try:
            results = self._session.run(None, feed)
        except Exception as error:
            raise refused("onnx", error, arrays) from error
        return dict(zip(self._outputs, results, strict=True))

    def close(self) -> None:
        """Free the session."""
        self._session = None

    def _check_arity(self, package: ModelPackage) -> None:
        got = len(self._session.get_inputs()), len(self._session.get_outputs())
        said = len(package.inputs), len(self._outputs)
        if got != said:
            raise WeightsError(
                f"The ONNX model of {package.name} has {got[0]} inputs and {got[1]} outputs; "
                f"its description has {said[0]} and {said[1]}.",
                fix="Get the package again.",
            )
