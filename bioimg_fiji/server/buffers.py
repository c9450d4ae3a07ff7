"""Files with pixels: made, named, measured and swept by the server."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bioimg_fiji import settings
from bioimg_fiji.errors import ProtocolError, UnknownJobError, storage_error
from bioimg_fiji.files.space import check_space
from bioimg_fiji.locks import LockFile, locked_by_java
from bioimg_fiji.server.plainfile import plain_size
from bioimg_fiji.server.wire import buffer_error

PREFIX = "bioimg-fiji-"
SHOWN = "imagej-"
"""Start of the names of folders with results on the disk that an ImageJ shows; Java makes and locks them."""

MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder of mode 0700 is made inside
LEAST_MEMORY = 256 << 20
"""A memory-backed disk with less space than this (containers often have 64 MiB) is not used."""


@dataclass
class Buffer:
    """One file with the pixels of one image, in memory where the system can, or `on_disk`.

    `job` is the job that owns it, `crc` is None when nobody counted. Of one that comes in parts, the first `received`
    bytes are there, with the CRC-32 `running`; `lease` is how long, in seconds, a lost client is waited for.
    """

    id: str
    size: int
    path: Path
    local: bool
    on_disk: bool = False
    filled: bool = False
    filling: bool = False
    job: str | None = None
    crc: int | None = None
    received: int = 0
    running: int = 0
    lease: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    touched: float = field(default_factory=time.monotonic)


def root() -> Path:
    """Folder in which the private folder is made: the setting's, the memory-backed one, or the temporary folder."""
    given = settings.get("buffers")
    if given:
        return Path(given)
    if sys.platform == "linux" and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= LEAST_MEMORY:
        return MEMORY
    return Path(tempfile.gettempdir())


def disk_root() -> Path:
    """Folder in which the private folder for large images is made: on a disk, in the cache."""
    return settings.cache_folder() / "pixels"


class Room:
    """A folder for pixels that only this user can enter, and that is swept when its server has died.

    Parameters
    ----------
    parent
        Folder in which it is made.
    """

    def __init__(self, parent: Path) -> None:
        try:
            parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            sweep(parent)
            self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent))
        except OSError as error:
            raise storage_error("Making a folder for pixels in", parent, error) from error
        self._lock = LockFile(self.folder / "lock")
        self._lock.acquire()

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()


