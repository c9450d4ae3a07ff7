"""Traces of what was done to an image before: JPEG's blocks, enlarging, repeated pixels.

All of them are periodic along y and x, as microscopy is not; each is said only where both axes agree.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.ndimage import median_filter

from bioimg_fiji.train.noise_check.blocks import Array, Floats, evenly
from bioimg_fiji.train.noise_check.correlation import image_noise_correlation

PERIOD = 8
"""Side of JPEG's blocks, pixels."""

_PLANES = 4
_SIDE = 512
_SMALLEST = 48
_CLIP = 0.9  # quantile: edges of objects count no more than that
_BORDERS_LOUDER = 1.05
_PEAK = 9.0
_SAME_PLACE = 0.02
_REPEATED = 0.1
_VARIED = 0.02
_TWOFOLD = 0.72


def jpeg_blocks(planes: Array) -> dict[str, float]:
    """Look for the borders of JPEG's blocks of 8 x 8 pixels.

    The third difference across a border between two columns is large where the blocks beside it were rounded apart.
    Its mean is taken for each of the eight possible phases along x and along y (64 grids): JPEG's is above all others,
    by more than chance; a zoomed image has several that are alike.

    Parameters
    ----------
    planes
        (n, y, x).

    Returns
    -------
    "blockiness", how much larger the difference across borders is than at the next highest phase (the less of the two
    axes), and the "row" and "column" of the first border; empty where there are no such blocks.
    """
    found: list[tuple[float, int]] = []
    for axis in (0, 1):
        profiles = [_profile(each if axis else each.T, third=True) for each in _crops(planes)]
        if not profiles:
            return {}
        column = np.mean([p for p, _ in profiles], axis=0)
        phase = (np.arange(column.size) + 2) % PERIOD
        means = np.array([column[phase == p].mean() for p in range(PERIOD)])
        best = int(np.argmax(means))
        second = float(np.delete(means, best).max())
        chance = 2.0 / np.sqrt(sum(rows for _, rows in profiles) * (column.size // PERIOD))
        if second <= 0 or means[best] / second < _BORDERS_LOUDER + chance:
            return {}
        found.append((float(means[best]) / second, best))
    return {"blockiness": min(f for f, _ in found), "row": float(found[0][1]), "column": float(found[1][1])}


def processed(planes: Array) -> dict[str, dict[str, float]]:
    """Give all that was found, by "jpeg", "repeated_pixels" and "enlarged", each said once.

    JPEG's blocks are periodic too, and so are repeated pixels: what they explain is not called an enlargement.
    """
    jpeg, repeated, scaled = jpeg_blocks(planes), repeated_pixels(planes), enlarged(planes)
    harmonic = PERIOD * scaled.get("line", 0.0)
    explained = repeated or (jpeg and abs(harmonic - round(harmonic)) < 0.1)
    found = {"jpeg": jpeg, "repeated_pixels": repeated, "enlarged": {} if explained else scaled}
    return {key: figures for key, figures in found.items() if figures}


def enlarged(planes: Array) -> dict[str, float]:
    """Look for interpolation: an image that was scaled up (Gallagher 2005).

    Interpolated pixels are means of others, so they vary less than those that were kept: the mean second difference of
    a column goes up and down with the period of the enlargement.

    Parameters
    ----------
    planes
        (n, y, x).

    Returns
    -------
    "peak", the height of the period's line in the spectrum beside the median (the less of the two axes; noise has
    2 to 5), "line", its frequency in cycles a pixel, and "factor", the enlargement; empty where there is none.
    """
    lines = []
    for axis in (0, 1):
        profiles = [_profile(each if axis else each.T, third=False)[0] for each in _crops(planes)]
        if not profiles:
            return {}
        lines.append(_line(np.mean(profiles, axis=0)))
    (place, height), (other_place, other_height) = lines
    if min(height, other_height) < _PEAK or abs(place - other_place) > _SAME_PLACE:
        return {}
    middle = (place + other_place) / 2
    return {"peak": min(height, other_height), "line": middle, "factor": _factor(planes, middle)}


def repeated_pixels(planes: Array) -> dict[str, float]:
    """Look for columns and rows that equal the one before: enlarged without interpolation.

    Parameters
    ----------
    planes
        (n, y, x).

    Returns
    -------
    "share" of repeated columns and "factor", the enlargement along x; empty where rows or columns do not repeat.
    """
    shares = []
    for axis in (0, 1):
        for plane in (each if axis else each.T for each in _crops(planes)):
            varied = np.mean(plane[1:] != plane[:-1], axis=0) > _VARIED
            same = np.all(plane[:, 1:] == plane[:, :-1], axis=0)
            shares.append(float(np.mean(same[varied[1:]])) if varied[1:].any() else 0.0)
    share = min(shares, default=0.0)
    return {"share": share, "factor": 1 / (1 - share)} if _REPEATED <= share < 1 else {}


def _crops(planes: Array) -> Iterator[Array]:
    """Give the middle of a few planes, at a place that keeps the phase of JPEG's grid."""
    if min(planes.shape[-2:]) < _SMALLEST:
        return
    inside = tuple(slice(max(0, (size - _SIDE) // 2) // PERIOD * PERIOD, None) for size in planes.shape[-2:])
    for index in evenly(len(planes), _PLANES):
        plane = planes[index][inside][:_SIDE, :_SIDE].astype(np.float64)
        if plane.max() > plane.min():
            yield plane


def _profile(plane: Floats, third: bool) -> tuple[Floats, int]:
    """Give the mean absolute second or third difference along x by column, relative to all, and the number of rows."""
    if third:
        difference = np.abs(plane[:, :-3] - 3 * plane[:, 1:-2] + 3 * plane[:, 2:-1] - plane[:, 3:])
    else:
        difference = np.abs(plane[:, :-2] - 2 * plane[:, 1:-1] + plane[:, 2:])
    clipped = np.minimum(difference, np.quantile(difference, _CLIP) or np.inf)
    profile: Floats = clipped.mean(axis=0) / max(float(clipped.mean()), 1e-300)
    return profile, len(plane)


def _line(profile: Floats) -> tuple[float, float]:
    """Give frequency (cycles per pixel) and relative height of the highest line in a profile's spectrum."""
    size = len(profile)
    around = median_filter(profile, size=min(31, size | 1))
    flat = profile / np.maximum(around, 1e-9 + 0.01 * float(profile.mean())) - 1
    spectrum = np.abs(np.fft.rfft((flat - flat.mean()) * np.hanning(size)))
    frequency = np.fft.rfftfreq(size)
    allowed = frequency > 0.1
    best = int(np.argmax(np.where(allowed, spectrum, 0)))
    ground = float(np.median(spectrum[allowed]))
    return float(frequency[best]), float(spectrum[best]) / ground if ground > 0 else 0.0


def _factor(planes: Array, frequency: float) -> float:
    """Give the enlargement whose period shows at this frequency: 1 to 2 by one branch, above 2 by the other.

    Twofold linear interpolation makes neighbours' noise correlated by 0.67 to 0.7, further enlargement by more.
    """
    guess = image_noise_correlation(planes)
    alike = max(guess.get("y", 0.0), guess.get("x", 0.0))
    return 1 / frequency if alike > _TWOFOLD else 1 / (1 - frequency)
