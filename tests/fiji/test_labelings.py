"""ImgLabeling <-> images of indices with the labels of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bioimg_fiji.errors import AxesError, ImageError, InputError
from bioimg_fiji.fiji import Fiji, labelings
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Image, from_array
from support.endpoints import EMBEDDED

OVERLAP = np.array([[0, 1, 1, 0], [0, 3, 2, 2], [0, 0, 2, 2]])
SETS = {1: {"cell µ"}, 2: {"nucleus"}, 3: {"cell µ", "nucleus"}}


def test_label_sets_stay_with_an_image_in_fiji(fiji: Fiji) -> None:
    image = labelings.with_sets(from_array(OVERLAP.astype(np.uint16)), SETS)
    assert labelings.label_sets(image) == SETS
    assert labelings.label_sets(fiji.to_python(fiji.to_fiji(image))) == SETS
    assert labelings.label_sets(from_array(np.array([[0, 7]], np.uint8))) == {0: frozenset(), 7: {7}}
    assert not labelings.is_labeling(image)


def test_what_docs_name_is_exported() -> None:
    from bioimg_fiji import fiji as package

    assert package.label_sets is labelings.label_sets
    assert {"label_sets", "to_labeling", "to_scijava", "with_overlay", "with_sets"} <= set(package.__all__)


def test_what_is_wrong_is_told(fiji: Fiji) -> None:
    with pytest.raises(ImageError, match="whole numbers"):
        labelings.to_labeling(np.array([[0.5, 1]]))
    with pytest.raises(ImageError, match="between 0"):
        labelings.to_labeling(np.array([[-1, 1]]))
    with pytest.raises(InputError, match=r"indices \[2, 3\]"):
        labelings.to_labeling(OVERLAP, {1: "a"})
    damaged = Image(OVERLAP, "yx", properties={labelings.PROPERTY: "{"})
    with pytest.raises(ImageError, match="damaged"):
        labelings.label_sets(damaged)


@pytest.mark.skipif(not EMBEDDED, reason="a Fiji has labelings")
def test_plain_imagej_has_none(fiji: Fiji) -> None:
    with pytest.raises(InputError, match="no labelings"):
        labelings.to_labeling(OVERLAP)


@pytest.mark.skipif(EMBEDDED, reason="needs ImgLib2: set BIOIMG_FIJI_ENDPOINT")
class TestImgLib2:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32"])
    def test_there_and_back(self, fiji: Fiji, dtype: str) -> None:
        labeling = labelings.to_labeling(OVERLAP.astype(dtype), SETS)
        assert labelings.is_labeling(labeling)
        assert at(labeling, 1, 1) == {"cell µ", "nucleus"}
        assert at(labeling, 0, 0) == set()
        back = labelings.from_labeling(labeling)
        np.testing.assert_array_equal(back.pixels, OVERLAP.astype(dtype), strict=True)
        assert labelings.label_sets(back) == SETS
        again = labelings.from_labeling(labelings.to_labeling(back))
        assert again.header() == back.header()

    def test_the_image_of_indices_is_a_copy(self, fiji: Fiji) -> None:
        indices = OVERLAP.astype(np.uint16)
        labeling = labelings.to_labeling(indices, SETS)
        indices[:] = 0
        assert labelings.from_labeling(labeling).pixels.tolist() == OVERLAP.tolist()
        flipped = labelings.to_labeling(OVERLAP.astype(np.uint16)[::-1], SETS)
        assert labelings.from_labeling(flipped).pixels.tolist() == OVERLAP[::-1].tolist()

    def test_regions_are_those_of_the_labels(self, fiji: Fiji) -> None:
        regions = jclass("net.imglib2.roi.labeling.LabelRegions")(labelings.to_labeling(OVERLAP, SETS))
        count = jclass("net.imglib2.roi.Regions").countTrue
        sizes = {str(region.getLabel()): int(count(region)) for region in regions}
        assert sizes == {"cell µ": 3, "nucleus": 5}

    def test_numbers_with_gaps_and_equal_sets(self, fiji: Fiji) -> None:
        labels = np.array([[0, 5], [70000, 5]])
        back = labelings.from_labeling(labelings.to_labeling(labels))
        assert back.pixels.tolist() == [[0, 1], [2, 1]]
        assert labelings.label_sets(back) == {1: {5}, 2: {70000}}
        back = labelings.from_labeling(labelings.to_labeling(labels, {5: "a", 70000: "a"}))
        assert back.pixels.tolist() == [[0, 1], [1, 1]]
        assert labelings.label_sets(back) == {1: {"a"}}
        back = labelings.from_labeling(labelings.to_labeling(np.array([[0, 1], [2, 1]], np.float32), ["a", "b"]))
        assert labelings.label_sets(back) == {1: {"a"}, 2: {"b"}}

    def test_more_dimensions_need_their_axes(self, fiji: Fiji) -> None:
        stack = np.arange(24).reshape(2, 3, 4)
        labeling = labelings.to_labeling(stack)
        with pytest.raises(AxesError, match="3 dimensions"):
            labelings.from_labeling(labeling)
        back = labelings.from_labeling(labeling, "zyx")
        assert back.axes == "zyx"
        np.testing.assert_array_equal(back.pixels, stack)

    def test_one_made_by_imagej2(self, fiji: Fiji) -> None:
        """Two pieces, found by ImageJ Ops."""
        import jpype

        mask = np.zeros((6, 8), np.uint8)
        mask[1:3, 1:3] = mask[4:, 5:] = 1
        dataset = fiji.gateway.py.to_dataset(mask)
        bits = fiji.gateway.op().run("convert.bit", dataset)
        four = jclass("net.imglib2.algorithm.labeling.ConnectedComponents$StructuringElement").FOUR_CONNECTED
        labeling = fiji.gateway.op().run("labeling.cca", jpype.JArray(jpype.JObject)([bits, four]))
        back = labelings.from_labeling(labeling)
        assert sorted(np.bincount(back.pixels.ravel())[1:].tolist()) == [4, 6]
        assert {frozenset(map(type, labels)) for labels in labelings.label_sets(back).values()} == {frozenset([int])}

    def test_pyimagejs_labelings(self, fiji: Fiji) -> None:
        from labeling import Labeling

        theirs = Labeling.fromValues(np.array([[0, 1], [2, 0]], np.int32))
        assert labelings.is_labeling(theirs)
        back = labelings.from_labeling(theirs)
        assert back.pixels.tolist() == [[0, 1], [2, 0]]
        assert labelings.label_sets(back) == {1: {1}, 2: {2}}


def at(labeling: Any, x: int, y: int) -> set[str]:
    import jpype

    place = labeling.randomAccess()
    place.setPosition(jpype.JArray(jpype.JLong)([x, y]))
    return {str(label) for label in place.get()}