class BufferStore:
    """The buffers of one server, in folders of its own: one in memory where the system can, one on a disk.

    Parameters
    ----------
    parent
        Folder in which the first one is made.
    disk
        Folder in which that on the disk is made, when a client first asks for it; None: the cache's.
    """

    def __init__(self, parent: Path, disk: Path | None = None) -> None:
        self._buffers: dict[str, Buffer] = {}
        self._disk_parent = disk or disk_root()
        self._memory = Room(parent)
        self._disk: Room | None = None
        with contextlib.suppress(OSError):  # large files are not to wait for the next large image
            sweep(self._disk_parent)

    @property
    def folder(self) -> Path:
        """The folder for pixels in memory."""
        return self._memory.folder

    @property
    def disk(self) -> Path:
        """The folder for pixels on a disk; made when it is first asked for."""
        if self._disk is None:
            self._disk = Room(self._disk_parent)
        return self._disk.folder

    def create(self, size: int, *, local: bool, on_disk: bool = False, lease: float = 0.0) -> Buffer:
        """Make an empty buffer for `size` bytes.

        Raises
        ------
        StorageError
            When there is no space for it; the text says how much is missing on a disk.
        """
        folder = self.disk if on_disk else self.folder
        promised = sum(
            each.size - each.received for each in self._buffers.values() if not each.filled and each.on_disk is on_disk
        )
        if on_disk:
            check_space("The image", folder, size, promised)
        elif size > (free := shutil.disk_usage(folder).free - promised):
            cause = OSError(errno.ENOSPC, f"No space left on device ({size} bytes are needed, {max(free, 0)} are free)")
            raise buffer_error(folder.parent, cause)
        id_ = secrets.token_hex(16)
        path = folder / id_
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise buffer_error(folder.parent, error) from error
        self._buffers[id_] = Buffer(id_, size, path, local, on_disk, lease=lease)
        return self._buffers[id_]

    def has(self, id_: str) -> bool:
        """Whether there is a buffer of that id."""
        return id_ in self._buffers

    def get(self, id_: str) -> Buffer:
        """Find a buffer.

        Raises
        ------
        UnknownJobError
            When there is none of that id.
        """
        try:
            buffer = self._buffers[id_]
        except KeyError:
            raise UnknownJobError("There is no buffer of that id.", fix="Send the image again.") from None
        buffer.touched = time.monotonic()
        return buffer

    def check(self, id_: str, size: int) -> None:
        """Check that a job may take a buffer and that it is filled as announced.

        Raises
        ------
        ProtocolError
            When it has another length, or belongs to another job.
        """
        buffer = self.get(id_)
        if buffer.job is not None:
            raise ProtocolError("The buffer belongs to another job.", fix="Send the image again.")
        found = plain_size(buffer.path)
        if not buffer.local and not buffer.filled:  # the length alone does not tell that the CRC was right
            found = 0
        if buffer.size != size or found != size:
            raise ProtocolError(
                f"The header announces {size} bytes of pixels, the buffer was made for {buffer.size} and has {found}.",
                fix="Send the image again.",
            )
        buffer.filled = True

    def adopt(self, name: str, size: int, crc: int | None, job: str, *, on_disk: bool = False) -> Buffer:
        """Register a result's file that a job's worker has written into one of the folders."""
        path = (self.disk if on_disk else self.folder) / name
        buffer = Buffer(name, size, path, local=True, on_disk=on_disk, filled=True, job=job, crc=crc)
        self._buffers[name] = buffer
        return buffer

    def free(self, id_: str) -> None:
        """Remove a buffer, if it is still there."""
        buffer = self._buffers.pop(id_, None)
        if buffer is not None:
            with contextlib.suppress(OSError):
                buffer.path.unlink()

    def free_job(self, job: str) -> None:
        """Remove what belongs to a job, half-written results of a dead worker too."""
        self.free_inputs(job)
        for folder in [self.folder, *([self.disk] if self._disk else [])]:
            for path in folder.glob(f"{job}.*"):
                self._buffers.pop(path.name, None)
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def free_inputs(self, job: str, *, in_memory: bool = False) -> None:
        """Remove a job's inputs, or those in memory only: those on the disk are read while the job runs."""
        for id_, buffer in list(self._buffers.items()):
            if buffer.job == job and not id_.startswith(job) and not (in_memory and buffer.on_disk):
                self.free(id_)

    def on_disk(self, job: str) -> bool:
        """Whether some input of a job is on the disk."""
        return any(buffer.on_disk for buffer in self._buffers.values() if buffer.job == job)

    def free_abandoned(self, seconds: float) -> None:
        """Remove buffers that no job has taken and nobody has touched for so long, or for their lease if longer."""
        now = time.monotonic()
        for id_, buffer in list(self._buffers.items()):
            kept = max(seconds, buffer.lease)
            if buffer.job is None and now - buffer.touched > kept and not _written_since(buffer, seconds):
                self.free(id_)

    def excuse(self, seconds: float) -> None:
        """Take all buffers for touched so much later: nobody could meanwhile."""
        for buffer in self._buffers.values():
            buffer.touched += seconds

    def close(self) -> None:
        """Remove everything."""
        self._buffers.clear()
        for room in (self._memory, self._disk):
            if room is not None:
                room.close()


def _written_since(buffer: Buffer, seconds: float) -> bool:
    """Whether a local client still writes the file: a large one takes longer than the limit."""
    try:
        return buffer.local and buffer.path.stat().st_size > 0 and time.time() - buffer.path.stat().st_mtime < seconds
    except OSError:
        return False


def sweep(parent: Path) -> list[Path]:
    """Remove the folders of servers that have died, and give their paths.

    Only this user's own folders whose lock nobody holds. A folder that was just made, and is not locked yet, is told
    by its living process and its age.
    """
    swept = []
    for folder in [*parent.glob(f"{PREFIX}*-*"), *parent.glob(f"{SHOWN}*-*")]:
        try:
            if _abandoned(folder):
                shutil.rmtree(folder)
                swept.append(folder)
        except OSError:  # removed by another server that starts at the same time
            continue
    return swept


def _abandoned(folder: Path) -> bool:
    status = folder.lstat()
    if folder.is_symlink() or not folder.is_dir() or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
        return False
    shown = folder.name.startswith(SHOWN)
    pid = folder.name.removeprefix(SHOWN if shown else PREFIX).split("-")[0]
    if not pid.isdigit() or (_runs(int(pid)) and time.time() - status.st_mtime < 60):
        return False
    if int(pid) == os.getpid() and status.st_mtime > psutil.Process().create_time():
        return False  # a Java in this process made it: to ourselves its lock is none
    if shown:
        return not locked_by_java(folder / "lock")
    lock = LockFile(folder / "lock")
    free = lock.acquire()
    lock.release()
    return free


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
