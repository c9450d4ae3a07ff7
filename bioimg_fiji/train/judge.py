"""Judge a denoised image: figures and sentences for whoever has to decide whether it can be used.

Without a truth the noisy image is asked: noise has mean zero, so whatever is averaged over many noisy pixels is right.
What was removed should look like noise; what is left should follow the measured intensities.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji import metrics
from bioimg_fiji.errors import ImageError
from bioimg_fiji.image import Channel, Image
from bioimg_fiji.metrics.blind_traces import compare, reduced
from bioimg_fiji.metrics.traces import correlation_of_traces, slope_of_traces
from bioimg_fiji.train import verdict
from bioimg_fiji.train.noise_check.blocks import FEWEST_FRAMES, evenly
from bioimg_fiji.train.noise_check.correlation import image_noise_correlation, movie_noise_correlation

Floats = NDArray[np.float64]

_MOST_PLANES = 64
_MOST_PIXELS = 1 << 23
_MOST_SIDE = 1024
_MOST_CHANNELS = 8
_MOST_FRAMES = 256
_MOST_SERIES = 4
_MOST_PAIRS = 16
_BLOCK = 8
_GAP = 7
"""Frames between those compared: further than any temporal method looks to both sides together (3 + 3)."""
_ACTIVE = 0.05
_BACKGROUND = 0.01
_BLURRED_PLANES = 4
_DISPLAY = 0.998


@dataclass(frozen=True)
class Judgement:
    """Figures by short names, sentences about them, and those of the sentences that are warnings."""

    figures: Mapping[str, float] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Channel:
    """One channel's series (t, n, y, x): noisy, denoised and, where it is known, true."""

    noisy: NDArray[np.generic]
    denoised: NDArray[np.generic]
    truth: NDArray[np.generic] | None

    @property
    def movie(self) -> bool:
        return len(self.noisy) >= FEWEST_FRAMES


def judge(noisy: Image, denoised: Image, *, truth: Image | None = None) -> Judgement:
    """Judge a denoised image by the noisy one, and by the truth where it is known.

    ============================  =================================================================================
    figure                        meaning
    ============================  =================================================================================
    mean_bias                     relative error of the mean signal above the background (`metrics.blind_bias`)
    roi_slope                     denoised over true means of blocks of 8 x 8: 1 is quantitative (`blind_roi_slope`)
    residual_autocorrelation      of neighbouring pixels of what was removed: 0 for white noise
    noise_autocorrelation         of the noise itself, before (`noise_check`): what the residual's may be
    residual_signal_correlation   of what was removed with what is left: 0
    noise_sigma, noise_gain       of the noisy image by photon transfer (`blind_noise`), in its unit
    noise_removed                 variance of what was removed beside the noise's: 1; more: signal was removed
    frc_before, frc_after         resolution in pixels by Fourier ring correlation: of movies between frames seven
                                  apart; else by sub-sampling, not calibrated, and afterwards too good, since the two
                                  halves of a denoised image share what the denoiser took from both
    frc_before_scaled, ...        the same in the image's unit, where it has one and pixels are square
    trace_correlation,            of movies with activity: of blocks' traces with the true ones, and the height at
    amplitude_slope               which events come out (`blind_trace`)
    psnr, psnr_raw, psnr_gaussian with the truth: of the denoised, the noisy, and the best blurred image, dB
    ============================  =================================================================================

    At most 64 planes (eight million pixels) are looked at, evenly spread, the middle 1024 x 1024 of large ones; of
    movies 256 frames for activity. With several channels each is judged by itself, and the worst figure is given.
    Values are compared in physical units where the images have an intensity calibration.

    Parameters
    ----------
    noisy, denoised, truth
        Images of the same sizes.

    Returns
    -------
    Figures that could be measured: constant, tiny or not finite images leave some or all of them out.

    Raises
    ------
    ImageError
        When sizes differ.
    """
    found: list[dict[str, float]] = []
    for channel in _channels(noisy, denoised, truth):
        figures = _figures(channel)
        found.append({key: value for key, value in figures.items() if math.isfinite(value)})
    figures = verdict.worst(found)
    size = noisy.pixel_size
    for key in ("frc_before", "frc_after"):
        if key in figures and size.unit:
            figures[f"{key}_scaled"] = figures[key] * size.step
    movie = noisy.size("t") >= FEWEST_FRAMES
    told = verdict.sentences(figures, size.unit, movie=movie)
    return Judgement(figures, tuple(text for text, _ in told), tuple(text for text, warns in told if warns))


