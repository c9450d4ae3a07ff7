"""A command's result on its way to the client: its images as files that the server hands on."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji.commands import Result
from bioimg_fiji.errors import ImageError, storage_error
from bioimg_fiji.files.sink import RawSink
from bioimg_fiji.files.source import map_raw, phantom, raw_file
from bioimg_fiji.image import Image, imagej_pixels
from bioimg_fiji.jobs import Job
from bioimg_fiji.server.wire import plain, write_pixels


def store(result: Result, accept: list[str] | None, folder: Path, job: str, *, checked: bool = True) -> dict[str, Any]:
    """Write the result's images to files `<job>.<n>` in the folder, all or none, and give the result as JSON.

    `checked` tells whether their CRC-32 is wanted.

    Raises
    ------
    StorageError
        When the disk is full.
    ImageError
        When the client can show none of the pixel types that would hold an image.
    """

    def put(name: str, given: Image, target: Path) -> dict[str, Any]:
        image = _accepted(name, given, accept)
        crc = write_pixels(target, image.pixels, create=True, checked=checked)
        return _told(image, target, crc, on_disk=False)

    return _stored(result, folder, job, put)


def store_on_disk(result: Result, accept: list[str] | None, folder: Path, id_: str, job: Job) -> dict[str, Any]:
    """Do the same in the folder on the disk; images that lie in files there already are only renamed.

    Raises
    ------
    As `store`, and JobCancelledError when the user asks to stop while pixels are converted.
    """

    def put(name: str, given: Image, target: Path) -> dict[str, Any]:
        image = accepted_on_disk(name, given, accept, job)
        file, crc = raw_file(image), None
        if file is not None and job.scratch is not None and file.is_relative_to(job.scratch):
            _move(file, target, image)
        else:
            crc = write_pixels(target, image.pixels, create=True)
        return _told(image, target, crc, on_disk=True)

    return _stored(result, folder, id_, put)


def _stored(
    result: Result, folder: Path, job: str, put: Callable[[str, Image, Path], dict[str, Any]]
) -> dict[str, Any]:
    with _all_or_none(folder, job):
        images = {
            name: put(name, image, folder / f"{job}.{number}")
            for number, (name, image) in enumerate(result.images.items())
        }
    return {"images": images, **plain(result.to_json())}


@contextlib.contextmanager
def scratch(folder: Path, job: str) -> Iterator[Path]:
    """Give a folder of a job's own in the one on the disk; it is removed at the end, by the server where this dies."""
    own = folder / f"{job}.work"
    try:
        own.mkdir(mode=0o700)
    except OSError as error:
        raise storage_error("Making a folder in", folder, error) from error
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


@contextlib.contextmanager
def _all_or_none(folder: Path, job: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for path in folder.glob(f"{job}.[0-9]*"):
            path.unlink(missing_ok=True)
        raise


def _move(file: Path, target: Path, image: Image) -> None:
    try:
        file.replace(target)
    except OSError:  # Windows keeps a file in its place that is mapped
        write_pixels(target, image.pixels, create=True)


def _told(image: Image, file: Path, crc: int | None, *, on_disk: bool) -> dict[str, Any]:
    return {"header": _header(image), "file": file.name, "size": image.pixels.nbytes, "crc": crc, "on_disk": on_disk}


def _header(image: Image) -> dict[str, Any]:
    """Give the header as JSON has it; a display range with NaN is none."""
    header: dict[str, Any] = plain(image.header())
    for channel in header["channels"]:
        if channel["display"] is not None and None in channel["display"]:
            channel["display"] = None
    return header


def _accepted(name: str, image: Image, accept: list[str] | None) -> Image:
    if accept is None or image.dtype.name in accept:
        return image
    image = imagej_pixels(image)
    if image.dtype.name not in accept:
        raise ImageError(
            f"The result {name!r} has pixels of type {image.dtype}, which this program cannot show.",
            fix=f"It shows {', '.join(accept)}.",
        )
    return image


def accepted_on_disk(name: str, image: Image, accept: list[str] | None, job: Job) -> Image:
    """Convert the pixels of an image in a file plane by plane, as `imagej_pixels` does those of one in memory.

    Parameters
    ----------
    name
        What the result calls it; names the new file in the job's scratch folder.
    image
        The image; one that is in memory is converted there.
    accept
        Pixel types that may stay as they are; None: all.
    job
        Is told the progress, and may be cancelled.

    Raises
    ------
    ImageError
        When none of these types holds the values.
    """
    if accept is None or image.dtype.name in accept or raw_file(image) is None or job.scratch is None:
        return _accepted(name, image, accept)
    kind = _accepted(name, _extremes(image, job), accept)
    whole = image.with_pixels(phantom(image.shape, kind.dtype))
    whole = dataclasses.replace(whole, channels=kind.channels, intensity=kind.intensity)
    sink = RawSink(job.scratch / f"{name}-shown.raw", whole)
    for place in _planes(image, job, "Converting"):
        plane = Image(image.pixels[place][(np.newaxis,) * len(place)], image.axes, intensity=image.intensity)
        plane = plane.with_pixels(plane.pixels.astype(kind.dtype))
        where = (*(slice(each, each + 1) for each in place), slice(0, image.shape[-2]), slice(0, image.shape[-1]))
        sink.write(where, (plane.physical() if kind.dtype.kind == "f" else plane).pixels)
    return whole.with_pixels(map_raw(sink.path, image.shape, kind.dtype))


def _extremes(image: Image, job: Job) -> Image:
    """Give an image of two pixels a channel, the lowest and the highest value: their type is that of all."""
    ends = [(image.pixels[place].min(), image.pixels[place].max()) for place in _planes(image, job, "Converting")]
    values = np.array([min(low for low, _ in ends), max(high for _, high in ends)], image.dtype)
    shape = [n if a == "c" else 1 for a, n in zip(image.axes, image.shape, strict=True)]
    return image.with_pixels(np.broadcast_to(values, (*shape[:-1], 2)))


def _planes(image: Image, job: Job, message: str) -> Iterator[tuple[int, ...]]:
    """Give the index of each plane, reporting it."""
    total = math.prod(image.shape[:-2])
    for number, place in enumerate(np.ndindex(image.shape[:-2])):
        job.progress(message, number, total)
        yield place
