"""Files keep what an image has, and never half a file."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from bioimg_fiji import files
from bioimg_fiji.errors import AxesError, FileFormatError, StorageError
from bioimg_fiji.image import Channel, Image, Scale, from_array
from bioimg_fiji.intensity import Intensity


def full_image() -> Image:
    """A hyperstack with everything that ImageJ's TIFF can hold."""
    rng = np.random.default_rng(3)
    ramp = np.arange(256, dtype=np.uint8)
    red = bytes(ramp) + bytes(512)
    green = bytes(256) + bytes(ramp) + bytes(256)
    return Image(
        rng.integers(0, 65535, (4, 3, 2, 21, 17), dtype=np.uint16),
        "tzcyx",
        title="full.tif",
        scales={"x": Scale(0.25, "µm", 3.0), "y": Scale(0.5, "µm", 4.0), "z": Scale(1.5, "µm"), "t": Scale(2.5, "sec")},
        channels=(Channel("DAPI", red, (10.0, 4000.0)), Channel("GFP", green, (5.0, 60000.5))),
        mode="composite",
        labels=tuple(f"plane {i} ü" for i in range(24)),
        intensity=Intensity("straight_line", (-100.0, 0.5), "photons"),
        properties={"Info": "Objective: 40x\nline two", "Stain": "Höchst"},
    )


def same(one: Image, other: Image) -> None:
    np.testing.assert_array_equal(one.pixels, other.pixels)
    left, right = one.header(), other.header()
    left_scales, right_scales = left.pop("scales"), right.pop("scales")
    assert left == right
    assert left_scales.keys() == right_scales.keys()
    for axis, scale in left_scales.items():
        assert scale["unit"] == right_scales[axis]["unit"]
        assert (scale["step"], scale["origin"]) == pytest.approx(
            (right_scales[axis]["step"], right_scales[axis]["origin"]), rel=1e-6
        )


def test_imagej_tiff_keeps_everything(tmp_path: Path) -> None:
    image = full_image()
    same(image, files.read_image(files.write_image(image, tmp_path / "full.tif")))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("axes", ["yx", "zyx", "tyx", "cyx", "tzyx", "zcyx", "tcyx"])
def test_types_and_axes(tmp_path: Path, dtype: Any, axes: str) -> None:
    shape = [dict(t=4, z=3, c=2, y=9, x=7)[a] for a in axes]
    values = np.random.default_rng(0).normal(0, 100, shape)
    pixels = np.clip(values, 0, None).astype(dtype) if np.dtype(dtype).kind == "u" else values.astype(dtype)
    for name in ("a.tif", "a.ome.tif"):
        back = files.read_image(files.write_image(Image(pixels, axes), tmp_path / name))
        assert back.axes == axes
        assert back.dtype == dtype
        np.testing.assert_array_equal(back.pixels, pixels)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.ome.zarr"])
@pytest.mark.parametrize(("shape", "axes"), [((7, 1), "yx"), ((1, 7), "yx"), ((1, 1), "yx"), ((2, 3, 7, 1), "zcyx")])
def test_images_one_pixel_wide(tmp_path: Path, name: str, shape: tuple[int, ...], axes: str) -> None:
    """A column is no row."""
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    read = files.read_image(files.write_image(Image(pixels, axes), tmp_path / name))
    assert read.axes == axes
    np.testing.assert_array_equal(read.pixels, pixels, strict=True)


def test_rgb(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 3, 9, 7), dtype=np.uint8)
    for name in ("a.tif", "a.ome.tif"):
        back = files.read_image(files.write_image(Image(pixels, "zcyx", rgb=True), tmp_path / name))
        assert back.rgb
        assert back.axes == "zcyx"
        np.testing.assert_array_equal(back.pixels, pixels)


def test_ome_keeps_calibration_and_channels(tmp_path: Path) -> None:
    image = full_image()
    back = files.read_image(files.write_image(image, tmp_path / "full.ome.tif"))
    np.testing.assert_array_equal(back.pixels, image.pixels)
    assert [c.name for c in back.channels] == ["DAPI", "GFP"]
    assert [c.lut for c in back.channels] == [c.lut for c in image.channels]
    assert {a: (s.step, s.unit) for a, s in back.scales.items()} == {
        "x": (0.25, "µm"),
        "y": (0.5, "µm"),
        "z": (1.5, "µm"),
        "t": (2.5, "sec"),
    }


def test_imagej_types_by_rule(tmp_path: Path) -> None:
    labels = from_array(np.array([[0, 1], [2, 70000]], np.int32))
    back = files.read_image(files.write_image(labels, tmp_path / "a.tif"))
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back.pixels, labels.pixels)


def test_plain_stack_asks_for_axes(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((5, 8, 9), np.uint16), metadata=None, photometric="minisblack")
    with pytest.raises(AxesError, match="axes=tyx"):
        files.read_image(path)
    assert files.read_image(path, axes="tyx").axes == "tyx"


def test_wrong_files(tmp_path: Path) -> None:
    (tmp_path / "bad.tif").write_bytes(b"II*\0 no image")
    (tmp_path / "a.txt").write_text("x")
    for name in ("missing.tif", "bad.tif", "a.txt"):
        with pytest.raises(FileFormatError, match=name):
            files.read_image(tmp_path / name)
    with pytest.raises(FileFormatError, match=r"\.ome\.tif"):
        files.write_image(from_array(np.zeros((3, 3))), tmp_path / "a.png")


@pytest.mark.parametrize("name", ["image.tif", "image.ome.tif"])
@pytest.mark.parametrize("missing", [1, 700, 5000])
def test_a_file_that_lacks_its_end_is_told(tmp_path: Path, name: str, missing: int) -> None:
    resource = pytest.importorskip("resource", reason="files have no limits there")
    old, new = (Image(np.full((700, 700), value, np.uint16), "yx") for value in (1, 2))
    size = files.write_image(old, tmp_path / name).stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - missing, limits[1]))
    try:
        with pytest.raises(StorageError):
            files.write_image(new, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert files.read_image(tmp_path / name).pixels.max() == 1


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = files.write_image(from_array(np.ones((3, 3), np.uint8)), tmp_path / "a.tif")
    before = target.read_bytes()

    def full(image: Image, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.imagej_tiff, "write", full)
    with pytest.raises(StorageError, match="Free space"):
        files.write_image(from_array(np.zeros((3, 3), np.uint8)), target)
    assert target.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_real_images(shared_data: Path) -> None:
    movie = files.read_image(shared_data / "calcium" / "mouse_2p.tif", axes="tyx")
    assert movie.dtype == np.int16
    assert movie.shape == (500, 64, 64)


def test_an_image_says_briefly_what_it_is() -> None:
    image = Image(np.zeros((2, 4, 5), np.uint16), "cyx", title="a.tif", scales={"x": Scale(0.25, "µm")})
    assert repr(image) == "<Image 'a.tif' c=2 y=4 x=5 uint16 (x: 0.25 µm)>"
