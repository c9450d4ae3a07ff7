"""Every operation gives what bioimageio.core gives, on whole images and by tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from bioimg_fiji.ops import KNOWN_OPS, make_pipeline
from bioimg_fiji.ops.base import Tensor

AXES = ("batch", "channel", "y", "x")

CASES: list[tuple[str, dict[str, Any]]] = [
    ("binarize", {"threshold": 100.0}),
    ("binarize", {"threshold": [90.0, 110.0], "axis": "channel"}),
    ("clip", {"min": 95.0}),
    ("clip", {"min": 95.0, "max": 105.0}),
    ("clip", {"min_percentile": 5.0, "max_percentile": 90.0}),
    ("clip", {"min_percentile": 5.0, "max_percentile": 90.0, "axes": ["y", "x"]}),
    ("clip", {"max_percentile": 99.0, "axes": ["channel", "y", "x"]}),
    ("ensure_dtype", {"dtype": "float64"}),
    ("ensure_dtype", {"dtype": "uint8"}),
    ("fixed_zero_mean_unit_variance", {"mean": 101.5, "std": 11.7}),
    ("fixed_zero_mean_unit_variance", {"mean": [101.5, 90.0], "std": [11.7, 3.0], "axis": "channel"}),
    ("scale_linear", {"gain": 2.0, "offset": -3.0}),
    ("scale_linear", {"gain": [2.0, 0.5], "offset": [1.0, 0.0], "axis": "channel"}),
    ("scale_mean_variance", {"reference_tensor": "raw"}),
    ("scale_mean_variance", {"reference_tensor": "raw", "axes": ["y", "x"]}),
    ("scale_range", {}),
    ("scale_range", {"min_percentile": 1.0, "max_percentile": 99.8}),
    ("scale_range", {"min_percentile": 1.0, "max_percentile": 99.8, "axes": ["y", "x"]}),
    ("scale_range", {"min_percentile": 5.0, "axes": ["x"]}),
    ("scale_range", {"min_percentile": 5.0, "reference_tensor": "raw", "axes": ["y", "x"]}),
    ("sigmoid", {}),
    ("softmax", {"axis": "channel"}),
    ("zero_mean_unit_variance", {}),
    ("zero_mean_unit_variance", {"axes": ["y", "x"]}),
    ("zero_mean_unit_variance", {"axes": ["channel", "x"]}),
]


def _images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return tuple(rng.normal(100, 12, (1, 2, 23, 17)).astype(np.float32) for _ in range(2))


@pytest.fixture
def core() -> Iterator[Any]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import bioimageio.core.proc_ops as core
    return core


def _by_core(core: Any, name: str, kwargs: Mapping[str, Any], tensor: np.ndarray, raw: np.ndarray) -> np.ndarray:
    from bioimageio.core.sample import Sample
    from bioimageio.core.stat_calculators import compute_measures
    from bioimageio.core.tensor import Tensor as CoreTensor
    from bioimageio.spec.model import v0_5

    name_of = "".join(part.capitalize() for part in name.split("_"))
    description = getattr(v0_5, f"{name_of}Descr").model_validate(
        {"id": name, **({"kwargs": kwargs} if kwargs else {})}
    )
    op = getattr(core, name_of).from_proc_descr(description, "out")
    sample = Sample(members={"out": CoreTensor(tensor, dims=AXES), "raw": CoreTensor(raw, dims=AXES)}, stat={}, id=None)
    sample.stat.update(compute_measures(op.required_measures, [sample]))
    op(sample)
    return np.asarray(sample.members["out"].data)


def test_every_known_operation_has_a_case() -> None:
    objects = {"stardist_postprocessing", "cellpose_flow_dynamics"}  # test_instances.py
    assert {name for name, _ in CASES} | objects == set(KNOWN_OPS)


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::RuntimeWarning", "ignore::UserWarning"
)
@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_same_as_the_reference_implementation(core: Any, name: str, kwargs: dict[str, Any]) -> None:
    tensor, raw = _images()
    if (name, kwargs) == ("binarize", {"threshold": [90.0, 110.0], "axis": "channel"}):
        pytest.skip("bioimageio.core 0.11.0 compares a list along the last axis, whatever the description says")
    pipeline = make_pipeline([(name, kwargs)], AXES)
    ours = pipeline.apply(tensor, pipeline.statistics(tensor, {"raw": Tensor(raw, AXES)}))
    theirs = _by_core(core, name, kwargs, tensor, raw)
    assert ours.shape == theirs.shape
    scale = max(1.0, float(np.abs(theirs.astype(float)).max()))
    np.testing.assert_allclose(ours.astype(float), theirs.astype(float), rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_tiles_give_the_bits_of_the_whole_and_leave_the_input_alone(name: str, kwargs: dict[str, Any]) -> None:
    tensor, raw = _images()
    before = tensor.copy()
    pipeline = make_pipeline([(name, kwargs)], AXES)
    figures = pipeline.statistics(tensor, {"raw": Tensor(raw, AXES)})
    whole = pipeline.apply(tensor, figures)
    for y, x in [(0, 0), (5, 3), (12, 9)]:
        places = [range(1), range(2), range(y, y + 11), range(x, x + 8)]
        tile = pipeline.apply(tensor[:, :, y : y + 11, x : x + 8], figures, places)
        assert tile.dtype == whole.dtype
        np.testing.assert_array_equal(tile, whole[:, :, y : y + 11, x : x + 8])
    np.testing.assert_array_equal(tensor, before)
