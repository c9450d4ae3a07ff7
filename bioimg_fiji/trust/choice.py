"""How a result is compared with its raw image: what is asked, what suits, and what is fitted.

Lives here: the choice for the whole image, the fit of each channel. Lives not here: the comparison itself (errormap).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bioimg_fiji.errors import ImageError
from bioimg_fiji.image import Image
from bioimg_fiji.metrics import NoiseModel
from bioimg_fiji.metrics.arrays import Floats
from bioimg_fiji.trust.forward import Forward, fit_resolution
from bioimg_fiji.trust.pair import Pair
from bioimg_fiji.trust.significance import Mask

Method = Literal["residual", "squirrel", "reblur"]

_DARK = 0.01
"""Quantile of the values that stands for the darkest ones: noise is not less than theirs."""
_LEAST_SHARE = 0.01
"""Variance of the noise at the mean that dark places have at least: a tenth of its standard deviation."""
_ROUNDING = 1 / 12
"""Variance of rounding to whole numbers."""
_SAME_SCALE = (0.5, 2.0)
"""Factors between which a result is in the raw image's unit: a denoiser changes contrast by less."""
_SAME_MEAN = 0.5
"""Standard deviations of the raw image by which the means of both differ at most then."""


@dataclass(frozen=True)
class Asked:
    """What is to be compared.

    Parameters
    ----------
    method
        "residual": raw - result; "squirrel": raw - scaled and blurred result, where the blur is fitted; "reblur": the
        same where the blur is known (`forward`). "auto": reblur where a blur is given or the result is enlarged;
        squirrel where the result's intensities are on another scale; else residual.
    forward
        Known blur, in pixels of the result.
    noise
        Of the raw image; None: photon transfer of each channel (`metrics.blind_noise`).
    least
        Variance that the noise has at least, as read noise.
    mask
        (y, x) of the raw image: figures and places are those inside.
    """

    method: Method | Literal["auto"] = "auto"
    forward: Forward | None = None
    noise: NoiseModel | None = None
    least: float = 0.0
    mask: Mask | None = None


@dataclass(frozen=True)
class Channel:
    """How one channel was compared: `scaled` gives RSE and RSP, `expected` the differences."""

    scaled: Forward
    expected: Forward
    noise: NoiseModel
    floor: float


def method_of(pair: Pair, asked: Asked) -> Method:
    """Choose the comparison, the same for all channels: their maps have one unit."""
    if asked.method == "residual" and pair.factor > 1:
        raise ImageError(
            f"{pair.image.title} is {pair.factor} times larger than {pair.raw.title}: they have no residual.",
            fix="Say method=reblur (or auto), which averages the result's pixels.",
        )
    if asked.method != "auto":
        return asked.method
    if asked.forward is not None or pair.factor > 1:
        return "reblur"
    same = all(_same_unit(_samples(pair, number, 0)) for number in range(pair.loop[2]))
    return "residual" if same else "squirrel"


def _samples(pair: Pair, channel: int, depth: int) -> list[tuple[Floats, Floats]]:
    """Give parts of a channel that have finite pixels.

    Raises
    ------
    ImageError
        When there is none.
    """
    found = pair.samples(channel, depth)
    finite = [(raw, planes) for raw, planes in found if np.isfinite(raw).any() and np.isfinite(planes).any()]
    if not finite:
        raise ImageError("The images have no finite pixels where they were looked at.", fix="Give other images.")
    return finite


def channel_of(pair: Pair, asked: Asked, method: Method, number: int) -> Channel:
    """Fit how a channel is compared."""
    known = asked.forward
    if known is None and method == "reblur":
        known = Forward(factor=pair.factor)
    samples = _samples(pair, number, 0 if known is None else known.depth)
    if method == "residual" and _is_constant(samples):
        scaled = Forward()
    else:
        scaled = fit_resolution(samples, pair.factor) if known is None else known.fitted(samples)
    expected = Forward() if method == "residual" else scaled
    noise = asked.noise or pair.noise(number, [raw for raw, _ in samples])
    return Channel(scaled, expected, noise, max(_floor(pair.raw, expected, noise, samples), asked.least))


def _same_unit(samples: list[tuple[Floats, Floats]]) -> bool:
    """Whether a result has the raw image's intensities, or so nearly that a difference is an error."""
    raw, result = (np.concatenate([each[n].ravel() for each in samples]) for n in range(2))
    raw, result = raw[np.isfinite(raw)], result[np.isfinite(result)]
    scale = 1.0 if _is_constant(samples) else Forward().fitted(samples).scale
    near = abs(float(raw.mean() - result.mean())) <= _SAME_MEAN * float(raw.std())
    return near and _SAME_SCALE[0] <= scale <= _SAME_SCALE[1]


def _is_constant(samples: list[tuple[Floats, Floats]]) -> bool:
    values = [planes[np.isfinite(planes)] for _, planes in samples]
    return bool(np.ptp(np.concatenate(values)) == 0)


def _floor(raw: Image, expected: Forward, noise: NoiseModel, samples: list[tuple[Floats, Floats]]) -> float:
    """Give the variance that a pixel has at least: where the result is too dark, the noise is not taken for less.

    Raises
    ------
    ImageError
        When that is 0.
    """
    values = np.concatenate([each[right] for each, right in (expected.expected(planes) for _, planes in samples)])
    darkest = _DARK if noise.gain >= 0 else 1 - _DARK  # an inverted calibration gives dark pixels large values
    dark, middle = noise.variance(np.quantile(values, darkest)), noise.variance(values.mean())
    step = 1.0 if raw.intensity is None else raw.intensity.gain or 0.0
    rounding = _ROUNDING * step**2 if raw.dtype.kind in "iu" else 0.0
    floor = max(float(dark), _LEAST_SHARE * float(middle), rounding)
    if not floor > 0:
        raise ImageError(
            f"No noise was found in {raw.title}: it cannot be told what is more than noise.",
            fix="Give the image as the camera gave it, or its gain=..., read_noise=... and offset=...",
        )
    return floor
