"""Whether images show one scene and are aligned: repeats, shifted ones, different fields, and what cannot be told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bioimg_fiji.files import open_source, write_image
from bioimg_fiji.image import Image
from bioimg_fiji.train import TrainConfig, synthetic
from bioimg_fiji.train.alignment import compare
from bioimg_fiji.train.care import Care, shift
from bioimg_fiji.train.n2n import Noise2Noise
from bioimg_fiji.train.noise_check import Severity
from bioimg_fiji.train.stored import excerpt

N2N = TrainConfig(method="n2n")


def exposures(seeds: list[int], light: float = 1.0, moved: int = 0) -> list[Image]:
    """Give an exposure of each scene; each is moved by so many pixels more than the one before."""
    rng = np.random.default_rng(0)
    scenes = [np.roll(synthetic.phantom(seed=seed) * light, n * moved, axis=1) for n, seed in enumerate(seeds)]
    return [Image(synthetic.expose(scene, rng), "yx", title=f"{n}.tif") for n, scene in enumerate(scenes)]


@pytest.mark.parametrize("light", [1.0, 0.1])
@pytest.mark.parametrize("seed", [0, 3])
def test_repeats_are_aligned_however_dark(light: float, seed: int) -> None:
    one, other = (image.pixels for image in exposures([seed, seed], light))
    found = compare(one, other)
    assert found is not None
    assert found.shift == 0
    assert found.certainty > 10
    assert not found.unrelated
    moved = compare(one, np.roll(other, 7, axis=0))
    assert moved is not None
    assert moved.shift == pytest.approx(7, abs=1)
    assert moved.shifted


def test_what_cannot_be_told_is_not() -> None:
    rng = np.random.default_rng(0)
    flat = compare(*rng.normal(size=(2, 128, 128)))
    assert flat is not None
    assert not flat.unrelated
    assert not flat.shifted
    dark = compare(*(image.pixels for image in exposures([0, 1], light=0.02)))
    assert dark is not None
    assert not dark.unrelated
    assert not dark.shifted
    assert compare(np.full((64, 64), 0.1), np.full((64, 64), 0.3)) is None
    assert compare(*rng.normal(size=(2, 40, 40))) is None
    assert compare(np.zeros((64, 64)), np.zeros((64, 65))) is None


@pytest.mark.parametrize("light", [1.0, 0.1])
def test_noise2noise_tells_different_fields(light: float) -> None:
    (finding,) = Noise2Noise().look(exposures([0, 1, 2, 3], light), N2N)
    assert (finding.code, finding.severity) == ("no_repeats", Severity.UNSUITABLE)
    assert finding.figures["pairs"] == 3
    assert finding.figures["correlation"] < 0.3
    assert "different fields are for n2v" in finding.sentence


def test_noise2noise_takes_true_repeats_and_movies() -> None:
    assert Noise2Noise().look(exposures([0, 0]), N2N) == []
    assert Noise2Noise().look(exposures([4] * 4, light=0.1), N2N) == []
    one, other = exposures([0, 1])  # two movies of different fields: frames are paired within each
    movies = [image.with_pixels(np.stack([image.pixels, image.pixels + 1]), "tyx") for image in (one, other)]
    assert "no_repeats" not in [finding.code for finding in Noise2Noise().look(movies, N2N)]


def test_noise2noise_tells_shifted_repeats_and_one_other_field() -> None:
    (finding,) = Noise2Noise().look(exposures([0, 0, 0], moved=5), N2N)
    assert (finding.code, finding.severity) == ("shifted", Severity.NOTE)
    assert finding.figures["pixels"] == pytest.approx(5, abs=1)
    assert "Register them" in finding.sentence
    (finding,) = Noise2Noise().look(exposures([0, 0, 0, 1]), N2N)
    assert (finding.code, finding.severity) == ("no_repeats", Severity.NOTE)
    assert "Of 3 pairs of images that were compared, 1 shows different scenes" in finding.sentence


def textured(size: int) -> np.ndarray:
    drawn = gaussian_filter(np.random.default_rng(1).normal(size=(size, size)), 3.0)
    return np.asarray(100 + 30 * drawn / drawn.std(), np.float32)


@pytest.mark.parametrize("size", [700, 1024, 1200])
@pytest.mark.parametrize("moved", [0, 12])
def test_enlarged_pairs_in_large_files(size: int, moved: int, tmp_path: Path) -> None:
    large = textured(2 * size)
    small = np.roll(large, moved, axis=1).reshape(size, 2, size, 2).mean(axis=(1, 3))
    for name, pixels in (("small", small), ("large", large)):
        write_image(Image(pixels.clip(0, 255).astype(np.uint8), "yx"), tmp_path / f"{name}.tif")
    with open_source(tmp_path / "small.tif") as one, open_source(tmp_path / "large.tif") as other:
        pair = excerpt(one), excerpt(other)
    assert pair[1].shape == (1024, 1024)
    assert shift(*pair) == pytest.approx(moved / 2, abs=1 if moved else 0)


def test_pairs_in_little_light_are_not_called_shifted() -> None:
    clean = Image(synthetic.truth(synthetic.phantom(seed=0)), "yx")
    (poor,) = exposures([0], light=0.01)
    assert shift(poor, clean) == 0
    (other,) = exposures([5], light=0.1)
    assert shift(other, clean) == 0  # another field has no shift
    (poor,) = exposures([0], light=0.1)
    moved = clean.with_pixels(np.roll(clean.pixels, (0, 9), axis=(0, 1)))
    found = Care().look([poor], TrainConfig(method="care"), [moved])
    assert [finding.code for finding in found] == ["shifted"]
    assert found[0].figures["pixels"] == pytest.approx(9, abs=1)
