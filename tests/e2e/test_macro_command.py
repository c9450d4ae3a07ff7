"""`bioimg-fiji macro`: exit status, what it prints where and when, Ctrl-C; each in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.endpoints import EMBEDDED, ENDPOINT
from support.processes import run_cli, started

pytestmark = pytest.mark.timeout(120)

real = pytest.mark.skipif(EMBEDDED, reason="scripts need an ImageJ2: BIOIMG_FIJI_ENDPOINT names its folder")


def run(folder: Path, text: str, *arguments: str, name: str = "test.ijm") -> subprocess.CompletedProcess[str]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return run_cli("macro", path, "--endpoint", ENDPOINT, *arguments)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ('print("a"); print("b");', "a\nb\n"),
        ('print("a"); return "3";', "a\n3\n"),
        ('print("a"); exit; print("b");', "a\n"),
        ('print("a"); exit(); print("b");', "a\n"),
        ('a = split(getArgument(), "\\n"); print(a.length); return a[1];', "2\ny z\n"),
    ],
)
def test_a_macro_that_ends(tmp_path: Path, text: str, printed: str) -> None:
    done = run(tmp_path, text, "--arg", "x", "--arg", "y z")
    assert (done.returncode, done.stdout) == (0, printed), done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('exit("no cells");', "no cells"),
        ("x = foo(3);", "Undefined identifier"),
        ('open("/nowhere.tif");', "File not found"),
        ('run("No Such Command");', "No Such Command"),
        ('run("BioImg Run Model...", "modle=a.zip");', "modle"),
        ('newImage("a", "8-bit ramp", 9, 9, 1); run("Gaussian Blur...");', "needs a window"),
        ('x = getNumber("radius", 3);', "display"),
        ('Dialog.create("a"); Dialog.addNumber("radius", 3); Dialog.show;', "display"),
        ('waitForUser("look");', "display"),
    ],
)
def test_a_macro_that_fails_tells_message_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    done = run(tmp_path, f'print("before");\n\n{text}\nprint("after");\n')
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("before\n")  # ImageJ itself prints some messages too
    assert "after" not in done.stdout
    assert f"{tmp_path / 'test.ijm'}: The macro failed in line 3: " in done.stderr
    assert said in done.stderr


def test_wrong_usage_and_files_that_are_not_there(tmp_path: Path) -> None:
    assert run_cli("macro").returncode == 2
    assert run_cli("macro", "a.ijm", "--argument", "3").returncode == 2
    missing = run_cli("macro", tmp_path / "none.ijm")
    assert missing.returncode == 1
    assert "none.ijm cannot be read" in missing.stderr


def line(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "bioimg_fiji", "macro", *map(str, arguments), "--endpoint", ENDPOINT]


def test_the_standard_input() -> None:
    text = 'print("from the pipe " + getArgument());'
    done = subprocess.run(line("-", "--arg", "x"), input=text, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (0, "from the pipe x\n"), done.stderr
    failed = subprocess.run(line("-"), input="foo(", capture_output=True, text=True, timeout=100, check=False)
    assert failed.returncode == 1
    assert "-: The macro failed in line 1" in failed.stderr


@pytest.mark.parametrize("text", ["while (true) x = 1;", "wait(60000);", "for (;;) x = 1;"])
def test_ctrl_c_ends_it_with_130(tmp_path: Path, text: str) -> None:
    path = tmp_path / "long.ijm"
    path.write_text(f'print("begun");\n{text}\n')
    with started(*line(path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"  # as it comes, and not at the end
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Cancelled." in said
    assert "Traceback" not in said


def test_sigterm_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "long.ijm"
    path.write_text('print("begun");\nwhile (true) x = 1;\n')
    with started(*line(path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.terminate()
        assert process.wait(timeout=30) in (143, -signal.SIGTERM)


@pytest.mark.gui
def test_with_windows_the_log_window_is_printed(tmp_path: Path, display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    done = run(tmp_path, 'print("one"); wait(500); print("\\\\Clear"); print("two"); return "3";', "--windows")
    assert (done.returncode, done.stdout) == (0, "one\ntwo\n3\n"), done.stderr
    monkeypatch.delenv("DISPLAY")
    refused = run(tmp_path, "x = 1;", "--windows")
    assert refused.returncode == 1
    assert "no display" in refused.stderr


@pytest.mark.skipif(not EMBEDDED, reason="a Fiji runs scripts")
def test_embedded_imagej_says_that_it_runs_no_scripts(tmp_path: Path) -> None:
    for name, text in (("a.py", "print(1)"), ("a.ijm", "#@ String name\nprint(name);")):
        done = run(tmp_path, text, "--arg", "name=x", name=name)
        assert done.returncode == 1
        assert "Embedded ImageJ has no SciJava" in done.stderr
        assert "--endpoint" in done.stderr


SCRIPT = "#@ String name\n#@ Integer (value=2) times\n#@ Boolean (value=false) loud\n#@output String said\n"


@real
@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (("name=a b",), 0, "hello\nsaid=a ba b\n", ""),
        (("name=x=y", "times=3", "loud=true"), 0, "hello\nsaid=X=YX=YX=Y\n", ""),
        ((), 1, "", "--arg name=VALUE"),
        (("name=a", "times=many"), 1, "", "times must be of Java's type Integer"),
        (("nam=a",), 1, "", "no input 'nam'"),
        (("a",), 1, "", "must be NAME=VALUE"),
    ],
)
def test_a_jython_script(tmp_path: Path, arguments: tuple[str, ...], code: int, out: str, err: str) -> None:
    text = f"{SCRIPT}print('hello')\nsaid = name * times\nif loud: said = said.upper()\n"
    given = [part for each in arguments for part in ("--arg", each)]
    done = run(tmp_path, text, *given, name="test.py")
    assert (done.returncode, done.stdout) == (code, out), done.stderr
    assert err in done.stderr


@real
@pytest.mark.parametrize(
    ("name", "text", "line", "said"),
    [
        ("a.py", "x = 1\nraise ValueError('bad thing')\n", 2, "ValueError: bad thing"),
        ("a.py", "x = (\n", 1, "SyntaxError"),
        ("a.py", "import sys\nsys.exit(3)\n", 2, "ended itself with status 3"),
        ("a.py", "from ij import IJ\nIJ.run('No Such Command', '')\n", 2, "No Such Command"),
        ("a.py", "from ij.gui import GenericDialog\nGenericDialog('x').showDialog()\n", 2, "display"),
        ("a.js", "var x = 1;\nfoo.bar;\n", 0, "foo"),
        ("a.ijm", '#@ Integer (value=3) n\nprint("before");\nx = foo(n);\n', 3, "Undefined identifier"),
        ("a.xyz", "print(1)", 0, "runs no scripts in"),
    ],
)
def test_a_script_that_fails(tmp_path: Path, name: str, text: str, line: int, said: str) -> None:
    done = run(tmp_path, text, name=name)
    assert done.returncode == (3 if "exit(3)" in text else 1)
    assert said in done.stderr
    assert f"in line {line}" in done.stderr or not line
    assert "bioimg_fiji/" not in done.stderr  # SciJava may show where the script failed, but not where we are


@real
def test_a_macro_with_parameters_and_one_of_no_failure(tmp_path: Path) -> None:
    text = '#@ Integer n\n#@ File (style="open") f\n#@ Boolean b\nprint(n + 1); print(f); if (b) return "yes";\n'
    done = run(tmp_path, text, "--arg", "n=3", "--arg", 'f=/a "b".tif', "--arg", "b=true")
    assert (done.returncode, done.stdout) == (0, '4\n/a "b".tif\nyes\n'), done.stderr
    assert run(tmp_path, "import sys\nprint('x')\nsys.exit(0)\n", name="a.py").returncode == 0
