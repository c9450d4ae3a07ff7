"""Pixel types, values that are no numbers, and images without contrast, one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.errors import ImageError
from bioimg_fiji.image import Image
from bioimg_fiji.package import ModelPackage, open_package
from bioimg_fiji.predict import PredictOptions, predict
from support.zoo import Kind, write

SPACE = {"axes": ["y", "x"]}
NORMALISED = (
    {"id": "zero_mean_unit_variance", "kwargs": SPACE},
    {"id": "scale_range", "kwargs": {**SPACE, "min_percentile": 1.0, "max_percentile": 99.0}},
)


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    return open_package(write(Kind(pre=(NORMALISED[0],)), tmp_path / "package"))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_equal_values_give_equal_results(dtype: str, package: ModelPackage) -> None:
    values = np.random.default_rng(0).integers(-50, 100, (50, 60))
    values = values > 0 if dtype == "bool" else np.maximum(values, 0) if dtype.startswith("uint") else values
    expected = predict(Image(values.astype(np.float32), "yx"), package).images["output"].pixels
    found = predict(Image(values.astype(dtype), "yx"), package, PredictOptions(tile=24)).images["output"].pixels
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= 1e-6 * np.ptp(expected)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32", "float64"])
def test_the_ends_of_the_range(dtype: str, package: ModelPackage) -> None:
    """Nothing wraps and nothing overflows."""
    kind = np.dtype(dtype)
    limits = np.finfo(np.float32) if kind.kind == "f" else np.iinfo(kind)
    share = 1e-3 if kind.kind == "f" else 1.0
    pixels = np.full((40, 40), float(limits.min) * share).astype(kind)
    pixels[10:30, 10:30] = kind.type(float(limits.max) * share) if kind.kind == "f" else limits.max
    found = predict(Image(pixels, "yx"), package).images["output"].pixels
    small = predict(Image((pixels == pixels.max()).astype(np.float32), "yx"), package).images["output"].pixels
    assert np.abs(found - small).max() <= 1e-4 * np.ptp(small)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(dtype: str, value: float, package: ModelPackage) -> None:
    pixels = np.ones((40, 40), dtype)
    pixels[3, 5] = value
    with pytest.raises(ImageError, match="not numbers") as caught:
        predict(Image(pixels, "yx"), package)
    assert caught.value.fix


@pytest.mark.parametrize("op", NORMALISED, ids=lambda op: op["id"])
@pytest.mark.parametrize(("dtype", "value"), [("uint8", 0), ("uint16", 65535), ("int16", -7), ("float32", 0.1)])
def test_an_image_without_contrast(op: dict[str, object], dtype: str, value: float, tmp_path: Path) -> None:
    """It is normalised to zeros, not to noise or to values that are no numbers."""
    package = open_package(write(Kind(pre=(op,)), tmp_path / "package"))
    found = predict(Image(np.full((40, 40), value, dtype), "yx"), package).images["output"].pixels
    assert np.abs(found).max() < 1e-2
