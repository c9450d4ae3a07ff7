"""Offline computers and proxies: what is asked for over the network is seen by an audit hook or a server of our own."""

from __future__ import annotations

import functools
import http.server
import re
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bioimg_fiji.fiji import jars, proxies
from bioimg_fiji.fiji.jars import EMBEDDED_JARS
from bioimg_fiji.runtime.fake import write_fake_package
from support.endpoints import ENDPOINT, FOLDER, needs_folder
from support.python import printed, run_python

GUARD = """
import sys
asked = []
def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        asked.append((event, arguments[1:]))
sys.addaudithook(guard)
from bioimg_fiji import open_fiji
from bioimg_fiji.errors import EndpointError
"""


SERVED = jars._place("net.imagej:ij:1.54p").as_posix()
"""A file that every cache of embedded ImageJ has."""


class Repository(http.server.SimpleHTTPRequestHandler):
    """A Maven repository, or a proxy in front of one, that notes what is asked for."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.path = "/" + re.sub(r"^.*?/(maven2|site)/", "", self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    """This computer's local Maven repository, served on loopback."""
    handler = functools.partial(Repository, directory=str(jars._repository()))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_an_empty_cache_is_told_without_asking_the_network(tmp_path: Path) -> None:
    out = printed(
        GUARD + "try:\n    open_fiji('embedded', offline=True)\n"
        "except EndpointError as error:\n    print(error, error.details['missing'])\n"
        "print(asked)\n",
        M2_REPO=str(tmp_path),
    )
    message, asked = out.splitlines()
    for name in EMBEDDED_JARS:
        assert f"{name} ({tmp_path / jars._place(name)} is not there)" in message
    assert "Open embedded once with a network" in message
    assert asked == "[]"


def test_a_full_cache_is_enough(cached: None) -> None:
    for arguments, environment in (("offline=True", {}), ("", {"BIOIMG_FIJI_OFFLINE": "true"}), ("", {})):
        out = printed(
            GUARD + f"fiji = open_fiji('embedded', {arguments})\n"
            "print(fiji.run_macro('return getVersion();'), asked)\n",
            **environment,
        )
        assert out == "1.54p []\n"


def test_half_a_jar_is_told_and_fetched_again(
    cached: None, tmp_path: Path, server: http.server.ThreadingHTTPServer
) -> None:
    for name in EMBEDDED_JARS:
        place = tmp_path / jars._place(name)
        place.parent.mkdir(parents=True)
        whole = (jars._repository() / jars._place(name)).read_bytes()
        place.write_bytes(whole if name.startswith("org.") else whole[:1000])
    program = GUARD + (
        "import jgo.maven._core as core\n"
        f"core.DEFAULT_REMOTE_REPOS['central'] = 'http://127.0.0.1:{server.server_address[1]}/maven2'\n"
    )
    told = run_python(program + "open_fiji('embedded', offline=True)\n", M2_REPO=str(tmp_path))
    assert "net.imagej:ij:1.54p" in told.stderr
    assert "is damaged" in told.stderr
    assert "javassist" not in told.stderr.splitlines()[-1]
    assert server.asked == []  # type: ignore[attr-defined]
    printed(program + "print(open_fiji('embedded').run_macro('return getVersion();'))\n", M2_REPO=str(tmp_path))
    fetched = {path.rpartition("/")[2] for path in server.asked}  # type: ignore[attr-defined]
    assert fetched >= {"ij-1.54p.jar", "ij1-patcher-2.0.0.jar", "classgraph-4.8.162.jar"}
    assert not any("javassist" in name for name in fetched)


