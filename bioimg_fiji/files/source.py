"""Images that are read in parts: what is asked for comes into memory, and nothing else."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import FileFormatError
from bioimg_fiji.files import ome_zarr
from bioimg_fiji.image import Image
from bioimg_fiji.image.parts import check_axes

Array = npt.NDArray[Any]
Place = tuple[slice, ...]
"""Which part of an image: a slice with start and stop for each axis."""


def phantom(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Give an array of zeros that takes no memory: it stands for pixels that are elsewhere."""
    return np.broadcast_to(np.zeros((), dtype), shape)


class Source(abc.ABC):
    """An image in a file.

    Attributes
    ----------
    image
        The image with all its metadata; its pixels are a `phantom`.
    chunks
        Per axis, the size of the pieces that the file is made of: reading whole ones is fastest.
    identity
        A text that differs when the file does.
    """

    image: Image
    chunks: tuple[int, ...]
    identity: str

    @abc.abstractmethod
    def read(self, place: Place) -> Array:
        """Read a part of the pixels, with all axes of the image.

        Raises
        ------
        FileFormatError
            When the file is damaged.
        """

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class MemorySource(Source):
    """An image that is in memory already."""

    def __init__(self, image: Image, identity: str = "") -> None:
        self.image = image.with_pixels(phantom(image.shape, image.dtype))
        self.chunks, self.identity = image.shape, identity
        self._pixels = image.pixels

    def read(self, place: Place) -> Array:
        """Give a view."""
        return self._pixels[place]


class RawSource(Source):
    """Pixels alone in a file, in C order of the image's axes and little-endian.

    Parameters
    ----------
    image
        The image; its pixels are not looked at.
    path
        The file.
    """

    def __init__(self, image: Image, path: Path) -> None:
        self.image = image.with_pixels(phantom(image.shape, image.dtype))
        self.chunks, self.identity = (1,) * len(image.shape), _identity(path, "")
        self._path, self._stored = path, _Mapped(path, 0, image.shape, image.dtype.newbyteorder("<"))

    def read(self, place: Place) -> Array:
        """Read a part."""
        try:
            return self._stored[place].astype(self.image.dtype, copy=False)
        except (OSError, ValueError) as error:
            raise FileFormatError(f"{self._path} cannot be read: {error}.", fix="Run the command again.") from error


class StoredSource(Source):
    """An array in a file: its axes may be in another order than the image's, and more of size one."""

    def __init__(self, image: Image, stored: Any, letters: str, path: Path) -> None:
        self.image, self._stored, self._letters, self._path = image, stored, letters, path
        # ImageJ's signed 16 bit are stored as unsigned ones.
        self._signed = image.dtype == np.int16 and stored.dtype.kind == "u"
        sizes = dict(zip(letters, getattr(stored, "chunks", None) or stored.shape, strict=True))
        self.chunks = tuple(min(int(sizes[a]), n) for a, n in zip(image.axes, image.shape, strict=True))

    def read(self, place: Place) -> Array:
        """Read a part."""
        asked = dict(zip(self.image.axes, place, strict=True))
        part = self._part(tuple(asked.get(letter, slice(0, 1)) for letter in self._letters))
        part = part.transpose([self._letters.index(a) for a in (*self.image.axes, *self._dropped)])
        part = part.reshape(part.shape[: len(place)])
        part = part.astype(part.dtype.newbyteorder("="), copy=False)
        return (part ^ np.uint16(0x8000)).view(np.int16) if self._signed else part

    @property
    def _dropped(self) -> str:
        return "".join(letter for letter in self._letters if letter not in self.image.axes)

    def _part(self, place: Place) -> Array:
        try:
            return np.asarray(self._stored[place])
        except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
            raise FileFormatError(
                f"{self._path} cannot be read: {error}.", fix="Copy it again from where it came from."
            ) from error


