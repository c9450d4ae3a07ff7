"""How many images it takes to promise a coverage, and what share of misses they may show.

Images are independent draws; the miss of an image is the share of its pixels outside their intervals.
"""

from __future__ import annotations

import math

from scipy.stats import binom

DELTA = 0.1
"""Probability that a certified calibration does not hold what it promises."""

LARGEST_CORRECTION = 0.01
"""Below it, an average is corrected for the number of images; with few images the correction would only widen."""

_ROUNDS = 60


def fewest_images(level: float, delta: float = DELTA) -> int:
    """Give the number of images from which a coverage can be certified: level ** n <= delta (22 for 0.9 and 0.1)."""
    return math.ceil(math.log(delta) / math.log(level) - 1e-12)


def allowed_miss(level: float, images: int) -> float:
    """Give the mean miss that the images may show for intervals of that coverage on average.

    Conformal risk control (Angelopoulos et al. 2024): 1 - level less level / images, so that the next image's expected
    miss is at most 1 - level. Where that is more than `LARGEST_CORRECTION` it is left out: the label says "empirical".
    """
    correction = level / images
    return 1 - level - (correction if correction <= LARGEST_CORRECTION else 0.0)


def certain_miss(level: float, images: int, delta: float = DELTA) -> float:
    """Give the largest mean miss of the images with which the expected miss is at most 1 - level, but for `delta`.

    Inverts the Hoeffding-Bentkus bound (Bates et al. 2021, section 3.1; Angelopoulos et al. 2022). Below 0: there is
    none, as the images are too few.
    """
    alpha = 1 - level
    if images < fewest_images(level, delta):
        return -1.0
    low, high = 0.0, alpha
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if p_value(middle, alpha, images) <= delta else (low, middle)
    return low


def p_value(miss: float, alpha: float, images: int) -> float:
    """Give the probability to see at most that mean miss where the expected one is above `alpha`."""
    low = min(miss, alpha)
    divergence = (low * math.log(low / alpha) if low > 0 else 0.0) + (1 - low) * math.log((1 - low) / (1 - alpha))
    hoeffding = math.exp(-images * divergence)
    bentkus = math.e * float(binom.cdf(math.ceil(images * miss - 1e-9), images, alpha))
    return min(hoeffding, bentkus, 1.0)
