"""The command `evaluate`: which metrics it takes, where it measures, and what it tells."""

from __future__ import annotations

import dataclasses
import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile
import tifffile
from scipy.ndimage import gaussian_filter

from bioimg_fiji import metrics
from bioimg_fiji.commands import Result, find
from bioimg_fiji.commands.evaluate import RESULTS, SUMMARY
from bioimg_fiji.errors import AxesError, FileFormatError, ImageError, ParameterError, StorageError
from bioimg_fiji.evaluate import kind_of
from bioimg_fiji.evaluate.parents import read_parents
from bioimg_fiji.files import write_image
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.intensity import Intensity
from bioimg_fiji.jobs import Job
from bioimg_fiji.train import synthetic

RNG = np.random.default_rng


def run(image: Image, **values: Any) -> Result:
    """Run the command."""
    return find("evaluate").run({"image": image, **values})


def column(result: Result, name: str, table: str = RESULTS) -> list[Any]:
    """Give a column of a table."""
    found = result.tables[table]
    return [row[list(found.columns).index(name)] for row in found.rows]


def scene(seed: int, side: int = 192) -> np.ndarray:
    return gaussian_filter(RNG(seed).normal(size=(side, side)), 4) * 400 + 100


def pair(side: int = 192, **more: Any) -> tuple[Image, Image]:
    truth = scene(0, side).astype(np.float32)
    noisy = (truth + RNG(1).normal(0, 10, truth.shape)).astype(np.float32)
    return Image(noisy, "yx", **more), Image(truth, "yx", **more)


def square(top: int, left: int, side: int, **more: Any) -> bytes:
    roi = roifile.ImagejRoi.frompoints([(left, top), (left + side, top), (left + side, top + side), (left, top + side)])
    for name, value in more.items():
        setattr(roi, name, value)
    return bytes(roi.tobytes())


def test_intensities_get_all_that_suits_them() -> None:
    scales = {"x": Scale(0.5, "micron"), "y": Scale(0.5, "micron")}
    image, truth = pair(scales=scales)
    result = run(image, truth=truth)
    found = result.figures
    assert (found["kind"], found["rows"]) == ("intensity", 1)
    a, b = truth.pixels, image.pixels
    assert found["psnr"] == pytest.approx(metrics.psnr(a, b))
    assert found["si_psnr"] == pytest.approx(metrics.si_psnr(a, b))
    assert found["ssim"] == pytest.approx(metrics.ssim(a, b))
    assert found["ms_ssim"] == pytest.approx(metrics.ms_ssim(a, b))
    assert found["nrmse"] == pytest.approx(metrics.nrmse(a, b))
    assert found["roi_slope"] == pytest.approx(metrics.roi_slope(a, b))
    assert abs(found["bias"]) < 0.01
    assert found["frc"] == pytest.approx(metrics.frc_resolution(metrics.frc(a, b)) * 0.5)
    assert found["decorrelation"] == pytest.approx(metrics.decorrelation(b).resolution * 0.5)
    table = result.tables[RESULTS]
    units = dict(zip(table.columns, table.units, strict=True))
    assert (units["psnr"], units["frc"], units["ssim"]) == ("dB", "micron", "")
    assert SUMMARY not in result.tables  # one row tells all
    assert result.notes == ()


def test_lengths_of_pixels_that_are_not_square_are_told_in_pixels() -> None:
    image, truth = pair(64, scales={"y": Scale(0.4, "micron"), "x": Scale(0.1, "micron")})
    result = run(image, truth=truth, metrics="frc decorrelation psnr")
    assert result.figures["frc"] == pytest.approx(metrics.frc_resolution(metrics.frc(truth.pixels, image.pixels)))
    assert result.figures["decorrelation"] == pytest.approx(metrics.decorrelation(image.pixels).resolution)
    assert result.tables[RESULTS].units == ("dB", "pixels", "pixels")
    (note,) = result.notes
    assert note.startswith("Pixels are 0.4 micron high and 0.1 micron wide: frc and decorrelation")
    assert run(image, truth=truth, metrics="psnr").notes == ()
    blind = run(image, raw=truth)
    assert "frc_before" in blind.figures
    assert "frc_before_scaled" not in blind.figures


