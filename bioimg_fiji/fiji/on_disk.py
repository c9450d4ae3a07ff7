"""Virtual stacks of an ImageJ in this process: their pixels go to a file plane by plane, and large results stay in one.

Lives here: the files of one run. Lives not here: running a model by parts (commands.in_parts), and the files of results
that ImageJ shows, which are its own (the plugin's `ShownFiles`).
"""

from __future__ import annotations

import dataclasses
import json
import math
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from bioimg_fiji.commands import Result
from bioimg_fiji.errors import storage_error
from bioimg_fiji.fiji.convert import describe, fetch, imagej_order, plane_shape, to_image, to_imageplus
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.files.source import map_raw, raw_file
from bioimg_fiji.files.space import check_space, in_cache
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.server.buffers import Room, disk_root
from bioimg_fiji.server.results import accepted_on_disk

_SHOWN = "io.github.bioimgfiji.results.ShownFiles"
_IMAGEJ = ["uint8", "uint16", "int16", "float32"]
_BLOCK = 1 << 25
"""Bytes of a virtual stack that are held at once, or one plane."""

Tell = Callable[[str, int, int], None]


class Disk:
    """The files of one run; there are none unless an image is a virtual stack.

    Parameters
    ----------
    tell
        Gets message, current and maximum while pixels are copied; may raise JobCancelledError.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._room: Room | None = None
        self._count = 0
        self._lock = threading.Lock()
        self._users = 0

    def __enter__(self) -> Self:
        """Keep the files until the last of those who have entered leaves: work may go on when its caller is gone."""
        with self._lock:
            self._users += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._room is not None:
                self._room.close()

    @property
    def folder(self) -> Path | None:
        """Where the run may leave files; None where all is in memory."""
        return None if self._room is None else self._room.folder

    def image(self, imp: Any) -> Image:
        """Copy an ImagePlus: into memory, or a virtual stack into a file that the pixels are mapped from.

        Raises
        ------
        ImageError
            As `to_image`.
        StorageError
            When the disk has not enough room: before the first plane.
        """
        if not imp.getStack().isVirtual():
            return to_image(imp)
        if self._room is None:
            self._room = Room(disk_root())
        self._count += 1
        path = self._room.folder / f"image-{self._count}.raw"
        header = describe(imp)
        size = math.prod(header["shape"]) * np.dtype(header["dtype"]).itemsize
        check_space("The image", self._room.folder, size)
        self._copy(imp.getStack(), path, header)
        return Image.from_header(header, map_raw(path, tuple(header["shape"]), np.dtype(header["dtype"])))

    def _copy(self, stack: Any, path: Path, header: dict[str, Any]) -> None:
        shape, dtype, count = plane_shape(header), np.dtype(header["dtype"]), int(stack.getSize())
        many = max(1, _BLOCK // (math.prod(shape) * dtype.itemsize))
        try:
            with path.open("xb") as file:
                for first in range(0, count, many):
                    self._tell(f"Reading {header['title']}", first, count)
                    planes = np.empty((min(many, count - first), *shape), dtype)
                    fetch(stack, first, planes)
                    file.write(planes.astype(dtype.newbyteorder("<"), copy=False).data)
        except OSError as error:
            raise in_cache(storage_error("Writing pixels to", path.parent, error), path) from error

    def convert(self, result: Result, job: Job) -> Result:
        """Give the images that lie in files the pixel types of ImageJ, file to file."""
        if self._room is None:
            return result
        images = {name: accepted_on_disk(name, image, _IMAGEJ, job) for name, image in result.images.items()}
        return dataclasses.replace(result, images=images)

    def show(self, image: Image) -> tuple[Image, Any]:
        """Give a result's image as Python keeps it, and its ImagePlus: a virtual stack over a large file."""
        import jpype

        file = raw_file(image)
        ours = file is not None and self.folder is not None and file.is_relative_to(self.folder)
        if not ours or image.axes != imagej_order(image):
            return image, to_imageplus(image)
        if image.pixels.nbytes <= int(jclass(_SHOWN).largestInMemory()):
            image = image.with_pixels(np.array(image.pixels))
            return image, to_imageplus(image)
        try:
            path = jclass(_SHOWN).take(jclass("java.nio.file.Paths").get(str(file)))
        except jpype.JException:  # Windows keeps a file in its place that is mapped
            return image, to_imageplus(image)
        imp = jclass(_SHOWN).image(json.dumps(image.header()), path)
        return image.with_pixels(map_raw(Path(str(path)), image.shape, image.dtype)), imp
