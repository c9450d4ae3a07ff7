"""Calibration without a truth: the noisy image is its own witness, at pixels that the model has not seen.

A blind-spot model tells a hidden pixel from its neighbours, so its error and the pixel's noise are independent, and

    mean((measured - told) ** 2) = mean squared error + variance of the noise

over any set of pixels that is chosen without looking at them. With the noise's variance from photon transfer
(variance = gain * value + variance at zero, whose mean over pixels needs no truth, as it is linear) the mean squared
error is what is left. It is measured in bins of equally uncertain pixels, which gives the factor of each bin's spread.

What is assumed: noise that is independent from pixel to pixel, of that variance; and the shape: within a bin,
error / spread is normal. Where the data speak against it there is no calibration but an error that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import erf

from bioimg_fiji.errors import ImageError
from bioimg_fiji.metrics.arrays import Floats
from bioimg_fiji.metrics.blind import NoiseModel, blind_noise
from bioimg_fiji.trust.conformal import (
    COMMAND,
    LEVELS,
    Calibration,
    CalibrationImage,
    SpreadKind,
    bounded,
    floor_of,
)

Array = npt.NDArray[Any]
Run = Callable[[Array], tuple[Array, Array]]
"""A run of the model: noisy pixels to output and spread, all of one shape."""

GRID = 5
"""One pixel of GRID x GRID is hidden at a time."""

REACH = 2
"""Hidden pixels show the value of one of their neighbours, at most so far away."""

WANTED = 120_000
"""Hidden pixels of all images together that tell a mean squared error of a twentieth of the noise to a tenth."""

FEWEST = 20_000

UNSURE = 0.02
"""Share of the noise's variance to which photon transfer is trusted (it scatters by so much from image to image)."""

METHODS = ("n2v", "n2v2")
"""Methods whose models can be calibrated so: the others are for noise that neighbouring pixels share."""

_BINS = 8
_PER_BIN = 10_000
"""Pixels that tell a mean squared error to 1.4 % of the noise's variance."""
_SURE = 3.0
"""Standard errors that are no chance."""
_PILED = 0.01
"""Share of pixels with the highest or lowest value from which values are cut off."""
_SHARED = 1.2
"""White noise of one image of 256 x 256 has 1.0 +- 0.13, noise that is blurred by 0.4 pixels 1.3, by 0.5 pixels 2.1."""


@dataclass(frozen=True)
class BlindSample:
    """What is known of an image at hidden pixels.

    Parameters
    ----------
    name, sha256, pixels
        Of the image.
    measured, told, spread
        Noisy value, the model's output and spread of each hidden pixel; 1D, in the result's unit.
    noise
        Of the image.
    neighbours
        Covariance of measured - output of neighbouring pixels, the larger one of y and x.
    coarse
        Variance of the noise as every second pixel tells it, beside that of all: 1 where neighbours do not share it.
    piled
        What is wrong with the ends of the range of values, as a sentence; empty where nothing is.
    """

    name: str
    sha256: str
    pixels: int
    measured: Floats
    told: Floats
    spread: Floats
    noise: NoiseModel
    neighbours: float
    coarse: float = 1.0
    piled: str = ""


@dataclass(frozen=True)
class Hiding:
    """Noisy pixels (..., y, x) of which some are hidden, the model that tells them, and which of them count."""

    noisy: Array
    run: Run
    counted: tuple[slice, ...] = ()

    @property
    def size(self) -> int:
        """How many pixels count."""
        return int(self.noisy[self.counted].size)


