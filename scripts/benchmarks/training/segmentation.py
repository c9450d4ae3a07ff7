"""Segmentation of real nuclei, beside Otsu + watershed and a real model of the zoo.

All three are judged by one matching (`matching`), over the objects of all test images together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

from benchmarks.training import figures
from benchmarks.training.figures import Figure
from benchmarks.training.nuclei import TRAINING, files
from benchmarks.training.options import Options
from benchmarks.training.record import Record
from bioimg_fiji import Image
from bioimg_fiji.metrics.matching import match, together
from bioimg_fiji.objects import ObjectRule, label
from bioimg_fiji.train import TrainConfig

Array = NDArray[Any]
Values = dict[str, float]
Pairs = list[tuple[Array, Array]]
Finder = Callable[[Array], Array]

STARDIST_STEPS = 600
SMOOTH, APART, SPECK = 1.0, 5, 20
"""Of Otsu + watershed: blur and least distance of seeds, pixels; smallest object, pixels."""


def run(options: Options, record: Record) -> Iterator[Figure]:
    """Judge on the right half of StarDist's image, then on the nuclei images."""
    yield from _halves(options, record)
    yield from _nuclei(options, record)


def _halves(options: Options, record: Record) -> Iterator[Figure]:
    image, labels = (tifffile.imread(options.shared("stardist", name)) for name in ("img2d.tif", "mask2d.tif"))
    half = image.shape[1] // 2
    training, test = [(image[:, :half], labels[:, :half])], [(image[:, half:], labels[:, half:])]
    steps = options.steps or STARDIST_STEPS
    found = [
        record.measured(
            "segmentation",
            {"data": "stardist", "steps": steps, "seed": seed},
            partial(_trained, training, test, _config(options, seed, steps), record),
        )
        for seed in options.seeds
    ]
    name = f"stardist, right half, {steps} steps"
    yield figures.at_least(f"{name}: AP50", min(each["ap50"] for each in found), 0.74)
    yield figures.at_least(f"{name}: AP70", min(each["ap70"] for each in found), 0.60)
    yield figures.note(f"{name}: PQ", min(each["pq"] for each in found))
    plain = record.measured("segmentation", {"data": "stardist", "way": "otsu"}, partial(judged, test, otsu_watershed))
    yield figures.note("stardist, right half, Otsu + watershed: AP50", plain["ap50"])


def _nuclei(options: Options, record: Record) -> Iterator[Figure]:
    images, masks = files(options, "images"), files(options, "masks")
    pairs = [(tifffile.imread(a), tifffile.imread(b)) for a, b in zip(images, masks, strict=True)]
    training, test = pairs[:TRAINING], pairs[TRAINING:]
    steps = options.preset("segmentation").steps
    ours = [
        record.measured(
            "segmentation",
            options.settings(data="nuclei", steps=steps, seed=seed),
            partial(_trained, training, test, options.preset("segmentation", seed=seed), record),
        )
        for seed in options.seeds
    ]
    others = {
        "Otsu + watershed": ("otsu", otsu_watershed),
        "the zoo's nuclei model": ("unet2d_nuclei_broad", zoo_model(options)),
    }
    for name, (way, finder) in others.items():
        settings = {"data": "nuclei", "way": way}
        values = record.measured("segmentation", settings, partial(judged, test, finder))
        for key, title in (("ap50", "AP50"), ("pq", "PQ")):
            least = min(each[key] for each in ours)
            yield figures.note(f"nuclei, {len(test)} test images, {name}: {title}", values[key])
            yield figures.above(f"nuclei, {len(test)} test images, {options.setting}: {title}", least, values[key])


def _config(options: Options, seed: int, steps: int) -> TrainConfig:
    return TrainConfig(method="segmentation", steps=steps, seed=seed, device="cpu", threads=options.threads)


def _trained(training: Pairs, test: Pairs, config: TrainConfig, record: Record) -> Values:
    images = [Image(image, "yx") for image, _ in training]
    labels = [Image(mask.astype(np.uint16), "yx") for _, mask in training]
    model = record.fit(images, config, labels)
    rule = ObjectRule(minimum_size=int(model.objects.get("minimum_size", 0)))

    def find(image: Array) -> Array:
        return label(Image(model.outputs(image), "cyx"), model.channels, "yx", rule).pixels

    return judged(test, find)


def judged(test: Pairs, find: Finder) -> Values:
    """Judge a way of finding objects on images with known labels."""
    found = together([match(truth, find(image)) for image, truth in test])
    return {
        "ap50": found.average_precision(0.5),
        "ap70": found.average_precision(0.7),
        "pq": found.quality,
        "true": found.true,
        "found": found.found,
    }


def otsu_watershed(image: Array) -> Array:
    """Find bright objects by Otsu's threshold, and divide those that touch by a watershed of the distance transform."""
    smooth = ndimage.gaussian_filter(image.astype(np.float64), SMOOTH)
    mask = ndimage.binary_fill_holes(smooth > threshold_otsu(smooth))
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), SMOOTH)
    pieces, _ = ndimage.label(mask)
    seeds = np.zeros(image.shape, np.int64)
    peaks = peak_local_max(distance, min_distance=APART, labels=pieces, exclude_border=False)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    found = watershed(-distance, seeds, mask=mask)
    sizes = np.bincount(found.ravel())
    result: Array = np.where(sizes[found] >= SPECK, found, 0)
    return result


def zoo_model(options: Options) -> Finder:
    """Give the real model's way: its probability above one half, connected pieces, specks left out as for Otsu."""
    from bioimg_fiji.package import open_package
    from bioimg_fiji.predict import predict
    from bioimg_fiji.runtime import choose

    package = open_package(options.shared("models", "unet2d_nuclei_broad"))
    model = choose(package, "onnx", "cpu")

    def find(image: Array) -> Array:
        output = predict(Image(image, "yx"), package, adapter=model).images["output"]
        return label(output, ("probability",), "yx", ObjectRule(minimum_size=SPECK)).pixels

    return find
