"""Files that are read and written in parts."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from bioimg_fiji import files
from bioimg_fiji.errors import AxesError, FileFormatError, StorageError
from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.files.sink import open_sink
from bioimg_fiji.files.source import open_source, phantom
from bioimg_fiji.image import Channel, Image, Scale

RED = bytes(range(256)) + bytes(512)
WHOLE = slice(None)


def stack(dtype: Any = np.uint16) -> Image:
    pixels = np.random.default_rng(3).integers(0, 250, (3, 2, 121, 87)).astype(dtype)
    return Image(
        pixels,
        "tcyx",
        title="stack.tif",
        scales={"t": Scale(2.5, "sec"), "y": Scale(0.5, "µm"), "x": Scale(0.25, "µm")},
        channels=(Channel("DAPI", RED), Channel("GFP")),
        properties={"Info": "Objective: 40x <&>\nline two", "Namespace": "any"},
    )


def as_zarr_04(image: Image, path: Path) -> None:
    """Write an OME-Zarr 0.4 as other programs do: all five axes, two transformations, one of them for all levels."""
    group = zarr.open_group(path, mode="w", zarr_format=2)
    array = group.create_array("full", shape=image.ordered("tczyx").shape, chunks=(1, 1, 1, 50, 40), dtype=image.dtype)
    array[:] = image.ordered("tczyx")
    units = {"t": ("time", "second"), "c": ("channel", None), "z": ("space", None)}
    axes = [
        {"name": a, "type": units.get(a, ("space", ""))[0], "unit": units.get(a, ("", "micrometer"))[1]}
        for a in "tczyx"
    ]
    scales = [
        {"type": "scale", "scale": [1, 1, 1, 0.25, 0.125]},
        {"type": "translation", "translation": [0, 0, 0, 5, 0]},
    ]
    pyramid = {
        "version": "0.4",
        "axes": [{k: v for k, v in axis.items() if v} for axis in axes],
        "datasets": [{"path": "full", "coordinateTransformations": scales}],
        "coordinateTransformations": [{"type": "scale", "scale": [2.5, 1, 1, 2, 2]}],
    }
    window = {"min": 0, "max": 255, "start": 3, "end": 200}
    colours = [
        {"label": "DAPI", "color": "FF0000", "window": window},
        {"label": "GFP", "color": "FFFFFF", "window": window},
    ]
    group.attrs.update({"multiscales": [pyramid], "omero": {"channels": colours}})


WRITERS: dict[str, Callable[[Image, Path], Any]] = {
    "imagej.tif": write_image,
    "plain.ome.tif": write_image,
    "five.ome.zarr": write_image,
    "four.zarr": as_zarr_04,
    "tiles.ome.tif": lambda image, path: tifffile.imwrite(
        path, image.pixels, ome=True, compression="zlib", tile=(32, 16), metadata={"axes": "TCYX"}
    ),
    "big-endian.tif": lambda image, path: tifffile.imwrite(
        path, image.pixels, byteorder=">", ome=True, metadata={"axes": "TCYX"}
    ),
}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("name", WRITERS)
def test_parts_of_a_file_are_those_of_the_whole(tmp_path: Path, name: str, dtype: Any) -> None:
    image = stack(dtype)
    WRITERS[name](image, tmp_path / name)
    whole = read_image(tmp_path / name)
    np.testing.assert_array_equal(whole.pixels, image.pixels)
    with open_source(tmp_path / name) as source:
        assert source.image.header() == whole.header()
        assert source.image.pixels.strides == (0,) * 4  # nothing was read
        for place in (
            (slice(1, 2), WHOLE, slice(30, 70), slice(0, 87)),
            (slice(0, 3), slice(1, 2), slice(5, 6), slice(80, 87)),
        ):
            part = source.read(tuple(slice(*s.indices(n)) for s, n in zip(place, image.shape, strict=True)))
            assert part.dtype == image.dtype
            np.testing.assert_array_equal(part, image.pixels[place])


def test_a_description_04_is_understood(tmp_path: Path) -> None:
    as_zarr_04(stack(), tmp_path / "a.zarr")
    found = read_image(tmp_path / "a.zarr")
    assert found.axes == "tcyx"
    assert found.scale("t") == Scale(2.5, "sec")
    assert found.scale("y") == Scale(0.5, "µm", -20.0)  # 5 * 2 µm from the origin, in pixels of 0.5 µm
    assert found.scale("x") == Scale(0.25, "µm")
    assert found.channels == (Channel("DAPI", RED, (3.0, 200.0)), Channel("GFP", b"", (3.0, 200.0)))


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tif"])
def test_written_in_parts_and_resumed(tmp_path: Path, name: str) -> None:
    image = stack(np.float32)
    hollow = image.with_pixels(phantom(image.shape, image.dtype))
    places = [
        (slice(t, t + 1), slice(0, 2), slice(y, min(y + 50, 121)), slice(x, min(x + 33, 87)))
        for t, y, x in itertools.product(range(3), range(0, 121, 50), range(0, 87, 33))
    ]
    for half in (places[:11], places[11:]):
        sink = open_sink(tmp_path / name, hollow)
        for place in half:
            sink.write(place, image.pixels[place])
    sink.finish()
    back = read_image(tmp_path / name)
    np.testing.assert_array_equal(back.pixels, image.pixels)
    assert back.scales == image.scales
    assert back.properties == image.properties
    assert [channel.name for channel in back.channels] == ["DAPI", "GFP"]
    assert back.channels[0].lut == RED


@pytest.mark.parametrize(("dtype", "kind"), [(np.float32, "mean"), (np.uint16, "nearest")])
def test_a_zarr_has_lower_resolutions(tmp_path: Path, dtype: Any, kind: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 60000, (2, 1301, 2050)).astype(dtype)
    image = Image(pixels, "zyx", scales={"z": Scale(2.0, "µm"), "y": Scale(0.5, "µm"), "x": Scale(0.5, "µm")})
    write_image(image, tmp_path / "a.ome.zarr")
    ome = json.loads((tmp_path / "a.ome.zarr" / "zarr.json").read_text())["attributes"]["ome"]
    assert ome["version"] == "0.5"
    pyramid = ome["multiscales"][0]
    assert pyramid["type"] == kind
    assert [axis["name"] + axis["type"] + axis["unit"] for axis in pyramid["axes"]] == [
        f"{a}spacemicrometer" for a in "zyx"
    ]
    group = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")
    shapes = [group[each["path"]].shape for each in pyramid["datasets"]]  # type: ignore[union-attr]
    assert shapes == [(2, 1301, 2050), (2, 651, 1025), (2, 326, 513)]
    one = np.asarray(group["1"])
    mean = pixels[:, :1300].reshape(2, 650, 2, 1025, 2).mean((2, 4), dtype=dtype) if kind == "mean" else None
    np.testing.assert_allclose(one[:, :650], pixels[:, :1300:2, ::2] if mean is None else mean, rtol=1e-6)
    last = pixels[:, 1300].reshape(2, 1025, 2)
    np.testing.assert_allclose(one[:, 650], last[..., 0] if mean is None else last.mean(-1), rtol=1e-6)
    changes = [change for each in pyramid["datasets"] for change in each["coordinateTransformations"]]
    assert [c["scale"] for c in changes if "scale" in c] == [[2.0, 0.5, 0.5], [2.0, 1.0, 1.0], [2.0, 2.0, 2.0]]
    moved = [[0.0, 0.25, 0.25], [0.0, 0.75, 0.75]] if kind == "mean" else []
    assert [c["translation"] for c in changes if "translation" in c] == moved


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileFormatError, match="no OME-Zarr"):
        open_source(tmp_path / "folder")
    plate = zarr.open_group(tmp_path / "plate.zarr", mode="w")
    plate.create_group("A")
    with pytest.raises(FileFormatError, match="groups in it: A"):
        open_source(tmp_path / "plate.zarr")
    plate.attrs["ome"] = {"multiscales": [{"axes": [{"name": "q"}], "datasets": [{"path": "0"}]}]}
    with pytest.raises(FileFormatError, match=r"damaged.*'q'"):
        open_source(tmp_path / "plate.zarr")
    tifffile.imwrite(tmp_path / "four.tif", np.zeros((3, 2, 40, 50), np.uint8), compression="zlib")
    with pytest.raises(AxesError, match="axes="):
        open_source(tmp_path / "four.tif")
    with open_source(tmp_path / "four.tif", "tcyx") as source:
        assert source.image.axes == "tcyx"
    with pytest.raises(FileFormatError, match=r"four\.tif"):
        open_sink(tmp_path / "four.tif", stack())
    with pytest.raises(FileFormatError, match="There is no image file"):
        open_source(tmp_path / "none.tif")


def test_a_damaged_piece_is_named(tmp_path: Path) -> None:
    write_image(stack(), tmp_path / "a.ome.zarr")
    piece = next(path for path in (tmp_path / "a.ome.zarr" / "0" / "c").rglob("*") if path.is_file())
    piece.write_bytes(piece.read_bytes()[:20])
    with pytest.raises(FileFormatError, match=r"a\.ome\.zarr cannot be read"):
        read_image(tmp_path / "a.ome.zarr")


def test_a_result_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    for value in (1, 2):
        write_image(Image(np.full((5, 6), value, np.uint8), "yx"), tmp_path / "a.ome.zarr")
    assert (read_image(tmp_path / "a.ome.zarr").pixels == 2).all()
    assert [path.name for path in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_a_full_disk_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(StorageError, match="full"):
        open_sink(tmp_path / "a.ome.tif", stack())


def test_names_are_those_that_are_written() -> None:
    with pytest.raises(FileFormatError, match=r"\.ome\.zarr"):
        files.check_target(Path("a.zip"))
