"""Regions that a user has drawn, as label images."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import roifile

from bioimg_fiji.drawn import labels_of
from bioimg_fiji.errors import ImageError
from bioimg_fiji.image import Image
from bioimg_fiji.objects import outlines


def roi(kind: roifile.ROI_TYPE, box: tuple[int, int, int, int], **fields: int) -> bytes:
    """Encode a region that fills a box (left, top, right, bottom)."""
    made = roifile.ImagejRoi()
    made.roitype = kind
    made.left, made.top, made.right, made.bottom = box
    for name, value in fields.items():
        setattr(made, name, value)
    return bytes(made.tobytes())


def test_outlines_become_the_labels_that_they_were_of() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((2, 40, 50), np.uint16)
    rows, columns = np.mgrid[:40, :50]
    for plane in range(2):
        for number in range(1, 6):
            y, x, radius = rng.integers((5, 5, 3), (35, 45, 8))
            labels[plane][(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = number
    labels[0][labels[0] == 3] = 0
    labels[0, 10:20, 10:20], labels[0, 13:16, 12:18] = 3, 0  # one with a hole
    image = Image(np.zeros((2, 40, 50), np.uint8), "tyx")
    drawn = labels_of(dataclasses.replace(image, overlay=outlines(image.with_pixels(labels), image)))
    assert drawn.axes == "tyx"
    for plane in range(2):
        numbers = {int(n): drawn.pixels[plane][labels[plane] == n] for n in np.unique(labels[plane])}
        assert all(len(np.unique(found)) == 1 for found in numbers.values())
        assert len({int(found[0]) for found in numbers.values()}) == len(numbers)
        assert (numbers[0] == 0).all()


def test_kinds_positions_and_overlap() -> None:
    image = Image(np.zeros((3, 20, 30), np.uint8), "zyx")
    overlay = (
        roi(roifile.ROI_TYPE.RECT, (2, 3, 8, 9)),
        roi(roifile.ROI_TYPE.OVAL, (12, 4, 22, 14), position=2),
        roi(roifile.ROI_TYPE.LINE, (0, 0, 9, 9)),
        roi(roifile.ROI_TYPE.RECT, (6, 3, 10, 9), position=3),
    )
    found = labels_of(dataclasses.replace(image, overlay=overlay)).pixels
    assert [np.unique(plane).tolist() for plane in found] == [[0, 1], [0, 1, 2], [0, 1, 3]]
    assert (found[0] == 1).sum() == 36
    assert abs((found[1] == 2).sum() - np.pi * 25) < 4
    assert (found[2] == 1).sum() == 24


def test_nothing_drawn_says_what_to_do() -> None:
    with pytest.raises(ImageError, match="no areas") as caught:
        labels_of(Image(np.zeros((20, 30), np.uint8), "yx", title="cells.tif"))
    assert "Add Selection" in caught.value.fix
