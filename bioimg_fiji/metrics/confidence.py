"""Whether a confidence can be believed: calibration of probabilities, coverage of intervals, order of uncertainties."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.metrics.arrays import Floats, finite, pair

Binning = Literal["width", "mass"]
ErrorName = Literal["rmse", "mse", "mae"]

_POWERS = {"rmse": 2, "mse": 2, "mae": 1}


class Sparsification(NamedTuple):
    """Areas between the sparsification curve and that of the true errors.

    `area` is AUSE; `random` is that of an uncertainty that tells nothing, so `of_random` is 0 for an uncertainty that
    sorts pixels as their errors do and about 1 for one that tells nothing.
    """

    area: float
    random: float

    @property
    def of_random(self) -> float:
        """AUSE as a share of that without knowledge; 0 where all errors are equal, as then there is nothing to sort."""
        return self.area / self.random if self.random > 0 else 0.0


def expected_calibration_error(
    confidence: NDArray[Any], correct: NDArray[Any], bins: int = 15, binning: Binning = "width"
) -> float:
    """Give the expected calibration error: the mean over bins of abs(accuracy - mean confidence), weighted by counts.

    Of a mask's probabilities, `confidence` is the probability of foreground and `correct` whether it is foreground; of
    several classes, the probability of the most likely class and whether it is right (Guo et al. 2017).

    Parameters
    ----------
    confidence
        Probabilities from 0 to 1, any shape.
    correct
        bool, or 0 and 1, of the same shape.
    bins
        Their number.
    binning
        "width": bins of equal width (Naeini et al. 2015), each with its lower edge, the last with both. "mass": of
        equally many values (Nguyen & O'Connor 2015), equal values in one bin. Figures of different binnings differ.

    Returns
    -------
    From 0 to 1.

    Raises
    ------
    ValueError
        When shapes differ, a value is not finite or out of range, or there is no bin.
    """
    sure, right = pair(confidence, correct)
    sure, right = sure.ravel(), right.ravel()
    if sure.min() < 0 or sure.max() > 1:
        raise ValueError(f"probabilities are from 0 to 1, not {sure.min():g} to {sure.max():g}")
    if not np.isin(right, (0, 1)).all():
        raise ValueError("what is correct must be bool, or 0 and 1")
    if bins < 1:
        raise ValueError(f"there must be at least 1 bin, not {bins}")
    edges = np.linspace(0, 1, bins + 1) if binning == "width" else np.quantile(sure, np.linspace(0, 1, bins + 1))
    places = np.clip(np.searchsorted(edges, sure, side="right") - 1, 0, bins - 1)
    gaps = np.bincount(places, right) - np.bincount(places, sure)
    return float(np.abs(gaps).sum()) / sure.size


def coverage(truth: NDArray[Any], lower: NDArray[Any], upper: NDArray[Any]) -> float:
    """Give the share of pixels whose true value lies in the interval, bounds included: 0.9 for honest 90 % intervals.

    Parameters
    ----------
    truth, lower, upper
        Arrays of one shape and unit.

    Raises
    ------
    ValueError
        When shapes differ, a value is not finite, or a lower bound lies above the upper one.
    """
    low, high = _interval(lower, upper)
    real, _ = pair(truth, low)
    return float(np.mean((low <= real) & (real <= high)))


def interval_width(lower: NDArray[Any], upper: NDArray[Any]) -> float:
    """Give the mean width of intervals, in the images' unit: at equal coverage, narrower is better.

    Raises
    ------
    ValueError
        As `coverage`.
    """
    low, high = _interval(lower, upper)
    return float(np.mean(high - low))


def sparsification(
    truth: NDArray[Any], image: NDArray[Any], uncertainty: NDArray[Any], error: ErrorName = "rmse"
) -> Sparsification:
    """Give the area under the sparsification error, AUSE (Ilg et al. 2018): are the uncertain pixels the wrong ones.

    Pixels are taken away, the most uncertain first, and the error of those left is drawn over the share taken away,
    divided by the error of all. The same is done in the order of the true errors, and AUSE is the area between the two
    curves. Pixels of equal uncertainty are taken away evenly, so their order plays no part.

    Parameters
    ----------
    truth, image
        Arrays of one shape and unit.
    uncertainty
        Of the same shape: any measure that grows with the expected error.
    error
        "rmse", "mse" or "mae": what is drawn. Areas of different errors cannot be compared.

    Returns
    -------
    AUSE, and that of an uncertainty that tells nothing.

    Raises
    ------
    ValueError
        When shapes differ, a value is not finite, or the image is the truth, so that there is no error to sort.
    """
    reference, other = pair(truth, image)
    _, doubt = pair(truth, uncertainty)
    wrong = np.abs(reference - other).ravel() ** _POWERS[error]
    if not wrong.any():
        raise ValueError("the image is the truth: there is no error that an uncertainty could tell")
    best, told, flat = (_curve(wrong, by, error) for by in (wrong, doubt.ravel(), np.zeros(wrong.size)))
    return Sparsification(float(np.mean(told - best)), float(np.mean(flat - best)))


def _curve(wrong: Floats, by: Floats, error: ErrorName) -> Floats:
    """Give the error of the n least uncertain pixels for n from all to one, beside that of all."""
    order = np.argsort(by, kind="stable")
    _, places, counts = np.unique(by[order], return_inverse=True, return_counts=True)
    even = (np.bincount(places, wrong[order]) / counts)[places]
    left = np.cumsum(even) / np.arange(1, len(even) + 1)
    left = left / left[-1]
    result: Floats = np.sqrt(left) if error == "rmse" else left
    return result[::-1]


def _interval(lower: NDArray[Any], upper: NDArray[Any]) -> tuple[Floats, Floats]:
    low, high = pair(finite(lower, "the lower bound"), finite(upper, "the upper bound"))
    if np.any(low > high):
        raise ValueError(f"the lower bound lies above the upper one at {int(np.sum(low > high))} pixels")
    return low, high
