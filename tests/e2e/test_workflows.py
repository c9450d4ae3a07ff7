"""docs/workflows.md and its files: exit codes, Snakemake where it is, the script of Nextflow, ImageJ's batch."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji import files
from bioimg_fiji.commands import find
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.runtime.fake import write_fake_package
from support.documents import ROOT, blocks
from support.processes import ImageJ, run_cli

EXAMPLES = ROOT / "docs" / "examples"

pytestmark = pytest.mark.timeout(300)


def examples(language: str, part: str) -> list[str]:
    """Give the page's blocks of a language that have a text."""
    return [each for each in blocks("docs/workflows.md", language) if part in each]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model and images, one of which is none."""
    rng = np.random.default_rng(1)
    (tmp_path / "raw").mkdir()
    for name in ("a", "b b"):
        image = Image(rng.normal(100, 5, (48, 64)).astype(np.float32), "yx", scales={"x": Scale(0.25, "µm")})
        files.write_image(image, tmp_path / "raw" / f"{name}.tif")
    (tmp_path / "raw" / "bad.tif").write_text("no image")
    write_fake_package(tmp_path / "cells-n2v.zip")
    return tmp_path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Variables of a shell that has `bioimg-fiji`; programs keep their caches in the test's folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")}


def shell(
    line: str | list[str], folder: Path, environment: dict[str, str], variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    arguments = ["sh", "-ec", line] if isinstance(line, str) else line
    return subprocess.run(
        arguments,
        cwd=folder,
        env=environment | (variables or {}),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def expected(folder: Path, name: str) -> np.ndarray:
    image = files.read_image(folder / "raw" / f"{name}.tif")
    return find("run_model").run({"image": image, "model": folder / "cells-n2v.zip"}).images["output"].pixels


def outcomes(results: Path) -> dict[str, str]:
    with (results / "bioimg-report.csv").open(encoding="utf-8") as report:
        return {row["file"]: row["outcome"] for row in csv.DictReader(report)}


def test_exit_codes_of_a_folder_and_what_resume_does(folder: Path, environment: dict[str, str]) -> None:
    (block,) = examples("sh", "--resume")
    first, again = (line.partition("#")[0].strip() for line in block.splitlines())
    done = shell(first, folder, environment)
    assert done.returncode == 1
    assert "1 of 3 images failed" in done.stderr
    assert outcomes(folder / "denoised") == {"a.tif": "done", "b b.tif": "done", "bad.tif": "failed"}
    np.testing.assert_array_equal(files.read_image(folder / "denoised" / "a.tif").pixels, expected(folder, "a"))
    shutil.copy(folder / "raw" / "a.tif", folder / "raw" / "bad.tif")
    mended = shell(again, folder, environment)
    assert mended.returncode == 0, mended.stderr
    assert outcomes(folder / "denoised") == {"a.tif": "kept", "b b.tif": "kept", "bad.tif": "done"}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (("run", "cells-n2v.zip", "raw/a.tif", "x.tif"), 0),
        (("run", "cells-n2v.zip", "raw/bad.tif", "x.tif"), 1),
        (("run", "no-model.zip", "raw/a.tif", "x.tif"), 1),
        (("run", "cells-n2v.zip", "raw/a.tif", "x.tif", "--tile", "-4"), 1),
        (("run", "cells-n2v.zip", "raw/a.tif", "x.tif", "--tile", "large"), 2),
        (("run", "cells-n2v.zip", "raw/a.tif", "x.tif", "--no-such-option"), 2),
        (("run", "cells-n2v.zip"), 2),
    ],
)
def test_exit_codes(folder: Path, monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...], code: int) -> None:
    monkeypatch.chdir(folder)
    done = run_cli(*line)
    assert done.returncode == code, done.stderr
    assert (folder / "x.tif").is_file() == (code == 0)
    assert code == 0 or done.stderr


def test_the_shell_line_of_the_snakefile(folder: Path, environment: dict[str, str]) -> None:
    """What Snakemake gives to the shell, with its placeholders filled in."""
    (line,) = re.findall(r'^    shell:\n        "(.*)"$', (EXAMPLES / "Snakefile").read_text("utf-8"), re.MULTILINE)
    values = {
        "threads": "2",
        "input.model:q": "cells-n2v.zip",
        "input.image:q": "'raw/b b.tif'",
        "output:q": "'b b.tif'",
        "log:q": "log.txt",
    }
    done = shell(re.sub(r"\{(.*?)\}", lambda found: values[found[1]], line), folder, environment)
    assert done.returncode == 0, (folder / "log.txt").read_text("utf-8")
    np.testing.assert_array_equal(files.read_image(folder / "b b.tif").pixels, expected(folder, "b b"))


def test_the_script_of_the_nextflow_process(folder: Path, environment: dict[str, str]) -> None:
    """What Nextflow gives to the shell, with its variables filled in; Nextflow itself is not run."""
    text = (EXAMPLES / "run-model.nf").read_text("utf-8")
    (script,) = re.findall(r'    """\n(.*?)    """', text, re.DOTALL)
    values = {"task.cpus": "2", "model": "cells-n2v.zip"}
    for name, code in (("b b", 0), ("bad", 1)):
        given = values | {"image": f"raw/{name}.tif", "image.baseName": name}
        done = shell(re.sub(r"\$\{(.*?)\}", lambda found, given=given: given[found[1]], script), folder, environment)
        assert done.returncode == code, done.stderr
        assert (folder / f"{name}.tif").is_file() == (code == 0)
    np.testing.assert_array_equal(files.read_image(folder / "b b.tif").pixels, expected(folder, "b b"))


@pytest.fixture
def snakemake() -> str:
    """Snakemake, from the path or from an environment of its own below .cache."""
    program = shutil.which("snakemake") or str(ROOT / ".cache" / "snakemake" / "bin" / "snakemake")
    if not Path(program).is_file():
        pytest.skip(
            "snakemake is not here (uv venv .cache/snakemake, uv pip install --python .cache/snakemake snakemake)"
        )
    return program


def told(name: str) -> list[str]:
    """Give the arguments with which an example says that it is to be run, with its complete path."""
    (line,) = re.findall(r"^#   snakemake (.*)$", (EXAMPLES / name).read_text("utf-8"), re.MULTILINE)
    return [str(EXAMPLES / name) if each == name else each for each in line.split()]


def test_snakemake_runs_the_good_images_and_fails_for_the_bad_one(
    folder: Path, environment: dict[str, str], snakemake: str
) -> None:
    line = [snakemake, *told("Snakefile")]
    done = shell(line, folder, environment)
    assert done.returncode == 1, done.stdout + done.stderr
    assert sorted(path.name for path in (folder / "denoised").glob("*.tif")) == ["a.tif", "b b.tif"]
    assert "error: " in (folder / "denoised" / "logs" / "bad.log").read_text("utf-8")
    np.testing.assert_array_equal(files.read_image(folder / "denoised" / "b b.tif").pixels, expected(folder, "b b"))
    before = (folder / "denoised" / "a.tif").stat().st_mtime_ns
    shutil.copy(folder / "raw" / "a.tif", folder / "raw" / "bad.tif")
    again = shell(line, folder, environment)
    assert again.returncode == 0, again.stdout + again.stderr
    assert (folder / "denoised" / "bad.tif").is_file()
    assert (folder / "denoised" / "a.tif").stat().st_mtime_ns == before


def test_snakemake_runs_a_folder_by_one_job_and_resumes(
    folder: Path, environment: dict[str, str], snakemake: str
) -> None:
    line = [snakemake, *told("folder.smk")]
    done = shell(line, folder, environment)
    assert done.returncode == 1, done.stdout + done.stderr
    assert outcomes(folder / "denoised") == {"a.tif": "done", "b b.tif": "done", "bad.tif": "failed"}
    shutil.copy(folder / "raw" / "a.tif", folder / "raw" / "bad.tif")
    again = shell(line, folder, environment)
    assert again.returncode == 0, again.stdout + again.stderr
    assert outcomes(folder / "denoised") == {"a.tif": "kept", "b b.tif": "kept", "bad.tif": "done"}


@pytest.fixture
def macros(folder: Path, private_places: Path, server: subprocess.Popen[bytes]) -> Path:
    """The folder as the macros of the page want it."""
    (folder / "raw" / "bad.tif").unlink()
    (folder / "raw").rename(folder / "in")
    (folder / "out").mkdir()
    find("models").run({"action": "add", "source": str(folder / "cells-n2v.zip"), "nickname": "fox"})
    return folder


@pytest.mark.gui
def test_imagejs_own_batch(imagej: ImageJ, macros: Path) -> None:
    (example,) = examples("ijm", "Macro... ")
    imagej.run_in(macros, example)
    assert sorted(path.name for path in (macros / "out").iterdir()) == ["a.tif", "b b.tif"]
    image = files.read_image(macros / "in" / "b b.tif")
    wanted = find("run_model").run({"image": image, "model": macros / "cells-n2v.zip"}).images["output"].pixels
    result = files.read_image(macros / "out" / "b b.tif")
    np.testing.assert_array_equal(result.pixels, wanted)
    assert result.scale("x") == Scale(0.25, "µm")


@pytest.mark.gui
def test_a_macro_with_parameters(imagej: ImageJ, macros: Path) -> None:
    """Fiji sets a variable per parameter before the macro runs; plain ImageJ refuses the first line."""
    (example,) = examples("text", "#@")
    names = re.findall(r"^#@ \w+ \(.*\) (\w+)$", example, re.MULTILINE)
    values = {"input": f"{macros}/in", "output": f"{macros}/more results", "model": "fox", "smallest": "20"}
    assert names == list(values)
    given = [f'{name} = "{value}";' if not value.isdigit() else f"{name} = {value};" for name, value in values.items()]
    imagej.run_in(macros, "\n".join([*given, re.sub(r"^#@.*\n", "", example, flags=re.MULTILINE)]))
    assert outcomes(macros / "more results") == {"a.tif": "done", "b b.tif": "done"}
    (macros / "asks.ijm").write_text(example)
    refused = run_cli("macro", macros / "asks.ijm", "--endpoint", "embedded")
    assert refused.returncode == 1
    assert "Embedded ImageJ has no SciJava" in refused.stderr