def test_a_row_for_each_channel_slice_and_frame() -> None:
    truth = np.stack([scene(n, 32) for n in range(12)]).reshape(2, 3, 2, 32, 32)
    image = truth + RNG(0).normal(0, 5, truth.shape)
    image[1, 2, 0] = truth[1, 2, 0]
    result = run(Image(image, "tzcyx"), truth=Image(truth, "tzcyx"), metrics="psnr, ssim psnr", roi="whole")
    table = result.tables[RESULTS]
    assert table.columns == ("Frame", "Channel", "Slice", "psnr", "ssim")
    assert len(table.rows) == 12
    rows = {tuple(row[:3]): row[3:] for row in table.rows}
    assert rows[2, 1, 3][0] == "Infinity"
    span = np.ptp(truth[:, :, 1])
    assert rows[1, 2, 2] == pytest.approx(
        (metrics.psnr(truth[0, 1, 1], image[0, 1, 1], span), metrics.ssim(truth[0, 1, 1], image[0, 1, 1], span))
    )
    assert result.figures["psnr"] == "Infinity"
    assert result.figures["ssim"] == pytest.approx(np.mean(column(result, "ssim")))
    assert column(result, "metric", SUMMARY) == ["psnr", "ssim"]
    assert column(result, "unit", SUMMARY) == ["dB", ""]


def test_small_images_say_what_they_have_no_value_for() -> None:
    image, truth = pair(64)
    result = run(image, truth=truth)
    assert "ms_ssim" not in result.figures
    (note,) = result.notes
    assert note == "ms_ssim has no value: y and x must be at least 176 for five scales, but they are (64, 64)."
    with pytest.raises(ParameterError, match="ms_ssim cannot be measured: y and x must be at least 176"):
        run(image, truth=truth, metrics="psnr ms_ssim")


def test_pixels_that_are_not_finite_are_told() -> None:
    image, truth = pair(64)
    pixels = np.stack([image.pixels, image.pixels])
    pixels[1, 3, 3] = np.nan
    movie, real = Image(pixels, "tyx"), Image(np.stack([truth.pixels] * 2), "tyx")
    result = run(movie, truth=real, metrics="psnr")
    assert column(result, "psnr") == [pytest.approx(metrics.psnr(truth.pixels, image.pixels)), None]
    (note,) = result.notes
    assert note.startswith("psnr has no value in 1 of 2 rows: the image has pixels that are NaN or infinite (1): ")
    assert note.endswith("(frame 2).")
    around = Image(pixels, "tyx", roi=square(10, 10, 40))
    assert None not in column(run(around, truth=real, metrics="psnr"), "psnr")


def test_a_selection_is_all_that_is_measured() -> None:
    image, truth = pair(96, roi=square(16, 24, 32))
    result = run(image, truth=truth, metrics="psnr ssim nrmse roi_slope")
    inside = np.s_[16:48, 24:56]
    a, b, span = truth.pixels, image.pixels, float(np.ptp(truth.pixels))
    assert result.figures["psnr"] == pytest.approx(metrics.psnr(a[inside], b[inside], span))
    assert result.figures["nrmse"] == pytest.approx(metrics.nrmse(a[inside], b[inside], "range", span))
    assert result.figures["roi_slope"] == pytest.approx(metrics.roi_slope(a[inside], b[inside]))
    assert result.figures["ssim"] == pytest.approx(metrics.ssim_map(a, b)[inside].mean())
    whole = run(image, truth=truth, metrics="psnr", roi="whole", data_range=100)
    assert whole.figures["psnr"] == pytest.approx(metrics.psnr(a, b, 100))


def test_each_region_has_a_row_and_all_have_a_slope(tmp_path: Path) -> None:
    image, truth = pair(96)
    flat = Image(0.7 * truth.pixels + 30, "yx", overlay=(square(8, 8, 20), square(50, 60, 15), square(60, 8, 9)))
    result = run(flat, truth=truth, roi="regions")
    assert column(result, "Region") == [1, 2, 3]
    assert column(result, "true_mean")[0] == pytest.approx(truth.pixels[8:28, 8:28].mean())
    assert result.figures["roi_slope"] == pytest.approx(0.7, abs=1e-4)
    assert "roi_slope" not in result.tables[RESULTS].columns
    roifile.roiwrite(tmp_path / "set.zip", [roifile.ImagejRoi.frombytes(each) for each in flat.overlay])
    from_file = run(Image(flat.pixels, "yx"), truth=truth, roi="regions", rois=tmp_path / "set.zip")
    assert from_file.tables[RESULTS].rows == result.tables[RESULTS].rows
    with pytest.raises(ImageError, match="no areas in its overlay"):
        run(image, truth=truth, roi="regions")


