"""Images that are written in parts, as OME-Zarr 0.5 or as OME-TIFF.

Each part is on its way to the disk when `write` returns, and a program that is killed then leaves a file that another
can go on with (`open_sink`). Parts may overlap pieces of the file: a piece of a Zarr is replaced whole, by renaming.
"""

from __future__ import annotations

import abc
import contextlib
import itertools
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji.errors import FileFormatError, storage_error
from bioimg_fiji.files import ome_tiff, ome_zarr
from bioimg_fiji.files.source import Array, Place, phantom
from bioimg_fiji.files.space import check_space, in_cache, reserve
from bioimg_fiji.image import Image

CHUNK = 512
"""Side of the pieces of an OME-Zarr, pixels."""

SMALLEST_LEVEL = 1024
"""An OME-Zarr has further resolutions until y and x are at most this long."""

RAW = ".raw"

TIFF_NAMES = (".ome.tif", ".ome.tiff", ".ome.btf")


class Sink(abc.ABC):
    """A file that is being filled.

    Parameters
    ----------
    path
        The file, or the folder of an OME-Zarr.
    image
        What it will hold: shape, dtype and metadata count, not the pixels.
    """

    def __init__(self, path: Path, image: Image) -> None:
        self.path, self.image = path, image

    @abc.abstractmethod
    def write(self, place: Place, part: Array) -> None:
        """Write a part of the pixels, with all axes of the image.

        Raises
        ------
        StorageError
            When the disk is full.
        """

    def finish(self) -> None:  # noqa: B027 - a TIFF is whole with its last pixel
        """Do what remains when all parts are written."""


class TiffSink(Sink):
    """An OME-TIFF without compression, above 4 GB a BigTIFF."""

    def __init__(self, path: Path, image: Image) -> None:
        super().__init__(path, image)
        import tifffile

        self._shape = ome_tiff.arranged(phantom(image.shape, np.dtype(np.uint8)), image).shape
        self._dtype = np.dtype(np.uint8) if image.dtype == np.bool_ else image.dtype
        try:
            if not path.exists():
                self._create()
            with tifffile.TiffFile(path) as file:
                self._offset = int(file.series[0].dataoffset or 0)
        except OSError as error:
            raise storage_error("Writing", path, error) from error

    def _create(self) -> None:
        import tifffile

        large = math.prod(self._shape) * self._dtype.itemsize > 4e9
        begun = self.path.with_name(f"{self.path.name}.begun")
        mapped = tifffile.memmap(
            begun, shape=self._shape, dtype=self._dtype, bigtiff=large, **ome_tiff.described(self.image)
        )
        del mapped
        reserve(begun, begun.stat().st_size)
        begun.replace(self.path)

    def write(self, place: Place, part: Array) -> None:
        """Write a part."""
        asked = dict(zip(self.image.axes, place, strict=True))
        target = tuple(asked.get(letter, slice(0, 1)) for letter in ome_tiff.ORDER)
        try:
            mapped = np.memmap(self.path, self._dtype, "r+", self._offset, self._shape)
            mapped[target] = ome_tiff.arranged(part, self.image)
            mapped.flush()
        except OSError as error:
            raise storage_error("Writing", self.path, error) from error


class RawSink(Sink):
    """The pixels alone, in C order and little-endian; false and true are 0 and 255. Its place is reserved first."""

    def __init__(self, path: Path, image: Image) -> None:
        if image.dtype == np.bool_:
            image = image.with_pixels(phantom(image.shape, np.dtype(np.uint8)))
        super().__init__(path, image)
        try:
            if not path.exists():
                check_space("The result", path.parent, image.pixels.nbytes)
            path.touch(mode=0o600)
            reserve(path, image.pixels.nbytes)
        except OSError as error:
            raise in_cache(storage_error("Writing", path, error), path) from error

    def write(self, place: Place, part: Array) -> None:
        """Write a part."""
        try:
            mapped = np.memmap(self.path, self.image.dtype.newbyteorder("<"), "r+", 0, self.image.shape)
            mapped[place] = _stored(part)
        except OSError as error:
            raise storage_error("Writing", self.path, error) from error


