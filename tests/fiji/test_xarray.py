"""DataArrays of xarray in place of images, and those that pyimagej makes."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from bioimg_fiji.fiji import Fiji
from bioimg_fiji.image import Image, Scale
from support.endpoints import EMBEDDED


def array() -> xr.DataArray:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    return Image(
        pixels, "tyx", "a.tif", scales={"x": Scale(0.25, "µm", 2.0), "y": Scale(0.5, "µm"), "t": Scale(3.0, "sec")}
    ).to_xarray()


def test_fiji_takes_them(fiji: Fiji) -> None:
    imp = fiji.show(array())
    assert (imp.getNFrames(), str(imp.getTitle()), str(imp.getCalibration().getUnit())) == (2, "a.tif", "µm")
    back = fiji.active_image()
    assert back.scales["x"] == Scale(0.25, "µm", 2.0)
    xr.testing.assert_equal(back.to_xarray(), array())
    inverted = fiji.run("Invert", array()[0]).images["output"].to_xarray()
    np.testing.assert_array_equal(inverted, 255 - array()[0].values)
    np.testing.assert_array_equal(inverted.x, array().x)


@pytest.mark.skipif(EMBEDDED, reason="needs ImageJ2: set BIOIMG_FIJI_ENDPOINT")
def test_pyimagejs_own(fiji: Fiji) -> None:
    dataset = fiji.gateway.py.to_dataset(array())
    theirs = fiji.gateway.py.from_java(dataset)
    assert theirs.dims == ("t", "row", "col")
    back = Image.from_xarray(theirs)
    assert back.axes == "tyx"
    assert back.scales == {"x": Scale(0.25, "", 2.0), "y": Scale(0.5), "t": Scale(3.0)}  # pyimagej drops units
    np.testing.assert_array_equal(back.pixels, array())