def test_regions_of_background_have_no_bias() -> None:
    pixels = np.full((60, 60), 100.5)
    pixels[:30, :30] = 1000
    pixels[40:45, 40:45] = 90
    pixels[40:50, 10:20] = 110
    drawn = Image(pixels + 10, "yx", overlay=(square(0, 0, 30), square(40, 40, 5), square(40, 10, 10)))
    found = run(drawn, truth=Image(pixels, "yx"), roi="regions", metrics="bias")
    assert column(found, "bias") == [pytest.approx(10 / 899.5), None, None]
    (note,) = found.notes
    assert note.startswith("bias has no value in 2 of 3 rows: the region is background: it has less than a tenth")
    with pytest.raises(ParameterError, match="bias cannot be measured: the region is background"):
        run(Image(pixels + 10, "yx", roi=square(40, 40, 5)), truth=Image(pixels, "yx"), metrics="bias")
    with pytest.raises(ValueError, match="no signal above the offset"):
        metrics.mean_bias(np.full(4, 95.0), np.full(4, 100.0), offset=98)


def test_movies_tell_whether_activity_comes_out() -> None:
    photons, weights = synthetic.movie("spikes", frames=60)
    noisy = synthetic.expose(photons, RNG(0))
    real = synthetic.truth(photons)
    late = np.roll(noisy, 1, axis=0)  # as sharp, but each event in another frame
    movie = Image(late.astype(np.float32), "tyx")
    truth = Image(real.astype(np.float32), "tyx")
    lost = run(movie, truth=truth, metrics="trace_correlation amplitude_slope").figures
    kept = run(Image(noisy.astype(np.float32), "tyx"), truth=truth).figures
    assert lost["trace_correlation"] < 0.3 < 0.8 < kept["trace_correlation"]
    assert kept["amplitude_slope"] == pytest.approx(1, abs=0.1)
    drawn = Image(movie.pixels, "tyx", overlay=(square(20, 20, 12), square(40, 50, 12)))
    by_hand = [np.pad(np.ones((12, 12)), ((20, 0), (20, 0))), np.pad(np.ones((12, 12)), ((40, 0), (50, 0)))]
    by_hand = [np.pad(w, ((0, real.shape[1] - w.shape[0]), (0, real.shape[2] - w.shape[1]))) for w in by_hand]
    found = run(drawn, truth=truth, roi="regions", metrics="trace_correlation").figures
    wanted = metrics.trace_correlation(truth.pixels, movie.pixels, by_hand)
    assert found["trace_correlation"] == pytest.approx(wanted, abs=1e-6)
    assert len(weights) > 0
    holed = movie.pixels.copy()
    holed[3, 0, 0] = np.nan
    with pytest.raises(ParameterError, match="trace_correlation cannot be measured: the image has pixels that are NaN"):
        run(Image(holed, "tyx"), truth=truth, metrics="trace_correlation")
    inside = Image(holed, "tyx", roi=square(16, 16, 64))
    a, b = (each[:, 16:80, 16:80] for each in (truth.pixels, movie.pixels))
    wanted = run(Image(b, "tyx"), truth=Image(a, "tyx"), metrics="trace_correlation").figures["trace_correlation"]
    assert run(inside, truth=truth, metrics="trace_correlation").figures["trace_correlation"] == pytest.approx(wanted)


