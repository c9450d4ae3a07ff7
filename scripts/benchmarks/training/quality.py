"""The synthetic set: every method of single images, judged against the truth and against the best Gaussian."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.training import figures
from benchmarks.training.figures import Figure
from benchmarks.training.options import Options
from benchmarks.training.record import Record
from benchmarks.training.scenes import LINE_SPAN, SCENES, Scene
from bioimg_fiji import metrics
from bioimg_fiji.train import TrainConfig, synthetic

Values = dict[str, float]
BIAS, SLOPE = 1.5, (0.97, 1.03)
"""Bars of the mean bias, %, and of the slope of regions of 8 x 8 pixels."""


@dataclass(frozen=True)
class Arm:
    """One training: a method, its steps, its data."""

    method: str
    steps: int
    scene: str

    @property
    def name(self) -> str:
        """What it is called in figures."""
        return f"{self.method}, {self.steps} steps" + (", line noise" if self.scene == "lines" else "")


def arms(steps: int = 0) -> dict[str, Arm]:
    """Give all trainings by a short name; `steps` other than 0 for all of them."""
    short, long = steps or 800, steps or 2000
    return {
        "n2v": Arm("n2v", short, "single"),
        "n2n": Arm("n2n", short, "repeats"),
        "care": Arm("care", short, "pairs"),
        "n2v long": Arm("n2v", long, "single"),
        "n2v2 long": Arm("n2v2", long, "single"),
        "n2v lines": Arm("n2v", long, "lines"),
        "structn2v lines": Arm("structn2v", long, "lines"),
    }


def run(options: Options, record: Record) -> Iterator[Figure]:
    """Train all arms with all seeds; the worst seed counts."""
    chosen = arms(options.steps)
    found: dict[str, list[Values]] = {name: [] for name in chosen}
    for seed in options.seeds:
        for name, arm in chosen.items():
            settings = {"arm": name, "method": arm.method, "steps": arm.steps, "seed": seed}
            values = record.measured("quality", settings, lambda a=arm, s=seed: measure(a, s, options, record))
            found[name].append(values)
            text = f"{values['raw']:.2f} / {values['psnr']:.2f} / {values['gaussian']:.2f}"
            yield figures.note(f"{arm.name}, seed {seed}: raw / denoised / best Gaussian", text, "dB")
    yield from _bars(found)
    for name, arm in chosen.items():
        if name != "n2v lines":  # such noise does not suit it; it is there for comparison
            yield from quantitative(arm.name, found[name])


def measure(arm: Arm, seed: int, options: Options, record: Record) -> Values:
    """Train one arm and judge it on the three test images (means over them)."""
    scene = SCENES[arm.scene]()
    model = record.fit(scene.images, config_of(arm, seed, options), scene.targets)
    denoised = [model.denoise(image) for image in scene.noisy]
    return judged(scene, denoised) | {"seconds": float(model.provenance["figures"]["seconds"])}


def config_of(arm: Arm, seed: int, options: Options) -> TrainConfig:
    """Give the parameters of a training."""
    return TrainConfig(
        method=arm.method,
        steps=arm.steps,
        batch_size=4,
        filters=16,
        seed=seed,
        device="cpu",
        threads=options.threads,
        early_stop=0,
        force=True,  # line noise does not suit n2v, which is to be shown
    )


def judged(scene: Scene, denoised: list[NDArray[Any]]) -> Values:
    """Judge denoised test images: means over the images, dB, shares and correlations."""
    trio = list(zip(scene.truths, scene.noisy, denoised, strict=True))
    values = {
        "raw": _mean(metrics.psnr(truth, noisy) for truth, noisy, _ in trio),
        "gaussian": _mean(metrics.best_gaussian(truth, noisy)[1] for truth, noisy, _ in trio),
        "psnr": _mean(metrics.psnr(truth, image) for truth, _, image in trio),
        "bias": _mean(metrics.mean_bias(truth, image, synthetic.OFFSET) for truth, _, image in trio),
        "slope": _mean(metrics.roi_slope(truth, image) for truth, _, image in trio),
        "nyquist": _mean(metrics.nyquist_energy(image)[1] for _, _, image in trio),
    }
    if scene.lines:
        errors = [image.astype(np.float64) - truth for truth, _, image in trio]
        values |= line_figures(errors, scene.lines)
    return values


def line_figures(errors: list[NDArray[Any]], lines: list[NDArray[Any]]) -> Values:
    """Judge what is left of line noise in the errors (denoised - truth), (y, x) each.

    Returns
    -------
    "left_here": correlation of the error with the line noise of the same pixel; "left_along": the largest absolute
    correlation with that of pixels 1 to `LINE_SPAN` to either side along x; "along_x" and "along_y": correlation of
    the error with itself one pixel further. The phantoms have no direction, so what the last two differ by is the
    noise's, or the method's, which looks along y only.
    """
    error, line = np.stack(errors), np.stack(lines)
    further = [correlation(error[..., lag:], line[..., :-lag]) for lag in range(1, LINE_SPAN + 1)]
    back = [correlation(error[..., :-lag], line[..., lag:]) for lag in range(1, LINE_SPAN + 1)]
    return {
        "left_here": correlation(error, line),
        "left_along": max(*further, *back, key=abs),
        "along_x": correlation(error[..., 1:], error[..., :-1]),
        "along_y": correlation(error[..., 1:, :], error[..., :-1, :]),
    }


def correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Give Pearson's correlation of two arrays of one shape."""
    return float(np.corrcoef(np.ravel(one), np.ravel(other))[0, 1])


