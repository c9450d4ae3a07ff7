"""Figures without a truth, against the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bioimg_fiji import metrics
from bioimg_fiji.train import synthetic
from support.denoisers import without_centre

VARIANCE_AT_ZERO = synthetic.GAIN**2 * synthetic.READ_NOISE**2 - synthetic.GAIN * synthetic.OFFSET


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("brightness", [1, 10, 50])
def test_noise_of_a_single_image(seed: int, brightness: int) -> None:
    photons = synthetic.phantom(seed=seed) * brightness
    model = metrics.blind_noise(synthetic.expose(photons, np.random.default_rng(seed)))
    true = synthetic.GAIN * np.sqrt(photons.mean() + synthetic.READ_NOISE**2)
    assert model.sigma == pytest.approx(true, rel=0.08)
    assert model.gain == pytest.approx(synthetic.GAIN, rel=0.25)


def test_noise_of_a_movie() -> None:
    photons, _ = synthetic.movie("slow", frames=40)
    model = metrics.blind_noise(synthetic.expose(photons * 5, np.random.default_rng(0)), movie=True)
    assert model.gain == pytest.approx(synthetic.GAIN, rel=0.1)
    assert model.variance_at_zero == pytest.approx(VARIANCE_AT_ZERO, rel=0.15)
    value = 100 + 2 * 30.0  # ADU at 30 photons
    assert model.variance(value) == pytest.approx(4 * (30 + 2.25), rel=0.06)
    assert model.variance(0.0) == 0


def test_a_flat_image_has_no_gain_but_a_sigma() -> None:
    model = metrics.blind_noise(np.random.default_rng(0).normal(100, 7, (256, 256)))
    assert model.gain == 0
    assert model.sigma == pytest.approx(7, rel=0.05)
    with pytest.raises(ValueError, match="two frames"):
        metrics.blind_noise(np.ones((1, 32, 32)), movie=True)


def test_residual_correlates_with_the_signal_only_where_contrast_was_taken() -> None:
    photons = synthetic.phantom(seed=1)
    noisy, real = synthetic.expose(photons, np.random.default_rng(0)), synthetic.truth(photons)
    assert abs(metrics.residual_signal_correlation(noisy, real)) < 0.015  # noise grows with the signal: no matter
    flattened = 0.9 * (real - real.mean()) + real.mean()
    expected = 0.1 * real.std() / np.std(noisy - flattened)
    assert metrics.residual_signal_correlation(noisy, flattened) == pytest.approx(expected, abs=0.015)
    sharpened = 1.1 * (real - real.mean()) + real.mean()
    assert metrics.residual_signal_correlation(noisy, sharpened) < -0.1
    with pytest.raises(ValueError, match="nothing"):
        metrics.residual_signal_correlation(noisy, noisy)


def test_bias_is_that_of_the_light_above_the_background() -> None:
    photons = synthetic.phantom(seed=2) * 5
    noisy, real = synthetic.expose(photons, np.random.default_rng(0)), synthetic.truth(photons)
    assert metrics.blind_bias(noisy, real) == pytest.approx(0, abs=0.005)
    light = real - synthetic.OFFSET
    brighter = synthetic.OFFSET + 1.05 * light
    assert metrics.blind_bias(noisy, brighter, background=synthetic.OFFSET) == pytest.approx(0.05, abs=0.003)
    assert metrics.blind_bias(noisy, real - 2) == pytest.approx(
        metrics.mean_bias(real, real - 2, float(np.quantile(real, 0.01))), rel=0.15
    )
    with pytest.raises(ValueError, match="no signal"):
        metrics.blind_bias(noisy, real, background=1e6)


@pytest.mark.parametrize("brightness", [1, 10])
@pytest.mark.parametrize("seed", [0, 1, 100])
def test_roi_slope_without_the_truth_is_that_with_it(seed: int, brightness: int) -> None:
    photons = synthetic.phantom(seed=seed) * brightness
    noisy, real = synthetic.expose(photons, np.random.default_rng(seed)), synthetic.truth(photons)
    for denoised in (real, 0.9 * real + 10, 1.05 * real, gaussian_filter(noisy, 1.0), gaussian_filter(noisy, 2.5)):
        with_truth = metrics.roi_slope(real, denoised)
        assert metrics.blind_roi_slope(noisy, denoised) == pytest.approx(with_truth, abs=0.015)


def test_roi_slope_is_not_told_where_there_is_only_noise() -> None:
    noisy = np.random.default_rng(0).normal(100, 5, (128, 128))
    with pytest.raises(ValueError, match="little but noise"):
        metrics.blind_roi_slope(noisy, gaussian_filter(noisy, 3))


def test_offsets_between_planes_do_not_hide_a_flattened_one() -> None:
    photons = np.stack([synthetic.phantom(seed=seed) for seed in range(3)]) + np.array([0, 100, 200])[:, None, None]
    noisy, real = synthetic.expose(photons, np.random.default_rng(0)), synthetic.truth(photons)
    middle = real.mean(axis=(1, 2), keepdims=True)
    assert metrics.blind_roi_slope(noisy, 0.8 * (real - middle) + middle) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("brightness", [1, 5])
@pytest.mark.parametrize("kind", ["spikes", "slow"])
def test_traces_without_the_truth_are_those_with_it(kind: str, brightness: int) -> None:
    photons, _ = synthetic.movie(kind, frames=160)
    photons = photons * brightness
    noisy, real = synthetic.expose(photons, np.random.default_rng(0)), synthetic.truth(photons)
    excluded = without_centre(noisy)
    blocks = active_blocks(real)
    for denoised in (real, gaussian_filter(noisy, (0, 1, 1)), excluded, 0.63 * real + 0.37 * excluded):
        blind = metrics.blind_trace(noisy, denoised)
        assert blind.slope == pytest.approx(metrics.amplitude_slope(real, denoised, blocks), abs=0.06)
        assert blind.correlation == pytest.approx(metrics.trace_correlation(real, denoised, blocks), abs=0.06)
    assert blind.events > 50


def test_a_centre_excluded_movie_is_convicted_without_the_truth() -> None:
    noisy = synthetic.expose(synthetic.movie("spikes", frames=160)[0], np.random.default_rng(0))
    blind = metrics.blind_trace(noisy, without_centre(noisy))
    assert abs(blind.correlation) < 0.1
    assert abs(blind.slope) < 0.03


def test_a_still_movie_has_no_traces() -> None:
    noisy = np.random.default_rng(0).normal(100, 5, (40, 64, 64))
    with pytest.raises(ValueError, match="active enough"):
        metrics.blind_trace(noisy, noisy)
    with pytest.raises(ValueError, match="12 frames"):
        metrics.blind_trace(noisy[:5], noisy[:5])


def active_blocks(movie: np.ndarray, side: int = 8) -> list[np.ndarray]:
    """Masks of the blocks whose mean changes most over time."""
    count = movie.shape[1] // side
    masks = [
        np.kron(np.eye(count)[row][:, None] * np.eye(count)[column], np.ones((side, side)))
        for row in range(count)
        for column in range(count)
    ]
    spreads = [float((movie * mask).sum(axis=(1, 2)).std()) for mask in masks]
    return [mask for mask, spread in zip(masks, spreads, strict=True) if spread > 0.4 * max(spreads)]
