"""The commands: a model is calibrated, and runs with bounds; every way of an image gives the same ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile

from bioimg_fiji.commands import Result, find
from bioimg_fiji.commands.confidence import _other_than_intensities
from bioimg_fiji.commands.macro import PROPERTY as MACRO
from bioimg_fiji.errors import ImageError, JobCancelledError, PackageError, ParameterError, StorageError
from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.files.source import map_raw, raw_file
from bioimg_fiji.image import Channel, Image, Scale
from bioimg_fiji.intensity import Intensity
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.package import open_package
from bioimg_fiji.package.attachments import attachments_of
from bioimg_fiji.predict import PROPERTY
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package, write_random_unet
from bioimg_fiji.trust import intervals
from bioimg_fiji.trust.attach import with_attachments
from bioimg_fiji.trust.conformal import Sample, SpreadKind, calibration_of, dumps, pixels_sha256

BOUNDS = {"lower", "upper", "confidence"}


@pytest.fixture(autouse=True)
def _cache(cache: Path) -> None:
    cache.mkdir()


def picture(axes: str = "yx", seed: int = 0, dtype: str = "uint16") -> Image:
    sizes = {"t": 2, "c": 2, "y": 40, "x": 48}
    pixels = np.random.default_rng(seed).normal(100, 10, [sizes[letter] for letter in axes]).astype(dtype)
    scales = {"x": Scale(0.5, "µm"), "y": Scale(0.5, "µm")}
    channels = tuple(Channel(name, b"", (0.0, 200.0)) for name in ("DAPI", "GFP")) if "c" in axes else ()
    properties = {"Info": "from a microscope"}
    return Image(pixels, axes, title="raw.tif", scales=scales, channels=channels, properties=properties)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with a calibration of 25 images whose factor is 2 or so."""
    package = write_random_unet(tmp_path / "plain.zip")
    rng = np.random.default_rng(0)
    samples = [Sample(str(n), "", 2 * rng.normal(size=500), np.ones(500), 500) for n in range(25)]
    content = dumps(calibration_of("augmentation", samples))
    with_attachments(package, {"confidence.json": content}, {}, tmp_path / "model.zip")
    return tmp_path / "model.zip"


def run(model: Path, image: Image, **more: Any) -> Result:
    return find("run_model").run({"image": image, "model": model, **more})


def same(one: Image, other: Image) -> None:
    assert one.header() == other.header()
    assert one.pixels.tobytes() == other.pixels.tobytes()


@pytest.mark.parametrize("axes", ["yx", "tcyx"])
def test_bounds_around_the_plain_result(model: Path, axes: str) -> None:
    image = picture(axes)
    plain, found = run(model, image), run(model, image, confidence=90)
    assert set(found.images) == {"output", *BOUNDS}
    line = {MACRO: ""}  # it has the keys
    same(
        *(
            dataclasses.replace(each.images["output"], properties={**each.images["output"].properties, **line})
            for each in (found, plain)
        )
    )
    output = found.images["output"].pixels
    lower, upper, width = (found.images[name] for name in ("lower", "upper", "confidence"))
    assert [each.title for each in (lower, upper, width)] == ["raw-lower", "raw-upper", "raw-confidence"]
    assert (lower.pixels < output).all()
    assert (upper.pixels > output).all()
    np.testing.assert_allclose(width.pixels, upper.pixels - lower.pixels, atol=1e-3)
    for each in (lower, upper, width):
        assert each.dtype == np.float32
        assert (each.axes, each.shape) == (found.images["output"].axes, output.shape)
        assert each.scales == image.scales
        assert [channel.name for channel in each.channels] == [channel.name for channel in image.channels]
        assert each.properties["Info"].startswith("from a microscope\nBounds of 90 % confidence, empirical (25 images)")
        assert json.loads(each.properties[PROPERTY])["confidence"]["confidence_label"] == "empirical (25 images)"
    assert found.figures["confidence_level"] == 90
    assert found.figures["confidence_label"] == "empirical (25 images)"
    assert found.figures["interval_width"] == pytest.approx(float(width.pixels.mean()), rel=1e-5)
    notes: list[str] = []
    find("run_model").run({"image": image, "model": model, "confidence": 90}, Job(on_note=notes.append))
    assert notes.count("Bounds of 90 % confidence, empirical (25 images); spread by augmentation.") == 1


