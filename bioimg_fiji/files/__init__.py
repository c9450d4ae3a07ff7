"""Image files: TIFF as ImageJ writes it, OME-TIFF, OME-Zarr and common pictures <-> Image, whole or by parts.

Lives here: reading and writing of files, with all the metadata that a format can hold. Lives not here: what is done
with an image, and model packages. A file is written whole or not at all: under a temporary name, then renamed. For
parts of large images see `source` and `sink`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import FileFormatError, storage_error
from bioimg_fiji.files import imagej_tiff, ome_tiff, ome_zarr
from bioimg_fiji.files.sink import open_sink, put_in_place
from bioimg_fiji.files.source import ZarrSource
from bioimg_fiji.files.source import open_source as open_source
from bioimg_fiji.image import Image, from_array

TIFF = (".tif", ".tiff")
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp")


def read_image(path: str | Path, axes: str | None = None) -> Image:
    """Read an image file.

    Parameters
    ----------
    path
        TIFF (ImageJ's, OME or plain), OME-Zarr (its folder) or a picture (PNG, JPEG, GIF, BMP).
    axes
        Axes of the array in the file, for files that do not tell them; letters of `bioimg_fiji.image.AXES`.

    Returns
    -------
    Image
        Axes of size one are left out, y and x apart; titled as the file.

    Raises
    ------
    FileFormatError
        When the file is missing, damaged, or of another format.
    AxesError
        When the file does not tell its axes and they were not given.
    """
    path = Path(path)
    if ome_zarr.is_zarr(path):
        return ZarrSource(path).whole()
    if not path.is_file():
        raise FileFormatError(f"There is no image file {path}.", fix="Check the path.", path=str(path))
    return _read(path, path, axes)


def read_opened(file: BinaryIO, name: str) -> Image:
    """Read an image from a file that is open already, and from no other one, whatever its text says.

    Parameters
    ----------
    file
        The file.
    name
        Its name, which tells the format.

    Raises
    ------
    FileFormatError, AxesError
        As `read_image`; also when it is a TIFF with planes in other files.
    """
    return _read(file, Path(name), None)


def _read(given: Path | BinaryIO, path: Path, axes: str | None) -> Image:
    suffix = path.suffix.lower()
    try:
        if suffix in TIFF:
            return _read_tiff(given, path, axes)
        if suffix in PICTURES:
            return _read_picture(given, path, axes)
    except (OSError, ValueError, KeyError, IndexError, SyntaxError) as error:
        raise FileFormatError(
            f"{path} cannot be read: {error}.", fix="Open it in ImageJ and save it as TIFF.", path=str(path)
        ) from error
    raise FileFormatError(
        f"{path} is none of {', '.join(TIFF + PICTURES)}.", fix="Save it as TIFF first.", path=str(path)
    )


def write_image(image: Image, path: str | Path) -> Path:
    """Write an image as ImageJ's TIFF, as OME-TIFF where the name ends with .ome.tif, or as OME-Zarr (.zarr).

    ImageJ's TIFF keeps everything that an `Image` has; OME-TIFF and OME-Zarr keep pixels of any type, axes, scales,
    names, colours and properties.

    Returns
    -------
    Path
        The path written.

    Raises
    ------
    FileFormatError
        When the name asks for another format.
    StorageError
        When the disk is full or the folder cannot be written to; nothing is left behind.
    """
    path = Path(path)
    check_target(path)
    if path.suffix.lower() == ".zarr":
        return _write_zarr(image, path)
    ome = path.name.lower().endswith((".ome.tif", ".ome.tiff"))
    whole(path, lambda part: (ome_tiff if ome else imagej_tiff).write(image, part))
    return path


def whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, force it to the disk and rename it.

    Raises
    ------
    StorageError
        When that fails; neither file is left half-written.
    """
    part: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=f".part{path.suffix}", dir=path.parent)
        os.close(handle)
        part = Path(name)
        write(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)
        part.replace(path)
    except OSError as error:
        raise storage_error("Writing", path, error) from error
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _write_zarr(image: Image, path: Path) -> Path:
    work = Path(tempfile.mkdtemp(prefix=f".{path.stem}-", suffix=".part", dir=path.parent))
    try:
        sink = open_sink(work / "result.zarr", image)
        sink.write(tuple(slice(0, size) for size in image.shape), image.pixels)
        sink.finish()
        put_in_place(sink.path, path, work / "before")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return path


_ALONE = {"_multifile": False, "is_mmstack": False, "is_ndtiff": False}
"""Has tifffile look into no other file: OME-XML and Micro-Manager's formats can name some."""


def _read_tiff(given: Path | BinaryIO, path: Path, axes: str | None) -> Image:
    import tifffile

    alone: dict[str, Any] = {} if isinstance(given, Path) else {"name": path.name} | _ALONE
    with tifffile.TiffFile(given, **alone) as file:
        if alone and file.is_ome and file.series[0].kind != "ome":
            raise FileFormatError(
                f"{path} is an OME-TIFF whose planes are not all in this file.",
                fix="Save it as one file; only that is read here.",
                path=str(path),
            )
        image = tiff_image(file, file.series[0].asarray(), axes)
    return _titled(image, path)


def tiff_image(file: Any, stored: npt.NDArray[Any], axes: str | None) -> Image:
    """Build the image of an open `tifffile.TiffFile` from its first series' array."""
    if axes is not None:
        return from_array(stored, axes)
    if file.is_imagej:
        return imagej_tiff.read(file, stored)
    return ome_tiff.read(file, stored) if file.is_ome else imagej_tiff.read_plain(file, stored)


def _read_picture(given: Path | BinaryIO, path: Path, axes: str | None) -> Image:
    import imageio.v3 as imageio

    array = imageio.imread(given, extension=path.suffix.lower())
    if axes is None and array.ndim == 3 and array.shape[-1] in (3, 4) and array.dtype == np.uint8:
        array = np.moveaxis(array[..., :3], -1, 0)
        if (array[0] == array[1]).all() and (array[1] == array[2]).all():
            return _titled(from_array(array[0]), path)
        return _titled(Image(array, "cyx", rgb=True), path)
    return _titled(from_array(array, axes or ""), path)


def _titled(image: Image, path: Path) -> Image:
    import dataclasses

    return dataclasses.replace(image, title=path.name)


def check_target(path: Path) -> None:
    """Refuse a result path early, before hours of work: wrong kind of file, missing folder, no permission.

    Raises
    ------
    FileFormatError
        When the name asks for a format that is not written.
    StorageError
        When the folder is not there or cannot be written to.
    """
    if path.suffix.lower() not in (*TIFF, ".zarr"):
        raise FileFormatError(
            f"Images are written as .tif, .ome.tif or .ome.zarr, not {path.name}.", fix="Name it .tif."
        )
    check_folder(path)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there (StorageError)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error("Making the folder", folder, error) from error


def check_folder(path: Path) -> None:
    """Refuse a path whose folder is not there or cannot be written to (StorageError)."""
    import errno

    folder = path.absolute().parent
    if not folder.is_dir():
        raise storage_error("Writing", path, FileNotFoundError(errno.ENOENT, "the folder does not exist"))
    if not os.access(folder, os.W_OK):
        raise storage_error("Writing", path, PermissionError(errno.EACCES, "no permission"))
