"""Calibration without a truth: real coverage on Poisson data whose truth is known, and what it refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bioimg_fiji.errors import ImageError
from bioimg_fiji.metrics.blind import NoiseModel
from bioimg_fiji.train import synthetic
from bioimg_fiji.trust.conformal import Calibration
from bioimg_fiji.trust.unseen import GRID, BlindSample, Hiding, blind_sample, calibration_without_truth

Array = np.ndarray[Any, Any]


def blur(noisy: Array) -> tuple[Array, Array]:
    """A denoiser that never looks at the pixel itself, and a spread that is three times too small."""
    weight = np.zeros((9, 9))
    weight[4, 4] = 1
    weight = gaussian_filter(weight, 1.2)
    weight[4, 4] = 0
    from scipy.ndimage import convolve

    told = convolve(noisy.astype(np.float64), weight / weight.sum(), mode="mirror")
    edges = np.abs(gaussian_filter(told, 1) - gaussian_filter(told, 3))
    return told, (0.4 + 0.3 * edges) / 3


def samples(expose: Callable[[Array, np.random.Generator], Array], count: int = 4) -> list[BlindSample]:
    rng = np.random.default_rng(1)
    images = [expose(synthetic.phantom(seed=200 + number), rng) for number in range(count)]
    return [blind_sample(f"{number}", image, blur, count) for number, image in enumerate(images)]


def real_coverage(calibration: Calibration, level: float) -> float:
    rng = np.random.default_rng(2)
    shares = []
    for seed in range(300, 306):
        photons = synthetic.phantom(seed=seed)
        told, spread = blur(synthetic.expose(photons, rng))
        low, high, _ = calibration.interval(told, spread, calibration.factor(level))
        truth = synthetic.truth(photons)
        shares.append(np.mean((low <= truth) & (truth <= high)))
    return float(np.mean(shares))


@pytest.fixture(scope="module")
def calibrated() -> Calibration:
    return calibration_without_truth("augmentation", samples(synthetic.expose))


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_real_coverage_on_poisson_data(calibrated: Calibration, level: float) -> None:
    assert calibrated.label() == "modelled from noise (4 images)"
    assert real_coverage(calibrated, level) == pytest.approx(level, abs=0.06)


def test_it_certifies_nothing_and_says_so(calibrated: Calibration) -> None:
    from bioimg_fiji.errors import ParameterError

    with pytest.raises(ParameterError, match="modelled from noise, which certifies nothing"):
        calibrated.factor(0.9, "certified")
    assert Calibration.from_json(calibrated.to_json()).factor(0.9) == pytest.approx(calibrated.factor(0.9), rel=1e-4)
    assert all(image.raw_coverage is None for image in calibrated.images)


def correlated(photons: Array, rng: np.random.Generator) -> Array:
    return np.float32(synthetic.truth(photons) + 8 * gaussian_filter(rng.normal(size=photons.shape), 0.5))


def saturated(photons: Array, rng: np.random.Generator) -> Array:
    return np.minimum(synthetic.expose(photons, rng), np.float32(115))


def cut_off(photons: Array, rng: np.random.Generator) -> Array:
    return np.maximum(synthetic.expose(photons, rng), np.float32(102))


def rounded_noise(photons: Array, rng: np.random.Generator) -> Array:
    """Structure that looks like noise to photon transfer: a checkerboard that any blind spot tells."""
    board = 12 * ((np.add.outer(np.arange(256), np.arange(256)) % 2) - 0.5)
    return np.float32(100 + 0 * photons + board + rng.normal(0, 0.5, photons.shape))


@pytest.mark.parametrize(
    ("expose", "message"),
    [
        (correlated, "noise of neighbouring pixels is correlated"),
        (saturated, "saturated"),
        (cut_off, "cut off below"),
    ],
)
def test_what_the_noise_model_does_not_explain_is_refused(
    expose: Callable[[Array, np.random.Generator], Array], message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        calibration_without_truth("augmentation", samples(expose))


def test_noise_that_is_overestimated_is_refused() -> None:
    def board_too(noisy: Array) -> tuple[Array, Array]:
        told = 100 + 12 * ((np.add.outer(np.arange(256), np.arange(256)) % 2) - 0.5)
        return np.broadcast_to(told, noisy.shape), np.ones(noisy.shape)

    rng = np.random.default_rng(0)
    image = rounded_noise(synthetic.phantom(seed=1), rng)
    with pytest.raises(ImageError, match="less than the noise model says"):
        calibration_without_truth("augmentation", [blind_sample("board", image, board_too)])


def test_errors_far_below_the_noise_are_refused() -> None:
    truth = synthetic.truth(synthetic.phantom(seed=1))
    image = synthetic.expose(synthetic.phantom(seed=1), np.random.default_rng(0))
    sample = blind_sample("a", image, lambda noisy: (truth, np.ones(noisy.shape)))
    with pytest.raises(ImageError, match="so far below the noise"):
        calibration_without_truth("augmentation", [sample])


@pytest.mark.parametrize("broken", ["measured", "told", "spread"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_values_that_are_none_are_refused(broken: str, value: float) -> None:
    if value < 0 and broken != "spread":
        return
    sample = samples(synthetic.expose, 1)[0]
    values = getattr(sample, broken).copy()
    values[7] = value
    with pytest.raises(ImageError, match="values or spreads of 0 are not finite, or spreads are negative"):
        calibration_without_truth("augmentation", [dataclasses.replace(sample, **{broken: values})])


def test_bounds_do_not_claim_more_than_the_noise_is_known_to() -> None:
    rng, count = np.random.default_rng(0), 100_000
    error = rng.normal(size=count) * np.exp(rng.uniform(np.log(0.3), np.log(3), count))
    truth = rng.uniform(50, 150, count)
    sample = BlindSample(
        name="surer than can be told",
        sha256="",
        pixels=count,
        measured=truth + 6 * rng.normal(size=count),
        told=truth + error,
        spread=np.abs(error) + 0.1,  # sorts by the error itself
        noise=NoiseModel(0.0, 36.0, 6.0),
        neighbours=0.0,
    )
    calibration = calibration_without_truth("augmentation", [sample])
    for level in (0.5, 0.9):
        low, high, _ = calibration.interval(sample.told, sample.spread, calibration.factor(level))
        assert np.mean((low <= truth) & (truth <= high)) >= level


def test_no_pixel_is_hidden_twice_and_only_those_that_count_are_told() -> None:
    pixels = np.arange(20 * 23, dtype=np.float32).reshape(20, 23)
    image = np.tile(pixels, (4, 4))
    inner = (slice(3, 17), slice(5, 21))
    hiding = Hiding(pixels, lambda noisy: (noisy, np.ones(noisy.shape)), inner)
    sample = blind_sample("numbers", image, hiding.run, hidings=[hiding])
    assert sorted(sample.measured) == sorted(pixels[inner].ravel())  # WANTED asks for all GRID ** 2 rounds
    assert GRID**2 == 25


def test_too_few_pixels_are_refused() -> None:
    image = synthetic.expose(synthetic.phantom(64, seed=1), np.random.default_rng(0))
    with pytest.raises(ImageError, match="hidden pixels, and it takes 20000"):
        calibration_without_truth("augmentation", [blind_sample("small", image, blur)])
    with pytest.raises(ImageError, match="tells nothing of its noise"):
        blind_sample("tiny", image[:8, :8], blur)