def test_higher_levels_and_certified_bounds_are_wider(model: Path) -> None:
    widths = [
        float(run(model, picture(), confidence=level, bounds=bounds).figures["interval_width"])
        for level, bounds in ((50, "average"), (90, "average"), (90, "certified"), (99, "average"))
    ]
    assert widths[0] < widths[1] < widths[2]
    assert widths[1] < widths[3]
    certified = run(model, picture(), confidence=90, bounds="certified")
    assert certified.figures["confidence_label"] == "certified (25 images, with probability 90 %)"
    with pytest.raises(ParameterError, match="takes 45 independent calibration images, and the package has 25"):
        run(model, picture(), confidence=95, bounds="certified")


@pytest.mark.parametrize("selection", ["place", "crop"])
def test_bounds_of_a_selection(model: Path, selection: str) -> None:
    roi = roifile.ImagejRoi.frompoints([[8, 4], [40, 4], [40, 30], [8, 30]])
    image = dataclasses.replace(picture(), roi=roi.tobytes())
    found = run(model, image, confidence=90, selection=selection)
    shapes = {each.shape for each in found.images.values()}
    assert shapes == {image.shape if selection == "place" else (26, 32)}
    if selection == "place":
        outside = np.ones(image.shape, bool)
        outside[4:30, 8:40] = False
        for name in BOUNDS:
            np.testing.assert_array_equal(np.isnan(found.images[name].pixels), outside)  # nothing is known there
        assert (found.images["confidence"].pixels[4:30, 8:40] > 0).all()
        np.testing.assert_array_equal(found.images["output"].pixels[outside], image.pixels[outside])
        width = np.nanmean(found.images["confidence"].pixels)
        assert found.figures["interval_width"] == pytest.approx(width, rel=1e-5)


def test_width_in_an_oval_is_that_of_what_is_shown(model: Path) -> None:
    oval = roifile.ImagejRoi()
    oval.roitype, oval.left, oval.top, oval.right, oval.bottom = roifile.ROI_TYPE.OVAL, 8, 4, 40, 30
    image = dataclasses.replace(picture("tyx"), roi=oval.tobytes())
    found = run(model, image, confidence=90)
    width = found.images["confidence"].pixels
    assert np.isnan(width[:, 4, 8]).all()  # a corner of its rectangle
    assert found.figures["interval_width"] == pytest.approx(float(np.nanmean(width.astype(np.float64))), rel=1e-9)


@pytest.mark.parametrize("intensity", [None, Intensity("straight_line", (-100.0, 0.5), "photons")])
def test_by_parts_and_in_memory_are_the_same(model: Path, tmp_path: Path, intensity: Intensity | None) -> None:
    image = dataclasses.replace(picture("tyx"), intensity=intensity)
    (tmp_path / "pixels").write_bytes(image.pixels.tobytes())
    stored = dataclasses.replace(image, pixels=map_raw(tmp_path / "pixels", image.shape, image.dtype))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    values = {"model": model, "confidence": 90, "tile": 32}
    within = find("run_model").run({"image": image, **values})
    large = find("run_model").run({"image": stored, **values}, Job(scratch=scratch))
    assert set(large.images) == {"output", *BOUNDS}
    for name, each in large.images.items():
        assert raw_file(each) is not None
        same(each, within.images[name])
    assert sorted(path.name for path in scratch.iterdir()) == [f"{name}.raw" for name in sorted(within.images)]
    plain = run(model, picture("tyx"), confidence=90, tile=32)
    factor = 1.0 if intensity is None else 0.5
    np.testing.assert_allclose(
        within.images["confidence"].pixels, factor * plain.images["confidence"].pixels, rtol=1e-3
    )


