"""Pixels as bytes: the same for files, request bodies, the server's workers and its clients (docs/protocol.md)."""

from __future__ import annotations

import contextlib
import math
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import ImageError, ProtocolError, StorageError, storage_error
from bioimg_fiji.files.source import map_raw
from bioimg_fiji.files.space import in_cache

DTYPES = frozenset(
    ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
)
"""Pixel types that travel."""

BLOCK = 1 << 23
"""Bytes that are handled at once: large enough for speed, small enough for cancelling and for memory."""

_BINARY = getattr(os, "O_BINARY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def byte_size(header: Mapping[str, Any]) -> int:
    """Give the number of bytes that an image header announces.

    Raises
    ------
    ProtocolError
        When shape or dtype are missing or impossible.
    """
    shape, dtype = header.get("shape"), header.get("dtype")
    if not isinstance(shape, list) or not all(type(n) is int and 0 < n < 2**31 for n in shape) or len(shape) > 6:
        raise ProtocolError(f"An image header's shape is a list of at most six numbers above 0, not {shape!r}.")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ProtocolError(f"Pixels of type {dtype!r} cannot be sent.", fix=f"Send {', '.join(sorted(DTYPES))}.")
    return int(math.prod(shape) * np.dtype(dtype).itemsize)


def blocks(pixels: npt.NDArray[Any], size: int = BLOCK) -> Iterator[memoryview]:
    """Give the pixels' bytes, little-endian, in C order, in blocks of at most `size` bytes.

    Raises
    ------
    ImageError
        When the dtype does not travel (long double).
    """
    if pixels.dtype.name not in DTYPES:
        raise ImageError(f"Pixels of type {pixels.dtype} cannot be sent.", fix="Convert the image to float64 first.")
    little = pixels.dtype.newbyteorder("<")
    # A transposed stack is copied plane by plane: a copy of the whole would double the memory it needs.
    parts = [pixels] if pixels.flags.c_contiguous or pixels.ndim < 3 else pixels
    for part in parts:
        flat = np.ascontiguousarray(part, dtype=little).reshape(-1).view(np.uint8)
        for start in range(0, flat.size, size):
            yield flat[start : start + size].data


def write_pixels(path: Path, pixels: npt.NDArray[Any], *, create: bool, checked: bool = True) -> int | None:
    """Write the pixels' bytes to a file and give their CRC-32, or None where they are not to be `checked`.

    Counting takes longer than writing; a file that is read on the same computer goes without. With `create` the file
    must not exist; without, it must, and is filled. A file that could not be written whole is removed (`create`) or
    emptied. Plain write, not a mapping: a full memory-backed disk must say so and not kill the process.

    Raises
    ------
    StorageError
        When the disk is full or the file cannot be opened.
    """
    flags = os.O_WRONLY | _BINARY | _NO_FOLLOW | (os.O_CREAT | os.O_EXCL if create else os.O_TRUNC)
    crc = 0
    try:
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            for block in blocks(pixels):
                file.write(block)
                crc = zlib.crc32(block, crc) if checked else 0
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink() if create else os.truncate(path, 0)
        raise buffer_error(path.parent, error) from error
    return crc if checked else None


def read_pixels(path: Path, header: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Read the pixels that the header describes.

    Raises
    ------
    ProtocolError
        When the file has another length, or is gone.
    """
    size = byte_size(header)
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | _BINARY | _NO_FOLLOW), "rb") as file:
            found = os.fstat(file.fileno()).st_size
            if found != size:
                raise ProtocolError(f"The header announces {size} bytes of pixels, but there are {found}.")
            raw = np.fromfile(file, np.uint8, size)
    except OSError as error:
        raise ProtocolError(f"The file with the pixels cannot be read: {error.strerror}.") from error
    return shaped(raw, header)


def map_pixels(path: Path, header: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Map the pixels that the header describes: they come into memory where they are looked at, and go again.

    Raises
    ------
    ProtocolError
        When the file has another length, or is gone.
    """
    size, dtype = byte_size(header), np.dtype(header["dtype"])
    if dtype == np.bool_ or dtype != dtype.newbyteorder("<"):  # the bytes are not the pixels
        return read_pixels(path, header)
    try:
        found = path.lstat().st_size
        if found != size or path.is_symlink():
            raise ProtocolError(f"The header announces {size} bytes of pixels, but there are {found}.")
        return map_raw(path, tuple(header["shape"]), dtype)
    except OSError as error:
        raise ProtocolError(f"The file with the pixels cannot be read: {error.strerror}.") from error


def shaped(raw: npt.NDArray[np.uint8], header: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Take bytes for the pixels that the header describes, in this machine's byte order."""
    dtype = np.dtype(header["dtype"])
    shape: list[int] = header["shape"]
    pixels: npt.NDArray[Any] = raw != 0 if dtype == np.bool_ else raw.view(dtype.newbyteorder("<"))
    return pixels.astype(dtype, copy=False).reshape(shape)


def buffer_error(folder: Path, cause: OSError) -> StorageError:
    """Tell a failed write to the folder for pixels, and how to get another one."""
    fix = (
        "Free space there, or name a folder with more space by the setting 'buffers' (BIOIMG_FIJI_BUFFERS) "
        "and start the server again."
    )
    return in_cache(storage_error("Writing pixels to", folder, cause), folder, elsewhere=fix)


def crc_text(crc: int) -> str:
    """Write a CRC-32 as the header X-CRC32 has it."""
    return f"{crc & 0xFFFFFFFF:08x}"


def plain(value: Any) -> Any:
    """Turn a value into one that JSON has: numpy numbers become numbers, and those that are not finite None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    return str(value)
