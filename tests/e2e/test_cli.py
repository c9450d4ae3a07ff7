"""The command line: one message, one next step, an exit code, and nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji import files
from bioimg_fiji.image import Image, Scale, from_array
from support.processes import run_cli
from support.zoo import Kind, write


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """A small noisy image."""
    pixels = np.random.default_rng(1).poisson(50, (96, 110)).astype(np.uint16)
    return files.write_image(Image(pixels, "yx", scales={"x": Scale(0.2, "µm")}), tmp_path / "cells.tif")


def listing(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def test_train_then_run(cells: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.zip"
    trained = run_cli("train", "n2v", cells, "--model", model, "--steps", 4, "--batch-size", 2)
    assert trained.returncode == 0, trained.stderr
    assert str(model) in trained.stdout
    assert "loss" in trained.stderr
    done = run_cli("run", model, cells, tmp_path / "out.tif", "--tile", 64)
    assert done.returncode == 0, done.stderr
    result = files.read_image(tmp_path / "out.tif")
    assert result.dtype == np.float32
    assert result.scale("x").step == pytest.approx(0.2)
    assert listing(tmp_path) == {"cells.tif", "model.zip", "out.tif"}


@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        (("run", "{model}", "{cells}", "{out}", "--weight", "onnx"), 2, "No such option"),
        (("run", "nothing.zip", "{cells}", "{out}"), 1, "nothing.zip"),
        (("run", "{model}", "missing.tif", "{out}"), 1, "There is no image file missing.tif"),
        (("run", "{model}", "{cells}", "{folder}/none/out.tif"), 1, "Create the folder first"),
        (("run", "{model}", "{cells}", "{folder}/out.png"), 1, "Name it .tif"),
        (("run", "{model}", "{cells}", "{out}", "--axes", "zz"), 1, "Axes 'zz'"),
        (("train", "n2v", "{cells}", "--model", "{folder}/none/m.zip"), 1, "Create the folder first"),
        (("train", "n2v", "{cells}"), 2, "--model"),
        (("train", "n3v", "{cells}", "--model", "m.zip"), 2, "n3v"),
        (("train", "n2v", "{tiny}", "--model", "{folder}/m.zip"), 1, "at least"),
        (("call", "run_modell"), 1, "Did you mean run_model"),
        (("call", "run_model", "modle=a"), 1, "Did you mean model"),
    ],
)
def test_mistakes_say_what_to_do(line: tuple[str, ...], code: int, text: str, cells: Path, small_model: Path) -> None:
    folder = cells.parent
    tiny = files.write_image(from_array(np.ones((9, 9), np.uint8)), folder / "tiny.tif")
    names = {"model": small_model, "cells": cells, "folder": folder, "out": folder / "out.tif", "tiny": tiny}
    before = listing(folder)
    done = run_cli(*(part.format(**names) for part in line))
    assert done.returncode == code, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert listing(folder) == before


def test_full_disk_for_the_result(cells: Path, small_model: Path, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(small_disk_free(small_disk) - 8192))
    done = run_cli("run", small_model, cells, small_disk / "out.tif")
    assert done.returncode == 1
    assert "Free space" in done.stderr
    assert listing(small_disk) == {"filler"}


def test_full_disk_for_the_model(cells: Path, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(small_disk_free(small_disk) - 8192))
    line = ("train", "n2v", cells, "--model", small_disk / "m.zip", "--steps", 2, "--batch-size", 2)
    done = run_cli(*line)
    assert done.returncode == 1, done.stdout
    assert "Free space" in done.stderr
    assert listing(small_disk) == {"filler"}


def test_full_disk_for_the_result_of_a_macro(cells: Path, small_model: Path, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(small_disk_free(small_disk) - 8192))
    macro = cells.with_name("full.ijm")
    macro.write_text(
        f'open("{cells}");\nrun("BioImg Run Model...", "model=[{small_model}]");\n'
        f'saveAs("Tiff", "{small_disk}/out.tif");\nprint("went on");\n'
    )
    done = run_cli("macro", macro)
    assert done.returncode == 1, done.stdout
    assert "line 3" in done.stderr
    assert "No space left" in done.stderr
    assert "went on" not in done.stdout


def small_disk_free(folder: Path) -> int:
    import shutil

    return shutil.disk_usage(folder).free


def test_doctor_shows_the_chain() -> None:
    done = run_cli("doctor")
    for word in ("Python", "Java", "plugin", "torch", "server", "threads", "default"):
        assert word in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr


def test_doctor_in_json_for_a_plugin_that_asks(tmp_path: Path) -> None:
    done = run_cli("doctor", "--json", "--plugin", "0.99.0")
    found = {each["name"]: each for each in json.loads(done.stdout)["findings"]}
    assert set(found) >= {"bioimg-fiji", "torch", "devices", "server", "memory", "disk"}
    assert not set(found) & {"Java", "plugin", "Fiji", "Python"}
    assert done.returncode == 0, done.stdout + done.stderr
    empty = run_cli("doctor", tmp_path)
    assert empty.returncode == 1
    assert "no plugins folder" in " ".join(empty.stdout.split())


def test_uninstalling_what_is_not_there_ends_with_a_message(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    done = run_cli("uninstall-plugin", tmp_path)
    assert done.returncode == 1
    assert "The plugin is not in" in done.stderr


def test_commands_are_listed() -> None:
    done = run_cli("commands")
    assert "BioImg Run Model..." in done.stdout
    assert "BioImg Train Denoiser..." in done.stdout


def test_help_is_made_from_the_declaration(contract: Path) -> None:
    golden = json.loads((contract / "commands.json").read_text("utf-8"))["commands"]
    keys = {each["id"]: set(each["schema"]["properties"]) for each in golden}
    run, train = run_cli("run", "--help").stdout, run_cli("train", "--help").stdout
    for key in keys["run_model"] - {"image", "model"}:
        assert f"--{key.replace('_', '-')}" in run
    for key in keys["train_denoiser"] - {"image", "images", "source", "method", "apply"}:
        assert f"--{key.replace('_', '-')}" in train


def test_a_failing_macro_ends_with_its_message_and_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.ijm"
    path.write_text('x = 1;\nprint(x);\nrun("BioImg Run Model...", "modle=a.zip");\n')
    done = run_cli("macro", path)
    assert done.returncode == 1
    assert "modle" in done.stderr
    assert "line 3" in done.stderr
    path.write_text('return "" + (6 * 7);\n')
    done = run_cli("macro", path)
    assert (done.returncode, done.stdout.strip()) == (0, "42"), done.stderr


def test_models_are_tested_shown_and_trusted(tmp_path: Path) -> None:
    model = write(Kind(weights="torchscript"), tmp_path / "package")
    shown = run_cli("models", "info", model)
    assert shown.returncode == 0, shown.stderr
    assert "TorchScript (weights.pt)" in shown.stdout
    refused = run_cli("models", "test", model)
    assert refused.returncode == 1
    assert "models trust" in refused.stdout
    assert run_cli("models", "trust", model).returncode != 0  # nobody has said yes
    given = run_cli("models", "trust", "--yes", model)
    assert given.returncode == 0, given.stderr
    assert "TorchScript" in given.stdout
    tested = run_cli("models", "test", model)  # its test output is zeros
    assert tested.returncode == 1
    assert "first" in tested.stdout
    digits = given.stdout.rsplit(None, 1)[-1]
    assert "Test conv" in run_cli("models", "distrust").stdout
    assert run_cli("models", "distrust", digits).returncode == 0
    assert run_cli("models", "distrust", digits).returncode == 1


def test_a_package_of_ours_passes_its_own_test(small_model: Path) -> None:
    tested = run_cli("models", "test", small_model)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "!!" not in tested.stdout
