"""All that is measured of one image's noise, and the images that are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bioimg_fiji.image import Image
from bioimg_fiji.train.noise_check.blocks import FEWEST_FRAMES, evenly, planes_of
from bioimg_fiji.train.noise_check.correlation import image_noise_correlation, movie_noise_correlation
from bioimg_fiji.train.noise_check.finding import CORRELATED, FINE, REACHES, SUSPECT
from bioimg_fiji.train.noise_check.frames import change, repeated_frames, smoothness, temporal_noise_correlation

MOST_IMAGES = 64
FEWEST_TO_SMOOTH = 12
"""Frames from which it can be told whether activity lasts."""


@dataclass(frozen=True)
class Measured:
    """Figures of one image; `frames` is 1 where it is no movie."""

    frames: int
    space: Mapping[str, float] = field(default_factory=dict)
    time: Mapping[str, float] = field(default_factory=dict)

    @property
    def movie(self) -> bool:
        """Whether there are frames enough to tell noise from what stands still."""
        return self.frames >= FEWEST_FRAMES

    def correlated(self, axis: str) -> bool:
        """Whether the noise is correlated along "y" or "x", as far as can be told."""
        value, other = self.space.get(axis, 0.0), self.space.get("x" if axis == "y" else "y", 0.0)
        if self.movie:
            return value >= CORRELATED
        fine = self.space.get(f"fine_{axis}")
        if fine is not None and fine < FINE:
            return value >= CORRELATED
        # White at the finest scale: structure, unless it has one direction, as no image has everywhere.
        return value >= SUSPECT and (fine is None or other < REACHES)

    @property
    def correlated_in_time(self) -> bool:
        """Whether one pixel's noise is shared by neighbouring frames."""
        return self.time.get("t", 0.0) >= CORRELATED


def chosen(images: Sequence[Image]) -> list[Image]:
    """Give at most 64 of the images that have pixels, evenly spread."""
    images = [image for image in images if image.pixels.size]
    return [images[index] for index in evenly(len(images), MOST_IMAGES)] if images else []


def measure(image: Image, axes: Sequence[str] = ("t", "y", "x"), activity: bool = False) -> Measured:
    """Measure the noise of an image along these axes, and where asked for the change from frame to frame."""
    frames = image.ordered("tbczyx")
    movie = len(frames) >= FEWEST_FRAMES
    space: dict[str, float] = {}
    if {"y", "x"} & set(axes):
        space = movie_noise_correlation(frames) if movie else image_noise_correlation(planes_of(image))
    time: dict[str, float] = {}
    if movie and "t" in axes:
        time = temporal_noise_correlation(frames) | {"repeated": repeated_frames(frames)}
    if len(frames) > 1 and activity:
        time |= smoothness(frames) | {"change": change(frames)}
    return Measured(len(frames), space, time)
