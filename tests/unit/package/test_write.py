"""Writing packages: whole or not at all, and only what the specification allows."""

from __future__ import annotations

import errno
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji.errors import PackageError, StorageError
from bioimg_fiji.package import About, ModelPackage, NewPackage, NewTensor, write_package
from bioimg_fiji.package.write import safe_name
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOIMG_FIJI_CACHE", str(tmp_path / "cache"))


def _new(**changes: Any) -> NewPackage:
    axes = (
        {"type": "batch"},
        {"type": "channel", "channel_names": ["a"]},
        {"type": "space", "id": "y", "size": 4},
        {"type": "space", "id": "x", "size": 4},
    )
    test = np.ones((1, 1, 4, 4), np.float32)
    values: dict[str, Any] = {
        "about": About("A new model", "It does nothing.", "# Nothing\n\n## Validation\n"),
        "inputs": (NewTensor("raw", axes, (), test),),
        "outputs": (NewTensor("out", axes, (), test),),
        "weights": {"onnx": {"source": "w.onnx", "opset_version": 17}},
        "files": {"w.onnx": b"weights"},
    }
    return NewPackage(**{**values, **changes})


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    about = About(
        "Nuclei: N2V/2",
        "Denoises.",
        "# N2V\n\n## Validation\nLook.",
        cite=({"text": "Krull et al. 2019", "doi": "10.1109/CVPR.2019.00223"},),
        tags=("denoising",),
    )
    package = write_package(
        _new(about=about, config={"bioimg_fiji": {"figures": [1.5, np.float32(2)]}}), tmp_path / "m.zip"
    )
    assert package.name == "Nuclei N2V 2"
    assert package.own["figures"] == [1.5, 2.0]
    assert package.weights["onnx"].file.read() == b"weights"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "m.zip"]
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        assert archive.namelist()[0] == "rdf.yaml"


def test_same_content_same_bytes(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        write_package(_new(), tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_what_the_specification_forbids_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "m.zip").write_bytes(b"before")
    with pytest.raises(PackageError, match="specification"):
        write_package(_new(weights={"onnx": {"source": "w.onnx", "opset_version": 1}}), tmp_path / "m.zip")
    assert (tmp_path / "m.zip").read_bytes() == b"before"


def test_package_that_fails_its_check_is_not_written(tmp_path: Path) -> None:
    seen: list[ModelPackage] = []

    def check(package: ModelPackage) -> None:
        seen.append(package)
        raise PackageError("It does not give its own output.")

    with pytest.raises(PackageError, match="own output"):
        write_package(_new(), tmp_path / "m.zip", check)
    assert len(seen) == 1
    assert not seen[0].root.exists()
    assert not (tmp_path / "m.zip").exists()


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write_package(_new(), tmp_path / "m.zip")
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == []


def test_missing_folder_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="failed"):
        write_package(_new(), tmp_path / "nowhere" / "m.zip")


@pytest.mark.parametrize(
    ("text", "name"),
    [("a.b", "a b model"), ("x" * 80, "x" * 64), ("n2v of cell_01 (raw)", "n2v of cell_01 (raw)"), ("", "model")],
)
def test_names_are_made_safe(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_volume_package(tmp_path: Path) -> None:
    package = write_fake_package(tmp_path / "m.zip", FakeModel(axes="czyx", sizes={"min": 8, "step": 2}))
    assert package.inputs[0].letters == "bczyx"