def test_files_have_their_bounds_beside_them(model: Path, tmp_path: Path) -> None:
    image = picture("tyx")
    write_image(image, tmp_path / "raw.tif")
    values = {"input": tmp_path / "raw.tif", "model": model, "confidence": 90, "tile": 32}
    found = find("run_file").run({**values, "output": tmp_path / "out.ome.tif"})
    expected = run(model, read_image(tmp_path / "raw.tif"), confidence=90, tile=32)
    assert {path.name for path in found.files.values()} == {
        "out.ome.tif", "out-lower.ome.tif", "out-upper.ome.tif", "out-confidence.ome.tif"
    }  # fmt: skip
    for name, path in found.files.items():
        np.testing.assert_array_equal(read_image(path).pixels, expected.images[name].pixels)
    assert found.figures["interval_width"] == pytest.approx(expected.figures["interval_width"])
    left = {path.name for path in tmp_path.iterdir()} - {"cache", "plain.zip", "model.zip", "raw.tif"}
    assert left == {path.name for path in found.files.values()}


def test_never_without_a_calibration(model: Path, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"no calibrated confidence.*\(calibrate\)"):
        run(tmp_path / "plain.zip", picture(), confidence=90)
    with pytest.raises(ParameterError, match="left out without a confidence"):
        run(model, picture(), bounds="certified")
    with pytest.raises(ParameterError, match="augmentation \\(or auto\\)"):
        run(model, picture(), confidence=90, spread="head")
    with pytest.raises(ParameterError, match="at least 50"):
        run(model, picture(), confidence=40)
    package = open_package(model)
    with_attachments(package, {"confidence.json": b'{"version": 1}'}, {}, tmp_path / "broken.zip")
    with pytest.raises(PackageError, match=r"confidence\.json\) is damaged"):
        run(tmp_path / "broken.zip", picture(), confidence=90)


def pairs(folder: Path, model: Path, count: int, scatter: float = 3.0) -> None:
    """Write raw images, and truths that the model's results miss by `scatter`."""
    rng = np.random.default_rng(9)
    for name in ("raw", "true"):
        (folder / name).mkdir()
    for number in range(count):
        image = dataclasses.replace(picture(seed=100 + number, dtype="float32"), title=f"{number}.tif")
        result = run(model, image).images["output"]
        truth = result.with_pixels(result.pixels + np.float32(rng.normal(0, scatter, result.shape)))
        write_image(image, folder / "raw" / f"{number}.tif")
        write_image(truth, folder / "true" / f"{number}.tif")


def test_calibrate_on_folders(tmp_path: Path) -> None:
    write_random_unet(tmp_path / "plain.zip")
    pairs(tmp_path, tmp_path / "plain.zip", 6)
    found = find("calibrate").run(
        {
            "model": tmp_path / "plain.zip",
            "source": tmp_path / "raw",
            "truth_source": tmp_path / "true",
            "output": tmp_path / "calibrated.zip",
        }
    )
    table = found.tables["calibration"]
    assert table.columns == ("image", "raw_coverage", "coverage", "interval_width", "ause_of_random")
    assert [row[0] for row in table.rows] == [f"{number}.tif" for number in range(6)]
    assert found.figures["images"] == 6
    assert found.figures["raw_coverage"] < 0.3  # what the spread said of itself
    assert found.figures["coverage"] == pytest.approx(0.9, abs=0.03)
    assert "takes 22 independent ones" in found.notes[0]
    copy = open_package(tmp_path / "calibrated.zip")
    assert "confidence.json" in attachments_of(copy)
    assert copy.own["trust"]["confidence"]["label"] == "empirical (6 images)"
    image = picture(seed=7, dtype="float32")
    bounds = run(tmp_path / "calibrated.zip", image, confidence=90)
    true = bounds.images["output"].pixels + np.random.default_rng(1).normal(0, 3, image.shape)
    low, high = bounds.images["lower"].pixels, bounds.images["upper"].pixels
    assert np.mean((low <= true) & (true <= high)) == pytest.approx(0.9, abs=0.05)
    plain = run(tmp_path / "plain.zip", image).images["output"]
    assert bounds.images["output"].pixels.tobytes() == plain.pixels.tobytes()


