"""A Zarr in a folder in which no link is followed: each file is opened from the folder's handle when it is read."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.storage import LocalStore

from bioimg_fiji.server.roots import open_below


class LinklessStore(LocalStore):
    """zarr's store of a folder, for reading; a link that comes into it meanwhile is an OSError.

    Parameters
    ----------
    folder
        Its path, for messages.
    handle
        The open folder, which the caller closes.
    """

    def __init__(self, folder: Path, handle: int) -> None:
        super().__init__(folder, read_only=True)
        self._handle = handle

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a file or a part of it; None where there is none."""
        return await asyncio.to_thread(self.get_sync, key, prototype=prototype, byte_range=byte_range)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Read parts of files."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        """Whether there is a file of that name."""
        return await self.get(key, byte_range=RangeByteRequest(0, 0)) is not None

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a file or a part of it; None where there is none."""
        try:
            handle = open_below(self._handle, key)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                return None
            start, stop = _span(byte_range, status.st_size)
            with os.fdopen(os.dup(handle), "rb") as file:
                file.seek(start)
                return (prototype or default_buffer_prototype()).buffer.from_bytes(file.read(stop - start))
        finally:
            os.close(handle)


def _span(asked: ByteRequest | None, size: int) -> tuple[int, int]:
    """Give start and end of what is asked for in a file of that size."""
    if asked is None:
        return 0, size
    if isinstance(asked, RangeByteRequest):
        return asked.start, asked.end
    return (asked.offset if isinstance(asked, OffsetByteRequest) else max(0, size - asked.suffix)), size
