"""Running a model on an image that lies on the disk: the same pixels and metadata as in memory, or a clear refusal."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile

from bioimg_fiji.commands import Result, find
from bioimg_fiji.errors import ImageError, JobCancelledError, StorageError
from bioimg_fiji.files.sink import RawSink
from bioimg_fiji.files.source import RawSource, map_raw, phantom, raw_file
from bioimg_fiji.image import Channel, Image, Scale
from bioimg_fiji.intensity import Intensity
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.ops import stream
from bioimg_fiji.ops.base import Tensor, mean_and_std, quantiles
from bioimg_fiji.predict import unfinished
from bioimg_fiji.runtime import memory
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package
from bioimg_fiji.server.results import store_on_disk

NORMAL = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "y", "x"]}}
VOLUME = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "z", "y", "x"]}}
RANGE = {
    "id": "scale_range",
    "kwargs": {"axes": ["channel", "y", "x"], "min_percentile": 1.0, "max_percentile": 99.8},
}
BACK = {
    "id": "scale_mean_variance",
    "kwargs": {"axes": ["channel", "y", "x"], "reference_tensor": "raw"},
}


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOIMG_FIJI_CACHE", str(tmp_path_factory.mktemp("cache")))


def picture(dtype: str = "uint16", axes: str = "tcyx") -> Image:
    sizes = {"t": 2, "z": 5, "c": 3, "y": 90, "x": 110}
    shape = [sizes[letter] for letter in axes]
    planes = math.prod(shape[:-2])
    return Image(
        np.random.default_rng(3).integers(0, 250 if dtype == "uint8" else 3000, shape).astype(dtype),
        axes,
        title="raw.tif",
        scales={"x": Scale(0.5, "µm", 3.0), "y": Scale(0.5, "µm"), "t": Scale(2.0, "sec")},
        channels=tuple(Channel(n, b"", (0.0, 99.0)) for n in ("DAPI", "GFP", "Cy5")) if "c" in axes else (),
        labels=tuple(f"plane {n}" for n in range(planes)),
        intensity=Intensity("straight_line", (-100.0, 0.5), "photons") if dtype == "uint16" else None,
        properties={"Info": "from a microscope"},
    )


def on_disk(image: Image, folder: Path) -> Image:
    """Give the image with its pixels in a raw file, as the server has those of a virtual stack."""
    path = folder / "pixels"
    path.write_bytes(image.pixels.tobytes())
    return dataclasses.replace(image, pixels=map_raw(path, image.shape, image.dtype))


def run(model: Path, image: Image, folder: Path, **more: Any) -> tuple[Result, Result]:
    """Run a model in memory and on the disk."""
    values = {"model": model, "tile": 48, **more}
    scratch = folder / "scratch"
    scratch.mkdir()
    within = find("run_model").run({"image": image, **values})
    large = find("run_model").run({"image": on_disk(image, folder), **values}, Job(scratch=scratch))
    return within, large


def figures(result: Result) -> dict[str, Any]:
    return {name: value for name, value in result.figures.items() if name != "seconds"}


@pytest.mark.parametrize("large", [2**24, 1000])
@pytest.mark.parametrize("post", [(), (NORMAL,), (BACK,)])
@pytest.mark.parametrize("pre", [(), (NORMAL,), (RANGE,)])
def test_pixels_and_metadata_are_those_of_memory_bit_for_bit(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pre: tuple[Mapping[str, Any], ...],
    post: tuple[Mapping[str, Any], ...],
    large: int,
) -> None:
    monkeypatch.setattr(stream, "LARGE", large)
    monkeypatch.setattr(stream, "SIDE", 64)
    monkeypatch.setattr("bioimg_fiji.predict.lazy.SIDE", 64)
    write_fake_package(tmp_path / "mean.zip", FakeModel(pre=pre, post=post))
    within, large_result = run(tmp_path / "mean.zip", picture(), tmp_path)
    found, expected = large_result.images["output"], within.images["output"]
    assert raw_file(found) is not None
    assert raw_file(expected) is None
    assert found.pixels.tobytes() == expected.pixels.tobytes()
    assert found.header() == expected.header()
    assert figures(large_result) == figures(within)


@pytest.mark.parametrize("large", [2**24, 1000])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_volumes_of_every_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, large: int) -> None:
    monkeypatch.setattr(stream, "LARGE", large)
    write_fake_package(tmp_path / "mean.zip", FakeModel(axes="czyx", pre=(VOLUME,), post=(VOLUME,)))
    within, large_result = run(tmp_path / "mean.zip", picture(dtype, "zcyx"), tmp_path)
    found, expected = large_result.images["output"], within.images["output"]
    assert raw_file(found) is not None
    assert found.pixels.tobytes() == expected.pixels.tobytes()
    assert found.header() == expected.header()


def test_an_rgb_image_keeps_its_rule(tmp_path: Path) -> None:
    post = ({"id": "ensure_dtype", "kwargs": {"dtype": "uint8"}},)
    write_fake_package(tmp_path / "mean.zip", FakeModel(post=post))
    image = Image(picture("uint8", "zcyx").pixels, "zcyx", title="colour.tif", rgb=True)
    within, large = run(tmp_path / "mean.zip", image, tmp_path)
    assert large.images["output"].rgb
    assert within.images["output"].header() == large.images["output"].header()
    assert large.images["output"].pixels.tobytes() == within.images["output"].pixels.tobytes()


def test_figures_of_a_large_tensor_are_taken_by_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.random.default_rng(0).normal(7, 3, (1, 3, 5, 80, 70)).astype(np.float32)
    axes = ("batch", "channel", "z", "y", "x")
    for over in (None, ("y", "x"), ("channel", "z", "y", "x")):
        mean, std = mean_and_std(Tensor(array, axes), over)
        low, high = quantiles(Tensor(array, axes), over, (1.0, 99.0), "linear")
        monkeypatch.setattr(stream, "LARGE", 100)
        monkeypatch.setattr(stream, "SIDE", 32)
        for one, other in zip(mean_and_std(Tensor(array, axes), over), (mean, std), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-13)
        for one, other in zip(quantiles(Tensor(array, axes), over, (1.0, 99.0), "linear"), (low, high), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)
        monkeypatch.undo()


def selected(image: Image) -> Image:
    roi = roifile.ImagejRoi.frompoints([[10, 20], [40, 20], [40, 60], [10, 60]])
    return dataclasses.replace(image, roi=roi.tobytes())


@pytest.mark.parametrize("selection", ["place", "crop", "ignore"])
def test_selections(tmp_path: Path, selection: str) -> None:
    write_fake_package(tmp_path / "mean.zip", FakeModel(pre=(NORMAL,)))
    within, large = run(tmp_path / "mean.zip", selected(picture()), tmp_path, selection=selection)
    found, expected = large.images["output"], within.images["output"]
    assert (raw_file(found) is not None) == (selection == "ignore")
    assert found.pixels.tobytes() == expected.pixels.tobytes()
    assert found.header() == expected.header()


@pytest.mark.parametrize(
    ("more", "said", "fix"),
    [
        ({"selection": "place"}, "selection=place", "selection=ignore"),
        ({"selection": "crop"}, "selection=crop", "Select less"),
        ({"table": True}, "objects and tables are made from the whole image", "Image > Duplicate"),
        ({"image2": picture()}, "a model of several images takes them as a whole", "Image > Duplicate"),
    ],
)
def test_what_needs_the_whole_is_refused_where_it_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], said: str, fix: str
) -> None:
    write_fake_package(tmp_path / "mean.zip")
    monkeypatch.setattr(memory, "free_memory", lambda device: 1000)
    values = {"image": on_disk(selected(picture()), tmp_path), "model": tmp_path / "mean.zip", **more}
    with pytest.raises(ImageError) as caught:
        find("run_model").run(values, Job(scratch=tmp_path))
    assert "raw.tif is too large for this run" in caught.value.message
    assert said in caught.value.message
    assert fix in caught.value.fix
    assert caught.value.details["free"] == 1000


def test_the_crop_alone_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fake_package(tmp_path / "mean.zip")
    image = selected(picture())
    part = 6 * 30 * 40 * (2 + 8)
    values = {"image": on_disk(image, tmp_path), "model": tmp_path / "mean.zip", "selection": "crop"}
    monkeypatch.setattr(memory, "free_memory", lambda device: part - 1)
    with pytest.raises(ImageError) as caught:
        find("run_model").run(values, Job(scratch=tmp_path))
    assert caught.value.details["needed"] == part


def test_cancel_says_nothing_of_going_on(tmp_path: Path) -> None:
    write_fake_package(tmp_path / "mean.zip")
    (tmp_path / "scratch").mkdir()

    def stop(report: Progress) -> None:
        if report.message == "Tiles" and report.current >= 3:
            job.cancel()

    job = Job(stop, scratch=tmp_path / "scratch")
    values = {"image": on_disk(picture(), tmp_path), "model": tmp_path / "mean.zip", "tile": 48}
    with pytest.raises(JobCancelledError) as caught:
        find("run_model").run(values, job)
    assert not caught.value.fix


def test_a_result_that_has_no_room_is_told_before_the_first_tile(tmp_path: Path, small_disk: Path) -> None:
    write_fake_package(tmp_path / "mean.zip")
    image = Image(np.zeros((10, 300, 300), np.uint8), "zyx", title="dark.tif")
    job = Job(scratch=small_disk)
    with pytest.raises(StorageError) as caught:
        find("run_model").run({"image": on_disk(image, tmp_path), "model": tmp_path / "mean.zip"}, job)
    assert "3.4 MiB" in caught.value.message
    assert 0 < caught.value.details["missing"] == 4 * image.pixels.size - caught.value.details["free"]


def test_a_result_that_is_looked_at_as_a_whole_needs_room_twice(tmp_path: Path, small_disk: Path) -> None:
    write_fake_package(tmp_path / "mean.zip", FakeModel(post=(RANGE,)))
    image = Image(np.zeros((4, 256, 256), np.uint8), "zyx", title="dark.tif")
    with pytest.raises(StorageError) as caught:
        find("run_model").run(
            {"image": on_disk(image, tmp_path), "model": tmp_path / "mean.zip"}, Job(scratch=small_disk)
        )
    assert caught.value.details["needed"] == 2 * 4 * image.pixels.size
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_meanwhile_is_told_with_the_setting(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check finds room, which another program then takes."""
    monkeypatch.setenv("BIOIMG_FIJI_CACHE", str(small_disk))
    monkeypatch.setattr(unfinished, "check_space", lambda *_: None)
    write_fake_package(tmp_path / "mean.zip", FakeModel(post=(RANGE,)))
    noise = np.random.default_rng(0).integers(0, 255, (8, 512, 512)).astype(np.uint8)
    image = on_disk(Image(noise, "zyx", title="noise.tif"), tmp_path)
    with pytest.raises(StorageError, match="No space left") as caught:
        find("run_model").run({"image": image, "model": tmp_path / "mean.zip"}, Job(scratch=small_disk))
    assert "BIOIMG_FIJI_CACHE" in caught.value.fix


