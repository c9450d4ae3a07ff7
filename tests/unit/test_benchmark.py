"""Benchmark suites: what a manifest may say, its images and their hashes, baselines, figures, results, the page."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile
from scipy.ndimage import gaussian_filter

from bioimg_fiji import metrics
from bioimg_fiji.benchmark import baselines, page, pictures, results, score, suite
from bioimg_fiji.benchmark.cases import Pair, cases, exposed
from bioimg_fiji.benchmark.results import OfImage, Row
from bioimg_fiji.benchmark.suite import Noise, Suite
from bioimg_fiji.cli.benchmark import benchmark_line, fitting
from bioimg_fiji.commands import find
from bioimg_fiji.commands.compared import Place, disagreement, measure, options_of, packages
from bioimg_fiji.commands.measured import Measured
from bioimg_fiji.commands.result import Table
from bioimg_fiji.errors import BioimgError, FileFormatError, JobCancelledError, ParameterError, WorkerDiedError
from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package
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
        ('images = "images/*.tif"', 'images = "C:/x/*.tif"', "data.images: paths lie below"),
        ('truth = "truth/*.tif"', 'truth = "a\\\\..\\\\..\\\\*.tif"', "data.truth: paths lie below"),
        ("[data]", '[data]\nfolder = "C:x"', "data.folder: paths lie below"),
        ("[data]", '[data]\nfolder = "/x"', "data.folder: paths lie below"),
        ("every = 2", "every = -1", "split.every"),
        ('truth = "truth/*.tif"', "noise = { photons = 0 }", "data.noise.photons"),
        ('truth = "truth/*.tif"', "noise = { photons = inf }", "data.noise.photons"),
        ('truth = "truth/*.tif"', "noise = { photons = 1e30 }", "data.noise.photons"),
        ('truth = "truth/*.tif"', "noise = { photons = 9, read_noise = -1 }", "data.noise.read_noise"),
        ('truth = "truth/*.tif"', "noise = { photons = 9, seed = -1 }", "data.noise.seed"),
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
    with pytest.raises(ParameterError, match=r"1 images have no truth.*b2\.tif") as caught:
        cases(suite.find(str(folder)), None)
    assert caught.value.details["expected"] == "a truth for each image, of its name"
    assert caught.value.details["got"] == "none for b2.tif"


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
    assert fitting(table, 200).rows[1][1] is None
    assert fitting(table, 45).columns == ("model", "psnr", "seconds_per_image", "memory")


def test_folders_of_a_benchmark_are_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for line in (["synthetic"], ["verify", "a.json"], ["--new", "suite"]):
        with pytest.raises(ParameterError, match=r"--server must be left out.*gpu") as caught:
            benchmark_line().main([*line, "--server", "gpu"], standalone_mode=False)
        assert "server=gpu" in caught.value.fix
    with pytest.raises(ParameterError, match="name of a server"):  # the suites of a server may be asked for
        benchmark_line().main(["--list", "--server", "gpu"], standalone_mode=False)


def test_files_of_the_real_suites(shared_data: Path) -> None:
    for name in suite.shipped():
        found = cases(suite.find(name), shared_data)
        assert found.checked or suite.find(name).manifest.data.generator
        pair = found.test[0].load()
        assert pair.image.shape == pair.truth.shape, name


@pytest.mark.parametrize(
    "key", ["model", "image", "image2", "selection", "device", "trust", "ensemble", "server", "labels", "think"]
)
def test_neither_suite_nor_options_name_another_model_or_trust_it(folder: Path, key: str) -> None:
    with pytest.raises(ParameterError, match=f"run: '{key}' is none of axes, weights"):
        changed(folder, "[split]", f'[run]\n{key} = "x"\n[split]')
    with pytest.raises(ParameterError, match=f"options: '{key}' is none of axes, weights") as told:
        options_of(f"threshold=0.4 {key}=x")
    assert "trust=" in told.value.fix


def test_the_keys_that_may_be_set_are_those_of_run_model() -> None:
    assert set(suite.RUN_KEYS) < set(find("run_model").describe()["schema"]["properties"])
    assert options_of("threshold=0.4 fit=off") == {"threshold": "0.4", "fit": "off"}


def test_options_of_a_file_of_results_are_looked_at_before_anything_runs(
    folder: Path, ranked: results.Results, tmp_path: Path
) -> None:
    forged = dataclasses.replace(ranked, rows=(row("a", 20.0, options="model=/other.zip trust=0123456789abcdef"),))
    path = results.write(forged, tmp_path)
    with pytest.raises(ParameterError, match="options: 'model' is none of"):
        find("benchmark").run({"action": "verify", "suite": str(path)})


def test_what_a_suite_and_options_say_does_not_replace_the_row_s_model(folder: Path, tmp_path: Path) -> None:
    write_fake_package(tmp_path / "mean.zip")
    read = changed(folder, "[split]", "[run]\nthreshold = 0.25\ntile = 64\n[split]")
    keys = {"device": "cpu", "trust": "", "options": {"tile": "128"}}
    (model,) = packages([str(tmp_path / "mean.zip")], read, keys)
    assert model.values["model"] == str(tmp_path / "mean.zip")
    assert (model.values["threshold"], model.values["tile"], model.values["device"]) == (0.25, "128", "cpu")


def test_a_selection_saved_with_an_image_does_not_count(folder: Path, tmp_path: Path) -> None:
    write_fake_package(tmp_path / "mean.zip")

    def figure() -> float:
        read = suite.find(str(folder))
        (model,) = packages([str(tmp_path / "mean.zip")], read, {"device": "cpu", "trust": "", "options": {}})
        found = measure(model, Place(read, cases(read, None), None), Job())
        assert found.outcome == results.DONE, found.reason
        return found.figures["psnr"]

    whole = figure()
    box = roifile.ImagejRoi.frompoints(np.array([[5, 5], [20, 5], [20, 20], [5, 20]], np.float32)).tobytes()
    for part in ("images", "truth"):
        path = folder / part / "b0.tif"
        write_image(dataclasses.replace(read_image(path), roi=box), path)
        assert read_image(path).roi, "the file has no selection: this shows nothing"
    assert figure() == whole


@pytest.mark.parametrize(("old", "new"), [(math.inf, 20.0), (20.0, math.inf), (math.inf, -math.inf), (math.nan, 1.0)])
def test_a_figure_that_is_no_number_does_not_agree_with_one(old: float, new: float) -> None:
    assert "psnr is told as" in disagreement(row("a", old), row("a", new))
    assert disagreement(row("a", old), row("a", old)) == ""


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        (np.full((64, 64), 7, np.float32), "constant"),
        (np.full((64, 64), np.nan, np.float32), "finite"),
        (blobs(1, 32), "32"),
    ],
)
def test_a_baseline_that_can_learn_nothing_is_a_row_and_the_others_go_on(
    folder: Path, tmp_path: Path, truth: np.ndarray[Any, Any], said: str
) -> None:
    write_image(Image(truth, "yx"), folder / "truth" / "b1.tif")
    done = find("benchmark").run({"suite": str(folder), "output": tmp_path / "out"})
    assert done.partial
    rows = {row.model: row for row in results.read(tmp_path / "out" / "blobs.json").rows}
    assert {name: row.outcome for name, row in rows.items()} == {
        "raw": results.DONE, "gaussian": results.FAILED, "gaussian-oracle": results.DONE,
    }  # fmt: skip
    assert rows["gaussian"].reason.startswith("b1.tif: ")
    assert said in rows["gaussian"].reason


def altered(path: Path, *place: str | int, value: object) -> None:
    """Write a value into a file of JSON at a place (keys and numbers)."""
    content = json.loads(path.read_text("utf-8"))
    part = content
    for each in place[:-1]:
        part = part[each]
    part[place[-1]] = value
    path.write_text(json.dumps(content), "utf-8")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("suite",), ["a"], "suite"),
        (("data", "test"), 3, "data.test"),
        (("rows", 0), None, "rows.0"),
        (("rows", 0, "figures"), {"psnr": "high"}, "rows.0.figures.psnr"),
        (("rows", 0, "figures"), {"ssim": 1.0}, "has no psnr"),
        (("rows", 0, "seconds"), [], "rows.0.seconds"),
        (("rows", 0, "outcome"), "perfect", "rows.0.outcome"),
        (("rows", 0, "images", 0, "figures"), None, "rows.0.images.0.figures"),
        (("rows", 0, "made"), {"versions": 3}, "rows.0.made.versions"),
        (("suite", "name"), "../../etc", "suite.name"),
        (("suite", "name"), "/etc", "suite.name"),
        (("suite", "name"), "..", "suite.name"),
        (("suite", "name"), "C:\\x", "suite.name"),
    ],
)
def test_wrong_results_of_others_are_told_by_file_and_field_and_stop_nothing(
    ranked: results.Results, tmp_path: Path, place: tuple[str | int, ...], value: object, said: str
) -> None:
    path = results.write(ranked, tmp_path).rename(tmp_path / "foreign.json")
    results.write(ranked, tmp_path)
    altered(path, *place, value=value)
    with pytest.raises(FileFormatError, match=re.escape(said)) as told:
        results.read(path)
    assert "foreign.json" in str(told.value)
    (tmp_path / "other.json").write_text('{"of": "somebody else"}')
    notes: list[str] = []
    assert page.read_all(tmp_path, notes.append) == [ranked]
    assert len(notes) == 1, "a file that says nothing of benchmarks is not told"
    assert "foreign.json" in notes[0]
    page.write(tmp_path)


def test_a_benchmark_goes_on_beside_wrong_results(folder: Path, ranked: results.Results, tmp_path: Path) -> None:
    path = results.write(ranked, tmp_path).rename(tmp_path / "foreign.json")
    altered(path, "rows", 0, "figures", value=None)
    notes: list[str] = []
    values = {"suite": str(folder), "output": tmp_path, "baselines": "raw"}
    assert find("benchmark").run(values, Job(on_note=notes.append)).figures["best_blobs"] == "raw"
    assert any("foreign.json" in note and "rows.0.figures" in note for note in notes)


def test_figures_that_are_no_numbers_are_read_as_they_were_written(ranked: results.Results, tmp_path: Path) -> None:
    values = {"e": -math.inf, "f": math.nan}
    for name, value in values.items():
        ranked = ranked.with_row(row(name, value))
    path = results.write(ranked, tmp_path)
    told = {each["model"]: each["figures"]["psnr"] for each in json.loads(path.read_text())["rows"] if each["figures"]}
    assert (told["c"], told["e"], told["f"]) == ("Infinity", "-Infinity", "NaN")
    found = {each.model: each.figures.get("psnr") for each in results.read(path).rows}
    assert found["e"] == -math.inf
    assert math.isnan(found["f"] or 0)
    assert [page.number(value) for value in (math.inf, -math.inf, math.nan)] == ["∞", "-∞", "no number"]
    text = page.write(tmp_path).read_text("utf-8")
    assert 'data-value="-Infinity"' in text


def overview(folder: Path) -> dict[str, list[str]]:
    """Give the figures of the page's first table by the models' names, as they are shown."""
    text = page.write(folder).read_text("utf-8")
    (table,) = re.findall(r"<h2>All suites.*?</table>", text, re.DOTALL)
    lines = [re.findall(r"<td[^>]*>(.*?)</td>", line) for line in re.findall("<tr>(<td.*?)</tr>", table)]
    return {name: [re.sub("<[^>]*>", "", each) for each in figures] for name, *figures in lines}


def test_packages_of_one_name_are_told_apart(folder: Path, ranked: results.Results, tmp_path: Path) -> None:
    twin = row("a", 40.0, source="/x/b/a.zip", sha256="0123456789abcdef" * 4)
    results.write(ranked.with_row(twin), tmp_path)
    other = dataclasses.replace(ranked, suite={**ranked.suite, "name": "more"})
    results.write(other, tmp_path)
    own = row("a", 0.0).sha256[:8]
    shown = overview(tmp_path)
    assert shown["a 01234567"] == ["40", ""]
    assert shown[f"a {own}"] == ["20", "20"]
    assert "a" not in shown
    assert shown["d"] == ["30", "30"]


def test_the_best_of_two_packages_of_one_name_is_told(folder: Path, tmp_path: Path) -> None:
    for name, model in (("a", FakeModel()), ("b", FakeModel(halo=2))):
        (tmp_path / name).mkdir()
        write_fake_package(tmp_path / name / "model.zip", model)
    values = {"suite": str(folder), "baselines": "none", "output": tmp_path / "out"}
    models = f"{tmp_path / 'a' / 'model.zip'}; {tmp_path / 'b' / 'model.zip'}"
    done = find("benchmark").run({**values, "models": models})
    names = [cells[0] for cells in done.tables["blobs"].rows]
    hashes = {each.sha256[:8] for each in results.read(tmp_path / "out" / "blobs.json").rows}
    assert len(hashes) == 2
    assert set(names) == {f"model {digits}" for digits in hashes}
    assert done.figures["best_blobs"] == names[0]


def test_a_model_that_failed_does_not_look_as_if_it_was_not_run(ranked: results.Results, tmp_path: Path) -> None:
    results.write(ranked, tmp_path)
    more = dataclasses.replace(ranked, suite={**ranked.suite, "name": "more"}, rows=(row("d", 1.0),))
    results.write(more, tmp_path)
    assert overview(tmp_path)["b"] == ["failed", ""]


SEGMENTATION = TEXT.replace("denoising", "segmentation").replace('"psnr"', '"ap50"').replace('"ssim", "roi_slope"', "")


@pytest.mark.parametrize("metric", ["ap", "ap5", "ap05", "ap55", "ap95", "ap050", "ap100"])
def test_only_overlaps_that_are_measured_are_metrics(folder: Path, metric: str) -> None:
    (folder / "suite.toml").write_text(SEGMENTATION.replace("ap50", metric))
    with pytest.raises(ParameterError, match=rf"'{metric}' is none of ap50, ap60, ap70, ap80, ap90, f1"):
        suite.find(str(folder))
    (folder / "suite.toml").write_text(SEGMENTATION.replace("ap50", "ap90"))
    assert suite.find(str(folder)).manifest.metric == "ap90"


@pytest.mark.parametrize("truth", ["noise = { photons = 10 }", "alternate = true", 'generator = "phantom"'])
def test_the_truth_of_a_segmentation_is_labels(folder: Path, truth: str) -> None:
    text = SEGMENTATION.replace('truth = "truth/*.tif"', truth)
    text = text.replace('images = "images/*.tif"', "") if "generator" in truth else text
    (folder / "suite.toml").write_text(text)
    with pytest.raises(ParameterError, match="a segmentation has label images"):
        suite.find(str(folder))


def test_the_overlaps_of_metrics_are_those_of_an_evaluation(folder: Path) -> None:
    (folder / "suite.toml").write_text(SEGMENTATION.replace("further = []", 'further = ["ap60", "ap90"]'))
    labels = Image(np.kron([[1, 0], [0, 2]], np.ones((9, 9))).astype(np.uint16), "yx")
    read = suite.find(str(folder))
    assert score.figures(read, Pair(labels, labels), labels) == {"ap50": 1.0, "ap60": 1.0, "ap90": 1.0}


def test_neither_setting_nor_root_divert_a_suite_that_has_its_images(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = suite.find(str(folder))
    shutil.copytree(folder, tmp_path / "other")
    (tmp_path / "empty").mkdir()
    assert read.root(tmp_path / "other") == tmp_path / "other", "who names a folder that has them means it"
    assert read.root(tmp_path / "empty") == folder
    monkeypatch.setenv("BIOIMG_FIJI_BENCHMARK_DATA", str(tmp_path / "other"))
    assert read.root(None) == folder
    assert suite.find("stardist-nuclei-2d").root(None) == tmp_path / "other" / "stardist"
    assert suite.find("synthetic-denoising").root(tmp_path) == tmp_path
    notes: list[str] = []
    values = {"suite": str(folder), "output": tmp_path / "out", "baselines": "raw", "root": tmp_path / "empty"}
    find("benchmark").run(values, Job(on_note=notes.append))
    assert any("those beside its suite.toml" in note for note in notes)
    notes.clear()
    find("benchmark").run({**values, "root": tmp_path / "other"}, Job(on_note=notes.append))
    assert not any("those beside its suite.toml" in note for note in notes)


@pytest.mark.parametrize(("part", "field"), [("suite", "suite"), ("data", "root")])
def test_results_of_another_suite_or_other_data_are_refused(
    ranked: results.Results, tmp_path: Path, part: str, field: str
) -> None:
    path = results.write(ranked, tmp_path)
    here = json.loads(path.read_text())[part]["sha256"]
    altered(path, part, "sha256", value="0" * 64)
    with pytest.raises(ParameterError) as caught:
        find("benchmark").run({"action": "verify", "suite": str(path)})
    told = caught.value.details
    assert (told["field"], told["expected"], told["got"]) == (field, "0" * 64, here)
