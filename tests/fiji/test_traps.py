"""Each trap of scyjava, jgo, pyimagej, JPype and ImageJ 1.54p that open_fiji remedies, one test each.

A test first falls into the trap without us ("bare"), in a process of its own, and then shows that `open_fiji` does not:
so it fails when the remedy goes, and tells when the trap is gone.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bioimg_fiji.fiji import jars
from bioimg_fiji.fiji.plugin import plugin_jar
from support.endpoints import ENDPOINT
from support.processes import started
from support.python import printed

real = pytest.mark.skipif(ENDPOINT == "embedded", reason="BIOIMG_FIJI_ENDPOINT names no ImageJ2")

GUARD = """
import sys
asked = []
def guard(event, arguments):
    if event == "socket.getaddrinfo":
        asked.append(arguments[0])
    elif event == "socket.connect":
        asked.append(arguments[1][0])
    else:
        return
    if asked[-1] not in ("127.0.0.1", "localhost"):
        raise OSError("no network in this test")
sys.addaudithook(guard)
"""
FIJI = f"""
import numpy as np
from bioimg_fiji import Image, open_fiji
from bioimg_fiji.errors import *
ENDPOINT = {ENDPOINT!r}
"""
OURS = FIJI + "fiji = open_fiji(ENDPOINT)\n"
JAVA = """
import jpype, numpy as np
from bioimg_fiji.fiji.jars import embedded_jars
def start(*names):
    jars = [str(jar) for jar in embedded_jars(offline=False) if not names or jar.name.startswith(names)]
    options = ["-Djava.awt.headless=true", "--add-opens=java.base/java.lang=ALL-UNNAMED", "-Dplugins.dir=/nowhere"]
    jpype.startJVM(*options, classpath=jars)
    if not names:
        jpype.JClass("net.imagej.patcher.LegacyInjector").preinit()
    return jpype.JClass("ij.IJ")
