"""Writing a package: a new model -> a bioimage.io 0.5 archive, checked before it is there.

The archive appears under its name only when it is complete, follows the specification (bioimageio.spec says so) and the
caller's own check has passed; until then there is nothing at the target, or what was there before.
"""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import PackageError, storage_error
from bioimg_fiji.files import whole
from bioimg_fiji.package.archive import pack
from bioimg_fiji.package.attachments import with_attached
from bioimg_fiji.package.model import ModelPackage
from bioimg_fiji.package.read import open_package

FORMAT_VERSION = "0.5.12"
DESCRIPTION = "rdf.yaml"
README = "README.md"
COVER = "cover.png"


@dataclass(frozen=True)
class About:
    """What people want to know of a model.

    Parameters
    ----------
    name
        Short name; letters that the specification does not allow become spaces.
    description
        One or two sentences.
    documentation
        Markdown, with a section "Validation".
    authors
        Mappings with `name` and perhaps `affiliation`, `orcid`, `github_user`.
    cite
        Mappings with `text` and `doi` or `url`.
    license
        SPDX identifier.
    tags
        Words to find the model by.
    provenance
        How it was made, as JSON values: method, parameters, hash of the data, versions, figures.
    """

    name: str
    description: str
    documentation: str
    authors: tuple[Mapping[str, str], ...] = ({"name": "bioimg-fiji user"},)
    cite: tuple[Mapping[str, str], ...] = ()
    license: str = "CC-BY-4.0"
    tags: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NewTensor:
    """One input or output: axes and operations as the description has them, and its test tensor."""

    id: str
    axes: tuple[Mapping[str, Any], ...]
    ops: tuple[Mapping[str, Any], ...]
    test: npt.NDArray[Any]
    description: str = ""


@dataclass(frozen=True)
class NewPackage:
    """A package to be written.

    Parameters
    ----------
    about
        For people.
    inputs, outputs
        Tensors.
    weights
        Entries of the description's `weights` by format; files are told by `source` and are in `files`.
    files
        Weights, architecture and whatever else belongs in, by name.
    cover
        PNG, twice as wide as high, or empty.
    config
        The description's free part.
    attachments
        Files for our own runs (`bioimg_fiji.package.attachments`), by name.
    """

    about: About
    inputs: tuple[NewTensor, ...]
    outputs: tuple[NewTensor, ...]
    weights: Mapping[str, Mapping[str, Any]]
    files: Mapping[str, bytes]
    cover: bytes = b""
    config: Mapping[str, Any] = field(default_factory=dict)
    attachments: Mapping[str, bytes] = field(default_factory=dict)


def write_package(new: NewPackage, target: Path, verify: Callable[[ModelPackage], None] | None = None) -> ModelPackage:
    """Write a package as a zip archive, whole or not at all.

    Parameters
    ----------
    new
        What to write.
    target
        Path of the archive.
    verify
        Called with the package before it gets its name; what it raises stops the writing.

    Returns
    -------
    The package, opened from the archive.

    Raises
    ------
    PackageError
        When the description breaks the specification.
    StorageError
        When the disk is full or the folder cannot be written to; nothing is left behind.
    """
    files = _with_description(new)
    with _staging(files) as folder:
        _check(Path(folder) / DESCRIPTION)
        if verify is not None:
            verify(open_package(folder))
    archive = pack(files)
    whole(target, lambda part: _put(part, archive))
    return open_package(target)


def safe_name(text: str) -> str:
    """Give a name that the specification allows: 5 to 64 of letters, digits and `_+- ()`."""
    name = " ".join(re.sub(r"[^A-Za-z0-9_+\-() ]", " ", text).split())[:64].strip()
    return name if len(name) >= 5 else f"{name} model".strip()


def _put(part: Path, data: bytes) -> None:
    part.write_bytes(data)


def _staging(files: Mapping[str, bytes]) -> tempfile.TemporaryDirectory[str]:
    folder: tempfile.TemporaryDirectory[str] | None = None
    try:
        folder = tempfile.TemporaryDirectory(prefix="bioimg-fiji-package-")
        for name, data in files.items():
            Path(folder.name, name).write_bytes(data)
    except OSError as error:
        if folder is not None:
            folder.cleanup()
        raise storage_error("Preparing the model in", tempfile.gettempdir(), error) from error
    return folder


