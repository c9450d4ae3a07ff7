"""A model from a path, an address or the zoo -> the store."""

from __future__ import annotations

import difflib
import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import ruyaml

from bioimg_fiji.errors import ModelNotFoundError, PackageError, storage_error
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import open_package
from bioimg_fiji.package import store as models
from bioimg_fiji.package.archive import MAX_FILES
from bioimg_fiji.settings import cache_folder
from bioimg_fiji.zoo.collection import ZooModel, collection
from bioimg_fiji.zoo.download import download

_PATHS = frozenset(
    ("source", "documentation", "covers", "test_inputs", "test_outputs", "sample_inputs", "sample_outputs", "files")
)
"""Fields of a description, of either version, that name files."""

_MAX_DESCRIPTION = 16 * 2**20


def get_model(source: str, nickname: str | None = None, job: Job | None = None) -> models.Entry:
    """Add a model to the store.

    Parameters
    ----------
    source
        A folder, a .zip or a description on this computer; the https address of a .zip or of a description, whose files
        lie beside it; or the id of a model of the zoo.
    nickname
        Its name in the store; None: what it calls itself.
    job
        For progress and cancelling.

    Raises
    ------
    ModelNotFoundError
        When there is nothing of that name; names the nearest ones.
    DownloadError, PackageError, StorageError, JobCancelledError
        When it cannot be fetched, is no model package, cannot be stored, or the user asked to stop.
    """
    job = job or Job()
    if Path(source).expanduser().exists():
        return models.add(open_package(source), nickname)
    if "://" in source:
        if urlsplit(source).path.lower().endswith((".yaml", ".yml")):
            return _add_files(ZooModel(nickname or "", source, ""), nickname, job)
        return _add_archive(source, nickname, job)
    listing = collection(job)
    if source not in listing.models:
        near = difflib.get_close_matches(source, listing.models, n=3, cutoff=0.4)
        raise ModelNotFoundError(
            f"There is no {source!r}: no path, no address, and no model of the zoo.",
            fix=f"Did you mean {' or '.join(near)}?" if near else "See them by: bioimg-fiji models list --zoo",
            path=source,
        )
    return _add_files(listing.models[source], nickname or source.rsplit("/", 1)[-1], job)


def _add_archive(address: str, nickname: str | None, job: Job) -> models.Entry:
    folder = _folder(address)
    path = folder / "model.zip"
    try:
        download(address, path, job=job)
        return models.add(open_package(path), nickname)
    finally:
        _clear(folder)


def _add_files(model: ZooModel, nickname: str | None, job: Job) -> models.Entry:
    """Fetch a description and the files that it names; what they must be, it says by their hashes."""
    folder = _folder(model.source)
    try:
        name = PurePosixPath(urlsplit(model.source).path).name
        download(model.source, folder / name, model.sha256 or None, _MAX_DESCRIPTION, job)
        for file in _named(folder / name):
            if not (folder / file).is_file():
                download(urljoin(model.source, quote(file)), folder / file, job=job)
        return models.add(open_package(folder / name), nickname)
    finally:
        _clear(folder)


def _folder(address: str) -> Path:
    """Give the folder of a download; the same address has the same one, so that it goes on where it stopped."""
    folder = cache_folder() / "downloads" / hashlib.sha256(address.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise storage_error("Downloading to", folder, error) from error
    return folder


def _clear(folder: Path) -> None:
    """Remove a download that is done or wrong; one that broke off stays, to be gone on with."""
    if not any(folder.rglob("*.part")):
        shutil.rmtree(folder, ignore_errors=True)


def _named(description: Path) -> list[str]:
    """Give the relative names of the files that a description names."""
    try:
        content = ruyaml.YAML(typ="safe", pure=True).load(description.read_text("utf-8"))
    except (ruyaml.error.YAMLError, ValueError, RecursionError) as error:
        raise PackageError("The description is no YAML.", fix="Check the address.") from error
    names = dict.fromkeys(_texts(content, ""))
    for name in names:
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts or re.search(r'[\\:\0*?"<>|]', name):
            raise PackageError(f"The description names a file elsewhere: {name!r}.", fix="Do not use it.")
    if len(names) > MAX_FILES:
        raise PackageError(f"The description names {len(names)} files.", fix="Do not use it.")
    return list(names)


def _texts(content: Any, field: str) -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in content.items():
            if key not in ("training_data", "parent", "git_repo", "cite", "config", "run_mode"):
                yield from _texts(value, str(key))
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value, field)
    elif isinstance(content, str) and field in _PATHS and "://" not in content and content:
        yield content.split(":")[0] if content.count(":") == 1 and ".py:" in content else content
