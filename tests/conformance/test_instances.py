"""Objects by StarDist and Cellpose, as descriptions name them: what bioimageio.core's operations give.

The network only averages pixels together: the image's channels are the probabilities, rays and flows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import ruyaml
from onnx import TensorProto, helper

from bioimg_fiji.commands import find
from bioimg_fiji.errors import MissingPartError, PackageError, WeightsError
from bioimg_fiji.files import write_image
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.package import ModelPackage, open_package
from bioimg_fiji.predict import PredictOptions, predict, predict_file

RAYS = 32
DISCS = ((14.0, 15.0, 9.0), (40.0, 21.0, 12.0), (30.0, 50.0, 10.5), (55.0, 58.0, 6.0))
STAR: dict[str, Any] = {"prob_threshold": 0.4, "nms_threshold": 0.3, "n_rays": RAYS, "b": 2}
FLOW = {"cellprob_threshold": 0.0, "flow_threshold": 0.0, "do_3D": False, "min_size": 15}


def package(folder: Path, op: Mapping[str, Any], channels: int, pool: int, space: str = "yx") -> ModelPackage:
    """Write a package whose network gives the mean of `pool` pixels along each axis, for each channel."""
    folder.mkdir()
    ndim, step = len(space), pool * 8
    entry, result = ([1, channels, *(f"{a}{end}" for a in space)] for end in ("", "_out"))
    graph = helper.make_graph(
        [helper.make_node("AveragePool", ["raw"], ["out"], kernel_shape=[pool] * ndim, strides=[pool] * ndim)],
        "pool",
        [helper.make_tensor_value_info("raw", TensorProto.FLOAT, entry)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, result)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "weights.onnx").write_bytes(model.SerializeToString())
    onnx.checker.check_model(model)
    (folder / "README.md").write_text("# Test\n\n## Validation\nNone.\n")
    np.save(folder / "raw.npy", np.zeros((1, channels, *[16] * ndim), np.float32))
    np.save(folder / "labels.npy", np.zeros((1, 1, *[16] * ndim), np.float32))
    names = [{"type": "channel", "channel_names": [f"c{i}" for i in range(channels)]}]
    batch = {"type": "batch"}
    seen = [{"type": "space", "id": a, "size": {"min": 16, "step": step}} for a in space]
    made = [{"type": "space", "id": a, "size": {"tensor_id": "raw", "axis_id": a}, "halo": pool} for a in space]
    content = {
        "format_version": "0.5.4",
        "type": "model",
        "name": "Objects",
        "description": "For tests.",
        "authors": [{"name": "A"}],
        "cite": [{"text": "None", "doi": "10.1000/182"}],
        "license": "MIT",
        "documentation": "README.md",
        "weights": {"onnx": {"source": "weights.onnx", "opset_version": 17}},
        "inputs": [
            {
                "id": "raw",
                "axes": [batch, *names, *seen],
                "test_tensor": {"source": "raw.npy"},
                "data": {"type": "float32"},
            }
        ],
        "outputs": [
            {
                "id": "labels",
                "axes": [batch, {"type": "channel", "channel_names": ["labels"]}, *made],
                "test_tensor": {"source": "labels.npy"},
                "data": {"type": "int32"},
                "postprocessing": [op],
            }
        ],
    }
    with (folder / "rdf.yaml").open("w") as file:
        ruyaml.YAML(typ="safe", pure=True).dump(content, file)
    return open_package(folder / "rdf.yaml")


def stars(height: int, width: int) -> Image:
    """Probability and distances to the border, along rays that go round from x to y, of discs."""
    pixels = np.zeros((1 + RAYS, height, width), np.float32)
    rows, columns = np.mgrid[:height, :width].astype(float)
    for y, x, radius in DISCS:
        away = np.hypot(rows - y, columns - x)
        inside = away < radius
        pixels[0][inside] = 1 - away[inside] / radius
        for ray, angle in enumerate(np.linspace(0, 2 * np.pi, RAYS, endpoint=False)):
            along = (rows - y) * np.sin(angle) + (columns - x) * np.cos(angle)
            pixels[1 + ray][inside] = (-along + np.sqrt(np.maximum(0, along**2 - away**2 + radius**2)))[inside]
    return Image(pixels, "cyx", title="cells.tif", scales={"x": Scale(0.5, "µm"), "y": Scale(0.5, "µm")})


def flows(height: int, width: int) -> Image:
    """Flows to the middle of discs, and the cell probability."""
    pixels = np.zeros((3, height, width), np.float32)
    pixels[2] = -6
    rows, columns = np.mgrid[:height, :width].astype(float)
    for y, x, radius in DISCS:
        away = np.hypot(rows - y, columns - x) + 1e-3
        inside = away < radius
        pixels[:, inside] = np.stack([5 * (y - rows) / away, 5 * (x - columns) / away, np.full(away.shape, 6.0)])[
            :, inside
        ]
    return Image(pixels, "cyx", title="cells.tif")


def reference(op: Mapping[str, Any], network: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give bioimageio.core's labels for what a network has given, (channel, y, x)."""
    from bioimageio.core import Tensor, proc_ops
    from bioimageio.core.sample import Sample
    from bioimageio.spec.model import v0_5

    names = {
        "stardist_postprocessing": (v0_5.StardistPostprocessingDescr, proc_ops.StardistPostprocessing2D),
        "cellpose_flow_dynamics": (v0_5.CellposeFlowDynamicsDescr, proc_ops.CellposeFlowDynamics),
    }
    describe, kind = names[op["id"]]
    descr = describe.model_validate(op)
    sample = Sample(
        members={"labels": Tensor.from_numpy(network[np.newaxis], dims=["batch", "channel", "y", "x"])},
        stat={},
        id=None,
    )
    kind.from_proc_descr(descr, "labels")(sample)
    return np.asarray(sample.members["labels"].data).squeeze()


