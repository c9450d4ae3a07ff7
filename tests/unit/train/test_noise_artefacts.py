"""Traces of processing and grey levels: found where they were made, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter, zoom

from bioimg_fiji.image import Image
from bioimg_fiji.train import synthetic
from bioimg_fiji.train.noise_check import Severity, enlarged, jpeg_blocks, look, repeated_pixels


def noisy(seed: int = 1, brightness: float = 10) -> np.ndarray:
    return synthetic.expose(synthetic.phantom(seed=seed) * brightness, np.random.default_rng(seed))


def eight_bits(pixels: np.ndarray) -> np.ndarray:
    low, high = 90.0, float(np.quantile(pixels, 0.999))
    return np.clip((pixels - low) * 200 / (high - low), 0, 255).round().astype(np.uint8)


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    return np.asarray(iio.imread(iio.imwrite("<bytes>", pixels, extension=".jpeg", quality=quality)))


def codes(pixels: np.ndarray, axes: str = "yx", **more: object) -> list[str]:
    return [finding.code for finding in look([Image(pixels, axes, **more)], ("t", "z", "y", "x"))]  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("brightness", [1, 10, 100])
def test_raw_images_are_not_accused(seed: int, brightness: int) -> None:
    pixels = noisy(seed, brightness)
    assert codes(pixels) == []
    assert codes(pixels.round().astype(np.uint16)) == []
    assert codes(pixels.round().astype(np.uint16) * 16) == []  # 12 bits, left-aligned
    photons = np.random.default_rng(seed).poisson(synthetic.phantom(seed=seed) * brightness / 10)
    assert codes(photons.astype(np.uint16)) == []


@pytest.mark.parametrize("quality", [50, 80])
@pytest.mark.parametrize("corner", [(0, 0), (3, 5)])
def test_jpeg_is_found_with_the_place_of_its_grid(quality: int, corner: tuple[int, int]) -> None:
    top, left = corner
    pixels = jpeg(eight_bits(noisy()), quality)[top:, left:]
    figures = jpeg_blocks(pixels[None])
    assert (figures["row"], figures["column"]) == ((-top) % 8, (-left) % 8)
    assert figures["blockiness"] > 1.2
    (finding,) = (each for each in look([Image(pixels, "yx", title="photo.jpg")]) if each.code == "jpeg")
    assert finding.severity is Severity.NOTE
    assert "photo.jpg" in finding.sentence
    assert "enlarged" not in codes(pixels)


def test_jpeg_is_not_seen_before_compression_nor_in_other_periods() -> None:
    pixels = eight_bits(noisy())
    assert jpeg_blocks(pixels[None]) == {}
    every_seventh = pixels.astype(float) + 20 * (np.add.outer(np.arange(256), np.arange(256)) % 7 == 0)
    assert jpeg_blocks(every_seventh[None]) == {}
    assert jpeg_blocks(np.kron(pixels, np.ones((4, 4), np.uint8))[None]) == {}


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("factor", [1.5, 2, 3])
@pytest.mark.parametrize("brightness", [1, 100])
def test_interpolation_is_found_with_its_factor(factor: float, order: int, brightness: int) -> None:
    pixels = zoom(noisy(brightness=brightness), factor, order=order)
    figures = enlarged(pixels[None])
    assert figures["factor"] == pytest.approx(factor, abs=0.05)
    found = codes(pixels)
    assert "enlarged" in found
    assert "repeated_pixels" not in found


@pytest.mark.parametrize("factor", [1.5, 2])
def test_repeated_pixels_are_told_apart_from_interpolation(factor: float) -> None:
    pixels = zoom(noisy(), factor, order=0)
    assert repeated_pixels(pixels[None])["factor"] == pytest.approx(factor, abs=0.02)
    found = codes(pixels)
    assert "repeated_pixels" in found
    assert "enlarged" not in found


def test_a_black_border_is_no_repetition() -> None:
    pixels = np.zeros((256, 256), np.float32)
    pixels[60:200, 60:200] = noisy()[60:200, 60:200]
    assert repeated_pixels(pixels[None]) == {}


@pytest.mark.parametrize("sigma", [0.5, 0.7])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_slightly_blurred_noise_is_seen_in_a_single_image(sigma: float, seed: int) -> None:
    (finding,) = look([Image(gaussian_filter(noisy(seed), sigma), "yx")])
    assert finding.code == "smooth_background"
    assert next(iter(finding.figures.values())) == pytest.approx({0.5: 0.24, 0.7: 0.52}[sigma], abs=0.06)
    assert max(finding.figures["fine_y"], finding.figures["fine_x"]) < 0.75


def test_structure_that_fills_an_image_with_white_noise_is_no_smooth_noise() -> None:
    texture = gaussian_filter(np.random.default_rng(0).normal(size=(256, 256)), 4)
    pixels = 100 + texture / texture.std() * 8 + np.random.default_rng(1).normal(0, 2, texture.shape)
    assert codes(pixels.astype(np.float32)) == []


def test_saturation_of_five_percent_and_of_few_pixels() -> None:
    pixels = noisy(brightness=100).round().astype(np.uint16)
    for share in (0.05, 0.002):
        top = int(np.quantile(pixels, 1 - share))
        (finding,) = look([Image(np.minimum(pixels, top), "yx")])
        assert finding.code == "saturated"
        assert finding.figures["share"] == pytest.approx(share, rel=0.1)


def test_few_grey_levels() -> None:
    ramp = np.linspace(100, 120, 128)  # not on one grey level: rounding errors are spread evenly
    flat = (ramp + np.random.default_rng(0).normal(0, 0.3, (128, 128))).round().astype(np.uint8)
    finding = next(each for each in look([Image(flat, "yx")]) if each.code == "few_grey_levels")
    assert finding.figures["sigma"] == pytest.approx(0.3, abs=0.1)
    fine = np.random.default_rng(0).normal(100, 1.0, (128, 128)).round().astype(np.uint8)
    assert "few_grey_levels" not in codes(fine)


def test_stretched_contrast_leaves_gaps() -> None:
    pixels = eight_bits(noisy())
    stretched = np.clip((pixels.astype(float) * 1.4).round(), 0, 255).astype(np.uint8)
    finding = next(each for each in look([Image(stretched, "yx")]) if each.code == "stretched")
    assert finding.figures["holes"] > 0.5
    assert "stretched" not in codes(pixels)


def test_colour_pictures_are_warned_about() -> None:
    grey = eight_bits(noisy())
    (same,) = (f for f in look([Image(np.stack([grey] * 3, -1), "yxc", rgb=True)]) if f.code == "colour_picture")
    assert "channels are equal" in same.sentence
    colours = np.stack([eight_bits(noisy(seed)) for seed in (0, 1, 2)], -1)
    (other,) = (f for f in look([Image(colours, "yxc", rgb=True)]) if f.code == "colour_picture")
    assert "interpolates" in other.sentence
    assert other.figures["equal"] < 0.1
    assert "colour_picture" not in codes(colours, "yxc")  # three measurements


def test_processing_does_not_matter_to_a_method_that_takes_any_noise() -> None:
    assert look([Image(zoom(noisy(), 2, order=1), "yx")], independent_in=()) == []


def test_real_nuclei_with_known_noise_are_not_accused(shared_data: Path) -> None:
    for number, file in enumerate(sorted((shared_data / "nuclei" / "images").glob("*.tif"))[::10]):
        photons = tifffile.imread(file).astype(float)
        pixels = synthetic.expose(2.7 * photons / photons.mean(), np.random.default_rng(number))
        assert codes(pixels) == [], file.name


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (17, 17), (0, 8)])
@pytest.mark.parametrize("kind", [np.uint8, np.float32, bool])
def test_odd_images_are_looked_at_without_an_error(shape: tuple[int, int], kind: type) -> None:
    assert codes(np.zeros(shape, kind)) == []
    look([Image((np.random.default_rng(0).normal(50, 9, shape)).astype(kind), "yx")], ("t", "z", "y", "x"))
