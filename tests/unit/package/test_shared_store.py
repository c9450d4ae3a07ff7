"""A model store for all users of a facility: read, never written."""

from __future__ import annotations

from pathlib import Path

import pytest

from bioimg_fiji import settings
from bioimg_fiji.errors import ModelError, StorageError
from bioimg_fiji.package import open_package, store
from bioimg_fiji.runtime.fake import write_fake_package


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shared store with one model, "fox", filled by its administrator."""
    write_fake_package(tmp_path / "model.zip")
    with monkeypatch.context() as administrator:
        administrator.setenv("BIOIMG_FIJI_MODELS", str(tmp_path / "shared"))
        store.add(open_package(tmp_path / "model.zip"), "fox")
    monkeypatch.setenv("BIOIMG_FIJI_SHARED_MODELS", str(tmp_path / "shared"))
    return tmp_path / "shared"


def test_its_models_are_found_and_not_copied(shared: Path, tmp_path: Path) -> None:
    (entry,) = store.entries()
    assert (entry.nickname, entry.shared, entry.path.parent) == ("fox", True, shared)
    assert open_package("fox").sha256.startswith(entry.digits)
    assert store.add(open_package(tmp_path / "model.zip"), "fox") == entry
    assert not settings.models_folder().exists()


def test_a_model_of_one_s_own_goes_before_it(shared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BIOIMG_FIJI_SHARED_MODELS")
    own = store.add(open_package(tmp_path / "model.zip"), "fox")
    assert not own.shared
    monkeypatch.setenv("BIOIMG_FIJI_SHARED_MODELS", str(shared))
    assert store.entries() == [own]
    assert store.remove("fox") == own
    assert [entry.shared for entry in store.entries()] == [True]


def test_nobody_removes_from_it(shared: Path) -> None:
    with pytest.raises(ModelError, match="for all users") as caught:
        store.remove("fox")
    assert str(shared) in caught.value.fix
    assert len(store.entries()) == 1


def test_a_store_that_is_not_there_or_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BIOIMG_FIJI_SHARED_MODELS", str(tmp_path / "gone"))
    assert store.entries() == []
    (tmp_path / "file").touch()
    monkeypatch.setenv("BIOIMG_FIJI_SHARED_MODELS", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="file"):
        store.entries()


def test_a_link_is_no_model(shared: Path, tmp_path: Path) -> None:
    (entry,) = store.entries()
    own = settings.models_folder()
    own.mkdir(parents=True)
    (own / "hare@0123456789abcdef").symlink_to(entry.path, target_is_directory=True)
    (own / entry.name).symlink_to(tmp_path, target_is_directory=True)
    assert store.entries() == [entry]


def test_a_store_does_not_grow_beyond_its_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fake_package(tmp_path / "model.zip")
    package = open_package(tmp_path / "model.zip")
    monkeypatch.setenv("BIOIMG_FIJI_MODELS_QUOTA", "1e-6")
    with pytest.raises(StorageError, match="1e-06 are allowed"):
        store.add(package, "fox")
    assert store.entries() == []
    monkeypatch.setenv("BIOIMG_FIJI_MODELS_QUOTA", "1")
    entry = store.add(package, "fox")
    assert store.add(package, "fox") == entry
    size = sum(path.stat().st_size for path in entry.path.rglob("*") if path.is_file())
    monkeypatch.setenv("BIOIMG_FIJI_MODELS_QUOTA", str(1.5 * size / 1e9))
    with pytest.raises(StorageError, match="models remove"):
        store.add(package, "hare")
