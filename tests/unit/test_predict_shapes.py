"""Models whose outputs differ from their inputs in size, resolution or number: what becomes of calibration and axes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.commands import find
from bioimg_fiji.errors import AxesError, ImageError, ParameterError
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.package import ModelPackage, Size, SizeReference, TensorAxis, TensorSpec, open_package
from bioimg_fiji.predict import PredictOptions, predict
from bioimg_fiji.runtime.fake import FakeAdapter
from support.zoo import Kind, write

MICRON = "micron"
SCALES = {"y": Scale(0.5, MICRON, 4.0), "x": Scale(0.25, MICRON), "t": Scale(2.0, "sec")}


def _image(*shape: int, axes: str = "yx") -> Image:
    pixels = np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)
    return Image(pixels, axes, title="cells.tif", scales=SCALES, roi=b"roi", overlay=(b"one",))


@pytest.mark.parametrize(
    ("network", "shape", "y", "x"),
    [
        ("up", (82, 106), Scale(0.25, MICRON, 8.0), Scale(0.125, MICRON)),
        ("down", (21, 27), Scale(1.0, MICRON, 2.0), Scale(0.5, MICRON)),
        ("valid", (39, 51), Scale(0.5, MICRON, 3.0), Scale(0.25, MICRON, -1.0)),
    ],
)
@pytest.mark.parametrize("tile", [0, 20])
def test_calibration_goes_along(
    network: str, shape: tuple[int, int], y: Scale, x: Scale, tile: int, tmp_path: Path
) -> None:
    """An odd size, off the model's grid: every pixel of the image is covered, a fraction of a pixel is one."""
    package = open_package(write(Kind(network), tmp_path / "package"))
    result = predict(_image(3, 41, 53, axes="tyx"), package, PredictOptions(tile=tile)).images["output"]
    assert (result.size("t"), result.size("c")) == (3, 2)
    assert (result.size("y"), result.size("x")) == shape
    assert (result.scale("y"), result.scale("x"), result.scale("t")) == (y, x, SCALES["t"])
    assert (result.roi, result.overlay) == (b"", ())  # they are in pixels of the input


@pytest.mark.parametrize("network", ["up", "down", "valid", "two_outputs"])
@pytest.mark.parametrize("shape", [(16, 16), (41, 53), (1, 70), (70, 1), (5, 64)])
def test_tiles_change_nothing(network: str, shape: tuple[int, int], tmp_path: Path) -> None:
    """Any tile against the whole image, borders included; images below the minimum and one pixel thin."""
    package = open_package(write(Kind(network), tmp_path / "package"))
    image = _image(*shape)
    if network == "valid" and min(shape) < 3:
        with pytest.raises(ImageError, match="too small"):
            predict(image, package)
        return
    whole = predict(image, package, PredictOptions(tile=4096)).images
    for tile in (16, 20, 32):
        parts = predict(image, package, PredictOptions(tile=tile)).images
        for name, expected in whole.items():
            assert parts[name].shape == expected.shape
            assert np.abs(parts[name].pixels - expected.pixels).max() <= 1e-5 * np.ptp(expected.pixels)


def test_two_inputs_over_the_same_frames(tmp_path: Path) -> None:
    package = open_package(write(Kind("two_inputs"), tmp_path / "package"))
    movie, still = _image(4, 30, 40, axes="tyx"), _image(30, 40)
    found = predict({"raw": movie, "other": still}, package, PredictOptions(tile=20)).images["output"]
    for frame in range(4):
        single = Image(movie.pixels[frame], "yx")
        alone = predict({"raw": single, "other": still}, package, PredictOptions(tile=20)).images["output"]
        np.testing.assert_array_equal(found.pixels[frame], alone.pixels)


