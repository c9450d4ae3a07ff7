"""Conformal calibration: the factor by which a model's spread is multiplied to give intervals that hold.

The interval of a pixel is output +- factor * sqrt(spread ** 2 + floor ** 2). The factor of a level is the one with
which the intervals of images with a known truth hold that share of the true values, on average over the images: the
image is the unit, as pixels of one image err together (Angelopoulos et al. 2022). Of each image the quantiles of its
scores, abs(error) / sqrt(spread ** 2 + floor ** 2), are kept, so that any level can be had later.

Lives here: scores, factors, labels, their JSON. Lives not here: where a spread comes from (spread, told), how many
images a promise takes (bounds).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import ImageError, PackageError, ParameterError
from bioimg_fiji.metrics.arrays import Floats, pair
from bioimg_fiji.metrics.confidence import sparsification
from bioimg_fiji.trust.bounds import DELTA, allowed_miss, certain_miss, fewest_images

Array = npt.NDArray[Any]
Bounds = Literal["average", "certified"]
SpreadKind = Literal["head", "augmentation", "ensemble"]
TruthKind = Literal["images", "held-out pixels", "noise model"]

FILE = "confidence.json"
"""Name of the attachment."""

COMMAND = "BioImg Calibrate Confidence..."

LOWEST, HIGHEST = 0.5, 0.99
"""Levels that intervals can be asked for."""

LEVELS: tuple[float, ...] = tuple(
    np.round(np.concatenate([np.arange(0.01, 0.95, 0.01), np.arange(0.95, 1.0001, 0.0025)]), 4).tolist()
)
"""Probabilities of the quantiles that are kept of each image's scores."""

NORMAL_90 = 1.6448536269514722
"""Standard deviations on either side that hold 90 % of a normal distribution: what a spread says of itself."""

FLOOR_SHARE = 0.1
"""The floor, beside the root mean square of the spread: keeps intervals of a spread of 0 from having no width."""

_WEAKER = {
    "held-out pixels": "of the training's own images, which are not independent of the model",
    "noise model": "modelled from noise, which certifies nothing",
}
"""Why a truth of another kind than "images" certifies nothing."""

_MOST_PIXELS = 400_000
_DIGITS = 6
_VERSION = 1


@dataclass(frozen=True)
class Sample:
    """What is known of an image with a truth: the errors and spreads of its pixels, or of a part of them.

    Parameters
    ----------
    name, sha256
        Of the image; the hash is `pixels_sha256` of the raw one, empty where it is not known.
    error, spread
        Output - truth, and the spread as a standard deviation; 1D, in the result's unit.
    pixels
        Their number in the image.
    """

    name: str
    sha256: str
    error: Floats
    spread: Floats
    pixels: int


@dataclass(frozen=True)
class CalibrationImage:
    """What is kept of an image.

    Parameters
    ----------
    name, sha256, pixels
        As of `Sample`.
    quantiles
        Of its scores, at the calibration's levels.
    raw_coverage
        Share of true values within 1.645 spreads: 0.9 for a spread that needs no calibration. None without truth.
    width
        Mean of sqrt(spread ** 2 + floor ** 2), the result's unit.
    sorting
        AUSE as a share of that of an uncertainty that tells nothing (Ilg et al. 2018); None without truth.
    """

    name: str
    sha256: str
    pixels: int
    quantiles: tuple[float, ...]
    raw_coverage: float | None
    width: float
    sorting: float | None = None