def test_intervals_are_judged_by_coverage_and_order() -> None:
    truth = scene(0, 64)
    sigma = np.where(np.arange(64) < 32, 2.0, 20.0) * np.ones((64, 1))
    image = truth + RNG(0).normal(0, 1, truth.shape) * sigma
    low, high = (Image(image + sign * 1.645 * sigma, "yx") for sign in (-1, 1))
    found = run(Image(image, "yx"), truth=Image(truth, "yx"), lower=low, upper=high).figures
    assert found["coverage"] == pytest.approx(0.9, abs=0.02)
    assert found["interval_width"] == pytest.approx(2 * 1.645 * 11)
    assert 0 < found["ause_of_random"] < 0.5
    with pytest.raises(ParameterError, match="upper"):
        run(Image(image, "yx"), truth=Image(truth, "yx"), lower=low)
    with pytest.raises(ParameterError, match="coverage cannot be measured: it needs lower and upper"):
        run(Image(image, "yx"), truth=Image(truth, "yx"), metrics="coverage")


def test_with_a_raw_image_too_its_psnr_stands_beside() -> None:
    image, truth = pair(64)
    blurred = Image(gaussian_filter(image.pixels, 1.5), "yx")
    found = run(blurred, truth=truth, raw=image).figures
    assert found["psnr_raw"] == pytest.approx(metrics.psnr(truth.pixels, image.pixels))
    assert found["psnr"] > found["psnr_raw"] + 3


def test_without_a_truth_the_raw_image_is_asked() -> None:
    photons = synthetic.phantom(seed=1) * 10
    raw = Image(synthetic.expose(photons, RNG(0)).astype(np.float32), "yx")
    real = synthetic.truth(photons)
    good = run(Image(real.astype(np.float32), "yx"), raw=raw)
    bad = run(Image((0.8 * (real - real.mean()) + real.mean()).astype(np.float32), "yx"), raw=raw)
    assert good.figures["kind"] == "blind"
    assert good.figures["roi_slope"] == pytest.approx(1, abs=0.02)
    assert bad.figures["roi_slope"] == pytest.approx(0.8, abs=0.02)
    assert len(good.notes) > 3
    assert "roi_slope" in good.tables[RESULTS].columns
    few = run(Image(real, "yx"), raw=raw, metrics="noise_sigma").figures
    assert set(few) == {"kind", "rows", "noise_sigma"}


def test_without_a_truth_a_selection_is_its_rectangle() -> None:
    """Correlations of neighbours and of frequencies need a rectangle: of an oval its own is measured, and told."""
    photons = synthetic.phantom(seed=1) * 10
    raw = Image(synthetic.expose(photons, RNG(0)).astype(np.float32), "yx")
    result = Image(synthetic.truth(photons).astype(np.float32), "yx")
    notes: list[str] = []
    job = Job(on_note=notes.append)

    def figures(roi: bytes) -> Any:
        values = {"image": dataclasses.replace(result, roi=roi), "raw": raw}
        return find("evaluate").run(values, job).figures

    oval = roifile.ImagejRoi()
    oval.roitype, oval.left, oval.top, oval.right, oval.bottom = roifile.ROI_TYPE.OVAL, 20, 20, 116, 116
    rectangle = figures(square(20, 20, 96))
    assert notes == []
    assert figures(oval.tobytes()) == rectangle != figures(b"")
    assert notes == ["Without a truth all of the selection's bounding rectangle is measured (image)."]


def test_labels_get_metrics_of_objects() -> None:
    truth = np.zeros((60, 60), np.uint16)
    truth[5:15, 5:15], truth[30:40, 30:40] = 1, 2
    found = np.zeros_like(truth)
    found[5:15, 7:17], found[50:54, 2:8] = 7, 9
    result = run(Image(found, "yx"), truth=Image(truth, "yx"))
    figures = result.figures
    assert (figures["kind"], figures["true"], figures["found"]) == ("labels", 2, 2)
    assert [figures[f"ap{each}"] for each in (50, 60, 70, 80, 90)] == pytest.approx([1 / 3, 1 / 3, 0, 0, 0])
    assert figures["f1"] == pytest.approx(0.5)
    assert figures["pq"] == pytest.approx(80 / 120 / 2)
    assert figures["seg"] == pytest.approx(80 / 120 / 2)
    cut = Image(found, "yx", roi=square(0, 0, 20))
    assert run(cut, truth=Image(truth, "yx"), metrics="ap").figures["ap60"] == 1


