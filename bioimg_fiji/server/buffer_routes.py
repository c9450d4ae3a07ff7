"""The routes of buffers: pixels that come and go whole, or in parts that can be sent again (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bioimg_fiji.errors import ProtocolError, UnknownJobError
from bioimg_fiji.server.answers import RefusedError, check_length, read_json, too_large
from bioimg_fiji.server.buffers import Buffer, BufferStore
from bioimg_fiji.server.coding import ACCEPT, HEADER, Coding
from bioimg_fiji.server.options import Limits
from bioimg_fiji.server.plainfile import PlainFile, empty, open_plain
from bioimg_fiji.server.store import JobStore
from bioimg_fiji.server.wire import BLOCK, buffer_error, crc_text

_SLACK = 1 << 16
"""Bytes by which what does not compress may grow."""


@dataclass(frozen=True)
class _Part:
    """A part of a buffer's bytes: from `start` to before `end`."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class BufferRoutes:
    """The functions behind /v1/buffers."""

    jobs: JobStore
    buffers: BufferStore
    limits: Limits

    def routes(self) -> list[Route]:
        """Give them with their paths."""
        return [
            Route("/v1/buffers", self.create, methods=["POST"]),
            Route("/v1/buffers/{id}", self.fill, methods=["PUT"]),
            Route("/v1/buffers/{id}", self.read, methods=["GET"]),
            Route("/v1/buffers/{id}", self.free, methods=["DELETE"]),
            Route("/v1/buffers/{id}/state", self.state, methods=["GET"]),
        ]

    async def create(self, request: Request) -> Response:
        """Make an empty buffer."""
        data, _ = await read_json(request, self.limits.json_bytes)
        size, local, on_disk = data.get("size"), data.get("local", False), data.get("on_disk", False)
        if type(size) is not int or size < 0 or type(local) is not bool or type(on_disk) is not bool:
            raise ProtocolError("A buffer has a size in bytes, and local and on_disk, true or false.")
        lease = 0 if data.get("lease") is None else data["lease"]
        if type(lease) not in (int, float) or not 0 <= lease < 1e9:
            raise ProtocolError(f"lease is a number of seconds from 0, not {lease!r}.")
        limit = self.limits.disk_bytes if on_disk else self.limits.buffer_bytes
        if size > limit:
            too_large(limit)
        buffer = self.buffers.create(size, local=local, on_disk=on_disk, lease=min(lease, self.limits.longest_lease))
        path = str(buffer.path) if local else None
        return JSONResponse({"id": buffer.id, "size": size, "path": path}, 201)

    async def fill(self, request: Request) -> Response:
        """Take the bytes of a buffer, all or the next part; what broke off may be sent again."""
        buffer = self.buffers.get(request.path_params["id"])
        _not_taken(buffer)
        if "content-range" in request.headers:
            return await self._fill_part(request, buffer)
        check_length(request, buffer.size)
        buffer.crc, buffer.filled, buffer.filling = None, False, True
        buffer.received = buffer.running = 0
        try:
            with _file_of(buffer):
                size, crc = await self._receive(request, buffer)
            _check_received(buffer, size, crc, request.headers.get("x-crc32", "").lower())
            buffer.crc, buffer.filled = crc, True
        finally:
            buffer.filling = False
            if not buffer.filled:  # broken off, or wrong: its memory is given back now
                with contextlib.suppress(OSError):
                    empty(buffer.path)
        return Response(status_code=204)

    async def _fill_part(self, request: Request, buffer: Buffer) -> Response:
        """Take a part, which has to follow what is there, or to be the same again."""
        part = _part_of(request.headers["content-range"], buffer.size)
        data = await self._body(request, part)
        crc = zlib.crc32(data)
        _check_crc("The part", crc, request.headers.get("x-crc32", ""))
        async with buffer.lock:  # an older request for it may have hung in the network, and go on now
            _not_taken(buffer)
            with _file_of(buffer):
                if part.end <= buffer.received and await asyncio.to_thread(_crc_of, buffer, part) == crc:
                    return Response(status_code=204)
                if part.start != buffer.received:
                    raise RefusedError(409, _not_the_next(buffer, part))
                whole = zlib.crc32(data, buffer.running)
                _check_crc("All up to this part's end", whole, request.headers.get("x-crc32-whole", ""))
                await asyncio.to_thread(_write_part, buffer, part, data)
            buffer.received, buffer.running = part.end, whole
            if buffer.received == buffer.size:
                buffer.crc, buffer.filled = whole, True
        return Response(status_code=204)

    async def _body(self, request: Request, part: _Part) -> bytes:
        """Read a part's bytes, as they are without encoding."""
        if part.size > self.limits.part_bytes:
            too_large(self.limits.part_bytes)
        encoding = Coding.parse(request.headers.get(HEADER, ""))
        limit = part.size if encoding is None else part.size + _SLACK
        check_length(request, limit)
        body = bytearray()
        stream = request.stream().__aiter__()
        try:
            while True:
                async with asyncio.timeout(self.limits.body_seconds):
                    body += await anext(stream)
                if len(body) > limit:
                    too_large(limit)
        except StopAsyncIteration:
            pass
        except TimeoutError as error:
            raise RefusedError(408, ProtocolError("The part did not come to its end.", fix="Send it again.")) from error
        data = bytes(body) if encoding is None else await asyncio.to_thread(encoding.decode, bytes(body), part.size)
        if len(data) != part.size:
            raise ProtocolError(f"{len(data)} bytes have come, announced were {part.size}.", fix="Send them again.")
        return data

    async def state(self, request: Request) -> Response:
        """Tell how much of a buffer is there, and its CRC-32: where a client goes on that was cut off."""
        buffer = self._touched(request.path_params["id"])
        if buffer.job is not None and buffer.crc is None:
            with _file_of(buffer):
                buffer.crc = await asyncio.to_thread(_crc_of, buffer, _Part(0, buffer.size))
        received = buffer.size if buffer.filled else buffer.received
        crc = buffer.running if buffer.crc is None else buffer.crc
        return JSONResponse({"size": buffer.size, "received": received, "crc32": crc_text(crc)})

    async def _receive(self, request: Request, buffer: Buffer) -> tuple[int, int]:
        size, crc, waiting = 0, 0, bytearray()
        with os.fdopen(open_plain(buffer.path, os.O_WRONLY | os.O_TRUNC), "wb") as file:

            def write(block: bytes, before: int) -> int:
                file.write(block)
                return zlib.crc32(block, before)

            async for part in request.stream():
                size += len(part)
                if size > buffer.size:
                    too_large(buffer.size)
                waiting += part
                if len(waiting) >= BLOCK:
                    crc = await asyncio.to_thread(write, bytes(waiting), crc)
                    waiting.clear()
            crc = await asyncio.to_thread(write, bytes(waiting), crc)
        return size, crc

    async def read(self, request: Request) -> Response:
        """Give the bytes of a buffer, all or a part."""
        buffer = self._touched(request.path_params["id"])
        encoding = Coding.parse(request.headers.get(ACCEPT, ""))
        with _file_of(buffer):
            if "range" in request.headers:
                return await self._read_part(request, buffer, encoding)
            whole = _Part(0, buffer.size)
            crc = buffer.crc if buffer.crc is not None else await asyncio.to_thread(_crc_of, buffer, whole)
            headers = {"X-CRC32": crc_text(crc), "Cache-Control": "no-store"}
            return PlainFile(buffer.path, headers=headers, media_type="application/octet-stream")

    async def _read_part(self, request: Request, buffer: Buffer, encoding: Coding | None) -> Response:
        found = re.fullmatch(r"bytes=(\d{1,18})-(\d{1,18})", request.headers["range"])
        text = f"The range is bytes=FIRST-LAST within {buffer.size} bytes, {self.limits.part_bytes} at most."
        if found is None:
            raise ProtocolError(text)
        part = _Part(int(found[1]), int(found[2]) + 1)
        if not 0 < part.size <= self.limits.part_bytes or part.end > buffer.size:
            raise RefusedError(416, ProtocolError(text))
        data = await asyncio.to_thread(_bytes_of, buffer, part)
        headers = {
            "X-CRC32": crc_text(zlib.crc32(data)),
            "Content-Range": f"bytes {part.start}-{part.end - 1}/{buffer.size}",
            "Cache-Control": "no-store",
        }
        if encoding is not None:
            coded = await asyncio.to_thread(encoding.encode, data)
            if len(coded) < len(data):
                data, headers[HEADER] = coded, str(encoding)
        return Response(data, 206, headers, "application/octet-stream")

    def _touched(self, id_: str) -> Buffer:
        buffer = self.buffers.get(id_)
        if buffer.job is not None:
            self.jobs.touch(buffer.job)
        return buffer

    async def free(self, request: Request) -> Response:
        """Free a buffer."""
        if self.buffers.has(request.path_params["id"]):
            self._not_in_use(self.buffers.get(request.path_params["id"]))
            self.buffers.free(request.path_params["id"])
        return Response(status_code=204)

    def _not_in_use(self, buffer: Buffer) -> None:
        if buffer.job is not None and self.jobs.unended(buffer.job):
            raise RefusedError(409, ProtocolError("The buffer belongs to a job that has not ended."))


