"""Calibration, coverage and sparsification: against torchmetrics, and against what can be told by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_calibration_error

from bioimg_fiji.metrics import coverage, expected_calibration_error, interval_width, sparsification


@given(st.integers(0, 2**32 - 1), st.integers(1, 500), st.integers(1, 30), st.floats(0.1, 5))
def test_calibration_error_as_torchmetrics(seed: int, count: int, bins: int, power: float) -> None:
    rng = np.random.default_rng(seed)
    sure = rng.random(count)  # below 1, which torchmetrics gives a bin of its own
    right = rng.random(count) < sure**power
    wanted = binary_calibration_error(torch.from_numpy(sure), torch.from_numpy(right.astype(int)), n_bins=bins)
    assert expected_calibration_error(sure, right, bins) == pytest.approx(float(wanted), abs=1e-6)


def test_calibration_error_by_hand() -> None:
    sure = np.array([0.1, 0.1, 0.9, 0.9, 1.0])
    assert expected_calibration_error(sure, np.array([0, 0, 1, 1, 1]), 10) == pytest.approx((2 * 0.1 + 2 * 0.1) / 5)
    assert expected_calibration_error(np.ones(4), np.array([0, 1, 1, 1])) == pytest.approx(0.25)
    steps = np.linspace(0, 1, 1001)  # one bin, wrong at one end by as much as right at the other
    assert expected_calibration_error(steps, np.full(1001, True), 1) == pytest.approx(0.5)
    assert expected_calibration_error(steps, np.full(1001, True), 4, "mass") == pytest.approx(0.5)


def test_bins_of_equal_mass_see_what_one_wide_bin_hides() -> None:
    sure = np.concatenate([np.full(500, 0.01), np.full(500, 0.05)])
    right = np.concatenate([np.arange(500) < 25, np.arange(500) < 5])  # 0.05 and 0.01: the wrong way round
    assert expected_calibration_error(sure, right, 10) == pytest.approx(0, abs=1e-12)
    assert expected_calibration_error(sure, right, 10, "mass") == pytest.approx(0.04)


def test_coverage_and_width() -> None:
    truth = np.arange(10.0)
    low, high = np.full(10, 2.0), np.full(10, 6.0)
    assert coverage(truth, low, high) == pytest.approx(0.5)  # 2 and 6 are inside
    assert interval_width(low, high) == pytest.approx(4)
    normal = np.random.default_rng(0).normal(size=100_000)
    assert coverage(normal, np.full(100_000, -1.645), np.full(100_000, 1.645)) == pytest.approx(0.9, abs=0.005)


@pytest.mark.parametrize("error", ["rmse", "mse", "mae"])
def test_sparsification_as_by_taking_pixels_away(error: str) -> None:
    rng = np.random.default_rng(0)
    doubt = rng.random(60)
    truth, image = np.zeros(60), rng.normal(size=60) * doubt
    wrong = np.abs(image)

    def measure(values: np.ndarray) -> float:
        powers = {"rmse": np.sqrt(np.mean(values**2)), "mse": np.mean(values**2), "mae": np.mean(values)}
        return float(powers[error])

    def curve(by: np.ndarray) -> np.ndarray:
        order = np.argsort(by)[::-1]
        return np.array([measure(wrong[order[gone:]]) for gone in range(60)]) / measure(wrong)

    found = sparsification(truth, image, doubt, error)  # type: ignore[arg-type]
    assert found.area == pytest.approx(np.mean(curve(doubt) - curve(wrong)))
    assert found.random == pytest.approx(np.mean(1 - curve(wrong)))
    assert 0 < found.of_random < 1


def test_sparsification_of_the_best_and_of_none() -> None:
    rng = np.random.default_rng(1)
    truth, image = np.zeros((50, 50)), rng.normal(size=(50, 50))
    assert sparsification(truth, image, np.abs(image)).area == pytest.approx(0, abs=1e-12)
    assert sparsification(truth, image, np.ones((50, 50))).of_random == pytest.approx(1)
    assert sparsification(truth, image, rng.random((50, 50))).of_random == pytest.approx(1, abs=0.15)
    assert sparsification(truth, image, -np.abs(image)).of_random > 1.3
    assert sparsification(truth, truth + 1, rng.random((50, 50))).of_random == 0


def test_what_has_no_value_is_refused() -> None:
    ones = np.ones(3)
    with pytest.raises(ValueError, match="from 0 to 1"):
        expected_calibration_error(ones * 1.5, ones)
    with pytest.raises(ValueError, match="bool"):
        expected_calibration_error(ones, ones * 2)
    with pytest.raises(ValueError, match="at least 1 bin"):
        expected_calibration_error(ones, ones, 0)
    with pytest.raises(ValueError, match="no pixels"):
        expected_calibration_error(ones[:0], ones[:0])
    with pytest.raises(ValueError, match="above the upper one at 3 pixels"):
        coverage(ones, ones, 0 * ones)
    with pytest.raises(ValueError, match="NaN"):
        coverage(ones * np.nan, ones, ones)
    with pytest.raises(ValueError, match="NaN"):
        sparsification(ones, 2 * ones, ones * np.nan)
    with pytest.raises(ValueError, match="no error"):
        sparsification(ones, ones, ones)