def _with_description(new: NewPackage) -> dict[str, bytes]:
    files = {README: new.about.documentation.encode("utf-8"), **new.files, **new.attachments}
    if new.cover:
        files[COVER] = new.cover
    tensors = {t.id: ("test_input" if t in new.inputs else "test_output") + _tail(t, new) for t in _tensors(new)}
    for tensor in _tensors(new):
        files[f"{tensors[tensor.id]}.npy"] = _npy(tensor.test)
    description = {
        "format_version": FORMAT_VERSION,
        "type": "model",
        "name": safe_name(new.about.name),
        "description": new.about.description[:1024],
        "authors": [dict(author) for author in new.about.authors],
        "cite": [dict(entry) for entry in new.about.cite],
        "license": new.about.license,
        "tags": list(new.about.tags),
        "documentation": _file(README, files),
        "covers": [_file(COVER, files)] if new.cover else [],
        "inputs": [_tensor(t, f"{tensors[t.id]}.npy", "preprocessing", files) for t in new.inputs],
        "outputs": [_tensor(t, f"{tensors[t.id]}.npy", "postprocessing", files) for t in new.outputs],
        "weights": {name: _hashes(dict(entry), files) for name, entry in new.weights.items()},
        "config": {**new.config},
    }
    if new.attachments:
        hashes = {name: _file(name, files)["sha256"] for name in new.attachments}
        description = with_attached(description, hashes, {})
    return {DESCRIPTION: to_yaml({k: v for k, v in description.items() if v != []}), **files}


def _tensors(new: NewPackage) -> tuple[NewTensor, ...]:
    return (*new.inputs, *new.outputs)


def _tail(tensor: NewTensor, new: NewPackage) -> str:
    group = new.inputs if tensor in new.inputs else new.outputs
    return "" if len(group) == 1 else f"_{tensor.id}"


def _tensor(tensor: NewTensor, test: str, kind: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "id": tensor.id,
        "description": tensor.description[:128],
        "axes": [dict(axis) for axis in tensor.axes],
        "test_tensor": _file(test, files),
        "data": {"type": tensor.test.dtype.name},
        kind: [dict(op) for op in tensor.ops],
    }


def _file(name: str, files: Mapping[str, bytes]) -> dict[str, str]:
    return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}


def _hashes(entry: dict[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """Add the hash of every file that a weights entry names."""
    for key, value in entry.items():
        if isinstance(value, Mapping):
            entry[key] = _hashes(dict(value), files)
    return {**entry, **_file(entry["source"], files)} if "source" in entry else entry


def _npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def to_yaml(content: Mapping[str, Any]) -> bytes:
    """Give a description's text; the order of its entries is kept."""
    import ruyaml

    yaml = ruyaml.YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.allow_unicode = True
    buffer = io.BytesIO()
    yaml.dump(_plain(content), buffer)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    """Give plain Python values, each on its own: YAML would write a shared one as a reference."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    return value


def check_copy(original: Path, files: Mapping[str, bytes | Path]) -> None:
    """Let bioimageio.spec read the description of a package's copy: it must allow what it has allowed before.

    Packages of others may break the specification of today and run all the same. No other file is
    looked at, and no address is asked.

    Parameters
    ----------
    original
        The package's description.
    files
        The copy's files by name; the description has the name of the original's.

    Raises
    ------
    PackageError
        When the copy breaks the specification and the original does not.
    """
    content = files[original.name]
    assert isinstance(content, bytes)
    with _staging({original.name: content}) as folder:
        errors = _errors(Path(folder) / original.name, io_checks=False)
    if errors and not _errors(original, io_checks=False):
        raise _breaks(errors)


def _check(description: Path) -> None:
    """Let bioimageio.spec read the package, with all its files."""
    errors = _errors(description, io_checks=True)
    if errors:
        raise _breaks(errors)


def _errors(description: Path, *, io_checks: bool) -> list[str]:
    """Give what the specification has against a description."""
    from bioimageio.spec import InvalidDescr, load_description

    with warnings.catch_warnings():
        # NB: bioimageio.spec leaves the closing of files to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        found = load_description(description, perform_io_checks=io_checks)
    if not isinstance(found, InvalidDescr):
        return []
    details = found.validation_summary.details
    return [f"{'.'.join(str(part) for part in e.loc)}: {e.msg}" for detail in details for e in detail.errors]


def _breaks(errors: Sequence[str]) -> PackageError:
    text = "; ".join(errors)[:2000]
    return PackageError(f"The new model package breaks the specification: {text}.", fix="Report this with the log.")
