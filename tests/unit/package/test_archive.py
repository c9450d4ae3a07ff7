"""Archives from anywhere: nothing leaves the folder, nothing stays half done."""

from __future__ import annotations

import contextlib
import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.errors import PackageError, StorageError
from bioimg_fiji.package import archive


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("BIOIMG_FIJI_CACHE", str(folder))
    return folder


def _zip(path: Path, *entries: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in entries:
            entry = zipfile.ZipInfo("x")
            entry.filename = name
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, data)
    return path


def _left(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "models").iterdir()) if (cache / "models").is_dir() else []


def test_unpacked_once_per_content(tmp_path: Path, cache: Path) -> None:
    source = _zip(tmp_path / "a.zip", ("rdf.yaml", b"name: a"), ("deep/er/w.bin", b"123"))
    folder = archive.unpack(source)
    assert (folder / "deep" / "er" / "w.bin").read_bytes() == b"123"
    assert archive.unpack(source) == folder
    assert archive.unpack(source.rename(tmp_path / "b.zip")) == folder
    assert _left(cache) == [folder.name]


def test_packing_gives_the_same_bytes_for_the_same_content() -> None:
    files = {"rdf.yaml": b"name: a", "w.bin": bytes(1000)}
    assert archive.pack(files) == archive.pack(dict(files))


@pytest.mark.parametrize(
    "name",
    [
        "../up.txt",
        "a/../../up.txt",
        "/abs.txt",
        "C:/drive.txt",
        "C:drive.txt",
        "\\\\host\\share\\unc.txt",
        "a\\b.txt",
        "nul",
        "aux.txt",
        "dot.",
        "space ",
        "",
        "x" * 3000,
        "a\0b",
    ],
)
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, cache: Path, name: str) -> None:
    source = _zip(tmp_path / "bad.zip", ("rdf.yaml", b"x"), (name, b"y"))
    with pytest.raises(PackageError, match=r"name|damaged"):
        archive.unpack(source)
    assert _left(cache) == []
    assert not (tmp_path / "up.txt").exists()


def test_links_are_refused(tmp_path: Path, cache: Path) -> None:
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as target:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        target.writestr(entry, "/etc/passwd")
    with pytest.raises(PackageError, match="link"):
        archive.unpack(tmp_path / "link.zip")
    assert _left(cache) == []


def test_names_that_differ_in_case_only_are_refused(tmp_path: Path, cache: Path) -> None:
    source = _zip(tmp_path / "case.zip", ("a.txt", b"1"), ("A.TXT", b"2"))
    with pytest.raises(PackageError, match="two files"):
        archive.unpack(source)
    assert _left(cache) == []


def test_bomb_stops_at_the_cap(tmp_path: Path, cache: Path) -> None:
    source = _zip(tmp_path / "bomb.zip", ("zeros", bytes(50_000_000)))
    assert source.stat().st_size < 100_000
    with pytest.raises(PackageError, match="more data"):
        archive.unpack(source, max_bytes=1_000_000)
    assert _left(cache) == []


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_FILES", 3)
    source = _zip(tmp_path / "many.zip", *((f"{i}.txt", b"") for i in range(4)))
    with pytest.raises(PackageError, match="4 files"):
        archive.unpack(source)


def test_truncated_anywhere(tmp_path: Path, cache: Path) -> None:
    data = _zip(tmp_path / "whole.zip", ("rdf.yaml", b"name: a" * 50), ("w.bin", os.urandom(500))).read_bytes()
    assert len(data) > 500
    for length in np.linspace(0, len(data) - 1, 500).astype(int):
        (tmp_path / "part.zip").write_bytes(data[:length])
        with pytest.raises(PackageError, match="damaged"):
            archive.unpack(tmp_path / "part.zip")
    assert _left(cache) == []


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("BIOIMG_FIJI_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError):
        archive.unpack(_zip(tmp_path / "a.zip", ("rdf.yaml", b"x")))


def _patched(data: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """Change a field of every record with a signature."""
    changed = bytearray(data)
    place = changed.find(signature)
    while place >= 0:
        changed[place + offset : place + offset + len(value)] = value
        place = changed.find(signature, place + 4)
    return bytes(changed)


@pytest.mark.parametrize("size", [0, 1, 299, 301, 2**31, 2**32 - 2])
@pytest.mark.parametrize("compressed", [False, True])
def test_sizes_that_lie(tmp_path: Path, cache: Path, size: int, compressed: bool) -> None:
    """The central directory and the local header say another size than the data have."""
    content = os.urandom(300)
    data = _zip(tmp_path / "true.zip", ("rdf.yaml", b"name: a"), ("w.bin", content)).read_bytes()
    field = 0 if compressed else 4
    lying = _patched(data, b"PK\1\2", 20 + field, size.to_bytes(4, "little"))
    lying = _patched(lying, b"PK\3\4", 18 + field, size.to_bytes(4, "little"))
    (tmp_path / "lying.zip").write_bytes(lying)
    if compressed:  # the data tell their end themselves
        with contextlib.suppress(PackageError):
            assert (archive.unpack(tmp_path / "lying.zip", 10_000) / "w.bin").read_bytes() == content
        return
    with pytest.raises(PackageError):
        archive.unpack(tmp_path / "lying.zip", max_bytes=10_000)
    assert _left(cache) == []


def test_a_file_below_a_file_and_devices_are_refused(tmp_path: Path, cache: Path) -> None:
    with pytest.raises((PackageError, StorageError)):
        archive.unpack(_zip(tmp_path / "below.zip", ("a", b"1"), ("a/b", b"2")))
    for kind in (stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFBLK):
        with zipfile.ZipFile(tmp_path / "device.zip", "w") as target:
            entry = zipfile.ZipInfo("device")
            entry.external_attr = (kind | 0o777) << 16
            target.writestr(entry, b"")
        with pytest.raises(PackageError, match="link or device"):
            archive.unpack(tmp_path / "device.zip")
    assert _left(cache) == []


def test_a_bomb_writes_no_more_than_a_tenth_above_the_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many files that are each below the cap; what was written is counted by the disk's own figures."""
    source = _zip(tmp_path / "bomb.zip", *((f"{number}.bin", bytes(3_000_000)) for number in range(20)))
    written = []

    def counted(folder: str, ignore_errors: bool = False) -> None:
        written.append(sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()))

    monkeypatch.setattr(archive.shutil, "rmtree", counted)
    with pytest.raises(PackageError, match="more data"):
        archive.unpack(source, max_bytes=10_000_000)
    assert written[0] <= 11_000_000
