"""An ImageJ with our plugin, under a display, for long tests: started with a private home, its server with it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("ImagejSoak.java")
_PLACE = """
from bioimg_fiji.fiji import open_fiji
from bioimg_fiji.fiji.java import jclass
with open_fiji("embedded"):
    place = jclass("ij.gui.Roi").class_.getProtectionDomain().getCodeSource().getLocation()
    print(jclass("java.io.File")(place.toURI()).getPath())
"""


@dataclass(frozen=True)
class Places:
    """Folders of the ImageJ: all that it and its server write is below `folder` or in `pixels`."""

    folder: Path
    pixels: Path
    model: Path


@contextlib.contextmanager
def places() -> Iterator[Places]:
    """Make the folders and a model that runs at once; remove all in the end."""
    from bioimg_fiji.runtime.fake import write_fake_package

    memory = Path("/dev/shm")
    pixels = Path(tempfile.mkdtemp(prefix="soak-", dir=memory if memory.is_dir() else None))
    try:
        with tempfile.TemporaryDirectory(prefix="soak-") as text:
            folder = Path(text)
            for name in ("home", "temporary", "work", "ImageJ/plugins"):
                (folder / name).mkdir(parents=True)
            write_fake_package(folder / "model.zip")
            yield Places(folder, pixels, folder / "model.zip")
    finally:
        shutil.rmtree(pixels, ignore_errors=True)


def seen(where: Places, *arguments: object, timeout: float) -> list[dict[str, Any]]:
    """Run ImagejSoak.java and give the JSON lines that it printed.

    Raises
    ------
    RuntimeError
        When it fails or takes longer than `timeout` seconds.
    """
    from bioimg_fiji.fiji import plugin_jar

    place = subprocess.run([sys.executable, "-c", _PLACE], capture_output=True, text=True, timeout=120, check=True)
    shutil.copy(plugin_jar(), where.folder / "ImageJ" / "plugins")
    with _display() as display:
        line = ["java", f"-Dplugins.dir={where.folder / 'ImageJ'}", f"-Duser.home={where.folder / 'ImageJ'}"]
        line += [f"-Djava.io.tmpdir={where.folder / 'temporary'}", "-Djava.awt.headless=false"]
        line += ["-cp", place.stdout.splitlines()[-1], str(PROGRAM), *map(str, arguments)]
        done = subprocess.run(
            line,
            env=os.environ | _environment(where) | {"DISPLAY": display},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    lines = [json.loads(text) for text in done.stdout.splitlines() if text.startswith("{")]
    if done.returncode or not lines:
        raise RuntimeError(f"ImageJ ended with {done.returncode}: {done.stdout[-500:]} {done.stderr[-2000:]}")
    return lines


def _environment(where: Places) -> dict[str, str]:
    home = where.folder / "home"
    return {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "BIOIMG_FIJI_PYTHON": sys.executable,
        "BIOIMG_FIJI_CONNECTION": str(home / "connection.json"),
        "BIOIMG_FIJI_SETTINGS": str(home / "settings.toml"),
        "BIOIMG_FIJI_MODELS": str(home / "models"),
        "BIOIMG_FIJI_BUFFERS": str(where.pixels),
    }


@contextlib.contextmanager
def _display() -> Iterator[str]:
    """Give the display that is set, else a virtual one."""
    if os.environ.get("DISPLAY"):
        yield os.environ["DISPLAY"]
        return
    read, write = os.pipe()
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            yield f":{pipe.readline().strip()}"
    finally:
        process.terminate()
        process.wait(timeout=10)