"""
BARE = JAVA + "IJ = start()\n"
BARE_REAL = f"""
import numpy as np, scyjava, scyjava.config, imagej
scyjava.config.set_java_constraints(fetch="auto", version="17")
scyjava.config.endpoints[:] = []
ij = imagej.init({ENDPOINT!r}, mode="headless")
"""


def test_scyjava_downloads_a_java(cached: None, tmp_path: Path) -> None:
    bare = "import scyjava\ntry:\n    scyjava.start_jvm()\nexcept BaseException:\n    pass\nprint(len(asked) > 0)\n"
    assert printed(GUARD + bare, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path)).endswith("True\n")
    ours = "fiji = open_fiji('embedded')\nprint(asked)\n"
    m2 = str(jars._repository())
    assert printed(GUARD + FIJI + ours, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path), M2_REPO=m2) == "[]\n"


@real
def test_pyimagej_fails_with_fetch_never() -> None:
    bare = (
        "import scyjava.config, imagej\nscyjava.config.set_java_constraints(fetch='never')\n"
        "try:\n    imagej._guess_java_version()\nexcept UnboundLocalError:\n    print('trap')\n"
    )
    assert printed(bare) == "trap\n"
    assert printed(OURS + "import scyjava.config\nprint(scyjava.config.get_fetch_java())\n") == "auto\n"


def test_scyjava_asks_the_repository_of_scijava(cached: None, tmp_path: Path) -> None:
    bare = (
        "import scyjava, scyjava.config\nscyjava.config.set_java_constraints(fetch='auto', version='11')\n"
        "scyjava.config.endpoints.append('net.imagej:ij:1.54p')\n"
        "try:\n    scyjava.start_jvm()\nexcept BaseException:\n    pass\n"
        "print('maven.scijava.org' in asked or 'maven.scijava.org' in str(scyjava.config.get_repositories()))\n"
        "print(any(host not in ('127.0.0.1', 'localhost') for host in asked))\n"
    )
    assert printed(GUARD + bare, M2_REPO=str(tmp_path / "bare"), HOME=str(tmp_path)).split() == ["True", "True"]
    handler = functools.partial(_Repository, directory=str(jars._repository()))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        ours = (
            "import jgo.maven._core as core\n"
            f"core.DEFAULT_REMOTE_REPOS['central'] = 'http://127.0.0.1:{server.server_address[1]}/maven2'\n"
            "fiji = open_fiji('embedded')\nprint(set(asked) <= {'127.0.0.1'}, len(asked) > 0)\n"
        )
        try:
            assert printed(GUARD + FIJI + ours, M2_REPO=str(tmp_path / "ours")) == "True True\n"
        finally:
            server.shutdown()
            thread.join()


class _Repository(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        self.path = self.path.removeprefix("/maven2")
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@real
def test_pyimagej_fetches_imglyb_though_the_fiji_has_it(tmp_path: Path) -> None:
    bare = (
        "import scyjava.config, imagej\nscyjava.config.set_java_constraints(fetch='auto', version='11')\n"
        "import imglyb\nprint(any('imglib2-imglyb' in each for each in scyjava.config.endpoints))\n"
        f"try:\n    imagej.init({ENDPOINT!r})\nexcept BaseException:\n    pass\n"
        "print(len(asked) > 0)\n"
    )
    environment = {"M2_REPO": str(tmp_path), "HOME": str(tmp_path), "JGO_CACHE_DIR": str(tmp_path)}
    assert printed(GUARD + bare, timeout=120, **environment).split()[-2:] == ["True", "True"]
    ours = "fiji = open_fiji(ENDPOINT)\nprint(asked)\n"
    assert printed(GUARD + FIJI + ours, timeout=120, **environment) == "[]\n"


def test_jgo_has_no_offline_switch(tmp_path: Path) -> None:
    bare = (
        "import jgo, inspect\nprint('offline' in inspect.signature(jgo.build).parameters)\n"
        "try:\n    jgo.build('net.imagej:ij:1.54p')\nexcept BaseException:\n    pass\nprint(len(asked) > 0)\n"
    )
    environment = {"M2_REPO": str(tmp_path), "HOME": str(tmp_path), "JGO_CACHE_DIR": str(tmp_path)}
    assert printed(GUARD + bare, **environment).split() == ["False", "True"]
    for endpoint in ("embedded", "net.imagej:imagej:2.17.0"):
        ours = (
            f"try:\n    open_fiji({endpoint!r}, offline=True)\n"
            "except EndpointError as error:\n    print('told', asked)\n"
        )
        assert printed(GUARD + FIJI + ours, **environment) == "told []\n"


def test_the_threads_of_a_filter_keep_the_process_alive() -> None:
    bare = BARE + (
        "imp = IJ.createImage('a', '32-bit black', 300, 300, 1)\n"
        "IJ.run(imp, 'Gaussian Blur...', 'sigma=3')\nprint('end', flush=True)\n"
    )
    with started(sys.executable, "-c", bare) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "end\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=5)
    ours = "fiji.run('Gaussian Blur...', np.zeros((300, 300), np.float32), sigma=3)\nprint('end')\n"
    assert printed(OURS + ours) == "end\n"


@real
def test_what_a_filter_does_is_not_seen_behind_an_imageplus_of_numpy() -> None:
    bare = BARE_REAL + (
        "data = ij.py.to_dataset(np.arange(100, dtype=np.uint8).reshape(10, 10))\n"
        "imp = ij.py.to_imageplus(data)\nij.IJ.run(imp, 'Invert', '')\n"
        "print(imp.getStack().isVirtual(), int(np.asarray(ij.py.from_java(data))[0, 0]))\n"
    )
    assert printed(bare, timeout=120).split() == ["True", "0"]
    ours = (
        "imp = fiji.to_fiji(np.arange(100, dtype=np.uint8).reshape(10, 10))\nfiji.gateway.IJ.run(imp, 'Invert', '')\n"
        "print(imp.getStack().isVirtual(), fiji.to_python(imp).pixels[0, 0])\n"
    )
    assert printed(OURS + ours, timeout=120).split() == ["False", "255"]


TEMPORARY = """
imp = {}.createImage("mine", "8-bit black", 5, 5, 1)
jpype.JClass("ij.WindowManager").setTempCurrentImage(imp)
"""


@real
def test_the_macro_of_pyimagej_sees_no_image_and_returns_a_map() -> None:
    bare = BARE_REAL + (
        "import jpype\n" + TEMPORARY.format("ij.IJ") + "made = ij.py.run_macro('return \"\" + nImages;')\n"
        "print(isinstance(made, str), [str(made.get(name)) for name in made.keySet()])\n"
    )
    assert printed(bare, timeout=120).splitlines()[-1] == "False ['0']"
    ours = "import jpype\n" + TEMPORARY.format("fiji.gateway.IJ") + "print(fiji.run_macro('return getTitle();'))\n"
    assert printed(OURS + ours, timeout=120) == "mine\n"


@real
def test_pyimagej_drops_the_unit_and_the_scale_of_an_axis_of_one_pixel() -> None:
    make = (
        "imp = IJ.createImage('a', '8-bit black', 1, 5, 1)\ncalibration = imp.getCalibration()\n"
        "calibration.setUnit('um')\ncalibration.pixelWidth = calibration.pixelHeight = 0.5\n"
    )
    bare = BARE_REAL + "IJ = ij.IJ\n" + make + "made = ij.py.from_java(imp)\n"
    bare += "print('um' in repr(made.attrs), ij.py.to_dataset(made).averageScale(0) == 0.5)\n"
    assert printed(bare, timeout=120).endswith("False False\n")
    ours = "IJ = fiji.gateway.IJ\n" + make + "scale = fiji.to_python(imp).scale('x')\n"
    ours += (
        "back = fiji.to_fiji(fiji.to_python(imp)).getCalibration()\nprint(scale.step, scale.unit, back.pixelWidth)\n"
    )
    assert printed(OURS + ours, timeout=120).split() in (["0.5", "um", "0.5"], ["0.5", "µm", "0.5"])


def test_imagej_alone_shows_no_dialog_headless() -> None:
    bare = JAVA + (
        "IJ = start('ij-')\nimp = IJ.createImage('a', '8-bit ramp', 30, 30, 1)\n"
        "try:\n    IJ.run(imp, 'Gaussian Blur...', 'sigma=3')\n    print('ran')\n"
        "except jpype.JException as error:\n    print('HeadlessException' in str(error))\n"
        "import os; os._exit(0)\n"
    )
    assert printed(bare).startswith("True")
    ours = (
        "print(fiji.run('Gaussian Blur...', np.eye(9, dtype=np.float32), sigma=3).images['output'].pixels.max() < 1)\n"
    )
    assert printed(OURS + ours) == "True\n"


_COUNT = (
    'newImage("dots", "8-bit black", 64, 64, 1); makeOval(10, 10, 20, 20); run("Set...", "value=255");'
    ' run("Select None"); run("Find Maxima...", "prominence=10 output=Count"); return "" + nResults;'
)


def test_patched_imagej_counts_nothing_without_a_word() -> None:
    """Tables that cannot be shown are dropped: Find Maxima, and Analyze Particles with other options."""
    bare = BARE + f"print(IJ.runMacro({_COUNT!r}, ''))\nimport os; os._exit(0)\n"
    assert printed(bare).splitlines()[-1] == "0"
    assert printed(OURS + f"print(fiji.run_macro({_COUNT!r}))\n").splitlines()[-1] == "1"


def test_the_roi_manager_needs_a_window() -> None:
    bare = BARE + "print(IJ.runMacro('roiManager(\"reset\"); return \"went on\";', ''))\nimport os; os._exit(0)\n"
    assert "went on" not in printed(bare)
    ours = (
        'print(fiji.run_macro(\'newImage("a", "8-bit black", 9, 9, 1); roiManager("reset"); makeOval(1, 2, 3, 4);'
        ' roiManager("add"); return "" + roiManager("count");\'))\n'
    )
    assert printed(OURS + ours) == "1\n"


def test_the_menu_is_there_only_after_a_first_run() -> None:
    bare = BARE + "print(jpype.JClass('ij.Menus').getCommands())\nimport os; os._exit(0)\n"
    assert printed(bare) == "None\n"
    ours = (
        "from bioimg_fiji.fiji.java import jclass\n"
        "print(str(jclass('ij.Menus').getCommands().get('BioImg Run Model...')).startswith('io.github.bioimgfiji'))\n"
    )
    assert printed(OURS + ours) == "True\n"


@pytest.mark.parametrize(("name", "found"), [("bioimg-fiji.jar", "False"), ("bioimg_fiji.jar", "True")])
def test_a_plugin_without_an_underscore_is_not_found(tmp_path: Path, name: str, found: str) -> None:
    """ImageJ's rule for names of jars in plugins/, which ours follows."""
    assert "_" in plugin_jar().name
    (tmp_path / "plugins").mkdir()
    shutil.copy(plugin_jar(), tmp_path / "plugins" / name)
    bare = JAVA.replace("/nowhere", str(tmp_path)) + (
        "IJ = start()\nIJ.runMacro('run(\"Clear Results\");', '')\n"
        "print(jpype.JClass('ij.Menus').getCommands().get('BioImg Run Model...') is not None)\nimport os; os._exit(0)\n"
    )
    assert printed(bare).splitlines()[-1] == found


