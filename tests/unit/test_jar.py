"""What the plugin's jar may be: for Java 8, small, and with nothing that another jar of Fiji has too."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bioimg_fiji.errors import MissingPartError
from bioimg_fiji.fiji import plugin_jar

JAVA_8 = 52
OURS = "io/github/bioimgfiji/"
RESOURCES = ("META-INF/", "plugins.config", "bioimg_fiji/requirements-plugin.txt", "bioimg_fiji/requirements-tools.txt")


@pytest.fixture(scope="module")
def jar() -> Iterator[zipfile.ZipFile]:
    try:
        path = plugin_jar()
    except MissingPartError as error:
        pytest.skip(str(error))
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_every_class_runs_on_java_8(jar: zipfile.ZipFile) -> None:
    versions = {name: struct.unpack(">I2xH", jar.read(name)[:8]) for name in jar.namelist() if name.endswith(".class")}
    assert len(versions) > 100
    assert {magic for magic, _ in versions.values()} == {0xCAFEBABE}
    assert {version for name, (_, version) in versions.items() if "/shaded/" not in name} == {JAVA_8}
    assert max(version for _, version in versions.values()) == JAVA_8


def test_it_is_below_one_megabyte(jar: zipfile.ZipFile) -> None:
    assert Path(str(jar.filename)).stat().st_size < 1_000_000


def test_it_has_our_packages_only(jar: zipfile.ZipFile) -> None:
    files = [name for name in jar.namelist() if not name.endswith("/")]
    strange = [name for name in files if not name.startswith((OURS, *RESOURCES))]
    assert strange == []
    assert any(name.startswith(f"{OURS}shaded/gson/") for name in files)


def test_scijava_finds_two_plugins_in_it_and_nothing_else_needs_scijava(jar: zipfile.ZipFile) -> None:
    index = jar.read("META-INF/json/org.scijava.plugin.Plugin").decode()
    plugins = {f"io.github.bioimgfiji.scijava.{name}" for name in ("BioImgCommands", "Preparation")}
    assert set(re.findall(r'"class":"([^"]+)"', index)) == plugins
    layer = f"{OURS}scijava/"
    needing = [name for name in jar.namelist() if name.endswith(".class") and b"org/scijava/" in jar.read(name)]
    assert needing
    assert all(name.startswith(layer) for name in needing)
    referring = [name for name in jar.namelist() if name.endswith(".class") and layer.encode() in jar.read(name)]
    assert all(name.startswith(layer) for name in referring)


def test_what_it_installs_is_pinned_by_hash(jar: zipfile.ZipFile) -> None:
    text = jar.read("bioimg_fiji/requirements-plugin.txt").decode()
    pinned = [line for line in text.splitlines() if "==" in line]
    assert len(pinned) > 50
    assert all(line.endswith("\\") for line in pinned), "every pin has its hashes on the next lines"
    assert "bioimg-fiji" not in text
