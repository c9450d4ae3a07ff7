"""What Noise2Void reaches, in PSNR: the synthetic set, real nuclei, the demo's image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from bioimg_fiji import metrics
from bioimg_fiji.image import Image
from bioimg_fiji.train import TrainConfig, synthetic, train
from bioimg_fiji.train.samples import demo_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_synthetic_set_beats_the_best_gaussian() -> None:
    training, noisy, truths = synthetic.benchmark_set()
    model = train([Image(pixels, "yx") for pixels in training], TrainConfig(steps=600, batch_size=4, device="cpu"))
    pairs = list(zip(truths, noisy, strict=True))
    raw = np.mean([metrics.psnr(*pair) for pair in pairs])
    gaussian = np.mean([metrics.best_gaussian(*pair)[1] for pair in pairs])
    denoised = [model.denoise(pixels) for pixels in noisy]
    reached = np.mean([metrics.psnr(truth, image) for truth, image in zip(truths, denoised, strict=True)])
    assert reached >= raw + 10
    assert reached >= gaussian + 0.5
    for truth, image in zip(truths, denoised, strict=True):
        assert abs(metrics.mean_bias(truth, image, synthetic.OFFSET)) <= 0.025


def test_one_real_image_of_nuclei_gains(shared_data: Path) -> None:
    file = min((shared_data / "nuclei" / "images").glob("*.tif"))
    photons = tifffile.imread(file).astype(float)
    photons *= 10 / photons.mean()
    noisy, truth = synthetic.expose(photons, np.random.default_rng(0)), synthetic.truth(photons)
    model = train([Image(noisy, "yx")], TrainConfig(steps=500, batch_size=4, device="cpu"))
    denoised = model.denoise(noisy)
    assert metrics.psnr(truth, denoised) >= metrics.psnr(truth, noisy) + 6
    assert abs(metrics.mean_bias(truth, denoised, synthetic.OFFSET)) <= 0.025


def test_demo_image_is_what_it_says() -> None:
    sample = demo_image()
    assert sample.noisy.dtype == np.uint16
    assert sample.noisy.shape == sample.truth.shape == (512, 512)
    light = sample.truth - sample.offset
    variance = synthetic.GAIN**2 * (light / synthetic.GAIN + synthetic.READ_NOISE**2) + 1 / 12
    standard = (sample.noisy.pixels - sample.truth) / np.sqrt(variance)
    assert standard.std() == pytest.approx(1, abs=0.01)
    assert standard.mean() == pytest.approx(0, abs=0.01)
    assert np.array_equal(demo_image().noisy.pixels, sample.noisy.pixels)
