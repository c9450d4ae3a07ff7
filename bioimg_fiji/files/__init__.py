"""Image files: TIFF as ImageJ writes it, OME-TIFF and common pictures <-> Image.

Lives here: reading and writing of files, with all the metadata that a format can hold. Lives not here: what is done
with an image, and model packages. A file is written whole or not at all: under a temporary name, then renamed.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bioimg_fiji.errors import FileFormatError, storage_error
from bioimg_fiji.files import imagej_tiff, ome_tiff
from bioimg_fiji.image import Image, from_array

TIFF = (".tif", ".tiff")
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp")


def read_image(path: str | Path, axes: str | None = None) -> Image:
    """Read an image file.

    Parameters
    ----------
    path
        TIFF (ImageJ's, OME or plain) or a picture (PNG, JPEG, GIF, BMP).
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
    if not path.is_file():
        raise FileFormatError(f"There is no image file {path}.", fix="Check the path.", path=str(path))
    suffix = path.suffix.lower()
    try:
        if suffix in TIFF:
            return _read_tiff(path, axes)
        if suffix in PICTURES:
            return _read_picture(path, axes)
    except (OSError, ValueError, KeyError, IndexError, SyntaxError) as error:
        raise FileFormatError(
            f"{path} cannot be read: {error}.", fix="Open it in ImageJ and save it as TIFF.", path=str(path)
        ) from error
    raise FileFormatError(
        f"{path} is none of {', '.join(TIFF + PICTURES)}.", fix="Save it as TIFF first.", path=str(path)
    )


def write_image(image: Image, path: str | Path) -> Path:
    """Write an image as ImageJ's TIFF, or as OME-TIFF where the name ends with .ome.tif or .ome.tiff.

    ImageJ's TIFF keeps everything that an `Image` has; OME-TIFF keeps pixels of any type, axes, scales, names and
    colours.

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


def _read_tiff(path: Path, axes: str | None) -> Image:
    import tifffile

    with tifffile.TiffFile(path) as file:
        if axes is not None:
            image = from_array(file.series[0].asarray(), axes)
        elif file.is_imagej:
            image = imagej_tiff.read(file)
        elif file.is_ome:
            image = ome_tiff.read(file)
        else:
            image = imagej_tiff.read_plain(file)
    return _titled(image, path)


def _read_picture(path: Path, axes: str | None) -> Image:
    import imageio.v3 as imageio

    array = imageio.imread(path)
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
    if path.suffix.lower() not in TIFF:
        raise FileFormatError(f"Images are written as .tif or .ome.tif, not {path.name}.", fix="Name it .tif.")
    check_folder(path)


def check_folder(path: Path) -> None:
    """Refuse a path whose folder is not there or cannot be written to (StorageError)."""
    import errno

    folder = path.absolute().parent
    if not folder.is_dir():
        raise storage_error("Writing", path, FileNotFoundError(errno.ENOENT, "the folder does not exist"))
    if not os.access(folder, os.W_OK):
        raise storage_error("Writing", path, PermissionError(errno.EACCES, "no permission"))
