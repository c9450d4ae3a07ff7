"""Running a model whose result is known exactly: the mean over 3 x 3 pixels, zeros outside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from bioimg_fiji.errors import AxesError, ImageError, JobCancelledError, ParameterError
from bioimg_fiji.image import Channel, Image, Scale
from bioimg_fiji.intensity import Intensity
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.predict import PredictOptions, predict
from bioimg_fiji.runtime import FakeAdapter
from bioimg_fiji.runtime.fake import FakeModel, mean_filter, write_fake_package


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return write_fake_package(tmp_path_factory.mktemp("fake") / "mean.zip")


def numbers(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(4).integers(0, 1000, shape).astype(dtype)


def mean(pixels: np.ndarray) -> np.ndarray:
    size = (1,) * (pixels.ndim - 2) + (3, 3)
    return ndimage.uniform_filter(pixels.astype(np.float64), size, mode="constant")


def test_the_result_is_right_to_the_edge(package: ModelPackage) -> None:
    image = Image(numbers(50, 61), "yx", title="a b.tif")
    result = predict(image, package).images["output"]
    np.testing.assert_allclose(result.pixels, mean(image.pixels), rtol=1e-5)
    assert (result.axes, result.dtype, result.title) == ("yx", np.dtype(np.float32), "a b-smooth")


@pytest.mark.parametrize("tile", [8, 16, 33, 64, 200])
def test_tiles_do_not_show(package: ModelPackage, tile: int) -> None:
    image = Image(numbers(70, 95), "yx")
    whole = predict(image, package).images["output"]
    tiled = predict(image, package, PredictOptions(tile=tile))
    np.testing.assert_array_equal(tiled.images["output"].pixels, whole.pixels)
    assert (int(tiled.report["tiles"]) > 1) == (tile < 95)


@pytest.mark.parametrize("axes", ["yx", "tyx", "zyx", "cyx", "tzcyx", "yxc", "xyt"])
def test_axes_that_the_model_has_not_are_looped_over_and_stay_in_place(package: ModelPackage, axes: str) -> None:
    sizes = {"t": 4, "z": 3, "c": 2, "y": 20, "x": 31}
    image = Image(numbers(*(sizes[axis] for axis in axes)), axes)
    result = predict(image, package).images["output"]
    assert result.axes == axes
    order = [axes.index(axis) for axis in sorted(axes, key="tzcyx".index)]
    np.testing.assert_allclose(result.pixels.transpose(order), mean(image.pixels.transpose(order)), rtol=1e-5)


def test_named_axes_win_over_the_images_own(package: ModelPackage) -> None:
    image = Image(numbers(5, 20, 31), "zyx", scales={"z": Scale(2.0, "µm")})
    result = predict(image, package, PredictOptions(axes="tyx")).images["output"]
    assert result.axes == "zyx"
    assert result.scales == image.scales
    np.testing.assert_allclose(result.pixels, mean(image.pixels), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float64", "bool"])
def test_every_type_is_taken(package: ModelPackage, dtype: str) -> None:
    image = Image((numbers(20, 30) % 2).astype(dtype), "yx")
    result = predict(image, package).images["output"]
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.pixels, mean(image.pixels), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("shape", [(3, 3), (1, 40), (8, 7), (5, 90)])
def test_images_below_the_models_minimum_are_mirrored_and_cut_back(
    package: ModelPackage, shape: tuple[int, int]
) -> None:
    image = Image(numbers(*shape), "yx")
    result = predict(image, package).images["output"]
    assert result.shape == shape
    inner = tuple(slice(0, max(size - 1, 1)) for size in shape)
    padded = np.pad(
        image.pixels, [(0, max(0, 9 - size)) for size in shape], mode="reflect" if min(shape) > 1 else "edge"
    )
    np.testing.assert_allclose(result.pixels[inner], mean(padded)[inner], rtol=1e-5)


def test_what_surrounds_the_pixels_comes_along(package: ModelPackage) -> None:
    image = Image(
        numbers(2, 20, 30, dtype="uint16"),
        "cyx",
        scales={"x": Scale(0.5, "µm", 3.0)},
        channels=(Channel("DAPI", display=(0.0, 900.0)), Channel("GFP", display=(10.0, 500.0))),
        labels=("first", "second"),
        properties={"Info": "Objective 40x"},
        overlay=(b"roi",),
    )
    result = predict(image, package).images["output"]
    for name in ("scales", "channels", "labels", "overlay"):
        assert getattr(result, name) == getattr(image, name), name
    assert result.properties["Info"] == "Objective 40x"
    made = json.loads(result.properties["BioImg"])
    assert made["weights"] == "onnx"
    again = predict(image, package).images["output"]
    assert again.properties == result.properties


def test_a_calibrated_image_gives_physical_values(package: ModelPackage) -> None:
    pixels = numbers(20, 30, dtype="uint16")
    image = Image(pixels, "yx", intensity=Intensity("straight_line", (-100.0, 0.5), "photons"))
    result = predict(image, package).images["output"]
    np.testing.assert_allclose(result.pixels, mean(pixels) * 0.5 - 100, rtol=1e-5, atol=1e-3)
    assert result.intensity == Intensity("none", unit="photons")


def test_probabilities_have_no_calibration(tmp_path: Path) -> None:
    package = write_fake_package(tmp_path / "p.zip", FakeModel(config={}))
    image = Image(numbers(20, 30, dtype="uint16"), "yx", intensity=Intensity("straight_line", (-100.0, 0.5), "photons"))
    result = predict(image, package).images["output"]
    assert result.intensity is None
    np.testing.assert_allclose(result.pixels, mean(image.pixels), rtol=1e-5)


@pytest.mark.parametrize(
    ("image", "options", "error", "text"),
    [
        (Image(np.full((20, 30), np.nan, np.float32), "yx"), {}, ImageError, "NaN"),
        (Image(np.zeros((0, 30), np.float32), "yx"), {}, ImageError, "no pixels"),
        (Image(numbers(20, 30), "yx"), {"axes": "zyx"}, AxesError, "zyx"),
        (Image(numbers(20, 30), "yx"), {"axes": "qx"}, AxesError, "btczyx"),
        (Image(numbers(20, 30), "yx"), {"tile": -1}, ParameterError, "tile"),
    ],
)
def test_what_cannot_be_run_is_refused(
    package: ModelPackage, image: Image, options: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        predict(image, package, PredictOptions(**options))  # type: ignore[arg-type]


def test_progress_counts_tiles_and_cancelling_stops_between_them(package: ModelPackage) -> None:
    image = Image(numbers(3, 64, 64), "tyx")
    seen: list[Progress] = []
    predict(image, package, PredictOptions(tile=32), Job(seen.append))
    tiles = [(report.current, report.maximum) for report in seen if report.message == "Tiles"]
    total = int(tiles[0][1])
    assert total % 3 == 0
    assert [current for current, _ in tiles][-1] == total
    assert {maximum for _, maximum in tiles} == {total}

    adapter = FakeAdapter(package, mean_filter)

    def stop(report: Progress) -> None:
        if report.current == 2:
            job.cancel()

    job = Job(stop)
    with pytest.raises(JobCancelledError):
        predict(image, package, PredictOptions(tile=32), job, adapter)
    assert len(adapter.shapes) <= 3
    adapter.run({package.inputs[0].id: numbers(1, 1, 8, 8)})  # it is the caller's, and still open