def blind_sample(
    name: str,
    noisy: Array,
    run: Run,
    images: int = 1,
    movie: bool = False,
    sha256: str = "",
    seed: int = 0,
    hidings: Sequence[Hiding] = (),
) -> BlindSample:
    """Hide pixels of an image, and let a model tell them.

    Parameters
    ----------
    name, sha256
        Of the image.
    noisy
        (..., y, x), or (t, ..., y, x) with `movie`.
    run
        The model.
    images
        How many images the calibration will have: each needs its share of hidden pixels.
    movie
        Whether the first axis is time, for the noise model.
    seed
        Of the choice of pixels.
    hidings
        Parts of the image whose pixels are hidden, where it is not all of it.

    Raises
    ------
    ImageError
        When the image is too small for a noise model.
    """
    noisy = np.asarray(noisy, np.float32)
    noise, coarse = noise_of(name, noisy, movie), _coarse(noisy)
    output, _ = run(noisy)
    measured, told, spread = _told_blindly(hidings or (Hiding(noisy, run),), WANTED / images, seed)
    residual = noisy.astype(np.float64) - output
    return BlindSample(
        name=name,
        sha256=sha256,
        pixels=noisy.size,
        measured=measured,
        told=told,
        spread=spread,
        noise=noise,
        neighbours=_covariance(residual),
        coarse=coarse,
        piled=piled(name, noisy, noise),
    )


def noise_of(name: str, noisy: Array, movie: bool) -> NoiseModel:
    """Give the noise of an image, see `blind_noise`.

    Raises
    ------
    ImageError
        When it is too small.
    """
    try:
        return blind_noise(noisy, movie)
    except ValueError as error:
        raise ImageError(f"{name} tells nothing of its noise: {error}.", fix="Give a larger image.") from error


def calibration_without_truth(
    spread: SpreadKind, samples: Sequence[BlindSample], members: Sequence[str] = ()
) -> Calibration:
    """Calibrate a spread by hidden pixels and the noise model; the images are taken to be of one camera.

    Parameters
    ----------
    spread
        What it comes from.
    samples
        One for each image.
    members
        Of an ensemble: the SHA-256 of its other packages.

    Raises
    ------
    ImageError
        When it cannot be: too few pixels, clipped values, correlated noise, a noise model that does not fit, or errors
        so far below the noise that it does not tell them. The message says which.
    """
    for sample in samples:
        if sample.piled:
            raise _cannot(sample.piled)
        known = (sample.measured, sample.told, sample.spread, np.array(sample.noise), np.array(sample.coarse))
        if not all(np.isfinite(each).all() for each in known) or (sample.spread < 0).any():
            raise _cannot(f"values or spreads of {sample.name} are not finite, or spreads are negative")
    count = sum(sample.measured.size for sample in samples)
    if count < FEWEST:
        raise _cannot(f"there are {count} hidden pixels, and it takes {FEWEST}")
    coarse = float(np.average([sample.coarse for sample in samples], weights=[sample.pixels for sample in samples]))
    if coarse > _SHARED:
        raise _cannot(
            f"the noise of neighbouring pixels is correlated (every second pixel has {coarse:.2f} times the variance "
            "that all of them show)"
        )
    floor = floor_of([sample.spread for sample in samples], [sample.measured - sample.told for sample in samples])
    pooled = _Pooled(samples, floor)
    pooled.check()
    edges, ratios = pooled.ratios()
    images = tuple(_image(sample, floor, edges, ratios) for sample in samples)
    return Calibration(spread, "noise model", floor, LEVELS, images, tuple(members))


