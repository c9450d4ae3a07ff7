"""The metrics of intensities and probabilities by name: what each needs, its unit, and how a plane is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bioimg_fiji import metrics
from bioimg_fiji.evaluate.kinds import Kind
from bioimg_fiji.evaluate.samples import Sample
from bioimg_fiji.metrics.arrays import finite
from bioimg_fiji.metrics.structure import BORDER

RESOLUTION = "resolution"
"""Stands for the unit of lengths: the image's, or pixels."""

VALUE = "value"
"""Stands for the unit of intensities."""

_BACKGROUND = 0.01
_LEAST_SIGNAL = 0.1
"""Share of the plane's mean signal below which a region is background, and its relative bias any number."""


@dataclass(frozen=True)
class Metric:
    """A metric of planes.

    Parameters
    ----------
    name
        In the key `metrics`, as a column and as a figure.
    unit
        "" for none.
    kinds
        Of data that it suits.
    measure
        From a plane to a figure; ValueError where it has none.
    needs
        Images besides the evaluated one.
    """

    name: str
    unit: str
    kinds: tuple[Kind, ...]
    measure: Callable[[Sample], float]
    needs: tuple[str, ...] = ("truth",)


def _ssim(sample: Sample) -> float:
    if sample.mask is None:
        return metrics.ssim(sample.array("truth"), sample.image, sample.data_range)
    inner = np.s_[BORDER:-BORDER, BORDER:-BORDER]
    mask = sample.mask[inner]
    if not mask.any():
        raise ValueError("the region lies at the border, where the window does not fit")
    return float(metrics.ssim_map(sample.array("truth"), sample.image, sample.data_range)[inner][mask].mean())


def _bias(sample: Sample) -> float:
    plane = finite(sample.array("truth"), "the truth")
    dark = float(np.quantile(plane, _BACKGROUND))
    inside = sample.inside("truth")
    if float(inside.mean()) - dark < _LEAST_SIGNAL * (float(plane.mean()) - dark):
        raise ValueError("the region is background: it has less than a tenth of the plane's mean signal")
    return metrics.mean_bias(inside, sample.inside("image"), dark)


def _frc(sample: Sample) -> float:
    return metrics.frc_resolution(metrics.frc(sample.box("truth"), sample.box("image")))


def _ause(sample: Sample) -> metrics.Sparsification:
    width = np.subtract(sample.inside("upper"), sample.inside("lower"), dtype=np.float64)
    return metrics.sparsification(sample.inside("truth"), sample.inside("image"), width)


_BOUNDS = ("truth", "lower", "upper")
_INTENSITY: tuple[Kind, ...] = ("intensity",)

METRICS = (
    Metric("psnr", "dB", _INTENSITY, lambda s: metrics.psnr(s.inside("truth"), s.inside("image"), s.data_range)),
    Metric(
        "psnr_raw",
        "dB",
        _INTENSITY,
        lambda s: metrics.psnr(s.inside("truth"), s.inside("raw"), s.data_range),
        ("truth", "raw"),
    ),
    Metric("si_psnr", "dB", _INTENSITY, lambda s: metrics.si_psnr(s.inside("truth"), s.inside("image"), s.data_range)),
    Metric("ssim", "", _INTENSITY, _ssim),
    Metric("ms_ssim", "", _INTENSITY, lambda s: metrics.ms_ssim(s.box("truth"), s.box("image"), s.data_range)),
    Metric(
        "nrmse",
        "",
        _INTENSITY,
        lambda s: metrics.nrmse(s.inside("truth"), s.inside("image"), "range", s.data_range),
    ),
    Metric("roi_slope", "", _INTENSITY, lambda s: metrics.roi_slope(s.box("truth"), s.box("image"))),
    Metric("bias", "", _INTENSITY, _bias),
    Metric("frc", RESOLUTION, _INTENSITY, _frc),
    Metric("decorrelation", RESOLUTION, _INTENSITY, lambda s: metrics.decorrelation(s.box("image")).resolution, ()),
    Metric(
        "ece",
        "",
        ("probability",),
        lambda s: metrics.expected_calibration_error(s.inside("image"), s.inside("truth") != 0),
    ),
    Metric(
        "coverage",
        "",
        _INTENSITY,
        lambda s: metrics.coverage(s.inside("truth"), s.inside("lower"), s.inside("upper")),
        _BOUNDS,
    ),
    Metric(
        "interval_width",
        VALUE,
        _INTENSITY,
        lambda s: metrics.interval_width(s.inside("lower"), s.inside("upper")),
        _BOUNDS,
    ),
    Metric("ause", "", _INTENSITY, lambda s: _ause(s).area, _BOUNDS),
    Metric("ause_of_random", "", _INTENSITY, lambda s: _ause(s).of_random, _BOUNDS),
)

SLOPE = "roi_slope"
"""With regions it is no figure of a row, but of all regions."""

REGION_MEANS = (
    Metric("true_mean", VALUE, _INTENSITY, lambda s: float(finite(s.inside("truth"), "the truth").mean())),
    Metric("mean", VALUE, _INTENSITY, lambda s: float(finite(s.inside("image"), "the image").mean()), ()),
)
"""What is told of regions besides."""

MOVIE = ("trace_correlation", "amplitude_slope")
"""Metrics of whole movies with a truth."""

TRACKS = "tra"
"""Needs tables of tracks besides."""
LABELS = ("ap", "f1", "pq", "seg", "det", TRACKS)
"""Metrics of labels; det and tra are of whole movies."""

BLIND = (
    "mean_bias",
    "roi_slope",
    "residual_autocorrelation",
    "noise_autocorrelation",
    "residual_signal_correlation",
    "noise_sigma",
    "noise_gain",
    "noise_removed",
    "frc_before",
    "frc_after",
    "frc_before_scaled",
    "frc_after_scaled",
    "trace_correlation",
    "amplitude_slope",
)
"""Figures of `train.judge` without a truth."""


def names(kind: Kind) -> tuple[str, ...]:
    """Give the names that the key `metrics` takes for a kind of data."""
    if kind == "labels":
        return LABELS
    if kind == "blind":
        return BLIND
    found = tuple(metric.name for metric in METRICS if kind in metric.kinds)
    return found + (MOVIE if kind == "intensity" else ())


def of_pairs(kind: Kind) -> tuple[str, ...]:
    """Give those of `names` that an image and its truth are enough for."""
    more = {metric.name for metric in METRICS if not {"truth"} >= set(metric.needs)} | {TRACKS}
    return tuple(name for name in names(kind) if name not in more)
