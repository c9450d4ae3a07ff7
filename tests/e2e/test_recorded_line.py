"""A line that ImageJ's own recorder has written, and the commands that leave tables, figures and files.

They are replayed in ImageJ's window, in batch mode, by `-batch` and in Python: all that they leave is the same, bit for
bit. That every command gives the same images by every way is told by test_every_command.py.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bioimg_fiji
from bioimg_fiji.commands import find
from bioimg_fiji.commands.macro import record
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Image
from bioimg_fiji.runtime.fake import write_fake_package
from support.endpoints import in_this_process
from support.processes import ImageJ
from support.scenes import play

OUT = "OUT-OF-THIS-WAY"
TABLE = "BioImg Models - models"


@dataclass(frozen=True)
class Case:
    """How a command is run, and what it leaves.

    Parameters
    ----------
    values
        Its values; IN is the folder of the inputs, `OUT` that of the results.
    opens
        Images that are opened before, the active one last.
    leaves
        "image", "folder" (figures and files) or "table".
    """

    values: Mapping[str, Any]
    opens: tuple[str, ...] = ()
    leaves: str = "image"

    def line(self, name: str, inputs: Path) -> str:
        """Give the full line, as the recorder writes it; the active image is not in it."""
        return record(find(name), {key: _placed(value, inputs) for key, value in self.values.items()})


def _placed(value: Any, inputs: Path) -> Any:
    return value.replace("IN/", f"{inputs}/") if isinstance(value, str) else value


CASES = {
    "run_model": Case({"model": "IN/my model.zip", "tile": 48}, ("cells.tif",)),
    "run_file": Case(
        {"input": "IN/cells.tif", "model": "IN/my model.zip", "output": f"{OUT}/file.ome.zarr"}, leaves="folder"
    ),
    "run_batch": Case({"folder": "IN/several", "model": "IN/my model.zip", "output": f"{OUT}/batch"}, leaves="folder"),
    "models": Case({"action": "add", "source": "IN/fake.zip", "nickname": "fox"}, leaves="table"),
}


@pytest.fixture
def inputs(tmp_path: Path, small_model: Path) -> Path:
    """Noisy images, and two models, one of which has a blank in its name."""
    folder = tmp_path / "in"
    (folder / "several").mkdir(parents=True)
    rng = np.random.default_rng(4)
    for name in ("cells", "several/a", "several/b"):
        bioimg_fiji.write_image(Image(rng.poisson(60, (64, 64)).astype(np.uint16), "yx"), folder / f"{name}.tif")
    shutil.copy(small_model, folder / "my model.zip")
    write_fake_package(folder / "fake.zip")
    return folder


def macro(inputs: Path, out: Path, *, windows: bool) -> str:
    """Write the macro that runs all commands and leaves their results in a folder."""
    out.mkdir()
    text = []
    for name, case in CASES.items():
        text += [f'open("{inputs / title}");' for title in case.opens]
        line = case.line(name, inputs).replace(OUT, str(out))
        text.append(f"run({json.dumps(find(name).title)}, {json.dumps(line)});")
        if case.leaves == "image":
            text.append(f'saveAs("Tiff", "{out / name}.tif");')
        if case.leaves == "folder":
            text.append(f'File.saveString(call("io.github.bioimgfiji.BioImg.figures"), "{out / name}.txt");')
        if case.leaves == "table" and windows:
            text.append(f'Table.save("{out / name}.csv", "{TABLE}");')
        text.append('close("*");')
    return "\n".join([*text, 'return "the end";', ""])


def in_python(inputs: Path, out: Path) -> None:
    """Run all in the embedded ImageJ, without a display."""
    with bioimg_fiji.open_fiji("embedded") as fiji:
        assert fiji.run_macro(macro(inputs, out, windows=False)) == "the end"
        shown = jclass("io.github.bioimgfiji.headless.Tables").shown()
        shown.get(TABLE).save(str(out / "models.csv"))


@in_this_process
@pytest.mark.gui
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("server")
def test_what_the_recorder_writes_gives_the_same_by_every_way(imagej: ImageJ, inputs: Path, tmp_path: Path) -> None:
    outs = {way: tmp_path / way for way in ("window", "batch-mode", "batch", "python")}
    files = []
    for way in ("window", "batch-mode"):
        files.append(tmp_path / f"{way}.ijm")
        start = "setBatchMode(true);\n" if way == "batch-mode" else ""
        files[-1].write_text(start + macro(inputs, outs[way], windows=True), encoding="utf-8")
    dialog = tmp_path / "dialog.tif"
    image, model = inputs / "cells.tif", inputs / "my model.zip"
    seen = play(imagej, "command_scenes", "record_and_replay", image, model, dialog, *files)
    line = CASES["run_model"].line("run_model", inputs)
    recorded = seen["recorded"].splitlines()[0]  # ImageJ adds which window has come
    assert recorded == f'run("BioImg Run Model...", "{line}");'
    assert seen["ends"] == ["the end"] * 2
    done = imagej.macro(macro(inputs, outs["batch"], windows=True), batch=True)
    assert done.returncode == 0, done.stdout + done.stderr
    in_python(inputs, outs["python"])

    reference = {name: result(case, name, outs["python"]) for name, case in CASES.items()}
    changed = reference["run_model"]["pixels"] - bioimg_fiji.read_image(image).pixels
    assert float(np.abs(changed).mean()) > 0.001, "the model did nothing"
    assert_same({"pixels": bioimg_fiji.read_image(dialog).pixels}, reference["run_model"], "dialog")
    for way, out in outs.items():
        for name, case in CASES.items():
            assert_same(result(case, name, out), reference[name], f"{name} by {way}")


def result(case: Case, name: str, out: Path) -> dict[str, Any]:
    """Give all that a command has left: arrays and texts by name."""
    if case.leaves == "table":
        text = (out / f"{name}.csv").read_text("utf-8")
        assert "fox@" in text
        return {"table": text}
    if case.leaves == "folder":
        return _files(out, name)
    return {"pixels": bioimg_fiji.read_image(out / f"{name}.tif").pixels}


def _files(out: Path, name: str) -> dict[str, Any]:
    """Give figures, and what is in the files that they name: images, and the report; all without the time it took."""
    told = (out / f"{name}.txt").read_text("utf-8").replace(str(out), "").splitlines()
    left: dict[str, Any] = {"figures": [each for each in told if not each.startswith("seconds=")]}
    assert len(left["figures"]) > 2
    if name == "run_file":
        left["pixels"] = bioimg_fiji.read_image(out / "file.ome.zarr").pixels
    else:
        for path in sorted((out / "batch").iterdir()):
            if path.suffix == ".tif":
                left[path.name] = bioimg_fiji.read_image(path).pixels
        with (out / "batch" / "bioimg-report.csv").open(newline="", encoding="utf-8") as file:
            rows = [{**row, "seconds": ""} for row in csv.DictReader(file)]
        left["report"] = json.dumps(rows).replace(str(out), "")
        assert {"a.tif", "b.tif"} < set(left)
    return left


def assert_same(got: Mapping[str, Any], wanted: Mapping[str, Any], what: str) -> None:
    """Two results are the same, bit for bit."""
    assert got.keys() == wanted.keys(), what
    for name, value in wanted.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(got[name], value, err_msg=f"{what}: {name}", strict=True)
        else:
            assert got[name] == value, f"{what}: {name}"
