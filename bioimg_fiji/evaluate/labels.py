"""Evaluation of labels: objects of each frame, and tracks of movies."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji import metrics
from bioimg_fiji.errors import ImageError
from bioimg_fiji.evaluate.kinds import is_mask, objects_of
from bioimg_fiji.evaluate.rows import Evaluation, Rows, Tell
from bioimg_fiji.evaluate.samples import Given, Sample, samples
from bioimg_fiji.metrics.matching import as_labels

OVERLAPS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Intersections over union at which the average precision is told."""

_PAIR = ("truth", "image")

Labels = NDArray[Any]
Parents = Mapping[int, int]
Movie = tuple[list[Labels], list[Labels]]


@dataclass(frozen=True)
class Tables:
    """Mothers of daughters (`metrics.tracking_errors`); None where no table is given."""

    found: Parents | None = None
    true: Parents | None = None

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return self.found is not None or self.true is not None


def evaluate(given: Given, wanted: Sequence[str], tables: Tables, tell: Tell) -> Evaluation:
    """Match the objects of each frame, planes or volumes; figures are those of all objects together.

    A mask, one value besides 0, is divided into its connected pieces. With a selection or regions, objects are cut at
    the border.

    Raises
    ------
    ImageError
        When an image has no labels.
    """
    volumes = given.image.size("z") > 1
    images = {"image": given.image, **given.others}
    masks = [name for name in _PAIR if not tables.given and is_mask(images[name].pixels)]
    rows = Rows(given, volumes=volumes)
    matchings: list[metrics.Matching] = []
    movies: dict[tuple[int, ...], Movie] = {}
    for number, sample in enumerate(samples(given, volumes=volumes)):
        tell(number, 0)
        try:
            truth, found = (_objects(sample, name, name in masks) for name in _PAIR)
            matchings.append(metrics.match(truth, found))
        except ValueError as error:
            raise ImageError(f"{error}.", fix="Say kind=intensity where these are no labels.") from error
        rows.add(sample, _figures(matchings[-1], wanted) | rows.measured(sample, _seg([truth], [found], wanted)))
        for frames, labels in zip(movies.setdefault(_series(sample), ([], [])), (truth, found), strict=True):
            frames.append(labels)
    whole = next(samples(dataclasses.replace(given, regions=None)))
    every: Movie = ([], [])
    for true, found_ in movies.values():
        every[0].extend(true)
        every[1].extend(found_)
    figures = _figures(metrics.together(matchings), wanted) | rows.measured(whole, _seg(*every, wanted))
    tracked = [name for name in ("det", "tra") if name in wanted or (not wanted and (name == "det" or tables.given))]
    if given.image.size("t") > 1 and given.regions is None:
        figures |= _tracks(list(movies.values()), tracked, tables, rows)
    else:
        rows.reasons |= dict.fromkeys(tracked, "it needs a movie, and no regions")
    if masks:
        rows.notes.append(f"Masks ({' and '.join(masks)}) were divided into their connected pieces.")
    return rows.evaluation(figures, {})


def _objects(sample: Sample, name: str, divided: bool) -> Labels:
    labels = sample.cut(name)
    return objects_of(labels) if divided else as_labels(labels, f"the {name}")


def _series(sample: Sample) -> tuple[int, ...]:
    """Give what a movie is: channel, position and, where objects are those of planes, slice; and the region."""
    return (*(sample.place.get(letter, 1) for letter in "cbz"), sample.region)


def _asks(wanted: Sequence[str], name: str) -> bool:
    return not wanted or name in wanted


def _figures(matching: metrics.Matching, wanted: Sequence[str]) -> dict[str, float]:
    figures: dict[str, float] = {"true": matching.true, "found": matching.found}
    if _asks(wanted, "ap"):
        figures |= {f"ap{round(100 * overlap)}": matching.average_precision(overlap) for overlap in OVERLAPS}
    if _asks(wanted, "f1"):
        figures["f1"] = matching.f1(OVERLAPS[0])
    if _asks(wanted, "pq"):
        figures["pq"] = matching.quality
    return figures


def _seg(truth: list[Labels], found: list[Labels], wanted: Sequence[str]) -> dict[str, Callable[[Sample], float]]:
    return {"seg": lambda _: metrics.seg(truth, found)} if _asks(wanted, "seg") else {}


def _tracks(movies: list[Movie], names: Sequence[str], tables: Tables, rows: Rows) -> dict[str, float]:
    """Give DET and TRA: means over channels and positions.

    DET asks for no tracks, so it is measured where they have gaps, too.
    """
    found: dict[str, list[float]] = {name: [] for name in names}
    for truth, image in movies:
        for name in names:
            try:
                found[name].append(_figure(truth, image, name, tables))
            except ValueError as error:
                rows.reasons.setdefault(name, str(error))
    return {name: float(np.mean(values)) for name, values in found.items() if values}


def _figure(truth: list[Labels], image: list[Labels], name: str, tables: Tables) -> float:
    if name == "tra":
        return metrics.tracking_errors(truth, image, tables.true, tables.found).tra
    return metrics.detection_errors(truth, image).det
