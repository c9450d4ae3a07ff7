"""Running a model on an image that lies on the disk: by windows where that can be, else in memory if there is enough.

Lives here: which of both it is, and what to say where neither can be. Lives not here: how windows are read, computed
and written (predict.large).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bioimg_fiji.commands.result import Result
from bioimg_fiji.commands.segment import asks_for_objects
from bioimg_fiji.errors import ImageError
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.commands.builtin import RunModel
    from bioimg_fiji.commands.fit import Checked
    from bioimg_fiji.commands.selection import Part
    from bioimg_fiji.files.source import RawSource
    from bioimg_fiji.image import Image
    from bioimg_fiji.package import ModelPackage

RESULT_BYTES = 8
"""Bytes that a run in memory takes per pixel beside the image: the result as float32, and its parts put together."""

CONFIDENCE_BYTES = 28
"""Bytes more with a confidence: a member's result and its parts, two sums, three images of bounds."""


@dataclass(frozen=True)
class Obstacle:
    """Why a run needs its images as a whole, as the end of a sentence, and what the user may do instead."""

    reason: str
    fix: str


def on_disk(image: Image, job: Job) -> RawSource | None:
    """Give the image as a file to be read by parts; None where its pixels, or results, have no place on the disk."""
    from bioimg_fiji.files.source import RawSource, raw_file

    path = raw_file(image)
    return None if path is None or job.scratch is None else RawSource(image, path)


def obstacle(parameters: RunModel, package: ModelPackage, part: Part | None) -> Obstacle | None:
    """Tell why a run cannot go by windows; None where it can."""
    from bioimg_fiji.predict import needs_memory

    planes = "Run it on some of the planes: Image > Duplicate... with a range."
    if parameters.image2 is not None or parameters.image3 is not None:
        return Obstacle("a model of several images takes them as a whole", planes)
    if asks_for_objects(package, parameters) or needs_memory(package):
        return Obstacle("objects and tables are made from the whole image", planes)
    if part is not None and parameters.selection == "place":
        fix = "Say selection=ignore for the whole image, or selection=crop for what is selected alone."
        return Obstacle("a result is put into a copy of the whole image (selection=place)", fix)
    if part is not None:
        return Obstacle("a selection (selection=crop) is processed as a whole", f"Select less. {planes}")
    return None


def check_memory(parameters: RunModel, part: Part | None, obstacle: Obstacle) -> None:
    """Refuse a run in memory that would not fit there, before anything is loaded.

    Raises
    ------
    ImageError
        Naming what is needed, what is free, why the whole is needed, and what to do.
    """
    from bioimg_fiji.runtime.memory import free_memory

    images = [image for image in (parameters.image, parameters.image2, parameters.image3) if image is not None]
    pixels, needed = parameters.image.pixels.size, sum(image.pixels.nbytes for image in images)
    if part is not None and parameters.selection == "crop":
        share = math.prod(part.inside.shape) / part.mask.size
        pixels, needed = math.ceil(pixels * share), math.ceil(needed * share)
    per_pixel = RESULT_BYTES + (0 if parameters.confidence is None else CONFIDENCE_BYTES)
    needed, free = needed + per_pixel * pixels, free_memory("cpu")
    if needed > free:
        raise ImageError(
            f"{parameters.image.title} is too large for this run: {obstacle.reason}, which takes about "
            f"{needed / 2**30:.3g} GiB of memory, and {free / 2**30:.3g} GiB are free.",
            fix=obstacle.fix,
            needed=needed,
            free=free,
        )


def run(source: RawSource, check: Checked, job: Job) -> Result:
    """Run a model by windows; the result's images, bounds too, are mapped from files in the job's folder.

    Raises
    ------
    As `predict_source`.
    """
    from bioimg_fiji.predict import predict_source
    from bioimg_fiji.trust.intervals import predict_source_with

    assert job.scratch is not None
    with source:
        check.before_parts(source)
        if check.confidence is None:
            found = predict_source(source, job.scratch, check.package, check.options, job)
        else:
            found = predict_source_with(source, job.scratch, check.confidence, check.options, job)
        fit = check.after_parts(source, found.images.get("output"), found.report["tiles"])
    return Result(images=found.images, figures={**found.report, **fit.figures}, tables=fit.tables)