def test_label_movies_get_det_and_with_tables_tra(tmp_path: Path) -> None:
    truth = np.zeros((4, 40, 40), np.uint16)
    truth[:2, 5:15, 5:15] = 1
    truth[2:, 5:15, 2:8], truth[2:, 5:15, 12:18] = 2, 3
    lost = truth.copy()
    lost[3][lost[3] == 3] = 0
    image, real = Image(lost, "tyx"), Image(truth, "tyx")
    (tmp_path / "man_track.txt").write_text("1 0 1 0\n2 2 3 1\n3 2 3 1\n")
    plain = run(image, truth=real)
    assert column(plain, "Frame") == [1, 2, 3, 4]
    assert plain.figures["det"] == pytest.approx(1 - 10 / 60)
    assert "tra" not in plain.figures
    tables = {"tracks": tmp_path / "man_track.txt", "truth_tracks": tmp_path / "man_track.txt"}
    found = run(image, truth=real, **tables).figures
    wanted = metrics.tracking_errors(truth, lost, {2: 1, 3: 1}, {2: 1, 3: 1})
    assert found["tra"] == pytest.approx(wanted.tra)
    assert run(image, truth=real, metrics="tra").figures["tra"] == pytest.approx(
        metrics.tracking_errors(truth, lost).tra
    )
    with pytest.raises(ParameterError, match="tra cannot be measured: it needs a movie"):
        run(Image(lost[0], "yx"), truth=Image(truth[0], "yx"), metrics="tra")


def test_volumes_are_matched_as_volumes_and_masks_divided() -> None:
    truth = np.zeros((6, 30, 30), np.uint8)
    truth[1:3, 2:8, 2:8] = truth[3:6, 20:26, 20:26] = 255
    result = run(Image(truth, "zyx"), truth=Image(truth, "zyx"))
    assert (result.figures["true"], result.figures["rows"], result.figures["pq"]) == (2, 1, 1)
    assert "divided into their connected pieces" in result.notes[0]


def test_an_object_in_two_pieces_is_one_and_no_mask() -> None:
    truth = np.zeros((30, 30), np.uint8)
    truth[2:8, 2:8] = truth[2:8, 12:18] = 7
    truth[20:26, 20:26] = 9
    found = np.where(truth == 7, truth, 0)
    assert run(Image(found, "yx"), truth=Image(truth, "yx")).figures["found"] == 1
    as_one = Image(np.where(truth > 0, np.uint8(1), np.uint8(0)), "yx")
    assert run(as_one, truth=Image(truth, "yx")).figures["found"] == 3
    named = run(as_one, truth=Image(truth, "yx"), kind="labels")
    assert (named.figures["found"], named.notes) == (1, ())


def test_objects_of_masks_are_not_followed() -> None:
    first, second = np.zeros((30, 30), bool), np.zeros((30, 30), bool)
    first[2:8, 12:18] = first[10:16, 2:8] = True
    second[4:10, 12:18] = second[2:8, 2:8] = True  # the scan comes to the other object first
    movie = Image(np.stack([first, second]), "tyx")
    with pytest.raises(ParameterError, match="tra cannot be measured: objects of masks have no identities"):
        run(movie, truth=movie, metrics="tra")
    assert run(movie, truth=movie).figures["det"] == 1
    one = Image(np.stack([first, second]).astype(np.uint8), "tyx")
    assert run(one, truth=one, metrics="tra", kind="labels").figures["tra"] == 1


def test_probabilities_are_judged_by_calibration() -> None:
    rng = RNG(0)
    sure = rng.random((64, 64))
    truth = Image((rng.random((64, 64)) < sure).astype(np.uint8), "yx")
    found = run(Image(sure.astype(np.float32), "yx"), truth=truth).figures
    assert found["kind"] == "probability"
    assert found["ece"] < 0.05
    assert run(Image((sure**3).astype(np.float32), "yx"), truth=truth).figures["ece"] > 0.15


def test_calibrated_images_are_compared_in_physical_values() -> None:
    image, truth = pair(64)
    assert image.pixels.min() > -50
    stored = Image(
        ((image.pixels + 50) * 10).astype(np.uint16), "yx", intensity=Intensity("straight_line", (-50.0, 0.1), "nM")
    )
    result = run(stored, truth=truth, metrics="psnr")
    assert result.figures["psnr"] == pytest.approx(metrics.psnr(truth.pixels, image.pixels), abs=0.01)