def test_an_ensemble_is_calibrated_with_its_members(tmp_path: Path) -> None:
    write_random_unet(tmp_path / "plain.zip")
    write_random_unet(tmp_path / "other.zip", mean=104.0)
    pairs(tmp_path, tmp_path / "plain.zip", 2)
    values = {"source": tmp_path / "raw", "target_source": tmp_path / "true", "ensemble": str(tmp_path / "other.zip")}
    find("calibrate").run({"model": tmp_path / "plain.zip", "output": tmp_path / "both.zip", **values})
    found = run(tmp_path / "both.zip", picture(), confidence=80, ensemble=str(tmp_path / "other.zip"))
    assert found.figures["spread"] == "ensemble"
    with pytest.raises(ParameterError, match="the models that Random U-Net was calibrated with"):
        run(tmp_path / "both.zip", picture(), confidence=80)
    with pytest.raises(ParameterError, match="the models that Random U-Net was calibrated with"):
        run(tmp_path / "both.zip", picture(), confidence=80, ensemble=str(tmp_path / "plain.zip"))


def calibrate(tmp_path: Path, image: Image, **more: Any) -> Result:
    return find("calibrate").run({"image": image, "model": tmp_path / "m.zip", "output": tmp_path / "o.zip", **more})


def test_what_calibrate_refuses(tmp_path: Path) -> None:
    image = picture(dtype="float32")
    provenance = {"method": "care", "data": {"images": [pixels_sha256(image.pixels)]}}
    write_random_unet(tmp_path / "m.zip", provenance=provenance)
    other = picture(seed=5, dtype="float32")
    with pytest.raises(ImageError, match="was trained on raw"):
        calibrate(tmp_path, image, target=other)
    with pytest.raises(ImageError, match="counted twice"):
        calibrate(tmp_path, other, images=(other,), target=other, targets=(other,))
    with pytest.raises(ParameterError, match=r"There is no truth.*trained with care"):
        calibrate(tmp_path, other)
    with pytest.raises(ImageError, match="has 20 along y"):
        calibrate(tmp_path, other, target=other.with_pixels(other.pixels[:20]))
    with pytest.raises(ParameterError, match="as many as the images"):
        calibrate(tmp_path, other, images=(image,), target=other)
    assert not (tmp_path / "o.zip").exists()


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (FakeModel(config={"values": "probability"}), "probability"),
        (FakeModel(config={}, post=({"id": "sigmoid"},)), "probabilities"),
        (FakeModel(config={}, post=({"id": "binarize", "kwargs": {"threshold": 0.5}},)), "a mask"),
        (FakeModel(config={}, post=({"id": "scale_linear", "kwargs": {"gain": 2.0, "offset": 0.0}},)), ""),
    ],
)
def test_calibrate_refuses_what_gives_no_intensities(tmp_path: Path, model: FakeModel, what: str) -> None:
    write_fake_package(tmp_path / "m.zip", model)
    image = picture(dtype="float32")
    if what:
        with pytest.raises(ParameterError, match=f"restored image.*gives {what}"):
            calibrate(tmp_path, image)  # before it asks for a truth
        assert not (tmp_path / "o.zip").exists()
    else:
        assert calibrate(tmp_path, image, target=picture(seed=2, dtype="float32")).files["model"].is_file()


