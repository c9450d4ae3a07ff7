"""Benchmark suites: what a manifest may say, its images and their hashes, baselines, figures, results, the page."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bioimg_fiji import metrics
from bioimg_fiji.benchmark import baselines, page, pictures, results, score, suite
from bioimg_fiji.benchmark.cases import Pair, cases, exposed
from bioimg_fiji.benchmark.results import OfImage, Row
from bioimg_fiji.benchmark.suite import Noise, Suite
from bioimg_fiji.cli.benchmark import fitting
from bioimg_fiji.commands.compared import disagreement
from bioimg_fiji.commands.measured import Measured
from bioimg_fiji.commands.result import Table
from bioimg_fiji.errors import BioimgError, FileFormatError, JobCancelledError, ParameterError, WorkerDiedError
from bioimg_fiji.files import write_image
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.train import synthetic

pytestmark = pytest.mark.timeout(120)

TEXT = """
title = "Blobs"
task = "denoising"
modality = "none"
source = "This test"
licence = "CC0"
metric = "psnr"
further = ["ssim", "roi_slope"]

[data]
images = "images/*.tif"
truth = "truth/*.tif"
get = "Draw them."

[split]
every = 2
"""


def blobs(seed: int, size: int = 64) -> np.ndarray[Any, Any]:
    return (gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), 4) * 800 + 200).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A suite of four noisy images and their truths."""
    place = tmp_path / "blobs"
    for part in ("images", "truth"):
        (place / part).mkdir(parents=True)
    for number in range(4):
        truth = blobs(number)
        noisy = truth + np.random.default_rng(10 + number).normal(0, 20, truth.shape).astype(np.float32)
        write_image(Image(truth, "yx"), place / "truth" / f"b{number}.tif")
        write_image(Image(noisy, "yx"), place / "images" / f"b{number}.tif")
    (place / "suite.toml").write_text(TEXT)
    return place


def sums(folder: Path) -> None:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.tif"))
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines))


def changed(folder: Path, old: str, new: str) -> Suite:
    assert old in TEXT
    (folder / "suite.toml").write_text(TEXT.replace(old, new))
    return suite.find(str(folder))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('metric = "psnr"', 'metric = "ap50"', "'ap50' is none of psnr"),
        ('task = "denoising"', 'task = "tracking"', "task"),
        ('licence = "CC0"', "", "licence"),
        ('licence = "CC0"', 'licence = "CC0"\nlicense = "CC0"', "license"),
        ('truth = "truth/*.tif"', "", "the truth comes from one of"),
        ('truth = "truth/*.tif"', 'truth = "truth/*.tif"\nalternate = true', "the truth comes from one of"),
        ('images = "images/*.tif"', "", "either images"),
        ('images = "images/*.tif"', 'images = "../*.tif"', "below the folder"),
        ('title = "Blobs"', "title = Blobs", "the file"),
    ],
)
def test_a_wrong_manifest_is_told_with_its_field(folder: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ParameterError, match=said) as caught:
        changed(folder, old, new)
    assert "--new" in caught.value.fix


def test_an_unknown_suite_names_those_that_there_are() -> None:
    with pytest.raises(ParameterError, match=r"nuclei-segmentation.*synthetic-denoising"):
        suite.find("no-such-suite")


def test_a_new_suite_can_be_read_and_is_not_written_twice(tmp_path: Path) -> None:
    file = suite.write_new(tmp_path / "mine")
    assert suite.read(file).manifest.metric == "ap50"
    with pytest.raises(ParameterError, match="without a suite"):
        suite.write_new(tmp_path / "mine")


def test_all_suites_that_come_along_are_whole() -> None:
    found = suite.shipped()
    assert {"nuclei-segmentation", "calcium-mouse", "stardist-nuclei-2d", "synthetic-denoising"} <= set(found)
    for name in found:
        read = suite.find(name)
        assert bool(read.sums()) != bool(read.manifest.data.generator), name
        assert read.manifest.data.generator or read.manifest.data.get, name