def quantitative(name: str, values: list[Values]) -> Iterator[Figure]:
    """Give bias and slope of the worst seed, with their bars."""
    bias = 100 * figures.farthest([each["bias"] for each in values], 0)
    yield figures.within(f"{name}: mean bias", bias, -BIAS, BIAS, "%")
    slope = figures.farthest([each["slope"] for each in values], 1)
    yield figures.within(f"{name}: slope of regions (8 x 8)", slope, *SLOPE)


def _bars(found: dict[str, list[Values]]) -> Iterator[Figure]:
    yield figures.at_least("n2v over raw", _least(found["n2v"], "psnr", "raw"), 10, "dB")
    yield figures.at_least("n2v over the best Gaussian", _least(found["n2v"], "psnr", "gaussian"), 0.5, "dB")
    for name in ("n2n", "care"):
        yield figures.at_least(f"{name} over n2v", _lead(found[name], found["n2v"]), 0.4, "dB")
    long, smooth = found["n2v long"], found["n2v2 long"]
    yield figures.at_least("n2v2 over n2v, more steps", _lead(smooth, long), -0.3, "dB")
    ratios = [a["nyquist"] / b["nyquist"] for a, b in zip(smooth, long, strict=True)]
    yield figures.below("checkerboard at Nyquist, variance, n2v2 / n2v", max(ratios), 1)
    yield from _line_bars(found["structn2v lines"], found["n2v lines"])


def _line_bars(struct: list[Values], plain: list[Values]) -> Iterator[Figure]:
    yield figures.at_least("structn2v over n2v on line noise", _lead(struct, plain), 1, "dB")
    along = figures.farthest([each["left_along"] for each in struct], 0)
    name = f"structn2v: correlation of (denoised - truth) with the line noise 1 to {LINE_SPAN} pixels along x, largest"
    yield figures.within(name, along, -0.05, 0.05)
    for method, values in (("structn2v", struct), ("n2v", plain)):
        here = figures.farthest([each["left_here"] for each in values], 0)
        yield figures.note(f"{method}: correlation of (denoised - truth) with the line noise of the same pixel", here)
        excess = figures.farthest([each["along_x"] - each["along_y"] for each in values], 0)
        yield figures.note(f"{method}: (denoised - truth) with itself one pixel on, along x less along y", excess)
    yield figures.note(
        "n2v: the same as structn2v's bar, for comparison", figures.farthest([each["left_along"] for each in plain], 0)
    )


def _least(values: list[Values], one: str, other: str) -> float:
    return min(each[one] - each[other] for each in values)


def _lead(ours: list[Values], theirs: list[Values]) -> float:
    return min(a["psnr"] - b["psnr"] for a, b in zip(ours, theirs, strict=True))


def _mean(values: Iterator[float]) -> float:
    return float(np.mean(list(values)))
