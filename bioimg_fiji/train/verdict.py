"""What the figures of a denoised image mean, in sentences for a biologist."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

WHITE = 0.05
"""Autocorrelation of what was removed up to which it has no structure."""
CONTRAST = 0.1
"""Correlation of what was removed with what is left from which contrast was changed."""
KEPT = 0.03
"""Difference of a slope from 1 up to which intensities are quantitative."""
BIAS = 0.03
"""Relative error of the mean, above the darkest hundredth of the image, that is told as kept."""
HEIGHT = 0.9
"""Height of events, and correlation of traces, from which activity may be measured."""
MORE = 1.2
"""Variance removed, beside the noise's, from which signal was removed too."""
LITTLE = 0.5
"""The same below which much noise is left."""

_BY_SIZE = ("mean_bias", "residual_autocorrelation", "noise_autocorrelation", "residual_signal_correlation")
_AROUND_ONE = ("roi_slope", "amplitude_slope", "noise_removed")
_LOWEST = ("trace_correlation", "psnr", "psnr_raw", "psnr_gaussian")

Told = tuple[str, bool]
"""A sentence, and whether it is a warning."""


def worst(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Give of each figure the worst channel's: farthest from 0 or 1, or lowest; of the others the highest."""
    figures: dict[str, float] = {}
    for key in dict.fromkeys(key for each in found for key in each):
        values = [each[key] for each in found if key in each]
        if key in _BY_SIZE:
            figures[key] = max(values, key=abs)
        elif key in _AROUND_ONE:
            figures[key] = max(values, key=lambda value: abs(value - 1))
        else:
            figures[key] = min(values) if key in _LOWEST else max(values)
    return figures


def sentences(figures: Mapping[str, float], unit: str, *, movie: bool) -> list[Told]:
    """Write about the figures that are there; `unit` is that of the pixel size."""
    told: list[Told] = []
    for write in (_residual, _contrast, _slope, _bias, _removed, _activity, _truth):
        told += write(figures)
    return told + list(_resolution(figures, unit, movie))


def _residual(figures: Mapping[str, float]) -> Iterator[Told]:
    if "residual_autocorrelation" not in figures:
        return
    value, noise = figures["residual_autocorrelation"], figures.get("noise_autocorrelation", 0.0)
    if abs(value) <= WHITE:
        yield f"The difference between noisy and denoised has no structure (autocorrelation {value:.2f}).", False
    elif value < 0:
        text = (
            f"The difference between noisy and denoised alternates from pixel to pixel (autocorrelation {value:.2f}): "
            "only the finest noise was removed, coarser noise is left."
        )
        yield text, True
    elif noise > WHITE and value <= 1.25 * noise + WHITE:
        text = (
            f"The difference between noisy and denoised is as smooth as the noise itself (autocorrelation {value:.2f}, "
            f"the noise's is {noise:.2f})."
        )
        yield text, value < noise - 2 * WHITE
    else:
        text = (
            f"The difference between noisy and denoised has structure (autocorrelation {value:.2f}, the noise's is "
            f"{noise:.2f}): look at the residual image whether objects can be seen in it, which were taken away."
        )
        yield text, True


def _contrast(figures: Mapping[str, float]) -> Iterator[Told]:
    value = figures.get("residual_signal_correlation", 0.0)
    if abs(value) > CONTRAST:
        more = "more was taken away" if value > 0 else "something was added"
        text = f"Where the image is brighter, {more} (correlation of the difference with the image {value:.2f})."
        yield text, True


def _slope(figures: Mapping[str, float]) -> Iterator[Told]:
    if "roi_slope" not in figures:
        return
    slope = figures["roi_slope"]
    if abs(slope - 1) <= KEPT:
        yield f"Denoised intensities follow the measured ones: slope {slope:.3f}.", False
    else:
        how = "small" if slope < 1 else "large"
        text = (
            f"Differences between bright and dark regions come out {abs(slope - 1):.0%} too {how} (slope {slope:.3f}): "
            "do not measure intensities in the result."
        )
        yield text, True


def _bias(figures: Mapping[str, float]) -> Iterator[Told]:
    if "mean_bias" not in figures:
        return
    bias = figures["mean_bias"]
    if abs(bias) <= BIAS:
        yield f"The mean intensity is kept (bias {bias:+.1%}).", False
    else:
        yield f"The mean intensity is off by {bias:+.1%}.", True


def _removed(figures: Mapping[str, float]) -> Iterator[Told]:
    if "noise_removed" not in figures:
        return
    share, sigma = figures["noise_removed"], figures["noise_sigma"]
    if share > MORE:
        text = (
            f"What was removed is {share:.1f} times the estimated noise (standard deviation {sigma:.3g}): signal was "
            "removed with it, or the noise of neighbouring pixels is alike."
        )
        yield text, True
    else:
        text = f"About {min(share, 1):.0%} of the noise was removed (standard deviation {sigma:.3g} before)."
        yield text, share < LITTLE


def _activity(figures: Mapping[str, float]) -> Iterator[Told]:
    if "amplitude_slope" not in figures:
        return
    slope, correlation = figures["amplitude_slope"], figures["trace_correlation"]
    if slope < HEIGHT:
        text = (
            f"Peaks of single events come out at {max(slope, 0):.0%} of their height: do not measure amplitudes in the "
            "result."
        )
        yield text, True
    if correlation < HEIGHT:
        text = (
            f"Activity over time is changed (correlation with the measured traces {correlation:.2f}): do not measure "
            "the times of events in the result."
        )
        yield text, True
    if min(slope, correlation) >= HEIGHT:
        text = (
            f"Activity over time is kept: traces are correlated by {correlation:.2f}, and events come out at "
            f"{slope:.0%} of their height."
        )
        yield text, False


def _truth(figures: Mapping[str, float]) -> Iterator[Told]:
    if not {"psnr", "psnr_raw", "psnr_gaussian"} <= set(figures):
        return
    reached, raw, blurred = (figures[key] for key in ("psnr", "psnr_raw", "psnr_gaussian"))
    text = (
        f"Compared with the truth: PSNR {reached:.2f} dB; the noisy image has {raw:.2f} dB, the best Gaussian blur "
        f"{blurred:.2f} dB."
    )
    yield text, reached < raw
    if raw <= reached < blurred:
        yield "A Gaussian blur comes nearer to the truth: train for longer, or on more images.", True


def _resolution(figures: Mapping[str, float], unit: str, movie: bool) -> Iterator[Told]:
    if not {"frc_before", "frc_after"} <= set(figures):
        return
    before, after = (_length(figures, key, unit) for key in ("frc_before", "frc_after"))
    if movie:
        text = f"Frames agree on details down to {after}, before down to {before} (Fourier ring correlation)."
    else:
        text = (
            f"Resolution by sub-sampling: {after}, before {before} (Fourier ring correlation, not calibrated, 4 at "
            "best; the halves of one denoised image share some noise, so the first figure is too good)."
        )
    yield text, figures["frc_after"] > 1.1 * figures["frc_before"] and math.isfinite(figures["frc_before"])


def _length(figures: Mapping[str, float], key: str, unit: str) -> str:
    scaled = f" ({figures[f'{key}_scaled']:.3g} {unit})" if f"{key}_scaled" in figures else ""
    return f"{figures[key]:.1f} pixels{scaled}"
