"""Metrics against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bioimg_fiji import metrics
from bioimg_fiji.train import synthetic
from support.denoisers import without_centre


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


def test_roi_slope_sees_flattening_that_the_mean_does_not(truth: np.ndarray) -> None:
    flattened = 0.8 * (truth - truth.mean()) + truth.mean()
    assert metrics.mean_bias(truth, flattened) == pytest.approx(0, abs=1e-12)
    assert metrics.roi_slope(truth, flattened) == pytest.approx(0.8)
    noisy = truth + np.random.default_rng(4).normal(0, 30, truth.shape)
    assert metrics.roi_slope(truth, noisy) == pytest.approx(1, abs=0.02)
    with pytest.raises(ValueError, match="no block of 8 x 8"):
        metrics.roi_slope(np.ones((7, 20)), np.ones((7, 20)))


def test_line_correlation_by_axis_and_lag() -> None:
    white = np.random.default_rng(0).normal(size=(200, 200))
    lines = white + 0.5 * np.roll(white, 2, axis=1)
    assert metrics.line_correlation(lines, axis=1, lag=2) == pytest.approx(0.4, abs=0.02)
    assert abs(metrics.line_correlation(lines, axis=1)) < 0.02
    assert abs(metrics.line_correlation(lines, axis=0, lag=2)) < 0.02
    with pytest.raises(ValueError, match="lag"):
        metrics.line_correlation(white, axis=0, lag=200)


def test_nyquist_energy_is_the_variance_of_noise_and_sees_a_checkerboard(truth: np.ndarray) -> None:
    white = np.random.default_rng(0).normal(0, 3, (8, 128, 96))
    share, power = metrics.nyquist_energy(white)
    assert share == pytest.approx(1, abs=0.06)
    assert power == pytest.approx(9, rel=0.06)
    board = np.where(np.add.outer(np.arange(96), np.arange(96)) % 2, 0.5, -0.5)
    assert metrics.nyquist_energy(truth + board)[1] > 100 * metrics.nyquist_energy(truth)[1]
    stripes = np.broadcast_to(np.where(np.arange(96) % 2, 0.5, -0.5), (96, 96))  # fine along one axis only
    assert metrics.nyquist_energy(truth + stripes)[1] < 1e-6 * metrics.nyquist_energy(truth + board)[1]


def test_traces_of_a_centre_excluded_movie_are_gone() -> None:
    photons, weights = synthetic.movie("spikes", frames=120)
    noisy = synthetic.expose(photons, np.random.default_rng(0))
    real = synthetic.truth(photons)
    excluded = without_centre(noisy)
    assert metrics.trace_correlation(real, real, weights) == pytest.approx(1)
    assert metrics.amplitude_slope(real, real, weights) == pytest.approx(1)
    assert abs(metrics.trace_correlation(real, excluded, weights)) < 0.1
    assert abs(metrics.amplitude_slope(real, excluded, weights)) < 0.03
    blurred = gaussian_filter(noisy, (0, 1, 1))
    assert metrics.trace_correlation(real, blurred, weights) > 0.9
    assert metrics.amplitude_slope(real, blurred, weights) == pytest.approx(0.97, abs=0.03)
    halved = real * 0.5 + 50  # another scale: correlated, but lower
    assert metrics.trace_correlation(real, halved, weights) == pytest.approx(1)
    assert metrics.amplitude_slope(real, halved, weights) == pytest.approx(0.5)


def test_traces_refuse_what_has_no_activity() -> None:
    still, weights = np.ones((20, 8, 8)), [np.ones((8, 8))]
    with pytest.raises(ValueError, match="do not change"):
        metrics.trace_correlation(still, still, weights)
    with pytest.raises(ValueError, match="no event"):
        metrics.amplitude_slope(still, still, weights)
    with pytest.raises(ValueError, match="t, y, x"):
        metrics.trace_correlation(still[0], still[0], weights)


def test_ring_correlation_of_equal_and_of_unrelated_images(truth: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    same = metrics.frc(truth, truth)
    assert np.allclose(same.correlation, 1)
    assert same.frequency[-1] == pytest.approx(0.5)
    assert same.counts[:2].tolist() == [1, 8]
    assert metrics.frc_resolution(same) == pytest.approx(2)
    noise = rng.normal(size=(2, 256, 256))
    assert np.abs(metrics.frc(*noise).correlation[8:]).mean() < 0.05
    assert metrics.frc_resolution(metrics.frc(*noise)) == math.inf


def test_ring_correlation_follows_signal_and_noise() -> None:
    rng = np.random.default_rng(0)
    real = gaussian_filter(rng.normal(size=(20, 128, 128)), (0, 2, 2)) * 10
    one, other = (real + rng.normal(0, 1, real.shape) for _ in range(2))
    curve = metrics.frc(one, other)
    # power of the signal: 100 exp(-(2 pi f sigma)^2), of the noise: 1; they correlate by S / (S + N)
    signal = 100 * np.exp(-((2 * np.pi * curve.frequency * 2) ** 2))
    assert np.abs(curve.correlation - signal / (signal + 1))[3:].max() < 0.05
    by_hand = np.sqrt(np.log(600)) / (4 * np.pi)  # S / (S + N) = 1 / 7 where S = 1 / 6
    assert metrics.frc_resolution(curve) == pytest.approx(1 / by_hand, rel=0.05)


def test_halves_of_one_image_agree_where_it_has_detail() -> None:
    rng = np.random.default_rng(0)
    real = gaussian_filter(rng.normal(size=(16, 128, 128)), (0, 4, 4)) * 30
    one, other = metrics.checkerboard_halves(real)
    assert one.shape == other.shape == (16, 64, 64)
    ramp = np.add.outer(3.0 * np.arange(8), np.arange(6))
    assert np.array_equal(*metrics.checkerboard_halves(ramp))  # both have the same centre
    first, second = metrics.checkerboard_halves(rng.normal(size=(200, 200)))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.03
    noisy = real + rng.normal(0, 1, real.shape)
    split = 2 * metrics.frc_resolution(metrics.frc(*metrics.checkerboard_halves(noisy)))
    twice = metrics.frc_resolution(metrics.frc(noisy, real + rng.normal(0, 1, real.shape)))
    assert split == pytest.approx(twice, rel=0.1)


def test_frames_are_halved_equally() -> None:
    even, odd = metrics.frame_halves(np.arange(7))
    assert (even.tolist(), odd.tolist()) == ([0, 2, 4], [1, 3, 5])
