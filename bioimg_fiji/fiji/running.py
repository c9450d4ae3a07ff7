"""A Java that runs in this process already: Fiji itself has started Python, or the program has called imagej.init.

Java starts once per process, so `open_fiji` takes that one where there is an ImageJ in it. Its classes are loaded
already: what `headless` mends before that stays as it is.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from bioimg_fiji.errors import EndpointError, InputError
from bioimg_fiji.fiji import java
from bioimg_fiji.fiji.endpoint import EMBEDDED, find_endpoint, is_fiji_folder
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.fiji.plugin import plugin_jar

_BACKENDS = "io.github.bioimgfiji.backend.Backends"
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
    if not _exists("ij.IJ"):
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
    _add_plugin(found)
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
    if not _exists(_GATEWAY):
        return None
    import imagej

    known = getattr(sys.modules["imagej"], "gateway", None)  # where pyimagej shows Fiji's window, and blocks
    if known is not None:
        return known
    context = jclass("ij.IJ").runPlugIn(_CONTEXT, "")
    if context is not None:
        return jclass(_GATEWAY)(context)
    return imagej.init()


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
    artifact, *version = coordinate.split(":")[1:3]
    entries = str(jclass("java.lang.System").getProperty("java.class.path")).split(os.pathsep)
    return any(Path(each).name.startswith("-".join([artifact, *version])) for each in entries)


def _add_plugin(found: str) -> None:
    """Have ImageJ find our plugin: in its own folder, or else in this package.

    Raises
    ------
    EndpointError
        When it can be found by neither way.
    """
    import jpype

    imagej = jclass("ij.IJ")
    if not _exists(_BACKENDS):
        jpype.addClassPath(plugin_jar())
    loader = imagej.getClassLoader()
    if _finds(loader):
        return
    ours = jclass("org.jpype.JPypeContext").getInstance().getClassLoader()
    try:
        setter = imagej.class_.getDeclaredMethod("setClassLoader", jclass("java.lang.ClassLoader").class_)
        setter.setAccessible(True)
        setter.invoke(None, ours)
    except jpype.JException:
        _log.debug("ImageJ's class loader cannot be replaced", exc_info=True)
    if not _finds(imagej.getClassLoader()):
        raise EndpointError(
            f"{found} runs already, and does not find a plugin that is added now.",
            fix="Install it there, and start it again: bioimg-fiji install-plugin FOLDER.",
            endpoint=found,
        )


def _finds(loader: Any) -> bool:
    """Whether a class loader finds our plugin, and the very classes that Python sees."""
    import jpype

    if loader is None:
        return False
    try:
        return bool(loader.loadClass(_BACKENDS).equals(jclass(_BACKENDS).class_))
    except (jpype.JException, TypeError):
        return False


def _exists(name: str) -> bool:
    try:
        jclass(name)
    except TypeError:
        return False
    return True
