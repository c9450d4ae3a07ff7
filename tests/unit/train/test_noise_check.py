"""The look at the noise: fires on correlated noise, and not on structure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from bioimg_fiji.image import Image
from bioimg_fiji.train import synthetic
from bioimg_fiji.train.noise_check import Severity, image_noise_correlation, look, movie_noise_correlation


@pytest.mark.parametrize("kind", ["slow", "spikes"])
@pytest.mark.parametrize("brightness", [1, 30])
def test_active_cells_with_white_noise_are_no_correlated_noise(kind: str, brightness: int) -> None:
    photons, _ = synthetic.movie(kind, frames=60)
    movie = synthetic.expose(photons * brightness, np.random.default_rng(0))
    assert look([Image(movie, "tyx")]) == []
    assert abs(movie_noise_correlation(movie)["x"]) < 0.02


@pytest.mark.parametrize("brightness", [1, 20, 100])
def test_drifting_structure_is_no_correlated_noise(brightness: int) -> None:
    photons = synthetic.phantom(seed=2) * brightness
    movie = np.stack([photons[t : t + 96, 2 * t : 2 * t + 96] for t in range(20)])
    assert look([Image(synthetic.expose(movie, np.random.default_rng(0)), "tyx")]) == []


@pytest.mark.parametrize("axis", ["y", "x"])
def test_correlation_along_one_axis_is_measured_and_refused(axis: str) -> None:
    rng = np.random.default_rng(1)
    white = rng.normal(0, 10, (30, 80, 80))
    shifted = np.roll(white, 1, axis=2 if axis == "x" else 1)
    weight = 0.5  # correlation at one pixel = w / (1 + w^2) = 0.4
    (finding,) = look([Image((white + weight * shifted + 200).astype(np.float32), "tyx", title="movie")])
    assert finding.severity is Severity.UNSUITABLE
    assert finding.figures[axis] == pytest.approx(0.4, abs=0.04)
    other = "y" if axis == "x" else "x"
    assert abs(finding.figures[other]) < 0.02
    assert f"along {axis}" in finding.sentence
    assert "movie" in finding.sentence
    assert "structn2v" in finding.sentence


def test_a_method_that_does_not_need_an_axis_independent_is_not_refused_for_it() -> None:
    white = np.random.default_rng(1).normal(0, 10, (30, 80, 80))
    movie = Image((white + 0.5 * np.roll(white, 1, axis=2)).astype(np.float32), "tyx")
    assert look([movie], independent_in=("y",)) == []


def test_single_image_is_warned_about_and_never_refused() -> None:
    noise = gaussian_filter(np.random.default_rng(1).normal(0, 10, (128, 128)), 1)
    (finding,) = look([Image(noise.astype(np.float32), "yx")])
    assert finding.severity is Severity.NOTE
    assert finding.figures["x"] > 0.5


def test_synthetic_set_passes() -> None:
    rng = np.random.default_rng(1)
    images = [Image(synthetic.expose(synthetic.phantom(seed=seed), rng), "yx") for seed in range(3)]
    assert look(images) == []


def test_real_nuclei_with_known_noise_pass(shared_data: Path) -> None:
    files = sorted((shared_data / "nuclei" / "images").glob("*.tif"))[::13]
    assert len(files) == 10
    for number, file in enumerate(files):
        photons = tifffile.imread(file).astype(float)
        noisy = synthetic.expose(10 * photons / photons.mean(), np.random.default_rng(number))
        assert look([Image(noisy, "yx")]) == [], file.name
        assert abs(image_noise_correlation(noisy[None])["x"]) < 0.1


def test_two_photon_movie_is_refused_with_its_figure(shared_data: Path) -> None:
    movie = Image(tifffile.imread(shared_data / "calcium" / "mouse_2p.tif"), "tyx", title="mouse_2p.tif")
    worst = look([movie])[0]
    assert worst.code == "correlated_noise"
    assert worst.severity is Severity.UNSUITABLE
    assert max(worst.figures["y"], worst.figures["x"]) == pytest.approx(0.4, abs=0.05)


def test_saturation_is_told() -> None:
    pixels = np.random.default_rng(0).normal(200, 40, (64, 64)).clip(0, 255).astype(np.uint8)
    (finding,) = look([Image(pixels, "yx", title="bright")])
    assert finding.code == "saturated"
    assert finding.figures["share"] == pytest.approx(float((pixels == 255).mean()))


def test_dark_clipping_is_told() -> None:
    pixels = np.random.default_rng(0).normal(5, 10, (64, 64)).clip(0, 255).astype(np.uint8)
    assert [finding.code for finding in look([Image(pixels, "yx")])] == ["clipped_dark"]
