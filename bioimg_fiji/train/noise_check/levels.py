"""Grey levels: saturated, cut off, too few, stretched; and colour pictures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.image import Image
from bioimg_fiji.train.noise_check.blocks import Array, blocks, grey_step, middles, per_plane, planes_of, without_plane
from bioimg_fiji.train.noise_check.finding import CLIPPED, Finding, Severity

FEW = 0.5
"""Standard deviation of the noise, grey levels, below which rounding hides it."""
STRETCHED = 0.05
"""Share of unused levels between used ones from which values were converted."""

_SINGLE = 4  # pixels that may share the highest value by chance
_FEWEST_SATURATED = 20
_SPIKE = 5.0
_EXPECTED = 20
_LEVELS_BELOW = 5
_MOST_LEVELS = 1 << 16
_BRIGHT = 0.98


def clipping(image: Image) -> list[Finding]:
    """Look for pixels at the ends of the range of values."""
    pixels = image.pixels
    if pixels.dtype.kind == "b" or pixels.size == 0:
        return []
    low, high = pixels.min(), pixels.max()
    if not low < high:
        return []
    found = []
    top, bottom = float((pixels == high).mean()), float((pixels == low).mean())
    if top > max(CLIPPED, _SINGLE / pixels.size) or _is_spike(pixels, high):
        text = (
            f"{_percent(top)} of the pixels of {image.title} have the highest value ({high}): they look saturated, and "
            "no method can restore them."
        )
        found.append(_note("saturated", text, {"share": top}))
    few = middles(planes_of(image))
    dark = bottom > max(CLIPPED, _SINGLE / pixels.size) and np.median(few) - low < _spread_above(few)
    if dark and not _counts_photons(image):
        text = (
            f"{_percent(bottom)} of the pixels of {image.title} have the lowest value ({low}): if the camera cuts "
            "there, dark regions come out too bright."
        )
        found.append(_note("clipped_dark", text, {"share": bottom}))
    return found


def grey_levels(image: Image) -> list[Finding]:
    """Look for noise that is smaller than a grey level, and for levels that are left out between used ones."""
    planes = planes_of(image)
    step = grey_step(planes)
    if step == 0 or image.dtype.kind == "b":
        return []
    found = []
    holes = _holes(planes, step)
    if holes > STRETCHED:
        text = (
            f"{_percent(holes)} of the grey levels of {image.title} are left out between levels that are used: its "
            "values were stretched or converted after the camera, with rounding. Train on the original file."
        )
        found.append(_note("stretched", text, {"holes": holes}))
    sigma, counted = _rounded_noise(planes, step)
    if sigma < FEW and not counted:
        text = (
            f"The noise of {image.title} is smaller than half a grey level (standard deviation {sigma:.2f}): "
            "rounding hides it, so there is little to learn from, and fine differences are lost. Save the original "
            "data with 16 bits, without changing brightness or contrast."
        )
        found.append(_note("few_grey_levels", text, {"sigma": sigma}))
    return found


def colour(image: Image) -> list[Finding]:
    """Say of a colour picture what its colours are made of."""
    if not image.rgb:
        return []
    channels = np.moveaxis(image.pixels, image.axes.index("c"), 0)
    equal = float(np.mean((channels[0] == channels[1]) & (channels[1] == channels[2])))
    if equal == 1:
        text = (
            f"{image.title} is a grey image that is stored as a colour picture: its three channels are equal. "
            "Convert it to 8 bits first, and look for the original: pictures are often compressed or have lost grey "
            "levels."
        )
    else:
        text = (
            f"{image.title} is a colour picture: a colour camera measures one colour in each pixel and interpolates "
            "the others, and pictures are often compressed (JPEG). Both make the noise of neighbouring pixels alike, "
            "which Noise2Void would keep. Use the camera's raw data, or one grey channel for each measurement."
        )
    return [_note("colour_picture", text, {"equal": equal})]


def _note(code: str, text: str, figures: Mapping[str, float]) -> Finding:
    return Finding(code, Severity.NOTE, text, figures)


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 1e-3 else f"{share:.3%}"


def _is_spike(pixels: Array, high: float) -> bool:
    """Whether many more pixels have the highest value than any of the few levels below it: cut off, not rare."""
    count = int((pixels == high).sum())
    if count < _FEWEST_SATURATED:
        return False
    bright = np.quantile(pixels.ravel()[:: max(pixels.size // 100_000, 1)], _BRIGHT)
    levels, counts = np.unique(pixels[pixels >= bright], return_counts=True)
    return len(levels) > 1 and count > _SPIKE * int(counts[-1 - _LEVELS_BELOW : -1].max())


def _counts_photons(image: Image) -> bool:
    planes = planes_of(image)
    step = grey_step(planes)
    return step > 0 and _rounded_noise(planes, step)[1]


def _spread_above(pixels: Array) -> float:
    """Give three times the noise's spread as seen above the median, to which the side below is compared."""
    median = np.median(pixels)
    above = pixels[pixels > median]
    return 3 * 1.4826 * float(np.median(above - median)) if above.size else 0.0


def _holes(planes: Array, step: float) -> float:
    """Give the share of empty levels among those whose neighbours on both sides hold many pixels."""
    planes = middles(planes)
    lowest = float(planes.min())
    if (float(planes.max()) - lowest) / step >= _MOST_LEVELS:
        return 0.0
    levels: NDArray[np.int64] = np.rint((planes.astype(np.float64) - lowest) / step).astype(np.int64)
    counts = np.bincount(levels.ravel())
    if len(counts) < 3:
        return 0.0
    between = np.minimum(counts[:-2], counts[2:]) >= _EXPECTED
    return float(np.mean(counts[1:-1][between] == 0)) if between.sum() >= _LEVELS_BELOW else 0.0


def _rounded_noise(planes: Array, step: float) -> tuple[float, bool]:
    """Give the noise's standard deviation in grey levels, and whether it is that of counted photons.

    It is the median over blocks of their spread about a plane, from second differences, less that of rounding. A
    photon counter has variance = mean, also far below one grey level: nothing is rounded there.
    """
    cut = blocks(planes, per_plane(len(planes)))
    if min(cut.shape[1:]) < 3:
        return FEW, False
    mean, flat = cut.mean(axis=(1, 2)) / step, without_plane(cut)
    varies = flat.var(axis=(1, 2)) > 0
    if not varies.any() or np.mean(varies) < 0.5:
        mean, flat = mean[varies], flat[varies]
    if not len(flat):
        return FEW, False
    rows = flat[:, :-2] - 2 * flat[:, 1:-1] + flat[:, 2:]
    both = rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:]
    variance = float(np.median((both**2).mean(axis=(1, 2)))) / 36 / step**2
    counted = bool(planes.min() == 0 and 0.6 * np.median(mean) < variance < 1.6 * np.median(mean))
    return float(np.sqrt(max(variance - 1 / 12, 0.0))), counted
