"""Noise over frames and slices, and the method that is recommended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter, shift, uniform_filter1d

from bioimg_fiji.image import Image
from bioimg_fiji.train import TrainConfig, synthetic
from bioimg_fiji.train.n2n import Noise2Noise
from bioimg_fiji.train.noise_check import (
    Severity,
    depth_noise_correlation,
    look,
    reach,
    recommend,
    smoothness,
    temporal_noise_correlation,
)

EVERY = ("t", "z", "y", "x")


def film(kind: str = "slow", brightness: float = 5, frames: int = 120) -> np.ndarray:
    photons, _ = synthetic.movie(kind, frames=frames)
    return synthetic.expose(photons * brightness, np.random.default_rng(0))


@pytest.mark.parametrize("kind", ["slow", "spikes"])
@pytest.mark.parametrize("brightness", [1, 30])
def test_active_movies_have_no_noise_in_common_between_frames(kind: str, brightness: int) -> None:
    movie = film(kind, brightness)
    assert look([Image(movie, "tyx")], EVERY) == []
    assert look([Image(movie.round().astype(np.uint16), "tyx")], EVERY) == []
    assert abs(temporal_noise_correlation(movie)["t"]) < 0.05


@pytest.mark.parametrize("brightness", [1, 20, 100, 1000])
def test_drift_is_no_noise_in_common(brightness: int) -> None:
    photons = synthetic.phantom(seed=2) * brightness
    rng = np.random.default_rng(0)
    fast = np.stack([photons[t : t + 96, 2 * t : 2 * t + 96] for t in range(20)])
    slow = np.stack([shift(photons, (0.1 * t, 0.05 * t), order=3)[20:116, 20:116].clip(0) for t in range(40)])
    for movie in (fast, slow):
        assert temporal_noise_correlation(synthetic.expose(movie, rng))["t"] < 0.1


@pytest.mark.parametrize(("length", "first", "second"), [(2, 1 / 2, 0), (3, 2 / 3, 1 / 3)])
@pytest.mark.parametrize("kind", ["slow", "spikes"])
def test_running_means_are_found_with_their_correlation(length: int, first: float, second: float, kind: str) -> None:
    movie = uniform_filter1d(film(kind), length, axis=0)
    (finding,) = look([Image(movie, "tyx", title="averaged")], EVERY)
    assert finding.code == "correlated_in_time"
    assert finding.severity is Severity.UNSUITABLE
    assert finding.figures["t"] == pytest.approx(first, abs=0.05)
    assert finding.figures["t2"] == pytest.approx(second, abs=0.05)
    assert "averaged" in finding.sentence
    assert look([Image(movie, "tyx")]) == []  # n2v learns from one frame at a time


def test_noise2noise_looks_at_time_only() -> None:
    config = TrainConfig(method="n2n")
    averaged = uniform_filter1d(film(brightness=1), 2, axis=0)
    assert "correlated_in_time" in [f.code for f in Noise2Noise().look([Image(averaged, "tyx")], config)]
    blurred = gaussian_filter(film(brightness=1), (0, 0.7, 0.7))
    assert [
        f.code for f in Noise2Noise().look([Image(blurred, "tyx")], config) if f.severity is not Severity.NOTE
    ] == []


def test_repeated_and_interlaced_frames() -> None:
    twice, interlaced = film(), film()
    twice[1::2] = twice[::2]
    interlaced[1::2, ::2] = interlaced[::2, ::2]
    findings = {f.code: f for f in look([Image(twice, "tyx")], EVERY)}
    assert findings["repeated_frames"].figures["share"] == pytest.approx(0.5, abs=0.05)
    assert [f.code for f in look([Image(interlaced, "tyx")], EVERY)] == ["correlated_in_time"]


def test_rounding_does_not_hide_correlated_noise() -> None:
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(40, 96, 96)), (0, 1, 1))
    exact = 50 + noise / noise.std() * 0.5
    (finding, *_) = look([Image(exact.round().astype(np.uint8), "tyx")])
    assert finding.figures["x"] == pytest.approx(0.78, abs=0.08)  # exp(-1 / 4), of a Gaussian of 1 pixel
    assert reach([Image(exact.round().astype(np.uint8), "tyx")])["x"] >= 2


def test_neighbouring_slices_of_stacks_and_movies() -> None:
    rng = np.random.default_rng(0)
    stack = synthetic.expose(np.stack([synthetic.phantom(seed=3) * (1 + n / 10) for n in range(12)]), rng)
    assert look([Image(stack, "zyx")], EVERY) == []
    blurred = gaussian_filter(stack, (0.7, 0, 0))
    (finding,) = look([Image(blurred, "zyx")], EVERY)
    assert finding.code == "correlated_in_depth"
    assert finding.figures["z"] == pytest.approx(0.52, abs=0.1)
    assert look([Image(blurred, "zyx")]) == []
    movie = rng.normal(100, 5, (10, 4, 64, 64))
    assert abs(depth_noise_correlation(Image(movie, "tzyx"))) < 0.03
    shared = movie + 0.5 * np.roll(movie, 1, axis=1)
    assert depth_noise_correlation(Image(shared, "tzyx")) == pytest.approx(0.4, abs=0.03)
    assert np.isnan(depth_noise_correlation(Image(stack[0], "yx")))


def test_activity_that_lasts_is_told_from_flashes() -> None:
    assert smoothness(film("slow"))["smooth"] > 0.9
    assert abs(smoothness(film("spikes"))["smooth"]) < 0.15
    assert smoothness(np.random.default_rng(0).normal(size=(60, 64, 64)))["active"] < 0.02


def test_what_is_recommended_for_synthetic_data() -> None:
    def method(pixels: np.ndarray, axes: str) -> str:
        return recommend([Image(pixels, axes)]).method

    image = synthetic.expose(synthetic.phantom(seed=1), np.random.default_rng(1))
    spikes = film("spikes")
    lines = (spikes - 100) + 0.5 * np.roll(spikes - 100, 1, axis=2)
    assert method(image, "yx") == "n2v"
    assert method(gaussian_filter(image, 0.7), "yx") == "none"
    assert method(film("slow"), "tyx") == "temporal"
    assert method(spikes, "tyx") == "n2v"
    assert method(lines, "tyx") == "structn2v"
    assert method(uniform_filter1d(film("slow"), 3, axis=0), "tyx") == "n2v"
    both = gaussian_filter(spikes, (0, 0.7, 0.7))
    assert method(both, "tyx") == "n2n"
    assert "do not measure fast events" in recommend([Image(both, "tyx")]).sentence
    assert method(uniform_filter1d(both, 2, axis=0), "tyx") == "none"
    assert "temporal does not" in recommend([Image(film("slow"), "tyx")]).sentence
    assert recommend([]).method == "n2v"


def test_the_worst_image_decides() -> None:
    images = [Image(film("slow"), "tyx"), Image(gaussian_filter(film("slow"), (0, 0.7, 0.7)), "tyx")]
    assert recommend(images).method == "n2n"
    assert recommend(images[::-1]).method == "n2n"


def test_real_calcium_movies(shared_data: Path) -> None:
    mouse = Image(tifffile.imread(shared_data / "calcium" / "mouse_2p.tif"), "tyx", title="mouse_2p.tif")
    fish = Image(tifffile.imread(shared_data / "calcium" / "fish_lightsheet_tzyx.tif"), "tzyx", title="fish")
    choice = recommend([mouse])
    assert choice.method == "n2n"
    assert (choice.figures["y"], choice.figures["x"]) == pytest.approx((0.37, 0.35), abs=0.03)
    assert abs(choice.figures["t"]) < 0.05
    assert "method n2n" in look([mouse])[0].sentence
    choice = recommend([fish])
    assert choice.method == "none"
    assert min(choice.figures["y"], choice.figures["x"]) == pytest.approx(0.9, abs=0.05)
    assert choice.figures["t"] > 0.9
    assert {"correlated_noise", "few_grey_levels"} <= {f.code for f in look([fish])}