def test_a_failing_macro_returns_something() -> None:
    bare = (
        BARE
        + "print('returned', IJ.runMacro('open(\"/nowhere/at/all.tif\"); return 1;', ''))\nimport os; os._exit(0)\n"
    )
    assert "returned" in printed(bare)
    ours = (
        "try:\n    fiji.run_macro('a = 1;\\nopen(\"/nowhere/at/all.tif\");')\n"
        "except MacroError as error:\n    print(error.details['line'])\n"
    )
    assert printed(OURS + ours).splitlines()[-1] == "2"


def test_numpy_sees_old_data_while_a_view_of_it_lives() -> None:
    bare = BARE + (
        "pixels = jpype.JArray(jpype.JFloat)(3)\nfirst = np.asarray(pixels)\npixels[0] = 5\n"
        "print(float(np.asarray(pixels)[0]))\nimport os; os._exit(0)\n"
    )
    assert printed(bare) == "0.0\n"
    ours = (
        "imp = fiji.to_fiji(np.zeros((3, 3), np.float32))\nfirst = fiji.to_python(imp)\n"
        "imp.getProcessor().setf(0, 5.0)\n"
        "print(float(fiji.to_python(imp).pixels[0, 0]), float(first.pixels[0, 0]))\n"
    )
    assert printed(OURS + ours) == "5.0 0.0\n"