@contextlib.contextmanager
def _file_of(buffer: Buffer) -> Iterator[None]:
    """Tell a buffer's file that is gone, or cannot be written."""
    try:
        yield
    except FileNotFoundError as error:
        raise UnknownJobError("The buffer's file was removed.", fix="Run the command again.") from error
    except OSError as error:
        raise buffer_error(buffer.path.parent.parent, error) from error


def _check_received(buffer: Buffer, size: int, crc: int, announced: str) -> None:
    if size != buffer.size or announced != crc_text(crc):
        raise ProtocolError(
            f"{size} bytes with CRC-32 {crc_text(crc)} have come; announced were {buffer.size} bytes, "
            f"CRC-32 {announced or '(none)'}.",
            fix="Send them again.",
        )


def _not_taken(buffer: Buffer) -> None:
    if buffer.job is not None or buffer.filling:
        raise RefusedError(409, ProtocolError("The buffer is in use.", fix="Send the image to a buffer of its own."))


def _part_of(text: str, size: int) -> _Part:
    found = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", text)
    part = _Part(int(found[1]), int(found[2]) + 1) if found else _Part(0, 0)
    if found is None or int(found[3]) != size or part.size <= 0 or part.end > size:
        raise ProtocolError(f"Content-Range is bytes FIRST-LAST/{size}, not {text[:80]!r}.")
    return part


def _check_crc(what: str, crc: int, announced: str) -> None:
    if announced.lower() != crc_text(crc):
        raise ProtocolError(
            f"{what} has the CRC-32 {crc_text(crc)}; announced was {announced[:80] or '(none)'}.", fix="Send it again."
        )


def _not_the_next(buffer: Buffer, part: _Part) -> ProtocolError:
    text = f"The part begins at {part.start}, and {buffer.received} bytes are there."
    return ProtocolError(text, fix="Go on from there.", received=buffer.received)


def _write_part(buffer: Buffer, part: _Part, data: bytes) -> None:
    with os.fdopen(open_plain(buffer.path, os.O_WRONLY), "wb") as file:
        file.seek(part.start)
        file.write(data)


def _bytes_of(buffer: Buffer, part: _Part) -> bytes:
    with os.fdopen(open_plain(buffer.path), "rb") as file:
        file.seek(part.start)
        return file.read(part.size)


def _crc_of(buffer: Buffer, part: _Part) -> int:
    crc, place = 0, part.start
    while place < part.end:
        end = min(place + BLOCK, part.end)
        crc = zlib.crc32(_bytes_of(buffer, _Part(place, end)), crc)
        place = end
    return crc