class TiffSource(StoredSource):
    """A TIFF: without compression straight from its place in the file, else by its tiles or strips."""

    def __init__(self, path: Path, axes: str | None) -> None:
        import tifffile
        import zarr

        from bioimg_fiji.files import tiff_image

        self._file = tifffile.TiffFile(path)
        try:
            series = self._file.series[0]
            letters = axes or series.axes.lower()
            small = [1 if letter in "yx" else size for letter, size in zip(letters, series.shape, strict=True)]
            image = tiff_image(self._file, np.zeros(small, series.dtype), axes)
            shape = tuple(series.shape[letters.index(letter)] for letter in image.axes)
            if series.dataoffset is not None:
                kind = np.dtype(series.dtype).newbyteorder(self._file.byteorder)
                stored: Any = _Mapped(path, series.dataoffset, series.shape, kind)
            else:
                stored = zarr.open_array(series.aszarr(), mode="r")
            super().__init__(image.with_pixels(phantom(shape, image.dtype)), stored, letters, path)
        except BaseException:
            self._file.close()
            raise
        self.identity = _identity(path, "")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ZarrSource(StoredSource):
    """An OME-Zarr, in its full resolution.

    Parameters
    ----------
    path
        Its folder.
    store
        zarr's store by which the files are read; by default they are read by their names.
    """

    def __init__(self, path: Path, store: Any = None) -> None:
        import zarr

        found = ome_zarr.read(path, store)
        stored = zarr.open_array(path if store is None else store, path=found.array, mode="r")
        letters = found.axes
        check_axes(phantom(stored.shape, stored.dtype), letters)
        kept = [a for a in "btzcyx" if a in letters and (a in "yx" or stored.shape[letters.index(a)] > 1)]
        shape = tuple(stored.shape[letters.index(letter)] for letter in kept)
        image = Image(
            phantom(shape, stored.dtype.newbyteorder("=")),
            "".join(kept),
            title=path.name,
            scales=found.scales,
            properties=found.properties,
        )
        if len(found.channels) == image.size("c"):
            image = dataclasses.replace(image, channels=found.channels)
        super().__init__(image, stored, letters, path)
        self.identity = _identity(path, ome_zarr.text(path)) if store is None else ""

    def whole(self) -> Image:
        """Read all of it."""
        return self.image.with_pixels(self.read(tuple(slice(0, size) for size in self.image.shape)))


class _Mapped:
    """An array in a file. It is mapped for each access only, so that what was read does not stay in memory."""

    def __init__(self, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path, self.offset, self.shape, self.dtype = path, offset, shape, dtype

    def __getitem__(self, place: Place) -> Array:
        mapped = np.memmap(self.path, self.dtype, "r", self.offset, self.shape)
        return np.array(mapped[place])


def raw_file(image: Image) -> Path | None:
    """Give the file that an image's pixels are mapped from, as they are; None where they are in memory."""
    array: Any = image.pixels
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    if not isinstance(array, np.memmap) or array.filename is None or not image.pixels.flags.c_contiguous:
        return None
    whole = array.offset == 0 and array.nbytes == image.pixels.nbytes and array.dtype == image.dtype
    return Path(array.filename) if whole else None


def map_raw(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Map the pixels of a raw file for reading: nothing comes into memory until it is looked at."""
    return np.memmap(path, dtype.newbyteorder("<"), "r", 0, shape)


def open_source(path: str | Path, axes: str | None = None) -> Source:
    """Open an image file for reading in parts.

    Parameters
    ----------
    path
        TIFF, OME-TIFF or OME-Zarr (its folder); a picture, or a TIFF of colour pixels, is read as a whole.
    axes
        Axes of the array in the file, for TIFFs that do not tell them.

    Raises
    ------
    FileFormatError, AxesError
        As `read_image`.
    """
    from bioimg_fiji.files import TIFF, read_image

    path = Path(path)
    if path.is_dir():
        return ZarrSource(path)
    if path.suffix.lower() in TIFF and path.is_file():
        import tifffile

        try:
            with tifffile.TiffFile(path) as file:
                colours = "s" in file.series[0].axes.lower()
            if not colours:
                source = TiffSource(path, axes)
                source.image = dataclasses.replace(source.image, title=path.name)
                return source
        except (OSError, ValueError, KeyError, IndexError, SyntaxError) as error:
            raise FileFormatError(
                f"{path} cannot be read: {error}.", fix="Open it in ImageJ and save it as TIFF.", path=str(path)
            ) from error
    return MemorySource(read_image(path, axes), _identity(path, ""))


def _identity(path: Path, text: str) -> str:
    state = path.stat()
    about = f"{path.resolve()}\n{state.st_size}\n{state.st_mtime_ns}\n{text}"
    return hashlib.sha256(about.encode()).hexdigest()
