"""What a run does with a selection, with colours, and how it names its result."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import roifile

from bioimg_fiji.commands import find
from bioimg_fiji.commands.selection import moved
from bioimg_fiji.errors import ImageError, ParameterError
from bioimg_fiji.image import Channel, Image, Scale
from bioimg_fiji.jobs import Job
from bioimg_fiji.predict.outputs import _told
from support.zoo import Kind, write

ROWS, COLUMNS = slice(20, 60), slice(30, 90)


def rectangle(left: int, top: int, right: int, bottom: int) -> bytes:
    roi = roifile.ImagejRoi.frompoints([(left, top), (right, top), (right, bottom), (left, bottom)])
    roi.roitype = roifile.ROI_TYPE.POLYGON
    return roi.tobytes()


@pytest.fixture
def cells() -> Image:
    pixels = np.random.default_rng(3).poisson(60, (2, 96, 128)).astype(np.uint16)
    return Image(
        pixels,
        "tyx",
        title="cells.tif",
        scales={"y": Scale(0.2, "µm", 5.0), "x": Scale(0.2, "µm"), "t": Scale(2.0, "s")},
        labels=("first", "second"),
        roi=rectangle(30, 20, 90, 60),
        overlay=(rectangle(40, 30, 50, 40),),
    )


def run(image: Image, model: Path, job: Job | None = None, **keys: object) -> Image:
    return find("run_model").run({"image": image, "model": model} | keys, job).images["output"]


def alone(image: Image) -> Image:
    """The rectangle of the selection as an image of its own."""
    return dataclasses.replace(image, pixels=image.pixels[:, ROWS, COLUMNS].copy(), roi=b"", overlay=())


def test_the_result_is_placed_into_a_copy_of_the_image(cells: Image, small_model: Path) -> None:
    placed, inside = run(cells, small_model), run(alone(cells), small_model)
    np.testing.assert_array_equal(placed.pixels[:, ROWS, COLUMNS], inside.pixels)
    around = np.ones(placed.shape, bool)
    around[:, ROWS, COLUMNS] = False
    np.testing.assert_array_equal(placed.pixels[around], cells.pixels[around].astype(np.float32))
    assert (placed.title, placed.scales, placed.labels) == ("cells-denoised", cells.scales, cells.labels)
    assert (placed.roi, placed.overlay) == (cells.roi, cells.overlay)


def test_cropped_it_is_what_a_duplicate_of_the_selection_gives(cells: Image, small_model: Path) -> None:
    part, inside = run(cells, small_model, selection="crop"), run(alone(cells), small_model)
    np.testing.assert_array_equal(part.pixels, inside.pixels)
    assert part.scale("y") == Scale(0.2, "µm", 5.0 - 20)
    assert part.scale("x") == Scale(0.2, "µm", -30.0)  # as ImageJ: both origins move where one is not 0
    assert part.labels == cells.labels
    assert part.roi == b""
    before, after = (roifile.ImagejRoi.frombytes(each.overlay[0]) for each in (cells, part))
    np.testing.assert_array_equal(after.coordinates(), before.coordinates() - [30, 20])


def test_ignored_the_whole_image_is_processed(cells: Image, small_model: Path) -> None:
    whole = dataclasses.replace(cells, roi=b"")
    ignored = run(cells, small_model, selection="ignore")
    np.testing.assert_array_equal(ignored.pixels, run(whole, small_model).pixels)
    assert ignored.roi == cells.roi


@pytest.mark.parametrize("kind", ["line", "everything"])
def test_a_selection_without_an_area_or_of_everything_is_no_limit(cells: Image, small_model: Path, kind: str) -> None:
    line = roifile.ImagejRoi.frompoints([(3, 3), (60, 60)])
    line.roitype = roifile.ROI_TYPE.LINE
    roi = line.tobytes() if kind == "line" else rectangle(0, 0, 128, 96)
    whole = run(dataclasses.replace(cells, roi=b""), small_model)
    np.testing.assert_array_equal(run(dataclasses.replace(cells, roi=roi), small_model).pixels, whole.pixels)


def test_only_the_pixels_of_an_oval_are_replaced(cells: Image, small_model: Path) -> None:
    oval = roifile.ImagejRoi()
    oval.roitype, oval.left, oval.top, oval.right, oval.bottom = roifile.ROI_TYPE.OVAL, 30, 20, 90, 60
    placed = run(dataclasses.replace(cells, roi=oval.tobytes()), small_model)
    inside = run(alone(cells), small_model)
    np.testing.assert_array_equal(placed.pixels[:, 40, COLUMNS], inside.pixels[:, 20])
    np.testing.assert_array_equal(placed.pixels[:, 20, 30:34], cells.pixels[:, 20, 30:34])  # a corner


def test_around_values_of_another_kind_there_are_zeros(cells: Image, tmp_path: Path) -> None:
    package = write(Kind(), tmp_path / "package")
    image = dataclasses.replace(cells, pixels=cells.pixels.astype(np.float32))
    placed = run(image, package)
    assert (placed.size("c"), placed.size("y"), placed.size("x")) == (2, 96, 128)
    spot = placed.ordered("tcyx")
    assert not spot[:, :, :20].any()
    assert spot[:, :, ROWS, COLUMNS].any()


def test_a_result_of_another_resolution_is_not_placed_and_says_so(cells: Image, tmp_path: Path) -> None:
    notes: list[str] = []
    image = dataclasses.replace(cells, pixels=cells.pixels.astype(np.float32))
    found = run(image, write(Kind("up"), tmp_path / "package"), Job(on_note=notes.append))
    assert (found.size("y"), found.size("x")) == (80, 120)
    assert any("another size than the selection" in note for note in notes)


def test_a_selection_outside_the_image_is_an_error(cells: Image, small_model: Path) -> None:
    with pytest.raises(ImageError, match="has no pixel of the image"):
        run(dataclasses.replace(cells, roi=rectangle(200, 200, 220, 220)), small_model)


def test_a_selection_that_cannot_be_read_is_told_and_limits_nothing(cells: Image, small_model: Path) -> None:
    notes: list[str] = []
    whole = run(dataclasses.replace(cells, roi=b""), small_model)
    broken = run(dataclasses.replace(cells, roi=b"roi"), small_model, Job(on_note=notes.append))
    np.testing.assert_array_equal(broken.pixels, whole.pixels)
    assert any("cannot be read" in note for note in notes)


def test_a_wrong_word_is_told_with_the_right_ones(cells: Image, small_model: Path) -> None:
    with pytest.raises(ParameterError, match="selection") as caught:
        run(cells, small_model, selection="keep")
    assert "place, crop, ignore" in str(caught.value)


@pytest.mark.parametrize("subpixel", [False, True])
def test_regions_move_with_the_crop(subpixel: bool) -> None:
    corners = np.array([(10, 10), (20, 10), (15, 22)], np.float32 if subpixel else np.int32)
    roi = roifile.ImagejRoi.frompoints(corners)
    assert bool(roi.subpixelresolution) is subpixel
    again = roifile.ImagejRoi.frombytes(moved([roi.tobytes()], -4, 7)[0])
    np.testing.assert_allclose(again.coordinates(), roi.coordinates() + np.array([-4, 7]))


def test_colours_are_three_channels_each_by_itself(small_model: Path) -> None:
    """The rule of the command's description: a model of one channel sees red, green and blue one after the other."""
    pixels = np.random.default_rng(4).poisson(60, (3, 64, 64)).astype(np.uint8)
    colour = Image(pixels, "cyx", title="slide.tif", rgb=True)
    result = run(colour, small_model)
    assert (result.axes, result.dtype, result.rgb) == ("cyx", np.dtype(np.float32), False)
    for number in range(3):
        one = run(Image(pixels[number], "yx"), small_model)
        np.testing.assert_array_equal(result.pixels[number], one.pixels)


