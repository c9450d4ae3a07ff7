"""Packages that we have written are judged by bioimageio.core, and run by others, in processes without this project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji.commands import find
from bioimg_fiji.image import Image
from bioimg_fiji.package import ModelPackage, open_package
from bioimg_fiji.runtime.fake import write_random_unet

JUDGE = """
import json, sys, warnings
sys.modules["bioimg_fiji"] = None
warnings.simplefilter("ignore")
from bioimageio.core import test_model
judgements = {}
for name, (package, formats) in json.load(open(sys.argv[1])).items():
    for weights in formats:
        summary = test_model(package, weight_format=weights)
        errors = [error.msg for detail in summary.details for error in detail.errors]
        judgements[f"{name} {weights}"] = {"status": summary.status, "errors": errors}
print("JUDGED" + json.dumps(judgements))
"""

BARE = """
import json, sys
import numpy, onnxruntime
for package in json.load(open(sys.argv[1])).values():
    session = onnxruntime.InferenceSession(package["onnx"], providers=["CPUExecutionProvider"])
    mean, std, gain, offset = (numpy.array(package[key]) for key in ("mean", "std", "gain", "offset"))
    x = ((numpy.load(package["input"]) - mean) / std).astype(numpy.float32)
    found = session.run(None, {session.get_inputs()[0].name: x})[0] * gain + offset
    expected = numpy.load(package["output"])
    assert found.shape == expected.shape, (found.shape, expected.shape)
    difference = float(abs(found - expected).max() / numpy.ptp(expected))
    assert difference < 1e-4, (package["onnx"], difference)
assert not {"torch", "bioimg_fiji", "bioimageio"} & set(sys.modules)
print("SAME")
"""

SMALL = {"filters": 4, "depth": 1}
RGB = {"in_channels": 3, "out_channels": 3}
KINDS: dict[str, dict[str, Any]] = {
    "script": {**SMALL, "torchscript": True},
    "joint": {**SMALL, **RGB, "mean": (100.0, 5e-4, 3e4), "std": (10.0, 1e-4, 2e3)},
    "apart": {
        **SMALL,
        "in_channels": 2,
        "out_channels": 2,
        "independent": True,
        "torchscript": True,
        "mean": (100.0, 500.0),
        "std": (10.0, 30.0),
    },
    "larger": {**SMALL, "out_scale": [2, 3], "out_mean": (1000.0,), "out_std": (77.0,), "torchscript": True},
    "window": {**SMALL, "in_channels": 7, "window": 3},
    "volume": {**SMALL, "ndim": 3, "scale": [1, 2, 2], "out_scale": [2, 1, 1], "torchscript": True},
    "colours": {**SMALL, "in_channels": 2, "out_channels": 3, "per_image": True},
}
TRAINED = {"trained 2": ((96, 110), "yx", 64), "trained 3": ((24, 64, 72), "zyx", 32)}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A package of every kind with random weights, and two that were trained for a few steps, in 2D and in 3D."""
    folder = tmp_path_factory.mktemp("packages")
    for name, values in KINDS.items():
        write_random_unet(folder / f"{name}.zip", **values)
    for name, (shape, axes, patch) in TRAINED.items():
        pixels = np.random.default_rng(1).poisson(40, shape).astype(np.uint16)
        short = {"steps": 3, "batch_size": 2, "apply": False, "dims": name[-1], "patch": patch}
        find("train_denoiser").run({"image": Image(pixels, axes), "model": folder / f"{name}.zip", **short})
    return {name: folder / f"{name}.zip" for name in (*KINDS, *TRAINED)}


