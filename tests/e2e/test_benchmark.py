"""Benchmarks by the command line, in ImageJ and as a page in Chromium; `evaluate` on folders, patterns and lists.

BIOIMG_FIJI_PICTURES=FOLDER has the pictures of docs/images made anew there.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from scipy.ndimage import gaussian_filter

import bioimg_fiji
from bioimg_fiji import metrics
from bioimg_fiji.commands import find
from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.image import Image
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package, write_random_unet
from bioimg_fiji.train.synthetic import benchmark_set
from support.browser import DESKTOP, PHONE, chromium, page_of, shoot, troubles
from support.documents import blocks
from support.endpoints import in_this_process
from support.processes import ImageJ

pytestmark = pytest.mark.timeout(240)

SUITE = """
title = "Blobs in noise"
task = "denoising"
modality = "synthetic"
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


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of four noisy images, and three models: a mean filter, a U-Net that fits, and one of volumes."""
    folder = tmp_path_factory.mktemp("place")
    for part in ("images", "truth"):
        (folder / "blobs" / part).mkdir(parents=True)
    for number in range(4):
        rng = np.random.default_rng(number)
        truth = (gaussian_filter(rng.normal(size=(96, 96)), 4) * 800 + 200).astype(np.float32)
        noisy = (truth + rng.normal(0, 20, truth.shape)).astype(np.float32)
        write_image(Image(truth, "yx"), folder / "blobs" / "truth" / f"b{number}.tif")
        write_image(Image(noisy, "yx"), folder / "blobs" / "images" / f"b{number}.tif")
    (folder / "blobs" / "suite.toml").write_text(SUITE)
    write_fake_package(folder / "mean.zip")
    write_random_unet(folder / "unet.zip", mean=200.0, std=40.0, filters=4, depth=1)
    write_fake_package(folder / "volume.zip", FakeModel(axes="czyx"))
    return folder


def shell(place: Path, *arguments: str, status: int = 0, timeout: float = 200) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "bioimg_fiji", *arguments]
    done = subprocess.run(line, cwd=place, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def ranked(place: Path) -> dict[str, Any]:
    """The results of the two models that fit, and the baselines."""
    shell(place, "benchmark", "blobs", "mean.zip", "unet.zip", "--output", "out")
    found: dict[str, Any] = json.loads((place / "out" / "blobs.json").read_text("utf-8"))
    return found


def row(found: dict[str, Any], model: str) -> dict[str, Any]:
    return next(each for each in found["rows"] if each["model"] == model)


def test_two_models_and_the_baselines_are_ranked(place: Path, ranked: dict[str, Any]) -> None:
    names = [each["model"] for each in ranked["rows"]]
    assert names[0] == "gaussian-oracle"
    assert set(names) == {"gaussian-oracle", "gaussian", "mean", "raw", "unet"}
    values = [each["figures"]["psnr"] for each in ranked["rows"]]
    assert values == sorted(values, reverse=True)
    pairs = [[read_image(place / "blobs" / part / f"b{n}.tif").pixels for part in ("truth", "images")] for n in (0, 2)]
    assert row(ranked, "raw")["figures"]["psnr"] == pytest.approx(np.mean([metrics.psnr(*pair) for pair in pairs]))
    outputs = [
        find("run_model").run({"image": Image(noisy, "yx"), "model": place / "mean.zip"}).images["output"].pixels
        for _, noisy in pairs
    ]
    psnr = np.mean([metrics.psnr(truth, found) for (truth, _), found in zip(pairs, outputs, strict=True)])
    assert row(ranked, "mean")["figures"]["psnr"] == pytest.approx(psnr, rel=1e-6)
    for each in ranked["rows"]:
        assert [image["name"] for image in each["images"]] == ["b0.tif", "b2.tif"]
        assert 30 < each["memory"] < 4000
        assert {"bioimg-fiji", "numpy", "torch"} <= set(each["made"]["versions"])
    assert len(ranked["data"]["files"]) == 8
    assert re.fullmatch("[0-9a-f]{64}", row(ranked, "mean")["sha256"])


def test_the_csv_has_a_line_for_each_model(place: Path, ranked: dict[str, Any]) -> None:
    with (place / "out" / "blobs.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["model"] for line in lines] == [each["model"] for each in ranked["rows"]]
    assert float(lines[0]["psnr"]) == ranked["rows"][0]["figures"]["psnr"]
    assert {line["data_sha256"] for line in lines} == {ranked["data"]["sha256"]}


def test_a_model_that_does_not_fit_is_a_row_with_the_reason(place: Path) -> None:
    (place / "other").mkdir()
    done = shell(
        place, "benchmark", "blobs", "volume.zip", "no.zip", "mean.zip", "--output", "other", "--baselines", "none",
        status=1,
    )  # fmt: skip
    found = json.loads((place / "other" / "blobs.json").read_text("utf-8"))
    assert found["rows"][0]["model"] == "mean"
    assert row(found, "volume")["outcome"] == "failed"
    assert "b0.tif" in row(found, "volume")["reason"]
    assert "no.zip" in row(found, "no")["reason"]
    assert "volume" in done.stderr


def test_resume_runs_only_what_is_new(place: Path, ranked: dict[str, Any]) -> None:
    shell(place, "benchmark", "blobs", "unet.zip", "--output", "again", "--baselines", "raw")
    before = json.loads((place / "again" / "blobs.json").read_text("utf-8"))
    shell(place, "benchmark", "blobs", "unet.zip", "mean.zip", "--output", "again", "--baselines", "raw", "--resume")
    after = json.loads((place / "again" / "blobs.json").read_text("utf-8"))
    for name in ("unet", "raw"):
        assert row(after, name) == row(before, name), "it was run again"
    assert row(after, "mean")["outcome"] == "done"
    shell(place, "benchmark", "blobs", "--output", "again", "--baselines", "raw")
    third = json.loads((place / "again" / "blobs.json").read_text("utf-8"))
    assert row(third, "raw")["start"] != row(before, "raw")["start"], "it was not run again"
    assert row(third, "unet") == row(before, "unet"), "the row of another model is gone"


def test_results_are_verified_and_altered_ones_found(place: Path, ranked: dict[str, Any]) -> None:
    done = shell(place, "benchmark", "verify", "out/blobs.json")
    assert re.search(r"agree +5", done.stdout), done.stdout
    row(ranked, "unet")["images"][1]["figures"]["psnr"] += 1
    (place / "altered.json").write_text(json.dumps(ranked))
    done = shell(place, "benchmark", "verify", "altered.json", status=1)
    assert re.search(r"unet: psnr of b2\.tif is told as", done.stderr), done.stderr
    row(ranked, "unet")["images"][1]["figures"]["psnr"] -= 1


def test_what_is_missing_or_another_is_told(place: Path, tmp_path: Path) -> None:
    done = shell(place, "benchmark", "nuclei-segmentation", "--root", str(tmp_path), status=1)
    assert "nuclei/images/" in done.stderr
    assert "Data Science Bowl" in done.stderr
    assert "root=FOLDER" in done.stderr
    done = shell(place, "benchmark", "blobs", "--baselines", "otsu", "--output", str(tmp_path), status=1)
    assert "otsu" in done.stderr
    done = shell(place, "benchmark", status=1)
    assert "--list" in done.stderr


def test_a_new_suite_is_written_listed_and_run(tmp_path: Path, place: Path) -> None:
    shell(tmp_path, "benchmark", "--new", "mine")
    for part in ("images", "masks"):
        (tmp_path / "mine" / part).mkdir()
    for number in range(5):
        pixels = np.full((40, 40), 20, np.uint8)
        pixels[5:15, 5:15], pixels[25:35, 10 + number : 30] = 200, 180
        labels = (pixels > 100).astype(np.uint16) * np.where(np.arange(40)[:, None] < 20, 1, 2).astype(np.uint16)
        write_image(Image(pixels, "yx"), tmp_path / "mine" / "images" / f"{number}.tif")
        write_image(Image(labels, "yx"), tmp_path / "mine" / "masks" / f"{number}.tif")
    done = shell(tmp_path, "benchmark", "mine")
    assert re.search(r"otsu +1 ", done.stdout), done.stdout
    assert "SHA256SUMS" in done.stderr
    assert (tmp_path / "benchmark-results" / "benchmark.html").is_file()
    assert "synthetic-denoising" in shell(tmp_path, "benchmark", "--list").stdout


@in_this_process
def test_a_macro_in_imagej_runs_it(place: Path, ranked: dict[str, Any], tmp_path: Path) -> None:
    line = f"suite={place / 'blobs'} model={place / 'mean.zip'} output={tmp_path / 'out'} baselines=raw "
    with bioimg_fiji.open_fiji("embedded") as fiji:
        fiji.run_macro(
            f'run("BioImg Benchmark...", "{line}");\n'
            f'File.saveString(call("io.github.bioimgfiji.BioImg.figures"), "{tmp_path / "figures.txt"}");\n'
        )
    figures = dict(text.split("=") for text in (tmp_path / "figures.txt").read_text().split())
    assert figures["best_blobs"] == "mean"
    assert float(figures["psnr"]) == pytest.approx(row(ranked, "mean")["figures"]["psnr"], rel=1e-5)
    found = json.loads((tmp_path / "out" / "blobs.json").read_text("utf-8"))
    assert row(found, "mean")["images"][0]["sha256"] == row(ranked, "mean")["images"][0]["sha256"]


def test_a_real_model_on_real_nuclei(shared_data: Path, tmp_path: Path) -> None:
    model = shared_data / "models" / "unet2d_nuclei_broad"
    shell(
        tmp_path, "benchmark", "stardist-nuclei-2d", str(model), "--root", str(shared_data), "--output", "out",
        "--options", "foreground=1",
    )  # fmt: skip
    found = json.loads((tmp_path / "out" / "stardist-nuclei-2d.json").read_text("utf-8"))
    assert found["data"]["checked"]
    assert 0.3 < row(found, "unet2d_nuclei_broad")["figures"]["ap50"] <= 1
    assert 0 < row(found, "otsu")["figures"]["ap50"] < row(found, "unet2d_nuclei_broad")["figures"]["ap50"]


def test_the_real_calcium_movie(shared_data: Path, place: Path, tmp_path: Path) -> None:
    model = str(place / "mean.zip")
    shell(tmp_path, "benchmark", "calcium-mouse", model, "--root", str(shared_data), "--output", "out")
    found = json.loads((tmp_path / "out" / "calcium-mouse.json").read_text("utf-8"))
    for each in found["rows"]:
        assert 0 < each["figures"]["trace_correlation"] <= 1
        assert 0 < each["figures"]["amplitude_slope"] < 1.2
    assert row(found, "raw")["figures"]["psnr"] < row(found, "gaussian-oracle")["figures"]["psnr"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def html(place: Path, ranked: dict[str, Any]) -> Path:
    """The page of two suites, a model that failed among them."""
    (place / "two").mkdir()
    shell(place, "benchmark", "blobs;synthetic-denoising", "mean.zip", "unet.zip", "--output", "two")
    shell(place, "benchmark", "blobs", "volume.zip", "--output", "two", "--baselines", "none", status=1)
    return place / "two" / "benchmark.html"


@pytest.fixture
def page(browser: Browser, html: Path) -> Iterator[Page]:
    """The page; it asks nobody for anything and its console has nothing to complain of."""
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    page = page_of(context)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(html.as_uri())
    yield page
    assert troubles(page) == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()


def column(page: Page, number: int) -> list[str]:
    return page.locator("#blobs tbody tr").evaluate_all(f"rows => rows.map(row => row.cells[{number}].innerText)")


@pytest.mark.slow
def test_the_page_ranks_and_sorts(page: Page, ranked: dict[str, Any]) -> None:
    assert page.locator("section").count() == 3  # all suites, and each
    names = column(page, 2)
    assert names[:-1] == [each["model"] for each in ranked["rows"]]
    assert names[-1].startswith("volume")
    assert "axis 'z'" in names[-1]
    assert column(page, 0) == ["", "1", "2", "3", "4", ""], "the oracle has a rank"
    page.locator("#blobs th button", has_text="Memory").click()
    sizes = [float(text) for text in column(page, 7)[:-1]]
    assert sizes == sorted(sizes)
    page.locator("#blobs th button", has_text="Memory").click()
    assert [float(text) for text in column(page, 7)[:-1]] == sorted(sizes, reverse=True)
    assert column(page, 2)[-1].startswith("volume"), "an empty cell does not stay at the end"
    page.locator("#blobs th button", has_text="Model").focus()
    page.keyboard.press("Enter")
    assert column(page, 2) == sorted(column(page, 2))
    loaded = page.locator("img").evaluate_all("all => all.map(each => each.naturalWidth)")
    assert len(loaded) >= 14
    assert min(loaded) > 50
    assert page.locator("tr.best").evaluate_all("rows => rows.map(row => row.cells[2].innerText)") == ["gaussian"] * 2


@pytest.mark.slow
def test_the_page_fits_a_phone(page: Page) -> None:
    page.set_viewport_size(PHONE)
    wide, narrow = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= narrow
    label = page.locator("#blobs tbody tr").first.locator("td", has_text="gaussian").evaluate(
        "cell => getComputedStyle(cell, '::before').content"
    )  # fmt: skip
    assert label == '"Model"'


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with n2v.zip, trained on the images for training of `synthetic-denoising`."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "training").mkdir()
    for number, pixels in enumerate(benchmark_set()[0]):
        write_image(Image(pixels, "yx"), folder / "training" / f"{number}.tif")
    shell(folder, "train", "n2v", "training", "--model", "n2v.zip", timeout=800)
    return folder


@pytest.mark.skipif("BIOIMG_FIJI_PICTURES" not in os.environ, reason="BIOIMG_FIJI_PICTURES=FOLDER makes the pictures")
@pytest.mark.timeout(1200)
def test_the_pictures_of_the_documentation(browser: Browser, shared_data: Path, trained: Path) -> None:
    """Real nuclei with a model of the zoo, and a denoiser that was trained: what is shown is worth being shown."""
    pictures = Path(os.environ["BIOIMG_FIJI_PICTURES"])
    nuclei = str(shared_data / "models" / "unet2d_nuclei_broad")
    with_data = ("--root", str(shared_data), "--output", "out")
    shell(trained, "benchmark", "stardist-nuclei-2d", nuclei, *with_data, "--options", "foreground=1")
    shell(trained, "benchmark", "synthetic-denoising", "n2v.zip", *with_data)
    found = json.loads((trained / "out" / "synthetic-denoising.json").read_text("utf-8"))
    assert row(found, "n2v")["figures"]["psnr"] > row(found, "gaussian-oracle")["figures"]["psnr"]
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    page = page_of(context)
    page.goto((trained / "out" / "benchmark.html").as_uri())
    shoot(page, pictures / "benchmark.png")
    page.set_viewport_size(PHONE)
    page.locator("#synthetic-denoising").evaluate("section => section.scrollIntoView()")
    shoot(page, pictures / "benchmark-phone.png")
    assert troubles(page) == []
    context.close()


@pytest.fixture
def documented(tmp_path: Path) -> Path:
    """A folder with the models that the documentation names, and a store with one of them."""
    for name in ("fox", "n2v", "care"):
        write_fake_package(tmp_path / f"{name}.zip", FakeModel(channels=("foreground",), config={"name": name}))
    shell(tmp_path, "models", "add", "fox.zip", "--nickname", "fox")
    return tmp_path


def lines(*, with_data: bool) -> list[list[str]]:
    """Give the command lines of docs/benchmark.md that need the data of the suites, or those that do not."""
    (block,) = [each for each in blocks("docs/benchmark.md", "sh") if "--list" in each]
    found = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert all(line[0] == "bioimg-fiji" for line in found)
    return [line[1:] for line in found if ("--root" in line) == with_data]


def test_the_documented_lines_without_data(documented: Path) -> None:
    for line in lines(with_data=False):
        said = shell(documented, *line).stdout
        assert "synthetic-denoising" in said or "psnr" in said
    found = json.loads((documented / "benchmark-results" / "synthetic-denoising.json").read_text("utf-8"))
    assert {"fox", "n2v", "raw"} <= {each["model"] for each in found["rows"]}


def test_the_documented_lines_with_data(documented: Path, shared_data: Path) -> None:
    (documented / "data").symlink_to(shared_data)
    first, verify = lines(with_data=True)
    shell(documented, *first)
    for name in ("nuclei-segmentation", "stardist-nuclei-2d"):
        found = json.loads((documented / "results" / f"{name}.json").read_text("utf-8"))
        assert {each["model"] for each in found["rows"] if each["outcome"] == "done"} == {"fox", "otsu"}
    assert re.search(r"agree +2", shell(documented, *verify).stdout)


def test_the_documented_macro(documented: Path, server: subprocess.Popen[bytes], imagej: ImageJ) -> None:
    """ImageJ runs in the folder of the models, its server does not: the paths of the list are completed."""
    (macro,) = blocks("docs/benchmark.md", "ijm")
    said = imagej.run_in(documented, macro)
    found = json.loads((documented / "results" / "synthetic-denoising.json").read_text("utf-8"))
    models = {each["model"]: each for each in found["rows"] if each["outcome"] == "done"}
    assert {"fox", "n2v", "care", "gaussian"} <= set(models)
    best = next(each for each in found["rows"] if each["model"] != "gaussian-oracle")
    assert f"{best['model']} {best['figures']['psnr']:.3f}"[:-1] in said


def table(text: str, name: str) -> list[list[str]]:
    """Give the rows of the table of that name, as the terminal shows it."""
    lines = text.splitlines()
    start = next(place for place, line in enumerate(lines) if line.strip() == name)
    rows = []
    for line in lines[start + 1 :]:
        if len(line.split()) < 2:
            break
        rows.append(line.split())
    return rows


@pytest.mark.parametrize("images", [["blobs/images"], ["blobs/images/b*.tif"], ["list.tsv"], ["several"]])
def test_evaluate_takes_folders_patterns_lists_and_several_files(place: Path, images: list[str]) -> None:
    files = [f"blobs/images/b{number}.tif" for number in range(4)]
    (place / "list.tsv").write_text("".join(f"{name}\t{name.replace('images', 'truth')}\n" for name in files))
    images = files if images == ["several"] else images
    truth = [] if images == ["list.tsv"] else ["--truth", "blobs/truth"]
    done = shell(place, "evaluate", *images, *truth, "--metrics", "psnr ssim", "--csv", "table.csv")
    with (place / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [each["Image"] for each in rows] == ["b0.tif", "b1.tif", "b2.tif", "b3.tif"]
    pairs = [
        [read_image(place / "blobs" / part / f"b{n}.tif").pixels for part in ("truth", "images")] for n in range(4)
    ]
    wanted = [metrics.psnr(*pair) for pair in pairs]
    np.testing.assert_allclose([float(each["psnr (dB)"]) for each in rows], wanted, rtol=1e-6)
    (psnr,) = [line for line in table(done.stdout, "summary") if line[0] == "psnr"]
    assert psnr[1:6] == [
        *(f"{v:.4g}" for v in (np.mean(wanted), np.std(wanted, ddof=1), min(wanted), max(wanted))),
        "4",
    ]


def test_evaluate_takes_one_image_and_no_truth(place: Path) -> None:
    done = shell(place, "evaluate", "blobs/images/b0.tif", "--truth", "blobs/truth/b0.tif", "--metrics", "psnr")
    assert re.search(r"psnr +\d", done.stdout)
    done = shell(place, "evaluate", "blobs/truth", "--raw", "blobs/images")
    assert "noise_removed" in done.stdout.replace("\n", " ") or "mean_bias" in done.stdout
    done = shell(place, "evaluate", "blobs/truth", status=1)
    assert "truth" in done.stderr


def test_an_image_that_cannot_be_measured_is_a_row(place: Path, tmp_path: Path) -> None:
    for part in ("found", "truth"):
        (tmp_path / part).mkdir()
    for number in range(2):
        pixels = read_image(place / "blobs" / "truth" / f"b{number}.tif").pixels
        write_image(Image(pixels, "yx"), tmp_path / "truth" / f"b{number}.tif")
        write_image(Image(pixels[: 96 - 6 * number], "yx"), tmp_path / "found" / f"b{number}.tif")
    done = shell(tmp_path, "evaluate", "found", "--truth", "truth", "--csv", "table.csv", status=1)
    assert "1 of 2 images failed, the first (b1.tif)" in done.stderr
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["reason"] == ""
    assert "has 96 along y" in rows[1]["reason"]
    (tmp_path / "truth" / "b1.tif").unlink()
    done = shell(tmp_path, "evaluate", "found", "--truth", "truth", status=1)
    assert "none for 1 of 2: b1.tif" in done.stderr