def test_javas_bytes_and_shorts_have_a_sign() -> None:
    bare = BARE + (
        "imp = IJ.createImage('a', '8-bit white', 2, 2, 1)\n"
        "print(int(np.asarray(imp.getProcessor().getPixels())[0]))\nimport os; os._exit(0)\n"
    )
    assert printed(bare) == "-1\n"
    ours = (
        "for dtype, top in ((np.uint8, 255), (np.uint16, 65535)):\n"
        "    made = fiji.to_python(fiji.to_fiji(np.full((2, 2), top, dtype)))\n"
        "    print(made.dtype, int(made.pixels[0, 0]))\n"
    )
    assert printed(OURS + ours).split() == ["uint8", "255", "uint16", "65535"]


def test_an_exception_of_python_reaches_java_without_a_message() -> None:
    bare = BARE + (
        "@jpype.JImplements('java.util.concurrent.Callable')\n"
        "class Fails:\n"
        "    @jpype.JOverride\n"
        "    def call(self):\n        raise ValueError('the reason')\n"
        "task = jpype.JClass('java.util.concurrent.FutureTask')(Fails())\ntask.run()\n"
        "try:\n    task.get()\n"
        "except BaseException as error:\n"
        "    cause = error.getCause() if hasattr(error, 'getCause') else None\n"
        "    print(None if cause is None else cause.getMessage())\n"
        "import os; os._exit(0)\n"
    )
    assert printed(bare) == "None\n"
    ours = (
        "fiji.show(np.zeros((9, 9), np.uint8))\n"
        'try:\n    fiji.run_macro(\'run("BioImg Run Model", "model=/nowhere/at/all.zip");\')\n'
        "except MacroError as error:\n    print('/nowhere/at/all.zip' in error.message)\n"
    )
    assert printed(OURS + ours) == "True\n"
