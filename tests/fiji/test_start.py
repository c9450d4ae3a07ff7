"""The start of Java that goes wrong, or comes too late for what is asked: each in a process of its own."""

from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bioimg_fiji.errors import EndpointError
from bioimg_fiji.fiji import jars, proxies, running, start
from support.endpoints import ENDPOINT
from support.python import printed

START = f"""
import os
from bioimg_fiji import open_fiji
from bioimg_fiji.errors import *
ENDPOINT = {ENDPOINT!r}
"""


def test_embedded_opens_after_pyimagej_was_imported() -> None:
    out = printed("import imagej\n" + START + "print(open_fiji('embedded').run_macro('return getVersion();'))\n")
    assert out.startswith("1.5")


def test_a_failed_start_leaves_nothing_to_the_next_one() -> None:
    out = printed(
        START
        + "import jpype, scyjava.config\n"
        + "variables = {name: os.environ.get(name) for name in ('JAVA_HOME', 'PATH', 'IJ_PREFS_DIR')}\n"
        + "told = list(scyjava.config.get_options()), jpype.getClassPath(), scyjava.config.get_java_version()\n"
        + "try:\n"
        + "    open_fiji('net.example:nowhere:1.0', offline=True, memory='300m')\n"
        + "except EndpointError:\n"
        + "    print('failed')\n"
        + "assert variables == {name: os.environ.get(name) for name in variables}\n"
        + "now = list(scyjava.config.get_options()), jpype.getClassPath(), scyjava.config.get_java_version()\n"
        + "assert told == now, now\n"
        + "fiji = open_fiji('embedded')\n"
        + "print(fiji.run_macro('return getVersion();')[:3])\n"
        + "print(jpype.JClass('java.lang.Runtime').getRuntime().maxMemory() > 600 << 20)\n",
        JAVA_TOOL_OPTIONS="",
    )
    assert out.split() == ["failed", "1.5", "True"]


def test_what_came_too_late_is_told() -> None:
    out = printed(
        "import imagej, sys\n"
        + START
        + "first = dict(memory='1g', offline=True)\n"
        + "if ENDPOINT == 'embedded':\n"
        + "    open_fiji('embedded').close()\n"
        + "    import bioimg_fiji.fiji.start as start\n"
        + "    start._started = None  # as where another part of the program has started it\n"
        + "else:\n"
        + "    import scyjava.config\n"
        + "    from bioimg_fiji.fiji import find_java\n"
        + "    scyjava.config.set_java_constraints(fetch='auto', version=str(find_java().version))\n"
        + "    scyjava.config.endpoints.clear()\n"
        + "    imagej.init(ENDPOINT)\n"
        + "for name, value in first.items():\n"
        + "    for _ in range(2):\n"
        + "        try:\n"
        + "            open_fiji(**{name: value})\n"
        + "        except EndpointError as error:\n"
        + "            print(error.message)\n"
        + "print(open_fiji(offline=False).run_macro('return \"on\";'))\n"
    )
    *told, last = (line for line in out.splitlines() if not line.startswith("Operating in headless mode"))
    assert [line.partition(" cannot take effect: Java runs in this process already")[0] for line in told] == [
        "memory='1g'",
        "memory='1g'",
        "offline=True",
        "offline=True",
    ]
    assert last == "on"


def test_the_same_wish_in_other_words_is_no_other_one() -> None:
    out = printed(
        START
        + "fiji = open_fiji(ENDPOINT)\n"
        + "assert open_fiji(offline=False) is fiji\n"
        + "try:\n"
        + "    open_fiji(offline=True)\n"
        + "except EndpointError as error:\n"
        + "    print(error.message)\n"
    )
    assert "\noffline=True cannot take effect" in f"\n{out}"  # pyimagej prints a line of its own before