class _Pooled:
    """All hidden pixels: squared residuals, the noise's variances, spreads."""

    def __init__(self, samples: Sequence[BlindSample], floor: float) -> None:
        self._residual = np.concatenate([sample.measured - sample.told for sample in samples])
        self._told = np.concatenate([sample.told for sample in samples])
        self._width = np.concatenate([bounded(sample.spread, floor) for sample in samples])
        gain, at_zero = _camera(samples)
        # NB: not clipped at 0: a mean over noisy values is right only where it is linear.
        self._noise = gain * np.concatenate([sample.measured for sample in samples]) + at_zero
        self._neighbours = float(
            np.average([s.neighbours for s in samples], weights=[s.measured.size for s in samples])
        )

    def check(self) -> None:
        """Refuse what the noise model does not explain."""
        excess, doubt = self._excess(np.ones(self._residual.size, bool))
        noise = float(self._noise.mean())
        if noise <= 0:
            raise _cannot("the image has no noise that grows with the signal or stands still")
        if excess < -doubt:
            raise _cannot(
                f"hidden pixels scatter by less than the noise model says ({excess + noise:.4g} against {noise:.4g}): "
                "it does not fit"
            )
        if excess < doubt:
            raise _cannot(
                f"the model's error is so far below the noise (variance {noise:.4g}, known to {doubt:.2g}) that it "
                "cannot be told from it"
            )
        if self._neighbours > excess + doubt:
            raise _cannot(
                "the noise of neighbouring pixels is correlated: what is left of it has a covariance of "
                f"{self._neighbours:.4g}, more than the error's variance of {excess:.4g} explains"
            )
        for chosen in self._binned(self._told):
            part, unsure = self._excess(chosen)
            if part < -unsure:
                raise _cannot(
                    f"the noise model does not fit around values of {self._told[chosen].mean():.4g}: pixels scatter "
                    "by less than it says"
                )

    def ratios(self) -> tuple[Floats, Floats]:
        """Give the bins' inner edges in width, and in each bin the mean squared error over the mean squared width."""
        bins = self._binned(self._width)
        edges = np.array([self._width[chosen].max() for chosen in bins[:-1]])
        found = [self._least(chosen) / float(np.mean(self._width[chosen] ** 2)) for chosen in bins]
        return edges, np.array(found)

    def _least(self, chosen: npt.NDArray[np.intp]) -> float:
        """Give the mean squared error in some pixels: not less than what the noise is known to."""
        return max(self._excess(chosen)[0], UNSURE * abs(float(self._noise[chosen].mean())))

    def _binned(self, by: Floats) -> list[npt.NDArray[np.intp]]:
        count = int(np.clip(by.size // _PER_BIN, 1, _BINS))
        return [chosen for chosen in np.array_split(np.argsort(by, kind="stable"), count) if chosen.size]

    def _excess(self, chosen: npt.NDArray[Any]) -> tuple[float, float]:
        """Give the mean squared error in some pixels, and how far it may be off."""
        squares, noise = self._residual[chosen] ** 2, self._noise[chosen]
        chance = float(np.std(squares - noise)) / np.sqrt(squares.size)
        return float(np.mean(squares - noise)), _SURE * chance + UNSURE * abs(float(noise.mean()))


def _camera(samples: Sequence[BlindSample]) -> tuple[float, float]:
    """Give gain and variance at zero of the camera, as means over its images."""
    weights = [sample.pixels for sample in samples]
    gain = float(np.average([sample.noise.gain for sample in samples], weights=weights))
    # The line is best known at the images' mean values.
    means = [float(sample.measured.mean()) for sample in samples]
    there = [s.noise.gain * mean + s.noise.variance_at_zero for s, mean in zip(samples, means, strict=True)]
    return gain, float(np.average(np.array(there) - gain * np.array(means), weights=weights))


def _image(sample: BlindSample, floor: float, edges: Floats, ratios: Floats) -> CalibrationImage:
    """Give the quantiles of an image's scores: a mixture of normal distributions, one for each bin."""
    width = bounded(sample.spread, floor)
    shares = np.bincount(np.searchsorted(edges, width), minlength=len(ratios)) / width.size
    quantiles = [_quantile(level, shares, np.sqrt(ratios)) for level in LEVELS]
    return CalibrationImage(sample.name, sample.sha256, sample.pixels, tuple(quantiles), None, float(width.mean()))


def _quantile(level: float, shares: Floats, sigmas: Floats) -> float:
    """Invert the distribution of the absolute value of a mixture of normals about 0; level 1 stands for 0.9999."""
    level = min(level, 0.9999)
    known = sigmas > 0
    exact = float(shares[~known].sum())
    if level <= exact or not known.any():
        return 0.0

    def share(value: float) -> float:
        return exact + float(np.sum(shares[known] * erf(value / (sigmas[known] * np.sqrt(2))))) - level

    return float(brentq(share, 0.0, 10 * float(sigmas.max()), xtol=1e-9))


def _told_blindly(hidings: Sequence[Hiding], wanted: float, seed: int) -> list[Floats]:
    """Give measured values, outputs and spreads of about so many hidden pixels."""
    rng = np.random.default_rng(seed)
    pixels = sum(each.size for each in hidings)
    rounds = int(np.clip(np.ceil(wanted / max(pixels // GRID**2, 1)), 1, GRID**2))
    firsts = [rng.integers(0, GRID**2, _cells(each.noisy.shape)) for each in hidings]
    # NB: no pixel is hidden twice: its noise would count twice.
    found = [
        _round(each, (first + number) % GRID**2, rng)
        for number in range(rounds)
        for each, first in zip(hidings, firsts, strict=True)
    ]
    return [np.concatenate(each).astype(np.float64) for each in zip(*found, strict=True)]


def _round(hiding: Hiding, places: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    noisy = hiding.noisy
    hidden = _hidden(noisy.shape, places)
    shown = noisy.copy()
    shown[hidden] = _neighbours(noisy, hidden, rng)
    output, spread = hiding.run(shown)
    counts = np.zeros(noisy.shape, bool)
    counts[hiding.counted] = True
    chosen = counts[hidden]
    measured, told, doubt = (np.asarray(each)[hidden][chosen] for each in (noisy, output, spread))
    return measured, told, doubt


def _cells(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Give the numbers of planes, and of cells of GRID x GRID along y and x."""
    return int(np.prod(shape[:-2])), -(-shape[-2] // GRID), -(-shape[-1] // GRID)


def _hidden(shape: tuple[int, ...], places: Array) -> tuple[Array, ...]:
    """Give the pixel of each cell at its place, 0 to GRID ** 2 - 1; where that is outside of the image, none."""
    planes, rows, columns = places.shape
    y = np.arange(rows)[None, :, None] * GRID + places // GRID
    x = np.arange(columns)[None, None, :] * GRID + places % GRID
    plane = np.broadcast_to(np.arange(planes)[:, None, None], y.shape)
    inside = (y < shape[-2]) & (x < shape[-1])
    leading = np.unravel_index(plane[inside], shape[:-2]) if shape[:-2] else ()
    return (*leading, y[inside], x[inside])


def _neighbours(noisy: Array, hidden: tuple[Array, ...], rng: np.random.Generator) -> Array:
    """Give the values of random neighbours in the plane; one outside is mirrored to the other side of the pixel."""
    side = 2 * REACH + 1
    step = rng.integers(0, side**2 - 1, hidden[0].size)
    step += step >= side**2 // 2  # never the pixel itself
    moved = []
    for place, by, size in zip(hidden[-2:], (step // side - REACH, step % side - REACH), noisy.shape[-2:], strict=True):
        there = place + by
        moved.append(np.where((there < 0) | (there >= size), place - by, there).clip(0, size - 1))
    values: Array = noisy[(*hidden[:-2], *moved)]
    return values


def _coarse(noisy: Array) -> float:
    """Compare the noise of every second row and column with that of all: photon transfer does not see shared noise."""
    mean = float(noisy.mean())
    fine, coarse = (float(blind_noise(each).variance(mean)) for each in (noisy, noisy[..., ::2, ::2]))
    return coarse / fine if fine > 0 else 1.0


def _covariance(residual: Floats) -> float:
    residual = residual - residual.mean()
    along_y = float(np.mean(residual[..., 1:, :] * residual[..., :-1, :]))
    along_x = float(np.mean(residual[..., 1:] * residual[..., :-1]))
    return max(along_y, along_x)


def piled(name: str, noisy: Array, noise: NoiseModel) -> str:
    """Tell values that are cut off: at the highest, or at the lowest unless photons are counted, which have a zero."""
    low, high = noisy.min(), noisy.max()
    if float(np.mean(noisy == high)) > _PILED:
        return f"{name} is saturated: more than 1 % of its pixels have the highest value, {high:g}"
    counted = low == 0 and float(noise.gain * low + noise.variance_at_zero) < noise.gain**2 / 4
    if float(np.mean(noisy == low)) > _PILED and not counted:
        return f"{name} is cut off below: more than 1 % of its pixels have the lowest value, {low:g}"
    return ""


def _cannot(reason: str) -> ImageError:
    return ImageError(
        f"The confidence cannot be calibrated without a truth: {reason}.",
        fix=f"Give true images to {COMMAND}, or go without confidence.",
    )