def test_images_are_paired_and_split(folder: Path) -> None:
    found = cases(suite.find(str(folder)), None)
    assert [case.name for case in found.test] == ["b0.tif", "b2.tif"]
    assert [case.name for case in found.training] == ["b1.tif", "b3.tif"]
    np.testing.assert_array_equal(found.test[1].load().truth.pixels, blobs(2))
    assert not found.checked
    by_name = changed(folder, "every = 2", 'test = ["b3*", "b1.tif"]')
    assert [case.name for case in cases(by_name, None).test] == ["b1.tif", "b3.tif"]


def test_the_data_may_lie_elsewhere(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = suite.find(str(folder))
    for part in ("images", "truth"):
        shutil.move(folder / part, tmp_path / "data" / part)
    with pytest.raises(ParameterError, match=r"images.*is missing") as caught:
        cases(read, None)
    assert caught.value.fix.startswith("Draw them.")
    assert "benchmark_data" in caught.value.fix
    assert len(cases(read, tmp_path / "data").test) == 2
    monkeypatch.setenv("BIOIMG_FIJI_BENCHMARK_DATA", str(tmp_path / "data"))
    assert len(cases(read, None).test) == 2


def test_a_file_that_is_another_one_is_refused(folder: Path) -> None:
    sums(folder)
    read = suite.find(str(folder))
    first = cases(read, None)
    assert first.checked
    write_image(Image(blobs(9), "yx"), folder / "truth" / "b1.tif")
    with pytest.raises(FileFormatError, match=r"truth/b1\.tif is another file than that of the suite blobs"):
        cases(read, None)
    (folder / "images" / "b3.tif").unlink()
    with pytest.raises(ParameterError, match=r"images/b3\.tif is missing"):
        cases(read, None)


def test_the_hash_of_the_data_tells_a_changed_file(folder: Path) -> None:
    read = suite.find(str(folder))
    before = cases(read, None).sha256
    assert before == cases(read, None).sha256
    write_image(Image(blobs(9), "yx"), folder / "truth" / "b1.tif")
    assert cases(read, None).sha256 != before


def test_an_image_without_a_truth_is_named(folder: Path) -> None:
    (folder / "truth" / "b2.tif").unlink()
    with pytest.raises(ParameterError, match=r"1 images have no truth.*b2\.tif"):
        cases(suite.find(str(folder)), None)


@pytest.mark.parametrize(("pattern", "what"), [("images", "image"), ("truth", "truth")])
def test_files_of_one_name_are_refused(folder: Path, pattern: str, what: str) -> None:
    """A truth of another folder would be taken for that of an image, in silence."""
    (folder / pattern / "more").mkdir()
    shutil.copy(folder / pattern / "b1.tif", folder / pattern / "more")
    wide = changed(folder, f'"{pattern}/*.tif"', f'"{pattern}/**/*.tif"')
    with pytest.raises(ParameterError, match=f"one {what} of each name") as told:
        cases(wide, None)
    assert "b1.tif" in str(told.value)
    assert suite.MANIFEST in told.value.fix


@pytest.mark.parametrize("metric", ["coverage", "ause", "psnr_raw"])
def test_a_metric_that_needs_more_than_a_truth_is_refused(folder: Path, metric: str) -> None:
    with pytest.raises(ParameterError, match=f"'{metric}' is none of psnr, "):
        changed(folder, 'metric = "psnr"', f'metric = "{metric}"')


def test_means_of_infinite_figures() -> None:
    found = score.means([{"a": 1.0, "b": math.inf, "c": -math.inf}, {"a": 2.0, "b": 1.0, "c": 1.0}])
    assert found == {"a": 1.5, "b": math.inf, "c": -math.inf}
    assert math.isnan(score.mean([math.inf, -math.inf]))


def test_alternate_frames_are_image_and_truth(folder: Path) -> None:
    movie = np.arange(7 * 8 * 8, dtype=np.uint16).reshape(7, 8, 8)
    write_image(Image(movie, "tyx"), folder / "images" / "b0.tif")
    read = changed(folder, 'truth = "truth/*.tif"', 'alternate = true\naxes = "tyx"')
    pair = cases(read, None).test[0].load()
    np.testing.assert_array_equal(pair.image.pixels, movie[[0, 2, 4]])
    np.testing.assert_array_equal(pair.truth.pixels, movie[[1, 3, 5]])
    with pytest.raises(ParameterError, match="movies"):
        cases(read, None).test[1].load()


def test_noise_is_that_of_the_photons_and_differs_between_images() -> None:
    flat = Image(np.full((200, 200), 7, np.uint8), "yx", title="a.tif")
    noise = Noise(photons=10, read_noise=1.5, seed=3)
    pair, again = exposed(flat, noise), exposed(flat, noise)
    other = exposed(dataclasses.replace(flat, title="b.tif"), noise)
    assert pair.truth.pixels.mean() == pytest.approx(10)
    assert pair.image.pixels.mean() == pytest.approx(10, abs=0.1)
    assert pair.image.pixels.var() == pytest.approx(10 + 1.5**2, rel=0.05)
    np.testing.assert_array_equal(pair.image.pixels, again.image.pixels)
    assert abs(np.corrcoef(pair.image.pixels.ravel(), other.image.pixels.ravel())[0, 1]) < 0.03


def test_the_synthetic_suite_is_the_benchmark_set() -> None:
    found = cases(suite.find("synthetic-denoising"), None)
    training, noisy, truths = synthetic.benchmark_set()
    for case, pixels in zip(found.training, training, strict=True):
        np.testing.assert_array_equal(case.load().image.pixels, pixels)
    for case, pixels, truth in zip(found.test, noisy, truths, strict=True):
        pair = case.load()
        np.testing.assert_array_equal(pair.image.pixels, pixels)
        np.testing.assert_array_equal(pair.truth.pixels, truth)


def test_the_blur_is_learnt_from_the_training_images(folder: Path) -> None:
    found = cases(suite.find(str(folder)), None)
    width = baselines.learn(baselines.GAUSSIAN, found.training)
    best = [metrics.best_gaussian(*_arrays(case.load()))[0] for case in found.training]
    assert width == pytest.approx(np.median(best), rel=1e-6)
    pair = found.test[0].load()
    blurred = baselines.apply(baselines.GAUSSIAN, pair.image, width)
    assert metrics.psnr(*_arrays(pair, blurred)) > metrics.psnr(*_arrays(pair)) + 5
    assert baselines.suiting(suite.find(str(folder)), training=False) == ("raw", "gaussian-oracle")


def _arrays(pair: Pair, image: Image | None = None) -> tuple[Any, Any]:
    return pair.truth.pixels, (image or pair.image).pixels


@pytest.mark.parametrize("axes", ["yx", "zyx", "tyx"])
def test_otsu_counts_objects_of_planes_and_of_volumes(axes: str) -> None:
    pixels = np.full((2, 30, 30), 10, np.uint16)
    pixels[:, 5:10, 5:10], pixels[:, 20:25, 20:25] = 200, 220
    pixels = pixels[0] if axes == "yx" else pixels
    found = baselines.apply(baselines.OTSU, Image(pixels, axes), 0)
    assert found.axes == axes
    assert set(np.unique(found.pixels)) == {0, 1, 2}
    assert (found.pixels > 0).sum() == (50 if axes == "yx" else 100)


def test_a_figure_without_value_does_not_take_the_others_along(folder: Path) -> None:
    small = changed(folder, '["ssim", "roi_slope"]', '["ms_ssim", "roi_slope"]')
    pair = cases(small, None).test[0].load()
    assert set(score.figures(small, pair, pair.image)) == {"psnr", "roi_slope"}  # ms_ssim wants 176 x 176
    headline = changed(folder, 'metric = "psnr"', 'metric = "ms_ssim"')
    with pytest.raises(BioimgError, match="ms_ssim cannot be measured"):
        score.figures(headline, pair, pair.image)
    with pytest.raises(BioimgError, match="along y"):
        score.figures(small, pair, Image(pair.image.pixels[:50], "yx"))


@pytest.mark.parametrize(
    ("metric", "best", "other"),
    [("psnr", 30, 20), ("psnr", math.inf, 90), ("nrmse", 0.1, 0.2), ("roi_slope", 0.95, 1.2), ("bias", -0.01, 0.1)],
)
def test_the_better_figure_ranks_first(metric: str, best: float, other: float) -> None:
    assert score.rank(metric, best) < score.rank(metric, other) < score.rank(metric, None)


def row(model: str, value: float | None, **more: Any) -> Row:
    outcome = results.FAILED if value is None else results.DONE
    figures = {} if value is None else {"psnr": value, "ssim": 0.5}
    images = (OfImage("b0.tif", figures, 0.5, "0" * 64), OfImage("b2.tif", figures, 0.25, "1" * 64))
    made = results.made("cpu", "2026-01-01T00:00:00+00:00")
    given = {"source": model, "sha256": hashlib.sha256(model.encode()).hexdigest(), "options": "", "reason": ""}
    return Row(model, outcome=outcome, figures=figures, images=images if figures else (), made=made, **given | more)


@pytest.fixture
def ranked(folder: Path) -> results.Results:
    read = suite.find(str(folder))
    found = results.begin(read, cases(read, None))
    for each in (row("a", 20.0), row("b", None, reason="it has <b>no</b> y"), row("c", math.inf), row("d", 30.0)):
        found = found.with_row(each)
    return found


def test_results_are_sorted_replaced_and_read_again(ranked: results.Results, tmp_path: Path) -> None:
    assert [each.model for each in ranked.rows] == ["c", "d", "a", "b"]
    better = ranked.with_row(row("a", 31.0))
    assert [each.model for each in better.rows] == ["c", "a", "d", "b"]
    path = results.write(ranked, tmp_path)
    assert json.loads(path.read_text())["rows"][0]["figures"]["psnr"] == "Infinity"
    assert results.read(path) == ranked
    lines = path.with_suffix(".csv").read_text().splitlines()
    assert lines[0].startswith("suite,model,psnr,ssim,seconds")
    assert len(lines) == 5


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "bioimg-fiji benchmark 9"}'])
def test_what_are_no_results_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(FileFormatError, match="no results of a benchmark"):
        results.read(tmp_path / "x.json")


