"""Models that see a window of frames, run on movies; and those of several channels or another scale."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji.commands import find
from bioimg_fiji.errors import AxesError, PackageError, UntrustedModelError
from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.image import Channel, Image, Scale
from bioimg_fiji.package import ModelPackage, open_package
from bioimg_fiji.package.fit import fit
from bioimg_fiji.package.window import Window, window_of
from bioimg_fiji.predict import PredictOptions, predict, predict_file
from bioimg_fiji.runtime import FakeAdapter, choose
from bioimg_fiji.runtime.fake import random_unet, write_random_unet

SMALL = {"filters": 2, "depth": 1}
WINDOW = {**SMALL, "in_channels": 5, "window": 2}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return write_random_unet(tmp_path_factory.mktemp("window") / "window.zip", **WINDOW)


def movie(axes: str, **sizes: int) -> Image:
    every = {"t": 6, "z": 2, "c": 3, "y": 20, "x": 26, **sizes}
    pixels = np.random.default_rng(2).normal(100, 10, [every[a] for a in axes]).astype(np.float32)
    channels = tuple(Channel(name) for name in ("A", "B", "C")) if "c" in axes else ()
    return Image(pixels, axes, title="movie.tif", scales={"t": Scale(2.0, "sec")}, channels=channels)


def framed(package: ModelPackage) -> FakeAdapter:
    """Give a model that tells which frames it saw: their values as digits, oldest first."""
    digits = 10.0 ** np.arange(4, -1, -1).reshape(1, 5, 1, 1)
    return FakeAdapter(package, lambda tensor: (tensor * digits).sum(1, keepdims=True).astype(np.float32))


def raw(package: ModelPackage) -> ModelPackage:
    """Give the package without the steps before and after the network."""
    (before,), (after,) = package.inputs, package.outputs
    return dataclasses.replace(
        package, inputs=(dataclasses.replace(before, ops=()),), outputs=(dataclasses.replace(after, ops=()),)
    )


@pytest.mark.parametrize(
    ("frames", "seen"),
    [
        (6, [32123, 21234, 12345, 23456, 34565, 45654]),
        (3, [32123, 21232, 12321]),  # the window is longer than the movie
        (2, [12121, 21212]),
    ],
)
def test_frames_are_seen_with_their_neighbours_mirrored_at_the_ends(
    package: ModelPackage, frames: int, seen: list[int]
) -> None:
    numbers = np.arange(1, frames + 1, dtype=np.float32)
    image = Image(np.broadcast_to(numbers[:, None, None], (frames, 16, 20)), "tyx")
    found = predict(image, raw(package), adapter=framed(package)).images["output"]
    assert found.axes == "tyx"
    np.testing.assert_array_equal(found.pixels[:, 3, 4], seen)
    assert (found.pixels == found.pixels[:, :1, :1]).all()


@pytest.mark.parametrize("axes", ["tyx", "tcyx", "ctyx", "tzyx", "tzcyx", "ytxc"])
def test_other_axes_are_looped_over_and_stay_in_place(package: ModelPackage, axes: str) -> None:
    image = movie(axes)
    result = predict(image, package, PredictOptions(tile=16)).images["output"]
    assert (result.axes, result.shape, result.scales, result.channels) == (
        image.axes,
        image.shape,
        image.scales,
        image.channels,
    )
    model = random_unet(**WINDOW)
    order = "".join(sorted(axes, key="czty x".index))
    given = image.pixels.transpose([axes.index(a) for a in order]).reshape(-1, 6, 20, 26)
    found = result.pixels.transpose([axes.index(a) for a in order]).reshape(-1, 6, 20, 26)
    assert len(given) == {"tyx": 1, "tzyx": 2, "tzcyx": 6}.get(axes, 3)
    for one, other in zip(found, given, strict=True):
        np.testing.assert_allclose(one, model.denoise(other), atol=1e-3)


def test_a_window_of_volumes(tmp_path: Path) -> None:
    values = {**SMALL, "ndim": 3, "in_channels": 3, "window": 1, "scale": [1, 2, 2]}
    package = write_random_unet(tmp_path / "volumes.zip", **values)
    image = movie("tzyx", t=3, z=5)
    result = predict(image, package).images["output"]
    np.testing.assert_allclose(result.pixels, random_unet(**values).denoise(image.pixels), atol=1e-3)


def test_an_image_without_frames_is_refused_with_the_choices(package: ModelPackage) -> None:
    with pytest.raises(AxesError, match="needs the axis 't'") as caught:
        predict(movie("zyx"), package)
    assert "axes=tyx" in caught.value.fix
    stack = dataclasses.replace(movie("tyx"), axes="zyx")
    named = predict(stack, package, PredictOptions(axes="tyx")).images["output"]
    np.testing.assert_array_equal(named.pixels, predict(movie("tyx"), package).images["output"].pixels)
    assert named.axes == "zyx"
    with pytest.raises(AxesError, match="sees 5 frames of a movie at a time; the image has one"):
        predict(movie("tyx", t=1), package)
    with pytest.raises(AxesError, match="needs the axis 't'"):
        predict(Image(np.zeros((5, 20, 26), np.float32), "cyx"), package)  # five channels are no frames


@pytest.mark.parametrize("axes", ["tyx", "tzcyx"])
@pytest.mark.parametrize("result", ["a.ome.tif", "a.ome.zarr"])
def test_from_file_to_file_is_the_same(package: ModelPackage, tmp_path: Path, axes: str, result: str) -> None:
    write_image(movie(axes), tmp_path / "raw.ome.tif")
    inside = predict(read_image(tmp_path / "raw.ome.tif"), package, PredictOptions(tile=16)).images["output"]
    found = predict_file(tmp_path / "raw.ome.tif", tmp_path / result, package, PredictOptions(tile=16))
    ours = read_image(found.files["output"])
    assert ours.axes == inside.axes
    np.testing.assert_allclose(ours.pixels, inside.pixels, rtol=1e-6)


def test_statistics_of_a_window_in_a_file(tmp_path: Path) -> None:
    """They are of the frames that are seen, mirrored ones counted as often as they are seen."""
    package = write_random_unet(tmp_path / "own.zip", **WINDOW, per_image=True)
    write_image(movie("tyx"), tmp_path / "raw.ome.tif")
    expected = random_unet(**WINDOW, per_image=True).denoise(movie("tyx").pixels)
    found = predict_file(tmp_path / "raw.ome.tif", tmp_path / "out.ome.tif", package)
    np.testing.assert_allclose(read_image(found.files["output"]).pixels, expected, atol=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"axis": "z", "before": 2, "after": 2},
        {"axis": "t", "before": 2, "after": 1},
        {"axis": "t", "before": -1, "after": 5},
        {"axis": "t", "before": 2.0, "after": 2},
        "t",
    ],
)
def test_a_window_that_does_not_fit_the_input_is_named(package: ModelPackage, wrong: Any) -> None:
    other = dataclasses.replace(package, config={"bioimg_fiji": {**package.own, "window": wrong}})
    with pytest.raises(PackageError, match=r"bioimg_fiji\.window"):
        fit(movie("tyx"), other)


def test_window_of_a_package(package: ModelPackage) -> None:
    assert window_of(package) == Window("t", 2, 2)
    assert window_of(dataclasses.replace(package, config={})) is None
    way = fit(movie("tzcyx"), package)
    assert (way.looped, way.tiled, way.window) == ("tzc", "yx", Window("t", 2, 2))


@pytest.mark.parametrize("independent", [False, True])
def test_channels_are_seen_together_and_keep_their_colours(tmp_path: Path, independent: bool) -> None:
    values = {**SMALL, "in_channels": 3, "out_channels": 3, "independent": independent}
    values |= {"mean": (100.0, 90.0, 110.0), "std": (10.0, 20.0, 5.0)}
    package = write_random_unet(tmp_path / "three.zip", **values)
    colours = tuple(Channel(name, bytes([i] * 768), (i, 200.0 + i)) for i, name in enumerate("ABC"))
    image = dataclasses.replace(movie("tcyx"), channels=colours)
    result = predict(image, package, PredictOptions(tile=16)).images["output"]
    assert (result.axes, result.channels) == ("tcyx", colours)
    model = random_unet(**values)
    for frame, expected in zip(result.pixels, image.pixels, strict=True):
        np.testing.assert_allclose(frame, model.denoise(expected), atol=2e-3)
    with pytest.raises(AxesError, match="needs 3 channels"):
        predict(movie("tyx"), package)


@pytest.mark.parametrize("tile", [0, 16])
def test_another_scale_has_its_calibration(tmp_path: Path, tile: int) -> None:
    values = {**SMALL, "out_scale": [2, 3], "out_mean": (500.0,), "out_std": (50.0,)}
    package = write_random_unet(tmp_path / "larger.zip", **values)
    image = dataclasses.replace(movie("tyx", t=2, y=21), scales={"y": Scale(0.4, "µm"), "x": Scale(0.6, "µm", 2.0)})
    result = predict(image, package, PredictOptions(tile=tile)).images["output"]
    assert result.shape == (2, 42, 78)
    assert (result.scale("y"), result.scale("x").unit) == (Scale(0.2, "µm"), "µm")
    np.testing.assert_allclose((result.scale("x").step, result.scale("x").origin), (0.2, 6.0))
    model = random_unet(**values)
    for frame, expected in zip(result.pixels, image.pixels, strict=True):
        np.testing.assert_allclose(frame, model.denoise(expected), atol=1e-2)
    write_image(image, tmp_path / "raw.ome.tif")
    found = predict_file(tmp_path / "raw.ome.tif", tmp_path / "o.ome.tif", package, PredictOptions(tile=tile))
    np.testing.assert_allclose(read_image(found.files["output"]).pixels, result.pixels, rtol=1e-6)


def test_torchscript_is_taken_only_when_asked_for_and_trusted(tmp_path: Path) -> None:
    package = write_random_unet(tmp_path / "script.zip", **SMALL, torchscript=True)
    assert "torchscript" in package.weights
    automatic = choose(package, device="cpu", threads=1)
    assert automatic.weights == "onnx"
    automatic.close()
    state = choose(package, "pytorch_state_dict", "cpu", 1)  # our own network needs no trust
    state.close()
    with pytest.raises(UntrustedModelError) as caught:
        choose(package, "torchscript", "cpu")
    trusted = PredictOptions(weights="torchscript", device="cpu", tile=16, trust=caught.value.details["sha256"])
    image = movie("tyx", t=2)
    found = predict(image, package, trusted).images["output"].pixels
    np.testing.assert_allclose(found, predict(image, package).images["output"].pixels, atol=1e-3)


def test_the_command_runs_movies(package: ModelPackage) -> None:
    image = movie("tyx")
    found = find("run_model").run({"image": image, "model": package.root})
    assert found.images["output"].title == "movie-denoised"
    np.testing.assert_array_equal(found.images["output"].pixels, predict(image, package).images["output"].pixels)
    assert open_package(package.root).own["window"]["before"] == 2
