"""The command that evaluates images: metrics with a truth, and figures without one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bioimg_fiji.commands.keys import axes_key
from bioimg_fiji.commands.parameters import ImageInput, Parameters, key
from bioimg_fiji.commands.registry import MENU, command
from bioimg_fiji.commands.result import Result, Table
from bioimg_fiji.commands.selection import part_of
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.evaluate import Evaluation, Given, Kind, Tables

RESULTS, SUMMARY = "results", "summary"
"""Names of the tables."""

_ONLY_FOR: dict[str, Kind] = {
    "tracks": "labels",
    "truth_tracks": "labels",
    "lower": "intensity",
    "upper": "intensity",
    "data_range": "intensity",
}
"""Keys that nothing but one kind of data uses."""


class Evaluate(Parameters):
    """Parameters of `evaluate`."""

    image: ImageInput | None = key(
        None,
        title="Image",
        help="What is evaluated: a restored image, found labels, or probabilities of a mask.",
        unless=("source",),
        regions_unless=("rois", "source"),
    )
    truth: ImageInput | None = key(
        None, title="Truth", help="What it should be: an image of the same pixels, or the true labels."
    )
    raw: ImageInput | None = key(
        None,
        title="Raw image",
        help="The image before processing. Without a truth it tells whether a result can be trusted.",
    )
    kind: Literal["auto", "intensity", "labels", "probability", "blind"] = key(
        "auto",
        title="Kind of data",
        help="auto looks at the values: labels or masks, probabilities of a mask, else intensities; blind compares "
        "with the raw image alone.",
    )
    metrics: str = key(
        "auto",
        title="Metrics",
        help="auto takes all that suit the data; or names with spaces between, for example psnr ssim, or ap pq.",
    )
    roi: Literal["selection", "regions", "whole"] = key(
        "selection",
        title="Where",
        help="selection measures inside the image's selection, where it has one, and without a truth inside its "
        "bounding rectangle; regions measures each area of the overlay or of the ROI Manager by itself; whole measures "
        "all.",
    )
    rois: Path | None = key(
        None,
        title="Regions",
        widget="file",
        expert=True,
        help="A file of regions that the ROI Manager has saved (RoiSet.zip), for roi=regions.",
    )
    data_range: float | None = key(
        None,
        gt=0,
        title="Range",
        expert=True,
        help="What PSNR, SSIM and NRMSE are relative to; empty takes largest minus smallest of each channel's truth.",
    )
    lower: ImageInput | None = key(
        None, title="Lower bound", expert=True, help="Of an interval for each pixel: for coverage and AUSE."
    )
    upper: ImageInput | None = key(None, title="Upper bound", expert=True, help="The other bound of the interval.")
    tracks: Path | None = key(
        None,
        title="Tracks",
        widget="file",
        expert=True,
        help="Parents of the tracks in a label movie, as res_track.txt of the Cell Tracking Challenge, for TRA.",
    )
    truth_tracks: Path | None = key(
        None, title="True tracks", widget="file", expert=True, help="The same of the truth: man_track.txt."
    )
    source: Path | None = key(
        None,
        title="Images of",
        widget="path",
        help="A folder, or a list with a path on each line (the truth's behind a tab), instead of the image: each "
        "has a row of the table.",
    )
    truth_source: Path | None = key(
        None, title="Truths of", widget="path", help="A folder with a truth for each of these images, of its name."
    )
    raw_source: Path | None = key(
        None,
        title="Raw images of",
        widget="path",
        expert=True,
        help="A folder with the images before processing, of the same names.",
    )
    pattern: str = key(
        "*.tif *.tiff",
        title="Files",
        expert=True,
        help="Names of the files in folders, * for anything; several with spaces between.",
    )
    axes: str | None = axes_key()


@command(id="evaluate", title="BioImg Evaluate...", menu=MENU, batch_with=("source",))
def evaluate(parameters: Evaluate, job: Job) -> Result:
    """Compare an image with the truth, or without one with the raw image, by the metrics that suit the data."""
    if parameters.source is not None:
        from bioimg_fiji.commands.evaluate_many import evaluate_many

        return evaluate_many(parameters, parameters.source, measured, job)
    if parameters.image is None or parameters.truth_source or parameters.raw_source:
        missing = "image" if parameters.image is None else "source"
        raise ParameterError.of(missing, "what is evaluated", "", fix="Give image=..., or a folder with source=...")
    return _result(*measured(parameters, job))


def measured(parameters: Evaluate, job: Job, kind: Kind | None = None) -> tuple[Evaluation, Kind]:
    """Evaluate one image; give what was found, and the kind of data.

    With kind=auto it is that of the images before, where there are any: all rows have the same metrics.
    """
    from bioimg_fiji.evaluate import Asked, kind_of
    from bioimg_fiji.evaluate import evaluate as measure

    images = _images(parameters)
    if kind is None:
        kind = kind_of(images["image"], images.get("truth")) if parameters.kind == "auto" else parameters.kind
    _check(parameters, kind)
    given = _given(parameters, images, kind, job)
    asked = Asked(kind, _names(parameters.metrics), _tables(parameters), divide=parameters.kind == "auto")
    return measure(given, asked, lambda done, planes: job.progress("Measuring", done, planes)), kind


def _images(parameters: Evaluate) -> dict[str, Image]:
    """Give the images that are given, by their keys, with the axes that are told."""
    named = {name: getattr(parameters, name) for name in ("image", "truth", "raw", "lower", "upper")}
    images: dict[str, Image] = {name: image for name, image in named.items() if image is not None}
    if ("lower" in images) != ("upper" in images):
        missing = "upper" if "lower" in images else "lower"
        raise ParameterError.of(missing, "an image, as an interval has two bounds", "", fix=f"Add {missing}=...")
    if not {"truth", "raw"} & set(images):
        raise ParameterError(
            "There is nothing to compare the image with.",
            fix="Give truth=..., or raw=... (the image before processing) where no truth is known.",
            field="truth",
            expected="an image",
            got="",
        )
    axes = parameters.axes
    return {name: image.with_axes(axes) for name, image in images.items()} if axes else images


def _check(parameters: Evaluate, kind: Kind) -> None:
    """Refuse what would have no effect."""
    for name, needed in _ONLY_FOR.items():
        value = getattr(parameters, name)
        if value is not None and kind != needed:
            raise ParameterError.of(
                name,
                f"left out for kind={kind}, since only kind={needed} uses it",
                value.title if isinstance(value, Image) else str(value),
                fix=f"Leave out {name}, or say kind={needed} where the data are that.",
            )


def _given(parameters: Evaluate, images: dict[str, Image], kind: Kind, job: Job) -> Given:
    """Give what is measured: in physical values, where the data are no labels, and within the selection or regions."""
    from bioimg_fiji.evaluate import Given

    image = images["image"]
    regions, part = None, None
    if parameters.roi == "regions":
        regions = _regions(parameters, image, kind)
    elif parameters.roi == "selection":
        part = part_of(image, "place", job.note)
    if kind != "labels":
        images = {name: each.physical() for name, each in images.items()}
    if kind == "blind" and part is not None:  # NB: its figures need neighbours and whole rows
        if not part.inside.all():
            job.note(f"Without a truth all of the selection's bounding rectangle is measured ({image.title}).")
        images, part = {name: part.of(each) for name, each in images.items()}, None
    others = {name: each for name, each in images.items() if name != "image"}
    return Given(images["image"], others, regions, None if part is None else part.mask, parameters.data_range)


def _regions(parameters: Evaluate, image: Image, kind: Kind) -> Image:
    from bioimg_fiji.drawn import labels_of, regions_of

    if kind == "blind":
        raise ParameterError.of(
            "roi", "selection or whole where there is no truth", "regions", fix="Select one region, or give truth=..."
        )
    overlay = regions_of(parameters.rois) if parameters.rois else image.overlay
    return labels_of(dataclasses.replace(image, overlay=overlay))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.replace(",", " ").lower().split()))
    return () if names in ((), ("auto",)) else names


def _tables(parameters: Evaluate) -> Tables:
    from bioimg_fiji.evaluate import Tables
    from bioimg_fiji.evaluate.parents import read_parents

    read = [None if path is None else read_parents(path) for path in (parameters.tracks, parameters.truth_tracks)]
    return Tables(*read)


def _result(found: Evaluation, kind: Kind) -> Result:
    """Give the table of rows and, where it tells more, that of the figures."""
    figures = {name: value for name, value in found.figures.items() if value is not None}
    tables = {RESULTS: Table(found.columns, found.rows, found.units)}
    if len(found.rows) > 1 or set(figures) - set(found.columns):
        rows = tuple((name, value, found.figure_units.get(name, "")) for name, value in figures.items())
        tables[SUMMARY] = Table(("metric", "value", "unit"), rows)
    return Result(tables=tables, figures={"kind": kind, "rows": len(found.rows), **figures}, notes=found.notes)
