"""Running a model from file to file."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.commands import find
from bioimg_fiji.errors import (
    AxesError,
    BioimgError,
    FileFormatError,
    ImageError,
    JobCancelledError,
    StorageError,
    WeightsError,
)
from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.files.source import open_source
from bioimg_fiji.image import Channel, Image, Scale
from bioimg_fiji.intensity import Intensity
from bioimg_fiji.jobs import Job, Progress
from bioimg_fiji.locks import LockFile
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.predict import PredictOptions, predict, predict_file
from bioimg_fiji.predict.unfinished import LOCK
from bioimg_fiji.runtime import FakeAdapter
from bioimg_fiji.runtime.fake import FakeModel, mean_filter, write_fake_package

SPACE = {"axes": ["channel", "y", "x"]}
TILES = 6 * 9
"""Of `picture` for tiles of 40 pixels."""
NORMAL = {"id": "zero_mean_unit_variance", "kwargs": SPACE}


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOIMG_FIJI_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    return write_fake_package(tmp_path / "mean.zip")


def picture(dtype: str = "uint16", seed: int = 3) -> Image:
    pixels = np.random.default_rng(seed).integers(0, 3000, (2, 3, 90, 110)).astype(dtype)
    return Image(
        pixels,
        "tcyx",
        title="raw.tif",
        scales={"x": Scale(0.5, "µm", 3.0), "y": Scale(0.5, "µm"), "t": Scale(2.0, "sec")},
        channels=tuple(Channel(name, b"", (0.0, 2000.0)) for name in ("DAPI", "GFP", "Cy5")),
        intensity=Intensity("straight_line", (-100.0, 0.5), "photons"),
    )


def whole_hash(folder: Path) -> str:
    """SHA-256 over a TIFF's pixels (it has a unique id), or over all files of a folder with their names."""
    if folder.is_file():
        return hashlib.sha256(read_image(folder).pixels.tobytes()).hexdigest()
    told = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            told.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return told.hexdigest()


