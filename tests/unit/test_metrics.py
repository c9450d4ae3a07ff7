"""Metrics against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bioimg_fiji import metrics


@pytest.fixture
def truth() -> np.ndarray:
    return gaussian_filter(np.random.default_rng(0).normal(size=(96, 96)), 4) * 400 + 100


def test_psnr_of_a_known_error() -> None:
    reference = np.array([[0.0, 10.0], [5.0, 5.0]])
    assert metrics.psnr(reference, reference + 1) == pytest.approx(20.0)
    assert metrics.psnr(reference, reference) == math.inf


def test_psnr_refuses_other_shapes_and_constants() -> None:
    with pytest.raises(ValueError, match="shape"):
        metrics.psnr(np.zeros((2, 2)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="constant"):
        metrics.psnr(np.ones((2, 2)), np.zeros((2, 2)))


def test_bias_is_measured_above_the_offset() -> None:
    reference = np.full((4, 4), 120.0)
    assert metrics.mean_bias(reference, reference + 1, offset=100) == pytest.approx(0.05)
    assert metrics.mean_bias(reference, reference - 1.2) == pytest.approx(-0.01)


def test_slope_of_a_flattened_image(truth: np.ndarray) -> None:
    assert metrics.intensity_slope(truth, 0.8 * truth + 3) == pytest.approx(0.8)


def test_best_gaussian_is_the_best_of_a_fine_grid(truth: np.ndarray) -> None:
    noisy = truth + np.random.default_rng(1).normal(0, 10, truth.shape)
    sigma, found = metrics.best_gaussian(truth, noisy)
    by_hand = {s: metrics.psnr(truth, gaussian_filter(noisy, s)) for s in np.arange(0.5, 6, 0.1)}
    best = max(by_hand, key=lambda s: by_hand[s])
    assert sigma == pytest.approx(best, abs=0.1)
    assert found >= by_hand[best] - 0.01
    assert found == pytest.approx(metrics.psnr(truth, gaussian_filter(noisy, sigma)), abs=1e-6)


def test_best_gaussian_does_not_blur_across_planes(truth: np.ndarray) -> None:
    stack = np.stack([truth, truth[::-1]])
    noisy = stack + np.random.default_rng(1).normal(0, 10, stack.shape)
    sigma, found = metrics.best_gaussian(stack, noisy)
    planes = np.stack([gaussian_filter(plane, sigma) for plane in noisy])
    assert found == pytest.approx(metrics.psnr(stack, planes), abs=1e-6)


def test_noise_sigma_sees_noise_and_not_the_image(truth: np.ndarray) -> None:
    noisy = truth + np.random.default_rng(2).normal(0, 7, truth.shape)
    assert metrics.noise_sigma(noisy) == pytest.approx(7, rel=0.05)
    ramp = np.add.outer(np.arange(50.0), 3 * np.arange(60.0))
    assert metrics.noise_sigma(ramp) == pytest.approx(0, abs=1e-9)


def test_residual_correlation_tells_noise_from_structure(truth: np.ndarray) -> None:
    noise = np.random.default_rng(3).normal(0, 7, truth.shape)
    assert abs(metrics.residual_correlation(truth + noise, truth)) < 0.03
    assert metrics.residual_correlation(truth, np.full_like(truth, truth.mean())) > 0.9
    with pytest.raises(ValueError, match="nothing was removed"):
        metrics.residual_correlation(truth, truth)
