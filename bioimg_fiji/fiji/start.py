"""Starting what `open_fiji` opens: a Fiji by pyimagej, or embedded ImageJ by scyjava. Once per process."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bioimg_fiji import settings
from bioimg_fiji.errors import BioimgError, EndpointError, HeadlessError
from bioimg_fiji.fiji import forks, interrupts, java, proxies, running
from bioimg_fiji.fiji.endpoint import EMBEDDED, find_endpoint
from bioimg_fiji.fiji.headless import mend
from bioimg_fiji.fiji.jars import EMBEDDED_JARS, embedded_jars, only_cached
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.fiji.memory import given_options, heap_option, memory_options
from bioimg_fiji.fiji.needed import java_too_old
from bioimg_fiji.fiji.patched import patch, patched_jar, usable
from bioimg_fiji.fiji.plugin import plugin_jar
from bioimg_fiji.fiji.undo import callbacks, restored, undone_on_failure

_OPEN_MODULES = "--add-opens=java.base/java.lang=ALL-UNNAMED"

_log = logging.getLogger(__name__)
_started: Started | None = None


@dataclass(frozen=True)
class Started:
    """A running Fiji or ImageJ; `gateway` is pyimagej's, None where ImageJ is embedded.

    `how` is what the user has asked for with the first call; None where this process had started Java otherwise.
    """

    endpoint: str
    headless: bool
    version: str
    gateway: Any
    how: How | None = None


@dataclass(frozen=True)
class How:
    """How it is started: without windows, without the network (None: as the settings say), and Java's memory."""

    headless: bool = True
    offline: bool | None = None
    memory: str | float | None = None

    @property
    def cached(self) -> bool:
        """Whether only what is cached is taken."""
        return bool(settings.get("offline", self.offline))


def start_fiji(endpoint: Any, how: How) -> Started:
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
        return _same(_started, endpoint, how)
    if how.memory is not None:
        heap_option(how.memory)  # a wrong one is told before anything is fetched
    if running.is_running() or running.is_gateway(endpoint):
        _check_effect("Java", None, how)
        _started = _told(running.UNKNOWN, lambda: Started(*running.take_over(endpoint, how.headless)))
    else:
        named = find_endpoint(endpoint)
        _started = _told(named, lambda: _begin(named, how))
    java.calm_threads()
    forks.watch()
    interrupts.give_to_python()
    return _started


def _begin(endpoint: str, how: How) -> Started:
    if not how.headless and sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        raise HeadlessError(
            "There is no display to open windows on.",
            fix="Use headless=True, or start a display first (on a server: xvfb-run).",
        )
    if not how.headless and sys.platform == "darwin":  # Java's windows want the main thread, which Python has
        raise HeadlessError(
            "On macOS a Python program cannot open Fiji's windows.",
            fix="Use headless=True, or run the script in Fiji's own Python mode (fiji --python), where open_fiji() "
            "takes the Fiji that runs.",
        )
    return _start_embedded(endpoint, how) if endpoint == EMBEDDED else _start_fiji(endpoint, how)


def _told(endpoint: str, begin: Callable[[], Started]) -> Started:
    """Turn whatever goes wrong into an error that says what to do."""
    try:
        return begin()
    except BioimgError:
        raise
    except Exception as error:
        raise java_too_old(str(error), endpoint) or EndpointError(
            f"{endpoint} could not be opened: {type(error).__name__}: {error}.",
            fix=_advice(endpoint),
            endpoint=endpoint,
        ) from error


def _same(started: Started, endpoint: Any, how: How) -> Started:
    """Give what runs, unless something else is asked for that cannot be had any more."""
    other_windows = started.headless and not how.headless
    if other_windows or (endpoint is not None and not running.fits(endpoint, started.endpoint, started.gateway)):
        raise _cannot_again(started)
    _check_effect(started.endpoint, started.how, how)
    return started


def _check_effect(endpoint: str, first: How | None, how: How) -> None:
    """Refuse what only the start of Java could have done, and has done otherwise; `first` is None where it is not ours.

    Raises
    ------
    EndpointError
        When memory or offline are asked for and are not as they were.
    """
    before = first or How()
    other_memory = how.memory not in (None, before.memory)
    other_offline = how.offline is not None and how.cached != before.cached
    for name, other in (("memory", other_memory), ("offline", other_offline)):
        if other:
            now, then = getattr(how, name), getattr(before, name)
            raise EndpointError(
                f"{name}={now!r} cannot take effect: {endpoint} runs in this process already, "
                f"{'opened by another part of this program' if first is None else f'opened with {name}={then!r}'}.",
                fix=f"Give {name} with the first open_fiji of a process, or leave it out.",
            )


