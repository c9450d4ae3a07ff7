"""Virtual stacks in a real ImageJ with little memory: processed, shown, saved and removed without being loaded."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

import numpy as np
import psutil
import pytest
import tifffile

from bioimg_fiji import files
from bioimg_fiji.commands import find
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package
from support.processes import ImageJ

pytestmark = [pytest.mark.gui, pytest.mark.timeout(120)]

NORMAL = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "y", "x"]}}
MEMORY = 256 << 20
"""Of Java; results of more than an eighth of it stay on the disk."""


@pytest.fixture
def small_java(imagej: ImageJ) -> ImageJ:
    """An ImageJ with little memory."""
    imagej.environment["JAVA_TOOL_OPTIONS"] = f"-Xmx{MEMORY >> 20}m"
    return imagej


def opened(path: Path) -> str:
    return f'run("TIFF Virtual Stack...", "open=[{path}]");\nif (!is("Virtual Stack")) exit("loaded");\n'


class Peak:
    """The most memory that the server's workers hold, in bytes, measured while the context lasts."""

    def __init__(self, server: subprocess.Popen[bytes]) -> None:
        self._server, self._stop, self.bytes = psutil.Process(server.pid), threading.Event(), 0
        self._thread = threading.Thread(target=self._watch, name="peak")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            held = 0
            for each in [self._server, *self._server.children()]:
                try:
                    held += each.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.bytes = max(self.bytes, held)


