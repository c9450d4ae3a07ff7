"""Images that are at hand on every machine, for the demo and for a first try."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.image import Image
from bioimg_fiji.train.synthetic import GAIN, OFFSET, READ_NOISE, expose, truth

PHOTONS = 20.0
"""Mean photons per pixel of the demo image."""

_SEED = 2026
_BLUE = 2


@dataclass(frozen=True)
class Sample:
    """A noisy image, what it would be without noise (same shape and unit), and a sentence about both.

    `offset` is what the camera reads without light, in the image's unit.
    """

    noisy: Image
    truth: NDArray[np.float32]
    offset: float
    about: str


def demo_image() -> Sample:
    """Give real microscopy with known noise: stained colon tissue in transmitted light, as taken in little light.

    It is the blue channel, where the brown stain absorbs most, of scikit-image's `immunohistochemistry` (512 x 512,
    microscopy by the Center for Microscopy and Molecular Imaging; no known copyright restrictions). Photon and read
    noise are added as by the camera of `bioimg_fiji.train.synthetic`, with `PHOTONS` photons per pixel on average.

    Returns
    -------
    The noisy image (y, x), uint16, ADU, without a pixel size since none is recorded; and the truth, float32, ADU.
    """
    from skimage import data

    blue: NDArray[np.float64] = data.immunohistochemistry()[..., _BLUE].astype(np.float64)  # type: ignore[no-untyped-call]
    photons = blue / blue.mean() * PHOTONS
    reading = np.clip(expose(photons, np.random.default_rng(_SEED)).round(), 0, np.iinfo(np.uint16).max)
    about = (
        "Real microscopy: stained colon tissue (blue channel of scikit-image's immunohistochemistry image, 512 x 512)."
        f" Noise was added to it, so that the truth is known: {PHOTONS:g} photons per pixel on average, read noise"
        f" {READ_NOISE:g} electrons, gain {GAIN:g} ADU per photon, offset {OFFSET:g} ADU."
    )
    return Sample(Image(reading.astype(np.uint16), "yx", title="demo.tif"), truth(photons), OFFSET, about)
