"""Whether a model fits an image: what its training images were like to the network, and how unlike them an image is.

Three questions, each with a range of answers that fitting images give (`ranges.Range`):

- Do the structures look alike to the network? The mean of its deepest features, and its Mahalanobis distance from that
  of the training images (Lee, Lee, Lee & Shin, NeurIPS 2018; shrunk covariance: Ledoit & Wolf, J. Multivariate Anal.
  2004).
- Do darkness, contrast and noise lie in the training images' range? It can be asked before anything is computed.
- Was as much removed as there is noise? (raw - result)^2 beside the variance that the camera has at that brightness.

Lives here: statistics and verdict. Lives not here: where the features come from, what a command does with the verdict.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bioimg_fiji.metrics.blind import NoiseModel
from bioimg_fiji.trust.looks import Look, look, removed
from bioimg_fiji.trust.ranges import Range, parts_per_image, range_of

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

FILE = "fit.json"
"""Name of the attachment of a package."""

_VERSION = 1
_PRIORS = {"distance": 0.3, "level": 0.25, "contrast": 0.35, "noise": 0.08, "removed": 0.04}
"""Spread of each figure between fitting images, before any is seen: as of the images of one experiment."""
_PLANES = 8
"""Planes of an image that are asked for what images differ in."""
_LEAST_NOISE = 0.02
"""Noise, as a part of the contrast, below which it is not told from none."""
_REMOVES = (math.log(0.2), math.log(5.0))
"""A network that removes less or more than this beside the noise does something else than denoise."""


@dataclass(frozen=True)
class Seen:
    """What is known of one plane, or volume.

    Parameters
    ----------
    raw
        Stored values (c, ..., y, x), of a model that normalises each image `each_normalised`; for a window of frames
        the middle one; None where they are not looked at.
    features
        (blocks, channels) of all its tiles, as the told network gives them; None where there are none.
    blocks
        Where `features` are the mean of that many, in one row; 0: each row is a block's.
    result
        What the model gave, of the same axes and unit as `raw`; None where it is something else.
    image
        Number of the image that it is a plane of.
    """

    raw: Array | None = None
    features: Array | None = None
    result: Array | None = None
    image: int = 0
    blocks: int = 0


class Figure(NamedTuple):
    """One answer: by how much it is off, in times the limit, and its value.

    Values: "contrast", "noise" and "removed" are factors, 1 as in the training images; "level" is what the dark parts
    read; "distance" is that of the features, 1 as of an image that fits.
    """

    excess: float
    value: float


Figures = Mapping[str, Figure]
"""Figures by their names, as far as they could be told: "distance", "removed", "level", "contrast", "noise"."""


@dataclass(frozen=True)
class _Channel:
    """Of one channel of the training images: its contrast, its noise, and the ranges of its figures.

    "removed" is left out where the network does something else than denoise.
    """

    contrast: float
    noise: NoiseModel
    ranges: Mapping[str, Range]

    @property
    def least(self) -> float:
        return max(_LEAST_NOISE * self.contrast, 1e-12)

    def to_json(self) -> dict[str, Any]:
        ranges = {name: each.to_json() for name, each in self.ranges.items()}
        return {"contrast": self.contrast, "noise": list(self.noise), "ranges": ranges}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> _Channel:
        ranges = {str(name): Range.from_json(each) for name, each in data["ranges"].items()}
        return cls(float(data["contrast"]), NoiseModel(*(float(value) for value in data["noise"])), ranges)


@dataclass(frozen=True)
class FitStatistics:
    """What training images are like, from `statistics`.

    Parameters
    ----------
    images
        How many independent ones there were.
    normalised
        Whether the model normalises each image by its own mean and standard deviation: darkness and contrast do not
        matter then, and noise counts beside the contrast.
    centre, covariance
        Of the features of blocks, (channels,) and (channels, channels); empty where there were none.
    between
        Squared distance of images' means that fit from the centre, beyond what their number of blocks explains.
    within
        Mean squared distance of a block.
    blocks
        How many of them an image had: of a larger one no smaller distance is expected, as its blocks are alike.
    distance
        Range of the logarithm of an image's squared distance over the one expected.
    channels
        One for each channel of the images.
    """

    images: int
    normalised: bool
    centre: Floats
    covariance: Floats
    between: float
    within: float
    blocks: int
    distance: Range | None
    channels: tuple[_Channel, ...]

    def to_json(self) -> dict[str, Any]:
        """Give JSON values: float32, of the covariance the lower triangle, as base64."""
        lower = self.covariance[np.tril_indices(len(self.covariance))]
        return {
            "version": _VERSION,
            "images": self.images,
            "normalised": self.normalised,
            "centre": _packed(self.centre),
            "covariance": _packed(lower),
            "between": self.between,
            "within": self.within,
            "blocks": self.blocks,
            "distance": None if self.distance is None else self.distance.to_json(),
            "channels": [channel.to_json() for channel in self.channels],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FitStatistics:
        """Read `to_json`'s form.

        Raises
        ------
        ValueError
            When it is another one.
        """
        try:
            if data["version"] != _VERSION:
                raise ValueError(f"version {data['version']!r} is not known")
            centre = _unpacked(data["centre"])
            lower = np.zeros((len(centre), len(centre)))
            lower[np.tril_indices(len(centre))] = _unpacked(data["covariance"])
            covariance = lower + np.tril(lower, -1).T
            distance = None if data["distance"] is None else Range.from_json(data["distance"])
            channels = tuple(_Channel.from_json(each) for each in data["channels"])
            figures = (float(data["between"]), float(data["within"]), int(data["blocks"]))
            return cls(int(data["images"]), bool(data["normalised"]), centre, covariance, *figures, distance, channels)
        except (KeyError, TypeError) as error:
            raise ValueError(f"these are no statistics of training images: {error}") from error

    def figures(self, seen: Seen, known: Figures | None = None) -> dict[str, Figure]:
        """Tell how far off a plane, a volume, or several of them as one, are.

        Parameters
        ----------
        seen
            What is known of them.
        known
            Their figures without features and result, where they have been asked for before.

        Raises
        ------
        ValueError
            When it has other channels, or features of another network.
        """
        found = dict(known or {})
        if seen.raw is not None and known is None:
            found = _worst(_looked(each, raw) for each, raw in self._channels_of(seen.raw))
        if seen.raw is not None and seen.result is not None and seen.raw.shape == seen.result.shape:
            pairs = zip(self._channels_of(seen.raw), seen.result, strict=True)
            found |= _worst(_removed(channel, raw, result) for (channel, raw), result in pairs)
        if seen.features is not None and self.distance is not None and len(seen.features):
            score = self._score(np.asarray(seen.features, np.float64), seen.blocks or len(seen.features))
            found["distance"] = Figure(self.distance.excess(score), math.exp((score - self.distance.mean) / 2))
        return found

    def _channels_of(self, raw: Array) -> list[tuple[_Channel, Array]]:
        if len(raw) != len(self.channels):
            raise ValueError(f"the image has {len(raw)} channels, those of training had {len(self.channels)}")
        return list(zip(self.channels, raw, strict=True))

    def _score(self, features: Floats, blocks: int) -> float:
        if features.shape[1] != len(self.centre):
            raise ValueError(f"features have {features.shape[1]} channels, those of training had {len(self.centre)}")
        off = float(_squared(features.mean(axis=0, keepdims=True) - self.centre, self.covariance)[0])
        return _score(off, self.between + self.within / min(blocks, self.blocks))


def statistics(seen: Iterable[Seen], *, normalised: bool = False) -> FitStatistics:
    """Make the statistics of a training from its images, as the trained network sees them.

    Parameters
    ----------
    seen
        Planes or volumes of all training images, or of many of them; with features where the network tells them.
    normalised
        Whether the model normalises each image by its own mean and standard deviation.

    Raises
    ------
    ValueError
        When there is none.
    """
    units = _units(list(seen))
    images = len({unit.image for unit in units})
    with_features = [unit for unit in units if unit.features is not None and len(unit.features)]
    if len({unit.group for unit in with_features}) < 2:
        centre, covariance, (between, within, distance), blocks = np.empty(0), np.empty((0, 0)), (0.0, 1.0, None), 1
    else:
        centre, covariance = moments(np.concatenate([unit.features for unit in with_features]))
        between, within, distance = _distances(with_features, images)
        blocks = round(float(np.median([len(unit.features) for unit in with_features])))
    channels = tuple(_channel(units, place, images, normalised) for place in range(len(units[0].raw)))
    return FitStatistics(images, normalised, centre, covariance, between, within, blocks, distance, channels)


def each_normalised(raw: Array) -> Array:
    """Give a whole image (c, ..., y, x) as a model sees it that normalises each image, channel by channel."""
    over = tuple(range(1, raw.ndim))
    mean, std = (each(over, dtype=np.float64, keepdims=True) for each in (raw.mean, raw.std))
    result: Array = (raw - mean) / (std + 1e-12)
    return result


def moments(features: Floats) -> tuple[Floats, Floats]:
    """Give mean and covariance of (blocks, channels), the covariance shrunk towards a sphere (Ledoit & Wolf 2004)."""
    count, size = features.shape
    centre = features.mean(axis=0)
    off = features - centre
    plain = off.T @ off / count
    sphere = float(np.trace(plain)) / size
    spread = float(np.sum((plain - sphere * np.eye(size)) ** 2)) / size
    # Of each block's outer product, beside the mean of them: |z|^4 - 2 z'Sz + |S|^2, without making them.
    error = float(np.sum(np.sum(off**2, axis=1) ** 2)) - count * float(np.sum(plain**2))
    share = min(error / count**2 / size / spread, 1.0) if spread > 0 else 1.0
    shrunk = (1 - share) * plain + share * sphere * np.eye(size)
    return centre, shrunk + 1e-6 * max(sphere, 1e-12) * np.eye(size)


def _squared(off: Floats, covariance: Floats) -> Floats:
    """Give squared Mahalanobis distances of (n, channels), divided by the channels."""
    result: Floats = np.sum(off * np.linalg.solve(covariance, off.T).T, axis=1) / off.shape[1]
    return result


def _score(off: float, expected: float) -> float:
    """Give the logarithm of a squared distance over the expected one."""
    return math.log(max(off, 1e-12) / expected)


def _distances(units: Sequence[_Unit], images: int) -> tuple[float, float, Range]:
    """Give how far planes lie from the centre of all other images, `between` and `within`, and the range of scores."""
    held_out = []
    for group in sorted({unit.group for unit in units}):
        centre, covariance = moments(np.concatenate([unit.features for unit in units if unit.group != group]))
        for own in (unit.features for unit in units if unit.group == group):
            of_mean = float(_squared(own.mean(axis=0, keepdims=True) - centre, covariance)[0])
            held_out.append((of_mean, float(_squared(own - centre, covariance).mean()), len(own)))
    within = float(np.mean([of_block for _, of_block, _ in held_out]))
    between = max(float(np.mean([of_mean - within / count for of_mean, _, count in held_out])), 0.0)
    scores = [_score(of_mean, between + within / count) for of_mean, _, count in held_out]
    return between, within, range_of(scores, _PRIORS["distance"], images)


@dataclass(frozen=True)
class _Unit:
    """What stands for an image: a plane of one, or where there are few images, a strip of one."""

    image: int
    group: tuple[int, int]
    raw: Array
    features: Floats
    result: Array | None


def _units(seen: Sequence[Seen]) -> list[_Unit]:
    numbers = sorted({each.image for each in seen})
    if not numbers:
        raise ValueError("there is no image to make statistics of")
    parts = parts_per_image(len(numbers))
    units = []
    for number in numbers:
        planes = [each for each in seen if each.image == number]
        for place in np.unique(np.linspace(0, len(planes) - 1, min(len(planes), _PLANES)).round().astype(int)):
            units += _strips(planes[place], parts)
    return units


def _strips(seen: Seen, parts: int) -> list[_Unit]:
    """Cut a plane into strips along y; its blocks of features lie in that order too."""
    assert seen.raw is not None
    features = np.empty((0, 0)) if seen.features is None else np.asarray(seen.features, np.float64)
    raws, blocks = np.array_split(seen.raw, parts, axis=-2), np.array_split(features, parts)
    results = [None] * parts if seen.result is None else np.array_split(seen.result, parts, axis=-2)
    groups = ((seen.image, part) for part in range(parts))
    return [_Unit(seen.image, *each) for each in zip(groups, raws, blocks, results, strict=True)]


def _channel(units: Sequence[_Unit], place: int, images: int, normalised: bool) -> _Channel:
    """Measure one channel of all images."""
    looks = [found for found in (look(unit.raw[place]) for unit in units) if found is not None]
    if not looks:
        return _Channel(0.0, NoiseModel(0.0, 0.0, 0.0), {})
    plain = _Channel(float(np.median([found.contrast for found in looks])), _noise(looks), {})
    level = float(np.mean([found.level for found in looks]))
    values = [_values(plain, found, level) for found in looks]
    ranges = {name: range_of([each[name] for each in values], _PRIORS[name], images) for name in values[0]}
    ranges["level"] = Range(level, ranges["level"].limit * max(plain.contrast, 1e-12))
    if normalised:
        return _Channel(plain.contrast, plain.noise, {"noise": ranges["noise"]})
    pairs = [(unit.raw[place], unit.result[place]) for unit in units if unit.result is not None]
    found = [removed(*pair, plain.noise, plain.least) for pair in pairs if pair[0].shape == pair[1].shape]
    residuals = [value for value in found if value is not None]
    if residuals and _REMOVES[0] < float(np.mean(residuals)) < _REMOVES[1]:
        ranges["removed"] = range_of(residuals, _PRIORS["removed"], images)
    return _Channel(plain.contrast, plain.noise, ranges)


def _noise(looks: Sequence[Look]) -> NoiseModel:
    """Give one camera's noise from that of several images: means of variance at zero and gain."""
    gain, at_zero = (float(np.mean([each.noise[n] for each in looks])) for n in (0, 1))
    return NoiseModel(gain, at_zero, float(np.mean([each.noise.sigma for each in looks])))


