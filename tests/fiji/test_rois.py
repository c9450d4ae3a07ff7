"""Regions of interest between Fiji and roifile: every type, everything that a .roi file holds."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile

from bioimg_fiji.errors import InputError, ParameterError
from bioimg_fiji.fiji import Fiji, rois
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import from_array
from support.endpoints import EMBEDDED

SQUARES = (
    'newImage("b", "8-bit black", 60, 60, 1); setColor(255); fillRect(5, 5, 10, 10); fillRect(30, 30, 20, 20);'
    "setThreshold(128, 255);"
)


def floats(*values: float) -> Any:
    import jpype

    return jpype.JArray(jpype.JFloat)(values)


def polygon(kind: str, count: int = 4) -> Any:
    xs, ys = (1, 5, 9, 4), (1, 9, 2, 0.5)
    return jclass("ij.gui.PolygonRoi")(floats(*xs[:count]), floats(*ys[:count]), count, getattr(roi_class(), kind))


def roi_class() -> Any:
    return jclass("ij.gui.Roi")


def rounded() -> Any:
    roi = roi_class()(1, 2, 30, 40)
    roi.setCornerDiameter(7)
    return roi


def wide_line() -> Any:
    roi = jclass("ij.gui.Line")(1, 2, 30, 40)
    roi.setStrokeWidth(5.0)
    return roi


def points() -> Any:
    roi = jclass("ij.gui.PointRoi")(floats(1, 2, 3), floats(4, 5, 6))
    roi.setCounter(2)
    roi.addPoint(7.0, 8.0)
    roi.setPointType(2)
    roi.setSize(3)
    roi.setShowLabels(True)
    return roi


def text() -> Any:
    roi = jclass("ij.gui.TextRoi")(5, 6, "einö µm\nline 2", jclass("java.awt.Font")("SansSerif", 1, 18))
    roi.setJustification(1)
    return roi


def arrow() -> Any:
    roi = jclass("ij.gui.Arrow")(1.0, 2.0, 30.0, 40.0)
    roi.setStyle(2)
    roi.setHeadSize(14.0)
    roi.setDoubleHeaded(True)
    roi.setOutline(True)
    return roi


def ring() -> Any:
    shape = jclass("ij.gui.ShapeRoi")
    return shape(roi_class()(0, 0, 30, 30)).xor(shape(jclass("ij.gui.OvalRoi")(5, 5, 10, 10)))


def spline() -> Any:
    roi = polygon("POLYLINE")
    roi.fitSpline(20)
    return roi


def picture() -> Any:
    roi = jclass("ij.gui.ImageRoi")(3, 4, jclass("ij.process.ByteProcessor")(5, 6))
    roi.setOpacity(0.5)
    return roi


def dressed() -> Any:
    color = jclass("java.awt.Color")
    roi = roi_class()(1, 2, 30, 40)
    roi.setName("zelle µ 1")
    roi.setPosition(2, 3, 4)
    roi.setStrokeColor(color(255, 0, 10, 128))
    roi.setStrokeWidth(2.5)
    roi.setProperty("kind", "cell µ")
    return roi


def filled() -> Any:
    roi = jclass("ij.gui.OvalRoi")(1, 2, 30, 40)
    roi.setFillColor(jclass("java.awt.Color")(0, 255, 10, 64))  # which takes the colour of its line away
    roi.setName("filled")
    return roi


def grouped() -> Any:
    roi = roi_class()(1, 2, 30, 40)
    roi.setGroup(7)  # which gives it a colour
    roi.setName("of a group")
    return roi


def placed() -> Any:
    roi = jclass("ij.gui.OvalRoi")(1, 2, 3, 4)
    roi.setPosition(5)
    roi.setName("0001-0002-0003")  # as the manager would name one that has no name
    return roi


KINDS: dict[str, Callable[[], Any]] = {
    "rectangle": lambda: roi_class()(1, 2, 30, 40),
    "subpixel rectangle": lambda: roi_class()(1.5, 2.25, 30.5, 40.0),
    "rounded rectangle": rounded,
    "rotated rectangle": lambda: jclass("ij.gui.RotatedRectRoi")(10.0, 10.0, 40.0, 30.0, 12.0),
    "oval": lambda: jclass("ij.gui.OvalRoi")(4, 5, 10, 8),
    "subpixel oval": lambda: jclass("ij.gui.OvalRoi")(4.5, 5.25, 10.0, 8.5),
    "ellipse": lambda: jclass("ij.gui.EllipseRoi")(10.0, 10.0, 40.0, 30.0, 0.4),
    "polygon": lambda: polygon("POLYGON"),
    "freehand": lambda: polygon("FREEROI"),
    "traced": lambda: polygon("TRACED_ROI"),
    "polyline": lambda: polygon("POLYLINE"),
    "spline": spline,
    "freeline": lambda: polygon("FREELINE"),
    "angle": lambda: polygon("ANGLE", 3),
    "line": lambda: jclass("ij.gui.Line")(1.5, 2.5, 30.25, 40.0),
    "wide line": wide_line,
    "point": lambda: jclass("ij.gui.PointRoi")(3.5, 4.5),
    "points with counters": points,
    "text": text,
    "arrow": arrow,
    "composite with a hole": ring,
    "image": picture,
    "name, position, colour, width, properties": dressed,
    "fill": filled,
    "group": grouped,
    "stack position": placed,
}

LOSSY = {"rotated rectangle", "ellipse"}
"""What ImageJ's own file does not hold to the bit: it reads a corner's last digits, or a plain polygon."""


def by_imagej(roi: Any) -> bytes:
    """Write and read a region by ImageJ alone, and write it."""
    decoded = jclass("ij.io.RoiDecoder").openFromByteArray(jclass("ij.io.RoiEncoder").saveAsByteArray(roi))
    return bytes(jclass("ij.io.RoiEncoder").saveAsByteArray(decoded))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", rois.PLACES)
def test_every_type_comes_out_and_goes_back(fiji: Fiji, kind: str, place: str) -> None:
    fiji.show(np.zeros((60, 70), np.uint8))
    roi = KINDS[kind]()
    data = bytes(jclass("ij.io.RoiEncoder").saveAsByteArray(roi))
    ours = roifile.ImagejRoi.frombytes(data)
    if kind != "rotated rectangle":
        assert ours.tobytes() == data
    fiji.set_rois(ours, place)
    (back,) = fiji.rois(place)
    assert back.properties == ours.properties
    if not ours.name and place == "manager":
        assert back.name  # the manager names what has no name
        back.name = ""
    expected = roifile.ImagejRoi.frombytes(by_imagej(roi))
    same(back, expected, exact=kind not in LOSSY)
    if place != "overlay":  # whose first element tells how labels are shown
        assert back.options == expected.options
    fiji.set_rois([], place)
    assert fiji.rois(place) == []


def same(one: roifile.ImagejRoi, other: roifile.ImagejRoi, *, exact: bool) -> None:
    if not exact:
        np.testing.assert_allclose(one.coordinates(), other.coordinates(), atol=1e-3)
    fields = [
        *("roitype", "name", "top", "left", "bottom", "right", "c_position", "z_position", "t_position", "position"),
        *("stroke_color", "fill_color", "float_stroke_width", "stroke_width", "group", "text", "text_name"),
        *("arrow_style_or_aspect_ratio", "arrow_head_size", "rounded_rect_arc_size", "image_data", "text_size"),
    ]
    for field in fields:
        assert getattr(one, field) == getattr(other, field), field
    for field in ("integer_coordinates", "multi_coordinates", "counters", "counter_positions"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field), err_msg=field)


def test_names_positions_and_looks_are_what_imagej_has(fiji: Fiji) -> None:
    fiji.show(np.zeros((60, 70), np.uint8))
    fiji.set_rois([dressed(), placed(), filled(), grouped()])
    manager = jclass("ij.plugin.frame.RoiManager").getInstance()
    assert [str(manager.getName(number)) for number in range(3)] == ["zelle µ 1", "0001-0002-0003", "filled"]
    roi = manager.getRoi(0)
    assert (roi.getCPosition(), roi.getZPosition(), roi.getTPosition()) == (2, 3, 4)
    assert (roi.getStrokeColor().getRed(), roi.getStrokeColor().getAlpha()) == (255, 128)
    assert (manager.getRoi(2).getFillColor().getGreen(), manager.getRoi(2).getFillColor().getAlpha()) == (255, 64)
    assert (roi.getStrokeWidth(), str(roi.getProperty("kind"))) == (2.5, "cell µ")
    assert manager.getRoi(3).getGroup() == 7
    first = fiji.rois()[0]
    assert (first.name, first.c_position, first.z_position, first.t_position) == ("zelle µ 1", 2, 3, 4)
    assert first.float_stroke_width == 2.5
    assert first.properties == {"kind": "cell µ"}
    assert (fiji.rois()[1].position, fiji.rois()[3].group) == (5, 7)


def test_equal_regions_are_kept(fiji: Fiji) -> None:
    fiji.show(np.zeros((60, 70), np.uint8))
    fiji.set_rois([roi_class()(10, 20, 4, 6), roi_class()(10, 20, 4, 6)])
    assert [each.name for each in fiji.rois()] == ["0023-0012", "0023-0012"]  # as ImageJ names them: middle y-x
    fiji.set_rois([dressed(), dressed()])
    assert [each.name for each in fiji.rois()] == ["zelle µ 1", "zelle µ 1"]


def test_counters_of_points(fiji: Fiji) -> None:
    fiji.set_rois(points())
    (back,) = fiji.rois("manager")
    assert back.counters is not None
    assert back.counters.tolist() == [0, 0, 0, 2]
    assert jclass("ij.plugin.frame.RoiManager").getInstance().getRoi(0).getCounter(3) == 2


@pytest.mark.parametrize("name", ["one.roi", "all.zip"])
def test_files(fiji: Fiji, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    kinds = ["polygon"] if name.endswith(".roi") else ["polygon", "oval", "arrow", "text"]
    regions = [roifile.ImagejRoi.frombytes(rois.encoded(KINDS[kind]())[0]) for kind in kinds]
    for region, kind in zip(regions, kinds, strict=True):
        region.name = kind
    roifile.roiwrite(path, regions[0] if name.endswith(".roi") else regions)
    fiji.set_rois(path)
    assert [(each.name, each.roitype) for each in fiji.rois()] == [(each.name, each.roitype) for each in regions]
    # ImageJ reads what roifile writes of what we give, and roifile reads what ImageJ writes.
    again = tmp_path / "again.zip"
    roifile.roiwrite(again, fiji.rois(), name=kinds)
    count = fiji.run_macro(f'roiManager("reset"); roiManager("open", "{again}"); return "" + roiManager("count");')
    assert count == str(len(kinds))
    saved = tmp_path / "saved.zip"
    fiji.run_macro(f'roiManager("deselect"); roiManager("save", "{saved}");')
    found = roifile.roiread(saved)
    assert [each.name for each in (found if isinstance(found, list) else [found])] == kinds


def test_images_carry_them(fiji: Fiji) -> None:
    image = rois.with_overlay(from_array(np.zeros((60, 70), np.uint8)), [KINDS["oval"](), ring()])
    assert [each.roitype for each in fiji.rois(image=image)] == [roifile.ROI_TYPE.OVAL, roifile.ROI_TYPE.RECT]
    imp = fiji.show(image)
    assert [each.tobytes() for each in fiji.rois()] == [each.tobytes() for each in fiji.rois("overlay", imp)]
    assert len(fiji.rois()) == 2
    fiji.set_rois(KINDS["line"](), "selection", imp)
    fiji.set_rois(KINDS["line"]())
    assert len(fiji.rois()) == 1  # the manager holds any
    back = fiji.to_python(imp)
    assert [each.roitype for each in fiji.rois("selection", back)] == [roifile.ROI_TYPE.LINE]
    assert [base64.b64encode(data) for data in back.overlay] == [base64.b64encode(data) for data in image.overlay]
    assert fiji.rois("selection", "image")[0].tobytes() == fiji.rois("selection")[0].tobytes()


def test_what_is_wrong_is_told(fiji: Fiji, tmp_path: Path) -> None:
    assert fiji.rois() == []
    fiji.show(np.zeros((60, 70), np.uint8))
    with pytest.raises(ParameterError, match="manager, overlay, selection"):
        fiji.rois("window")
    with pytest.raises(ParameterError, match="overlay or selection of an image"):
        fiji.rois("manager", rois.with_overlay(from_array(np.zeros((60, 70), np.uint8)), KINDS["oval"]()))
    with pytest.raises(InputError, match="No image is called"):
        fiji.rois("overlay", "nothing")
    with pytest.raises(InputError, match="int is no region"):
        fiji.set_rois([3])
    with pytest.raises(InputError, match="cannot read a region"):
        fiji.set_rois(b"no region")
    with pytest.raises(ParameterError, match="one region"):
        fiji.set_rois([KINDS["oval"](), KINDS["line"]()], "selection")
    (tmp_path / "a.roi").write_bytes(b"x")
    with pytest.raises(InputError, match=r"a\.roi has no regions"):
        fiji.set_rois(tmp_path / "a.roi")
    fiji.show(np.zeros((60, 70), np.uint8))
    with pytest.raises(InputError, match="2 images are called"):
        fiji.rois("overlay", "image")


def test_an_empty_list_is_an_overlay_when_asked_for(fiji: Fiji) -> None:
    assert int(fiji.to_fiji([], "Overlay").size()) == 0
    for kind in ("", "ImagePlus"):
        with pytest.raises(InputError, match="empty list") as caught:
            fiji.to_fiji([], kind)
        assert "Overlay" in caught.value.fix
    with pytest.raises(InputError, match="One region"):
        fiji.to_fiji([], "Roi")


def test_a_given_image_has_its_overlay(fiji: Fiji) -> None:
    imp = fiji.show(np.zeros((60, 70), np.uint8), rois=[KINDS["oval"]()])
    fiji.set_rois([KINDS["line"](), KINDS["line"]()])
    assert len(fiji.rois()) == 2
    assert [each.roitype for each in fiji.rois(image=imp)] == [roifile.ROI_TYPE.OVAL]


@pytest.mark.parametrize("batch", ["", "setBatchMode(true);"])
def test_macros_use_the_manager_without_a_display(fiji: Fiji, batch: str) -> None:
    found = fiji.run_macro(
        f'{batch}{SQUARES} run("ROI Manager..."); run("Analyze Particles...", "size=0-Infinity add");'
        'roiManager("select", 1); getSelectionBounds(x, y, w, h); makeOval(1, 2, 3, 4); roiManager("add");'
        'roiManager("deselect"); run("Clear Results"); roiManager("measure");'
        'return "" + roiManager("count") + " " + x + " " + w + " " + nResults + " " + getResult("Area", 1);'
    )
    assert found == "3 30 20 3 400"
    # ImageJ's particles are traced regions, and these are squares.
    kinds = [each.roitype for each in fiji.rois()]
    assert kinds[2] == roifile.ROI_TYPE.OVAL
    assert [each.left for each in fiji.rois()] == [5, 30, 1]


def test_a_session_begins_with_an_empty_manager(fiji: Fiji) -> None:
    assert fiji.rois("manager") == []
    fiji.set_rois(KINDS["oval"]())
    assert fiji.run_macro('return "" + roiManager("count");') == "1"


@pytest.mark.skipif(EMBEDDED, reason="needs ImageJ2: set BIOIMG_FIJI_ENDPOINT")
class TestImageJ2:
    MASKS = ("rectangle", "oval", "polygon", "polyline", "line", "points with counters", "composite with a hole")

    def test_a_tree_on_a_dataset(self, fiji: Fiji) -> None:
        import jpype

        size = jpype.JArray(jpype.JLong)([60, 70])
        dataset = fiji.gateway.dataset().create(jclass("net.imglib2.img.array.ArrayImgs").unsignedBytes(size))
        assert fiji.rois(image=dataset) == []
        fiji.set_rois([KINDS[kind]() for kind in self.MASKS], image=dataset)
        assert int(dataset.getProperties().get("rois").children().size()) == len(self.MASKS)
        back = fiji.rois(image=dataset)
        expected = [roifile.ImagejRoi.frombytes(rois.encoded(KINDS[kind]())[0]) for kind in self.MASKS]
        assert [each.tobytes() for each in back] == [each.tobytes() for each in expected]

    def test_masks_of_imglib2(self, fiji: Fiji) -> None:
        import jpype

        doubles = jpype.JArray(jpype.JDouble)
        real = "net.imglib2.roi.geom.real."
        box = jclass(f"{real}ClosedWritableBox")(doubles([1, 2]), doubles([11, 22]))
        (found,) = fiji.rois(image=box)
        assert (found.roitype, found.left, found.top, found.right, found.bottom) == (
            roifile.ROI_TYPE.RECT,
            1,
            2,
            11,
            22,
        )
        ball = jclass(f"{real}ClosedWritableEllipsoid")(doubles([10, 20]), doubles([4, 6]))
        (found,) = fiji.rois(image=ball)
        assert (found.roitype, found.left, found.bottom) == (roifile.ROI_TYPE.OVAL, 6, 26)
        corners = jclass(f"{real}ClosedWritablePolygon2D")(doubles([1, 9, 5]), doubles([1, 2, 8]))
        (found,) = fiji.rois(image=corners)
        assert found.coordinates().tolist() == [[1, 1], [9, 2], [5, 8]]
        (found,) = fiji.rois(image=jclass(f"{real}DefaultWritableLine")(doubles([1, 2]), doubles([3, 4]), False))
        assert (found.roitype, found.x1, found.y2) == (roifile.ROI_TYPE.LINE, 1, 4)
        with pytest.raises(InputError, match="no region for a mask"):
            fiji.rois(image=jclass(f"{real}ClosedWritableBox")(doubles([1, 2, 3]), doubles([4, 5, 6])))

    def test_trees_and_masks_take_no_regions(self, fiji: Fiji) -> None:
        tree = rois.to_tree(fiji.gateway, [KINDS["oval"]()])
        for place in rois.PLACES:
            with pytest.raises(InputError, match="DefaultROITree is a region"):
                fiji.set_rois(KINDS["line"](), place, tree)
        with pytest.raises(InputError, match="no place for others"):
            fiji.set_rois(KINDS["line"](), image=tree.children().get(0).data())

    def test_an_overlay_with_regions_that_have_no_mask(self, fiji: Fiji, caplog: pytest.LogCaptureFixture) -> None:
        kinds = ("text", "oval", "arrow", "rectangle")
        image = rois.with_overlay(from_array(np.zeros((60, 70), np.uint8)), [KINDS[kind]() for kind in kinds])
        with caplog.at_level("INFO", "bioimg_fiji"):
            dataset = fiji.to_fiji(image, "Dataset")
        assert "2 of 4 regions" in caplog.text
        assert [each.roitype.name for each in fiji.rois(image=dataset)] == ["OVAL", "RECT"]
        assert fiji.to_python(dataset).overlay == image.overlay
        line = rois.to_tree(fiji.gateway, [KINDS["line"]()]).children().get(0)
        tree = dataset.getProperties().get("rois")
        tree.children().set(0, line)  # as many as before
        back = [roifile.ImagejRoi.frombytes(data) for data in fiji.to_python(dataset).overlay]
        assert [each.roitype.name for each in back[:2]] == ["LINE", "RECT"]
        assert fiji.to_python(dataset).overlay[2:] == (image.overlay[0], image.overlay[2])
        dataset.getProperties().remove("rois")
        assert fiji.to_python(dataset).overlay == (image.overlay[0], image.overlay[2])

    def test_a_tree(self, fiji: Fiji) -> None:
        tree = rois.to_tree(fiji.gateway, [KINDS["oval"](), dressed()])
        back = fiji.rois(image=tree)
        assert [each.name for each in back] == ["", "zelle µ 1"]
        assert back[1].float_stroke_width == 2.5


def test_an_image_is_shown_with_regions(fiji: Fiji) -> None:
    cell = roifile.ImagejRoi.frompoints([[1, 1], [4, 1], [3, 3]], name="cell")
    fiji.show(np.zeros((8, 9), np.uint8), rois=[cell, cell])
    assert [roi.name for roi in fiji.rois("overlay")] == ["cell", "cell"]
    assert len(fiji.active_image().overlay) == 2