def test_a_foreign_segmentation_is_known_by_its_tags(tmp_path: Path) -> None:
    package = dataclasses.replace(write_fake_package(tmp_path / "m.zip", FakeModel(config={})), tags=("unet",))
    assert _other_than_intensities(package) == ""
    for tags, what in ((("nuclei", "instance-segmentation"), "a segmentation"), (("denoising", "segmentation"), "")):
        assert _other_than_intensities(dataclasses.replace(package, tags=tags)) == what


def test_without_a_truth_small_images_are_refused(tmp_path: Path) -> None:
    write_random_unet(tmp_path / "m.zip", provenance={"method": "n2v"})
    with pytest.raises(ImageError, match="without a truth: there are"):
        calibrate(tmp_path, picture(dtype="float32"))


def test_neither_a_result_nor_its_spread_lies_there_before_the_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write_random_unet(tmp_path / "plain.zip", spread=True)
    samples = [Sample(str(n), "", np.ones(500), np.ones(500), 500) for n in range(3)]
    with_attachments(package, {"confidence.json": dumps(calibration_of("head", samples))}, {}, tmp_path / "m.zip")
    write_image(picture(), tmp_path / "raw.tif")

    def fail(*_: object) -> None:
        raise StorageError("The disk is full.")

    values = {"input": tmp_path / "raw.tif", "model": tmp_path / "m.zip", "output": tmp_path / "out.ome.tif"}
    for level in (80, 90):
        with monkeypatch.context() as patch:
            patch.setattr("bioimg_fiji.trust.intervals._bounded", fail)
            reports: list[Progress] = []
            with pytest.raises(StorageError, match="full"):
                find("run_file").run({**values, "confidence": level}, Job(reports.append))
        assert "Tiles" in {report.message for report in reports}  # another level is another run
        assert [path.name for path in tmp_path.glob("out*")] == ["out.ome.tif.part"]
    reports.clear()
    files = find("run_file").run({**values, "confidence": 90}, Job(reports.append)).files
    assert not reports  # the model is not run again
    assert {path.name for path in tmp_path.glob("out*")} == {path.name for path in files.values()}
    expected = run(tmp_path / "m.zip", picture(), confidence=90).images
    for name in BOUNDS:
        np.testing.assert_array_equal(read_image(files[name]).pixels, expected[name].pixels)


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
@pytest.mark.parametrize("message", ["Tiles", "Confidence, run 3 of 7: Tiles"])
def test_a_run_on_a_file_that_was_stopped_goes_on(model: Path, tmp_path: Path, suffix: str, message: str) -> None:
    frames = np.stack([picture(seed=seed).pixels for seed in range(5)])
    write_image(picture("tyx").with_pixels(frames), tmp_path / "raw.tif")
    values = {"input": tmp_path / "raw.tif", "model": model, "confidence": 90}
    expected = find("run_file").run({**values, "output": tmp_path / f"whole{suffix}"}).files
    values["output"] = tmp_path / f"out{suffix}"

    def stop(report: Progress) -> None:
        if report.message == message and report.current == 4:
            job.cancel()

    job = Job(stop)
    with pytest.raises(JobCancelledError) as caught:
        find("run_file").run(values, job)
    assert caught.value.fix.startswith("The same command goes on")
    assert [path.name for path in tmp_path.glob("out*")] == [f"out{suffix}.part"]
    reports: list[Progress] = []
    files = find("run_file").run(values, Job(reports.append)).files
    tiles = [report for report in reports if report.message.endswith("Tiles")]
    assert tiles[0].message == message
    assert 1 <= tiles[0].current <= 4
    assert {path.name for path in tmp_path.glob("out*")} == {path.name for path in files.values()}
    for name, path in files.items():
        np.testing.assert_array_equal(read_image(path).pixels, read_image(expected[name]).pixels)


