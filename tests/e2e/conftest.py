"""Real processes: ImageJ under a virtual display, a model server, the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bioimg_fiji import fiji as fiji_room
from bioimg_fiji.errors import MissingPartError
from support.processes import ImageJ


@pytest.fixture(scope="session")
def plugin_jar() -> Path:
    """The plugin's jar, as `scripts/setup` builds it."""
    try:
        return fiji_room.plugin_jar()
    except MissingPartError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def ij_jar() -> Path:
    """ImageJ itself: the jar that the embedded one runs from, wherever this machine's cache of jars is."""
    # NB: not ij.IJ, which ij1-patcher defines anew.
    code = (
        "from bioimg_fiji.fiji import open_fiji\nfrom bioimg_fiji.fiji.java import jclass\n"
        "with open_fiji('embedded'):\n"
        "    place = jclass('ij.gui.Roi').class_.getProtectionDomain().getCodeSource().getLocation()\n"
        "    print(jclass('java.io.File')(place.toURI()).getPath())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """Name of a virtual display."""
    program = shutil.which("Xvfb")
    if program is None:
        pytest.skip("Xvfb is not installed (Debian: apt-get install xvfb)")
    read, write = os.pipe()
    arguments = [program, "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    process = subprocess.Popen(arguments, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    try:
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def imagej(ij_jar: Path, plugin_jar: Path, display: str, tmp_path: Path) -> ImageJ:
    """An ImageJ folder of its own."""
    folder = tmp_path / "ImageJ"
    (folder / "plugins").mkdir(parents=True)
    shutil.copy(plugin_jar, folder / "plugins" / plugin_jar.name)
    return ImageJ(ij_jar, folder, display)


OLD = "import bioimg_fiji\nbioimg_fiji.__version__ = '0.0.9'\nfrom bioimg_fiji.cli import main\nmain()"


@pytest.fixture
def server(private_places: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A model server process; its connection file is the one of this test."""
    yield from _serving("-m", "bioimg_fiji")


@pytest.fixture
def old_server(private_places: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A model server of a version that does not fit the plugin."""
    yield from _serving("-c", OLD)


def _serving(*program: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, *program, "serve"], stderr=subprocess.DEVNULL)
    connection = Path(os.environ["BIOIMG_FIJI_CONNECTION"])
    deadline = time.monotonic() + 60
    while not connection.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    assert connection.exists(), "the server did not start"
    yield process
    process.terminate()
    process.wait(timeout=20)
