"""Descriptions of version 0.4: read as their own specification reads them, refused by the name of the field."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest

from bioimg_fiji.errors import PackageError
from bioimg_fiji.package.upgrade import upgrade


def _description() -> dict[str, Any]:
    return {
        "format_version": "0.4.10",
        "inputs": [
            {
                "name": "raw",
                "axes": "bcyx",
                "data_type": "uint16",
                "shape": {"min": [1, 2, 16, 32], "step": [0, 0, 8, 0]},
                "preprocessing": [
                    {"name": "zero_mean_unit_variance", "kwargs": {"mode": "per_sample", "axes": "yx"}},
                    {"name": "scale_linear", "kwargs": {"axes": "c", "gain": [1.0, 2.0], "offset": [0.0, 1.0]}},
                ],
            }
        ],
        "outputs": [
            {
                "name": "mask",
                "axes": "bcyx",
                "data_type": "float32",
                "halo": [0, 0, 4, 4],
                "shape": {"reference_tensor": "raw", "scale": [1, 1, 2, 1], "offset": [0, 0.5, 0, -8]},
                "postprocessing": [
                    {"name": "scale_mean_variance", "kwargs": {"mode": "per_dataset", "reference_tensor": "raw"}}
                ],
            }
        ],
        "test_inputs": ["in.npy"],
        "test_outputs": ["out.npy"],
        "weights": {
            "pytorch_state_dict": {
                "source": "weights.pt",
                "architecture": "net.py:Net",
                "architecture_sha256": "ab",
                "kwargs": {"depth": 3},
            },
            "pytorch_script": {"source": "script.pt"},
        },
    }


def test_every_statement_is_kept() -> None:
    given = _description()
    before = copy.deepcopy(given)
    found = upgrade(given)
    assert given == before
    (raw,), (mask,) = found["inputs"], found["outputs"]
    assert raw["id"] == "raw"
    assert raw["data"] == {"type": "uint16"}
    assert raw["test_tensor"] == {"source": "in.npy"}
    assert raw["axes"] == [
        {"type": "batch"},
        {"type": "channel", "channel_names": ["channel0", "channel1"]},
        {"type": "space", "id": "y", "size": {"min": 16, "step": 8}},
        {"type": "space", "id": "x", "size": 32},
    ]
    assert raw["preprocessing"] == [
        {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["y", "x"]}},
        {"id": "scale_linear", "kwargs": {"gain": [1.0, 2.0], "offset": [0.0, 1.0], "axis": "channel"}},
    ]
    assert mask["axes"][1]["channel_names"] == ["channel0", "channel1", "channel2"]  # 2 * 1 + 2 * 0.5
    assert mask["axes"][2:] == [
        {"type": "space", "id": "y", "size": _follows("y", 0), "scale": 0.5, "halo": 4},
        {"type": "space", "id": "x", "size": _follows("x", -16), "scale": 1.0, "halo": 4},
    ]
    assert found["weights"] == {
        "pytorch_state_dict": {
            **given["weights"]["pytorch_state_dict"],
            "architecture": {"source": "net.py", "callable": "Net", "kwargs": {"depth": 3}, "sha256": "ab"},
        },
        "torchscript": {"source": "script.pt"},
    }


def _follows(axis: str, offset: int) -> dict[str, Any]:
    return {"tensor_id": "raw", "axis_id": axis, "offset": offset}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            {"name": "zero_mean_unit_variance", "kwargs": {"mode": "per_dataset", "axes": "cyx"}},
            {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["batch", "channel", "y", "x"]}},
        ),
        (
            {"name": "zero_mean_unit_variance", "kwargs": {"mode": "fixed", "axes": "yx", "mean": 3.0, "std": 2.0}},
            {"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": 3.0, "std": 2.0}},
        ),
        (
            {
                "name": "zero_mean_unit_variance",
                "kwargs": {"mode": "fixed", "axes": "yx", "mean": [3.0, 4.0], "std": [1.0, 1.0], "eps": 1e-6},
            },
            {
                "id": "fixed_zero_mean_unit_variance",
                "kwargs": {"mean": [3.0, 4.0], "std": [1.0, 1.0], "axis": "channel"},
            },
        ),
        (
            {"name": "scale_range", "kwargs": {"mode": "per_sample", "axes": "zyx", "min_percentile": 1.0}},
            {"id": "scale_range", "kwargs": {"axes": ["z", "y", "x"], "min_percentile": 1.0}},
        ),
        ({"name": "binarize", "kwargs": {"threshold": 0.5}}, {"id": "binarize", "kwargs": {"threshold": 0.5}}),
        ({"name": "sigmoid"}, {"id": "sigmoid", "kwargs": {}}),
    ],
    ids=lambda value: str(value.get("id", "")) if isinstance(value, dict) else "",
)
def test_operations(old: dict[str, Any], new: dict[str, Any]) -> None:
    description = _description()
    description["inputs"][0]["preprocessing"] = [old]
    assert upgrade(description)["inputs"][0]["preprocessing"] == [new]


def test_axes_and_sizes_are_those_of_the_specification() -> None:
    """The converter of bioimageio.spec, which the field uses, gives the same axes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bioimageio.spec.model import v0_4, v0_5
    description = _description()
    tensor = description["outputs"][0]
    tensor["shape"]["offset"] = [0, 0, 0, -8]
    shape = v0_4.ImplicitOutputShape.model_validate(tensor["shape"])
    sizes = {v0_4.TensorName("raw"): {"c": 2}}
    with pytest.warns(UserWarning, match="channel size"):
        theirs = v0_5.convert_axes(
            tensor["axes"], shape=shape, tensor_type="output", halo=tensor["halo"], size_refs=sizes
        )
    ours = upgrade(description)["outputs"][0]["axes"]
    for axis, reference in zip(ours, theirs, strict=True):
        assert axis["type"] == reference.type
        if reference.type == "channel":
            assert len(axis["channel_names"]) == len(reference.channel_names)
        if reference.type == "space":
            assert axis["size"] == reference.size.model_dump()
            assert axis["scale"] == reference.scale
            assert axis["halo"] == reference.halo


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        (("inputs",), [], "inputs"),
        (("inputs",), ["raw"], "inputs"),
        (("weights",), [], "weights"),
        (("test_inputs",), "in.npy", "test_inputs"),
        (("inputs", 0, "axes"), "bcyq", "inputs[0].axes"),
        (("inputs", 0, "axes"), 4, "inputs[0].axes"),
        (("inputs", 0, "shape"), None, "inputs[0].shape"),
        (("inputs", 0, "shape"), [1, 2, 3], "inputs[0].shape"),
        (("inputs", 0, "shape", "step"), None, "inputs[0].shape.step"),
        (("inputs", 0, "shape", "min"), [1, "two", 16, 32], "inputs[0].shape.min"),
        (("inputs", 0, "shape", "min"), [1, 0, 16, 32], "inputs[0].shape"),
        (("inputs", 0, "preprocessing"), ["sigmoid"], "inputs[0].preprocessing[0]"),
        (("inputs", 0, "preprocessing"), "sigmoid", "inputs[0].preprocessing"),
        (("outputs", 0, "shape", "scale"), 2, "outputs[0].shape.scale"),
        (("outputs", 0, "shape", "scale"), [1, 1, "2", 1], "outputs[0].shape.scale"),
        (("outputs", 0, "shape", "offset"), [0, 0, 0.3, 0], "outputs[0].shape.offset"),
        (("outputs", 0, "halo"), [0, 0, 4], "outputs[0].halo"),
        (("weights", "pytorch_state_dict", "architecture"), "Net", "weights.pytorch_state_dict.architecture"),
    ],
)
def test_wrong_field_is_named(place: tuple[Any, ...], value: object, field: str) -> None:
    description: Any = _description()
    *parents, last = place
    part = description
    for parent in parents:
        part = part[parent]
    part[last] = value
    with pytest.raises(PackageError) as caught:
        upgrade(description)
    assert caught.value.details["field"] == field
    assert caught.value.fix
