"""Archives of packages: out of a zip into a private folder, and back.

An archive may come from anywhere. Only regular files are taken out, names that leave the folder or clash where upper
and lower case are one are refused, and data are counted as they are written, whatever the archive says of itself.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tempfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from bioimg_fiji.errors import ModelNotFoundError, PackageError, storage_error
from bioimg_fiji.package.unchanged import Unchanged
from bioimg_fiji.settings import cache_folder

MAX_FILES = 4096
MAX_BYTES = 16 * 2**30
_CHUNK = 1 << 20
_hashes: Unchanged[str] = Unchanged(8)
_LONGEST_NAME = 240
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_WINDOWS_NAMES = {"con", "prn", "aux", "nul", *(f"{n}{i}" for n in ("com", "lpt") for i in range(1, 10))}


def unpack(archive: Path, max_bytes: int = MAX_BYTES) -> Path:
    """Take a zip archive out into the cache, once per content.

    Returns
    -------
    Folder named after the archive's SHA-256; complete, since it is put in place by a rename.

    Raises
    ------
    PackageError
        When it is no zip archive, is damaged, too large, or has names that it must not have.
    StorageError
        When the cache cannot be written to.
    """
    digest = _hash(archive)
    models = cache_folder() / "models"
    target = models / digest
    if target.is_dir():
        return target
    try:
        models.mkdir(parents=True, exist_ok=True, mode=0o700)
        staging = Path(tempfile.mkdtemp(prefix=".unpack-", dir=models))
    except OSError as error:
        raise storage_error("Unpacking a model into", models, error) from error
    try:
        _extract(archive, staging, max_bytes)
        _put_in_place(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def pack(files: Mapping[str, bytes]) -> bytes:
    """Give a zip archive of these files: the same bytes for the same content."""
    buffer = io.BytesIO()
    write_archive(buffer, files)
    return buffer.getvalue()


def write_archive(target: Path | IO[bytes], files: Mapping[str, bytes | Path]) -> None:
    """Write a zip archive of contents and of files on the disk: the same bytes for the same content.

    Raises
    ------
    OSError
        When a file cannot be read, or the archive cannot be written.
    """
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _FIXED_TIME)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            if isinstance(data, bytes):
                archive.writestr(entry, data)
                continue
            entry.file_size = data.stat().st_size
            with data.open("rb") as source, archive.open(entry, "w") as packed:
                shutil.copyfileobj(source, packed, _CHUNK)


def _hash(path: Path) -> str:
    path = path.absolute()
    known = _hashes.get(path)
    if known is not None:
        return known
    try:
        started = time.time()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelNotFoundError(
            f"The model {path} cannot be read: {error.strerror}.", fix="Check the path.", path=str(path)
        ) from error
    _hashes.keep(path, digest, [path], started)
    return digest


def _extract(archive: Path, folder: Path, max_bytes: int) -> None:
    try:
        with zipfile.ZipFile(archive) as source:
            left = max_bytes
            for entry, place in _entries(source):
                destination = folder.joinpath(*place.parts)
                destination.parent.mkdir(parents=True, exist_ok=True)
                left -= _write(source, entry, destination, left, max_bytes)
    except _damage() as error:
        raise PackageError(
            f"The archive {archive.name} is damaged: {error}.", fix="Get it again.", path=str(archive)
        ) from error
    except OSError as error:
        raise storage_error("Unpacking a model into", folder.parent, error) from error


def _entries(source: zipfile.ZipFile) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    entries = [entry for entry in source.infolist() if not entry.is_dir()]
    if len(entries) > MAX_FILES:
        raise _refusal(f"{len(entries)} files", f"at most {MAX_FILES}")
    seen: set[str] = set()
    found = []
    for entry in entries:
        place = _safe(entry)
        if str(place).casefold() in seen:
            raise _refusal(f"two files named {place}", "one file per name, upper and lower case being one")
        seen.add(str(place).casefold())
        found.append((entry, place))
    return found


def _safe(entry: zipfile.ZipInfo) -> PurePosixPath:
    # NB: zipfile cuts names at a NUL byte, and turns backslashes into slashes on Windows: look at what it was given.
    name = entry.orig_filename
    place = PurePosixPath(name)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    bad = (
        not place.parts
        or place.is_absolute()
        or ".." in place.parts
        or any(c in name for c in '\\:\0*?"<>|')
        or len(name) > _LONGEST_NAME
        or any(part.endswith((".", " ")) or part.split(".")[0].casefold() in _WINDOWS_NAMES for part in place.parts)
    )
    if bad:
        raise _refusal(f"the name {name[:_LONGEST_NAME]!r}", "plain names below one folder")
    if kind not in (0, stat.S_IFREG):
        raise _refusal(f"{name!r}, a link or device", "regular files")
    return place


def _write(source: zipfile.ZipFile, entry: zipfile.ZipInfo, destination: Path, left: int, allowed: int) -> int:
    written = 0
    with source.open(entry) as packed, destination.open("xb") as file:
        while chunk := packed.read(_CHUNK):
            written += len(chunk)
            if written > left:
                raise _refusal("more data than allowed", f"at most {allowed} bytes unpacked")
            file.write(chunk)
    if written != entry.file_size:
        raise _refusal(f"{written} bytes of {entry.filename}", f"the {entry.file_size} that it speaks of")
    return written


def _put_in_place(staging: Path, target: Path) -> None:
    try:
        os.replace(staging, target)  # noqa: PTH105 - the same call for folders on all systems
    except OSError as error:
        # Another process was faster: its folder has the same content.
        if not target.is_dir():
            raise storage_error("Unpacking a model into", target, error) from error


def _refusal(found: str, allowed: str) -> PackageError:
    return PackageError(f"The archive has {found}; a model package has {allowed}.", fix="Do not use this archive.")


def _damage() -> tuple[type[Exception], ...]:
    """Give what zipfile raises for archives that are none, as it was found out by trying."""
    import struct
    import zlib

    reading = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error)
    return (*reading, ValueError, IndexError, OverflowError, struct.error)
