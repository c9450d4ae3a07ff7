"""Noise2Void as the quick setting trains it, judged against the truth and against the best Gaussian blur.

The synthetic set (8 images to train on, 3 to test), the image of the demo, and five real images of nuclei at ten
photons per pixel where the folder ../shared/data is at hand. On two cores it takes a quarter of an hour.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from bioimg_fiji import Image, metrics
from bioimg_fiji.train import TrainConfig, synthetic, train
from bioimg_fiji.train.samples import demo_image

NUCLEI = Path(__file__).resolve().parents[3] / "shared" / "data" / "nuclei" / "images"
COUNT, PHOTONS = 5, 10.0


@dataclass(frozen=True)
class Judged:
    """PSNR in dB, and the relative bias of the mean signal above the camera's offset."""

    name: str
    raw: float
    gaussian: float
    denoised: float
    bias: float
    seconds: float

    @property
    def gain(self) -> float:
        """How much better than the noisy image, dB."""
        return self.denoised - self.raw

    @property
    def lead(self) -> float:
        """How much better than the Gaussian blur whose sigma was chosen with the truth, dB."""
        return self.denoised - self.gaussian


def run() -> list[dict[str, Any]]:
    """Train and judge; the single images first, then what the bars ask."""
    config = TrainConfig.preset("quick", device="cpu")
    synthetics = list(_synthetic(config))
    demo = _judge(config, "demo image", demo_image().noisy.pixels, demo_image().truth)
    nuclei = list(_nuclei(config))
    real = [demo, *nuclei]
    figures = [line for judged in (*synthetics, *real) for line in _lines(judged)]
    figures += [
        _figure("steps", config.steps, "", "<= 800", config.steps <= 800),
        _at_least("synthetic set: lead over the best Gaussian", _mean(j.lead for j in synthetics), "dB", 0.5),
        _at_least("synthetic set: gain", _mean(j.gain for j in synthetics), "dB", 10),
        _at_least("demo image: lead over the best Gaussian", demo.lead, "dB", 0),
        _at_least(f"demo image and {len(nuclei)} of nuclei: gain, mean", _mean(j.gain for j in real), "dB", 7),
    ]
    worst = max(abs(judged.bias) for judged in real)
    return [*figures, _figure("largest bias of the mean signal", 100 * worst, "%", "<= 2.5", worst <= 0.025)]


def _synthetic(config: TrainConfig) -> Iterator[Judged]:
    training, noisy, truths = synthetic.benchmark_set()
    start = time.monotonic()
    model = train([Image(pixels, "yx") for pixels in training], config)
    seconds = time.monotonic() - start
    for number, (image, truth) in enumerate(zip(noisy, truths, strict=True)):
        yield _compare(f"synthetic {number}", image, truth, model.denoise(image), seconds)


def _nuclei(config: TrainConfig) -> Iterator[Judged]:
    if not NUCLEI.is_dir():
        return
    for number, path in enumerate(sorted(NUCLEI.glob("*.tif"))[:COUNT]):
        photons = tifffile.imread(path).astype(np.float64)
        photons *= PHOTONS / photons.mean()
        noisy = synthetic.expose(photons, np.random.default_rng(number))
        yield _judge(config, f"nuclei {path.stem[:8]}", noisy, synthetic.truth(photons))


def _judge(config: TrainConfig, name: str, noisy: NDArray[Any], truth: NDArray[Any]) -> Judged:
    start = time.monotonic()
    model = train([Image(noisy, "yx")], config)
    seconds = time.monotonic() - start
    return _compare(name, noisy.astype(np.float64), truth, model.denoise(noisy), seconds)


def _compare(name: str, noisy: NDArray[Any], truth: NDArray[Any], denoised: NDArray[Any], seconds: float) -> Judged:
    _, gaussian = metrics.best_gaussian(truth, noisy)
    bias = metrics.mean_bias(truth, denoised, synthetic.OFFSET)
    return Judged(name, metrics.psnr(truth, noisy), gaussian, metrics.psnr(truth, denoised), bias, seconds)


def _lines(judged: Judged) -> list[dict[str, Any]]:
    text = f"{judged.raw:.2f} / {judged.denoised:.2f} / {judged.gaussian:.2f}"
    name = f"{judged.name}: raw / N2V / best Gaussian"
    return [
        _figure(name, text, "dB", "", True),
        _figure(f"{judged.name}: bias", round(100 * judged.bias, 2), "%", "", True),
        _figure(f"{judged.name}: training", round(judged.seconds, 1), "s", "", True),
    ]


def _mean(values: Iterator[float]) -> float:
    return float(np.mean(list(values)))


def _at_least(name: str, value: float, unit: str, bar: float) -> dict[str, Any]:
    return _figure(name, round(value, 2), unit, f">= {bar}", value >= bar)


def _figure(name: str, value: float | str, unit: str, bar: str, holds: bool) -> dict[str, Any]:
    return {"figure": name, "value": value, "unit": unit, "bar": bar, "holds": bool(holds)}