def test_a_page_passes_over_results_without_hashes(ranked: results.Results, tmp_path: Path) -> None:
    path = results.write(ranked, tmp_path)
    content = json.loads(path.read_text())
    del content["data"]["sha256"]
    (tmp_path / "foreign.json").write_text(json.dumps(content))
    with pytest.raises(FileFormatError, match="sha256"):
        results.read(tmp_path / "foreign.json")
    assert page.read_all(tmp_path) == [ranked]


def test_known_results_are_those_of_the_same_versions(ranked: results.Results) -> None:
    assert ranked.known(row("a", 0.0)) is not None
    assert ranked.known(row("b", 0.0)) is None  # it had failed
    assert ranked.known(row("a", 0.0, options="threshold=0.2")) is None
    older = dataclasses.replace(row("a", 0.0), made={"versions": {"numpy": "1"}, "machine": {}})
    assert ranked.known(older) is None


def test_an_oracle_has_no_rank(ranked: results.Results) -> None:
    oracle = row(baselines.ORACLE, math.inf, sha256="")
    assert not oracle.ranks
    best = dataclasses.replace(ranked, rows=(oracle, *ranked.rows)).best
    assert best is not None
    assert best.model == "c"
    assert row("d", 1.0, source=baselines.ORACLE).ranks, "a package of that name is no oracle"


