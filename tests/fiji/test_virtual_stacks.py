"""Virtual stacks of an ImageJ that Python opened: processed from files, which go with what they were for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji import files
from bioimg_fiji.commands import find
from bioimg_fiji.errors import BioimgError, JobCancelledError, StorageError
from bioimg_fiji.fiji import Fiji, on_disk
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package

NORMAL = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "y", "x"]}}

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from bioimg_fiji import files
from bioimg_fiji.fiji import open_fiji
stack, model, out, cache = sys.argv[1:]
with open_fiji("embedded") as fiji:
    for number in range(2):
        fiji.run_macro(f'run("TIFF Virtual Stack...", "open=[{stack}]");')
        kept = fiji.run("BioImg Run Model...", model=model).images["output"]
        virtual = fiji.run_macro('virtual = is("Virtual Stack"); rename("result " + nImages); return "" + virtual;')
        print(virtual, sorted(p.name for p in Path(cache, "pixels").glob("*/*")))
        np.save(f"{out}-{number}.npy", kept.pixels)
    fiji.run_macro(f'selectImage("result 2"); saveAs("Tiff", "{out}.tif"); close(); close();')
"""
"""A result of more than an eighth of Java's memory, twice: the second run sweeps nothing of the first."""


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(2).integers(0, 4000, (12, 900, 1000)).astype(np.uint16)
    scales = {"x": Scale(0.2, "µm"), "y": Scale(0.2, "µm"), "t": Scale(2.0, "sec")}
    image = Image(pixels, "tyx", title="movie.tif", scales=scales, labels=tuple(f"frame {n}" for n in range(12)))
    return files.write_image(image, tmp_path / "movie.tif")


def opened(fiji: Fiji, path: Path) -> None:
    assert fiji.run_macro(f'run("TIFF Virtual Stack...", "open=[{path}]"); return "" + is("Virtual Stack");') == "1"


def test_pixels_and_metadata_are_those_of_a_run_in_memory(
    fiji: Fiji, cache: Path, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_fake_package(tmp_path / "mean.zip", FakeModel(pre=(NORMAL,)))
    expected = find("run_model").run({"image": files.read_image(movie), "model": tmp_path / "mean.zip"})
    opened(fiji, movie)
    monkeypatch.setattr(on_disk, "to_image", None)  # nothing is taken into memory as a whole
    found = fiji.run("BioImg Run Model...", model=tmp_path / "mean.zip").images["output"]
    output = expected.images["output"]
    assert found.pixels.tobytes() == output.pixels.tobytes()
    assert (found.axes, found.labels) == (output.axes, output.labels)
    assert found.scales == output.scales
    assert fiji.run_macro('return "" + is("Virtual Stack");') == "0"  # it is far less than Java's memory
    assert list((cache / "pixels").iterdir()) == []


@pytest.mark.parametrize(
    "image",
    [
        Image(np.random.default_rng(3).integers(0, 255, (5, 3, 30, 40)).astype(np.uint8), "zcyx", rgb=True),
        Image(np.random.default_rng(4).integers(-900, 900, (6, 30, 40)).astype(np.int16), "zyx"),
        Image(np.random.default_rng(5).normal(size=(4, 3, 2, 30, 40)).astype(np.float32), "tzcyx"),
    ],
    ids=["RGB", "int16", "5D"],
)
def test_every_kind_of_pixels_comes_as_it_is(
    fiji: Fiji, cache: Path, tmp_path: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bioimg_fiji.fiji.java import jclass

    opened(fiji, files.write_image(image, tmp_path / "stack.tif"))
    monkeypatch.setattr(on_disk, "_BLOCK", 5000)  # several blocks
    with on_disk.Disk(lambda *_: None) as disk:
        found = disk.image(jclass("ij.WindowManager").getCurrentImage())
        assert (found.axes, found.rgb, found.dtype) == (image.axes, image.rgb, image.dtype)
        np.testing.assert_array_equal(found.pixels, image.pixels)
    assert list((cache / "pixels").iterdir()) == []


@pytest.mark.timeout(180)
def test_a_large_result_is_a_virtual_stack_until_java_ends(cache: Path, movie: Path, tmp_path: Path) -> None:
    write_fake_package(tmp_path / "mean.zip")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(movie), str(tmp_path / "mean.zip"), str(tmp_path / "out"), str(cache)],
        env=os.environ | {"JAVA_TOOL_OPTIONS": "-Xmx256m"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("1 ")
    assert first.count(".raw") == 1
    assert second.startswith("1 ")
    assert second.count(".raw") == 2
    given = {"image": files.read_image(movie), "model": tmp_path / "mean.zip"}
    expected = find("run_model").run(given).images["output"].pixels
    for number in range(2):
        np.testing.assert_array_equal(np.load(tmp_path / f"out-{number}.npy"), expected)
    np.testing.assert_array_equal(files.read_image(tmp_path / "out.tif").pixels, expected)
    assert list((cache / "pixels").iterdir()) == []


def test_a_cancel_while_planes_are_read_leaves_nothing(
    fiji: Fiji, cache: Path, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_fake_package(tmp_path / "mean.zip")
    opened(fiji, movie)
    monkeypatch.setattr(on_disk, "_BLOCK", 1)
    seen: list[Progress] = []

    def progress(report: Progress) -> None:
        seen.append(report)
        if report.message.startswith("Reading") and report.current >= 3:
            job.cancel()

    job = Job(progress)
    fiji.watch(job)
    try:
        with pytest.raises(JobCancelledError):
            fiji.run("BioImg Run Model...", model=tmp_path / "mean.zip")
    finally:
        fiji.watch(None)
    assert seen[-1].message == "Reading movie.tif"
    assert seen[-1].maximum == 12
    assert list((cache / "pixels").iterdir()) == []


def test_files_stay_as_long_as_work_goes_on_that_nobody_waits_for(
    fiji: Fiji, cache: Path, movie: Path, tmp_path: Path
) -> None:
    from bioimg_fiji.fiji.java import jclass

    opened(fiji, movie)
    disk = on_disk.Disk(lambda *_: None)
    with disk:
        image = disk.image(jclass("ij.WindowManager").getCurrentImage())
        work = disk.__enter__()
    assert image.pixels[3, 4, 5] == files.read_image(movie).pixels[3, 4, 5]
    assert work.folder is not None
    assert (work.folder / "image-1.raw").exists()
    work.__exit__(None, None, None)
    assert list((cache / "pixels").iterdir()) == []


def test_a_disk_without_room_is_told_before_anything_is_written(
    fiji: Fiji, movie: Path, tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_fake_package(tmp_path / "mean.zip")
    monkeypatch.setenv("BIOIMG_FIJI_CACHE", str(small_disk))
    opened(fiji, movie)
    with pytest.raises(StorageError, match="are missing") as caught:
        fiji.run("BioImg Run Model...", model=tmp_path / "mean.zip")
    assert isinstance(caught.value, BioimgError)
    assert "BIOIMG_FIJI_CACHE" in caught.value.fix
    assert list((small_disk / "pixels").iterdir()) == []
