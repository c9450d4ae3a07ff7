"""A Java that runs already: Fiji has started Python, or the program has called imagej.init. Each in its own process."""

from __future__ import annotations

import pytest

from support.endpoints import ENDPOINT
from support.python import printed, run_python

real = pytest.mark.skipif(ENDPOINT == "embedded", reason="BIOIMG_FIJI_ENDPOINT names no ImageJ2")

INIT = f"""
import scyjava, scyjava.config, imagej
scyjava.config.set_java_constraints(fetch="auto", version="17")
scyjava.config.endpoints[:] = []
ENDPOINT = {ENDPOINT!r}
"""
USE = """
import numpy as np
from bioimg_fiji import open_fiji
from bioimg_fiji.errors import *
"""
PLAIN = """
import jpype
from bioimg_fiji.fiji.jars import embedded_jars
options = ["-Djava.awt.headless=true", "--add-opens=java.base/java.lang=ALL-UNNAMED"]
"""
WORKS = """
assert fiji.run_macro('return "6" + 1;') == '61'
made = fiji.run('Gaussian Blur...', np.eye(50, dtype=np.float32), sigma=3)
assert made.images['output'].pixels.max() < 0.5
assert fiji.run('BioImg Models', action='list').tables['models'].columns[0] == 'model'
assert open_fiji() is fiji
fiji.close()
assert open_fiji().run_macro('return "again";') == 'again'
print(fiji.endpoint, fiji.headless)
"""


@real
@pytest.mark.parametrize("given", ["", "ij", "ENDPOINT"])
def test_the_session_of_imagej_init_is_taken(given: str) -> None:
    out = printed(
        INIT + 'ij = imagej.init(ENDPOINT, mode="headless")\n' + USE + f"fiji = open_fiji({given})\n"
        "assert fiji.gateway.getContext().equals(ij.getContext())\n"
        "listed = fiji.run_command('bioimg:models', action='list')\n"
        "assert 'models' in listed['tables']\n" + WORKS,
        timeout=120,
    )
    assert out.endswith(f"{ENDPOINT} True\n")


@real
def test_a_gateway_that_pyimagej_shows_is_taken_as_in_fijis_python_mode() -> None:
    """There imagej.init(mode="gui") blocks the thread that called it, and a script runs on another one of Java's."""
    out = printed(
        INIT + 'ij = imagej.gateway = imagej.init(ENDPOINT, mode="headless")\n' + USE + "import threading\n"
        "def script():\n"
        "    global fiji\n"
        "    fiji = open_fiji()\n"
        "    assert fiji.gateway is ij\n"
        "thread = threading.Thread(target=script)\nthread.start()\nthread.join()\n" + WORKS,
        timeout=120,
    )
    assert out.endswith(f"{ENDPOINT} True\n")


@real
def test_what_does_not_fit_is_told() -> None:
    out = printed(
        INIT + 'ij = imagej.init(ENDPOINT, mode="headless")\n' + USE + "import os\nos.environ['DISPLAY'] = ':0'\n"
        "for arguments in (dict(endpoint='embedded'), dict(endpoint='sc.fiji:fiji:2.0.0'), dict(headless=False)):\n"
        "    try:\n        open_fiji(**arguments)\n"
        "    except EndpointError as error:\n        print(error)\n",
        timeout=120,
    )
    assert out.count("cannot be started twice") == 3
    assert out.count(ENDPOINT) == 3


def test_a_java_without_imagej_is_told() -> None:
    done = run_python("import jpype\njpype.startJVM()\n" + USE + "open_fiji()\n")
    assert done.returncode == 1
    assert "Java runs already in this process, without ImageJ in it" in done.stderr


def test_a_plain_imagej_that_cannot_work_headless_is_told() -> None:
    done = run_python(
        PLAIN + "jpype.startJVM(*options, classpath=[str(jar) for jar in embedded_jars(offline=False)])\n"
        "print(jpype.JClass('ij.IJ').getVersion())\n" + USE + "open_fiji()\n"
    )
    assert done.returncode == 1
    assert "not made fit for work without a display" in done.stderr


def test_a_plain_imagej_that_was_made_fit_is_taken() -> None:
    out = printed(
        PLAIN + "jpype.startJVM(*options, classpath=[str(jar) for jar in embedded_jars(offline=False)])\n"
        "jpype.JClass('net.imagej.patcher.LegacyInjector').preinit()\n" + USE + "fiji = open_fiji('embedded')\n" + WORKS
    )
    assert out.endswith("embedded True\n")


def test_ctrl_c_is_pythons_there_too() -> None:
    printed(
        PLAIN + "import os, signal, threading\n"
        "jpype.startJVM(*options, classpath=[str(jar) for jar in embedded_jars(offline=False)], interrupt=True)\n"
        "jpype.JClass('net.imagej.patcher.LegacyInjector').preinit()\n" + USE + "fiji = open_fiji()\n"
        "try:\n"
        "    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "    fiji.run_macro('wait(600000);')\n"  # longer than the program may run
        "except KeyboardInterrupt:\n    pass\n"
        "else:\n    raise AssertionError\n"
        "assert fiji.run_macro('return \"on\";') == 'on'\n"
    )