def test_the_kind_of_real_data_is_told(shared_data: Path) -> None:
    images, masks = (sorted((shared_data / "nuclei" / part).glob("*.tif"))[::9] for part in ("images", "masks"))
    for image_file, mask_file in zip(images, masks, strict=True):
        image, mask = Image(tifffile.imread(image_file), "yx"), Image(tifffile.imread(mask_file), "yx")
        smooth = Image(gaussian_filter(image.pixels, 3), "yx")
        assert kind_of(mask, mask) == "labels", mask_file
        assert kind_of(smooth, image) == kind_of(image, smooth) == "intensity", image_file
        assert kind_of(Image(image.pixels / np.float32(255), "yx"), mask) == "probability"
        assert kind_of(image, None) == "blind"
        found = run(mask, truth=mask).figures
        assert [found[name] for name in ("ap90", "pq", "seg")] == [1, 1, 1]


def test_what_cannot_be_compared_is_refused() -> None:
    image, truth = pair(64)
    with pytest.raises(ParameterError, match="nothing to compare"):
        run(image)
    with pytest.raises(ParameterError, match="raw is missing"):
        run(image, truth=truth, kind="blind")
    with pytest.raises(ImageError, match=r"\(truth\) has 32 along x"):
        run(image, truth=Image(truth.pixels[:, :32], "yx"))
    with pytest.raises(ParameterError, match="psnr, psnr_raw, si_psnr"):
        run(image, truth=truth, metrics="pnsr")
    with pytest.raises(ParameterError, match="ap, f1, pq"):
        run(Image(truth.pixels > 100, "yx"), truth=Image(truth.pixels > 100, "yx"), metrics="psnr")
    with pytest.raises(ImageError, match="not whole numbers"):
        run(image, truth=truth, kind="labels")
    movie = Image(np.stack([image.pixels] * 3), "tyx")
    stack = Image(np.stack([truth.pixels] * 3), "zyx")
    with pytest.raises(ImageError, match="along z"):
        run(movie, truth=stack)
    assert run(movie, truth=stack, axes="tyx", metrics="psnr").figures["rows"] == 3


def test_keys_that_would_have_no_effect_are_refused(tmp_path: Path) -> None:
    image, truth = pair(64)
    labels = Image(np.eye(64, dtype=np.uint16), "yx")
    (tmp_path / "tracks.txt").write_text("1 0\n")
    for name in ("tracks", "truth_tracks"):
        with pytest.raises(ParameterError, match=f"{name} must be left out for kind=intensity") as told:
            run(image, truth=truth, **{name: tmp_path / "tracks.txt"})
        assert told.value.details["field"] == name
    with pytest.raises(ParameterError, match="lower must be left out for kind=labels"):
        run(labels, truth=labels, lower=image, upper=image)
    with pytest.raises(ParameterError, match="data_range must be left out for kind=blind"):
        run(image, raw=truth, data_range=255)


def test_errors_of_parameters_say_what_was_expected_and_what_came() -> None:
    image, truth = pair(64)
    for values in ({}, {"raw": truth, "kind": "intensity"}, {"truth": truth, "metrics": "ms_ssim"}):
        with pytest.raises(ParameterError) as told:
            run(image, **values)
        assert {"field", "expected", "got"} <= set(told.value.details)


def test_tables_of_parents(tmp_path: Path) -> None:
    path = tmp_path / "tracks.txt"
    path.write_text("label,parent\n1,0\n2,1\n\n3,1\n")
    assert read_parents(path) == {2: 1, 3: 1}
    path.write_text("2 1\n3 1\n", "utf-8-sig")  # as Excel and Notepad write it
    assert read_parents(path) == {2: 1, 3: 1}
    for text, error in (("1 2 3\n", "Line 1"), ("1 0 2 0\nx 1 1 1\n", "Line 2"), ("2 1\n2 1\n", "again")):
        path.write_text(text)
        with pytest.raises(FileFormatError, match=error):
            read_parents(path)
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_parents(tmp_path / "none.txt")


