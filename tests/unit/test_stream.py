"""Figures of streams are those of the whole."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bioimg_fiji.ops import make_pipeline
from bioimg_fiji.ops.base import Tensor, mean_and_std, quantiles
from bioimg_fiji.ops.stream import Block, Stream

AXES = ("batch", "channel", "y", "x")
RNG = np.random.default_rng(7)
FLOATS = (RNG.standard_normal((1, 3, 37, 53)) * 1000).astype(np.float32)
KINDS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64, np.float16, np.float32, np.float64]


def streamed(array: npt.NDArray[Any], side: int = 10) -> Stream:
    """Give the array in blocks of `side` pixels, the last ones smaller."""

    def blocks() -> Iterator[Block]:
        _, _, height, width = array.shape
        for y, x in itertools.product(range(0, height, side), range(0, width, side)):
            rows, columns = range(y, min(y + side, height)), range(x, min(x + side, width))
            part = array[:, :, rows.start : rows.stop, columns.start : columns.stop]
            yield Block((range(array.shape[0]), range(array.shape[1]), rows, columns), part)

    return Stream(array.shape, AXES, blocks)


@pytest.mark.parametrize("axes", [None, ("y", "x"), ("channel", "y", "x"), ("batch", "x"), ("channel",)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["linear", "inverted_cdf"])
def test_percentiles_are_those_of_the_whole(kind: type[Any], axes: tuple[str, ...] | None, method: str) -> None:
    array = np.clip(FLOATS, -100, 100).astype(kind) if np.dtype(kind).itemsize == 1 else FLOATS.astype(kind)
    percents = (0.0, 1.0, 3.3, 50.0, 99.8, 100.0)
    whole = quantiles(Tensor(array.astype(np.float64), AXES), axes, percents, method)
    found = quantiles(streamed(array), axes, percents, method)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, whole, rtol=1e-12)


@pytest.mark.parametrize("axes", [None, ("y", "x"), ("batch", "y"), ("channel", "x")])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_mean_and_deviation_are_those_of_the_whole(kind: type[Any], axes: tuple[str, ...] | None) -> None:
    array = np.abs(FLOATS).astype(kind)
    whole = mean_and_std(Tensor(array, AXES), axes)
    for one, other in zip(mean_and_std(streamed(array), axes), whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_large_offset_costs_no_digits() -> None:
    array = FLOATS.astype(np.float64) * 1e-3 + 1e6
    _, whole = mean_and_std(Tensor(array, AXES), None)
    _, found = mean_and_std(streamed(array), None)
    np.testing.assert_allclose(found, whole, rtol=1e-9)


def test_extremes_of_every_type_survive() -> None:
    for kind in KINDS:
        info = np.iinfo(kind) if np.dtype(kind).kind in "iu" else np.finfo(kind)
        array = np.array([info.min, info.max, 0, 1, 1, 0, 0, 1], kind).reshape(1, 1, 2, 4)
        found = quantiles(streamed(array, 3), None, (0.0, 50.0, 100.0), "inverted_cdf")
        assert found.ravel().tolist() == [float(info.min), 0.0, float(info.max)]


def test_operations_before_a_statistic_are_applied_block_by_block() -> None:
    array = FLOATS.astype(np.uint16)
    ops = [
        ("scale_linear", {"gain": [2.0, 0.5, 1.0], "offset": 3.0, "axis": "channel"}),
        ("zero_mean_unit_variance", {"axes": ["channel", "y", "x"]}),
        ("ensure_dtype", {"dtype": "float32"}),
        ("scale_range", {"axes": ["y", "x"], "min_percentile": 2.0, "max_percentile": 98.0}),
        ("clip", {"min_percentile": 5.0, "max": 1.5, "axes": ["x"]}),
    ]
    pipeline = make_pipeline(ops, AXES)
    whole = pipeline.apply(array, pipeline.statistics(array, {}))
    streaming = pipeline.statistics(streamed(array), {})
    np.testing.assert_allclose(pipeline.apply(array, streaming), whole, rtol=1e-5, atol=1e-6)


def test_a_figure_of_another_tensor_is_streamed_too() -> None:
    result, given = FLOATS.astype(np.float64), FLOATS[:, ::-1].astype(np.uint16)
    pipeline = make_pipeline([("scale_mean_variance", {"reference_tensor": "raw", "axes": ["y", "x"]})], AXES)
    whole = pipeline.apply(result, pipeline.statistics(result, {"raw": Tensor(given, AXES)}))
    found = pipeline.apply(result, pipeline.statistics(streamed(result), {"raw": streamed(given)}))
    np.testing.assert_allclose(found, whole, rtol=1e-10)
