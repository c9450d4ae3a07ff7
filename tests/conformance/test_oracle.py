"""A matrix of packages, run by tiles here and whole by bioimageio.core: the same numbers."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.package import open_package
from bioimg_fiji.package.trust import content_hash
from bioimg_fiji.predict import PredictOptions, predict, predict_file
from support.zoo import Kind, write

CHANNEL_NAMES = {"b": "batch", "c": "channel", "t": "time"}
FLOAT = {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}
SPACE = {"axes": ["y", "x"]}
ALL = {"axes": ["channel", "y", "x"]}

PRE: dict[str, Mapping[str, Any]] = {
    "clip": {"id": "clip", "kwargs": {"min": 80.0, "max": 130.0}},
    "scale_linear": {"id": "scale_linear", "kwargs": {"gain": 0.01, "offset": -1.0}},
    "sigmoid": {"id": "sigmoid"},
    "zero_mean": {"id": "zero_mean_unit_variance", "kwargs": SPACE},
    "zero_mean_all": {"id": "zero_mean_unit_variance", "kwargs": ALL},
    "range": {"id": "scale_range", "kwargs": {**SPACE, "min_percentile": 1.0, "max_percentile": 99.8}},
    "range_all": {"id": "scale_range", "kwargs": ALL},
}
PRE_5: dict[str, Mapping[str, Any]] = {
    "ensure_dtype": {"id": "ensure_dtype", "kwargs": {"dtype": "float64"}},
    "binarize": {"id": "binarize", "kwargs": {"threshold": 101.5}},
    "fixed": {"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": 100.0, "std": 20.0}},
    "fixed_list": {
        "id": "fixed_zero_mean_unit_variance",
        "kwargs": {"mean": [100.0, 90.0], "std": [20.0, 10.0], "axis": "channel"},
    },
    "linear_list": {"id": "scale_linear", "kwargs": {"gain": [0.1, 0.2], "offset": [1.0, 0.0], "axis": "channel"}},
    "softmax": {"id": "softmax", "kwargs": {"axis": "channel"}},
    "clip_percentile": {"id": "clip", "kwargs": {**SPACE, "min_percentile": 5.0, "max_percentile": 95.0}},
}
POST: dict[str, Mapping[str, Any]] = {
    "binarize": {"id": "binarize", "kwargs": {"threshold": 0.5}},
    "sigmoid": {"id": "sigmoid"},
    "zero_mean": {"id": "zero_mean_unit_variance", "kwargs": SPACE},
    "range": {
        "id": "scale_range",
        "kwargs": {**SPACE, "min_percentile": 2.0, "max_percentile": 98.0},
    },
    "mean_variance": {"id": "scale_mean_variance", "kwargs": {"reference_tensor": "raw", **SPACE}},
}
PLANE = {"axis": (-2, -1), "keepdims": True}


def _normal(output: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return (output - output.mean(**PLANE)) / (output.std(**PLANE) + 1e-6)


def _ranged(output: npt.NDArray[Any], raw: npt.NDArray[Any]) -> npt.NDArray[Any]:
    del raw
    low, high = np.percentile(output, (2, 98), **PLANE)
    return (output - low) / (high - low + 1e-6)


BY_HAND: dict[str, Callable[[npt.NDArray[Any], npt.NDArray[Any]], npt.NDArray[Any]]] = {
    "zero_mean": lambda output, raw: _normal(output),
    "range": _ranged,
    "mean_variance": lambda output, raw: _normal(output) * (raw.std(**PLANE) + 1e-6) + raw.mean(**PLANE),
}
"""What core 0.11 cannot run: it takes an output's own statistics before there is an output (KeyError). Core runs the
network without the operation then, and the specification's formula follows."""

NETWORKS = ("conv", "up", "down", "valid", "two_inputs", "two_outputs")

MATRIX: dict[str, Kind] = {
    **{f"{network}-{version}": Kind(network, version=version) for network in NETWORKS for version in ("0.5", "0.4")},
    **{
        f"{network}-3d-{version}": Kind(network, "bczyx", version=version)
        for network in NETWORKS
        for version in ("0.5", "0.4")
    },
    **{f"{network}-channels": Kind(network, channels=2) for network in NETWORKS},
    **{f"order-{axes}": Kind("conv", axes) for axes in ("byxc", "cyx", "bcxy", "yxc", "bzyxc", "bctyx")},
    **{f"fixed-{network}": Kind(network, sizes=32) for network in ("conv", "two_inputs", "two_outputs")},
    **{
        f"pre-{name}-{version}": Kind(pre=(op,), channels=2, version=version)
        for name, op in PRE.items()
        for version in ("0.5", "0.4")
    },
    **{f"pre-{name}": Kind(pre=(op, FLOAT), channels=2) for name, op in PRE_5.items()},
    **{
        f"post-{name}-{version}": Kind(post=(op,), channels=2, version=version)
        for name, op in POST.items()
        for version in ("0.5", "0.4")
    },
    **{
        f"{weights}-{axes}-{version}": Kind(axes=axes, weights=weights, version=version)
        for weights in ("torchscript", "pytorch_state_dict")
        for axes in ("bcyx", "bczyx")
        for version in ("0.5", "0.4")
    },
    "post-softmax": Kind(post=({"id": "softmax", "kwargs": {"axis": "channel"}},)),
}


