"""Attachments: a copy of any package with more files, which says and runs as before."""

from __future__ import annotations

import dataclasses
import errno
import os
import warnings
from pathlib import Path

import pytest

from bioimg_fiji.errors import PackageError, StorageError
from bioimg_fiji.package import ModelPackage, open_package
from bioimg_fiji.package.attachments import attachments_of, with_attached
from bioimg_fiji.package.read import read_description
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package
from bioimg_fiji.trust import attach
from bioimg_fiji.trust.attach import with_attachments
from support import zoo

FILES = {"confidence.json": b'{"floor": 1}', "told.onnx": bytes(range(256))}


@pytest.fixture(autouse=True)
def _cache(cache: Path) -> None:
    cache.mkdir()


def _other_files(package: ModelPackage) -> dict[str, bytes]:
    found = {path.relative_to(package.root).as_posix(): path.read_bytes() for path in package.root.rglob("*")}
    return {name: content for name, content in found.items() if name != "rdf.yaml"}


@pytest.fixture(params=["own", "foreign 0.5", "foreign 0.4"])
def package(request: pytest.FixtureRequest, tmp_path: Path) -> ModelPackage:
    if request.param == "own":
        return write_fake_package(tmp_path / "own.zip", FakeModel(axes="cyx"))
    return open_package(zoo.write(zoo.Kind(version=request.param[-3:]), tmp_path / "foreign"))


def test_copy_has_the_attachments_and_everything_else(package: ModelPackage, tmp_path: Path) -> None:
    copy = with_attachments(package, FILES, {"spread": "head"}, tmp_path / "copy.zip")
    assert {name: file.read() for name, file in attachments_of(copy).items()} == FILES
    assert copy.own["trust"]["spread"] == "head"
    assert _other_files(copy) == {**_other_files(package), **FILES}
    before, after = read_description(package), read_description(copy)
    assert {**after, "config": None, "attachments": None} == {**before, "config": None, "attachments": None}
    assert {**copy.config["bioimg_fiji"], "trust": None} == {**package.own, "trust": None}
    assert copy.sha256 != package.sha256


def test_specification_says_of_the_copy_what_it_says_of_the_package(package: ModelPackage, tmp_path: Path) -> None:
    from bioimageio.spec import load_description

    copy = with_attachments(package, FILES, {}, tmp_path / "copy.zip")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # bioimageio.spec leaves files open
        before, after = (load_description(each.root / "rdf.yaml") for each in (package, copy))
    assert type(after) is type(before)
    assert [e for d in after.validation_summary.details for e in d.errors] == [
        e for d in before.validation_summary.details for e in d.errors
    ]
    assert all(name in str(after.attachments) for name in FILES)


def test_copy_that_breaks_the_specification_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = write_fake_package(tmp_path / "own.zip", FakeModel(axes="cyx"))
    monkeypatch.setattr(attach, "with_attached", lambda content, *_: {**content, "license": "none at all"})
    with pytest.raises(PackageError, match="specification"):
        with_attachments(package, FILES, {}, tmp_path / "copy.zip")
    assert not (tmp_path / "copy.zip").exists()


@pytest.mark.parametrize("name", ["a:b.json", "../up.json", "folder/in.json"])
def test_attachments_have_plain_names(name: str, tmp_path: Path) -> None:
    package = write_fake_package(tmp_path / "own.zip", FakeModel(axes="cyx"))
    with pytest.raises(PackageError, match="plain"):
        with_attachments(package, {name: b""}, {}, tmp_path / "copy.zip")
    assert not (tmp_path / "copy.zip").exists()


def test_entries_are_merged_and_files_replaced(package: ModelPackage, tmp_path: Path) -> None:
    target = tmp_path / "copy.zip"
    first = with_attachments(package, FILES, {"a": 1, "b": [2]}, target)
    again = with_attachments(first, {"confidence.json": b"new"}, {"b": 3}, target)
    assert {name: file.read() for name, file in attachments_of(again).items()} == {**FILES, "confidence.json": b"new"}
    assert (again.own["trust"]["a"], again.own["trust"]["b"]) == (1, 3)
    listed = read_description(again)["attachments"]
    names = listed["files"] if isinstance(listed, dict) else [each["source"] for each in listed]
    assert sorted(names) == sorted(FILES)


def test_same_content_gives_the_same_archive(package: ModelPackage, tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        with_attachments(package, FILES, {}, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_file_of_the_package_is_not_written_over(package: ModelPackage, tmp_path: Path) -> None:
    taken = next(iter(package.weights.values())).file.name
    with pytest.raises(PackageError, match="of its own"):
        with_attachments(package, {taken.upper(): b""}, {}, tmp_path / "copy.zip")
    assert not (tmp_path / "copy.zip").exists()


def test_full_disk_leaves_what_was_there(
    package: ModelPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "copy.zip").write_bytes(b"before")
    names = sorted(path.name for path in tmp_path.iterdir())

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        with_attachments(package, FILES, {}, tmp_path / "copy.zip")
    assert (tmp_path / "copy.zip").read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_altered_attachment_is_not_read(tmp_path: Path, package: ModelPackage) -> None:
    copy = with_attachments(package, FILES, {}, tmp_path / "copy.zip")
    (copy.root / "told.onnx").write_bytes(b"other")
    with pytest.raises(PackageError, match="has changed"):
        attachments_of(copy)["told.onnx"].read()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", "", "a\\b"])
def test_names_that_lead_elsewhere_are_no_attachments(name: str, tmp_path: Path) -> None:
    package = write_fake_package(tmp_path / "m.zip", FakeModel(axes="cyx"))
    config = {"bioimg_fiji": {"trust": {"attachments": {name: "0" * 64}}}}
    assert attachments_of(dataclasses.replace(package, config=config)) == {}


def test_an_entry_without_a_source_is_kept_as_it_is() -> None:
    odd = {"note": "no file"}
    said = with_attached({"format_version": "0.5.3", "attachments": [odd, {"source": "a"}]}, {"a": "00"}, {})
    assert said["attachments"] == [odd, {"source": "a", "sha256": "00"}]
