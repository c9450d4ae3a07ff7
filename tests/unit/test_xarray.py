"""Image <-> xarray: nothing of an image is lost, also after a selection; those of others are taken."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import xarray as xr

from bioimg_fiji.errors import AxesError, ImageError
from bioimg_fiji.fiji.inputs import as_image
from bioimg_fiji.image import Channel, Image, Scale, from_array
from bioimg_fiji.intensity import Intensity

GREEN = bytes(256) + bytes(range(256)) + bytes(256)
SIZES = {"b": 2, "t": 4, "z": 3, "c": 2, "y": 5, "x": 7}


def image(axes: str = "tzcyx", dtype: str = "uint16", **fields: Any) -> Image:
    shape = tuple(SIZES[axis] for axis in axes)
    return Image((np.arange(np.prod(shape)) % 251).reshape(shape).astype(dtype), axes, **fields)


def full() -> Image:
    return image(
        title="cells, dish 3.tif",
        scales={"x": Scale(0.1, "µm", 3.3), "y": Scale(1 / 3, "µm", -1.0), "z": Scale(1.5, "µm"), "t": Scale(2.5, "s")},
        channels=(Channel("DAPI", GREEN, (100.0, 4000.0)), Channel("GFP", b"", (0.0, 1000.0))),
        mode="composite",
        labels=tuple(f"plane {index}" for index in range(24)),
        intensity=Intensity("straight_line", (-100.0, 0.5), "photons"),
        roi=b"roi",
        overlay=(b"one", b"two"),
        properties={"Info": "Objective: 40x µ"},
    )


def same(one: Image, other: Image) -> bool:
    assert one.header() == other.header()
    np.testing.assert_array_equal(one.pixels, other.pixels, strict=True)
    return True


def test_all_comes_back() -> None:
    array = full().to_xarray()
    assert array.dims == ("t", "z", "c", "y", "x")
    assert array.name == "cells, dish 3.tif"
    np.testing.assert_allclose(array.x, (np.arange(7) - 3.3) * 0.1)
    assert (array.x.attrs["units"], array.t.attrs["units"]) == ("µm", "s")
    assert array.c.values.tolist() == ["DAPI", "GFP"]
    assert same(Image.from_xarray(array), full())


@pytest.mark.parametrize("axes", ["yx", "cyx", "btczyx", "xyz", "yxc", "xyczt"])
@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64", "bool"]
)
def test_axes_and_types(axes: str, dtype: str) -> None:
    source = image(axes, dtype, scales={axis: Scale(0.3, "um", 2.0) for axis in axes})
    array = source.to_xarray()
    assert np.shares_memory(array.values, source.pixels)
    assert same(Image.from_xarray(array), source)


def test_a_slice_distance_without_its_axis_and_rgb() -> None:
    plane = image("yx", scales={"z": Scale(2.0, "µm"), "x": Scale(1.0, "", 4.0)})
    assert same(Image.from_xarray(plane.to_xarray()), plane)
    picture = Image(np.zeros((5, 7, 3), np.uint8), "yxc", rgb=True)
    assert same(Image.from_xarray(picture.to_xarray()), picture)
    assert not Image.from_xarray(picture.to_xarray().isel(c=slice(2))).rgb


def test_selections_move_the_origin_and_choose_channels() -> None:
    array = full().to_xarray()
    part = Image.from_xarray(array.isel(x=slice(2, 6), c=[1]))
    assert part.scales["x"] == Scale(0.1, "µm", pytest.approx(1.3))
    assert part.scales["y"] == full().scales["y"]
    assert part.channels == (full().channels[1],)
    assert part.labels == tuple(f"plane {index}" for index in range(1, 24, 2))
    assert part.overlay == full().overlay
    coarse = Image.from_xarray(array.isel(x=slice(0, 7, 2)))
    assert coarse.scales["x"].step == pytest.approx(0.2)
    plane = Image.from_xarray(array.isel(t=0, z=1, c=0))
    assert (plane.axes, plane.channels) == ("yx", (full().channels[0],))
    near = Image.from_xarray(array.sel(x=slice(0.0, 0.2)))
    assert near.size("x") == 2


def test_channels_and_labels_follow_a_new_order() -> None:
    source = full()
    swapped = Image.from_xarray(source.to_xarray().isel(c=[1, 0]))
    assert swapped.channels == source.channels[::-1]
    assert swapped.labels[:4] == ("plane 1", "plane 0", "plane 3", "plane 2")
    array = source.to_xarray().drop_vars("t")
    assert Image.from_xarray(array.isel(t=[1, 0, 2, 3])).labels[::6] == ("plane 6", "plane 0", "plane 12", "plane 18")
    assert Image.from_xarray(array.transpose("c", "x", "t", "z", "y")).labels == source.labels
    assert Image.from_xarray(array.isel(t=3, z=2, c=1)).labels == ("plane 23",)
    assert Image.from_xarray(array.isel(t=0, z=0, c=0).expand_dims(t=2)).labels == ()
    assert Image.from_xarray(array.mean("z")).labels == ()
    renamed = array.assign_coords(c=["DAPI", "mCherry"])
    assert [channel.display for channel in Image.from_xarray(renamed).channels] == [(100.0, 4000.0), (0.0, 1000.0)]
    unknown = Image.from_xarray(array.assign_coords(c=["GFP", "mCherry"])).channels
    assert unknown == (Channel("GFP"), Channel("mCherry"))


def test_channels_without_names_follow_too() -> None:
    channels = (Channel("", GREEN, (1.0, 2.0)), Channel("", b"", (3.0, 4.0)))
    array = image(channels=channels).to_xarray()
    assert Image.from_xarray(array).channels == channels
    assert Image.from_xarray(array.isel(c=[1, 0])).channels == channels[::-1]
    assert Image.from_xarray(array.isel(c=1)).channels == channels[1:]
    assert Image.from_xarray(array.mean("z")).channels == channels


def test_computed_values_are_not_calibrated_again() -> None:
    array = full().to_xarray()
    with xr.set_options(keep_attrs=True):
        assert Image.from_xarray(array.astype(np.float32) * 0.5 - 100).intensity is None
        assert Image.from_xarray(array + np.uint16(0)).intensity == full().intensity
        photons = full().physical().to_xarray()
        assert Image.from_xarray(photons.astype(np.float16)).intensity == Intensity("none", (), "photons")


def test_axes_that_fall() -> None:
    source = image(scales={"x": Scale(-0.5, "µm", 2.0), "t": Scale(2.5, "s")})
    assert same(Image.from_xarray(source.to_xarray()), source)
    assert Image.from_xarray(source.to_xarray().isel(x=slice(None, None, -1))).scales["x"].step == 0.5
    assert Image.from_xarray(source.to_xarray().isel(t=[1, 0])).scales["t"] == Scale(-2.5, "s", 1.0)
    one = source.to_xarray().isel(x=[1])
    one.x.attrs["step"] = 0.0
    assert Image.from_xarray(one).scales["x"].step == 1.0


def test_arithmetic_keeps_the_calibration() -> None:
    array = full().to_xarray() * np.float32(2)
    array.attrs.clear()  # as xarray's older versions do
    back = Image.from_xarray(array)
    assert back.scales == {**full().scales}
    assert [channel.name for channel in back.channels] == ["DAPI", "GFP"]
    assert back.dtype == np.float32


def test_attributes_are_what_files_hold() -> None:
    """Numbers and texts, as netCDF has them."""
    for value in full().to_xarray().attrs.values():
        assert isinstance(value, str)
    for coordinate in full().to_xarray().coords.values():
        assert all(isinstance(value, str | float) for value in coordinate.attrs.values())


def test_those_of_pyimagej() -> None:
    """Dimensions and coordinates as pyimagej gives them for a Dataset of X, Y, Channel, Z, Time."""
    array = xr.DataArray(
        np.zeros((4, 3, 5, 7, 2), np.uint16),
        dims=("t", "pln", "row", "col", "ch"),
        coords={
            "t": [0.0, 1.0, 2.0, 3.0],
            "pln": [0.0, 1.5, 3.0],
            "row": list(np.arange(5) * 0.25),
            "col": [0.1 + 0.25 * place for place in range(7)],
            "ch": [0.0, 1.0],
        },
        attrs={"rgb": False},
        name="a.tif",
    )
    back = Image.from_xarray(array)
    assert (back.axes, back.title, back.channels) == ("tzyxc", "a.tif", ())
    assert back.scales == {"z": Scale(1.5), "y": Scale(0.25), "x": Scale(0.25, "", pytest.approx(-0.4))}


def test_those_of_others() -> None:
    seconds = xr.DataArray(
        np.zeros((3, 2, 4, 4), np.float32),
        dims=("Time", "Channel", "Y", "X"),
        coords={"Time": np.array([0, 500, 1000], "timedelta64[ms]"), "Channel": [405, 488]},
        attrs={"units": "photons"},
    )
    seconds.coords["Channel"].attrs["units"] = "nm"
    back = Image.from_xarray(seconds)
    assert (back.axes, back.title) == ("tcyx", "image")
    assert back.scales == {"t": Scale(0.5, "s")}
    assert [channel.name for channel in back.channels] == ["405 nm", "488 nm"]
    assert back.intensity == Intensity("none", (), "photons")
    plain = Image.from_xarray(xr.DataArray(np.zeros((4, 5)), dims=("y", "x")))
    assert plain.scales == {}
    damaged = image("yx").to_xarray()
    damaged.attrs["bioimg_header"] = "no JSON"
    assert Image.from_xarray(damaged).axes == "yx"


@pytest.mark.parametrize(
    ("x", "text"),
    [
        ([0.0, 1.0, 2.5, 3.0], "even steps"),
        ([3.0, 1.0, 2.0, 0.0], "even steps"),
        ([2.0, 2.0, 2.0, 2.0], "even steps"),
        ([0.0, 1.0, np.nan, 3.0], "numbers"),
        (["a", "b", "c", "d"], "numbers"),
        (np.array(["2026-01-01"] * 4, "datetime64[s]"), "numbers"),
    ],
)
def test_coordinates_that_no_image_has(x: Any, text: str) -> None:
    with pytest.raises(ImageError, match=text) as caught:
        Image.from_xarray(xr.DataArray(np.zeros((3, 4)), dims=("y", "x"), coords={"x": x}))
    assert "drop_vars('x')" in caught.value.fix


def test_dimensions_that_no_image_has() -> None:
    with pytest.raises(AxesError, match="'sample'"):
        Image.from_xarray(xr.DataArray(np.zeros((3, 4, 5)), dims=("sample", "y", "x")))
    with pytest.raises(AxesError, match="would be the axes 'yyx'"):
        Image.from_xarray(xr.DataArray(np.zeros((3, 4, 5)), dims=("y", "row", "x")))


def test_commands_take_them() -> None:
    assert same(as_image(full().to_xarray()), full())
    assert same(as_image(np.zeros((3, 4))), from_array(np.zeros((3, 4))))


def test_xarray_is_imported_when_it_is_used() -> None:
    code = "import sys, bioimg_fiji.fiji.inputs, bioimg_fiji.commands; print({'xarray', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "set()"