@dataclass(frozen=True)
class Calibration:
    """How intervals are made of a model's spread.

    Parameters
    ----------
    spread
        What is calibrated: "head", "augmentation" or "ensemble".
    truth
        "images": independent ones; "held-out pixels" of the images that the model was trained on; "noise model" where
        no truth was known.
    floor
        Added in quadrature to the spread, in the result's unit.
    levels
        Probabilities of the quantiles.
    images
        What the calibration rests on.
    members
        Of an ensemble: the SHA-256 of the other packages, in order.
    """

    spread: str
    truth: str
    floor: float
    levels: tuple[float, ...]
    images: tuple[CalibrationImage, ...]
    members: tuple[str, ...] = ()

    def factor(self, level: float, bounds: str = "average") -> float:
        """Give the factor of a level.

        Parameters
        ----------
        level
            From 0.5 to 0.99: the share of true values within the intervals.
        bounds
            "average": that share is held on average over the calibration's images. "certified": by images of the same
            kind too, but for a probability of 10 % (Hoeffding-Bentkus).

        Raises
        ------
        ParameterError
            When the level is out of range, or the images do not suffice to certify it.
        """
        _check_level(level)
        if bounds == "certified":
            self._check_certain(level)
            return self._reached(1 - certain_miss(level, len(self.images)), certain=True)
        return self._reached(1 - allowed_miss(level, len(self.images)), certain=False)

    def label(self, bounds: str = "average") -> str:
        """Say what the intervals rest on, for people."""
        count = f"{len(self.images)} image{'' if len(self.images) == 1 else 's'}"
        if self.truth == "noise model":
            return f"modelled from noise ({count})"
        if self.truth == "held-out pixels":
            return f"empirical (held-out pixels of {count} of the training)"
        if bounds == "certified":
            return f"certified ({count}, with probability {100 * (1 - DELTA):.0f} %)"
        return f"empirical ({count})"

    def coverage(self, factor: float) -> list[float]:
        """Give the share of true values that intervals of that factor hold in each of the images."""
        return [float(self._within(np.array([factor]), image, certain=False)[0]) for image in self.images]

    def left_out(self, level: float) -> list[float]:
        """Give the coverage of each image when the others calibrate it: an honest figure of what to expect.

        Empty where there is only one image.
        """
        if len(self.images) < 2:
            return []
        found = []
        for place, image in enumerate(self.images):
            others = dataclasses.replace(self, images=self.images[:place] + self.images[place + 1 :])
            factor = others.factor(level)
            found.append(float(self._within(np.array([factor]), image, certain=False)[0]))
        return found

    def interval(self, output: Array, spread: Array, factor: float) -> tuple[Array, Array, Array]:
        """Give lower bounds, upper bounds and widths, float32, of the output's shape."""
        half, middle = half_width(spread, factor, self.floor), np.asarray(output, np.float32)
        return middle - half, middle + half, 2 * half

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON values; numbers have six digits."""
        return {
            "version": _VERSION,
            "spread": self.spread,
            "truth": self.truth,
            "floor": _short(self.floor),
            "members": list(self.members),
            "levels": list(self.levels),
            "images": [
                {
                    "name": image.name,
                    "sha256": image.sha256,
                    "pixels": image.pixels,
                    "raw_coverage": image.raw_coverage,
                    "width": _short(image.width),
                    "sorting": image.sorting,
                    "quantiles": [_short(value) for value in image.quantiles],
                }
                for image in self.images
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """Read `to_json`'s form.

        Raises
        ------
        PackageError
            When it is another version, or damaged.
        """
        if data.get("version") != _VERSION:
            raise PackageError(
                f"The package's calibration has version {data.get('version')!r}, and this program knows {_VERSION}.",
                fix=f"Calibrate the model with {COMMAND}, or use a newer bioimg-fiji.",
            )
        try:
            images = tuple(_image_of(each) for each in data["images"])
            members = tuple(str(each) for each in data.get("members", ()))
            levels = tuple(float(level) for level in data["levels"])
            found = cls(str(data["spread"]), str(data["truth"]), float(data["floor"]), levels, images, members)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(str(error)) from error
        _check(found)
        return found

    def _check_certain(self, level: float) -> None:
        needed = fewest_images(level)
        if self.truth != "images":
            raise ParameterError.of(
                "bounds",
                f"average, as this calibration is {_WEAKER[self.truth]}",
                "certified",
                fix=f"Say bounds=average, or calibrate the model with at least {needed} true images ({COMMAND}).",
            )
        if len(self.images) < needed:
            raise ParameterError.of(
                "bounds",
                f"average: to certify {100 * level:g} % it takes {needed} independent calibration images, and the "
                f"package has {len(self.images)}",
                "certified",
                fix=f"Say bounds=average, or calibrate the model with {needed} or more images ({COMMAND}).",
            )

    def _reached(self, wanted: float, certain: bool) -> float:
        """Give the smallest score at which the mean over the images of the share below is the wanted one."""
        candidates = np.unique(np.concatenate([np.asarray(image.quantiles) for image in self.images]))
        share = np.mean([self._within(candidates, image, certain) for image in self.images], axis=0)
        place = int(np.searchsorted(share, wanted - 1e-12))
        if place >= len(candidates):
            return float(candidates[-1])
        if certain or place == 0 or share[place] == share[place - 1]:
            return float(candidates[place])
        part = (wanted - share[place - 1]) / (share[place] - share[place - 1])
        return float(candidates[place - 1] + part * (candidates[place] - candidates[place - 1]))

    def _within(self, scores: Floats, image: CalibrationImage, certain: bool) -> Floats:
        """Give the share of an image's scores that are at most these: read off between quantiles, or surely reached."""
        places = np.searchsorted(image.quantiles, scores, side="right")
        levels = np.concatenate([[0.0], self.levels])
        if certain:
            result: Floats = levels[places]
            return result
        quantiles = np.concatenate([[0.0], image.quantiles, [np.inf]])
        below, gap = quantiles[places], quantiles[places + 1] - quantiles[places]
        part = np.where((gap > 0) & np.isfinite(gap), (scores - below) / np.where(gap > 0, gap, 1.0), 0.0)
        steps = np.append(np.diff(levels), 0.0)
        between: Floats = levels[places] + part * steps[places]
        return between