@pytest.mark.parametrize("result", ["a.ome.tif", "a.ome.zarr"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_the_result_is_that_of_a_run_in_memory(package: ModelPackage, tmp_path: Path, dtype: str, result: str) -> None:
    image = picture(dtype)
    write_image(image, tmp_path / "raw.tif")
    inside = predict(read_image(tmp_path / "raw.tif"), package, PredictOptions(tile=40))
    expected = inside.images["output"]
    found = predict_file(tmp_path / "raw.tif", tmp_path / result, package, PredictOptions(tile=40))
    ours = read_image(found.files["output"])
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours.pixels, expected.pixels, rtol=1e-6)
    assert ours.axes == "tcyx"
    assert {a: (s.step, s.unit) for a, s in ours.scales.items()} == {
        a: (s.step, s.unit) for a, s in expected.scales.items()
    }
    assert [channel.name for channel in ours.channels] == ["DAPI", "GFP", "Cy5"]
    assert ours.properties == expected.properties
    assert found.report["tiles"] == inside.report["tiles"] == TILES
    assert not (tmp_path / f"{result}.part").exists()


def stopping(tile: int) -> Job:
    """Give a job that its user stops at that tile."""

    def watch(report: Progress) -> None:
        if report.message == "Tiles" and report.current >= tile:
            job.cancel()

    job = Job(watch)
    return job


@pytest.mark.parametrize("post", [(), (NORMAL,)])
def test_a_run_that_was_stopped_goes_on(tmp_path: Path, post: tuple[dict[str, object], ...]) -> None:
    package = write_fake_package(tmp_path / "mean.zip", FakeModel(pre=(NORMAL,), post=post))
    write_image(picture(), tmp_path / "raw.ome.tif")
    options = PredictOptions(tile=40)
    predict_file(tmp_path / "raw.ome.tif", tmp_path / "whole.ome.zarr", package, options)

    counts: list[int] = []
    adapter = FakeAdapter(package, mean_filter)
    for stop in (0, 5, 31, 50, 1000):
        job = stopping(stop)
        before = len(adapter.shapes)
        with pytest.raises(JobCancelledError) if stop < TILES else contextlib.nullcontext() as caught:
            predict_file(tmp_path / "raw.ome.tif", tmp_path / "parts.ome.zarr", package, options, job, adapter=adapter)
        if caught is not None:
            assert ("goes on" in str(caught.value)) is (stop > 0)  # at first there is nothing to go on from
        counts.append(len(adapter.shapes) - before)
        assert (tmp_path / "parts.ome.zarr.part").exists() == (stop in (5, 31, 50))
        assert (tmp_path / "parts.ome.zarr").exists() == (stop == 1000)
    assert sum(counts) == TILES, counts  # each tile once
    # NB: another kind of adapter, but the same numbers: only the provenance differs.
    whole, parts = read_image(tmp_path / "whole.ome.zarr"), read_image(tmp_path / "parts.ome.zarr")
    np.testing.assert_allclose(parts.pixels, whole.pixels, rtol=1e-5, atol=1e-6)


KILLED = """
import sys
from pathlib import Path
from bioimg_fiji.package import open_package
from bioimg_fiji.predict import PredictOptions, predict_file
from bioimg_fiji.jobs import Job
package = open_package(Path(sys.argv[1]))
print("go", flush=True)
predict_file(sys.argv[2], sys.argv[3], package, PredictOptions(tile=24), Job(lambda r: print(r.message, flush=True)))
"""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("result", ["a.ome.zarr", "a.ome.tif"])
def test_a_run_that_is_killed_gives_the_same_bytes_in_the_end(tmp_path: Path, result: str) -> None:
    write_fake_package(tmp_path / "mean.zip", FakeModel(pre=(NORMAL,), post=(NORMAL,)))
    write_image(picture(), tmp_path / "raw.ome.zarr")
    line = [sys.executable, "-c", KILLED, str(tmp_path / "mean.zip"), str(tmp_path / "raw.ome.zarr")]
    subprocess.run([*line, str(tmp_path / f"whole-{result}")], check=True, timeout=60, stdout=subprocess.DEVNULL)
    kills = 0
    for wait in (3, 40, 90, 150, 10_000):
        with subprocess.Popen([*line, str(tmp_path / result)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for number, _ in enumerate(process.stdout):
                if number == wait:
                    os.kill(process.pid, signal.SIGKILL)
                    kills += 1
                    break
            process.stdout.read()
        if process.returncode == 0:
            break
    assert process.returncode == 0
    assert kills >= 2
    assert whole_hash(tmp_path / result) == whole_hash(tmp_path / f"whole-{result}")
    assert not (tmp_path / f"{result}.part").exists()


def test_other_work_begins_anew(package: ModelPackage, tmp_path: Path) -> None:
    write_image(picture(), tmp_path / "raw.ome.tif")

    def run(tile: int, stop: int) -> list[str]:
        notes: list[str] = []
        job = Job(lambda report: job.cancel() if report.current >= stop else None, notes.append)
        with contextlib.suppress(JobCancelledError):
            predict_file(tmp_path / "raw.ome.tif", tmp_path / "a.ome.tif", package, PredictOptions(tile=tile), job)
        return [note for note in notes if "Going on" in note]

    assert run(40, 20) == []
    assert run(32, 20) == []
    (going_on,) = run(32, 40)
    assert going_on.startswith("Going on where an earlier run has stopped: 2")
    write_image(picture(seed=4), tmp_path / "raw.ome.tif")
    assert run(32, 10_000) == []
    expected = predict(read_image(tmp_path / "raw.ome.tif"), package).images["output"]
    np.testing.assert_allclose(read_image(tmp_path / "a.ome.tif").pixels, expected.pixels, rtol=1e-6)


def test_a_kill_while_the_results_are_put_in_place_is_no_empty_result(package: ModelPackage, tmp_path: Path) -> None:
    write_image(picture(), tmp_path / "raw.ome.tif")
    job = Job(lambda report: job.cancel() if report.current >= 40 else None)
    with pytest.raises(JobCancelledError):
        predict_file(tmp_path / "raw.ome.tif", tmp_path / "a.ome.tif", package, PredictOptions(tile=40), job)
    (tmp_path / "a.ome.tif.part" / "a.ome.tif").unlink()
    predict_file(tmp_path / "raw.ome.tif", tmp_path / "a.ome.tif", package, PredictOptions(tile=40))
    expected = predict(read_image(tmp_path / "raw.ome.tif"), package).images["output"]
    np.testing.assert_allclose(read_image(tmp_path / "a.ome.tif").pixels, expected.pixels, rtol=1e-6)


def test_percentiles_of_the_whole_are_exact(tmp_path: Path) -> None:
    op = {"id": "scale_range", "kwargs": {**SPACE, "min_percentile": 1.0, "max_percentile": 99.8}}
    package = write_fake_package(tmp_path / "mean.zip", FakeModel(pre=(op,), config={}))
    write_image(picture(), tmp_path / "raw.ome.tif")
    expected = predict(read_image(tmp_path / "raw.ome.tif"), package, PredictOptions(tile=40)).images["output"]
    predict_file(tmp_path / "raw.ome.tif", tmp_path / "a.ome.tif", package, PredictOptions(tile=40))
    np.testing.assert_array_equal(read_image(tmp_path / "a.ome.tif").pixels, expected.pixels)


def test_memory_that_does_not_suffice_halves_the_tiles(package: ModelPackage, tmp_path: Path) -> None:
    notes: list[str] = []
    image = Image(np.random.default_rng(0).normal(100, 10, (300, 500)).astype(np.float32), "yx")
    write_image(image, tmp_path / "raw.ome.tif")

    def most(tensor: np.ndarray) -> np.ndarray:
        if tensor.size > 20_000:
            raise MemoryError
        return mean_filter(tensor)

    job = Job(on_note=notes.append)
    predict_file(tmp_path / "raw.ome.tif", tmp_path / "a.ome.tif", package, job=job, adapter=FakeAdapter(package, most))
    assert len([note for note in notes if "Memory does not suffice" in note]) == 2
    np.testing.assert_allclose(read_image(tmp_path / "a.ome.tif").pixels, mean_filter(image.pixels), rtol=1e-5)


def test_nothing_is_left_of_a_run_that_did_nothing(package: ModelPackage, tmp_path: Path) -> None:
    pixels = np.ones((50, 60), np.float32)
    pixels[20, 30] = np.nan
    write_image(Image(pixels, "yx", title="a"), tmp_path / "raw.ome.tif")
    with pytest.raises(ImageError, match="NaN"):
        predict_file(tmp_path / "raw.ome.tif", tmp_path / "a.ome.zarr", package)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mean.zip", "raw.ome.tif"]


def test_what_is_refused(package: ModelPackage, tmp_path: Path) -> None:
    write_image(picture(), tmp_path / "raw.ome.tif")

    def run(target: str, source: str = "raw.ome.tif") -> None:
        predict_file(tmp_path / source, tmp_path / target, package)

    cases: list[tuple[type[BioimgError], str, tuple[str, ...]]] = [
        (FileFormatError, r"\.ome\.zarr", ("a.tif",)),
        (StorageError, "does not exist", ("none/a.ome.tif",)),
        (StorageError, "the image itself", ("raw.ome.tif",)),
        (FileFormatError, "There is no image", ("a.ome.tif", "none.tif")),
    ]
    for kind, message, arguments in cases:
        with pytest.raises(kind, match=message):
            run(*arguments)
    (tmp_path / "a.ome.tif.part").mkdir()
    lock = LockFile(tmp_path / "a.ome.tif.part" / LOCK)
    assert lock.acquire()
    with pytest.raises(StorageError, match="Another run"):
        run("a.ome.tif")
    lock.release()
    tables = dataclasses.replace(
        package, outputs=tuple(dataclasses.replace(o, axes=o.axes[:2]) for o in package.outputs)
    )
    with pytest.raises(WeightsError, match="no image"):
        predict_file(tmp_path / "raw.ome.tif", tmp_path / "a.ome.tif", tables)


def test_the_command_writes_how_the_result_was_made(package: ModelPackage, tmp_path: Path) -> None:
    write_image(picture(), tmp_path / "raw.ome.tif")
    result = find("run_file").run(
        {
            "input": str(tmp_path / "raw.ome.tif"),
            "model": str(tmp_path / "mean.zip"),
            "output": str(tmp_path / "a.ome.zarr"),
        }
    )
    assert result.files == {"output": tmp_path / "a.ome.zarr"}
    properties = read_image(tmp_path / "a.ome.zarr").properties
    assert json.loads(properties["BioImg"])["package"] == package.sha256
    assert properties["BioImg Macro"].startswith('run("BioImg Run on File...", "')


def test_a_large_file_is_a_bigtiff(tmp_path: Path) -> None:
    from bioimg_fiji.files.sink import open_sink
    from bioimg_fiji.files.source import phantom

    image = Image(phantom((2, 1100, 1000, 1000), np.dtype(np.uint16)), "tzyx", scales={"z": Scale(2.0, "µm")})
    begin = time.monotonic()
    sink = open_sink(tmp_path / "a.ome.tif", image)
    place = (slice(1, 2), slice(1099, 1100), slice(999, 1000), slice(990, 1000))
    sink.write(place, np.full((1, 1, 1, 10), 7, np.uint16))
    assert (tmp_path / "a.ome.tif").read_bytes()[:4] == b"II\x2b\x00" if begin else False
    with open_source(tmp_path / "a.ome.tif") as source:
        assert source.image.shape == image.shape
        assert source.read(place).tolist() == [[[[7] * 10]]]


def test_axes_that_the_file_does_not_tell_are_asked_for(package: ModelPackage, tmp_path: Path) -> None:
    import tifffile

    tifffile.imwrite(
        tmp_path / "raw.tif", picture().pixels[0], compression="zlib", metadata=None, photometric="minisblack"
    )
    with pytest.raises(AxesError, match="axes="):
        predict_file(tmp_path / "raw.tif", tmp_path / "a.ome.tif", package)
    predict_file(tmp_path / "raw.tif", tmp_path / "a.ome.tif", package, PredictOptions(axes="zyx"))
    assert read_image(tmp_path / "a.ome.tif").axes == "zyx"
