"""Real images of nuclei with known noise: all denoising methods in one table beside the best Gaussian."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks.training import figures
from benchmarks.training.figures import Figure
from benchmarks.training.options import DataMissingError, Options
from benchmarks.training.record import Record
from bioimg_fiji import Image, metrics
from bioimg_fiji.train import synthetic

Array = NDArray[Any]
Values = dict[str, float]

TRAINING = 100
"""Images to train on, the first by name; the others are the test."""
METHODS = ("n2v", "n2v2", "n2n", "care")
SUPERVISED = ("n2n", "care")
"""Methods that see more than the one noisy image of a scene that a user of a blind-spot method has."""
LEAD = 0.5
_EXPOSURES = {"first": 0, "second": 1}


def run(options: Options, record: Record) -> Iterator[Figure]:
    """Train every method at every light level; the first seed only, as the whole of it takes hours."""
    seed = options.seeds[0]
    for photons in options.photons:
        plain = record.measured("nuclei", {"photons": photons, "way": "gaussian"}, partial(blurred, photons, options))
        at = f"{photons:g} photons"
        yield figures.note(f"{at}: raw", plain["raw"], "dB")
        yield figures.note(f"{at}: best Gaussian of each image", plain["gaussian"], "dB")
        best: dict[str, float] = {}
        for method in options.methods or METHODS:
            settings = options.settings(photons=photons, method=method)
            values = record.measured(
                "nuclei", settings | {"seed": seed}, partial(measure, method, photons, seed, options, record)
            )
            yield figures.note(f"{at}, {method}, {options.setting}: PSNR", values["psnr"], "dB")
            yield figures.note(f"{at}, {method}, {options.setting}: mean bias", 100 * values["bias"], "%")
            if method not in SUPERVISED:
                best[method] = values["psnr"]
        if best:
            winner = max(best, key=lambda name: best[name])
            name, lead = f"{at}, {winner} over the best Gaussian, {options.setting}", best[winner] - plain["gaussian"]
            thorough = options.setting == "thorough"
            yield figures.at_least(name, lead, LEAD, "dB") if thorough else figures.note(name, lead, "dB")


def files(options: Options, folder: str) -> list[Path]:
    """Give the images (or "masks"), sorted by name.

    Raises
    ------
    DataMissingError
        When they are not there, or too few.
    """
    found = sorted(options.shared("nuclei", folder).glob("*.tif"))
    if len(found) <= TRAINING:
        raise DataMissingError(f"{options.shared('nuclei', folder)} has only {len(found)} images")
    return found


def measure(method: str, photons: float, seed: int, options: Options, record: Record) -> Values:
    """Train one method; give means over the test images."""
    every = files(options, "images")
    images, targets = [], []
    for number, path in enumerate(every[:TRAINING]):
        light = scaled(path, photons)
        noisy = exposed(light, number)
        repeats = np.stack([noisy, exposed(light, number, "second")])
        images.append(Image(repeats, "tyx") if method == "n2n" else Image(noisy, "yx"))
        if method == "care":
            targets.append(Image(synthetic.truth(light), "yx"))
    model = record.fit(images, options.preset(method, seed=seed), targets)
    found = []
    for truth, noisy in _test(every, photons):
        image = model.denoise(noisy)
        found.append((metrics.psnr(truth, image), metrics.mean_bias(truth, image, synthetic.OFFSET)))
    psnr, bias = np.mean(found, axis=0)
    return {"psnr": float(psnr), "bias": float(bias), "seconds": float(model.provenance["figures"]["seconds"])}


def blurred(photons: float, options: Options) -> Values:
    """Give the means over the test images of the raw PSNR and of that of each image's best Gaussian."""
    pairs = list(_test(files(options, "images"), photons))
    return {
        "raw": float(np.mean([metrics.psnr(truth, noisy) for truth, noisy in pairs])),
        "gaussian": float(np.mean([metrics.best_gaussian(truth, noisy)[1] for truth, noisy in pairs])),
    }


def scaled(path: Path, photons: float) -> Array:
    """Read an image as expected photons, `photons` per pixel on average."""
    image = tifffile.imread(path).astype(np.float64)
    light: Array = image * (photons / image.mean())
    return light


def exposed(light: Array, number: int, exposure: str = "first") -> Array:
    """Give a camera's reading; the noise depends on the image's number and the exposure alone."""
    return synthetic.expose(light, np.random.default_rng([number, _EXPOSURES[exposure]]))


def _test(every: list[Path], photons: float) -> Iterator[tuple[Array, Array]]:
    """Give truth and noisy image of each test image."""
    for number, path in enumerate(every[TRAINING:], TRAINING):
        light = scaled(path, photons)
        yield synthetic.truth(light), exposed(light, number)