def pixels_sha256(pixels: Array) -> str:
    """Give the SHA-256 of an image's shape, type and pixels: tells whether two images are the same."""
    array = np.ascontiguousarray(pixels)
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(array.data)
    return digest.hexdigest()


def sample_of(name: str, output: Array, spread: Array, truth: Array, sha256: str = "") -> Sample:
    """Take what the calibration needs of an image.

    Parameters
    ----------
    name, sha256
        Of the image.
    output, spread, truth
        Of one shape and unit. At most 400 000 pixels, drawn evenly, are used.

    Raises
    ------
    ImageError
        When shapes differ, or values are not finite or, of the spread, negative.
    """
    try:
        result, real = pair(output, truth)
        _, doubt = pair(output, spread)
    except ValueError as error:
        raise ImageError(f"{name} cannot calibrate: {error}.", fix="Give a truth of the result's size.") from error
    if doubt.min() < 0:
        raise ImageError(f"{name} cannot calibrate: its spread is negative.", fix="Give standard deviations.")
    error_, doubt = (result - real).ravel(), doubt.ravel()
    if error_.size > _MOST_PIXELS:
        chosen = np.random.default_rng(0).choice(error_.size, _MOST_PIXELS, replace=False)
        error_, doubt = error_[chosen], doubt[chosen]
    return Sample(name, sha256, error_, doubt, int(result.size))


def calibration_of(
    spread: SpreadKind,
    samples: Sequence[Sample],
    members: Sequence[str] = (),
    floor: float | None = None,
    truth: TruthKind = "images",
) -> Calibration:
    """Calibrate a spread against known truth.

    Parameters
    ----------
    spread
        What it comes from.
    samples
        One for each image (`sample_of`), none of which the model was trained on. Images of one specimen or planes of
        one stack are one image: they do not err independently.
    members
        Of an ensemble: the SHA-256 of its other packages.
    floor
        What is added in quadrature; None: a tenth of the root mean square of the spreads.
    truth
        "images", or "held-out pixels" where the samples are of the training's own images.

    Raises
    ------
    ImageError
        When there is no image, or no error anywhere.
    """
    if not samples:
        raise ImageError("There is no image to calibrate with.", fix="Give images and their truth.")
    if not any(sample.error.any() for sample in samples):
        raise ImageError("There is no error: the result is the truth.", fix="Give the truth, not the result.")
    if floor is None:
        floor = floor_of([sample.spread for sample in samples], [sample.error for sample in samples])
    images = tuple(_measured(sample, floor) for sample in samples)
    return Calibration(spread, truth, floor, LEVELS, images, tuple(members))


