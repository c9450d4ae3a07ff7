"""What a run gives where objects are asked for: labels, outlines, a table, instead of the model's first output."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bioimg_fiji.commands.keys import ObjectKeys
from bioimg_fiji.commands.result import Table
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.image import Image

if TYPE_CHECKING:
    from bioimg_fiji.package import ModelPackage
    from bioimg_fiji.predict import Prediction

OBJECTS = "objects"
"""Name of the table."""


def with_objects(
    found: Prediction, image: Image, package: ModelPackage, keys: ObjectKeys
) -> tuple[dict[str, Image], dict[str, Table]]:
    """Give the images and tables of a run: the model's own, or what `labels`, `rois` and `table` ask for.

    The first output gives way to the objects; the main image is then the label image, else the outlined one.

    Raises
    ------
    ParameterError
        When the model's first output is no image, or does not tell which channel has the objects.
    """
    images: dict[str, Image] = dict(found.images)
    tables = {name: Table(values.columns, values.rows) for name, values in found.tables.items()}
    asked = {"labels": keys.labels, "rois": keys.rois, "table": keys.table}
    if not any(asked.values()):
        if not package.own.get("labels"):
            return images, tables
        asked["labels"] = True  # our own packages that segment give objects, not probabilities
    if "output" not in images:
        raise ParameterError(
            f"{package.name} gives no image, so there are no objects.",
            fix="Leave out labels, rois and table.",
            field="labels",
        )
    return _asked(images, tables, image, package, keys, asked)


def _asked(
    images: dict[str, Image],
    tables: dict[str, Table],
    image: Image,
    package: ModelPackage,
    keys: ObjectKeys,
    asked: Mapping[str, bool],
) -> tuple[dict[str, Image], dict[str, Table]]:
    from bioimg_fiji.objects import ObjectRule, label, measure, outlines

    tensor = package.outputs[0]
    axes = "zyx" if "z" in tensor.letters and images["output"].size("z") > 1 else "yx"
    channel = tensor.axis("c")
    source = image.with_axes(keys_axes) if (keys_axes := getattr(keys, "axes", None)) else image
    rule = ObjectRule(keys.foreground or "", keys.boundary or "", keys.threshold, keys.minimum_size or _told(package))
    names = ("",) if channel is None else channel.channel_names or ("",)
    labels = label(images.pop("output"), names, axes, rule)
    shown: dict[str, Image] = {}
    if asked["labels"]:
        shown["labels"] = dataclasses.replace(labels, title=f"{image.name}-labels")
    if asked["rois"]:
        _check_size(labels, source)
        outlined = dataclasses.replace(source, overlay=source.overlay + outlines(labels, source), roi=b"")
        shown["rois"] = dataclasses.replace(outlined, title=f"{image.name}-rois")
    if asked["table"]:
        figures = measure(labels, source, axes)
        tables = {OBJECTS: Table(figures.columns, figures.rows, figures.units), **tables}
    main: Mapping[str, Image] = {"output": shown.pop(next(iter(shown)))} if shown else {}
    return {**main, **shown, **images}, tables


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
