"""Evaluation of labels: objects of each frame, and tracks of movies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from numpy.typing import NDArray

from bioimg_fiji import metrics
from bioimg_fiji.errors import ImageError
from bioimg_fiji.evaluate.kinds import is_mask, objects_of
from bioimg_fiji.evaluate.rows import Evaluation, Rows, Tell
from bioimg_fiji.evaluate.samples import Given, Sample, samples

OVERLAPS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Intersections over union at which the average precision is told."""

AP = "ap"
OF_AP = tuple(f"ap{round(100 * overlap)}" for overlap in OVERLAPS)
"""Names of the figures that `AP` has, one for each overlap."""

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


def evaluate(given: Given, wanted: Sequence[str], tables: Tables, tell: Tell, *, divide: bool = True) -> Evaluation:
    """Match the objects of each frame, planes or volumes; figures are those of all objects together.

    With `divide` a mask is divided into its connected pieces; where tables are given its number is that of a track.
    With a selection or regions, objects are cut at the border.

    Raises
    ------
    ImageError
        When an image has no labels.
    """
    volumes = given.image.size("z") > 1
    images = {"image": given.image, **given.others}
    masks = [name for name in _PAIR if divide and not tables.given and is_mask(images[name].pixels)]
    rows = Rows(given, volumes=volumes)
    matchings: list[metrics.Matching] = []
    movies: dict[tuple[int, ...], Movie] = {}
    for number, sample in enumerate(samples(given, volumes=volumes)):
        tell(number, 0)
        truth, found = (objects_of(sample.cut(name)) if name in masks else sample.cut(name) for name in _PAIR)
        try:
            matchings.append(metrics.match(truth, found))
        except ValueError as error:
            raise ImageError(f"{error}.", fix="Say kind=intensity where these are no labels.") from error
        shape = (
            {"seg": lambda _, truth=truth, found=found: metrics.seg([truth], [found])} if _asks(wanted, "seg") else {}
        )
        rows.add(sample, _figures(matchings[-1], wanted) | rows.measured(sample, shape))
        frames = movies.setdefault(_series(sample), ([], []))
        frames[0].append(truth)
        frames[1].append(found)
    if masks:
        rows.notes.append(f"Masks ({' and '.join(masks)}) were divided into their connected pieces.")
        rows.reasons["tra"] = (
            "objects of masks have no identities that could be followed; give labels, with kind=labels"
        )
    figures = _figures(metrics.together(matchings), wanted)
    return rows.evaluation(figures | _of_movies(list(movies.values()), given, wanted, tables, rows), {})


def _series(sample: Sample) -> tuple[int, ...]:
    """Give what a movie is: channel, position and, where objects are those of planes, slice; and the region."""
    return (*(sample.place.get(letter, 1) for letter in "cbz"), sample.region)


def _asks(wanted: Sequence[str], name: str) -> bool:
    return not wanted or name in wanted


def _figures(matching: metrics.Matching, wanted: Sequence[str]) -> dict[str, float]:
    figures: dict[str, float] = {"true": matching.true, "found": matching.found}
    if _asks(wanted, AP):
        figures |= {name: matching.average_precision(overlap) for name, overlap in zip(OF_AP, OVERLAPS, strict=True)}
    if _asks(wanted, "f1"):
        figures["f1"] = matching.f1(OVERLAPS[0])
    if _asks(wanted, "pq"):
        figures["pq"] = matching.quality
    return figures


def _of_movies(
    movies: list[Movie], given: Given, wanted: Sequence[str], tables: Tables, rows: Rows
) -> dict[str, float]:
    """Give SEG of all frames together, and of movies the means of DET and TRA over channels and positions.

    DET asks for no tracks, so labels may have gaps. TRA does, so it is told unasked only where tables are given.
    """
    every = [[frame for movie in movies for frame in movie[side]] for side in (0, 1)]
    figures = rows.figure("seg", [lambda: metrics.seg(*every)]) if _asks(wanted, "seg") else {}
    ways: dict[str, Callable[..., float]] = {
        "det": lambda truth, found: metrics.detection_errors(truth, found).det,
        "tra": lambda truth, found: metrics.tracking_errors(truth, found, tables.true, tables.found).tra,
    }
    asked = [name for name in ways if name in wanted or (not wanted and (name == "det" or tables.given))]
    if given.image.size("t") == 1 or given.regions is not None:
        rows.reasons |= dict.fromkeys(asked, "it needs a movie, and no regions")
        return figures
    for name in (each for each in asked if each not in rows.reasons):
        figures |= rows.figure(name, [partial(ways[name], *movie) for movie in movies])
    return figures