def residual(noisy: Image, denoised: Image) -> Image:
    """Give what was removed, noisy - denoised, as an image (float32, physical values) named `<name>-residual`.

    It is shown with zero in the middle of the range of grey.

    Raises
    ------
    ImageError
        When sizes differ.
    """
    before = noisy.physical()
    after = _fitting(before, denoised.physical(), "denoised image")
    pixels = np.empty(before.shape, np.float32)
    for index in np.ndindex(before.shape[:-2]):  # by plane: the whole image as float64 may be too large
        pixels[index] = np.subtract(before.pixels[index], after[index], dtype=np.float64)
    image = before.with_pixels(pixels)
    few = np.abs(pixels.ravel()[:: max(pixels.size // 1_000_000, 1)])
    few = few[np.isfinite(few)]
    most = float(np.quantile(few, _DISPLAY)) if few.size else 0.0
    display = (-most, most) if most > 0 else (-1.0, 1.0)
    channels = image.channels or (Channel(),) * image.size("c")
    channels = tuple(dataclasses.replace(channel, display=display) for channel in channels)
    return dataclasses.replace(image, title=f"{noisy.name}-residual", channels=channels)


def _fitting(noisy: Image, other: Image, name: str) -> NDArray[np.generic]:
    """Give the other image's pixels in the noisy one's order of axes."""
    sizes = {axis: (noisy.size(axis), other.size(axis)) for axis in "btczyx"}
    wrong = [axis for axis, (one, two) in sizes.items() if one != two]
    if wrong:
        axis = wrong[0]
        raise ImageError(
            f"The {name} {other.title} has {sizes[axis][1]} along {axis}, {noisy.title} has {sizes[axis][0]}.",
            fix="Compare images of the same pixels.",
            axis=axis,
        )
    return other.ordered(noisy.axes)


def _channels(noisy: Image, denoised: Image, truth: Image | None) -> Iterator[_Channel]:
    noisy = noisy.physical()
    others = [denoised.physical()] + ([truth.physical()] if truth is not None else [])
    for other, name in zip(others, ("denoised image", "truth"), strict=False):
        _fitting(noisy, other, name)
    if noisy.pixels.size == 0:
        return
    top, left = (max(0, (noisy.size(axis) - _MOST_SIDE) // 2) for axis in "yx")
    middle = np.s_[..., top : top + _MOST_SIDE, left : left + _MOST_SIDE]
    series = [image.ordered("ctbzyx")[middle] for image in (noisy, *others)]
    for index in evenly(noisy.size("c"), _MOST_CHANNELS):
        one, two, *real = (each[index].reshape(len(each[index]), -1, *each.shape[-2:]) for each in series)
        yield _Channel(one, two, real[0] if real else None)


def _figures(channel: _Channel) -> dict[str, float]:
    noisy, denoised, truth = _planes(channel)
    if not len(noisy):
        return {}
    ways: dict[str, Callable[[], float | dict[str, float]]] = {
        "residual_autocorrelation": lambda: metrics.residual_correlation(noisy, denoised),
        "noise_autocorrelation": lambda: _noise_correlation(channel, noisy),
        "residual_signal_correlation": lambda: metrics.residual_signal_correlation(noisy, denoised),
        "noise": lambda: _noise(channel, noisy, denoised),
        "frc": lambda: _resolution(channel, noisy, denoised),
    }
    if truth is None:
        ways["mean_bias"] = lambda: metrics.blind_bias(noisy, denoised)
        ways["roi_slope"] = lambda: metrics.blind_roi_slope(noisy, denoised, _BLOCK)
    else:
        dark = float(np.quantile(truth, _BACKGROUND))
        ways["mean_bias"] = lambda: metrics.mean_bias(truth, denoised, dark)
        ways["roi_slope"] = lambda: metrics.roi_slope(truth, denoised, _BLOCK)
        ways["psnr"] = lambda: metrics.psnr(truth, denoised)
        ways["psnr_raw"] = lambda: metrics.psnr(truth, noisy)
        ways["psnr_gaussian"] = lambda: _best_blur(truth, noisy)
    if channel.movie:
        ways["activity"] = lambda: _activity(channel)
    found: dict[str, float] = {}
    for name, way in ways.items():
        try:
            value = way()
        except ValueError:  # it cannot be measured here: constant, too small, nothing active
            continue
        found |= value if isinstance(value, dict) else {name: value}
    return found


def _planes(channel: _Channel) -> tuple[Floats, Floats, Floats | None]:
    """Give evenly spread planes (n, y, x) of all, float64, without those that are not finite."""
    flat = [
        None if each is None else each.reshape(-1, *each.shape[-2:])
        for each in (channel.noisy, channel.denoised, channel.truth)
    ]
    noisy, denoised, truth = flat
    assert noisy is not None and denoised is not None  # noqa: PT018
    chosen = evenly(len(noisy), max(1, min(_MOST_PLANES, _MOST_PIXELS // (noisy.shape[1] * noisy.shape[2]))))
    known = [each[chosen].astype(np.float64) for each in flat if each is not None]
    finite = np.all([np.isfinite(each).all(axis=(1, 2)) for each in known], axis=0)
    known = [each[finite] for each in known]
    return known[0], known[1], known[2] if truth is not None else None


def _noise_correlation(channel: _Channel, planes: Floats) -> float:
    figures = movie_noise_correlation(channel.noisy) if channel.movie else image_noise_correlation(planes)
    if not figures:
        raise ValueError("too few blocks to see the noise")
    return (figures["y"] + figures["x"]) / 2


def _noise(channel: _Channel, noisy: Floats, denoised: Floats) -> dict[str, float]:
    model = metrics.blind_noise(channel.noisy if channel.movie else noisy, movie=channel.movie)
    figures = {"noise_sigma": model.sigma, "noise_gain": model.gain}
    variance = float(model.variance(denoised).mean())
    if variance > 0:
        figures["noise_removed"] = float(np.mean((noisy - denoised - (noisy - denoised).mean()) ** 2)) / variance
    return figures


def _resolution(channel: _Channel, noisy: Floats, denoised: Floats) -> dict[str, float]:
    figures = {}
    for key, series, planes in (
        ("frc_before", channel.noisy, noisy),
        ("frc_after", channel.denoised, denoised),
    ):
        if channel.movie:
            gap = _GAP if len(series) > 2 * _GAP else 1
            starts = evenly(len(series) - gap, max(1, min(_MOST_PAIRS, _MOST_PIXELS // series[0].size)))
            one, other = (series[starts + step].astype(np.float64) for step in (0, gap))
            figures[key] = metrics.frc_resolution(metrics.frc(one, other))
        else:
            figures[key] = 2 * metrics.frc_resolution(metrics.frc(*metrics.checkerboard_halves(planes)))
    return figures


def _best_blur(truth: Floats, noisy: Floats) -> float:
    chosen = evenly(len(noisy), _BLURRED_PLANES)
    sigma, _ = metrics.best_gaussian(truth[chosen], noisy[chosen])
    from scipy.ndimage import gaussian_filter

    return metrics.psnr(truth, gaussian_filter(noisy, sigma, axes=(1, 2)))


def _activity(channel: _Channel) -> dict[str, float]:
    """Compare traces of blocks with the true ones, or with those that the noisy movie tells."""
    frames = evenly(len(channel.noisy), _MOST_FRAMES)
    pooled: list[tuple[Floats, ...]] = []
    for series in evenly(channel.noisy.shape[1], _MOST_SERIES):
        real = channel.noisy if channel.truth is None else channel.truth
        pooled.append(reduced(real[frames, series], channel.denoised[frames, series], _BLOCK))
    one, other, result = (np.concatenate(each) for each in zip(*pooled, strict=True))
    if not all(np.isfinite(each).all() for each in (one, other, result)):
        raise ValueError("traces are not finite")
    if channel.truth is None:
        blind = compare(one, other, result)
        return {"trace_correlation": blind.correlation, "amplitude_slope": blind.slope}
    truth = (one + other) / 2
    active = truth.var(axis=1) > _ACTIVE * truth.var(axis=1).max()
    truth, result = truth[active], result[active]
    return {
        "trace_correlation": correlation_of_traces(truth, result),
        "amplitude_slope": slope_of_traces(truth, result),
    }
