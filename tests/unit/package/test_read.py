"""Opening packages: what is found, and what a broken one is told."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ruyaml

from bioimg_fiji.errors import ModelNotFoundError, PackageError
from bioimg_fiji.package import Size, SizeReference, open_package
from bioimg_fiji.runtime.fake import write_fake_package


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("package") / "fake.zip"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIOIMG_FIJI_CACHE", str(target.parent / "cache"))
        write_fake_package(target)
    return target


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOIMG_FIJI_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(archive: Path, tmp_path: Path) -> Path:
    place = tmp_path / "package"
    with zipfile.ZipFile(archive) as source:
        source.extractall(place)
    return place


def _edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    yaml = ruyaml.YAML(typ="safe", pure=True)
    content = yaml.load((folder / "rdf.yaml").read_text("utf-8"))
    change(content)
    with (folder / "rdf.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
    return folder


def test_archive_folder_and_description_are_the_same_package(archive: Path, folder: Path) -> None:
    packages = [open_package(source) for source in (archive, str(folder), folder / "rdf.yaml")]
    assert len({package.sha256 for package in packages}) == 1
    package = packages[0]
    assert package.name == "Fake model"
    assert package.inputs[0].letters == package.outputs[0].letters == "bcyx"
    assert package.inputs[0].axis("y").size == Size(8, 1)
    assert package.outputs[0].axis("x").size == SizeReference("raw", "x")
    assert package.outputs[0].axis("x").halo == 1
    assert [op.id for op in package.inputs[0].ops] == ["ensure_dtype"]
    assert package.weights["onnx"].file.name == "weights.onnx"
    assert package.inputs[0].test_tensor.read_array().shape == (1, 1, 8, 8)
    assert b"Validation" in package.documentation.read()
    assert package.own == {"values": "input"}


def test_hash_changes_with_any_file_and_not_with_stray_ones(folder: Path) -> None:
    before = open_package(folder).sha256
    (folder / ".DS_Store").write_bytes(b"x")
    assert open_package(folder).sha256 == before
    changed = (folder / "README.md").read_bytes() + b"more"
    (folder / "README.md").write_bytes(changed)
    digest = hashlib.sha256(changed).hexdigest()
    _edit(folder, lambda c: c["documentation"].update(sha256=digest))
    assert open_package(folder).sha256 != before


def test_archive_of_a_folder_opens(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder, tmp_path / "outer" / "my model")
    shutil.make_archive(str(tmp_path / "wrapped"), "zip", tmp_path / "outer")
    assert open_package(tmp_path / "wrapped.zip").name == "Fake model"


def test_real_package_of_others(shared_data: Path) -> None:
    package = open_package(shared_data / "models" / "unet2d_nuclei_broad")
    assert package.inputs[0].axis("y").size == Size(512)
    assert [op.id for op in package.outputs[0].ops] == ["sigmoid", "ensure_dtype"]
    assert package.outputs[0].axis("x").halo == 32


def test_missing_path_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no model at") as caught:
        open_package(tmp_path / "nothing.zip")
    assert ".zip" in caught.value.fix


def test_what_is_no_path_at_all_is_told() -> None:
    with pytest.raises(ModelNotFoundError, match="no model at"):
        open_package("x" * 5000)


def test_folder_without_description(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="no model package"):
        open_package(tmp_path)


def test_other_file(tmp_path: Path) -> None:
    (tmp_path / "image.tif").write_bytes(b"II*\0")
    with pytest.raises(PackageError, match=r"image\.tif"):
        open_package(tmp_path / "image.tif")


def test_altered_weights_are_refused(folder: Path) -> None:
    data = bytearray((folder / "weights.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "weights.onnx").write_bytes(data)
    with pytest.raises(PackageError, match=r"weights\.onnx.*SHA-256"):
        open_package(folder)


def test_missing_file_is_named(folder: Path) -> None:
    (folder / "weights.onnx").unlink()
    with pytest.raises(PackageError, match=r"lacks its file weights\.onnx"):
        open_package(folder)


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *parents, last = [int(p) if p.isdigit() else p for p in path.split(".")]
        for parent in parents:
            content = content[parent]  # type: ignore[index]
        if value is None:
            del content[last]  # type: ignore[arg-type]
        else:
            content[last] = value  # type: ignore[index]

    return change


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("format_version", "0.3.6", "format_version"),
        ("format_version", None, "format_version"),
        ("type", "dataset", "type"),
        ("name", None, "name"),
        ("inputs", [], "inputs"),
        ("inputs", "raw", "inputs"),
        ("inputs.0.axes.2.type", "colour", "inputs[0].axes[2].type"),
        ("inputs.0.axes.2.size", None, "inputs[0].axes[2].size"),
        ("inputs.0.axes.2.size", -4, "inputs[0].axes[2].size"),
        ("inputs.0.axes.2.size.min", "many", "inputs[0].axes[2].size.min"),
        ("inputs.0.axes.1.channel_names", [], "inputs[0].axes[1].channel_names"),
        ("inputs.0.axes.3.id", "y", "inputs[0].axes"),
        ("outputs.0.axes.2.halo", -1, "outputs[0].axes[2].halo"),
        ("outputs.0.axes.2.size.axis_id", None, "outputs[0].axes[2].size.axis_id"),
        ("weights", {}, "weights"),
        ("weights.onnx.source", None, "weights.onnx.source"),
        ("weights.onnx.source", "../weights.onnx", "weights.onnx.source"),
        ("weights.onnx.source", "https://example.com/w.onnx", "weights.onnx.source"),
        ("config", "none", "config"),
    ],
)
def test_wrong_field_is_named(folder: Path, path: str, value: object, field: str) -> None:
    (folder.parent / "weights.onnx").write_bytes(b"outside")
    with pytest.raises(PackageError) as caught:
        open_package(_edit(folder, _set(path, value)))
    assert caught.value.details["field"] == field
    assert caught.value.fix


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "a: [1, 2\n", "a: !!python/object/apply:os.getcwd []\n", "\0"])
def test_description_that_is_no_mapping(folder: Path, text: str) -> None:
    (folder / "rdf.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PackageError, match=r"rdf\.yaml"):
        open_package(folder)


def test_test_tensor_with_python_objects_is_refused(folder: Path) -> None:
    np.save(folder / "test_input.npy", np.array([{}], dtype=object), allow_pickle=True)
    digest = hashlib.sha256((folder / "test_input.npy").read_bytes()).hexdigest()
    package = open_package(_edit(folder, _set("inputs.0.test_tensor.sha256", digest)))
    with pytest.raises(PackageError, match=r"test_input\.npy"):
        package.inputs[0].test_tensor.read_array()