def test_a_model_of_three_channels_takes_the_colours_together(tmp_path: Path) -> None:
    package = write(Kind(channels=3), tmp_path / "package")
    pixels = np.random.default_rng(4).poisson(60, (3, 64, 64)).astype(np.uint8)
    together = run(Image(pixels, "cyx", rgb=True), package)
    channels = run(Image(pixels, "cyx", channels=(Channel("a"), Channel("b"), Channel("c"))), package)
    assert together.size("c") == 2
    np.testing.assert_array_equal(together.pixels, channels.pixels)


@pytest.mark.parametrize(
    ("name", "tags", "word"),
    [
        ("output0", ["denoising", "n2v"], "denoised"),
        ("out", ["2d", "Image-Restoration"], "restored"),
        ("prediction", ["semantic segmentation"], "segmented"),
        ("final_output", ["unet"], "final_output"),
        ("probabilities", ["segmentation"], "probabilities"),
    ],
)
def test_an_id_that_says_nothing_gives_way_to_the_task(
    tmp_path: Path, small_model: Path, name: str, tags: list[str], word: str
) -> None:
    from bioimg_fiji.package import open_package

    package = open_package(small_model)
    tensor = dataclasses.replace(package.outputs[0], id=name)
    assert _told(tensor, dataclasses.replace(package, outputs=(tensor,), tags=tuple(tags))) == word
