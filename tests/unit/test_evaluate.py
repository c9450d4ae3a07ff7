"""The command `evaluate`: which metrics it takes, where it measures, and what it tells."""

from __future__ import annotations

import dataclasses
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
from bioimg_fiji.errors import FileFormatError, ImageError, ParameterError, StorageError
from bioimg_fiji.evaluate import kind_of
from bioimg_fiji.evaluate.parents import read_parents
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


def test_tables_of_parents(tmp_path: Path) -> None:
    path = tmp_path / "tracks.txt"
    path.write_text("label,parent\n1,0\n2,1\n\n3,1\n")
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
