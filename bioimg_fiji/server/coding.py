"""Pixels compressed on their way, without loss: a shuffle of their bytes, then zstd or deflate (docs/protocol.md).

The bytes of microscope images differ most in the lowest one of each pixel: brought together (the first byte of all
pixels, then the second of all, ...) the others compress well. zstd comes with numcodecs, which zarr brings along; Java
has deflate in itself.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numcodecs import zstd

from bioimg_fiji.errors import ProtocolError

METHODS = ("zstd", "deflate")
"""Compressions that this side knows, the better one first."""

HEADER = "X-Encoding"
"""Header that tells how a body is encoded: `zstd; shuffle=2`, or one of `METHODS` alone; without it it is not."""

ACCEPT = "X-Accept-Encoding"
"""Header by which a client asks for that encoding of an answer."""

_LEVEL = 1
_SIZES = (1, 2, 4, 8)


@dataclass(frozen=True)
class Coding:
    """One way of encoding.

    Parameters
    ----------
    method
        One of `METHODS`.
    shuffle
        Bytes of a pixel, by which they are shuffled; 1: they are not.
    """

    method: str
    shuffle: int = 1

    @classmethod
    def parse(cls, text: str) -> Coding | None:
        """Read a header's value; None for an empty one.

        Raises
        ------
        ProtocolError
            When this side does not know it.
        """
        if not text:
            return None
        method, _, rest = (part.strip() for part in text.lower().partition(";"))
        size = rest.removeprefix("shuffle=") if rest else "1"
        if method not in METHODS or not size.isdecimal() or int(size) not in _SIZES:
            known = ", ".join(METHODS)
            raise ProtocolError(
                f"The encoding {text!r} is not known.", fix=f"Known: {known}, with ; shuffle=2, 4 or 8."
            )
        return cls(method, int(size))

    def __str__(self) -> str:
        return self.method if self.shuffle == 1 else f"{self.method}; shuffle={self.shuffle}"

    def encode(self, data: bytes | memoryview) -> bytes:
        """Compress the bytes of whole pixels."""
        plain = _shuffled(data, self.shuffle)
        return bytes(zstd.compress(plain, _LEVEL)) if self.method == "zstd" else zlib.compress(plain, _LEVEL)

    def decode(self, data: bytes, size: int) -> bytes:
        """Give the bytes back, which have to be `size`; more are never made.

        Raises
        ------
        ProtocolError
            When they are others.
        """
        try:
            plain = _unzstd(data, size) if self.method == "zstd" else _inflate(data, size)
        except (RuntimeError, ValueError, zlib.error) as error:
            raise ProtocolError(f"The {self.method} data are damaged: {error}.", fix="Send them again.") from error
        if len(plain) != size:
            raise ProtocolError(
                f"The {self.method} data give another length than {size} bytes.", fix="Send them again."
            )
        return _unshuffled(plain, self.shuffle)


def _unzstd(data: bytes, size: int) -> bytes:
    if size == 0:
        return b""
    # A frame that tells another size is refused before anything is made of it.
    return bytes(zstd.decompress(data, np.empty(size, np.uint8)))


def _inflate(data: bytes, size: int) -> bytes:
    machine = zlib.decompressobj()
    plain = machine.decompress(data, size + 1)
    if not machine.eof and len(plain) <= size:
        raise ValueError("they break off")
    return plain


def _shuffled(data: bytes | memoryview, size: int) -> bytes | memoryview:
    if size == 1 or not data or len(data) % size:
        return data
    return np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(-1, size).T).data.cast("B")


def _unshuffled(data: bytes, size: int) -> bytes:
    if size == 1 or not data or len(data) % size:
        return data
    pixels = np.empty((len(data) // size, size), np.uint8)
    for number, each in enumerate(np.frombuffer(data, np.uint8).reshape(size, -1)):
        pixels[:, number] = each
    return pixels.tobytes()
