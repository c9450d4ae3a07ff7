"""Jobs that outlive their server: on a disk from the moment they are taken until they are forgotten.

Only jobs whose client comes again are kept: detached ones, and those of clients that wait for a lost server. A server
that finds them there takes them up: those that waited wait again, those that ran begin again (a training from its
checkpoint), and those that had ended are as they ended.

Lives here: the files. Lives not here: which job is kept and when it changes (`store`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bioimg_fiji.errors import ServerError, storage_error
from bioimg_fiji.files.space import check_space
from bioimg_fiji.locks import LockFile
from bioimg_fiji.server.plainfile import open_plain, plain_size

_log = logging.getLogger(__name__)

_ENTRY = "job.json"
_JOB = re.compile(r"[0-9a-f]{32}")
_UNFINISHED = ".new"


class Shelf:
    """A folder with a folder for each job: `job.json`, and the pixels of its images by number.

    Parameters
    ----------
    folder
        Made where there is none, for this user alone; one server at a time has it. What else lies there is left alone.

    Raises
    ------
    StorageError
        When it cannot be made.
    ServerError
        When another server has it, or others may read it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _check_private(folder)
            self._lock = LockFile(folder / "lock")
            free = self._lock.acquire()
        except OSError as error:
            raise storage_error("Making the folder for jobs", folder, error) from error
        if not free:
            raise ServerError(f"Another server keeps its jobs in {folder}.", fix="Name another folder (--keep-jobs).")

    def close(self) -> None:
        """Let another server have it."""
        self._lock.release()

    def put(self, id_: str, entry: Mapping[str, Any], pixels: Mapping[str, Path]) -> None:
        """Keep a job: what is told of it, and copies of files by name. All or nothing, and on the disk when it returns.

        Raises
        ------
        StorageError
            When the disk is full, or does not let it be written.
        """
        new = self.folder / f"{id_}{_UNFINISHED}"
        check_space("A job to be kept", self.folder, sum(map(plain_size, pixels.values())))
        try:
            new.mkdir(mode=0o700)
            for name, path in pixels.items():
                _copy(path, new / name)
            _write(new / _ENTRY, entry)
            new.rename(self.folder / id_)
            _sync(self.folder)
        except OSError as error:
            shutil.rmtree(new, ignore_errors=True)
            raise storage_error("Keeping a job in", self.folder, error) from error

    def change(self, id_: str, **values: Any) -> None:
        """Change what is told of a job; what cannot be written is logged, and the job goes on."""
        path = self.folder / id_ / _ENTRY
        try:
            entry = json.loads(path.read_text("utf-8"))
            _write(path, entry | values)
        except (OSError, ValueError) as error:
            _log.warning("The job %s cannot be kept as it is now: %s", id_, error)

    def add(self, id_: str, pixels: Mapping[str, Path]) -> None:
        """Keep copies of further files.

        Raises
        ------
        StorageError
            When the disk is full, or does not let them be written.
        """
        folder = self.folder / id_
        check_space("A result to be kept", self.folder, sum(map(plain_size, pixels.values())))
        try:
            for name, path in pixels.items():
                _copy(path, folder / name)
        except OSError as error:
            raise storage_error("Keeping a result in", folder, error) from error

    def drop(self, id_: str, *names: str) -> None:
        """Remove some files of a job, or without names all that is kept of it."""
        if names:
            for name in names:
                (self.folder / id_ / name).unlink(missing_ok=True)
            return
        with contextlib.suppress(OSError):  # first out of the list, so that a half-removed one is none
            (self.folder / id_).rename(self.folder / f"{id_}{_UNFINISHED}")
        shutil.rmtree(self.folder / f"{id_}{_UNFINISHED}", ignore_errors=True)

    def entries(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give what is kept, the oldest first; what was not finished is removed, what cannot be read is left."""
        found = []
        for folder in self.folder.iterdir():
            name = folder.name.removesuffix(_UNFINISHED)
            if not _JOB.fullmatch(name) or folder.is_symlink():
                continue
            if name != folder.name:
                shutil.rmtree(folder, ignore_errors=True)
                continue
            try:
                entry = json.loads((folder / _ENTRY).read_text("utf-8"))
                found.append((float(entry["queued"]), name, entry))
            except (OSError, ValueError, TypeError, KeyError) as error:
                _log.warning("The job in %s cannot be read: %r", folder, error)
        for _, name, entry in sorted(found, key=lambda each: each[:2]):
            yield name, entry

    def take(self, id_: str, name: str, target: Path) -> None:
        """Copy a kept file to a place where there is none, or an empty one.

        Raises
        ------
        StorageError
            When it is not there, or there is no space for it.
        """
        try:
            _copy(self.folder / id_ / name, target, sync=False)
        except OSError as error:
            with contextlib.suppress(OSError):
                target.unlink()
            raise storage_error("Bringing back the pixels of a job to", target.parent, error) from error


def _check_private(folder: Path) -> None:
    """Refuse a folder that others may enter: a job's pixels and parameters are nobody else's matter."""
    if os.name == "posix" and ((status := folder.stat()).st_mode & 0o077 or status.st_uid != os.geteuid()):
        raise ServerError(
            f"Others may read {folder}, in which jobs are to be kept.",
            fix="Name a folder that does not exist yet, or one of yours that only you may enter (chmod 700).",
        )


def _copy(source: Path, target: Path, *, sync: bool = True) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(open_plain(source), "rb") as given, os.fdopen(os.open(target, flags, 0o600), "wb") as taken:
        shutil.copyfileobj(given, taken, 1 << 22)
        taken.flush()
        if sync:
            os.fsync(taken.fileno())


def _write(path: Path, entry: Mapping[str, Any]) -> None:
    new = path.with_suffix(".json.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(dict(entry), file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Have a folder's names on the disk, where folders can be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
