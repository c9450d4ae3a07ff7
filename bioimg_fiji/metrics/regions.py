"""What a user measures: means of regions, with the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.metrics.arrays import Floats, finite, pair
from bioimg_fiji.metrics.intensity import intensity_slope


def region_means(image: NDArray[Any], regions: NDArray[Any]) -> Floats:
    """Give the mean of each region of a label image.

    Parameters
    ----------
    image
        (..., y, x).
    regions
        (y, x), integers: regions from 1, 0 belongs to none.

    Returns
    -------
    (..., region), in the order of the labels, float64.

    Raises
    ------
    ValueError
        When the sizes differ, a pixel is not finite, or there is no region.
    """
    values = finite(image, "the image")
    if values.shape[-2:] != np.shape(regions):
        raise ValueError(f"the regions have shape {np.shape(regions)}, the image {values.shape[-2:]} along y and x")
    labels, places = np.unique(np.asarray(regions).ravel(), return_inverse=True)
    inside = labels != 0
    if not inside.any():
        raise ValueError("there is no region: all labels are 0")
    counts = np.bincount(places)
    planes = values.reshape(-1, places.size)
    means = np.stack([np.bincount(places, plane) / counts for plane in planes])[:, inside]
    return means.reshape(*values.shape[:-2], -1)


def region_slope(truth: NDArray[Any], image: NDArray[Any], regions: NDArray[Any]) -> float:
    """Give the slope of the regions' means over the true ones: 1 where regions can be measured (see `roi_slope`).

    Parameters
    ----------
    truth, image
        (..., y, x) of the same shape and unit; the regions of all planes go into one line.
    regions
        As in `region_means`; at least two.

    Raises
    ------
    ValueError
        As `region_means`, and when all regions of the truth have one mean.
    """
    reference, other = pair(truth, image)
    return intensity_slope(region_means(reference, regions), region_means(other, regions))


def region_bias(truth: NDArray[Any], image: NDArray[Any], regions: NDArray[Any], offset: float = 0.0) -> float:
    """Give the mean over regions of (mean - true mean) / (true mean - offset), each region counting once.

    Parameters
    ----------
    truth, image, regions
        As in `region_slope`; one region is enough.
    offset
        What the camera reads without light.

    Raises
    ------
    ValueError
        As `region_means`, and when the mean of a region of the truth is not above `offset`.
    """
    reference, other = pair(truth, image)
    real, seen = region_means(reference, regions), region_means(other, regions)
    if np.any(real <= offset):
        raise ValueError("a region of the truth has no signal above the offset")
    return float(np.mean((seen - real) / (real - offset)))
