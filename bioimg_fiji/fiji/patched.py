"""Embedded ImageJ's classes as they are after mending and patching, kept in a jar: making them takes seconds.

ij1-patcher rewrites some forty classes of ImageJ each time that Java starts, by compiling pieces of source. The result
depends on nothing but the versions, which are pinned, and on what `headless` mends. So the first start keeps it, and
later ones have it on the class path before ImageJ's own jar; a jar that is damaged or missing costs only the seconds.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bioimg_fiji import settings
from bioimg_fiji.fiji.jars import EMBEDDED_JARS
from bioimg_fiji.fiji.java import jclass

_INJECTOR = "net.imagej.patcher.LegacyInjector"
_ENVIRONMENT = "net.imagej.patcher.LegacyEnvironment"
_log = logging.getLogger(__name__)


def patched_jar() -> Path:
    """Give the place of the jar for these versions, which need not be there."""
    from bioimg_fiji.fiji import headless

    told = hashlib.sha256("".join(EMBEDDED_JARS.values()).encode())
    for source in (__file__, headless.__file__):
        told.update(Path(source).read_bytes())
    return settings.cache_folder() / "imagej" / f"patched-{told.hexdigest()[:16]}.jar"


def usable(jar: Path) -> bool:
    """Whether the jar is there, and whole."""
    try:
        with zipfile.ZipFile(jar) as archive:
            return archive.testzip() is None and "ij/IJ.class" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def patch(mend: Callable[[], Mapping[str, bytes]], keep: Path | None) -> None:
    """Mend and patch ImageJ's classes in this Java, before any of them is loaded, and keep them."""
    classes = dict(mend())
    classes |= _inject()
    if keep is None:
        return
    try:
        _write(keep, classes)
    except OSError:
        _log.warning("the patched ImageJ could not be kept for the next start, which will take longer", exc_info=True)


def _inject() -> dict[str, bytes]:
    """Do what LegacyInjector.preinit does, and give the classes.

    NB: preinit keeps them to itself; writeJar, which does not, makes other ones, and takes three times as long.
    """
    loader = jclass("java.lang.ClassLoader").getSystemClassLoader()
    truth = jclass("java.lang.Boolean").TRUE
    environment = jclass(_ENVIRONMENT)(loader, truth)
    environment.disableInitializer()
    environment.noPluginClassLoader()
    environment.suppressIJ1ScriptDiscovery()
    injector = _field(environment, "injector")
    hacker = _method(injector, "inject", "java.lang.ClassLoader", bool).invoke(injector, loader, truth)
    call = jclass("java.lang.Class").forName(f"{_INJECTOR}$Callback").getDeclaredMethods()[0]
    call.setAccessible(True)
    for callback in _field(injector, "after"):
        call.invoke(callback, hacker)
    made = list(_method(hacker, "getPatchedClasses").invoke(hacker))  # loading them makes it forget them
    _method(hacker, "loadClasses").invoke(hacker)
    return {_entry(each): bytes(each.toBytecode()) for each in made}


def _entry(made: Any) -> str:
    return str(made.getName()).replace(".", "/") + ".class"


def _field(owner: Any, name: str) -> Any:
    field = owner.getClass().getDeclaredField(name)
    field.setAccessible(True)
    return field.get(owner)


def _method(owner: Any, name: str, *kinds: Any) -> Any:
    classes = [jclass("java.lang.Boolean").TYPE if kind is bool else jclass(kind).class_ for kind in kinds]
    method = owner.getClass().getDeclaredMethod(name, *classes)
    method.setAccessible(True)
    return method


def _write(jar: Path, classes: Mapping[str, bytes]) -> None:
    """Write the jar whole or not at all: several processes may start at once."""
    jar.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=jar.parent, prefix="patched-", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            for name, code in sorted(classes.items()):
                archive.writestr(name, code)
        Path(part).replace(jar)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    for old in jar.parent.glob("patched-*.jar"):
        if old != jar:
            old.unlink(missing_ok=True)