def test_the_matrix_is_large_enough() -> None:
    assert len(MATRIX) >= 60


@pytest.mark.parametrize("name", MATRIX)
def test_same_numbers_as_the_reference(name: str, tmp_path: Path) -> None:
    kind = MATRIX[name]
    path = write(kind, tmp_path / "package")
    size = 32 if len(kind.space) == 3 or isinstance(kind.sizes, int) else 64
    rng = np.random.default_rng(2)
    names = ["raw", "other"] if kind.network == "two_inputs" else ["raw"]
    arrays = {each: rng.normal(100, 20, kind.shape(size)).astype(np.float32) for each in names}
    by_hand = BY_HAND.get(name.removeprefix("post-").rpartition("-")[0]) if kind.post else None
    if by_hand is None:
        expected = _reference(path, kind, arrays)
    else:
        bare = dataclasses.replace(kind, post=())
        expected = _reference(write(bare, tmp_path / "bare"), bare, arrays)
        expected = {each: by_hand(array.astype(np.float64), arrays["raw"]) for each, array in expected.items()}
    images = {each: _image(array, kind.axes) for each, array in arrays.items()}
    package = open_package(path)
    found = predict(images, package, PredictOptions(tile=24, trust=content_hash(package)))
    assert found.report["weights"] == kind.weights
    assert found.report["tiles"] > 1 or isinstance(kind.sizes, int)
    assert len(found.images) == len(expected)
    for ours, (tensor, reference) in zip(found.images.values(), expected.items(), strict=True):
        array = ours.ordered(kind.axes.replace("b", ""))
        theirs = (reference.squeeze(kind.axes.index("b")) if "b" in kind.axes else reference).astype(np.float64)
        assert array.shape == theirs.shape, tensor
        assert np.ptp(theirs) > 0, tensor
        largest = np.abs(array.astype(np.float64) - theirs).max()
        assert largest <= 1e-5 * np.ptp(theirs), (tensor, largest)


@pytest.mark.parametrize("name", [name for name, kind in MATRIX.items() if kind.network != "two_inputs"])
def test_from_file_to_file_the_same_numbers_as_in_memory(name: str, tmp_path: Path) -> None:
    """The rest of the matrix, in parts: each element of an axis that the model has not is a sample of its own."""
    kind = MATRIX[name]
    package = open_package(write(kind, tmp_path / "package"))
    size = 32 if len(kind.space) == 3 or isinstance(kind.sizes, int) else 64
    pixels = np.random.default_rng(2).normal(100, 20, (2, *kind.shape(size))).astype(np.float32)
    pixels[1] += 30
    letters = kind.axes.replace("b", "")
    extra = "t" if "t" not in letters else "z"
    image = Image(
        pixels.reshape(2, *(n for n, a in zip(kind.shape(size), kind.axes, strict=True) if a != "b")), extra + letters
    )
    image = Image(image.ordered(axes := "".join(a for a in "tczyx" if a in image.axes)), axes, title="raw.ome.zarr")
    image = dataclasses.replace(image, scales={"x": Scale(0.5, "\u00b5m"), "y": Scale(0.5, "\u00b5m")})
    options = PredictOptions(tile=24, trust=content_hash(package))
    write_image(image, tmp_path / "raw.ome.zarr")
    inside = predict(read_image(tmp_path / "raw.ome.zarr"), package, options)
    found = predict_file(tmp_path / "raw.ome.zarr", tmp_path / "result.ome.zarr", package, options)
    assert found.report["tiles"] == inside.report["tiles"]
    assert list(found.files) == list(inside.images)
    for (name, file), expected in zip(found.files.items(), inside.images.values(), strict=True):
        ours = read_image(file)
        assert ours.axes == "".join(a for a in expected.axes if expected.size(a) > 1), name
        pixels = expected.ordered(ours.axes) * (255.0 if expected.dtype == np.bool_ else 1.0)
        np.testing.assert_allclose(ours.pixels, pixels, rtol=1e-5, atol=1e-6 * np.ptp(pixels))
        assert ours.scales == expected.scales
        assert ours.properties == expected.properties
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["package", "raw.ome.zarr", *(file.name for file in found.files.values())]
    )


def _image(array: npt.NDArray[Any], axes: str) -> Image:
    return Image(array.squeeze(axes.index("b")) if "b" in axes else array, axes.replace("b", ""))


def _reference(path: Path, kind: Kind, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bioimageio.core import Tensor, create_prediction_pipeline
        from bioimageio.core.digest_spec import create_sample_for_model
        from bioimageio.spec import load_model_description

        model = load_model_description(path, perform_io_checks=False)
        dims = [CHANNEL_NAMES.get(letter, letter) for letter in kind.axes]
        inputs = {name: Tensor.from_numpy(array, dims=dims) for name, array in arrays.items()}
        with create_prediction_pipeline(model, weight_format=kind.weights) as pipeline:
            # Padding by the halo would change the borders; the whole image is what tiles must agree with.
            sample = pipeline.predict_sample_without_blocking(
                create_sample_for_model(model, inputs=inputs), skip_input_padding=True, skip_output_cropping=True
            )
    return {str(name): np.asarray(tensor.data) for name, tensor in sample.members.items()}
