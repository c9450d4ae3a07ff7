"""The plugin's jar: its version, what fits it, and how it gets into a Fiji folder and out again."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from pathlib import Path

import pytest

import bioimg_fiji
from bioimg_fiji import fiji as fiji_room
from bioimg_fiji.cli.doctor import Finding, examine
from bioimg_fiji.errors import EndpointError, MissingPartError, ProtocolError
from bioimg_fiji.fiji import fits, install_plugin, installed, misfit, note_file, uninstall_plugin, version_of
from bioimg_fiji.fiji.plugin import MENU_JAR, check_version


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of its own."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("USERPROFILE" if os.name == "nt" else "HOME", str(folder))
    return folder


@pytest.fixture
def fiji_folder(home: Path, tmp_path: Path) -> Path:
    """A Fiji folder, as far as the plugin is concerned; another plugin of a like name is in it."""
    folder = tmp_path / "my Fiji"
    (folder / "plugins").mkdir(parents=True)
    (folder / "plugins" / "bioimg_fiji_extras.jar").touch()
    return folder


@pytest.fixture(scope="module", autouse=True)
def _needs_the_jar() -> None:
    try:
        fiji_room.plugin_jar()
    except MissingPartError as error:
        pytest.skip(str(error))


def jar(path: Path, version: str, title: str = "bioimg-fiji") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "META-INF/MANIFEST.MF", f"Implementation-Title: {title}\r\nImplementation-Version: {version}\r\n\r\n"
        )
    return path


def test_the_golden_file_says_what_fits(contract: Path) -> None:
    cases = json.loads((contract / "versions.json").read_text("utf-8"))
    assert len(cases) == 8
    for case in cases:
        assert fits(case["plugin"], case["python"]) is case["fit"], case


def test_the_jar_of_this_package_has_its_version() -> None:
    assert version_of(fiji_room.plugin_jar()) == bioimg_fiji.__version__
    check_version(bioimg_fiji.__version__)


def test_another_version_in_this_process_is_refused_with_both_named() -> None:
    with pytest.raises(ProtocolError, match=r"bioimg-fiji 0\.99\.0, this Python package is") as caught:
        check_version("0.99.0")
    assert bioimg_fiji.__version__ in caught.value.message
    assert "pip install bioimg-fiji==0.99.0" in caught.value.fix
    assert "install-plugin" in misfit("0.0.1", bioimg_fiji.__version__)


def test_what_is_no_jar_of_ours_has_no_version(tmp_path: Path) -> None:
    assert version_of(jar(tmp_path / "a.jar", "3.0", "another")) == ""
    (tmp_path / "b.jar").write_bytes(b"no zip")
    assert version_of(tmp_path / "b.jar") == ""
    assert version_of(tmp_path / "none.jar") == ""


def test_uninstalling_removes_exactly_what_was_installed(fiji_folder: Path, tmp_path: Path) -> None:
    before = set((fiji_folder / "plugins").iterdir())
    jar(fiji_folder / "plugins" / "bioimg_fiji-0.0.1.jar", "0.0.1")
    target = install_plugin(fiji_folder)
    assert installed(fiji_folder) == [target]  # the older one is gone
    other = tmp_path / "other"
    (other / "plugins").mkdir(parents=True)
    second = install_plugin(other)
    assert note_file().read_text("utf-8").splitlines()[0] == sys.executable
    assert uninstall_plugin(fiji_folder) == [target]
    assert set((fiji_folder / "plugins").iterdir()) == before
    assert note_file().is_file(), "the other one still needs it"
    assert uninstall_plugin(other) == [second, note_file()]
    assert not note_file().exists()


def test_the_cache_of_the_menu_is_no_plugin_and_goes_with_it(fiji_folder: Path) -> None:
    target = install_plugin(fiji_folder)
    cache = jar(fiji_folder / "plugins" / MENU_JAR, "", "")
    assert installed(fiji_folder) == [target]
    assert wrong(fiji_folder) == {}
    assert uninstall_plugin(fiji_folder)[:2] == [target, cache]
    assert not cache.exists()


def test_uninstalling_what_is_not_there_is_refused(fiji_folder: Path, tmp_path: Path) -> None:
    strange = jar(fiji_folder / "plugins" / "bioimg_fiji-9.jar", "9", "another")
    with pytest.raises(EndpointError, match="The plugin is not in"):
        uninstall_plugin(fiji_folder)
    assert strange.exists()
    with pytest.raises(EndpointError, match="no plugins folder"):
        uninstall_plugin(tmp_path)


def test_a_note_of_an_older_version_is_not_ours_to_remove(fiji_folder: Path) -> None:
    target = install_plugin(fiji_folder)
    note_file().write_text("/opt/python", encoding="utf-8")
    assert uninstall_plugin(fiji_folder) == [target]
    assert note_file().read_text("utf-8") == "/opt/python"


def test_doctor_looks_into_a_fiji_folder(fiji_folder: Path) -> None:
    assert wrong(fiji_folder)["Fiji folder"].fix == f"Install it: bioimg-fiji install-plugin {fiji_folder}"
    install_plugin(fiji_folder)
    assert wrong(fiji_folder) == {}
    note_file().write_text("/nowhere/python", encoding="utf-8")
    assert wrong(fiji_folder)["its Python"].value == "/nowhere/python is not there"
    note_file().unlink()
    jar(fiji_folder / "plugins" / "bioimg_fiji-0.99.0.jar", "0.99.0")
    found = [each for each in examine(fiji_folder) if each.name == "plugin there" and not each.ok]
    assert [each.value.split(" (")[0] for each in found] == [
        f"0.99.0 does not fit bioimg-fiji {bioimg_fiji.__version__}",
        "2 jars, and ImageJ loads all",
    ]
    assert all(each.fix for each in found)


def wrong(folder: Path) -> dict[str, Finding]:
    return {each.name: each for each in examine(folder) if not each.ok}
