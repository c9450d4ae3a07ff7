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