def test_the_command_takes_a_second_image(tmp_path: Path) -> None:
    path = write(Kind("two_inputs"), tmp_path / "package")
    first, second = _image(30, 40), _image(30, 40)
    expected = predict({"raw": first, "other": second}, open_package(path)).images["output"]
    found = find("run_model").run({"image": first, "image2": second, "model": path}).images["output"]
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    with pytest.raises(ParameterError, match="other is missing"):
        find("run_model").run({"image": first, "model": path})
    with pytest.raises(ParameterError, match=r"image3 must be no image: .* takes 2"):
        find("run_model").run({"image": first, "image2": second, "image3": second, "model": path})


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ({"raw": _image(30, 40)}, "other is missing"),
        ({"raw": _image(30, 40), "other": _image(30, 40), "third": _image(30, 40)}, "it has no third"),
        ({"other": _image(30, 40)}, "image for 'raw'"),
        ({"raw": _image(30, 40), "other": _image(30, 41)}, "41 pixels along 'x'"),
        ({"raw": _image(30, 40), "other": _image(2, 30, 40, axes="cyx")}, "needs 1 channels"),
        ({"raw": _image(3, 30, 40, axes="tyx"), "other": _image(2, 30, 40, axes="tyx")}, "2 along 't'"),
    ],
)
def test_images_that_do_not_belong_together(images: dict[str, Image], message: str, tmp_path: Path) -> None:
    package = open_package(write(Kind("two_inputs"), tmp_path / "package"))
    with pytest.raises((ParameterError, AxesError), match=message):
        predict(images, package)


def _scores(package: ModelPackage) -> ModelPackage:
    """Give a package whose output is two numbers per image."""
    axes = (TensorAxis("batch", "batch"), TensorAxis("channel", "channel", Size(2), channel_names=("alive", "dead")))
    return dataclasses.replace(package, outputs=(TensorSpec("scores", axes),))


def test_output_without_a_plane_is_a_table(tmp_path: Path) -> None:
    package = _scores(open_package(write(Kind(), tmp_path / "package")))
    adapter = FakeAdapter(package, lambda tensor: np.array([[tensor.min(), tensor.max()]], np.float32))
    image = _image(3, 32, 40, axes="tyx")
    prediction = predict(image, package, adapter=adapter)
    assert not prediction.images
    table = prediction.tables["output"]
    assert table.columns == ("t", "alive", "dead")
    expected = [[t, image.pixels[t].min(), image.pixels[t].max()] for t in range(3)]
    np.testing.assert_allclose(table.rows, expected)


def test_model_that_must_see_the_whole_image_says_so(tmp_path: Path) -> None:
    package = _scores(open_package(write(Kind(), tmp_path / "package")))
    with pytest.raises(ParameterError, match="cannot run by tiles: its output 'scores'"):
        predict(_image(64, 64), package, PredictOptions(tile=32))


def test_square_tiles_where_a_size_follows_another(tmp_path: Path) -> None:
    package = open_package(write(Kind(), tmp_path / "package"))
    (tensor,) = package.inputs
    last = dataclasses.replace(tensor.axes[-1], size=SizeReference("raw", "y"))
    square = dataclasses.replace(package, inputs=(dataclasses.replace(tensor, axes=(*tensor.axes[:-1], last)),))
    image = _image(40, 90)
    seen = FakeAdapter(square, lambda tensor: np.repeat(tensor, 2, axis=1))
    predict(image, square, PredictOptions(tile=48), adapter=seen)
    assert {shape[-1] == shape[-2] for shape in seen.shapes} == {True}
    expected = predict(image, package).images["output"].pixels
    found = predict(image, square, PredictOptions(tile=48)).images["output"].pixels
    assert np.abs(found - expected)[:, 2:-2, 2:-2].max() <= 1e-5 * np.ptp(expected)


def test_command_gives_the_second_output_beside_the_first(tmp_path: Path) -> None:
    path = write(Kind("two_outputs"), tmp_path / "package")
    result = find("run_model").run({"image": _image(40, 40), "model": path})
    assert {name: image.title for name, image in result.images.items()} == {
        "output": "cells-first",
        "second": "cells-second",
    }