def test_a_jar_with_another_content_is_refused(
    cached: None, tmp_path: Path, server: http.server.ThreadingHTTPServer
) -> None:
    program = (
        "import bioimg_fiji.fiji.jars as jars, jgo.maven._core as core\n"
        f"core.DEFAULT_REMOTE_REPOS['central'] = 'http://127.0.0.1:{server.server_address[1]}/maven2'\n"
        "jars.EMBEDDED_JARS['net.imagej:ij:1.54p'] = '0' * 64\n"
        "from bioimg_fiji import open_fiji\nopen_fiji('embedded')\n"
    )
    done = run_python(program, M2_REPO=str(tmp_path))
    assert "net.imagej:ij:1.54p came from Maven Central with another SHA-256" in done.stderr
    assert not (tmp_path / jars._place("net.imagej:ij:1.54p")).exists()


@pytest.mark.parametrize("endpoint", ["net.imagej:imagej:2.17.0", "sc.fiji:fiji", "net.imagej:imagej:2.17.0+a.b:c:1"])
def test_coordinates_that_are_not_cached_are_told(endpoint: str, tmp_path: Path) -> None:
    out = printed(
        GUARD + f"try:\n    open_fiji({endpoint!r}, offline=True)\n"
        "except EndpointError as error:\n    print(error)\n"
        "print(asked)\n",
        M2_REPO=str(tmp_path / "m2"),
        HOME=str(tmp_path),
    )
    *message, asked = out.splitlines()
    assert endpoint.partition("+")[0] in " ".join(message)
    assert "with a network" in " ".join(message)
    assert asked == "[]"


def test_commands_open_no_socket(tmp_path: Path) -> None:
    """Neither Python (an audit hook) nor Java (what the system counts of the process), by a function or a macro."""
    model = tmp_path / "m.zip"
    write_fake_package(model)
    out = printed(
        "import sys\nopened = []\n"
        "def guard(event, arguments):\n"
        "    if event in ('socket.__new__', 'socket.bind', 'socket.connect'):\n        opened.append(event)\n"
        "import numpy as np, psutil\nfrom bioimg_fiji import Image, open_fiji\nfrom bioimg_fiji.jobs import Job\n"
        "def sockets():\n    return psutil.Process().net_connections('inet')\n"
        f"fiji = open_fiji({ENDPOINT!r})\n"
        "before, during = sockets(), []\n"
        "sys.addaudithook(guard)\n"  # NB: urllib3 tries IPv6 when jgo imports it
        "fiji.watch(Job(lambda progress: during.append(sockets())))\n"
        "image = Image(np.ones((40, 50), np.float32), 'yx', title='ones')\n"
        f"assert fiji.run('BioImg Run Model...', image, model={str(model)!r}).images\n"
        "by_function = len(during)\n"
        "fiji.show(image)\n"
        f'fiji.run_macro(\'run("BioImg Run Model...", "model=[{model}]");\')\n'
        "print(0 < by_function < len(during), opened, before, [each for each in during if each], sockets())\n"
    )
    assert out == "True [] [] [] []\n"


