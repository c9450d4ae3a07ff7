"""Opening a package: folder, archive or description file -> `ModelPackage`."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bioimg_fiji.errors import ModelNotFoundError, PackageError
from bioimg_fiji.package import archive, store
from bioimg_fiji.package.describe import Description, parse_inputs, parse_outputs, parse_weights
from bioimg_fiji.package.model import ModelPackage, PackageFile
from bioimg_fiji.package.unchanged import Unchanged
from bioimg_fiji.package.upgrade import upgrade

NAMES = ("bioimageio.yaml", "rdf.yaml", "model.yaml")
"""Names of the description in a package, as the specification has them."""

_LARGEST_DESCRIPTION = 16 * 2**20
_opened: Unchanged[ModelPackage] = Unchanged(8)


def open_package(source: str | Path) -> ModelPackage:
    """Open a model package without running anything of it.

    Parameters
    ----------
    source
        A folder, a .zip archive (taken out into the cache), the description file itself, or the name of a model of
        the store: `nickname` or `nickname@digits`.

    Returns
    -------
    ModelPackage
        Every file that the description names is there and has the hash that it says.

    Raises
    ------
    ModelNotFoundError
        When there is nothing at that path.
    PackageError
        When the description breaks the specification, naming the field, or a file is missing or altered.
    """
    file = _description_file(Path(source).expanduser())
    known = _opened.get(file)
    if known is None:
        started = time.time()
        known = _read(file)
        _opened.keep(file, known, [file, *(each.path for each in known.files.values())], started)
    return known


def _read(file: Path) -> ModelPackage:
    content = _load(file)
    text_hash = hashlib.sha256(file.read_bytes()).hexdigest()
    files = _Files(file.parent)
    described = Description(content, files.get)
    version = described.text("format_version")
    if described.optional_text("type", "model") != "model":
        raise PackageError(f"{file} does not describe a model.", fix="Give a model package.", field="type")
    if version.startswith("0.4."):
        described = Description(upgrade(content), files.get)
    elif not version.startswith("0.5."):
        raise PackageError(
            f"The package follows version {version} of the bioimage.io model description; "
            "versions 0.4 and 0.5 are read here.",
            fix="Get the model's current package, or convert it with bioimageio.spec.",
            field="format_version",
        )
    documentation = described.file("documentation") if content.get("documentation") else None
    package = ModelPackage(
        name=described.text("name"),
        description=described.optional_text("description", ""),
        root=file.parent,
        sha256="",
        inputs=parse_inputs(described),
        outputs=parse_outputs(described),
        weights=parse_weights(described),
        files=files.found,
        config=described.mapping("config"),
        format_version=version,
        documentation=documentation,
        id=described.optional_text("id", ""),
        tags=_texts(content.get("tags")),
    )
    return _hashed(package, text_hash)


def _texts(found: object) -> tuple[str, ...]:
    """Give the texts of a list; what is none is not worth an error."""
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def read_description(package: ModelPackage) -> dict[str, Any]:
    """Give the description as it stands in the package's file, whatever its version."""
    return _load(description_file(package))


def description_file(package: ModelPackage) -> Path:
    """Give the place of a package's description."""
    return _in_folder(package.root, package.root)


def _hashed(package: ModelPackage, text_hash: str) -> ModelPackage:
    lines = [text_hash, *(f"{file.sha256}  {name}" for name, file in sorted(package.files.items()))]
    return dataclasses.replace(package, sha256=hashlib.sha256("\n".join(lines).encode()).hexdigest())


def _description_file(source: Path) -> Path:
    try:
        there = source.exists()
    except OSError:  # no path at all, such as one that is too long
        there = False
    if there and source.is_dir():
        return _in_folder(source, source)
    if not there and store.looks_like_a_name(str(source)):
        return _description_file(store.find(str(source)).path)
    if not there or not source.is_file():
        raise ModelNotFoundError(
            f"There is no model at {str(source)[:1000]}.",
            fix="Give a model of the store, or the path of a package: a .zip, its folder or its rdf.yaml.",
            path=str(source),
        )
    if source.suffix.lower() in (".yaml", ".yml"):
        return source.absolute()
    if source.suffix.lower() == ".zip":
        return _in_folder(archive.unpack(source), source)
    raise PackageError(
        f"{source.name} is no model package.", fix="A package is a .zip, a folder or an rdf.yaml.", path=str(source)
    )


def _in_folder(folder: Path, source: Path) -> Path:
    for name in NAMES:
        if (folder / name).is_file():
            return (folder / name).absolute()
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    for name in NAMES:
        # An archive of a folder has everything one level down.
        if len(inside) == 1 and (inside[0] / name).is_file():
            return (inside[0] / name).absolute()
    raise PackageError(
        f"{source} holds no {' or '.join(NAMES[:2])}: it is no model package.",
        fix="Give a bioimage.io model package.",
        path=str(source),
    )


def _load(file: Path) -> dict[str, Any]:
    import ruyaml

    try:
        if file.stat().st_size > _LARGEST_DESCRIPTION:
            raise PackageError(f"{file.name} is larger than any description.", fix="Give a model package.")
        content = ruyaml.YAML(typ="safe", pure=True).load(file.read_text("utf-8"))
    except OSError as error:
        raise ModelNotFoundError(f"{file} cannot be read: {error.strerror}.", fix="Check the path.") from error
    except (ruyaml.error.YAMLError, ValueError, RecursionError) as error:
        line = " ".join(str(error).split())[:200]
        raise PackageError(f"{file.name} is no YAML: {line}", fix="Correct it, or get the package again.") from error
    if not isinstance(content, Mapping):
        raise PackageError(f"{file.name} describes nothing.", fix="Get the package again.")
    return dict(content)


class _Files:
    """Files that the description names, checked once each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.found: dict[str, PackageFile] = {}

    def get(self, name: str, sha256: str | None, field: str) -> PackageFile:
        if name not in self.found:
            self.found[name] = PackageFile(name, self._place(name, field), self._hash(name, field))
        file = self.found[name]
        if sha256 is not None and sha256.lower() != file.sha256:
            raise PackageError(
                f"The package's file {name} is not the one that it describes (SHA-256 differs).",
                fix="Get the package again.",
                field=field,
            )
        return file

    def _place(self, name: str, field: str) -> Path:
        if "://" in name:
            raise PackageError(
                f"{field} is an address ({name}), not a file of the package.",
                fix="Download the complete package as .zip.",
                field=field,
            )
        root = self.root.resolve()
        try:
            place = (root / name).resolve()
            inside, there = place.is_relative_to(root), place.is_file()
        except (OSError, ValueError) as error:  # too long for a name, or with a zero byte
            raise PackageError(
                f"{field} is no name of a file: {name[:80]!r}.", fix="Do not use it.", field=field
            ) from error
        if not inside:
            raise PackageError(f"{field} lies outside the package: {name}.", fix="Do not use it.", field=field)
        if not there:
            raise PackageError(f"The package lacks its file {name} ({field}).", fix="Get it again.", field=field)
        return place

    def _hash(self, name: str, field: str) -> str:
        with self._place(name, field).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
