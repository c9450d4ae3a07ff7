"""From a stock ImageJ folder: Python is found by itself, or said to be missing; the check tells the whole chain."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

import numpy as np
import pytest

import bioimg_fiji
from bioimg_fiji import files
from bioimg_fiji.image import Image
from support.processes import ImageJ
from support.scenes import play

ROOT = Path(__file__).resolve().parents[2]

CHECK = 'run("BioImg Check Installation", "{}");'

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]


@pytest.fixture
def bare(imagej: ImageJ, tmp_path: Path) -> ImageJ:
    """An ImageJ of a user who has no Python: nobody names one, and none is in the usual places."""
    home, programs = tmp_path / "home", tmp_path / "bin"
    for folder in (home, programs):
        folder.mkdir()
    (programs / "java").symlink_to(next(p for f in os.get_exec_path() if (p := Path(f) / "java").exists()))
    empty = ("BIOIMG_FIJI_PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX", "MAMBA_ROOT_PREFIX")
    imagej.environment |= dict.fromkeys(empty, "") | {"HOME": str(home), "PATH": str(programs)}
    return imagej


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(1).poisson(50, (64, 80)).astype(np.uint16)
    return files.write_image(Image(pixels, "yx"), tmp_path / "cells.tif")


def lines(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Give what the report says, by the names of the findings; those to be mended end with "!!"."""
    rows = [line for line in done.stdout.splitlines() if line.startswith(("ok  ", "!!  "))]
    assert rows, done.stdout + done.stderr
    return {row[4:].partition(": ")[0] + row[:2].replace("ok", ""): row[4:].partition(": ")[2] for row in rows}


def test_the_check_in_a_batch_tells_the_whole_chain(imagej: ImageJ) -> None:
    done = imagej.macro(CHECK.format(" "), batch=True)
    found = lines(done)
    assert set(found) >= {"Java", "ImageJ", "plugin", "Python", "bioimg-fiji", "torch", "devices", "server"}
    assert set(found) >= {"memory of Java", "memory", "disk"}
    assert found["plugin"].startswith(f"{bioimg_fiji.__version__} ({imagej.folder}")
    assert sys.executable in found["Python"]
    assert not [name for name in found if name.endswith("!!")], done.stdout
    assert "Everything is in order." in done.stdout
    assert done.returncode == 0


def test_the_check_without_a_python_says_what_was_looked_at_and_what_to_do(bare: ImageJ) -> None:
    done = bare.macro(CHECK.format(" "), batch=True)
    found = lines(done)
    assert found["Python!!"].startswith(f"No Python was found that has bioimg-fiji {bioimg_fiji.__version__}.")
    assert "Java" in found
    assert "1 to be mended, marked !!" in done.stdout
    assert "-> Plugins > BioImg > BioImg Check Installation builds" in done.stdout


def test_two_jars_of_the_plugin_are_told(imagej: ImageJ, plugin_jar: Path) -> None:
    (imagej.folder / "plugins" / "bioimg_fiji-0.0.9.jar").write_bytes(plugin_jar.read_bytes())
    done = imagej.macro(CHECK.format(" "), batch=True)
    assert lines(done)["plugin!!"].startswith("2 jars in ")


def test_a_wrong_key_stops_the_macro(imagej: ImageJ) -> None:
    done = imagej.macro(CHECK.format("biuld") + 'print("went on");', batch=True)
    assert done.returncode == 1
    assert "The keys are build, wheels, python." in done.stderr
    assert "went on" not in done.stdout