def test_an_imagej_with_windows_is_taken_as_it_is() -> None:
    with_windows = start.Started("embedded", False, "1.54p", None, start.How(headless=False))
    assert start._same(with_windows, None, start.How()) is with_windows
    without = start.Started("embedded", True, "1.54p", None, start.How())
    with pytest.raises(EndpointError, match="without windows"):
        start._same(without, None, start.How(headless=False))


def test_a_session_that_cannot_begin_gives_everything_back() -> None:
    out = printed(
        START
        + "import threading\n"
        + "import bioimg_fiji.fiji.backend as backend\n"
        + "open_fiji(ENDPOINT).close()\n"
        + "from bioimg_fiji.fiji.java import jclass\n"
        + "system = jclass('java.lang.System')\n"
        + "streams = system.out, system.err\n"
        + "check = backend.check_version\n"
        + "def refuse(version):\n    raise ProtocolError('They do not fit.')\n"
        + "backend.check_version = refuse\n"
        + "for _ in range(2):\n"
        + "    try:\n        open_fiji(ENDPOINT, isolate=True)\n"
        + "    except ProtocolError:\n        print('refused')\n"
        + "assert (system.out, system.err) == streams\n"
        + "assert not [each for each in threading.enumerate() if each.name == 'bioimg-isolation']\n"
        + "backend.check_version = check\n"
        + "open_fiji(ENDPOINT).run_macro('print(\"on\");')\n"
    )
    assert out.split()[-3:] == ["refused", "refused", "on"]


def test_a_stream_of_somebody_else_stays() -> None:
    printed(
        START
        + "fiji = open_fiji(ENDPOINT)\n"
        + "from bioimg_fiji.fiji.java import jclass\n"
        + "system = jclass('java.lang.System')\n"
        + "his = jclass('java.io.PrintStream')(system.out)\n"
        + "system.setOut(his)\n"
        + "fiji.close()\n"
        + "assert system.out == his\n"
    )


def test_only_the_jar_itself_is_that_of_its_coordinates() -> None:
    assert running._is_jar_of("fiji-2.17.0.jar", "sc.fiji:fiji")
    assert running._is_jar_of("fiji-2.17.0.jar", "sc.fiji:fiji:2.17.0")
    assert running._is_jar_of("imagej-2.17.0-SNAPSHOT.jar", "net.imagej:imagej")
    assert not running._is_jar_of("fiji-lib-2.1.3.jar", "sc.fiji:fiji")
    assert not running._is_jar_of("imagej-common-2.1.1.jar", "net.imagej:imagej")
    assert not running._is_jar_of("fiji-2.17.0.jar", "sc.fiji:fiji:2.1")


class _WindowsEnvironment(dict[str, str]):
    """Finds a variable whatever its case, and tells all names in capitals."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.upper())

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name.upper(), value)

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.upper(), default)

    def pop(self, name: str, *default: Any) -> Any:
        return super().pop(name.upper(), *default)


def test_the_proxies_of_windows_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": "localhost"}
    monkeypatch.setattr(os, "environ", _WindowsEnvironment(told))
    with proxies.for_python("-Dhttps.proxyHost=other.example"):
        assert os.environ["https_proxy"] == "http://other.example:443"
    assert dict(os.environ) == told


def test_of_several_that_start_at_once_one_fetches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fetched = []

    def fetch(name: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"ha")
        time.sleep(0.2)
        path.write_bytes(b"half")
        fetched.append(name)

    monkeypatch.setattr(jars, "_repository", lambda: tmp_path)
    monkeypatch.setattr(jars, "_fetch", fetch)
    monkeypatch.setattr(jars, "EMBEDDED_JARS", {"net.example:one:1.0": hashlib.sha256(b"half").hexdigest()})
    with ThreadPoolExecutor(3) as pool:  # each has the lock for itself, as processes have
        found = list(pool.map(lambda _: jars.embedded_jars(offline=False)[0].read_bytes(), range(3)))
    assert found == [b"half"] * 3
    assert fetched == ["net.example:one:1.0"]
    assert not list(tmp_path.glob("*.lock"))
