"""The judgement of a denoised image: figures, sentences, and images of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bioimg_fiji.errors import ImageError
from bioimg_fiji.image import Channel, Image, Scale
from bioimg_fiji.intensity import Intensity
from bioimg_fiji.train import synthetic
from bioimg_fiji.train.judge import judge, residual
from support.denoisers import without_centre

RNG = np.random.default_rng


def pair(seed: int = 100) -> tuple[np.ndarray, np.ndarray]:
    photons = synthetic.phantom(seed=seed)
    return synthetic.expose(photons, RNG(seed)), synthetic.truth(photons)


def film(kind: str = "spikes") -> tuple[np.ndarray, np.ndarray]:
    photons, _ = synthetic.movie(kind, frames=120)
    return synthetic.expose(photons, RNG(0)), synthetic.truth(photons)


def test_a_perfect_result_is_praised_without_a_warning() -> None:
    noisy, real = pair()
    judged = judge(Image(noisy, "yx", scales=dict.fromkeys("yx", Scale(0.1, "µm"))), Image(real, "yx"))
    assert judged.warnings == ()
    assert set(judged.figures) == {
        *("mean_bias", "roi_slope", "residual_autocorrelation", "noise_autocorrelation"),
        *("residual_signal_correlation", "noise_sigma", "noise_gain", "noise_removed"),
        *("frc_before", "frc_after", "frc_before_scaled", "frc_after_scaled"),
    }
    assert judged.figures["roi_slope"] == pytest.approx(1, abs=0.01)
    assert judged.figures["noise_removed"] == pytest.approx(1, abs=0.1)
    assert judged.figures["noise_sigma"] == pytest.approx(4.29, rel=0.05)
    assert judged.figures["frc_before_scaled"] == pytest.approx(judged.figures["frc_before"] / 10)
    high = judge(Image(noisy, "yx", scales={"y": Scale(0.4, "µm"), "x": Scale(0.1, "µm")}), Image(real, "yx"))
    assert set(judged.figures) - set(high.figures) == {"frc_before_scaled", "frc_after_scaled"}
    assert any("has no structure" in sentence for sentence in judged.sentences)
    assert any("follow the measured ones: slope" in sentence for sentence in judged.sentences)


def test_with_the_truth_decibels_are_told_beside_the_best_blur() -> None:
    noisy, real = pair()
    judged = judge(Image(noisy, "yx"), Image(gaussian_filter(noisy, 1.0), "yx"), truth=Image(real, "yx"))
    figures = judged.figures
    assert figures["psnr_raw"] < figures["psnr"] <= figures["psnr_gaussian"]
    assert any("A Gaussian blur comes nearer" in warning for warning in judged.warnings)


def test_a_blurred_image_is_warned_about() -> None:
    noisy, _ = pair()
    judged = judge(Image(noisy, "yx"), Image(gaussian_filter(noisy, 3), "yx"))
    assert judged.figures["residual_autocorrelation"] > 0.1
    assert judged.figures["roi_slope"] < 0.95
    text = " ".join(judged.warnings)
    assert "has structure" in text
    assert "do not measure intensities" in text


def test_dimmed_images_and_little_denoising_are_warned_about() -> None:
    noisy, real = pair()
    judged = judge(Image(noisy, "yx"), Image(real - 2, "yx"))
    assert judged.figures["mean_bias"] < -0.2
    assert any("mean intensity is off" in warning for warning in judged.warnings)
    judged = judge(Image(noisy, "yx"), Image(gaussian_filter(noisy, 0.4), "yx"))
    assert judged.figures["noise_removed"] < 0.3
    assert any("of the noise was removed" in warning for warning in judged.warnings)
    assert any("alternates" in warning for warning in judged.warnings)


@pytest.mark.parametrize("known", [True, False])
def test_lost_peaks_are_told_in_percent_with_and_without_the_truth(known: bool) -> None:
    noisy, real = film()
    truth = Image(real, "tyx") if known else None
    mixed = 0.63 * real + 0.37 * without_centre(noisy)
    judged = judge(Image(noisy, "tyx"), Image(mixed, "tyx"), truth=truth)
    assert judged.figures["amplitude_slope"] == pytest.approx(0.63, abs=0.03)
    assert any("come out at 6" in warning and "do not measure amplitudes" in warning for warning in judged.warnings)
    gone = judge(Image(noisy, "tyx"), Image(without_centre(noisy), "tyx"), truth=truth)
    assert abs(gone.figures["trace_correlation"]) < 0.1
    kept = judge(Image(noisy, "tyx"), Image(real, "tyx"), truth=truth)
    assert kept.warnings == ()
    assert kept.figures["amplitude_slope"] == pytest.approx(1, abs=0.03)
    assert kept.figures["frc_after"] < kept.figures["frc_before"]


def test_noise_that_is_itself_correlated_is_no_structure() -> None:
    still = np.repeat(synthetic.phantom(seed=1)[None, :96, :96] * 5, 30, axis=0)
    noise = gaussian_filter(RNG(0).normal(0, 30, still.shape), (0, 0.7, 0.7))
    judged = judge(Image(still + noise, "tyx"), Image(still, "tyx"))
    assert judged.figures["residual_autocorrelation"] == pytest.approx(
        judged.figures["noise_autocorrelation"], abs=0.05
    )
    assert judged.figures["noise_autocorrelation"] > 0.4
    assert any("as smooth as the noise itself" in sentence for sentence in judged.sentences)
    assert not any("structure" in warning for warning in judged.warnings)


def test_the_worst_channel_counts() -> None:
    noisy, real = (np.stack(each) for each in zip(pair(1), pair(2), strict=True))
    middle = real.mean(axis=(1, 2), keepdims=True)
    factor = np.array([1.0, 0.8])[:, None, None]
    judged = judge(Image(noisy, "cyx"), Image(factor * (real - middle) + middle, "cyx"))
    assert judged.figures["roi_slope"] == pytest.approx(0.8, abs=0.02)


def test_calibrated_intensities_are_compared_in_their_unit() -> None:
    noisy, real = pair()
    counts = Image(noisy.round().astype(np.uint16), "yx", intensity=Intensity("straight_line", (-50.0, 0.5), "photons"))
    judged = judge(counts, Image((0.5 * real - 50).astype(np.float32), "yx"))
    assert judged.figures["roi_slope"] == pytest.approx(1, abs=0.01)
    assert judged.figures["noise_gain"] == pytest.approx(1.0, rel=0.2)  # half of 2 ADU per photon


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((64, 48), "yx"),
        ((5, 64, 48), "zyx"),
        ((30, 64, 48), "tyx"),
        ((8, 2, 2, 40, 40), "tzcyx"),
        ((2, 3, 32, 32), "btyx"),
    ],
)
def test_every_kind_of_image_is_judged(shape: tuple[int, ...], axes: str) -> None:
    scene = np.broadcast_to(gaussian_filter(RNG(0).normal(size=shape[-2:]), 5) * 500, shape) + 200
    noisy = scene + RNG(1).normal(0, 5, shape)
    judged = judge(Image(noisy.astype(np.float32), axes), Image(scene.astype(np.float32), axes))
    assert judged.figures["noise_sigma"] == pytest.approx(5, rel=0.15)
    assert abs(judged.figures["residual_autocorrelation"]) < 0.06
    assert judged.figures["roi_slope"] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (20, 20), (0, 9), (6, 3, 3), (12, 24, 24)])
@pytest.mark.parametrize("fill", [0.0, np.nan, None])
def test_odd_images_leave_figures_out(shape: tuple[int, ...], fill: float | None) -> None:
    axes = "tyx"[-len(shape) :]
    pixels = RNG(0).normal(0, 1, shape) if fill is None else np.full(shape, fill)
    image, other = Image(pixels, axes), Image(RNG(1).normal(0, 1, shape), axes)
    for denoised in (image, other):
        for truth in (None, image, other):
            judged = judge(image, denoised, truth=truth)
            assert all(np.isfinite(value) for value in judged.figures.values())
        residual(image, denoised)
    if fill is not None and np.isnan(fill):
        assert judge(image, other).figures == {}


def test_sizes_must_be_equal() -> None:
    with pytest.raises(ImageError, match="has 9 along x, image has 8"):
        judge(Image(np.zeros((8, 8)), "yx"), Image(np.zeros((8, 9)), "yx"))
    with pytest.raises(ImageError, match="truth"):
        judge(Image(np.zeros((8, 8)), "yx"), Image(np.zeros((8, 8)), "yx"), truth=Image(np.zeros((7, 8)), "yx"))


def test_residual_is_an_image_like_the_noisy_one_with_zero_in_the_middle() -> None:
    noisy, real = pair()
    image = Image(
        np.stack([noisy, noisy]).round().astype(np.uint16),
        "cyx",
        title="cells.ome.tif",
        scales={"x": Scale(0.1, "µm")},
        channels=(Channel("green", display=(0.0, 500.0)), Channel("red")),
    )
    left = residual(image, Image(np.stack([real, real]), "cyx"))
    assert left.title == "cells-residual"
    assert left.dtype == np.float32
    assert left.scale("x") == Scale(0.1, "µm")
    assert np.array_equal(left.pixels[0], (image.pixels[0] - real).astype(np.float32))
    assert [channel.name for channel in left.channels] == ["green", "red"]
    low, high = left.channels[0].display or (0.0, 0.0)
    assert low == -high
    assert high == pytest.approx(np.quantile(np.abs(left.pixels), 0.998), rel=0.05)