def floor_of(spreads: Sequence[Array], errors: Sequence[Array]) -> float:
    """Give the floor of a calibration, above 0.

    Raises
    ------
    ImageError
        When there is neither spread nor error.
    """
    for each in (spreads, errors):
        power = float(np.mean([np.mean(np.square(values, dtype=np.float64)) for values in each]))
        if power > 0:
            return FLOOR_SHARE * math.sqrt(power)
    raise ImageError(
        "There is neither error nor spread: the result is the truth.", fix="Give the truth, not the result."
    )


def half_width(spread: Array, factor: float, floor: float) -> npt.NDArray[np.float32]:
    """Give half the width of intervals, factor * sqrt(spread ** 2 + floor ** 2), float32."""
    squares = np.square(spread, dtype=np.float32)
    result: npt.NDArray[np.float32] = np.float32(factor) * np.sqrt(squares + np.float32(floor**2))
    return result


def bounded(spread: Array, floor: float) -> Floats:
    """Give sqrt(spread ** 2 + floor ** 2)."""
    return np.sqrt(np.square(np.asarray(spread, np.float64)) + floor**2)


def _measured(sample: Sample, floor: float) -> CalibrationImage:
    width = bounded(sample.spread, floor)
    error = np.abs(sample.error)
    quantiles = np.quantile(error / width, LEVELS, method="inverted_cdf")
    sorting = None
    if error.any():
        order = sparsification(np.zeros_like(error), error, width)
        sorting = round(order.of_random, 4)
    raw = float(np.mean(error <= NORMAL_90 * sample.spread))
    return CalibrationImage(
        sample.name,
        sample.sha256,
        sample.pixels,
        tuple(float(value) for value in quantiles),
        round(raw, 4),
        float(width.mean()),
        sorting,
    )


def _image_of(data: Mapping[str, Any]) -> CalibrationImage:
    return CalibrationImage(
        str(data["name"]),
        str(data["sha256"]),
        int(data["pixels"]),
        tuple(float(value) for value in data["quantiles"]),
        None if data["raw_coverage"] is None else float(data["raw_coverage"]),
        float(data["width"]),
        None if data.get("sorting") is None else float(data["sorting"]),
    )


def _check(found: Calibration) -> None:
    """Check what a file has told: a damaged calibration must not give intervals."""
    if found.spread not in get_args(SpreadKind) or found.truth not in get_args(TruthKind):
        raise _damaged(f"spread {found.spread!r}, truth {found.truth!r}")
    if not (math.isfinite(found.floor) and found.floor >= 0) or not found.images:
        raise _damaged(f"floor {found.floor}, {len(found.images)} images")
    if not _rises(found.levels) or found.levels[0] <= 0 or found.levels[-1] != 1:
        raise _damaged("its levels do not rise to 1")
    for image in found.images:
        if len(image.quantiles) != len(found.levels) or not _rises(image.quantiles) or image.quantiles[0] < 0:
            raise _damaged(f"the quantiles of {image.name}")
    if not any(image.quantiles[-1] > 0 for image in found.images):
        raise _damaged("it knows no error at all")


def _rises(values: Sequence[float]) -> bool:
    array = np.asarray(values, np.float64)
    return bool(array.size and np.isfinite(array).all() and (np.diff(array) >= 0).all())


def _damaged(what: str) -> PackageError:
    return PackageError(
        f"The package's calibration ({FILE}) is damaged: {what}.", fix=f"Calibrate the model again with {COMMAND}."
    )


def _check_level(level: float) -> None:
    if not LOWEST <= level <= HIGHEST:
        raise ParameterError.of("confidence", "from 50 to 99 percent", round(100 * level, 4))


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def dumps(calibration: Calibration) -> bytes:
    """Give the attachment's content."""
    return (json.dumps(calibration.to_json(), separators=(",", ":")) + "\n").encode()
