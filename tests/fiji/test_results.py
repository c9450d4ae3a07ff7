"""Objects and stored models in ImageJ: its own measurements of our outlines are those of our table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.errors import BioimgError
from bioimg_fiji.fiji import Fiji
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.runtime.fake import write_fake_package

MEASURE = """
text = "" + nImages + ";" + getTitle() + ";" + Overlay.size;
run("Set Measurements...", "area mean centroid redirect=None decimal=9");
for (i = 0; i < Overlay.size; i++) {
  Overlay.activateSelection(i);
  List.setMeasurements;
  text = text + ";" + Roi.getName + "," + getSliceNumber() + "," + List.get("Area") + "," + List.get("X") + ","
    + List.get("Y") + "," + List.get("Mean");
}
return text;
"""


def test_a_macro_gets_labels_outlines_and_a_table(fiji: Fiji, tmp_path: Path) -> None:
    write_fake_package(tmp_path / "model.zip")
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 50, (2, 60, 70)).astype(np.uint8)
    pixels[0, 10:30, 10:40] += 150
    pixels[0, 15:20, 15:20] = 0  # a hole
    pixels[1, 40:55, 30:60] += 150
    scales = {axis: Scale(0.5, "micron") for axis in "yx"}
    image = Image(pixels, "tyx", title="cells.tif", scales=scales)
    line = f"model=[{tmp_path / 'model.zip'}] threshold=100"
    result = fiji.run("BioImg Run Model...", image, model=tmp_path / "model.zip", threshold=100, table=True)
    table = result.tables["objects"]
    assert list(table.columns) == ["Object", "Frame", "Area", "X", "Y", "Mean"]
    assert not result.images
    fiji.show(image)
    fiji.run_macro(f'run("BioImg Run Model...", "{line} rois labels");')
    assert sorted(fiji.images()) == ["cells-labels", "cells-rois", "cells.tif"]
    text = fiji.run_macro(f'selectImage("cells-rois");{MEASURE}')
    assert text is not None
    images, title, count, *measured = text.split(";")
    assert (images, title, int(count)) == ("3", "cells-rois", len(table.rows))
    for entry, row in zip(measured, table.rows, strict=True):
        name, frame, *figures = entry.split(",")
        assert [float(name), float(frame)] == list(row[:2])
        assert [float(figure) for figure in figures] == pytest.approx(list(row[2:]), abs=1e-4)


def test_a_macro_keeps_models_by_name(fiji: Fiji, tmp_path: Path) -> None:
    write_fake_package(tmp_path / "model.zip")
    fiji.run_macro(f'run("BioImg Models...", "action=add source=[{tmp_path / "model.zip"}] nickname=fox");')
    listed = fiji.run("BioImg Models...", action="list").tables["models"]
    (name,) = (row[0] for row in listed.rows)
    image = Image(np.random.default_rng(0).normal(9, 1, (40, 40)).astype(np.float32), "yx")
    assert fiji.run("BioImg Run Model...", image, model=name).images["output"].shape == (40, 40)
    with pytest.raises(BioimgError, match="no model 'fix'"):
        fiji.run_macro('run("BioImg Models...", "action=remove source=fix");')
    with pytest.raises(BioimgError, match="the model to remove"):
        fiji.run_macro('run("BioImg Models...", "action=remove");')
    fiji.run_macro('run("BioImg Models...", "action=remove source=fox");')
    assert not fiji.run("BioImg Models...", action="list").tables["models"].rows


def test_a_macro_gets_its_selection_back_in_place_or_cropped(fiji: Fiji, small_model: Path) -> None:
    """The same pixels in a macro as in Python; ImageJ's own Duplicate is what cropping gives."""
    pixels = np.random.default_rng(6).poisson(60, (2, 80, 90)).astype(np.uint16)
    image = Image(pixels, "tyx", title="cells.tif", scales={axis: Scale(0.5, "micron") for axis in "yx"})
    fiji.show(image)
    run = f'run("BioImg Run Model...", "model=[{small_model}]'
    fiji.run_macro(f'makeOval(11, 7, 50, 40);\n{run}");')
    placed = fiji.active_image()
    assert placed.title == "cells-denoised"
    fiji.run_macro(f'selectImage("cells.tif");\n{run} selection=crop");')
    cropped = fiji.active_image()
    assert cropped.title == "cells-denoised-1"
    fiji.run_macro(
        f'selectImage("cells.tif");\nrun("Duplicate...", "title=part duplicate");\nrun("Select None");\n{run}");'
    )
    duplicate = fiji.active_image()
    np.testing.assert_array_equal(cropped.pixels, duplicate.pixels)
    assert cropped.shape == (2, 40, 50)
    count = fiji.run_macro(
        'selectImage("cells.tif");\ncount = 0;\nfor (y = 7; y < 47; y++) for (x = 11; x < 61; x++)\n'
        '  if (selectionContains(x, y)) count++;\nreturn "" + count;'
    )
    changed = placed.pixels != pixels.astype(np.float32)
    assert changed.sum() == 2 * int(float(count or 0))  # ImageJ's own pixels of the oval, no more and no less
    np.testing.assert_array_equal(
        placed.pixels[:, 7:47, 11:61][changed[:, 7:47, 11:61]], cropped.pixels[changed[:, 7:47, 11:61]]
    )
    ignored = fiji.run("BioImg Run Model...", image, model=small_model, selection="ignore").images["output"]
    assert (ignored.pixels != pixels).all()


def test_colours_of_an_rgb_image_are_three_channels(fiji: Fiji, small_model: Path) -> None:
    colours = np.random.default_rng(7).poisson(60, (3, 48, 48)).astype(np.uint8)
    fiji.show(Image(colours, "cyx", title="slide.tif", rgb=True))
    fiji.run_macro(f'run("BioImg Run Model...", "model=[{small_model}]");')
    result = fiji.active_image()
    assert (result.title, result.axes, result.dtype) == ("slide-denoised", "cyx", np.dtype(np.float32))
    red = fiji.run("BioImg Run Model...", Image(colours[0], "yx"), model=small_model).images["output"]
    np.testing.assert_array_equal(result.pixels[0], red.pixels)
