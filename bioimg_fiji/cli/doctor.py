"""What `bioimg-fiji doctor` looks at: each finding says what is there and how to mend it."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from bioimg_fiji.errors import BioimgError, ServerUnavailableError

PACKAGES = ("numpy", "torch", "onnxruntime", "pyimagej", "scyjava", "jpype1", "bioimageio.core", "bioimageio.spec")
GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    value: str
    ok: bool = True
    fix: str = ""


def examine() -> list[Finding]:
    """Look at everything; a part that cannot be looked at is a finding, not a crash."""
    looks = {"Java": _java, "plugin": _plugin, "Fiji": _endpoint, "devices": _devices, "server": _server}
    found = [finding for name, look in looks.items() for finding in _guarded(look, name)]
    return [_python(), *_packages(), *found, *_machine()]


def _guarded(look: Callable[[], Finding], name: str) -> list[Finding]:
    try:
        return [look()]
    except BioimgError as error:
        return [Finding(name, error.message, ok=False, fix=error.fix)]


def _python() -> Finding:
    return Finding("Python", f"{platform.python_version()} ({sys.executable})")


def _packages() -> list[Finding]:
    findings = []
    for name in PACKAGES:
        try:
            findings.append(Finding(name, version(name)))
        except PackageNotFoundError:
            findings.append(Finding(name, "not installed", ok=False, fix="Install bioimg-fiji again."))
    return findings


def _java() -> Finding:
    from bioimg_fiji.fiji.java import find_java

    java = find_java()
    return Finding("Java", f"{java.version} ({java.home})")


def _plugin() -> Finding:
    from bioimg_fiji.fiji import plugin_jar

    return Finding("plugin", str(plugin_jar()))


def _endpoint() -> Finding:
    from bioimg_fiji.fiji import find_endpoint

    return Finding("Fiji", find_endpoint())


def _devices() -> Finding:
    from bioimg_fiji.runtime import devices

    return Finding("devices", ", ".join(devices()))


def _server() -> Finding:
    from bioimg_fiji.client import Client

    try:
        with Client() as client:
            info = client.info()
    except ServerUnavailableError:
        return Finding("server", "not running; the plugin starts it on first use")
    return Finding("server", f"version {info['version']}, process {info['pid']}")


def _machine() -> list[Finding]:
    memory = psutil.virtual_memory()
    free = shutil.disk_usage(Path.home()).free
    return [
        Finding("memory", f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free"),
        Finding(
            "disk",
            f"{free / GIB:.1f} GiB free",
            ok=free > GIB,
            fix="" if free > GIB else "Free space in your home folder.",
        ),
    ]