def test_a_figure_that_was_altered_does_not_agree() -> None:
    told = row("a", 30.0)
    assert disagreement(told, row("a", 30.0 + 1e-4)) == ""
    assert "psnr is told as 30.0, and found as 29" in disagreement(told, row("a", 29.0))
    image = dataclasses.replace(told.images[1], figures={"psnr": 35.0, "ssim": 0.5})
    assert "psnr of b2.tif" in disagreement(dataclasses.replace(told, images=(told.images[0], image)), told)
    assert "images are others" in disagreement(dataclasses.replace(told, images=told.images[:1]), told)


def test_the_page_is_one_file_with_escaped_texts(ranked: results.Results, tmp_path: Path) -> None:
    results.write(ranked, tmp_path)
    drawn = pictures.coloured(np.arange(100).reshape(10, 10))
    pictures.write(drawn, tmp_path / page.PICTURES / "blobs", page.picture_of(ranked.rows[0]))
    text = page.write(tmp_path).read_text("utf-8")
    assert "it has &lt;b&gt;no&lt;/b&gt; y" in text
    assert "data:image/png;base64," in text
    assert "://" not in text
    assert 'data-value="Infinity"' in text


def test_labels_have_colours_and_the_background_none() -> None:
    drawn = pictures.coloured(np.array([[0, 1], [2, 1]]))
    assert not drawn[0, 0].any()
    assert drawn[0, 1].any()
    np.testing.assert_array_equal(drawn[0, 1], drawn[1, 1])
    assert (drawn[1, 0] != drawn[0, 1]).any()


