"""A folder of images: results in the same sub-folders, a report, and bad images that stop nothing."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.commands import find
from bioimg_fiji.errors import JobCancelledError, ParameterError, StorageError
from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.runtime.fake import write_fake_package
from support.processes import run_cli


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_fake_package(tmp_path / "model.zip")
    return tmp_path / "model.zip"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three good images, one of them in a sub-folder with a space, and three bad ones."""
    source = tmp_path / "in"
    (source / "plate 1").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.tif", "b c.tiff", "plate 1/a.tif"):
        write_image(
            Image(rng.normal(50, 5, (40, 50)).astype(np.float32), "yx", scales={"x": Scale(0.5, "µm")}), source / name
        )
    (source / "broken.tif").write_bytes(b"II*\0 no image")
    (source / "empty.tif").write_bytes(b"")
    write_image(Image(np.full((40, 50), np.nan, np.float32), "yx"), source / "nan.tif")
    (source / "notes.txt").write_text("no image")
    return source


def run(folder: Path, model: Path, job: Job | None = None, **values: object) -> dict[str, object]:
    """Run it, and give how many images have which outcome."""
    output = folder.parent / "out"
    result = find("run_batch").run({"folder": folder, "model": model, "output": output, **values}, job or Job())
    return {name: result.figures[name] for name in ("done", "failed", "kept")}


def report(folder: Path) -> dict[str, dict[str, str]]:
    with (folder.parent / "out/bioimg-report.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_good_images_are_done_and_bad_ones_told(folder: Path, model: Path) -> None:
    assert run(folder, model) == {"done": 3, "failed": 3, "kept": 0}
    out = folder.parent / "out"
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert files == {"a.tif", "b c.tif", "plate 1/a.tif", "bioimg-report.csv"}
    single = find("run_model").run({"image": read_image(folder / "plate 1/a.tif"), "model": model}).images["output"]
    found = read_image(out / "plate 1/a.tif")
    np.testing.assert_array_equal(found.pixels, single.pixels)
    assert found.scale("x") == Scale(0.5, "µm")
    rows = report(folder)
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "a.tif": "done",
        "b c.tiff": "done",
        "plate 1/a.tif": "done",
        "broken.tif": "failed",
        "empty.tif": "failed",
        "nan.tif": "failed",
    }
    assert "NaN" in rows["nan.tif"]["reason"]
    assert all(row["reason"] for row in rows.values() if row["outcome"] == "failed")
    assert float(rows["a.tif"]["seconds"]) > 0


def test_resume_does_what_is_not_done(folder: Path, model: Path) -> None:
    run(folder, model)
    out = folder.parent / "out"
    before = (out / "a.tif").stat().st_mtime_ns
    (out / "b c.tif").unlink()
    write_image(Image(np.ones((40, 50), np.float32), "yx"), folder / "nan.tif")  # mended meanwhile
    assert run(folder, model, resume=True) == {"done": 2, "failed": 2, "kept": 2}
    assert (out / "a.tif").stat().st_mtime_ns == before
    assert run(folder, model, resume=True) == {"done": 0, "failed": 2, "kept": 4}
    assert run(folder, model) == {"done": 4, "failed": 2, "kept": 0}
    assert (out / "a.tif").stat().st_mtime_ns > before


def test_resume_with_another_model_begins_anew(folder: Path, model: Path) -> None:
    from bioimg_fiji.runtime.fake import FakeModel

    run(folder, model)
    other = folder.parent / "other.zip"
    write_fake_package(other, FakeModel(output="again"))
    assert run(folder, other, resume=True)["done"] == 3


def test_cancelled_between_images_and_resumed(folder: Path, model: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.current == 2:
            job.cancel()

    job = Job(on_progress=stop)
    with pytest.raises(JobCancelledError):
        run(folder, model, job)
    assert len(report(folder)) == 2
    assert run(folder, model, resume=True)["kept"] == 2


def test_the_progress_tells_how_long(folder: Path, model: Path) -> None:
    seen: list[Progress] = []
    run(folder, model, Job(on_progress=seen.append))
    images = [each for each in seen if each.message.startswith("Images")]
    assert [each.current for each in images] == [0, 1, 2, 3, 4, 5, 6]
    assert {each.maximum for each in images} == {6}
    assert all("seconds_left" in each.figures for each in images[1:-1])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"pattern": "*.png"}, "pattern"),
        ({"pattern": ""}, "pattern"),
        ({"pattern": "../*.tif"}, "pattern"),
        ({"folder": "/nowhere"}, "folder"),
    ],
)
def test_mistakes_are_told_before_anything_runs(values: dict[str, str], field: str, folder: Path, model: Path) -> None:
    with pytest.raises(ParameterError) as caught:
        find("run_batch").run({"folder": folder, "model": model, "output": folder.parent / "out"} | values)
    assert caught.value.details["field"] == field
    assert not (folder.parent / "out").exists()


def test_results_are_not_images_of_the_next_run(folder: Path, model: Path) -> None:
    out = folder / "results"
    for _ in range(2):
        result = find("run_batch").run({"folder": folder, "model": model, "output": out})
        assert result.figures["done"] == 3
    with pytest.raises(ParameterError, match="another folder"):
        find("run_batch").run({"folder": folder, "model": model, "output": folder})


def test_no_result_takes_the_place_of_another(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number, name in enumerate(("a.001.tif", "a.002.tif", "a.tif", "A.tiff", "b.ome.tif")):
        write_image(Image(np.full((40, 50), number, np.float32), "yx"), source / name)
    assert run(source, model)["done"] == 5
    found = {path.name: round(float(read_image(path).pixels[20, 20])) for path in (tmp_path / "out").glob("*.tif")}
    assert found == {"a.001.tif": 0, "a.002.tif": 1, "a_tif.tif": 2, "A_tiff.tif": 3, "b.tif": 4}


def test_a_full_disk_stops_it(folder: Path, model: Path, small_disk: Path) -> None:
    write_image(Image(np.zeros((1200, 1500), np.float32), "yx"), folder / "large.tif")
    with pytest.raises(StorageError):
        find("run_batch").run({"folder": folder, "model": model, "output": small_disk / "out"})
    assert not [path for path in small_disk.rglob("*") if path.name.startswith(".")]


def test_in_a_shell_it_is_the_same_word(folder: Path, model: Path) -> None:
    done = run_cli("run", model, folder, folder.parent / "out", "--pattern", "*.tif", "--no-subfolders")
    assert done.returncode == 1  # some failed
    assert "3 of 4 images failed" in done.stderr + done.stdout
    assert report(folder)["a.tif"]["outcome"] == "done"
    wrong = run_cli("run", model, folder / "a.tif", folder.parent / "a.tif", "--resume")
    assert wrong.returncode == 1
    assert "folder" in wrong.stderr
