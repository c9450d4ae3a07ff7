"""Operations: figures, order, and refusals that name what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from bioimg_fiji.errors import PackageError, UntrustedModelError
from bioimg_fiji.ops import make_op, make_pipeline

AXES = ("batch", "channel", "y", "x")


@pytest.mark.parametrize("name", ["sharpen", "stardist"])
def test_unknown_operation_is_named(name: str) -> None:
    with pytest.raises(PackageError, match=name) as caught:
        make_op(name, {})
    assert "sigmoid" in caught.value.fix


def test_code_of_the_package_is_refused() -> None:
    with pytest.raises(UntrustedModelError, match="code"):
        make_op("custom", {"callable": "f"})


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("sigmoid", {"gain": 2}),
        ("clip", {}),
        ("clip", {"min": 1.0, "min_percentile": 3.0}),
        ("ensure_dtype", {"dtype": "complex64"}),
        ("scale_range", {"min_percentile": 60.0, "max_percentile": 40.0}),
        ("fixed_zero_mean_unit_variance", {"mean": 3.0}),
    ],
)
def test_wrong_kwargs_are_a_package_error(name: str, kwargs: dict[str, object]) -> None:
    with pytest.raises(PackageError, match=name):
        make_op(name, kwargs)


def test_axis_that_the_tensor_lacks_is_named() -> None:
    pipeline = make_pipeline([("softmax", {"axis": "classes"})], AXES)
    with pytest.raises(PackageError, match="classes"):
        pipeline.apply(np.zeros((1, 2, 3, 3)), pipeline.statistics(np.zeros((1, 2, 3, 3)), {}))


def test_values_along_an_axis_of_another_size_are_refused() -> None:
    pipeline = make_pipeline([("scale_linear", {"gain": [1.0, 2.0, 3.0], "axis": "channel"})], AXES)
    with pytest.raises(PackageError, match="3 values"):
        pipeline.apply(np.zeros((1, 2, 3, 3)), [{}])


def test_binarize_takes_thresholds_along_the_axis_that_is_named() -> None:
    pipeline = make_pipeline([("binarize", {"threshold": [1.0, 3.0], "axis": "channel"})], AXES)
    tensor = np.full((1, 2, 2, 2), 2.0)
    result = pipeline.apply(tensor, [{}])
    assert result[0, 0].all()
    assert not result[0, 1].any()


def test_later_figures_are_those_of_what_earlier_operations_gave() -> None:
    whole = np.array([[0.0, 1.0, 2.0, 100.0]])
    pipeline = make_pipeline([("clip", {"max": 3.0}), ("scale_range", {})], ("y", "x"))
    result = pipeline.apply(whole, pipeline.statistics(whole, {}))
    np.testing.assert_allclose(result, whole.clip(max=3.0) / 3, rtol=1e-6)


def test_mean_of_a_large_float32_image_is_exact() -> None:
    whole = np.full((1, 2048, 2048), 16_777_217 / 16, np.float32)
    whole[0, ::2] += 1
    pipeline = make_pipeline([("zero_mean_unit_variance", {})], ("channel", "y", "x"))
    figures = pipeline.statistics(whole, {})[0]
    assert float(figures["mean"].squeeze()) == float(whole[0, 0, 0] / 2 + whole[0, 1, 0] / 2)
    np.testing.assert_allclose(figures["std"], 0.5, rtol=1e-12)


def test_figures_do_not_depend_on_the_layout_in_memory() -> None:
    whole = np.random.default_rng(0).normal(size=(1, 1, 301, 257)).astype(np.float32)
    turned = np.asfortranarray(whole)
    for name in ("zero_mean_unit_variance", "scale_range"):
        pipeline = make_pipeline([(name, {})], AXES)
        for one, other in zip(pipeline.statistics(whole, {}), pipeline.statistics(turned, {}), strict=True):
            assert {k: v.tobytes() for k, v in one.items()} == {k: v.tobytes() for k, v in other.items()}


def test_constant_image_gives_zeros_not_nan() -> None:
    whole = np.full((1, 1, 8, 8), 7.0, np.float32)
    for name in ("zero_mean_unit_variance", "scale_range"):
        pipeline = make_pipeline([(name, {})], AXES)
        np.testing.assert_array_equal(pipeline.apply(whole, pipeline.statistics(whole, {})), 0)


def test_sigmoid_of_very_negative_values_is_zero_without_a_warning() -> None:
    pipeline = make_pipeline([("sigmoid", {})], ("y", "x"))
    result = pipeline.apply(np.array([[-1000.0, 0.0, 1000.0]], np.float32), [{}])
    np.testing.assert_array_equal(result, [[0, 0.5, 1]])
    assert result.dtype == np.float32
