"""ImagePlus <-> Image: pixels and everything around them, for every type and up to five dimensions."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from bioimg_fiji.errors import AxesError, ImageError
from bioimg_fiji.fiji import Fiji, convert
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Channel, Image, Scale, from_array
from bioimg_fiji.intensity import Intensity
from support.endpoints import EMBEDDED

GREEN = bytes(256) + bytes(range(256)) + bytes(256)
MAGENTA = bytes(range(256)) + bytes(256) + bytes(range(256))


def numbers(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(3)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("axes", ["yx", "cyx", "zyx", "tyx", "zcyx", "tcyx", "tzyx", "tzcyx"])
def test_there_and_back(fiji: Fiji, dtype: str, axes: str) -> None:
    sizes = {"t": 4, "z": 3, "c": 2, "y": 5, "x": 7}
    image = Image(numbers(tuple(sizes[axis] for axis in axes), dtype), axes, title="a.tif")
    imp = fiji.to_fiji(image)
    assert (imp.getNChannels(), imp.getNSlices(), imp.getNFrames()) == tuple(
        sizes[axis] if axis in axes else 1 for axis in "czt"
    )
    back = fiji.to_python(imp)
    assert back.axes == axes
    np.testing.assert_array_equal(back.pixels, image.pixels, strict=True)


def test_planes_are_where_imagej_looks_for_them(fiji: Fiji) -> None:
    image = Image(numbers((4, 3, 2, 5, 7), "uint16"), "tzcyx")
    imp = fiji.to_fiji(image)
    for t, z, c in np.ndindex(4, 3, 2):
        processor = imp.getStack().getProcessor(imp.getStackIndex(c + 1, z + 1, t + 1))
        assert int(processor.getPixel(6, 4)) == image.pixels[t, z, c, 4, 6]


@pytest.mark.parametrize("axes", ["yxc", "xy", "czyx", "xyczt"])
def test_other_orders_of_axes_and_views_are_brought_into_imagejs(fiji: Fiji, axes: str) -> None:
    sizes = {"t": 2, "z": 3, "c": 2, "y": 5, "x": 7}
    image = Image(numbers(tuple(sizes[axis] for axis in axes), "float32")[::-1], axes)
    back = fiji.to_python(fiji.to_fiji(image))
    np.testing.assert_array_equal(back.pixels, image.ordered(back.axes), strict=True)


@pytest.mark.parametrize("axes", ["yxc", "cyx", "tcyx", "tzcyx"])
def test_rgb(fiji: Fiji, axes: str) -> None:
    sizes = {"t": 2, "z": 3, "c": 3, "y": 5, "x": 7}
    image = Image(numbers(tuple(sizes[axis] for axis in axes), "uint8"), axes, rgb=True)
    imp = fiji.to_fiji(image)
    assert imp.getBitDepth() == 24
    back = fiji.to_python(imp)
    assert back.rgb
    np.testing.assert_array_equal(back.ordered("tzcyx"), image.ordered("tzcyx"), strict=True)
    first = imp.getStack().getProcessor(1).getPixel(6, 4, None)
    assert [int(value) for value in first] == image.ordered("tzcyx")[0, 0, :, 4, 6].tolist()


@pytest.mark.parametrize(
    ("pixels", "dtype"),
    [
        (np.array([[3, 200]], np.int64), "uint8"),
        (np.array([[0, 65535]], np.int64), "uint16"),
        (np.array([[-5, 200]], np.int32), "int16"),
        (np.array([[0.5, 1e-3]], np.float16), "float32"),
        (np.array([[0.5, 0.25]], np.float64), "float32"),
        (np.array([[1, 2]], ">u2"), "uint16"),
        (np.array([[1.5, 2]], ">f4"), "float32"),
    ],
)
def test_other_types_become_what_imagej_holds(fiji: Fiji, pixels: np.ndarray[Any, Any], dtype: str) -> None:
    back = fiji.to_python(fiji.to_fiji(from_array(pixels)))
    assert back.dtype == np.dtype(dtype)
    np.testing.assert_allclose(back.pixels.astype(float), pixels.astype(float), rtol=1e-3)


def test_everything_around_the_pixels_comes_back(fiji: Fiji) -> None:
    image = Image(
        numbers((4, 3, 2, 20, 30), "uint16"),
        "tzcyx",
        title="cells, dish 3.tif",
        scales={
            "x": Scale(0.25, "µm", 3.0),
            "y": Scale(0.5, "µm", 1.0),
            "z": Scale(1.5, "µm"),
            "t": Scale(2.5, "sec"),
        },
        channels=(Channel("DAPI", GREEN, (100.0, 4000.0)), Channel("GFP", MAGENTA, (0.0, 1000.0))),
        mode="composite",
        labels=tuple(f"plane {index}" for index in range(24)),
        intensity=Intensity("straight_line", (-100.0, 0.5), "photons"),
        properties={"Info": "Objective: 40x\nStain: DAPI µ"},
    )
    imp = fiji.to_fiji(image)
    roi = jclass("ij.gui.OvalRoi")(4, 5, 10, 8)
    imp.setRoi(roi)
    overlay = jclass("ij.gui.Overlay")(jclass("ij.gui.Roi")(1, 2, 3, 4))
    overlay.add(jclass("ij.gui.PolygonRoi")([1.0, 5.0, 9.0], [1.0, 9.0, 2.0], 3, jclass("ij.gui.Roi").POLYGON))
    imp.setOverlay(overlay)

    first = fiji.to_python(imp)
    again_imp = fiji.to_fiji(first.with_pixels(first.pixels // 2))
    again = fiji.to_python(again_imp)

    for back in (first, again):
        assert back.scales == image.scales
        assert [channel.name for channel in back.channels] == ["DAPI", "GFP"]
        assert [channel.lut for channel in back.channels] == [GREEN, MAGENTA]
        assert [channel.display for channel in back.channels] == [(100.0, 4000.0), (0.0, 1000.0)]
        for field in ("title", "mode", "labels", "intensity", "properties"):
            assert getattr(back, field) == getattr(image, field), field
        assert len(back.overlay) == 2
    assert first.roi == again.roi
    assert str(again_imp.getRoi().getTypeAsString()) == "Oval"
    calibration = again_imp.getCalibration()
    assert float(calibration.getCValue(300.0)) == pytest.approx(50.0)
    assert float(calibration.getX(4.0)) == pytest.approx(0.25)
    assert str(calibration.getValueUnit()) == "photons"


def test_a_calibrated_image_becomes_physical_values_as_float(fiji: Fiji) -> None:
    image = Image(
        numbers((8, 9), "uint16"),
        "yx",
        channels=(Channel(display=(100.0, 4000.0)),),
        intensity=Intensity("straight_line", (-100.0, 0.5), "photons"),
    )
    result = fiji.to_fiji(image.with_pixels(image.pixels.astype(np.float32)))
    converted = fiji.to_fiji(image)
    jclass("ij.process.ImageConverter")(converted).convertToGray32()
    ours, imagejs = fiji.to_python(result), fiji.to_python(converted)
    np.testing.assert_array_equal(ours.pixels, imagejs.pixels, strict=True)
    np.testing.assert_allclose(ours.pixels, image.pixels * 0.5 - 100, rtol=1e-6)
    assert ours.intensity == imagejs.intensity == Intensity("none", (), "photons")
    assert ours.channels[0].display == (-50.0, 1900.0)


@pytest.mark.parametrize(
    ("function", "coefficients"),
    [
        ("straight_line", (-100.0, 0.5)),
        ("poly2", (1.0, 0.5, 0.01)),
        ("poly3", (1.0, 0.5, 0.01, -1e-4)),
        ("poly4", (1.0, 0.5, 0.01, -1e-4, 1e-6)),
        ("exponential", (2.0, 0.01)),
        ("power", (2.0, 0.7)),
        ("log", (3.0, 0.4)),
        ("rodbard", (3.0, 1.2, 90.0, 400.0)),
        ("gamma_variate", (20.0, 2.0, 1.5, 30.0)),
        ("log2", (1.0, 2.0, -3.0)),
        ("rodbard2", (0.5, 1.2, 90.0, 300.0)),
        ("exp_with_offset", (5.0, 0.02, 1.0)),
        ("gaussian", (1.0, 9.0, 100.0, 30.0)),
        ("exp_recovery", (5.0, 0.02, 1.0)),
        ("uncalibrated_od", ()),
        ("custom", tuple(float(value**2) for value in range(256))),
    ],
)
def test_intensity_functions_are_those_of_imagej(fiji: Fiji, function: str, coefficients: tuple[float, ...]) -> None:
    stored = np.arange(256, dtype=np.uint8).reshape(16, 16)
    intensity = Intensity(function, coefficients, "OD", zero_clip=function == "straight_line")
    imp = fiji.to_fiji(Image(stored, "yx", intensity=intensity))
    table = np.asarray(imp.getCalibration().getCTable())
    np.testing.assert_allclose(intensity.physical(stored).ravel(), table, rtol=2e-6, atol=1e-6)
    assert fiji.to_python(imp).intensity == intensity


def test_what_imagej_cannot_hold_is_refused(fiji: Fiji) -> None:
    with pytest.raises(AxesError, match="positions"):
        fiji.to_fiji(Image(np.zeros((2, 4, 5), np.uint8), "byx"))
    with pytest.raises(ImageError, match=r"2\^31"):
        fiji.to_fiji(Image(np.broadcast_to(np.uint8(0), (2**16, 2**15 + 1)), "yx"))
    with pytest.raises(ImageError):
        fiji.to_fiji(Image(np.zeros((4, 5), np.complex64), "yx"))
    with pytest.raises(ImageError):
        fiji.to_fiji(Image(np.full((4, 5), 2**40, np.int64), "yx"))


def test_both_sides_are_copies(fiji: Fiji) -> None:
    image = Image(np.zeros((4, 5), np.float32), "yx")
    imp = fiji.to_fiji(image)
    imp.getProcessor().setf(0, 0, 9.0)
    assert image.pixels.max() == 0
    back = fiji.to_python(imp)
    imp.getProcessor().setf(0, 0, 1.0)
    assert back.pixels[0, 0] == 9
    assert dataclasses.replace(back, pixels=image.pixels).pixels.max() == 0


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "rgb"])
def test_what_does_not_fit_into_one_copy_goes_in_several(
    fiji: Fiji, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups of planes, the last one shorter, and planes in parts."""
    for size in (3 * 5 * 7 * 4, 20):
        monkeypatch.setattr(convert, "_GROUP", size)
        shape = (10, 3, 5, 7) if dtype == "rgb" else (10, 5, 7)
        pixels = numbers(shape, "uint8" if dtype == "rgb" else dtype)
        image = Image(pixels, "zcyx" if dtype == "rgb" else "zyx", rgb=dtype == "rgb")
        np.testing.assert_array_equal(fiji.to_python(fiji.to_fiji(image)).pixels, pixels, strict=True)
        if not EMBEDDED and dtype != "rgb":
            np.testing.assert_array_equal(fiji.to_python(fiji.to_fiji(image, "Dataset")).pixels, pixels, strict=True)