@pytest.mark.parametrize("how", ["Fiji's own", "environment", "preference"])
def test_python_is_found_and_runs_a_model(
    bare: ImageJ, cells: Path, small_model: Path, tmp_path: Path, private_places: Path, how: str
) -> None:
    result = tmp_path / "result.tif"
    if how == "Fiji's own":
        bare.environment["JAVA_TOOL_OPTIONS"] = f"-Dscijava.python.dir={sys.prefix}"
    elif how == "environment":
        (tmp_path / "home" / ".virtualenvs").mkdir()
        (tmp_path / "home" / ".virtualenvs" / "imaging").symlink_to(sys.prefix)
    else:
        done = bare.macro(CHECK.format(f"python=[{sys.executable}]"), batch=True)
        assert "ImageJ's preferences" in lines(done)["Python"]
    done = bare.macro(
        f'open("{cells}");\nrun("BioImg Run Model...", "model=[{small_model}]");\nsaveAs("Tiff", "{result}");',
        batch=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert files.read_image(result).shape == (64, 80)
    deadline = time.monotonic() + 30
    while Path(os.environ["BIOIMG_FIJI_CONNECTION"]).exists():
        assert time.monotonic() < deadline, "the server that the plugin has started goes on"
        time.sleep(0.05)


def test_a_preference_that_is_no_python_is_refused(bare: ImageJ) -> None:
    done = bare.macro(CHECK.format("python=/bin/true"), batch=True)
    assert done.returncode == 1
    assert "python must be a Python with bioimg-fiji" in done.stderr


def test_without_a_python_a_batch_ends_with_the_message(bare: ImageJ, cells: Path) -> None:
    done = bare.macro(f'open("{cells}");\nrun("BioImg Run Model...", "model=a.zip");', batch=True)
    assert done.returncode == 1
    assert "No Python was found that has bioimg-fiji" in done.stderr
    assert "Check Installation" in done.stderr


@pytest.fixture
def faulty_environment(tmp_path: Path) -> Path:
    """The home of a user whose built environment has a torch that cannot be imported."""
    home = tmp_path / "faulty"
    environment = home / ".bioimg-fiji" / "environment"
    venv.create(environment)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    (packages / "torch").mkdir()
    (packages / "torch" / "__init__.py").write_text("raise ImportError('libgomp.so.1 is missing')")
    (packages / "bioimg_fiji.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
    return home


def test_a_fault_of_the_built_environment_is_told_with_the_way_to_build_it_anew(
    bare: ImageJ, faulty_environment: Path
) -> None:
    bare.environment["HOME"] = str(faulty_environment)
    done = bare.macro(CHECK.format(" "), batch=True)
    found = lines(done)
    assert "built by this plugin" in found["Python"]
    assert "libgomp.so.1 is missing" in found["devices!!"]
    assert 'in a macro: run("BioImg Check Installation", "build")' in done.stdout


def test_a_fault_of_the_users_own_environment_names_its_next_step(bare: ImageJ, faulty_environment: Path) -> None:
    own = faulty_environment / ".bioimg-fiji" / "environment"
    bare.environment["JAVA_TOOL_OPTIONS"] = f"-Dscijava.python.dir={own}"
    done = bare.macro(CHECK.format(" "), batch=True)
    assert "libgomp.so.1 is missing" in lines(done)["devices!!"]
    assert " -m pip install --force-reinstall bioimg-fiji==" in done.stdout


def test_a_fault_of_the_built_environment_is_offered_to_be_repaired(imagej: ImageJ, faulty_environment: Path) -> None:
    imagej.environment |= {"HOME": str(faulty_environment), "BIOIMG_FIJI_PYTHON": ""}
    assert play(imagej, "menu_scenes", "repair") == {"build": True}


def test_the_environment_of_the_python_that_has_opened_imagej_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".bioimg-fiji").mkdir(parents=True)
    (home / ".bioimg-fiji" / "environment").symlink_to(sys.prefix)
    for name in (".m2", ".jgo", ".cache"):  # where the jars are
        (home / name).symlink_to(Path.home() / name)
    (tmp_path / "wheels").mkdir()
    macro = CHECK.format(f"build wheels=[{tmp_path / 'wheels'}]")
    monkeypatch.setenv("HOME", str(home))
    # NB: in its menu where it is a Fiji with the plugin; the embedded ImageJ has our commands alone.
    code = (
        "from bioimg_fiji.fiji import open_fiji\nfrom bioimg_fiji.fiji.java import jclass\n"
        "with open_fiji('embedded') as fiji:\n"
        "    fiji.run_macro('1;')\n"
        "    check = 'io.github.bioimgfiji.setup.BioImg_Check'\n"
        "    jclass('ij.Menus').getCommands().put('BioImg Check Installation', check)\n"
        f"    fiji.run_macro({macro!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the Python that has opened this ImageJ runs from it" in done.stderr
    assert "started by itself" in done.stderr
    assert (home / ".bioimg-fiji" / "environment").is_symlink()


def test_a_full_disk_ends_the_build_with_the_next_step_and_leaves_nothing(
    bare: ImageJ, small_disk: Path, tmp_path: Path
) -> None:
    uv = ROOT / ".tools" / "bin" / "uv"
    if not uv.exists():
        pytest.skip("uv is not here (scripts/setup fetches it)")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (small_disk / "ballast").write_bytes(bytes(2**21 - 2**16))  # 64 KiB are left
    bare.environment |= {
        "HOME": str(small_disk),
        "BIOIMG_FIJI_UV": str(uv),
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_PYTHON": sys.executable,
        "PATH": f"{bare.environment['PATH']}{os.pathsep}{Path(sys.base_prefix) / 'bin'}",
    }
    done = bare.macro(CHECK.format(f"build wheels=[{wheels}]") + 'print("went on");', batch=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Free space" in done.stderr, done.stderr
    assert "about 8 GB" in done.stderr
    assert "went on" not in done.stdout
    left = {path.name for path in (small_disk / ".bioimg-fiji").iterdir()}
    assert left <= {"environment.lock", "setup.log"}