@pytest.fixture(scope="module")
def judged(packages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What bioimageio.core says of every package and format."""
    folder = tmp_path_factory.mktemp("judge")
    asked = {name: (str(path), list(open_package(path).weights)) for name, path in packages.items()}
    (folder / "asked.json").write_text(json.dumps(asked))
    done = subprocess.run(
        [sys.executable, "-c", JUDGE, str(folder / "asked.json")],
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
        cwd=folder,
        env=os.environ | {"BIOIMAGEIO_CACHE_PATH": str(folder / "cache"), "NO_COLOR": "1", "OMP_NUM_THREADS": "1"},
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("JUDGED")), None)
    assert line is not None, done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads(line.removeprefix("JUDGED"))
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [*KINDS, *TRAINED])
def test_the_fields_own_judge_passes_every_weights_format(
    name: str, packages: dict[str, Path], judged: dict[str, Any]
) -> None:
    formats = set(open_package(packages[name]).weights)
    more = {"torchscript"} if KINDS.get(name, {}).get("torchscript") else set()
    assert formats == {"onnx", "pytorch_state_dict"} | more
    for weights in formats:
        assert judged[f"{name} {weights}"] == {"status": "passed", "errors": []}, weights


def scaling(package: ModelPackage) -> dict[str, Any]:
    """Read the affine steps before and after the network as arrays that broadcast over its tensors."""
    (op,) = [op for op in package.inputs[0].ops if op.id != "ensure_dtype"]
    after = [op.kwargs for op in package.outputs[0].ops if op.id == "scale_linear"]
    if op.id == "scale_linear":
        gain, offset = np.array(op.kwargs["gain"]), np.array(op.kwargs["offset"])
        values = {"mean": -offset / gain, "std": 1 / gain}
    else:
        values = {"mean": op.kwargs["mean"], "std": op.kwargs["std"]}
    values |= {"gain": after[0]["gain"], "offset": after[0]["offset"]} if after else {"gain": 1.0, "offset": 0.0}
    shape = (-1, *(1 for letter in package.inputs[0].letters if letter in "zyx"))
    return {key: np.reshape(value, shape).tolist() for key, value in values.items()}


def test_the_onnx_file_runs_in_a_bare_onnx_runtime(packages: dict[str, Path], tmp_path: Path) -> None:
    asked = {}
    for name, path in packages.items():
        package = open_package(path)
        if KINDS.get(name, {}).get("per_image"):
            continue
        source, target = package.inputs[0].test_tensor, package.outputs[0].test_tensor
        assert source is not None
        assert target is not None
        files = {"onnx": package.weights["onnx"].file.path, "input": source.path, "output": target.path}
        asked[name] = {**{key: str(value) for key, value in files.items()}, **scaling(package)}
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(tmp_path / "asked.json")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "SAME", done.stderr[-2000:]
    assert len(asked) == len(packages) - 1


def test_what_packages_say_of_their_tensors(packages: dict[str, Path]) -> None:
    joint, larger, window = (open_package(packages[name]) for name in ("joint", "larger", "window"))
    volume, colours = open_package(packages["volume"]), open_package(packages["colours"])
    assert [axis.channel_names for axis in joint.inputs[0].axes if axis.letter == "c"] == [
        ("channel 1", "channel 2", "channel 3")
    ]
    assert joint.outputs[0].axis("c") == joint.inputs[0].axis("c")
    assert [op.kwargs.get("axis") for op in joint.outputs[0].ops if op.id == "scale_linear"] == ["channel"]
    halos = {axis.letter: (axis.scale, axis.halo) for axis in larger.outputs[0].axes if axis.letter in "yx"}
    within = larger.own["sizes"]["y"]["halo"]
    assert halos == {"y": (0.5, 2 * within), "x": (1 / 3, 3 * within)}
    assert [axis.scale for axis in volume.outputs[0].axes] == [1, 1, 0.5, 1, 1]
    assert window.own["window"] == {"axis": "t", "before": 3, "after": 3}
    names = window.inputs[0].axis("c")
    assert names is not None
    assert names.channel_names == ("t-3", "t-2", "t-1", "t", "t+1", "t+2", "t+3")
    assert [package.own["values"] for package in (joint, larger, window)] == ["input", "target", "input"]
    out = colours.outputs[0].axis("c")
    assert out is not None
    assert out.channel_names == ("denoised 1", "denoised 2", "denoised 3")
    assert [op.kwargs for op in colours.inputs[0].ops if op.id == "zero_mean_unit_variance"] == [
        {"axes": ["y", "x"], "eps": 1e-6}
    ]
