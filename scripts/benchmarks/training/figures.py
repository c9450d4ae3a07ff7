"""Figures in the form that all benchmarks give: figure, value, unit, bar ("" for none), holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

Figure = dict[str, Any]


def note(name: str, value: float | str, unit: str = "") -> Figure:
    """Give a figure without a bar."""
    return _figure(name, value, unit, "", holds=True)


def at_least(name: str, value: float, bar: float, unit: str = "") -> Figure:
    """Give a figure that must reach `bar`."""
    return _figure(name, value, unit, f">= {bar:g}", holds=value >= bar)


def at_most(name: str, value: float, bar: float, unit: str = "") -> Figure:
    """Give a figure that must not exceed `bar`."""
    return _figure(name, value, unit, f"<= {bar:g}", holds=value <= bar)


def above(name: str, value: float, bar: float, unit: str = "") -> Figure:
    """Give a figure that must exceed `bar`."""
    return _figure(name, value, unit, f"> {bar:g}", holds=value > bar)


def below(name: str, value: float, bar: float, unit: str = "") -> Figure:
    """Give a figure that must lie below `bar`."""
    return _figure(name, value, unit, f"< {bar:g}", holds=value < bar)


def within(name: str, value: float, low: float, high: float, unit: str = "") -> Figure:
    """Give a figure that must lie from `low` to `high`."""
    return _figure(name, value, unit, f"{low:g} to {high:g}", holds=low <= value <= high)


def expected(name: str, value: str, bar: str, *, holds: bool) -> Figure:
    """Give a figure in words."""
    return _figure(name, value, "", bar, holds=holds)


def missing(name: str, reason: str) -> Figure:
    """Tell that a bar was not measured, which is not the same as held."""
    return _figure(name, f"not measured: {reason}", "", "measured", holds=False)


def farthest(values: list[float], middle: float) -> float:
    """Give the value that lies farthest from `middle`: the worst of several seeds; not a number, if there is one."""
    bad = [value for value in values if not math.isfinite(value)]
    return bad[0] if bad else max(values, key=lambda value: abs(value - middle))


def auroc(lower: Sequence[float], higher: Sequence[float]) -> float:
    """Give how often one of `higher` is above one of `lower`: the area under the ROC curve; ties count half."""
    ranks = rankdata(np.concatenate([lower, higher]))[len(lower) :]
    return float(ranks.mean() - (len(higher) + 1) / 2) / len(lower)


def _figure(name: str, value: float | str, unit: str, bar: str, *, holds: bool) -> Figure:
    shown = float(f"{value:.6g}") if isinstance(value, (int, float)) else value
    return {"figure": name, "value": shown, "unit": unit, "bar": bar, "holds": bool(holds)}
