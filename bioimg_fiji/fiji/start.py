"""Starting what `open_fiji` opens: a Fiji by pyimagej, or embedded ImageJ by scyjava. Once per process."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bioimg_fiji import settings
from bioimg_fiji.errors import BioimgError, EndpointError, HeadlessError
from bioimg_fiji.fiji import java
from bioimg_fiji.fiji.endpoint import EMBEDDED, find_endpoint
from bioimg_fiji.fiji.headless import mend
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.fiji.plugin import plugin_jar

EMBEDDED_JARS = ("net.imagej:ij:1.54p", "net.imagej:ij1-patcher:2.0.0")
"""What embedded ImageJ is made of. The second lets dialogs take their values from macros without a display."""

CENTRAL = {"central": "https://repo.maven.apache.org/maven2"}
_OPEN_MODULES = "--add-opens=java.base/java.lang=ALL-UNNAMED"

_log = logging.getLogger(__name__)
_started: Started | None = None


@dataclass(frozen=True)
class Started:
    """A running Fiji or ImageJ; `gateway` is pyimagej's, None where ImageJ is embedded."""

    endpoint: str
    headless: bool
    version: str
    gateway: Any


def start_fiji(endpoint: str | None, headless: bool) -> Started:
    """Start what is named, or what is found; the running one, where it is the same.

    Raises
    ------
    EndpointError
        When another one runs in this process, or it cannot be started.
    HeadlessError
        When windows are asked for and there is no display.
    """
    global _started  # noqa: PLW0603 - Java is one per process
    if _started is not None:
        return _same(_started, endpoint or find_endpoint(), headless, named=endpoint is not None)
    endpoint = endpoint or find_endpoint()
    if not headless and sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        raise HeadlessError(
            "There is no display to open windows on.",
            fix="Use headless=True, or start a display first (on a server: xvfb-run).",
        )
    begin = _start_embedded if endpoint == EMBEDDED else _start_fiji
    try:
        _started = begin(endpoint, headless)
    except BioimgError:
        raise
    except Exception as error:
        raise EndpointError(
            f"{endpoint} could not be opened: {type(error).__name__}: {error}.",
            fix=_advice(endpoint),
            endpoint=endpoint,
        ) from error
    java.calm_threads()
    return _started


def _same(running: Started, endpoint: str, headless: bool, *, named: bool) -> Started:
    if (named and endpoint != running.endpoint) or headless != running.headless:
        kind = "without" if running.headless else "with"
        raise EndpointError(
            f"This process has opened {running.endpoint} {kind} windows, and Java cannot be started twice.",
            fix="Open the other one in another Python process.",
            endpoint=running.endpoint,
        )
    return running


def _start_embedded(endpoint: str, headless: bool) -> Started:
    import scyjava
    import scyjava.config

    _log.info("opening ImageJ from Maven Central (%s); no other repository is asked", " ".join(EMBEDDED_JARS))
    folder = settings.cache_folder() / "imagej"
    (folder / "plugins").mkdir(parents=True, exist_ok=True)
    # ImageJ's preferences change results (black background, scaling of conversions): the embedded one has its own.
    os.environ.setdefault("IJ_PREFS_DIR", str(folder))
    options = [f"-Djava.awt.headless={str(headless).lower()}", _OPEN_MODULES, f"-Dplugins.dir={folder}"]
    repositories, endpoints = dict(scyjava.config.get_repositories()), list(scyjava.config.endpoints)
    scyjava.config.get_repositories().clear()
    scyjava.config.endpoints[:] = EMBEDDED_JARS
    try:
        java.start([*options, *java.memory_options()], [plugin_jar()], java.find_java(), scyjava.start_jvm)
    finally:
        scyjava.config.get_repositories().update(repositories)
        scyjava.config.endpoints[:] = endpoints
    if headless:
        # NB: before any class of ImageJ is loaded: both rewrite them as they are loaded.
        mend()
        jclass("net.imagej.patcher.LegacyInjector").preinit()
    else:
        jclass("ij.ImageJ")(jclass("ij.ImageJ").EMBEDDED)
    return Started(endpoint, headless, str(jclass("ij.IJ").getVersion()), None)


def _start_fiji(endpoint: str, headless: bool) -> Started:
    import imagej
    import scyjava
    import scyjava.config

    folder = Path(endpoint) if Path(endpoint).is_dir() else None
    _log.info("opening %s by pyimagej", endpoint)
    mode = imagej.Mode.HEADLESS if headless else imagej.Mode.INTERACTIVE
    if headless:
        scyjava.when_jvm_starts(_mend_fiji)
    endpoints = list(scyjava.config.endpoints)
    if folder is not None and any((folder / "jars").rglob("imglib2-imglyb-*.jar")):
        # NB: pyimagej wants to fetch that jar, though this Fiji has one: without the internet it would not open.
        scyjava.config.endpoints[:] = [each for each in endpoints if "imglib2-imglyb" not in each]
    try:
        gateway = java.start(
            java.memory_options(), [plugin_jar()], java.find_java(folder), lambda: imagej.init(endpoint, mode=mode)
        )
    finally:
        scyjava.config.endpoints[:] = endpoints
    if not gateway.legacy or not gateway.legacy.isActive():
        raise EndpointError(f"{endpoint} has no ImageJ 1.x.", fix="Open a Fiji, or sc.fiji:fiji.", endpoint=endpoint)
    return Started(endpoint, headless, str(gateway.getVersion()), gateway)


def _mend_fiji() -> None:
    """Mend a Fiji as the embedded ImageJ; one that is built in another way works on as it is."""
    import jpype

    try:
        mend()
    except jpype.JException as error:
        _log.warning("This Fiji could not be mended for work without a display: %s", error)


def _advice(endpoint: str) -> str:
    if Path(endpoint).is_dir():
        return 'Check that this Fiji starts by itself, or use "embedded".'
    return "Connect to the internet: its files are fetched once. Or name the folder of a Fiji."