def pooled(pixels: npt.NDArray[Any], pool: int) -> npt.NDArray[Any]:
    count, height, width = pixels.shape
    return pixels.reshape(count, height // pool, pool, width // pool, pool).mean((2, 4), dtype=np.float32)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("tile", [0, 48])
@pytest.mark.parametrize("kind", ["stardist-1", "stardist-2", "cellpose-1"])
def test_labels_are_those_of_the_reference(kind: str, tile: int, tmp_path: Path) -> None:
    name, grid = kind.split("-")
    if name == "stardist":
        op = {"id": "stardist_postprocessing", "kwargs": {**STAR, "grid": [int(grid)] * 2}}
        image = stars(64, 80)
    else:
        op, image = {"id": "cellpose_flow_dynamics", "kwargs": FLOW}, flows(64, 80)
    found = predict(image, package(tmp_path / "p", op, image.size("c"), int(grid)), PredictOptions(tile=tile))
    labels = found.images["output"]
    assert (int(found.report["tiles"]) > 1) == (tile > 0)
    expected = reference(op, pooled(image.pixels, int(grid)))
    assert labels.axes.replace("c", "") == "yx"
    np.testing.assert_array_equal(labels.pixels.squeeze(), expected)
    assert labels.pixels.max() == len(DISCS)
    assert labels.scale("x") == image.scale("x")


def test_a_grid_that_reaches_beyond_the_image_is_cut(tmp_path: Path) -> None:
    op = {"id": "stardist_postprocessing", "kwargs": {**STAR, "grid": [2, 2]}}
    made = package(tmp_path / "p", op, 1 + RAYS, 2)
    labels = predict(stars(67, 79), made).images["output"].pixels.squeeze()
    assert labels.shape == (67, 79)
    assert labels.max() == len(DISCS)


def test_stars_in_three_dimensions(tmp_path: Path) -> None:
    from stardist import Rays_GoldenSpiral

    rays, shape = Rays_GoldenSpiral(96, anisotropy=(1, 1, 1)), (32, 32, 48)
    grid = np.stack(np.mgrid[tuple(slice(n) for n in shape)].astype(float))
    pixels = np.zeros((97, *shape), np.float32)
    for middle, radius in (((15, 14, 12), 8.0), ((16, 16, 34), 9.0)):
        away = grid - np.reshape(middle, (3, 1, 1, 1))
        distance = np.sqrt((away**2).sum(0))
        inside = distance < radius
        pixels[0][inside] = 1 - distance[inside] / radius
        for ray, direction in enumerate(rays.vertices / np.linalg.norm(rays.vertices, axis=1, keepdims=True)):
            along = np.tensordot(direction, away, 1)
            pixels[1 + ray][inside] = (-along + np.sqrt(np.maximum(0, along**2 - distance**2 + radius**2)))[inside]
    kwargs = {**STAR, "n_rays": 96, "grid": [1, 1, 1], "anisotropy": [1.0, 1.0, 1.0]}
    op = {"id": "stardist_postprocessing", "kwargs": kwargs}
    found = predict(Image(pixels, "czyx"), package(tmp_path / "p", op, 97, 1, "zyx")).images["output"]
    labels = found.pixels.squeeze()
    assert labels.max() == 2
    assert {int(labels[15, 14, 12]), int(labels[16, 16, 34])} == {1, 2}
    volumes = np.bincount(labels.ravel())[1:]
    np.testing.assert_allclose(sorted(volumes), [4 / 3 * np.pi * 8**3, 4 / 3 * np.pi * 9**3], rtol=0.15)


def test_objects_are_measured(tmp_path: Path) -> None:
    op = {"id": "stardist_postprocessing", "kwargs": {**STAR, "grid": [1, 1]}}
    package(tmp_path / "p", op, 1 + RAYS, 1)
    result = find("run_model").run({"image": stars(64, 80), "model": tmp_path / "p", "table": True, "labels": True})
    table = result.tables["objects"]
    areas = [float(row[list(table.columns).index("Area")]) for row in table.rows]  # type: ignore[arg-type]
    np.testing.assert_allclose(sorted(areas), sorted(np.pi * (r / 2) ** 2 for _, _, r in DISCS), rtol=0.12)


def test_what_is_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    op = {"id": "stardist_postprocessing", "kwargs": {**STAR, "grid": [1, 1]}}
    good = package(tmp_path / "p", op, 1 + RAYS, 1)
    write_image(stars(64, 80), tmp_path / "a.ome.tif")
    with pytest.raises(WeightsError, match="found in the whole image"):
        predict_file(tmp_path / "a.ome.tif", tmp_path / "b.ome.tif", good)
    few = package(tmp_path / "few", op, 5, 1)
    with pytest.raises((WeightsError, PackageError), match="33"):
        predict(Image(np.zeros((5, 64, 64), np.float32), "cyx"), few)
    monkeypatch.setitem(__import__("sys").modules, "stardist", None)
    with pytest.raises(MissingPartError, match="stardist, which is not installed") as caught:
        predict(stars(64, 80), good)
    assert "bioimg-fiji[stardist]" in caught.value.fix
