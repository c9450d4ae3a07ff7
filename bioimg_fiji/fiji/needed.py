"""Which Java a Fiji needs: what its class files say."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from bioimg_fiji.errors import MissingPartError

_CORE = re.compile(r"(ij|imagej(-\w+)*|scijava-(common|config|ui-\w+)|fiji(-\w+)*|app-launcher|imglib2)-\d.*\.jar")
"""The jars that a Fiji cannot start without; of others only their own commands would fail."""

_MAGIC = b"\xca\xfe\xba\xbe"
_OFFSET = 44
"""Class files of Java N have the major version N + 44 (JVM specification, 4.1)."""

_TOO_NEW = re.compile(r"class file version (\d+)\.\d+.{0,120}?up to (\d+)\.\d+", re.DOTALL)


def needed_java(folder: Path) -> int:
    """Give the version of Java that a Fiji folder was built for; 0 where nothing tells."""
    jars = [jar for jar in (folder / "jars").rglob("*.jar") if _CORE.fullmatch(jar.name)]
    return max((_version(jar) for jar in jars), default=0)


def java_too_old(text: str, endpoint: str) -> MissingPartError | None:
    """Give the error for Java's complaint that a class file is newer than itself; None for any other text."""
    found = _TOO_NEW.search(text)
    return None if found is None else too_old(endpoint, int(found[1]) - _OFFSET, f"Java {int(found[2]) - _OFFSET}")


def too_old(endpoint: str, needed: int, found: str) -> MissingPartError:
    """Tell which Java is needed, and which there is."""
    return MissingPartError(
        f"{endpoint} is built for Java {needed}, and here is {found}.",
        fix=f"Install a JDK {needed} or newer (https://adoptium.net) or `pip install 'bioimg-fiji[java]'`, and set "
        "JAVA_HOME to it if several are there.",
        part="java",
        needed=needed,
    )


def _version(jar: Path) -> int:
    """Give the version of a jar's first class; the others are of the same build."""
    try:
        with zipfile.ZipFile(jar) as archive:
            for name in _classes(archive):
                with archive.open(name) as file:
                    head = file.read(8)
                return int.from_bytes(head[6:8], "big") - _OFFSET if head[:4] == _MAGIC else 0
    except (OSError, zipfile.BadZipFile):
        pass
    return 0


def _classes(archive: zipfile.ZipFile) -> Iterator[str]:
    for name in archive.namelist():
        if name.endswith(".class") and not name.startswith("META-INF/") and "module-info" not in name:
            yield name
