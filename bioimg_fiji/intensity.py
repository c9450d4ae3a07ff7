"""Intensity calibration: ImageJ's functions from stored to physical values. Numbers only; no image.

The functions and the order of their coefficients are those of ImageJ (ij.measure.Calibration and CurveFitter, 1.54),
so that a value computed here is the one that ImageJ shows for a calibrated 8- or 16-bit image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import ImageError

Array = npt.NDArray[Any]

UNIT_ONLY = "none"
"""Name of the function of an image whose values are physical ones already."""

_SMALLEST = 2 * 5e-324
_LOG10_E = 0.434294481  # as many digits as ImageJ has


@dataclass(frozen=True)
class Intensity:
    """ImageJ's intensity calibration: the function that turns a stored value into a physical one.

    `function` is ImageJ's name in snake case ("straight_line", "poly2", "uncalibrated_od", ...), or "none" where the
    stored values are physical ones; `coefficients` are its parameters in ImageJ's order, those of "custom" a table by
    stored value; `unit` is the unit of the result. `zero_clip` makes negative results 0.
    """

    function: str
    coefficients: tuple[float, ...] = ()
    unit: str = ""
    zero_clip: bool = False

    def physical(self, stored: Array) -> npt.NDArray[np.float64]:
        """Turn stored values of any shape into physical ones. Between the entries of a table it is interpolated.

        Raises
        ------
        ImageError
            When the function is unknown or has too few coefficients.
        """
        x = np.asarray(stored, np.float64)
        try:
            with np.errstate(all="ignore"):  # outside of a function's domain ImageJ has NaN or infinity, too
                values = _function(self.function, len(self.coefficients))(self.coefficients, x)
        except (KeyError, IndexError):
            raise ImageError(
                f"The intensity calibration {self.function} with {len(self.coefficients)} coefficients is not known.",
                fix="Calibrate the image anew in ImageJ: Analyze > Calibrate.",
            ) from None
        return np.where(values < 0, 0.0, values) if self.zero_clip else values

    @property
    def gain(self) -> float | None:
        """By how much a difference of stored values is to be multiplied, above 0; None where that depends on them."""
        if self.function == UNIT_ONLY:
            return 1.0
        if self.function == "straight_line" and len(self.coefficients) == 2:
            return abs(self.coefficients[1])
        return None

    @property
    def line(self) -> tuple[float, float] | None:
        """Physical value of a stored 0, and the slope, of units and straight lines; None where there is no way back."""
        if self.function == UNIT_ONLY:
            return 0.0, 1.0
        if not self.gain or self.zero_clip:
            return None
        offset, slope = self.coefficients
        return offset, slope

    def stored(self, physical: Array) -> npt.NDArray[np.float64] | None:
        """Turn physical values back into stored ones, of units and straight lines; None where that is not possible."""
        if self.line is None:
            return None
        offset, slope = self.line
        return (np.asarray(physical, np.float64) - offset) / slope


def _function(name: str, count: int) -> Callable[[tuple[float, ...], Array], Array]:
    if name.startswith("poly") and count != int(name[4:]) + 1:
        raise IndexError
    return _polynomial if name.startswith("poly") or name == "straight_line" else _FUNCTIONS[name]


def _polynomial(p: tuple[float, ...], x: Array) -> Array:
    value = np.full_like(x, p[-1])
    for coefficient in p[-2::-1]:
        value = coefficient + x * value
    return value


def _log(p: tuple[float, ...], x: Array) -> Array:
    return np.where(x == 0, -1000 * p[0], p[0] * np.log(p[1] * x))


def _log2(p: tuple[float, ...], x: Array) -> Array:
    return np.where(x <= p[2], np.nan, p[0] + p[1] * np.log(x - p[2]))


def _gamma_variate(p: tuple[float, ...], x: Array) -> Array:
    if min(p[1], p[2], p[3]) <= 0:
        return np.where(x <= p[0], 0.0, np.nan)
    from_start = np.maximum(x - p[0], 0)
    return p[1] * from_start ** p[2] * np.exp(-from_start / p[3])


def _rodbard2(p: tuple[float, ...], x: Array) -> Array:
    outside = (p[3] - x < _SMALLEST) | (x < p[0])
    return np.where(outside, 0.0, ((x - p[0]) / (p[3] - x)) ** (1.0 / p[1]) * p[2])


def _optical_density(_: tuple[float, ...], x: Array) -> Array:
    return _LOG10_E * np.log(255.0 / np.where(x == 0, 0.5, x))


def _table(p: tuple[float, ...], x: Array) -> Array:
    if not p:
        raise IndexError
    return np.interp(x, np.arange(len(p)), np.asarray(p, np.float64))


_FUNCTIONS: dict[str, Callable[[tuple[float, ...], Array], Array]] = {
    UNIT_ONLY: lambda _, x: x,
    "exponential": lambda p, x: p[0] * np.exp(p[1] * x),
    "power": lambda p, x: p[0] * x ** p[1],
    "log": _log,
    "rodbard": lambda p, x: p[3] + (p[0] - p[3]) / (1.0 + (x / p[2]) ** p[1]),
    "gamma_variate": _gamma_variate,
    "log2": _log2,
    "rodbard2": _rodbard2,
    "exp_with_offset": lambda p, x: p[0] * np.exp(-p[1] * x) + p[2],
    "gaussian": lambda p, x: p[0] + (p[1] - p[0]) * np.exp(-(x - p[2]) * (x - p[2]) / (2.0 * p[3] * p[3])),
    "exp_recovery": lambda p, x: p[0] * (1 - np.exp(-p[1] * x)) + p[2],
    "uncalibrated_od": _optical_density,
    "custom": _table,
}