def test_java_gets_the_proxies_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http", "https", "no", "all"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_PROXY".upper(), raising=False)
    assert proxies.java_options("") == []
    monkeypatch.setenv("HTTPS_PROXY", "http://me:se%40cret@proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "proxy.example")
    monkeypatch.setenv("NO_PROXY", ".lab.example, 10.1.2.3,localhost")
    assert proxies.java_options("") == [
        "-Dhttp.proxyHost=proxy.example",
        "-Dhttp.proxyPort=80",
        "-Dhttps.proxyHost=proxy.example",
        "-Dhttps.proxyPort=3128",
        "-Dhttps.proxyUser=me",
        "-Dhttps.proxyPassword=se@cret",
        "-Dhttp.nonProxyHosts=localhost|127.*|[::1]|lab.example|*.lab.example|10.1.2.3|*.localhost",
    ]
    given = "-Dhttps.proxyHost=mine -Dhttp.proxyHost=mine"
    assert proxies.java_options(given) == []


def test_a_proxy_of_python_is_that_of_java_in_the_running_imagej(
    cached: None, server: http.server.ThreadingHTTPServer
) -> None:
    out = printed(
        "from bioimg_fiji import open_fiji\nfiji = open_fiji('embedded', offline=True)\n"
        "from bioimg_fiji.fiji.java import jclass\n"
        f"stream = jclass('java.net.URL')('http://fiji.example/site/{SERVED}').openStream()\n"
        "print(len(bytes(stream.readAllBytes())) > 100)\n",
        http_proxy=f"http://127.0.0.1:{server.server_address[1]}",
        no_proxy="localhost",
    )
    assert out == "True\n"
    assert server.asked == [f"http://fiji.example/site/{SERVED}"]  # type: ignore[attr-defined]


def test_a_proxy_of_java_is_that_of_python_while_jars_are_fetched(
    cached: None, tmp_path: Path, server: http.server.ThreadingHTTPServer
) -> None:
    out = printed(
        "import jgo.maven._core as core, os\n"
        "core.DEFAULT_REMOTE_REPOS['central'] = 'http://central.example/maven2'\n"
        "from bioimg_fiji import open_fiji\n"
        "print(open_fiji('embedded').run_macro('return getVersion();'), os.environ.get('http_proxy'))\n",
        M2_REPO=str(tmp_path),
        JAVA_TOOL_OPTIONS=f"-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort={server.server_address[1]}",
    )
    assert out == "1.54p None\n"
    assert any(path.startswith("http://central.example/") for path in server.asked)  # type: ignore[attr-defined]


POM = """<project><modelVersion>4.0.0</modelVersion>
<groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>{}</project>
"""


def a_repository(folder: Path, app: Path) -> str:
    """Write a Maven repository with the jars of an ImageJ2 folder, and give the coordinates that name all of them."""
    managed = {"scijava-config": "org.scijava", "imagej-legacy": "net.imagej", "imglib2-imglyb": "net.imglib2"}
    parts = []
    for jar in sorted([*app.glob("jars/**/*.jar"), *app.glob("plugins/*.jar")]):
        match = re.fullmatch(r"(.+?)-(\d[^/]*)\.jar", jar.name)
        name, version = match.groups() if match else (jar.stem, "1")
        group = managed.get(name, "local.app")
        place = folder.joinpath(*group.split("."), name, version)
        place.mkdir(parents=True)
        (place / f"{name}-{version}.jar").symlink_to(jar)
        (place / f"{name}-{version}.pom").write_text(POM.format(group, name, version, ""))
        parts.append((group, name, version))
    entries = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        for group, name, version in parts
    )
    whole = f"<dependencyManagement><dependencies>{entries}</dependencies></dependencyManagement>"
    whole += f"<dependencies>{entries}</dependencies>"
    place = folder / "local" / "all" / "everything" / "1"
    place.mkdir(parents=True)
    (place / "everything-1.pom").write_text(POM.format("local.all", "everything", "1", whole))
    with zipfile.ZipFile(place / "everything-1.jar", "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
    return "local.all:everything:1"


@needs_folder
def test_coordinates_with_a_full_cache_open_offline_and_what_is_taken_out_is_told(tmp_path: Path) -> None:
    m2 = tmp_path / "m2"
    assert FOLDER is not None
    endpoint = a_repository(m2, FOLDER)
    environment = {"M2_REPO": str(m2), "HOME": str(tmp_path)}
    program = GUARD + (
        "import imglyb, scyjava.config\n"
        "scyjava.config.endpoints[:] = []\n"
        f"try:\n    fiji = open_fiji({endpoint!r}, offline=True)\n"
        "except EndpointError as error:\n    print(error, asked)\n"
        "else:\n    print(fiji.run_macro('return getVersion();'), asked)\n"
    )
    (gone,) = m2.glob("local/app/scijava-common/*/scijava-common-*.jar")
    jar = gone.readlink()
    gone.unlink()
    out = printed(program, timeout=120, **environment)
    assert f"local.app:scijava-common:{gone.parent.name} ({gone} is not there)" in out
    assert out.endswith(" []\n")
    gone.symlink_to(jar)
    out = printed(program, timeout=120, **environment)
    assert out.endswith("1.54p []\n"), out
