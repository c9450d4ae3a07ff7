"""The picture on a package: before and after, side by side."""

from __future__ import annotations

import io

import numpy as np

from bioimg_fiji.runtime.adapter import Array

SIDE = 256
"""Side of each half, pixels."""


def cover(before: Array, after: Array, *, same_values: bool = True) -> bytes:
    """Draw two images side by side, twice as wide as high, as the specification likes covers.

    Parameters
    ----------
    before, after
        Arrays of the same field of view, (y, x) or (z, y, x); of volumes the middle slice is shown.
    same_values
        Whether both are in one unit: they then have one grey scale.

    Returns
    -------
    PNG.
    """
    import imageio.v3 as imageio

    halves = [_square(_plane(image)) for image in (before, after)]
    grey = np.concatenate([_grey(half, halves[1] if same_values else half) for half in halves], axis=1)
    buffer = io.BytesIO()
    imageio.imwrite(buffer, (np.clip(grey, 0, 1) * 255).astype(np.uint8), extension=".png")
    return buffer.getvalue()


def _grey(half: Array, scale: Array) -> Array:
    low, high = np.percentile(scale, (0.5, 99.8))
    return np.asarray((half - low) / max(float(high - low), 1e-12))


def _plane(image: Array) -> Array:
    plane = image[image.shape[0] // 2] if image.ndim == 3 else image
    return np.asarray(plane, np.float64)


def _square(plane: Array) -> Array:
    """Cut the middle square, then repeat or pick pixels to the wanted side; noise must not be smoothed away."""
    side = min(plane.shape)
    top, left = ((size - side) // 2 for size in plane.shape)
    picks = np.arange(SIDE) * side // SIDE
    return plane[top : top + side, left : left + side][np.ix_(picks, picks)]
