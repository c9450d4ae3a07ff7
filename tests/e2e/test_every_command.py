"""Every registered command by its recorded line: in ImageJ's window, in batch mode, in -batch, and in Python without a
display. The pixels, and the weights of what was trained, are the same bit for bit.
"""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import bioimg_fiji
from bioimg_fiji import commands
from bioimg_fiji.commands import macro
from bioimg_fiji.image import Image
from support.endpoints import in_this_process
from support.processes import ImageJ

pytestmark = [in_this_process, pytest.mark.gui, pytest.mark.timeout(600)]

WAYS = ("window", "quiet", "batch", "python")
SHORT = {"steps": 3, "batch_size": 2, "patch": 32, "filters": 2, "depth": 1, "device": "cpu"}

SUITE = """
title = "Cells"
task = "denoising"
modality = "synthetic"
source = "This test"
licence = "CC0"
metric = "psnr"
[data]
images = "cells.tif"
truth = "truth.tif"
"""


@dataclass(frozen=True)
class Place:
    """What a case may use: the inputs of all ways, and the way's own folder."""

    inputs: Path
    model: Path
    own: Path


def _training(place: Place, name: str, **values: Any) -> dict[str, Any]:
    return {"model": place.own / f"{name}.zip", **SHORT, **values}


CASES: dict[str, Callable[[Place], dict[str, Any]]] = {
    "run_model": lambda place: {"model": place.model, "tile": 32, "device": "cpu"},
    "run_file": lambda place: {
        "input": place.inputs / "cells.tif",
        "model": place.model,
        "output": place.own / "file.ome.tif",
        "device": "cpu",
    },
    "run_batch": lambda place: {
        "folder": place.inputs,
        "model": place.model,
        "output": place.own / "batch",
        "pattern": "cells*.tif",
        "device": "cpu",
    },
    "evaluate": lambda place: {"truth": "truth.tif", "metrics": "psnr ssim frc", "roi": "whole"},
    "calibrate": lambda place: {
        "target": "truth.tif",
        "model": place.model,
        "output": place.own / "calibrated.zip",
        "device": "cpu",
    },
    "explain": lambda place: {"model": place.model, "method": "occlusion", "window": 24, "stride": 24, "device": "cpu"},
    "feature_maps": lambda place: {"model": place.model, "device": "cpu"},
    "error_map": lambda place: {"raw": "truth.tif", "gain": 1.0, "read_noise": 1.0, "offset": 0.0},
    "benchmark": lambda place: {
        "suite": place.inputs / "suite",
        "model": place.model,
        "root": place.inputs,
        "output": place.own / "benchmark",
        "device": "cpu",
    },
    "models": lambda place: {"action": "add", "source": place.model, "nickname": place.own.name},
    "train_denoiser": lambda place: _training(place, "denoiser", method="n2v", force=True),
    "train_restoration": lambda place: _training(place, "restoration", target="truth.tif"),
    "train_segmentation": lambda place: _training(place, "segmentation", target="objects.tif"),
}
"""One for each command; a command without one fails the test."""


