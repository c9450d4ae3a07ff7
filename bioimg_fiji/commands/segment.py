"""What a run gives where objects are asked for: labels, outlines, a table, instead of the model's first output."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from bioimg_fiji.commands.keys import ObjectKeys
from bioimg_fiji.commands.result import Table
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.package import ModelPackage
    from bioimg_fiji.predict import Prediction

OBJECTS = "objects"
"""Name of the table."""


def asks_for_objects(package: ModelPackage, keys: ObjectKeys) -> bool:
    """Whether a run gives objects instead of the model's first output."""
    return bool(keys.labels or keys.rois or keys.table or package.own.get("labels"))


def with_objects(
    found: Prediction, image: Image, package: ModelPackage, keys: ObjectKeys, job: Job
) -> tuple[dict[str, Image], dict[str, Table]]:
    """Give the images and tables of a run: the model's own, or what `labels`, `rois` and `table` ask for.

    The first output gives way to the objects; the main image is then the label image, else the outlined one. The user
    is told where there are none: an empty label image looks like one that is not seen.

    Raises
    ------
    ParameterError
        When the model's first output is no image, or does not tell which channel has the objects.
    """
    images: dict[str, Image] = dict(found.images)
    tables = {name: Table(values.columns, values.rows) for name, values in found.tables.items()}
    if not asks_for_objects(package, keys):
        return images, tables
    asked = {"labels": keys.labels, "rois": keys.rois, "table": keys.table}
    if not any(asked.values()):
        asked["labels"] = True  # our own packages that segment give objects, not probabilities
    if "output" not in images:
        raise ParameterError(
            f"{package.name} gives no image, so there are no objects.",
            fix="Leave out labels, rois and table.",
            field="labels",
        )
    objects = _objects(images.pop("output"), image, package, keys)
    if not objects.labels.pixels.any():
        job.note(
            f"No objects were found in {image.title or 'the image'}. Lower threshold (it is {keys.threshold:g}) or "
            f"minimum_size (it is {_smallest(package, keys)}), or look whether the model fits the image."
        )
    return _asked(images, tables, objects, asked)


@dataclass(frozen=True)
class _Objects:
    """The objects of an image: numbered, the axes that each extends along, and how sure the model is of them."""

    labels: Image
    axes: str
    image: Image
    confidence: npt.NDArray[Any] | None = None


def _objects(output: Image, image: Image, package: ModelPackage, keys: ObjectKeys) -> _Objects:
    from bioimg_fiji.objects import ObjectRule, label
    from bioimg_fiji.trust.objects import confidence

    tensor = package.outputs[0]
    axes = "zyx" if "z" in tensor.letters and output.size("z") > 1 else "yx"
    channel = tensor.axis("c")
    source = image.with_axes(keys_axes) if (keys_axes := getattr(keys, "axes", None)) else image
    rule = ObjectRule(keys.foreground or "", keys.boundary or "", keys.threshold, _smallest(package, keys))
    names = ("",) if channel is None else channel.channel_names or ("",)
    labels = label(output, names, axes, rule)
    return _Objects(labels, axes, source, confidence(output, names, labels, axes, rule) if keys.table else None)


def _asked(
    images: dict[str, Image], tables: dict[str, Table], objects: _Objects, asked: Mapping[str, bool]
) -> tuple[dict[str, Image], dict[str, Table]]:
    from bioimg_fiji.objects import measure, outlines

    labels, source = objects.labels, objects.image
    shown: dict[str, Image] = {}
    if asked["labels"]:
        shown["labels"] = dataclasses.replace(labels, title=f"{source.name}-labels")
    if asked["rois"]:
        _check_size(labels, source)
        outlined = dataclasses.replace(source, overlay=source.overlay + outlines(labels, source), roi=b"")
        shown["rois"] = dataclasses.replace(outlined, title=f"{source.name}-rois")
    if asked["table"]:
        figures = measure(labels, source, objects.axes, objects.confidence)
        tables = {OBJECTS: Table(figures.columns, figures.rows, figures.units), **tables}
    main: Mapping[str, Image] = {"output": shown.pop(next(iter(shown)))} if shown else {}
    return {**main, **shown, **images}, tables


def _smallest(package: ModelPackage, keys: ObjectKeys) -> int:
    return keys.minimum_size or _told(package)


def _told(package: ModelPackage) -> int:
    """Give the size of the smallest objects as our own packages tell it."""
    own = package.own.get("labels")
    size = own.get("minimum_size") if isinstance(own, Mapping) else None
    return size if type(size) is int and size > 0 else 0


def _check_size(labels: Image, image: Image) -> None:
    if any(labels.size(letter) != image.size(letter) for letter in "yx"):
        raise ParameterError(
            "The model's output has another size than the image: its outlines do not fit on it.",
            fix="Say labels instead of rois.",
            field="rois",
        )