def test_the_process_has_memory_of_its_own(tmp_path: Path) -> None:
    ballast = np.ones(2**27)  # 1 GiB of this process
    image = Image(blobs(0), "yx", title="blobs.tif")
    with Measured(tmp_path, Job()) as process:
        answer = process.run(image, {"baseline": "gaussian", "width": 2.0})
    assert ballast[-1] == 1
    np.testing.assert_array_equal(answer.result.pixels, gaussian_filter(image.pixels, 2.0))
    assert 30 < answer.memory < 700
    assert answer.seconds > 0


def test_signed_pixels_come_back_as_they_were(tmp_path: Path) -> None:
    image = Image(np.array([[-5, 0], [7, 300]], np.int16), "yx")
    with Measured(tmp_path, Job()) as process:
        result = process.run(image, {"baseline": "raw", "width": 0}).result
    np.testing.assert_array_equal(result.physical().pixels, image.pixels)


def test_a_model_that_raises_and_a_process_that_dies_are_told(tmp_path: Path) -> None:
    image = Image(blobs(0), "yx")
    with Measured(tmp_path, Job()) as process:
        with pytest.raises(BioimgError, match="no-such-model"):
            process.run(image, {"model": "no-such-model"})
        assert process.run(image, {"baseline": "raw", "width": 0}).result.shape == (64, 64)
        process._process.kill()
        with pytest.raises(WorkerDiedError, match="signal 9"):
            process.run(image, {"baseline": "raw", "width": 0})


def test_a_process_that_has_died_before_is_told_and_its_pipes_are_closed(tmp_path: Path) -> None:
    image = Image(blobs(0), "yx")
    process = Measured(tmp_path, Job())
    process._process.kill()
    process._process.wait()
    with pytest.raises(WorkerDiedError, match="signal 9"), process:
        process.run(image, {"baseline": "raw", "width": 0})
    assert process._process.stdin is not None
    assert process._process.stdout is not None
    assert process._process.stdin.closed
    assert process._process.stdout.closed


def test_a_cancelled_job_ends_the_process(tmp_path: Path) -> None:
    job = Job()
    with Measured(tmp_path, job) as process:
        job.cancel()
        with pytest.raises(JobCancelledError):
            process.run(Image(blobs(0), "yx"), {"baseline": "raw", "width": 0})
    assert process._process.poll() is not None


def test_tables_fit_narrow_terminals() -> None:
    names = ("model", "psnr", "ssim", "nrmse", "seconds_per_image", "memory", "reason")
    table = Table(names, (("a-model", 30.123, 0.9, 0.1, 0.5, 100.0, ""), ("other", None, None, None, None, None, "")))
    assert fitting(table, 200).columns == names[:-1]
    assert fitting(table, 45).columns == ("model", "psnr", "seconds_per_image", "memory")


def test_files_of_the_real_suites(shared_data: Path) -> None:
    for name in suite.shipped():
        found = cases(suite.find(name), shared_data)
        assert found.checked or suite.find(name).manifest.data.generator
        pair = found.test[0].load()
        assert pair.image.shape == pair.truth.shape, name
