"""The example scripts, each as a process of its own, on real images: what they give is right."""

from __future__ import annotations

import csv
import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji import files
from bioimg_fiji.commands import find
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.metrics.matching import match
from support.endpoints import ENDPOINT

EXAMPLES = Path(__file__).resolve().parents[2] / "scripts" / "examples"
MICRON = {"x": Scale(0.325, "µm"), "y": Scale(0.325, "µm")}

pytestmark = pytest.mark.timeout(400)


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(EXAMPLES / name), *map(str, arguments), "--endpoint", ENDPOINT]
    return subprocess.run(line, capture_output=True, text=True, timeout=380, check=False)


def precision(truth: np.ndarray, found: np.ndarray) -> float:
    """Give the average precision at an overlap of half."""
    return match(truth, found).average_precision(0.5)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_each_says_what_it_does(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert "--model" in done.stdout
    assert f"python {name}" in done.stdout


def test_a_folder_is_denoised(shared_data: Path, tmp_path: Path) -> None:
    """Parts of a real image with noise of a camera: the results are nearer to the image than the noisy parts."""
    truth = files.read_image(shared_data / "stardist" / "img2d.tif").pixels.astype(np.float32)
    truth = truth / np.percentile(truth, 99) * 60
    noisy = np.random.default_rng(1).poisson(truth).astype(np.uint16)
    image = Image(noisy, "yx", title="all.tif", scales=MICRON)
    parts = {f"{n}.tif": (slice(n * 128, n * 128 + 128), slice(0, 512)) for n in range(3)}
    (tmp_path / "raw").mkdir()
    for name, part in parts.items():
        files.write_image(image.with_pixels(noisy[part]), tmp_path / "raw" / name)
    (tmp_path / "raw" / "0-broken.tif").write_bytes(b"II*\0no image")
    keys = {"steps": 150, "batch_size": 8, "apply": False, "method": "n2v"}
    find("train_denoiser").run({"image": image, "model": tmp_path / "m.zip", **keys})
    done = run("denoise_folder.py", tmp_path / "raw", tmp_path / "out", "--model", tmp_path / "m.zip")
    assert done.returncode == 1
    assert "3 denoised, 0 were there, 1 failed, of 4 images" in done.stdout, done.stderr
    assert "0-broken.tif: " in done.stderr
    for name, part in parts.items():
        result = files.read_image(tmp_path / "out" / name)
        assert result.scale("x") == Scale(0.325, "µm")
        before, after = (np.sqrt(np.mean((each - truth[part]) ** 2)) for each in (noisy[part], result.pixels))
        assert after < 0.8 * before
        assert result.pixels.mean() == pytest.approx(truth[part].mean(), rel=0.05)
    (tmp_path / "raw" / "0-broken.tif").unlink()
    written = (tmp_path / "out" / "1.tif").stat().st_mtime_ns
    (tmp_path / "out" / "2.tif").unlink()
    again = run("denoise_folder.py", tmp_path / "raw", tmp_path / "out", "--model", tmp_path / "m.zip")
    assert again.returncode == 0, again.stderr
    assert "1 denoised, 2 were there, 0 failed, of 3 images" in again.stdout
    assert (tmp_path / "out" / "1.tif").stat().st_mtime_ns == written


def nuclei(shared_data: Path, count: int) -> list[tuple[Image, np.ndarray]]:
    """Real images of one size, each with at least ten nuclei, and their labels."""
    found = []
    for path in sorted((shared_data / "nuclei" / "images").glob("*.tif")):
        image = files.read_image(path)
        truth = files.read_image(shared_data / "nuclei" / "masks" / path.name).pixels
        if image.shape == (256, 256) and len(np.unique(truth)) > 10 and np.median(image.pixels) < 50:
            found.append((dataclasses.replace(image, scales=MICRON, title=path.name), truth))
        if len(found) == count:
            break
    assert len(found) == count
    return found


def test_a_segmentation_is_learnt_and_finds_the_nuclei(shared_data: Path, tmp_path: Path) -> None:
    chosen = nuclei(shared_data, 8)
    for folder in ("raw", "labels", "new"):
        (tmp_path / folder).mkdir()
    for image, truth in chosen[:6]:
        files.write_image(image, tmp_path / "raw" / image.title)
        files.write_image(Image(truth.astype(np.uint16), "yx"), tmp_path / "labels" / image.title)
    for image, _ in chosen[6:]:
        files.write_image(image, tmp_path / "new" / image.title)
    folders = [tmp_path / each for each in ("raw", "labels", "new", "out")]
    done = run("train_then_segment.py", *folders, "--model", tmp_path / "m.zip", "--quality", "quick", "--steps", 300)
    assert done.returncode == 0, done.stderr
    for image, truth in chosen[6:]:
        labels = files.read_image(tmp_path / "out" / f"{image.name}-labels.tif")
        assert labels.scale("x") == Scale(0.325, "µm")
        inside, meant = labels.pixels > 0, truth > 0
        overlap = np.count_nonzero(inside & meant) / np.count_nonzero(inside | meant)
        assert (overlap > 0.6, precision(truth, labels.pixels) > 0.4) == (True, True), (overlap, image.title)
        rows = table(tmp_path / "out" / f"{image.name}-objects.csv")
        assert len(rows) == len(np.unique(labels.pixels)) - 1
        area = sum(float(row["Area"]) for row in rows)
        assert area == pytest.approx(np.count_nonzero(labels.pixels) * 0.325**2, rel=1e-6)


@pytest.mark.parametrize("columns", ["trackmate", "btrack"])
def test_a_movie_is_ready_for_tracking(shared_data: Path, tmp_path: Path, columns: str) -> None:
    """Real nuclei that drift by 3 and 2 pixels a frame: what is found drifts so, too."""
    image, truth = nuclei(shared_data, 5)[-1]
    frames = np.stack([np.roll(image.pixels, (3 * t, 2 * t), (0, 1)) for t in range(3)])
    movie = Image(frames, "tyx", title="movie.tif", scales={**MICRON, "t": Scale(60, "s")})
    files.write_image(movie, tmp_path / "movie.tif")
    model = shared_data / "models" / "unet2d_nuclei_broad"
    done = run("tracking_export.py", tmp_path / "movie.tif", tmp_path / "out", "--model", model, "--columns", columns)
    assert done.returncode == 0, done.stderr
    labels = files.read_image(tmp_path / "out" / "movie-labels.ome.tif")
    assert (labels.axes, labels.scale("x")) == ("tyx", Scale(0.325, "µm"))
    assert (labels.scale("t").step, labels.scale("t").unit) in ((60, "s"), (60, "sec"))  # ImageJ's word is sec
    rows = table(tmp_path / "out" / "movie-spots.csv")
    names = {"trackmate": ("FRAME", "POSITION_X", "POSITION_Y", "AREA", "MEAN_INTENSITY", "LABEL")}
    t, x, y, area, mean, label = names.get(columns, ("t", "x", "y", "area", "mean_intensity", "object"))
    if columns == "btrack":
        assert list(rows[0])[:4] == ["t", "x", "y", "z"]
    assert [int(row[t]) for row in rows] == sorted(int(row[t]) for row in rows)
    assert {int(row[t]) for row in rows} == {0, 1, 2}
    assert len(rows) == sum(len(np.unique(frame)) - 1 for frame in labels.pixels)
    for row in rows:
        inside = labels.pixels[int(row[t])] == int(float(row[label]))
        where = np.argwhere(inside).mean(0) + 0.5
        assert (float(row[y]), float(row[x])) == pytest.approx(tuple(where * 0.325), abs=1e-3)
        assert float(row[area]) == pytest.approx(inside.sum() * 0.325**2, rel=1e-5)
        assert float(row[mean]) == pytest.approx(frames[int(row[t])][inside].mean(), rel=1e-4)
    assert precision(truth, labels.pixels[0]) > 0.4  # the model was made for larger nuclei
    first, second = (np.array([(float(r[y]), float(r[x])) for r in rows if int(r[t]) == n]) for n in (0, 1))
    steps = second[np.newaxis] - first[:, np.newaxis]
    nearest = steps[np.arange(len(first)), np.square(steps).sum(-1).argmin(1)]
    assert np.median(nearest, axis=0) / 0.325 == pytest.approx((3, 2), abs=0.5)  # as a tracker would link them
