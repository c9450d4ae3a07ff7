"""A Java that runs in this process already: Fiji itself has started Python, or the program has called imagej.init.

Java starts once per process, so `open_fiji` takes that one where there is an ImageJ in it. Its classes are loaded
already: what `headless` mends before that stays as it is.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

from bioimg_fiji.errors import EndpointError, InputError
from bioimg_fiji.fiji import java
from bioimg_fiji.fiji.endpoint import EMBEDDED, find_endpoint, is_fiji_folder
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.fiji.plugin import BACKENDS, finds_plugin, plugin_jar

_GATEWAY = "net.imagej.ImageJ"
_CONTEXT = "org.scijava.Context"
UNKNOWN = "the ImageJ that runs in this process"

_log = logging.getLogger(__name__)


def is_running() -> bool:
    """Whether Java runs in this process."""
    import jpype

    return bool(jpype.isJVMStarted())


def is_gateway(endpoint: Any) -> bool:
    """Whether something given as an endpoint is a gateway `ij`, and not a name or a path.

    Raises
    ------
    InputError
        When it is none of them.
    """
    if endpoint is None or isinstance(endpoint, str | os.PathLike):
        return False
    if is_running() and _exists(_GATEWAY) and isinstance(endpoint, jclass(_GATEWAY)):
        return True
    raise InputError(
        f"open_fiji takes the name of an endpoint or the gateway of imagej.init, not {type(endpoint).__name__}.",
        fix='Give a Fiji folder, Maven coordinates, "embedded", or ij.',
    )


def take_over(endpoint: Any, headless: bool) -> tuple[str, bool, str, Any]:
    """Take the ImageJ that runs: give its endpoint, whether it is headless, its version and its gateway.

    Raises
    ------
    EndpointError
        When there is no ImageJ in this Java, when it is another one than that which is asked for, or when our plugin
        cannot be added to it.
    """
    if not _has("ij.IJ"):
        raise EndpointError(
            "Java runs already in this process, without ImageJ in it, and cannot be started twice.",
            fix="Call open_fiji before anything else that starts Java (scyjava, another JPype package), "
            "or start it with ImageJ: imagej.init(...).",
        )
    gateway = endpoint if is_gateway(endpoint) else _find_gateway()
    found = _endpoint(gateway)
    if endpoint is not None and not fits(endpoint, found, gateway):
        raise EndpointError(
            f"Java runs already in this process with {found}, and cannot be started twice.",
            fix=f"Call open_fiji() without an endpoint to use it, or open {endpoint} in another Python process.",
            endpoint=found,
        )
    runs_headless = bool(jclass("java.awt.GraphicsEnvironment").isHeadless())
    if runs_headless and not headless:
        raise EndpointError(
            f"Java runs already in this process, without windows ({found}), and cannot be started twice.",
            fix='Use headless=True, or start it with windows: imagej.init(..., mode="interactive").',
            endpoint=found,
        )
    if gateway is not None:
        check_legacy(gateway, found)
    elif runs_headless:
        _check_patched()
    _add_plugin(found, gateway)
    if runs_headless:
        _log.warning(
            "%s was started by another part of this program: filters that would need a window may take default values "
            "there without a word. Where open_fiji starts it, they do not.",
            found,
        )
    java.end_well()
    version = str((gateway or jclass("ij.IJ")).getVersion())
    return found, runs_headless, version, gateway


def fits(endpoint: Any, found: str, gateway: Any) -> bool:
    """Whether an endpoint that is asked for is the one that runs."""
    if is_gateway(endpoint):
        return gateway is not None and bool(endpoint.getContext().equals(gateway.getContext()))
    named = find_endpoint(endpoint)
    if named == found:
        return True
    if ":" in named and not Path(named).is_dir() and gateway is not None:
        return all(_on_class_path(each) for each in named.split("+"))
    return Path(named).is_dir() and Path(found).is_dir() and Path(named).samefile(found)


def check_legacy(gateway: Any, endpoint: str) -> None:
    """Refuse an ImageJ2 without ImageJ 1.x.

    Raises
    ------
    EndpointError
        When it has none, or it is not active.
    """
    if not gateway.legacy or not gateway.legacy.isActive():
        raise EndpointError(f"{endpoint} has no ImageJ 1.x.", fix="Open a Fiji, or sc.fiji:fiji.", endpoint=endpoint)


def _find_gateway() -> Any:
    """Give the gateway of this Java; None where it is plain ImageJ. One is made where nobody has."""
    import jpype

    if not _has(_GATEWAY):
        return None
    import imagej

    known = getattr(sys.modules["imagej"], "gateway", None)  # where pyimagej shows Fiji's window, and blocks
    if known is not None:
        return known
    try:
        context = jclass("ij.IJ").runPlugIn(_CONTEXT, "")
    except jpype.JException:  # there is none yet
        context = None
    return imagej.init() if context is None else jclass(_GATEWAY)(context)


def _check_patched() -> None:
    """Refuse a plain ImageJ that cannot work without a display.

    Raises
    ------
    EndpointError
        When it was started without ij1-patcher.
    """
    import jpype

    try:
        jclass("ij.IJ").class_.getDeclaredField("_hooks")
    except jpype.JException as error:
        raise EndpointError(
            "Java runs already in this process, with an ImageJ that was not made fit for work without a display.",
            fix="Call open_fiji before anything else that starts Java: it starts ImageJ with ij1-patcher.",
        ) from error


def _endpoint(gateway: Any) -> str:
    if gateway is None:
        return EMBEDDED
    properties = jclass("java.lang.System")
    for name in ("imagej.dir", "fiji.dir", "ij.dir", "plugins.dir"):
        value = properties.getProperty(name)
        for folder in () if value is None else (Path(str(value)), Path(str(value)).parent):
            if is_fiji_folder(folder):
                return str(folder.absolute())
    return UNKNOWN


def _on_class_path(coordinate: str) -> bool:
    """Whether the jar of Maven coordinates is in this Java, in the version that they name if they do."""
    entries = str(jclass("java.lang.System").getProperty("java.class.path")).split(os.pathsep)
    return any(_is_jar_of(Path(each).name, coordinate) for each in entries)


def _is_jar_of(name: str, coordinate: str) -> bool:
    """Whether a file is the jar of Maven coordinates: the artifact's name, and a version, which begins with a digit."""
    artifact, *version = coordinate.split(":")[1:3]
    kind = re.escape(version[0]) if version else r"\d.*"
    return re.fullmatch(rf"{re.escape(artifact)}-{kind}\.jar", name) is not None


def _add_plugin(found: str, gateway: Any) -> None:
    """Add our plugin where it is not installed: Python, its macros and SciJava find it then, ImageJ's menu not."""
    import jpype

    if not _exists(BACKENDS):
        jpype.addClassPath(plugin_jar())
        if gateway is not None:
            jclass("io.github.bioimgfiji.scijava.BioImgCommands").join(gateway.getContext())
    if not finds_plugin():
        _log.info(
            "the plugin is not installed in %s: its commands can be run from Python. For its own menu: "
            "bioimg-fiji install-plugin FOLDER, and start it again",
            found,
        )


def _has(name: str) -> bool:
    """Whether a class is on the class path; it is not loaded."""
    loader = jclass("java.lang.ClassLoader").getSystemClassLoader()
    return loader.getResource(name.replace(".", "/") + ".class") is not None


def _exists(name: str) -> bool:
    try:
        jclass(name)
    except TypeError:
        return False
    return True