def _cannot_again(started: Started) -> EndpointError:
    kind = "without" if started.headless else "with"
    return EndpointError(
        f"This process has opened {started.endpoint} {kind} windows, and Java cannot be started twice.",
        fix="Open the other one in another Python process.",
        endpoint=started.endpoint,
    )


def _start_embedded(endpoint: str, how: How) -> Started:
    import scyjava
    import scyjava.config

    _log.info("opening ImageJ from Maven Central (%s); no other repository is asked", " ".join(EMBEDDED_JARS))
    folder = settings.cache_folder() / "imagej"
    (folder / "plugins").mkdir(parents=True, exist_ok=True)
    options = [f"-Djava.awt.headless={str(how.headless).lower()}", _OPEN_MODULES, f"-Dplugins.dir={folder}"]
    given = given_options()
    with proxies.for_python(given):
        jars = embedded_jars(offline=how.cached)
    kept = patched_jar() if how.headless else None
    ready = kept is not None and usable(kept)
    class_path = [plugin_jar(), *([kept] if kept is not None and ready else []), *jars]
    calls = callbacks()
    with undone_on_failure(), restored(scyjava.config.endpoints, calls):
        scyjava.config.endpoints.clear()
        # NB: pyimagej, where the program has imported it, has imglyb look for a jar of ImageJ2 as soon as Java runs.
        calls[:] = [each for each in calls if each.__module__.partition(".")[0] != "imglyb"]
        # ImageJ's preferences change results (black background, scaling of conversions): the embedded one has its own.
        os.environ.setdefault("IJ_PREFS_DIR", str(folder))
        java.start(
            [*options, *memory_options(how.memory), *proxies.java_options(given)],
            class_path,
            java.find_java(),
            scyjava.start_jvm,
        )
    if not how.headless:
        jclass("ij.ImageJ")(jclass("ij.ImageJ").EMBEDDED)
    elif not ready:
        # NB: before any class of ImageJ is loaded: all of them are rewritten as they are loaded.
        patch(mend, kept)
    return Started(endpoint, how.headless, str(jclass("ij.IJ").getVersion()), None, how)


def _start_fiji(endpoint: str, how: How) -> Started:
    import imagej
    import scyjava
    import scyjava.config

    folder = Path(endpoint) if Path(endpoint).is_dir() else None
    _log.info("opening %s by pyimagej", endpoint)
    mode = imagej.Mode.HEADLESS if how.headless else imagej.Mode.INTERACTIVE
    given = given_options()
    options = [*memory_options(how.memory), *proxies.java_options(given)]
    fetching = only_cached(endpoint) if how.cached else contextlib.nullcontext()
    endpoints = scyjava.config.endpoints
    with undone_on_failure(), restored(endpoints), fetching, proxies.for_python(given):
        if how.headless:
            scyjava.when_jvm_starts(_mend_fiji)
        if folder is not None and any((folder / "jars").rglob("imglib2-imglyb-*.jar")):
            # NB: pyimagej wants to fetch that jar, though this Fiji has one: without the internet it would not open.
            endpoints[:] = [each for each in endpoints if "imglib2-imglyb" not in each]
        gateway = java.start(options, [plugin_jar()], java.find_java(folder), lambda: imagej.init(endpoint, mode=mode))
    running.check_legacy(gateway, endpoint)
    return Started(endpoint, how.headless, str(gateway.getVersion()), gateway, how)


def _mend_fiji() -> None:
    """Mend a Fiji as the embedded ImageJ; one that is built in another way works on as it is."""
    import jpype

    try:
        mend()
    except jpype.JException as error:
        _log.warning("This Fiji could not be mended for work without a display: %s", error)


def _advice(endpoint: str) -> str:
    if endpoint == running.UNKNOWN:
        return "Call open_fiji before anything else that starts Java."
    if Path(endpoint).is_dir():
        return 'Check that this Fiji starts by itself, or use "embedded".'
    return "Connect to the internet: its files are fetched once. Or name the folder of a Fiji."