def built_in() -> list[commands.Command]:
    """All commands of this package."""
    found = [commands.find(told["id"]) for told in commands.describe_all()]
    return [each for each in found if each.function.__module__.startswith("bioimg_fiji.")]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells, the truth, and the cells as objects."""
    folder = tmp_path_factory.mktemp("inputs")
    y, x = np.mgrid[:96, :96]
    truth = (100 + 80 * (np.sin(x / 7) * np.sin(y / 9)).clip(0)).astype(np.float32)
    cells = np.random.default_rng(4).poisson(truth).astype(np.uint16)
    # Each cell is alone in its square of one half wave.
    objects = np.where(truth > 130, 1 + (x // 22) + 5 * (y // 28), 0).astype(np.uint16)
    images = {"cells": cells, "truth": truth, "objects": objects}
    for name, pixels in images.items():
        bioimg_fiji.write_image(Image(pixels, "yx"), folder / f"{name}.tif")
    (folder / "suite").mkdir()
    (folder / "suite" / "suite.toml").write_text(SUITE)
    return folder


def scene(command: commands.Command, place: Place) -> str:
    """Give the macro that opens the images, runs the recorded line and keeps what comes."""
    values = {key: str(value) if isinstance(value, Path) else value for key, value in CASES[command.id](place).items()}
    # NB: Python records no titles of images, ImageJ does
    titles = {key: values.pop(key) for key in ("target", "truth", "raw") if key in values}
    line = macro.record(command, values)
    for key, title in titles.items():
        assert f"{key}=[] " in line
        line = line.replace(f"{key}=[] ", f"{key}={title} ")
    assert all(f"{key}=" in line for key in values), line
    text = "".join(f'open("{place.inputs / name}.tif");\n' for name in ("truth", "objects", "cells"))
    text += f'run("{command.title}", "{line}");\n'
    if command.id == "models":
        text += f'File.saveString(call("io.github.bioimgfiji.BioImg.models"), "{place.own / "models.txt"}");\n'
    elif command.id == "evaluate":
        text += f'File.saveString(call("io.github.bioimgfiji.BioImg.figures"), "{place.own / "figures.txt"}");\n'
    elif command.id not in ("run_file", "run_batch", "calibrate", "benchmark"):
        text += f'if (getTitle() == "cells.tif") exit("no result");\nsaveAs("Tiff", "{place.own / command.id}.tif");\n'
    return text + 'close("*");\n'


def test_every_command_gives_the_same_by_every_way(
    inputs: Path, small_model: Path, tmp_path: Path, imagej: ImageJ, server: subprocess.Popen[bytes]
) -> None:
    registered = built_in()
    assert {command.id for command in registered} == set(CASES), "a command has no case here"
    places = {way: Place(inputs, small_model, tmp_path / way) for way in WAYS}
    texts = {}
    for way, place in places.items():
        place.own.mkdir()
        texts[way] = "".join(scene(command, place) for command in registered)
    shown = imagej.macro(f"{texts['window']}setBatchMode(true);\n{texts['quiet']}", timeout=300)
    batch = imagej.macro(texts["batch"], batch=True, timeout=300)
    assert batch.returncode == 0, batch.stdout + batch.stderr
    with bioimg_fiji.open_fiji("embedded") as fiji:
        fiji.run_macro(texts["python"])
    assert server.poll() is None

    wanted = found(places["python"].own)
    assert len(wanted) == 16, sorted(wanted)
    for way in WAYS[:3]:
        got = found(places[way].own)
        told = f"{way}: {shown.stdout}{shown.stderr}"
        assert set(got) == set(wanted), told
        for name, array in wanted.items():
            np.testing.assert_array_equal(got[name], array, err_msg=f"{way}: {name}", strict=True)


def found(folder: Path) -> dict[str, Any]:
    """Give what a way has left: pixels of its images, weights of its models."""
    images = {str(path.relative_to(folder)): path for path in folder.rglob("*.tif")}
    arrays: dict[str, Any] = {name: bioimg_fiji.read_image(path).pixels for name, path in images.items()}
    for path in folder.glob("*.zip"):
        arrays[path.name] = weights(path)
    figures = dict(line.split("=") for line in (folder / "figures.txt").read_text().split())
    assert set(figures) == {"kind", "rows", "psnr", "ssim", "frc"}
    arrays["figures"] = np.array(list(figures.values()))
    rows = json.loads((folder / "benchmark" / "suite.json").read_text("utf-8"))["rows"]
    arrays["benchmark"] = np.array([[row["model"], row["images"][0]["sha256"]] for row in rows])
    named = (folder / "models.txt").read_text().split()
    arrays["models"] = np.array([any(name.startswith(f"{folder.name}@") for name in named)])
    return arrays


def weights(package: Path) -> np.ndarray[Any, Any]:
    """Give the bytes of a package's state dict."""
    with zipfile.ZipFile(package) as file:
        (name,) = [each for each in file.namelist() if each.endswith(".pt")]
        with file.open(name) as stream:
            state = torch.load(io.BytesIO(stream.read()), weights_only=True)
    return np.concatenate([tensor.numpy().ravel() for tensor in state.values()])
