"""What `bioimg-fiji doctor` looks at: each finding says what is there and how to mend it."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

import bioimg_fiji
from bioimg_fiji.errors import BioimgError, ServerUnavailableError

PACKAGES = ("numpy", "torch", "onnxruntime", "pyimagej", "scyjava", "jpype1", "bioimageio.core", "bioimageio.spec")
GIB = 2**30

_LEAST_MEMORY = GIB
_AGAIN = "Install bioimg-fiji again: pip install --force-reinstall bioimg-fiji"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    value: str
    ok: bool = True
    fix: str = ""


def examine(folder: Path | None = None, plugin: str | None = None) -> list[Finding]:
    """Look at the whole chain; a part that cannot be looked at is a finding, not a crash.

    Parameters
    ----------
    folder
        A Fiji or ImageJ folder, whose plugin is looked at too.
    plugin
        Version of a plugin that asks: Java, ImageJ, plugin and Python are there then, and what does not fit is told.
    """
    inside: dict[str, Callable[[], Iterable[Finding]]] = {"devices": _devices, "server": lambda: _server(plugin)}
    outside: dict[str, Callable[[], Iterable[Finding]]] = {"Java": _java, "plugin": _plugin, "Fiji": _endpoint}
    looks = inside if plugin is not None else outside | inside
    if folder is not None:
        looks = {"Fiji folder": lambda: _folder(folder)} | looks
    found = [finding for name, look in looks.items() for finding in _guarded(look, name)]
    own = Finding("bioimg-fiji", f"{bioimg_fiji.__version__} ({Path(bioimg_fiji.__file__).parent})")
    python = _python() if plugin is None else []
    return [own, *python, *_packages(), *found, *_machine()]


def _guarded(look: Callable[[], Iterable[Finding]], name: str) -> list[Finding]:
    try:
        return list(look())
    except BioimgError as error:
        return [Finding(name, error.message, ok=False, fix=error.fix)]
    except Exception as error:  # noqa: BLE001 - a broken package raises anything, and is what is looked for
        return [Finding(name, f"{type(error).__name__}: {error}", ok=False, fix=_AGAIN)]


def _python() -> list[Finding]:
    return [Finding("Python", f"{platform.python_version()} ({sys.executable})")]


def _packages() -> list[Finding]:
    findings = []
    for name in PACKAGES:
        try:
            findings.append(Finding(name, version(name)))
        except PackageNotFoundError:
            findings.append(Finding(name, "not installed", ok=False, fix=_AGAIN))
    return findings


def _java() -> Iterable[Finding]:
    from bioimg_fiji.fiji import find_java

    java = find_java()
    yield Finding("Java", f"{java.version} ({java.home})")


def _plugin() -> Iterable[Finding]:
    from bioimg_fiji.fiji import plugin_jar

    yield _versioned("plugin", plugin_jar())


def _versioned(name: str, jar: Path) -> Finding:
    """Tell a jar of the plugin, and whether it fits this package."""
    from bioimg_fiji.fiji import fits, misfit, version_of

    theirs, ours = version_of(jar), bioimg_fiji.__version__
    if not theirs:
        return Finding(name, f"{jar} is no jar of this plugin", ok=False, fix=_AGAIN)
    if not fits(theirs, ours):
        return Finding(name, f"{theirs} does not fit bioimg-fiji {ours} ({jar})", ok=False, fix=misfit(theirs, ours))
    return Finding(name, f"{theirs} ({jar})")


def _folder(folder: Path) -> Iterable[Finding]:
    """Look at a Fiji or ImageJ: its plugin, the Python that the plugin would take, its Java."""
    from bioimg_fiji.fiji import find_java, installed, note_file

    jars = installed(folder)
    if not jars:
        yield Finding(
            "Fiji folder",
            f"{folder} has no plugin",
            ok=False,
            fix=f"Install it: bioimg-fiji install-plugin {folder}",
        )
    for jar in jars:
        yield _versioned("plugin there", jar)
    if len(jars) > 1:
        yield Finding(
            "plugin there", f"{len(jars)} jars, and ImageJ loads all", ok=False, fix="Delete all but the newest."
        )
    note = note_file()
    if note.is_file():
        noted = note.read_text("utf-8").partition("\n")[0].strip()
        there = Path(noted).is_file()
        fix = "" if there else f"Run with the Python to use: bioimg-fiji install-plugin {folder}"
        yield Finding("its Python", noted if there else f"{noted} is not there", ok=there, fix=fix)
    java = find_java(folder)
    yield Finding("its Java", f"{java.version} ({java.home})")


def _endpoint() -> Iterable[Finding]:
    from bioimg_fiji.fiji import find_endpoint

    yield Finding("Fiji", find_endpoint())


def _devices() -> Iterable[Finding]:
    from bioimg_fiji.runtime import devices

    yield Finding("devices", ", ".join(devices()))


def _server(plugin: str | None) -> Iterable[Finding]:
    from bioimg_fiji.client import Client
    from bioimg_fiji.fiji import fits

    try:
        with Client() as client:
            info = client.info()
    except ServerUnavailableError:
        yield Finding("server", "not running; the plugin starts it on first use")
        return
    theirs, pid = str(info["version"]), info["pid"]
    wanted = bioimg_fiji.__version__ if plugin is None else plugin
    if fits(wanted, theirs):
        yield Finding("server", f"version {theirs}, process {pid}")
    else:
        yield Finding(
            "server",
            f"version {theirs}, process {pid}, does not fit {wanted}",
            ok=False,
            fix=f"End it by Plugins > BioImg > BioImg Server > Stop, or in a terminal by `{_ending(pid)}`; "
            "the plugin starts the one that fits.",
        )


def _ending(pid: object) -> str:
    """Give the line that ends a process on this system."""
    return f"taskkill /F /PID {pid}" if sys.platform == "win32" else f"kill {pid}"


def _machine() -> list[Finding]:
    memory = psutil.virtual_memory()
    home = Path.home()
    free = shutil.disk_usage(home).free if home.is_dir() else 0
    enough = memory.available > _LEAST_MEMORY
    return [
        Finding(
            "memory",
            f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free",
            ok=enough,
            fix="" if enough else "Close other programs, or images in Fiji.",
        ),
        Finding(
            "disk",
            f"{free / GIB:.1f} GiB free in {home}",
            ok=free > GIB,
            fix="" if free > GIB else "Free space in your home folder, which must exist.",
        ),
    ]
