"""A U-Net on a large image: ours against bioimageio.core and against bare ONNX Runtime, in turns in one run.

Both have loaded the model before. The peak of the memory is that of a process of its own, which runs the image whole.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji.image import Image
from bioimg_fiji.package import ModelPackage, open_package
from bioimg_fiji.package.fit import fit
from bioimg_fiji.predict import PredictOptions, predict
from bioimg_fiji.predict.samples import plan_for
from bioimg_fiji.runtime import choose
from bioimg_fiji.runtime.fake import write_random_unet
from bioimg_fiji.runtime.memory import tile_budget
from bioimg_fiji.tiling import mirrored

SIDE = 2048
ROUNDS = 5
NETWORK = {"filters": 32, "depth": 2}

PEAK = """
import pathlib, re, sys
sys.path.insert(0, sys.argv[3])
import predict
predict.once(sys.argv[1], sys.argv[2])
# NB: ru_maxrss begins with that of the process that has started this one.
print(int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1e3)
"""


def run() -> list[dict[str, Any]]:
    """Measure times and peaks."""
    with tempfile.TemporaryDirectory() as text:
        path = Path(text) / "unet.zip"
        package = write_random_unet(path, **NETWORK)
        ways = _ways(package, path)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(ROUNDS + 1):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                if number:  # the first round warms up
                    seconds[name].append(time.perf_counter() - start)
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        peaks = {name: _peak(name, path) for name in ("core, ONNX", "ours, whole")}
    figures = [_figure(name, value, "s") for name, value in medians.items()]
    figures += [_figure(f"peak: {name}", value, "MB") for name, value in peaks.items()]
    ours, whole = medians["ours"], medians["ours, whole"]
    return [
        *figures,
        _figure("ours / core, its default weights", ours / medians["core"], "", 0.40),
        _figure("ours, whole / core, ONNX", whole / medians["core, ONNX"], "", 0.85),
        _figure("ours / core, ONNX", ours / medians["core, ONNX"], "", 0.75),
        _figure("ours / bare ONNX Runtime, same tiles", ours / medians["bare ONNX Runtime"], "", 1.05),
        _figure("peak, ours, whole / core, ONNX", peaks["ours, whole"] / peaks["core, ONNX"], "", 1.25),
    ]


def once(name: str, path: str) -> None:
    """Run one of the ways once, in a process of its own."""
    _ways(open_package(path), Path(path), name)[name]()


def _ways(package: ModelPackage, path: Path, only: str = "") -> dict[str, Callable[[], Any]]:
    pixels = np.random.default_rng(0).normal(100, 10, (SIDE, SIDE)).astype(np.float32)
    image = Image(pixels, "yx")
    made: dict[str, Callable[[], Any]] = {}
    if only in ("", "core"):
        made["core"] = _core(path, pixels, None)
    if only in ("", "core, ONNX"):
        made["core, ONNX"] = _core(path, pixels, "onnx")
    if only in ("", "ours", "ours, whole", "bare ONNX Runtime"):
        model = choose(package, "onnx", "cpu")
        made["ours"] = lambda: predict(image, package, adapter=model)
        made["ours, whole"] = lambda: predict(image, package, PredictOptions(tile=2 * SIDE), adapter=model)
        made["bare ONNX Runtime"] = _bare(package, image)
    return made


def _core(path: Path, pixels: np.ndarray, weights: Any) -> Callable[[], Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bioimageio.core import Tensor, create_prediction_pipeline
        from bioimageio.core.digest_spec import create_sample_for_model
        from bioimageio.spec import load_model_description

        model = load_model_description(path, perform_io_checks=False)
        pipeline = create_prediction_pipeline(model, weight_format=weights)
        pipeline.load()
        name = model.inputs[0].id
        tensor = Tensor.from_numpy(pixels[None, None], dims=[axis.id for axis in model.inputs[0].axes])

    def work() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sample = create_sample_for_model(model, inputs={name: tensor})
            return pipeline.predict_sample_without_blocking(sample, skip_input_padding=True, skip_output_cropping=True)

    return work


def _bare(package: ModelPackage, image: Image) -> Callable[[], Any]:
    """Run the network alone over the tiles that ours takes: no statistics, no processing, no stitching."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(package.weights["onnx"].file.path))
    way = fit(image, package)
    plan = plan_for(image, way, package, 0, tile_budget(package, "cpu"))
    tiles = []
    for tile in plan.tiles:
        rows, columns = (mirrored(s.outer_start, s.outer_stop, n) for s, n in zip(tile.spans, image.shape, strict=True))
        tiles.append(np.ascontiguousarray(image.pixels[np.ix_(rows, columns)])[None, None])
    name = session.get_inputs()[0].name
    return lambda: [session.run(None, {name: tile}) for tile in tiles]


def _peak(name: str, path: Path) -> float:
    command = [sys.executable, "-c", PEAK, name, str(path), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def _figure(name: str, value: float, unit: str, most: float | None = None) -> dict[str, Any]:
    holds = most is None or value <= most
    return {"figure": name, "value": value, "unit": unit, "bar": "" if most is None else f"<= {most}", "holds": holds}
