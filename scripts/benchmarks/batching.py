"""Whether small images of one model are computed faster together: batches of 8 beside 8 single ones, in turns.

The ONNX networks of the packages take one image at a time, as their descriptions say; a copy with a free batch axis is
measured in their place.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.package import ModelPackage
from bioimg_fiji.runtime import choose
from bioimg_fiji.runtime.adapter import thread_count
from bioimg_fiji.runtime.fake import write_random_unet

Array = npt.NDArray[Any]

SIDE, BATCH, ROUNDS, WARM_UP = 256, 8, 9, 2


def run() -> list[dict[str, Any]]:
    """Measure the bench's U-Nets by both runtimes."""
    figures = []
    with tempfile.TemporaryDirectory() as text:
        for filters in (16, 32):
            package = write_random_unet(Path(text) / f"unet{filters}.zip", filters=filters)
            ways = {"ONNX Runtime": _onnx(package, Path(text) / "free.onnx"), "torch": _torch(package)}
            for name, compute in ways.items():
                figures += _measure(f"U-Net of {filters} filters, {name}", compute)
    return figures


def _onnx(package: ModelPackage, copy: Path) -> Callable[[Array], Array]:
    """Load the network with a free batch axis, as the adapter loads it."""
    import onnx
    import onnxruntime

    network = onnx.load(package.weights["onnx"].file.path)
    for tensor in (*network.graph.input, *network.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "b"
    del network.graph.value_info[:]
    onnx.save(network, copy)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = thread_count(0), 1
    options.enable_mem_pattern, options.log_severity_level = False, 3
    session = onnxruntime.InferenceSession(str(copy), sess_options=options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda tensor: np.asarray(session.run(None, {name: tensor})[0])


def _torch(package: ModelPackage) -> Callable[[Array], Array]:
    model, name = choose(package, "pytorch_state_dict"), package.inputs[0].id
    return lambda tensor: next(iter(model.run({name: tensor}).values()))


def _measure(what: str, compute: Callable[[Array], Array]) -> list[dict[str, Any]]:
    tensor = np.random.default_rng(0).normal(100, 10, (BATCH, 1, SIDE, SIDE)).astype(np.float32)
    ratios, equal = [], True
    for number in range(ROUNDS + WARM_UP):
        start = time.perf_counter()
        single = [compute(tensor[i : i + 1]) for i in range(BATCH)]
        middle = time.perf_counter()
        together = compute(tensor)
        end = time.perf_counter()
        equal = equal and np.array_equal(np.concatenate(single), together)
        if number >= WARM_UP:
            ratios.append((middle - start) / (end - middle))
    faster = {"figure": f"{what}: batch of {BATCH}", "value": statistics.median(ratios), "unit": "times as fast"}
    same = {"figure": f"{what}: the same bits", "value": str(equal).lower(), "unit": ""}
    return [{**each, "bar": "", "holds": True} for each in (faster, same)]