@pytest.mark.parametrize(("owner", "name"), [(intervals._FileSums, "mark"), (intervals, "put_in_place")])
def test_no_member_is_summed_twice(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    """Killed when the sums are written and the diary is not, and when some files are in their places."""
    write_image(picture(), tmp_path / "raw.tif")
    values = {"input": tmp_path / "raw.tif", "model": model, "output": tmp_path / "out.ome.tif", "confidence": 90}
    real = getattr(owner, name)
    calls: list[object] = []

    def die(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise StorageError("Killed.")
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, die)
        with pytest.raises(StorageError, match="Killed"):
            find("run_file").run(values)
    assert not (tmp_path / "out.ome.tif").exists()
    files = find("run_file").run(values).files
    expected = run(model, picture(), confidence=90).images
    for each, path in files.items():
        np.testing.assert_array_equal(read_image(path).pixels, expected[each].pixels)
    assert {path.name for path in tmp_path.glob("out*")} == {path.name for path in files.values()}


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_a_learnt_spread_takes_no_place_of_a_file(tmp_path: Path, suffix: str) -> None:
    package = write_random_unet(tmp_path / "plain.zip", spread=True)
    samples = [Sample(str(n), "", np.ones(500), np.ones(500), 500) for n in range(3)]
    with_attachments(package, {"confidence.json": dumps(calibration_of("head", samples))}, {}, tmp_path / "m.zip")
    write_image(picture(), tmp_path / "raw.tif")
    own = tmp_path / f"out-spread{suffix}"
    own.write_bytes(b"the user's")
    values = {"input": tmp_path / "raw.tif", "model": tmp_path / "m.zip", "output": tmp_path / f"out{suffix}"}
    found = find("run_file").run({**values, "confidence": 90}).files
    assert own.read_bytes() == b"the user's"
    assert {path.name for path in tmp_path.glob("out*")} == {own.name, *(path.name for path in found.values())}
    expected = run(tmp_path / "m.zip", picture(), confidence=90).images
    for name, path in found.items():
        np.testing.assert_array_equal(read_image(path).pixels, expected[name].pixels)


@pytest.mark.parametrize("kind", ["head", "augmentation"])
def test_a_straight_line_scales_spread_and_floor_and_no_width_is_negative(tmp_path: Path, kind: SpreadKind) -> None:
    """Whatever the slope's sign, and by files too; the floor is as large as the spread here."""
    package = write_random_unet(tmp_path / "plain.zip", spread=True)
    samples = [Sample(str(n), "", np.full(500, 9.0), np.ones(500), 500) for n in range(3)]
    content = dumps(calibration_of(kind, samples, floor=9.0))
    with_attachments(package, {"confidence.json": content}, {}, tmp_path / "m.zip")
    plain = run(tmp_path / "m.zip", picture(), confidence=90)
    line = dataclasses.replace(picture(), intensity=Intensity("straight_line", (1000.0, -0.5), "nM"))
    found = run(tmp_path / "m.zip", line, confidence=90)
    width = plain.images["confidence"].pixels
    np.testing.assert_allclose(found.images["confidence"].pixels, 0.5 * width, rtol=1e-3)
    assert (found.images["lower"].pixels < found.images["output"].pixels).all()
    np.testing.assert_allclose(found.images["lower"].pixels, 1000 - 0.5 * plain.images["upper"].pixels, rtol=1e-4)
    write_image(line, tmp_path / "raw.tif")
    values = {"input": tmp_path / "raw.tif", "model": tmp_path / "m.zip", "output": tmp_path / "out.ome.tif"}
    files = find("run_file").run({**values, "confidence": 90}).files
    for name, path in files.items():
        np.testing.assert_allclose(read_image(path).pixels, found.images[name].pixels, rtol=1e-6)
    curved = dataclasses.replace(picture(), intensity=Intensity("poly2", (0.0, 1.0, 0.1), "nM"))
    with pytest.raises(ImageError, match="None, or run the model without a confidence"):
        run(tmp_path / "m.zip", curved, confidence=90)