def _values(channel: _Channel, found: Look, level: float) -> dict[str, float]:
    """Give level, in contrasts above `level`, contrast and noise as logarithms."""
    least = channel.least
    expected = float(channel.noise.variance(found.mean)) + least**2
    return {
        "level": (found.level - level) / max(channel.contrast, 1e-12),
        "contrast": math.log(math.hypot(found.contrast, least) / math.hypot(channel.contrast, least)),
        "noise": math.log((found.noise.sigma**2 + least**2) / expected) / 2,
    }


def _worst(channels: Iterable[Mapping[str, Figure]]) -> dict[str, Figure]:
    """Give each figure of the channel that is furthest off."""
    found: dict[str, Figure] = {}
    for figures in channels:
        for name, figure in figures.items():
            if name not in found or abs(figure.excess) > abs(found[name].excess):
                found[name] = figure
    return found


def _looked(channel: _Channel, raw: Array) -> dict[str, Figure]:
    """Tell how far off the values of one channel are."""
    found = look(raw)
    if found is None or not channel.ranges:
        return {}
    values = _values(channel, found, 0.0)
    figures = {
        name: Figure(channel.ranges[name].excess(values[name]), math.exp(values[name] - channel.ranges[name].mean))
        for name in ("contrast", "noise")
        if name in channel.ranges
    }
    if "level" in channel.ranges:
        figures["level"] = Figure(channel.ranges["level"].excess(found.level), found.level)
    return figures


def _removed(channel: _Channel, raw: Array, result: Array) -> dict[str, Figure]:
    """Tell how far off what was removed from one channel is."""
    normal = channel.ranges.get("removed")
    value = None if normal is None else removed(raw, result, channel.noise, channel.least)
    if normal is None or value is None:
        return {}
    return {"removed": Figure(normal.excess(value), math.exp(value - normal.mean))}


def _packed(values: Floats) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode("ascii")


def _unpacked(text: str) -> Floats:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float64)
