"""Writes an ImageJ update site: db.xml.gz, the list that Help > Update reads, and the plugin's jar beside it.

The format is the one of net.imagej:imagej-updater (XMLFileReader, XMLFileWriter, UpdaterUtil): a file lies at its name
with its timestamp behind it; a jar's checksum is the SHA-1 over the names and contents of its entries in the order of
their names, without the comments of properties and the lines of the manifest that differ between equal builds.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

INDEX = "db.xml.gz"
DESCRIPTION = "Python deep-learning models as ordinary ImageJ and Fiji commands."
AUTHOR = "bioimg-fiji developers"

_SKIPPED = ("ARCHIVER-VERSION", "BUILT-BY", "BUILD-JDK", "CLASS-PATH", "CREATED-BY", "IMPLEMENTATION-BUILD")
"""Lines of the manifest that the updater leaves out of the checksum."""

_TYPES = """<!DOCTYPE pluginRecords [
<!ELEMENT pluginRecords ((update-site | disabled-update-site)*, plugin*)>
<!ELEMENT update-site EMPTY>
<!ELEMENT disabled-update-site EMPTY>
<!ELEMENT plugin (platform*, category*, version?, previous-version*)>
<!ELEMENT version (description?, dependency*, link*, author*)>
<!ELEMENT previous-version EMPTY>
<!ELEMENT description (#PCDATA)>
<!ELEMENT dependency EMPTY>
<!ELEMENT link (#PCDATA)>
<!ELEMENT author (#PCDATA)>
<!ELEMENT platform (#PCDATA)>
<!ELEMENT category (#PCDATA)>
<!ATTLIST plugin filename CDATA #REQUIRED>
<!ATTLIST version timestamp CDATA #REQUIRED checksum CDATA #REQUIRED filesize CDATA #REQUIRED>
<!ATTLIST previous-version filename CDATA #IMPLIED timestamp CDATA #REQUIRED timestamp-obsolete CDATA #IMPLIED
  checksum CDATA #REQUIRED>
]>
"""


@dataclass(frozen=True)
class Version:
    """A file of the site: its name in Fiji's folder, when it came and what it contains."""

    filename: str
    timestamp: int
    checksum: str
    obsolete: int = 0


def write_site(folder: Path, jar: Path, now: int | None = None) -> Path:
    """Put a jar into an update site, which is made where there is none.

    An earlier version is kept in the list: by it the updater knows a file that nobody has changed from one that its
    user has.

    Parameters
    ----------
    folder
        The site's folder.
    jar
        The plugin's jar.
    now
        Its timestamp, as the number YYYYMMDDhhmmss; None for the time being.

    Returns
    -------
    Path
        The list, db.xml.gz.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = timestamp() if now is None else now
    current, previous = read_site(folder / INDEX)
    new = Version(f"plugins/{jar.name}", now, checksum(jar))
    if current is not None and current.checksum == new.checksum and current.filename == new.filename:
        return folder / INDEX
    if current is not None:
        previous = [Version(current.filename, current.timestamp, current.checksum, now), *previous]
    target = folder / f"{new.filename}-{now}"
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(jar, target)
    _write(folder / INDEX, new, jar.stat().st_size, previous)
    return folder / INDEX


def read_site(index: Path) -> tuple[Version | None, list[Version]]:
    """Read a site's list: the version that it offers, and the ones before."""
    if not index.exists():
        return None, []
    plugin = ET.fromstring(gzip.decompress(index.read_bytes())).find("plugin")
    if plugin is None:
        return None, []
    name, offered = plugin.get("filename", ""), plugin.find("version")
    current = None if offered is None else _version(offered, name)
    return current, [_version(each, name) for each in plugin.findall("previous-version")]


def checksum(jar: Path) -> str:
    """Give a jar's checksum as the updater computes it."""
    digest = hashlib.sha1(usedforsecurity=False)
    with zipfile.ZipFile(jar) as archive:
        for name in sorted(archive.namelist()):
            digest.update(name.encode("ascii", "replace"))
            content = archive.read(name)
            if name.endswith(".properties"):
                content = _without_comments(content)
            if name == "META-INF/MANIFEST.MF":
                content = _kept(content)
            digest.update(content)
    return digest.hexdigest()


def timestamp() -> int:
    """Give the time as the updater writes it: a number of fourteen digits."""
    return int(time.strftime("%Y%m%d%H%M%S"))


def _without_comments(content: bytes) -> bytes:
    """Empty the lines that begin with #, with the updater's own quirks (SkipHashedLines).

    The line break of such a line stays. Behind an empty line, and behind a line of # alone, the next line is not taken
    for the beginning of one.
    """
    kept, at_start = bytearray(), True
    for line in re.findall(rb"[^\n]*\n|[^\n]+", content):
        text = line.rstrip(b"\n")
        comment = at_start and text.startswith(b"#")
        kept += line[len(text) :] if comment else line
        at_start = text.strip(b"#") != b"" if comment else bool(text) or not at_start
    return bytes(kept)


def _kept(manifest: bytes) -> bytes:
    lines = re.findall(r"([^\r\n]*)(?:\r\n|\r|\n)|([^\r\n]+)$", manifest.decode("utf-8"))
    return "".join(
        f"{line}\n" for line in map("".join, lines) if line.partition(":")[0].upper() not in _SKIPPED
    ).encode()


def _version(element: ET.Element, name: str) -> Version:
    return Version(
        element.get("filename", name),
        int(element.get("timestamp", "0")),
        element.get("checksum", ""),
        int(element.get("timestamp-obsolete", "0")),
    )


def _write(index: Path, new: Version, size: int, previous: list[Version]) -> None:
    root = ET.Element("pluginRecords")
    plugin = ET.SubElement(root, "plugin", filename=new.filename)
    offered = ET.SubElement(plugin, "version", checksum=new.checksum, timestamp=str(new.timestamp), filesize=str(size))
    ET.SubElement(offered, "description").text = DESCRIPTION
    ET.SubElement(offered, "author").text = AUTHOR
    for each in previous:
        attributes = {"timestamp": str(each.timestamp), "timestamp-obsolete": str(each.obsolete)}
        ET.SubElement(plugin, "previous-version", attributes | {"checksum": each.checksum, "filename": each.filename})
    ET.indent(root, "    ")
    text = '<?xml version="1.0" encoding="UTF-8"?>\n' + _TYPES + ET.tostring(root, encoding="unicode") + "\n"
    part = index.with_name(index.name + ".part")
    part.write_bytes(gzip.compress(text.encode(), mtime=0))
    part.replace(index)


def main() -> None:
    """Write the site for the jar that is named, else for the one that was built."""
    from bioimg_fiji.fiji import plugin_jar

    jar = Path(sys.argv[2]) if len(sys.argv) > 2 else plugin_jar()
    print(
        f"{write_site(Path(sys.argv[1]), jar)} offers {jar.name}; add the folder's address in Fiji by Help > Update..."
    )


if __name__ == "__main__":
    main()