def test_only_whole_raw_files_are_taken_for_such(tmp_path: Path) -> None:
    image = on_disk(picture(), tmp_path)
    assert raw_file(image) == tmp_path / "pixels"
    assert raw_file(picture()) is None
    assert raw_file(image.with_pixels(image.pixels[:1])) is None
    assert raw_file(image.with_pixels(image.pixels.transpose(0, 1, 3, 2))) is None
    assert raw_file(image.with_pixels(image.pixels.astype(np.float32))) is None


def test_a_source_is_read_by_windows(tmp_path: Path) -> None:
    image = picture("int16")
    on_disk(image, tmp_path)
    with RawSource(image, tmp_path / "pixels") as source:
        part = source.read((slice(1, 2), slice(0, 3), slice(5, 9), slice(100, 110)))
    assert not isinstance(part, np.memmap)
    assert (part == image.pixels[1:2, :, 5:9, 100:]).all()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [((0, 200), "uint8"), ((0, 4000), "uint16"), ((-9, 200), "int16"), ((0, 2**20), "float32")],
)
def test_results_become_what_imagej_shows_plane_by_plane(tmp_path: Path, values: tuple[int, int], dtype: str) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    pixels = np.linspace(*values, 3 * 2 * 20 * 30).astype(np.int64).reshape(3, 2, 20, 30)
    image = dataclasses.replace(picture("uint16", "tcyx"), intensity=None, channels=(), labels=())
    image = image.with_pixels(pixels)
    sink = RawSink(scratch / "output.raw", image.with_pixels(phantom(image.shape, image.dtype)))
    sink.write(tuple(slice(0, size) for size in image.shape), pixels)
    image = image.with_pixels(map_raw(sink.path, image.shape, image.dtype))
    accept = ["uint8", "uint16", "int16", "float32"]
    told = store_on_disk(Result(images={"output": image}), accept, tmp_path, "job", Job(scratch=scratch))
    part = told["images"]["output"]
    assert part["header"]["dtype"] == dtype
    assert part["on_disk"] is True
    found = np.fromfile(tmp_path / part["file"], dtype).reshape(image.shape)
    assert (found == pixels).all()
    assert part["size"] == found.nbytes
