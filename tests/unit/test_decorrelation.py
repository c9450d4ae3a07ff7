"""Resolution by decorrelation analysis, of images whose cut-off is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bioimg_fiji.metrics import decorrelation


def points(seed: int, transfer: str, cutoff: float, photons: float) -> np.ndarray:
    """Give points seen through optics that pass frequencies below the cut-off, with photon noise."""
    rng = np.random.default_rng(seed)
    scene = np.zeros((256, 256))
    np.add.at(scene, tuple(rng.integers(0, 256, (2, 1000))), 1)
    radius = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256))
    share = np.clip(radius / cutoff, 0, 1)
    circle = 2 / np.pi * (np.arccos(share) - share * np.sqrt(1 - share**2))  # of a microscope, incoherent light
    passed = circle if transfer == "microscope" else radius <= cutoff
    image = np.fft.ifft2(np.fft.fft2(scene) * passed).real
    image = (image - image.min()) / (image - image.min()).mean() * photons
    return rng.poisson(image).astype(np.float64)


@pytest.mark.parametrize("cutoff", [0.1, 0.2, 0.3, 0.4])
def test_a_sharp_cutoff_is_found(cutoff: float) -> None:
    found = decorrelation(points(0, "sharp", cutoff, 1e4))
    assert found.cutoff == pytest.approx(cutoff, rel=0.05)
    assert found.resolution == pytest.approx(1 / cutoff, rel=0.05)


@pytest.mark.parametrize("cutoff", [0.12, 0.2, 0.3, 0.4])
@pytest.mark.parametrize("photons", [1e2, 1e5])
def test_of_a_microscope_the_last_faint_frequencies_are_missing(cutoff: float, photons: float) -> None:
    found = decorrelation(points(1, "microscope", cutoff, photons))
    assert found.cutoff == pytest.approx(0.87 * cutoff, rel=0.05)


def test_more_noise_is_less_resolution_and_less_height() -> None:
    found = [decorrelation(points(2, "microscope", 0.3, photons)) for photons in (0.1, 1, 100)]
    assert found[0].cutoff < 0.8 * found[2].cutoff
    assert found[0].height < found[1].height < found[2].height


def test_planes_are_analysed_together_whatever_their_offset() -> None:
    stack = np.stack([points(seed, "sharp", 0.2, 1e3) for seed in range(3)])
    stack[1] += 1e5
    assert decorrelation(stack).cutoff == pytest.approx(0.2, rel=0.05)
    assert decorrelation(stack[:, :200, 20:]).cutoff == pytest.approx(0.2, rel=0.07)


def test_noise_has_no_resolution_and_what_has_no_value_is_refused() -> None:
    noise = np.random.default_rng(0).normal(size=(256, 256))
    assert decorrelation(noise).resolution == math.inf
    with pytest.raises(ValueError, match="constant"):
        decorrelation(np.ones((64, 64)))
    with pytest.raises(ValueError, match="at least 16"):
        decorrelation(noise[:15])
    with pytest.raises(ValueError, match="NaN"):
        decorrelation(np.full((64, 64), np.nan))
