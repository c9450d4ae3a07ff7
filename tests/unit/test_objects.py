"""Objects: labels, outlines and measurements, against ImageJ's conventions and exact counts."""

from __future__ import annotations

import numpy as np
import pytest
import roifile

from bioimg_fiji.errors import ParameterError
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.intensity import Intensity
from bioimg_fiji.objects import ObjectRule, label, measure, outlines


def discs(*centres: tuple[int, int], radius: float = 4, shape: tuple[int, int] = (40, 50)) -> np.ndarray:
    y, x = np.indices(shape)
    return np.max([(y - a) ** 2 + (x - b) ** 2 <= radius**2 for a, b in centres], axis=0)


def drawn(rois: tuple[bytes, ...], shape: tuple[int, int]) -> np.ndarray:
    """Fill outlines by the even-odd rule at the pixels' centres."""
    from skimage.measure import points_in_poly

    result = np.zeros(shape, int)
    y, x = np.indices(shape)
    centres = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], 1)
    for data in rois:
        roi = roifile.ImagejRoi.frombytes(data)
        if roi.multi_coordinates is None:
            rings = [roi.integer_coordinates + np.array([roi.left, roi.top])]
        else:
            rings = roifile.ImagejRoi.path2coords(roi.multi_coordinates)
        inside = np.sum([points_in_poly(centres, np.asarray(ring)) for ring in rings], axis=0) % 2 == 1
        result[inside.reshape(shape)] = int(roi.name)
    return result


def test_probabilities_become_pieces_of_at_least_the_smallest_size() -> None:
    pixels = np.where(discs((10, 10), (10, 30)), 0.9, 0.2).astype(np.float32)
    pixels[30, 5] = 0.9
    image = Image(pixels, "yx")
    assert int(label(image, ("",), "yx").pixels.max()) == 3
    labels = label(image, ("",), "yx", ObjectRule(minimum_size=2))
    assert labels.dtype == np.uint16
    assert sorted(np.unique(labels.pixels)) == [0, 1, 2]
    assert not label(image, ("",), "yx", ObjectRule(threshold=0.95)).pixels.any()


def test_a_boundary_divides_touching_objects_and_loses_none() -> None:
    foreground = discs((15, 12), (15, 21), (30, 40), radius=6).astype(np.float32)
    boundary = np.zeros_like(foreground)
    boundary[:, 16:18] = foreground[:, 16:18]
    boundary[24:37, 34:47] = 1  # the third is boundary all over
    image = Image(np.stack([foreground, boundary]), "cyx")
    labels = label(image, ("foreground", "boundary"), "yx")
    assert labels.axes == "yx"
    assert int(labels.pixels.max()) == 3
    assert np.array_equal(labels.pixels > 0, foreground > 0)
    assert labels.pixels[15, 10] != labels.pixels[15, 23]


def test_the_foreground_must_be_told() -> None:
    image = Image(np.zeros((2, 8, 8), np.float32), "cyx")
    with pytest.raises(ParameterError, match="foreground=1"):
        label(image, ("channel0", "channel1"), "yx")
    with pytest.raises(ParameterError, match="a number from 1 to 2"):
        label(image, ("channel0", "channel1"), "yx", ObjectRule("3"))
    assert label(image, ("background", "nuclei"), "yx").axes == "yx"


@pytest.mark.parametrize(("largest", "dtype"), [(65535, np.uint16), (65536, np.float32), (70000, np.float32)])
def test_numbers_never_wrap(largest: int, dtype: type) -> None:
    pixels = np.arange(1, largest + 1, dtype=np.int32).reshape(1, -1)
    labels = label(Image(pixels, "yx"), ("",), "yx")
    assert labels.dtype == dtype
    assert int(labels.pixels.max()) == largest == len(np.unique(labels.pixels))


def test_labels_stay_and_masks_are_divided() -> None:
    mask = discs((10, 10), (10, 30)).astype(np.uint8) * 255
    assert int(label(Image(mask, "yx"), ("",), "yx").pixels.max()) == 2
    numbered = np.where(discs((10, 10)), 7, 0) + np.where(discs((10, 30)), 9, 0)
    assert np.array_equal(label(Image(numbered.astype(np.int32), "yx"), ("",), "yx").pixels, numbered)


def test_outlines_hold_exactly_the_objects_pixels() -> None:
    noise = np.random.default_rng(3).integers(0, 4, (31, 33)).astype(np.uint16)
    noise[10:20, 10:20] = 5
    noise[13:15, 13:15] = 0  # a hole
    labels = Image(noise, "yx")
    assert np.array_equal(drawn(outlines(labels, labels), noise.shape), noise)
    ring = Image(np.pad(np.zeros((3, 3), np.uint16), 2, constant_values=1), "yx")
    assert np.array_equal(drawn(outlines(ring, ring), ring.shape), ring.pixels)


def test_outlines_stand_on_their_planes() -> None:
    labels = Image(np.broadcast_to(discs((10, 10)).astype(np.uint16), (3, 40, 50)), "tyx")
    stack = Image(np.zeros((3, 40, 50), np.uint8), "tyx")
    assert [roifile.ImagejRoi.frombytes(roi).position for roi in outlines(labels, stack)] == [1, 2, 3]
    hyperstack = Image(np.zeros((3, 2, 40, 50), np.uint8), "tcyx")
    found = [roifile.ImagejRoi.frombytes(roi) for roi in outlines(labels, hyperstack)]
    assert [(roi.t_position, roi.z_position, roi.c_position) for roi in found] == [(1, 0, 0), (2, 0, 0), (3, 0, 0)]


def test_measurements_are_calibrated() -> None:
    pixels = np.zeros((3, 20, 20), np.uint16)
    pixels[1, 4:8, 10:16] = 3
    scales = {"y": Scale(0.5, "µm", 2.0), "x": Scale(0.25, "µm"), "t": Scale(2, "s")}
    image = Image(
        np.full((3, 20, 20), 10, np.uint8), "tyx", scales=scales, intensity=Intensity("straight_line", (1.0, 2.0), "OD")
    )
    found = measure(Image(pixels, "tyx", scales=scales), image, "yx")
    assert found.columns == ("Object", "Frame", "Area", "X", "Y", "Mean")
    assert found.units == ("", "", "µm²", "µm", "µm", "OD")
    assert found.rows == ((3.0, 2.0, 24 * 0.125, 13 * 0.25, (6 - 2) * 0.5, 21.0),)


def test_volumes_and_channels() -> None:
    pixels = np.zeros((4, 9, 9), np.uint16)
    pixels[1:3, 2:4, 2:4] = 1
    image = Image(np.stack([np.full((4, 9, 9), 2.0), np.full((4, 9, 9), 5.0)], 1), "zcyx", scales={"z": Scale(3)})
    found = measure(Image(pixels, "zyx", scales={"z": Scale(3)}), image, "zyx")
    assert found.columns == ("Object", "Volume", "X", "Y", "Z", "Mean C1", "Mean C2")
    assert found.rows == ((1.0, 24.0, 3.0, 3.0, 6.0, 2.0, 5.0),)
    other = measure(Image(pixels, "zyx"), Image(np.zeros((4, 5, 5)), "zyx"), "zyx")
    assert "Mean" not in other.columns
