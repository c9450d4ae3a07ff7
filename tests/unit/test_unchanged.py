"""Packages are read again when, and only when, a file of theirs has changed."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from bioimg_fiji.errors import PackageError
from bioimg_fiji.package import open_package
from bioimg_fiji.package.unchanged import Unchanged
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package

pytestmark = pytest.mark.timeout(60)


def rested(*paths: Path) -> None:
    """Wait until a change of these files would be seen."""
    while time.time() - max(path.stat().st_ctime for path in paths) < 2.1:
        time.sleep(0.05)


def test_a_value_is_kept_until_one_of_its_files_changes(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    for file in files:
        file.write_text("1")
    kept: Unchanged[str] = Unchanged(2)
    kept.keep(tmp_path, "too new", files, time.time())
    assert kept.get(tmp_path) is None
    rested(*files)
    kept.keep(tmp_path, "read", files, time.time())
    assert kept.get(tmp_path) == "read"
    times = files[1].stat()
    files[1].write_text("2")
    os.utime(files[1], ns=(times.st_atime_ns, times.st_mtime_ns))  # as if nothing had happened
    assert kept.get(tmp_path) is None
    files[1].unlink()
    assert kept.get(tmp_path) is None


def test_the_oldest_gives_way(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    kept: Unchanged[int] = Unchanged(2)
    later = time.time() + 10
    for number in range(3):
        kept.keep(tmp_path / str(number), number, [tmp_path / "a"], later)
    assert [kept.get(tmp_path / str(number)) for number in range(3)] == [None, 1, 2]


def test_an_altered_archive_is_not_taken_for_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    first = write_fake_package(path, FakeModel(output="one"))
    rested(path)
    assert open_package(path) is open_package(path)
    path.unlink()
    second = write_fake_package(path, FakeModel(output="two"))
    assert open_package(path).sha256 == second.sha256 != first.sha256


def test_an_altered_file_of_a_package_is_seen(tmp_path: Path) -> None:
    write_fake_package(tmp_path / "model.zip")
    shutil.unpack_archive(tmp_path / "model.zip", tmp_path / "model")
    rested(*(tmp_path / "model").iterdir())
    assert open_package(tmp_path / "model") is open_package(tmp_path / "model" / "rdf.yaml")
    weights = tmp_path / "model" / "weights.onnx"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(PackageError, match="SHA-256"):
        open_package(tmp_path / "model")