def test_an_equal_image_is_infinitely_good() -> None:
    image, _ = pair(64)
    assert run(image, truth=image, metrics="psnr").figures["psnr"] == "Infinity"
    assert math.isinf(float("Infinity"))  # as ImageJ's parseFloat


def test_a_table_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    from bioimg_fiji.cli.evaluate import evaluate_line

    line = [str(tmp_path / "not read.tif"), "--csv", str(tmp_path / "nowhere" / "table.csv")]
    with pytest.raises(StorageError, match="there is no such folder"):
        evaluate_line().main(line, standalone_mode=False)


def shell(*line: object) -> int:
    """Run a line of the shell in this process; give its exit code."""
    return int(importlib.import_module("bioimg_fiji.cli.main").group.main([*map(str, line)], standalone_mode=False))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """An image, and two folders with a file of its name and another one's."""
    for name, images in (("a.tif", pair(32)), ("b.tif", pair(32)[::-1])):
        for folder, image in zip(("truths", "raws"), images[::-1], strict=True):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_image(image, tmp_path / folder / name)
    write_image(pair(32)[0], tmp_path / "a.tif")
    return tmp_path


def test_one_image_finds_its_truth_in_a_folder(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, truth = pair(32)
    line = ("evaluate", saved / "a.tif", "--truth", saved / "truths", "--metrics", "psnr")
    assert shell(*line) == 0
    assert f"{metrics.psnr(truth.pixels, image.pixels):.4g}" in capsys.readouterr().out
    assert shell(*line, "--raw", saved / "raws") == 0
    with pytest.raises(ParameterError, match="one image where --server is gpu: folders and lists") as caught:
        shell(*line, "--server", "gpu")
    assert caught.value.details["got"] == repr(str(saved / "truths"))


def test_bounds_go_with_one_image(saved: Path) -> None:
    line = ("evaluate", saved / "a.tif", saved / "raws" / "b.tif", "--truth", saved / "truths")
    with pytest.raises(ParameterError, match="--upper must be left out where there are several images") as caught:
        shell(*line, "--upper", saved / "a.tif")
    assert "one image after the other" in caught.value.fix


def test_an_image_of_a_server_wants_a_server(saved: Path) -> None:
    for line in (
        ("evaluate", "server:data/a.tif", "--truth", saved / "a.tif"),
        ("call", "evaluate", f"image={saved / 'a.tif'}", "truth=server:data/a.tif"),
    ):
        with pytest.raises(ParameterError, match=r"where no server is named.*server:data/a.tif") as caught:
            shell(*line)
        assert "--server NAME" in caught.value.fix


def test_what_has_no_value_is_an_empty_cell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, truth = pair(32)
    pixels = np.stack([image.pixels, image.pixels])
    pixels[1, 3, 3] = np.nan
    write_image(Image(pixels, "tyx"), tmp_path / "a.tif")
    write_image(Image(np.stack([truth.pixels] * 2), "tyx"), tmp_path / "b.tif")
    keys = (f"image={tmp_path / 'a.tif'}", f"truth={tmp_path / 'b.tif'}", "metrics=psnr")
    assert shell("call", "evaluate", *keys) == 0
    printed = capsys.readouterr()
    assert "None" not in printed.out
    assert "no value in 1 of 2 rows" in printed.err


def test_a_call_reads_images_by_its_axes_and_tells_what_failed(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack = RNG(0).normal(100, 10, (5, 32, 32)).astype(np.float32)
    for name in ("x.tif", "y.tif"):
        tifffile.imwrite(saved / name, stack)
    keys = (f"image={saved / 'x.tif'}", f"truth={saved / 'y.tif'}", "metrics=psnr")
    with pytest.raises(AxesError):
        shell("call", "evaluate", *keys)
    assert shell("call", "evaluate", *keys, "axes=zyx") == 0
    assert capsys.readouterr().out.count("Infinity") >= 5
    (saved / "raws" / "a.tif").write_bytes(b"no image")
    folders = (f"source={saved / 'raws'}", f"truth_source={saved / 'truths'}")
    assert shell("call", "evaluate", *folders) == 1
    assert "1 of 2 images failed" in capsys.readouterr().err
