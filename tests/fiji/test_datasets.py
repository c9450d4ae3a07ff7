"""Images of ImageJ2: shared memory, images without names for their axes, odd pixel types, what is refused."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jpype
import numpy as np
import pandas as pd
import pytest
import roifile

from bioimg_fiji.commands import Table
from bioimg_fiji.errors import AxesError, FijiError, ImageError, InputError
from bioimg_fiji.fiji import Fiji
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Image, Scale
from support.endpoints import EMBEDDED

needs_imagej2 = pytest.mark.skipif(EMBEDDED, reason="BIOIMG_FIJI_ENDPOINT names no Fiji")
NUMBERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]


def longs(*sizes: int) -> Any:
    return jpype.JArray(jpype.JLong)(list(sizes))


@needs_imagej2
@pytest.mark.parametrize("dtype", NUMBERS)
def test_shared_memory_is_one(fiji: Fiji, dtype: str) -> None:
    pixels = np.arange(60).reshape(5, 12).astype(dtype)
    dataset = fiji.to_fiji(Image(pixels, "yx"), "Dataset", share=True)
    back = fiji.to_python(dataset, share=True)
    assert np.shares_memory(back.pixels, pixels)
    access = dataset.randomAccess()
    access.setPosition(longs(3, 2))
    access.get().setReal(77.0)
    assert pixels[2, 3] == 77
    assert back.pixels[2, 3] == 77
    assert fiji.to_python(dataset).pixels[2, 3] == 77


@needs_imagej2
def test_shared_memory_lives_as_long_as_either_side(fiji: Fiji) -> None:
    pixels = np.full((64, 64), 5, np.uint16)
    count = sys.getrefcount(pixels)
    dataset = fiji.to_fiji(Image(pixels, "yx"), "Dataset", share=True)
    view = fiji.to_python(dataset, share=True).pixels
    del dataset
    collect()
    assert view.sum() == 5 * 64 * 64
    assert sys.getrefcount(pixels) > count
    del view
    for _ in range(20):
        collect()
    assert sys.getrefcount(pixels) == count


def collect() -> None:
    gc.collect()
    jclass("java.lang.System").gc()
    jclass("java.lang.Thread").sleep(50)


@needs_imagej2
def test_a_copy_is_one(fiji: Fiji) -> None:
    pixels = np.arange(60, dtype=np.uint16).reshape(5, 12)
    dataset = fiji.to_fiji(Image(pixels, "yx"), "Dataset")
    dataset.getImgPlus().firstElement().setReal(9.0)
    assert pixels[0, 0] == 0
    assert not np.shares_memory(fiji.to_python(dataset, share=True).pixels, pixels)


@needs_imagej2
def test_pixels_with_gaps_are_copied_whatever_is_asked(fiji: Fiji) -> None:
    pixels = np.arange(120, dtype=np.uint16).reshape(10, 12)[::2, ::3]
    back = fiji.to_python(fiji.to_fiji(Image(pixels, "yx"), "Dataset", share=True))
    np.testing.assert_array_equal(back.pixels, pixels, strict=True)


@needs_imagej2
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("net.imglib2.type.numeric.integer.Unsigned12BitType", np.uint16),
        ("net.imglib2.type.numeric.integer.Unsigned2BitType", np.uint8),
        ("net.imglib2.type.logic.BitType", np.bool_),
        ("net.imglib2.type.logic.NativeBoolType", np.bool_),
    ],
)
def test_other_pixel_types(fiji: Fiji, name: str, dtype: Any) -> None:
    img = jclass("net.imglib2.img.array.ArrayImgFactory")(jclass(name)()).create(longs(4, 3))
    access = img.randomAccess()
    access.setPosition(longs(2, 1))
    access.get().setOne()
    wanted = np.zeros((3, 4), dtype)
    wanted[1, 2] = 1
    np.testing.assert_array_equal(fiji.to_python(img).pixels, wanted, strict=True)


@needs_imagej2
def test_colours(fiji: Fiji) -> None:
    imp = jclass("ij.IJ").createImage("ramp", "RGB ramp", 20, 10, 1)
    wanted = fiji.to_python(imp)
    coloured = fiji.to_python(jclass("net.imglib2.img.display.imagej.ImageJFunctions").wrapRGBA(imp))
    merged = fiji.to_python(fiji.gateway.convert().convert(imp, jclass("net.imagej.Dataset")))
    for image in (coloured, merged):
        assert image.rgb
        np.testing.assert_array_equal(image.ordered("cyx"), wanted.ordered("cyx"), strict=True)


@needs_imagej2
def test_what_a_view_shows_is_copied(fiji: Fiji) -> None:
    pixels = np.arange(120, dtype=np.float32).reshape(2, 5, 12)
    dataset = fiji.to_fiji(Image(pixels, "zyx"), "Dataset")
    views = jclass("net.imglib2.view.Views")
    np.testing.assert_array_equal(fiji.to_python(views.hyperSlice(dataset, 2, 1)).pixels, pixels[1], strict=True)
    part = views.interval(dataset, longs(3, 1, 0), longs(6, 2, 1))
    np.testing.assert_array_equal(fiji.to_python(part, "zyx").pixels, pixels[:, 1:3, 3:7], strict=True)


@needs_imagej2
def test_imagej2s_own_commands_take_our_datasets(fiji: Fiji) -> None:
    pixels = np.random.default_rng(0).normal(100, 10, (3, 16, 20)).astype(np.float32)
    image = Image(pixels, "zyx", scales={"z": Scale(2.0, "µm"), "y": Scale(0.5, "µm"), "x": Scale(0.5, "µm")})
    ij = fiji.gateway
    dataset = fiji.to_fiji(image, "Dataset")
    doubled = fiji.to_python(ij.op().math().add(dataset.getImgPlus(), dataset.getImgPlus()), "zyx")
    np.testing.assert_allclose(doubled.pixels, 2 * pixels, rtol=1e-6)
    imp = ij.convert().convert(dataset, jclass("ij.ImagePlus"))
    assert str(imp.getCalibration().getUnit()) == "µm"
    assert imp.getCalibration().pixelDepth == 2.0
    np.testing.assert_array_equal(fiji.to_python(imp).pixels, pixels, strict=True)
    back = fiji.to_python(ij.convert().convert(imp, jclass("net.imagej.Dataset")))
    assert (back.axes, dict(back.scales)) == ("zyx", dict(image.scales))
    np.testing.assert_array_equal(back.pixels, pixels, strict=True)


@needs_imagej2
def test_pyimagejs_own_are_taken(fiji: Fiji) -> None:
    pixels = np.random.default_rng(0).integers(0, 99, (3, 16, 20), np.uint16)
    for made in (fiji.gateway.py.to_dataset(pixels), fiji.gateway.py.to_java(pixels)):
        np.testing.assert_array_equal(fiji.to_python(made, "zyx").pixels, pixels, strict=True)


@needs_imagej2
def test_run_and_show_take_images_of_fiji(fiji: Fiji) -> None:
    pixels = np.arange(120, dtype=np.uint8).reshape(10, 12)
    dataset = fiji.to_fiji(Image(pixels, "yx", title="cells"), "Dataset")
    for given in (dataset, fiji.to_fiji(dataset)):
        found = fiji.run("Invert", given).images["output"]
        np.testing.assert_array_equal(found.pixels, 255 - pixels, strict=True)
    fiji.show(dataset)
    assert fiji.images() == ["cells"]
    np.testing.assert_array_equal(fiji.active_image().pixels, pixels, strict=True)


def refusals() -> list[tuple[Callable[[Fiji], Any], type[Exception], str]]:
    img = "net.imglib2.img.array.ArrayImgs"
    return [
        (lambda fiji: fiji.to_python(jclass(img).complexFloats(longs(4, 3))), ImageError, "ComplexFloatType"),
        (lambda fiji: fiji.to_python(jclass(img).bytes(longs(4, 3, 2))), AxesError, "3 dimensions"),
        (lambda fiji: fiji.to_python(jclass(img).bytes(longs(4, 3)), "zyx"), AxesError, "'zyx'"),
        (lambda fiji: fiji.to_fiji(np.zeros((3, 4), np.float16), "Dataset"), ImageError, "float16"),
        (lambda fiji: fiji.to_fiji(Image(np.zeros((0, 4)), "yx"), "Dataset"), ImageError, "without pixels"),
        (lambda fiji: fiji.to_fiji(Table(("a",), ((1,),)), "Dataset"), InputError, "Table does not become"),
    ]


@needs_imagej2
@pytest.mark.parametrize("number", range(6))
def test_what_is_no_image_is_told(fiji: Fiji, number: int) -> None:
    what, error, text = refusals()[number]
    with pytest.raises(error, match=text):
        what(fiji)


def test_what_has_no_form_on_the_other_side_is_told(fiji: Fiji) -> None:
    with pytest.raises(InputError, match=r"java\.lang\.Thread has no form in Python"):
        fiji.to_python(jclass("java.lang.Thread")())
    with pytest.raises(InputError, match="'Image' is no kind"):
        fiji.to_fiji(np.zeros((3, 4)), "Image")
    with pytest.raises(InputError, match=r"java\.lang\.Thread is no image"):
        fiji.show(jclass("java.lang.Thread")())
    with pytest.raises(FijiError, match="own memory"):
        fiji.to_fiji(np.zeros((3, 4), np.float32), share=True)


def test_tables_and_regions_go_the_same_way(fiji: Fiji) -> None:
    table = Table(("Label", "Area"), (("one", 2.0), ("two", 3.5)))
    assert fiji.to_python(fiji.to_fiji(table)) == table
    pd.testing.assert_frame_equal(fiji.to_python(fiji.to_fiji(table.to_pandas())).to_pandas(), table.to_pandas())
    cell = roifile.ImagejRoi.frompoints([[1, 1], [4, 1], [3, 3]], name="cell")
    assert fiji.to_python(fiji.to_fiji(cell)).coordinates().tolist() == cell.coordinates().tolist()
    assert [roi.name for roi in fiji.to_python(fiji.to_fiji([cell, cell]))] == ["cell", "cell"]
    assert fiji.to_python(jclass("java.util.Arrays").asList(1, "a", fiji.to_fiji(table))) == [1, "a", table]


@needs_imagej2
def test_tables_regions_and_labels_of_imagej2_go_the_same_way(fiji: Fiji) -> None:
    table = Table(("Area", "Count"), ((2.0, 1), (3.5, 2)))
    assert fiji.to_python(fiji.to_fiji(table, "GenericTable")) == table
    cell = roifile.ImagejRoi.frompoints([[1, 1], [4, 1], [3, 3]], name="cell")
    (back,) = fiji.to_python(fiji.to_fiji(cell, "ROITree"))
    assert back.coordinates().tolist() == cell.coordinates().tolist()
    pixels = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    np.testing.assert_array_equal(fiji.to_python(fiji.to_fiji(pixels, "ImgLabeling")).pixels, pixels)


@needs_imagej2
def test_an_overlay_is_a_roitree_too(fiji: Fiji) -> None:
    cell = roifile.ImagejRoi.frompoints([[1, 1], [4, 1], [3, 3]], name="cell").tobytes()
    image = Image(np.zeros((8, 9), np.uint8), "yx", overlay=(cell,))
    dataset = fiji.to_fiji(image, "Dataset")
    tree = dataset.getProperties().get("rois")
    assert tree.children().size() == 1
    assert fiji.to_python(dataset).overlay == (cell,)
    box = jclass("net.imglib2.roi.geom.real.ClosedWritableBox")
    doubles = jpype.JArray(jpype.JDouble)
    regions = jclass("java.util.ArrayList")()
    regions.add(box(doubles([1, 1]), doubles([4, 5])))
    tree.addROIs(regions)
    found = [roifile.ImagejRoi.frombytes(data) for data in fiji.to_python(dataset).overlay]
    assert [roi.roitype.name for roi in found] == ["FREEHAND", "RECT"]
    dataset.getProperties().remove("rois")
    assert fiji.to_python(dataset).overlay == ()


@pytest.mark.skipif(not EMBEDDED, reason="BIOIMG_FIJI_ENDPOINT names a Fiji")
@pytest.mark.parametrize("kind", ["Dataset", "ImgLabeling", "GenericTable", "ROITree"])
def test_embedded_imagej_has_no_imagej2(fiji: Fiji, kind: str) -> None:
    with pytest.raises(FijiError, match=f"nothing of kind {kind}"):
        fiji.to_fiji(np.zeros((3, 4)), kind)


@needs_imagej2
def test_memory_that_is_not_to_be_written_is_copied(fiji: Fiji, tmp_path: Path) -> None:
    np.arange(60, dtype=np.uint16).tofile(tmp_path / "raw")
    mapped = np.memmap(tmp_path / "raw", np.uint16, "r", shape=(5, 12))
    for pixels in (mapped, np.frombuffer(bytes(120), np.uint16).reshape(5, 12)):
        before = pixels.copy()
        dataset = fiji.to_fiji(Image(pixels, "yx"), "Dataset", share=True)
        dataset.getImgPlus().firstElement().setReal(77.0)
        np.testing.assert_array_equal(pixels, before)


@needs_imagej2
def test_axes_that_no_image_has_are_told(fiji: Fiji) -> None:
    plus = jclass("net.imagej.ImgPlus")(jclass("net.imglib2.img.array.ArrayImgs").bytes(longs(4, 3, 2)))
    with pytest.raises(AxesError, match="no image has Unknown"):
        fiji.to_python(plus)
    assert fiji.to_python(plus, "zyx").shape == (2, 3, 4)
    assert (
        fiji.to_python(
            jclass("net.imagej.ImgPlus")(jclass("net.imglib2.img.array.ArrayImgs").bytes(longs(4, 3, 1)))
        ).axes
        == "byx"
    )


@needs_imagej2
def test_numbers_reach_scripts_and_come_back_exactly(fiji: Fiji) -> None:
    text = "#@ Double d\n#@ Double[] several\n#@output Double e\n#@output Double last\ne = d;\nlast = several[1];\n"
    for value in (0.1, 123456789.123, 1 / 3000):
        found = fiji.run_script("JavaScript", text, d=value, several=np.array([1.0, value]))
        assert (found["e"], found["last"]) == (value, value)
    assert fiji.run_script("JavaScript", "#@ Integer n\n#@output Integer m\nm = n + 1;\n", n=np.int64(3))["m"] == 4
    long = "x" * 300 + "\n" + "y"
    macro = "#@ Double d\n#@ String s\n#@output Double e\n#@output String t\ne = d / 1000;\nt = s;\n"
    found = fiji.run_script("a.ijm", macro, d=1 / 3, s=long)
    assert (found["e"], found["t"]) == (1 / 3 / 1000, long)


@needs_imagej2
def test_titles_of_several_commands_are_told(fiji: Fiji) -> None:
    with pytest.raises(InputError, match="no command 'No Such Thing'"):
        fiji.run_command("No Such Thing")
    with pytest.raises(InputError, match=r"has \d+ commands"):
        fiji.run_command("legacy:ij.plugin.URLOpener")  # what imagej-legacy calls many items of the menu


def test_images_that_were_open_before_stay(fiji: Fiji) -> None:
    imp = fiji.show(np.zeros((5, 6), np.uint8))
    found = Fiji(fiji._started)  # as where the ImageJ of another part of the program is taken over
    fiji.show(np.zeros((7, 8), np.uint8))
    found.close()
    assert imp.getProcessor() is not None
    assert len(fiji.images()) == 1
