"""Evaluation of intensities and probabilities, plane by plane, and of the activity in movies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.evaluate.catalogue import METRICS, MOVIE, REGION_MEANS, RESOLUTION, SLOPE, VALUE, Metric
from bioimg_fiji.evaluate.kinds import Kind
from bioimg_fiji.evaluate.rows import Evaluation, Rows, Tell
from bioimg_fiji.evaluate.samples import Given, Sample, samples
from bioimg_fiji.metrics import intensity_slope, traces
from bioimg_fiji.metrics.arrays import Floats, block_means, finite
from bioimg_fiji.metrics.traces import correlation_of_traces, slope_of_traces

_BLOCK = 8
_ACTIVE = 0.05
"""Share of the largest variance over time from which a block is active."""

_FEWEST_FRAMES = 3
_TRACES = dict(zip(MOVIE, (correlation_of_traces, slope_of_traces), strict=True))


def evaluate(given: Given, kind: Kind, wanted: Sequence[str], tell: Tell) -> Evaluation:
    """Measure each plane or region; figures are means over the rows, of movies also how well traces come out.

    With regions, `roi_slope` is one figure: that of the regions' means over the true ones.
    """
    rows = Rows(given)
    chosen = [metric for metric in METRICS if kind in metric.kinds and (not wanted or metric.name in wanted)]
    for metric in chosen:
        if missing := [name for name in metric.needs if name not in given.others]:
            rows.reasons[metric.name] = f"it needs {' and '.join(missing)}"
    chosen = [metric for metric in chosen if metric.name not in rows.reasons]
    with_regions = given.regions is not None and kind == "intensity"
    ways = {metric.name: metric.measure for metric in chosen if not (with_regions and metric.name == SLOPE)}
    lengths = [metric for metric in chosen if metric.unit == RESOLUTION]
    ways |= {metric.name: _scaled(metric, _length(given)[0]) for metric in lengths}
    if lengths and not given.image.square:
        rows.notes.append(_not_square(given, lengths))
    further = {metric.name: metric.measure for metric in REGION_MEANS if with_regions}
    for number, sample in enumerate(samples(given)):
        tell(number, 0 if given.regions is not None else given.planes)
        rows.add(sample, rows.measured(sample, further | ways))
    figures = rows.means(ways)
    if with_regions and any(metric.name == SLOPE for metric in chosen):
        figures |= rows.figure(SLOPE, [lambda: _slope(rows)])
    if kind == "intensity":
        figures |= _activity(given, [name for name in MOVIE if not wanted or name in wanted], rows)
    return rows.evaluation(figures, _units(given, chosen))


def _slope(rows: Rows) -> float:
    """Give the slope of the regions' means over the true ones."""
    means = rows.together("true_mean", "mean")
    if len(means) < 2:
        raise ValueError("a slope needs two regions or more")
    return intensity_slope(*np.array(means).T)


def _activity(given: Given, names: Sequence[str], rows: Rows) -> dict[str, float]:
    """Give the means of the traces' figures over channels, slices and positions."""
    if given.image.size("t") < _FEWEST_FRAMES or "truth" not in given.others:
        rows.reasons |= dict.fromkeys(names, f"it needs a movie of at least {_FEWEST_FRAMES} frames")
        return {}
    letters = "cbztyx"
    box = (..., *given.box)
    truth, image = (each.ordered(letters)[box] for each in (given.others["truth"], given.image))
    drawn = None if given.regions is None else given.regions.ordered("bztyx")[:, :, 0][box]

    def compared(name: str, index: tuple[int, ...]) -> float:
        regions = None if drawn is None else drawn[index[1:]]
        return _TRACES[name](*_traces(truth[index], image[index], regions))

    places = list(np.ndindex(truth.shape[:3]))
    figures: dict[str, float] = {}
    for name in names:
        figures |= rows.figure(name, [partial(compared, name, index) for index in places])
    return figures


def _traces(truth: NDArray[Any], image: NDArray[Any], regions: NDArray[Any] | None) -> tuple[Floats, Floats]:
    """Give the traces (region, t), true ones and those seen, of two movies (t, y, x).

    Without regions (y, x), they are those of blocks of 8 x 8 whose true traces change.
    """
    movies = finite(truth, "the truth"), finite(image, "the image")
    if regions is None:
        real, seen = (block_means(movie, _BLOCK).reshape(len(movie), -1).T for movie in movies)
        active = real.var(axis=1) > _ACTIVE * real.var(axis=1).max()
        return real[active], seen[active]
    masks = [regions == region for region in np.unique(regions[regions != 0])]
    return traces(movies[0], masks), traces(movies[1], masks)


def _length(given: Given) -> tuple[float, str]:
    """Give the side of a pixel and its unit; 1 and "pixels" where it is not known, or pixels are not square."""
    size = given.image.pixel_size
    return size.step, size.unit or "pixels"


def _not_square(given: Given, lengths: Sequence[Metric]) -> str:
    high, wide = (f"{scale.step:g} {scale.unit or 'pixel'}" for scale in map(given.image.scale, "yx"))
    names = " and ".join(metric.name for metric in lengths)
    return f"Pixels are {high} high and {wide} wide: {names}, of all directions together, can be told in pixels only."


def _scaled(metric: Metric, step: float) -> Callable[[Sample], float]:
    return lambda sample: metric.measure(sample) * step


def _units(given: Given, chosen: Sequence[Metric]) -> dict[str, str]:
    value = given.image.intensity.unit if given.image.intensity else ""
    own = {RESOLUTION: _length(given)[1], VALUE: value}
    return {metric.name: own.get(metric.unit, metric.unit) for metric in (*chosen, *REGION_MEANS)}