def test_a_stack_larger_than_javas_memory(
    small_java: ImageJ, cache: Path, server: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """400 MB in, 800 MB out; ImageJ has 256 MB, and the server grows by far less than the image."""
    write_fake_package(tmp_path / "mean.zip")
    stack, said = tmp_path / "large.tif", tmp_path / "said.txt"
    mapped = tifffile.memmap(stack, shape=(200, 1000, 1000), dtype=np.uint16, imagej=True, metadata={"axes": "ZYX"})
    for number, plane in enumerate(mapped):
        plane[:] = 100 + number
    mapped.flush()
    del mapped
    before = sum(
        each.memory_info().rss for each in [psutil.Process(server.pid), *psutil.Process(server.pid).children()]
    )
    with Peak(server) as peak:
        done = small_java.macro(
            opened(stack)
            + f'run("BioImg Run Model...", "model=[{tmp_path / "mean.zip"}] tile=512");\n'
            + 'said = "" + is("Virtual Stack") + " " + nSlices + " " + bitDepth();\n'
            + "for (n = 1; n <= nSlices; n += 99) {\n"
            + 'setSlice(n);\nsaid += " " + getPixel(500, 511) + "," + getPixel(1, 998);\n}\n'
            + f'File.saveString(said, "{said}");\nclose();\nclose();\n'
        )
    assert said.exists(), done.stdout + done.stderr
    assert said.read_text().split() == ["1", "200", "32", "100,100", "199,199", "298,298"]
    growth = peak.bytes - before
    print(f"the server and its workers: {before >> 20} MiB before, {growth >> 20} MiB more at most")
    assert growth < 300 << 20
    until_empty(cache / "pixels", server)


def test_the_result_is_that_of_memory_can_be_saved_without_a_server_and_goes_with_its_window(
    small_java: ImageJ, cache: Path, server: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    write_fake_package(tmp_path / "mean.zip", FakeModel(pre=(NORMAL,)))
    pixels = np.random.default_rng(2).integers(0, 4000, (12, 1, 900, 1000)).astype(np.uint16)
    scales = {"x": Scale(0.2, "µm"), "y": Scale(0.2, "µm"), "t": Scale(2.0, "sec")}
    labels = tuple(f"frame {n}" for n in range(12))
    image = Image(pixels[:, 0], "tyx", title="movie.tif", scales=scales, labels=labels)
    files.write_image(image, tmp_path / "movie.tif")
    expected = find("run_model").run(
        {"image": files.read_image(tmp_path / "movie.tif"), "model": tmp_path / "mean.zip"}
    )
    result, listed, after = tmp_path / "result.tif", tmp_path / "listed.txt", tmp_path / "after.txt"
    listing = f'exec("sh", "-c", "ls {cache}/pixels/imagej-*")'
    done = small_java.macro(
        opened(tmp_path / "movie.tif")
        + f'run("BioImg Run Model...", "model=[{tmp_path / "mean.zip"}]");\n'
        + 'if (!is("Virtual Stack")) exit("the result was loaded");\n'
        + f'File.saveString({listing}, "{listed}");\n'
        + f'exec("kill", "{server.pid}");\nwhile (File.exists("{os.environ["BIOIMG_FIJI_CONNECTION"]}")) wait(50);\n'
        + f'setSlice(12);\nsaveAs("Tiff", "{result}");\nclose();\n'
        + f'for (i = 0; i < 100 && indexOf({listing}, "raw") >= 0; i++) wait(100);\n'
        + f'File.saveString({listing}, "{after}");\n'
    )
    assert result.exists(), done.stdout + done.stderr
    assert listed.read_text().split() == ["0.raw", "lock"]
    assert after.read_text().split() == ["lock"]
    server.wait(20)  # its connection file goes first, its folder for pixels at its very end
    assert list((cache / "pixels").iterdir()) == []
    found, output = files.read_image(result), expected.images["output"]
    assert found.pixels.tobytes() == output.pixels.tobytes()
    assert found.axes == output.axes == "tyx"
    assert found.labels == output.labels == labels
    assert {name: (each.step, each.unit) for name, each in found.scales.items()} == {
        name: (each.step, each.unit) for name, each in output.scales.items()
    }


def test_after_a_cancel_and_a_failure_nothing_is_left(
    small_java: ImageJ, cache: Path, server: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    write_fake_package(tmp_path / "mean.zip")
    stack, said = tmp_path / "movie.tif", tmp_path / "said.txt"
    tifffile.imwrite(stack, np.ones((60, 600, 600), np.uint16), imagej=True, metadata={"axes": "TYX"})
    listing = f'exec("sh", "-c", "ls {cache}/pixels/*")'
    start = f'Ext.BioImg_start("BioImg Run Model...", "model=[{tmp_path}/MODEL] tile=16")'
    done = small_java.macro(
        'run("BioImg Macro Extensions");\n'
        + opened(stack)
        + f"job = {start.replace('MODEL', 'mean.zip')};\n"
        + 'while (!startsWith(Ext.BioImg_message(job), "Tiles")) wait(20);\n'
        + "while (!(parseFloat(Ext.BioImg_progress(job)) > 0.001)) wait(20);\n"
        + f"during = {listing};\nbegin = getTime();\n"
        + 'ended = Ext.BioImg_cancel(job);\nwhile (Ext.BioImg_state(job) == "running") wait(10);\n'
        + "seconds = (getTime() - begin) / 1000;\nsaid = Ext.BioImg_state(job);\n"
        + f"job = {start.replace('MODEL', 'none.zip')};\n"
        + 'while (Ext.BioImg_state(job) == "running") wait(10);\n'
        + f'said = said + " " + Ext.BioImg_state(job) + "\\n" + seconds + "\\n" + during + "----\\n" + {listing};\n'
        + f'File.saveString(said, "{said}");\n'
    )
    assert said.exists(), done.stdout + done.stderr
    states, seconds, *lists = said.read_text().splitlines()
    assert states == "cancelled failed"
    print(f"cancelled after {seconds} s")
    during, after = lists[: lists.index("----")], lists[lists.index("----") + 1 :]
    assert any(each.endswith(".work") for each in during), during
    assert [each for each in after if each] == ["lock"]


def test_results_that_a_macro_closes_in_batch_mode_leave_the_disk_while_it_goes_on(
    small_java: ImageJ, cache: Path, server: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    write_fake_package(tmp_path / "mean.zip")
    stack, said = tmp_path / "movie.tif", tmp_path / "said.txt"
    tifffile.imwrite(stack, np.ones((40, 500, 500), np.uint16), imagej=True, metadata={"axes": "TYX"})
    listing = f'exec("sh", "-c", "ls {cache}/pixels/imagej-*")'
    done = small_java.macro(
        "setBatchMode(true);\n"
        "for (i = 0; i < 3; i++) {\n"
        + opened(stack)
        + f'run("BioImg Run Model...", "model=[{tmp_path / "mean.zip"}]");\n'
        + 'if (!is("Virtual Stack")) exit("the result was loaded");\n'
        + 'run("Stack to Hyperstack...", "order=xyzct channels=2 slices=10 frames=2 display=Grayscale");\n'
        + f'during = {listing};\nclose("*");\n}}\n'
        + f'for (i = 0; i < 100 && indexOf({listing}, "raw") >= 0; i++) wait(100);\n'
        + f'File.saveString(during + "----\\n" + {listing}, "{said}");\n'
    )
    assert said.exists(), done.stdout + done.stderr
    lists = said.read_text().split()
    assert lists[: lists.index("----")] == ["2.raw", "lock"], "the earlier ones were in the way of the next"
    assert lists[lists.index("----") + 1 :] == ["lock"]


def until_empty(folder: Path, server: subprocess.Popen[bytes]) -> None:
    """Wait until nothing is left of an ImageJ that has ended, and of the server's jobs."""
    end = time.monotonic() + 10
    expected = [f"bioimg-fiji-{server.pid}-"]
    while True:
        left = sorted(each.name for each in folder.iterdir())
        inside = [each.name for each in folder.glob("bioimg-*/*")]
        if [name[: len(expected[0])] for name in left] == expected and inside == ["lock"]:
            return
        assert time.monotonic() < end, (left, inside)
        time.sleep(0.1)
