"""Figures of a model's result for one image, their means over the images, and which of two is better."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bioimg_fiji.benchmark.cases import Pair
from bioimg_fiji.benchmark.suite import Suite, base
from bioimg_fiji.errors import ImageError, ParameterError
from bioimg_fiji.evaluate import Asked, Given, evaluate
from bioimg_fiji.evaluate.rows import mean
from bioimg_fiji.image import Image

_LOWER = frozenset(("nrmse", "frc", "decorrelation"))
_BEST = {"roi_slope": 1.0, "amplitude_slope": 1.0, "bias": 0.0}
"""Figures that are best at a value."""


def figures(suite: Suite, pair: Pair, result: Image) -> dict[str, float]:
    """Give the suite's figures of a result for one image; further ones that have no value there are left out.

    Raises
    ------
    ImageError
        When the result has another size than the truth, or the headline number has no value.
    """
    asked = (suite.manifest.metric, *suite.manifest.further)
    image, truth = (each if suite.kind == "labels" else each.physical() for each in (result, pair.truth))
    given = Given(image, {"truth": truth})
    found: dict[str, object] = {}
    try:
        found |= evaluate(given, Asked(suite.kind, tuple(dict.fromkeys(map(base, asked))))).figures
    except ParameterError:  # one of them has no value: the others may have
        for name in dict.fromkeys(map(base, asked)):
            try:
                found |= evaluate(given, Asked(suite.kind, (name,))).figures
            except ParameterError as error:
                if name == base(suite.manifest.metric):
                    raise ImageError(f"{error.message}", fix="Choose another metric for the suite.") from error
    if suite.manifest.metric not in found:
        raise ImageError(f"{suite.manifest.metric} has no value.", fix="Choose another metric for the suite.")
    return {name: _number(found[name]) for name in asked if found.get(name) is not None}


def means(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Give the mean over the images of each figure that all of them have."""
    names = [name for name in each[0] if all(name in figures for figures in each)] if each else []
    return {name: mean([figures[name] for figures in each]) for name in names}


def rank(metric: str, value: float | None) -> tuple[float, float]:
    """Give what sorts the better figure to the front, and models without one to the end."""
    if value is None or math.isnan(value):
        return 1, 0
    name = base(metric)
    if name in _BEST:
        return 0, abs(value - _BEST[name])
    return 0, value if name in _LOWER else -value


def wish(metric: str) -> str:
    """Say which figures are better: "higher", "lower", "nearest to 1"."""
    name = base(metric)
    if name in _BEST:
        return f"nearest to {_BEST[name]:g}"
    return "lower" if name in _LOWER else "higher"


def _number(value: object) -> float:
    return float(str(value))