class ZarrSink(Sink):
    """An OME-Zarr 0.5 with a pyramid of resolutions. False and true are 0 and 255, as in ImageJ and in our TIFFs."""

    def __init__(self, path: Path, image: Image) -> None:
        if image.dtype == np.bool_:
            image = image.with_pixels(phantom(image.shape, np.dtype(np.uint8)))
        super().__init__(path, image)
        import zarr

        self._mean = image.dtype.kind == "f"
        try:
            if not (path / "0" / "zarr.json").is_file():
                group = zarr.open_group(path, mode="w", zarr_format=3)
                group.attrs.update(ome_zarr.attributes(image, 1, self._mean))
                self._make(group, 0)
            self._group = zarr.open_group(path, mode="r+")
            self._array: Any = self._group["0"]
        except OSError as error:
            raise storage_error("Writing", path, error) from error

    def write(self, place: Place, part: Array) -> None:
        """Write a part."""
        try:
            self._array[place] = _stored(part)
        except OSError as error:
            raise storage_error("Writing", self.path, error) from error

    def finish(self) -> None:
        """Write the further resolutions, and remove what killed programs have left."""
        try:
            levels = self._levels()
            for level in range(1, levels):
                self._shrink(self._group[str(level - 1)], self._make(self._group, level))
            self._group.attrs.update(ome_zarr.attributes(self.image, levels, self._mean))
            for left in self.path.rglob("*.partial"):
                left.unlink()
        except OSError as error:
            raise storage_error("Writing", self.path, error) from error

    def _levels(self) -> int:
        largest, levels = max(self.image.size("y"), self.image.size("x")), 1
        while largest > SMALLEST_LEVEL:
            largest, levels = -(-largest // 2), levels + 1
        return levels

    def _make(self, group: Any, level: int) -> Any:
        shape = [
            -(-size // 2**level) if letter in "yx" else size
            for letter, size in zip(self.image.axes, self.image.shape, strict=True)
        ]
        chunks = [
            min(CHUNK, size) if letter in "yx" else 1 for letter, size in zip(self.image.axes, shape, strict=True)
        ]
        return group.create_array(
            str(level),
            shape=shape,
            chunks=chunks,
            dtype=self.image.dtype,
            dimension_names=list(self.image.axes),
            overwrite=True,
        )

    def _shrink(self, fine: Any, coarse: Any) -> None:
        """Fill an array with every second pixel, or the mean of four, of the finer one."""
        starts = (range(0, size, chunk) for size, chunk in zip(coarse.shape, coarse.chunks, strict=True))
        for corner in itertools.product(*starts):
            target, taken = [], []
            for letter, start, size, chunk in zip(self.image.axes, corner, coarse.shape, coarse.chunks, strict=True):
                stop, factor = min(start + chunk, size), 2 if letter in "yx" else 1
                target.append(slice(start, stop))
                taken.append(slice(start * factor, stop * factor))  # beyond the border, there is no more to take
            coarse[tuple(target)] = self._halved(np.asarray(fine[tuple(taken)]))

    def _halved(self, part: Array) -> Array:
        for place in (self.image.axes.index("y"), self.image.axes.index("x")):
            before = (slice(None),) * place
            first, second = part[(*before, slice(0, None, 2))], part[(*before, slice(1, None, 2))]
            if self._mean:  # at an odd border, the last pixel stands for two
                pairs = (*before, slice(0, second.shape[place]))
                first = first.copy()
                first[pairs] = (first[pairs] + second) / 2
            part = first
        return part


def _stored(part: Array) -> Array:
    return part.astype(np.uint8) * np.uint8(255) if part.dtype == np.bool_ else part


def open_sink(path: Path, image: Image) -> Sink:
    """Begin a file for an image, or go on with one that was begun for it. A name that ends with `RAW` has pixels alone.

    Raises
    ------
    FileFormatError
        When the name asks for another format.
    StorageError
        When it cannot be written.
    """
    if path.suffix.lower() == RAW:
        return RawSink(path, image)
    check_sink(path)
    return ZarrSink(path, image) if path.suffix.lower() == ".zarr" else TiffSink(path, image)


def check_sink(path: Path) -> None:
    """Refuse a name of a format that is not written in parts (FileFormatError)."""
    if path.suffix.lower() != ".zarr" and not path.name.lower().endswith(TIFF_NAMES):
        raise FileFormatError(
            f"Large images are written as .ome.zarr or .ome.tif, not {path.name}.", fix="Name it .ome.zarr."
        )


def put_in_place(part: Path, target: Path, aside: Path) -> None:
    """Rename a finished file or folder; one that has the name already is removed after that.

    Raises
    ------
    StorageError
        When that fails; what was there before is there again.
    """
    try:
        if target.is_dir():
            target.rename(aside)
        try:
            part.replace(target)
        except OSError:
            if aside.exists():
                with contextlib.suppress(OSError):
                    aside.rename(target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise storage_error("Writing", target, error) from error
