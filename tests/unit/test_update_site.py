"""The update site: what the updater of Fiji reads, computed here a second time by Java's own rules, by hand."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from pathlib import Path
from xml.parsers import expat

import pytest
import update_site

MANIFEST = b"Manifest-Version: 1.0\r\nBuilt-By: somebody\r\nImplementation-Version: 1.2\r\n\r\n"


def jar(path: Path, manifest: bytes = MANIFEST, comment: bytes = b"#Tue\n", code: bytes = b"\xca\xfe") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("plugins.config", "b")
        archive.writestr("META-INF/MANIFEST.MF", manifest)
        archive.writestr("META-INF/pom.properties", comment + b"version=1.2\n")
        archive.writestr("A.class", code)
    return path


def test_the_checksum_is_over_names_and_contents_in_the_order_of_names(tmp_path: Path) -> None:
    expected = hashlib.sha1(
        b"A.class\xca\xfe"
        b"META-INF/MANIFEST.MFManifest-Version: 1.0\nImplementation-Version: 1.2\n\n"
        b"META-INF/pom.properties\nversion=1.2\n"  # of a comment the line break stays
        b"plugins.configb"
    ).hexdigest()
    assert update_site.checksum(jar(tmp_path / "a.jar")) == expected


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"#a\n#b\nc=1\n", b"\n\nc=1\n"),
        (b"a=#1\n##b\nc", b"a=#1\n\nc"),
        (b"a=1\n\n#b\n#c\n", b"a=1\n\n#b\n\n"),  # an empty line: the next is not seen as one of its own
        (b"#\n#b\n#c\n", b"\n#b\n\n"),
        (b"#a", b""),
    ],
)
def test_comments_are_emptied_with_the_quirks_of_the_updater(content: bytes, kept: bytes) -> None:
    assert update_site._without_comments(content) == kept


def test_builds_that_differ_in_their_dates_only_have_one_checksum(tmp_path: Path) -> None:
    first = update_site.checksum(jar(tmp_path / "a.jar"))
    again = MANIFEST.replace(b"somebody", b"another")
    assert update_site.checksum(jar(tmp_path / "b.jar", again, b"#Wed\n")) == first
    assert update_site.checksum(jar(tmp_path / "c.jar", code=b"\xca\xff")) != first


def test_a_site_offers_the_jar_and_remembers_the_one_before(tmp_path: Path) -> None:
    site = tmp_path / "site"
    first = jar(tmp_path / "bioimg_fiji-0.1.0.jar")
    index = update_site.write_site(site, first, 20260102030405)
    assert index.name == "db.xml.gz"
    assert (site / "plugins/bioimg_fiji-0.1.0.jar-20260102030405").read_bytes() == first.read_bytes()
    before = index.read_bytes()
    assert update_site.write_site(site, first, 20260202020202).read_bytes() == before  # nothing is new
    second = jar(tmp_path / "bioimg_fiji-0.2.0.jar", code=b"\xca\xff")
    update_site.write_site(site, second, 20260303030303)
    seen = parsed(index)
    assert seen == [
        ("pluginRecords", {}),
        ("plugin", {"filename": "plugins/bioimg_fiji-0.2.0.jar"}),
        (
            "version",
            {
                "checksum": update_site.checksum(second),
                "timestamp": "20260303030303",
                "filesize": str(second.stat().st_size),
            },
        ),
        ("description", {}),
        ("author", {}),
        (
            "previous-version",
            {
                "timestamp": "20260102030405",
                "timestamp-obsolete": "20260303030303",
                "checksum": update_site.checksum(first),
                "filename": "plugins/bioimg_fiji-0.1.0.jar",
            },
        ),
    ]


def parsed(index: Path) -> list[tuple[str, dict[str, str]]]:
    """Read the list as the updater does: one element after the other, its types declared in the document."""
    seen: list[tuple[str, dict[str, str]]] = []
    declared: set[str] = set()
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: seen.append((name, attributes))
    parser.ElementDeclHandler = lambda name, model: declared.add(name)
    parser.Parse(gzip.decompress(index.read_bytes()), True)
    assert declared >= {name for name, _ in seen}
    return seen


def test_the_real_jar_has_a_site(tmp_path: Path) -> None:
    from bioimg_fiji.errors import MissingPartError
    from bioimg_fiji.fiji import plugin_jar

    try:
        real = plugin_jar()
    except MissingPartError as error:
        pytest.skip(str(error))
    index = update_site.write_site(tmp_path, real)
    current, previous = update_site.read_site(index)
    assert current is not None
    assert current.filename == f"plugins/{real.name}"
    assert previous == []
    assert len(str(current.timestamp)) == 14
