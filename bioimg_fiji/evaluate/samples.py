"""Cuts images into what is measured one by one: planes or volumes, and regions of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.errors import ImageError
from bioimg_fiji.image import Image

Array = NDArray[Any]
Box = tuple[slice, slice]

OTHERS = ("truth", "raw", "lower", "upper")
"""Images that may stand beside the one that is evaluated."""

POSITIONS = {"b": "Position", "t": "Frame", "c": "Channel", "z": "Slice"}
REGION = "Region"


@dataclass(frozen=True)
class Given:
    """Images to evaluate, in physical values, all of the same sizes.

    Parameters
    ----------
    image
        What is evaluated.
    others
        By the names of `OTHERS`.
    regions
        Label image of regions, its axes those of the image but c; each region is measured by itself.
    mask
        (y, x), bool: only this is measured.
    data_range
        The range that PSNR and others are measured by; None: that of each channel's truth.
    """

    image: Image
    others: Mapping[str, Image] = field(default_factory=dict)
    regions: Image | None = None
    mask: NDArray[np.bool_] | None = None
    data_range: float | None = None

    def __post_init__(self) -> None:
        for name, other in self.others.items():
            check_sizes(self.image, other, name)

    @property
    def planes(self) -> int:
        """Number of planes (y, x) of each image."""
        return math.prod(self.image.size(letter) for letter in POSITIONS)

    @property
    def box(self) -> Box:
        """Rows and columns of the mask's bounding rectangle, or all."""
        return box_of(self.mask)

    @property
    def shown(self) -> tuple[str, ...]:
        """Letters of the axes besides y and x along which there is more than one plane."""
        return tuple(letter for letter in POSITIONS if self.image.size(letter) > 1)


@dataclass(frozen=True)
class Sample:
    """One plane or volume of each image, or a region of it.

    `place` has positions from 1 by the axis' letter; `region` is the region's number, 0 for none.
    """

    place: Mapping[str, int]
    image: Array
    others: Mapping[str, Array]
    mask: NDArray[np.bool_] | None = None
    region: int = 0
    data_range: float | None = None

    def array(self, name: str) -> Array:
        """Give a whole plane."""
        return self.image if name == "image" else self.others[name]

    def inside(self, name: str) -> Array:
        """Give the pixels that are measured: the plane, or those of the mask in a row."""
        pixels = self.array(name)
        return pixels if self.mask is None else pixels[..., self.mask]

    def box(self, name: str) -> Array:
        """Give the plane, or the mask's bounding rectangle: for what needs neighbours."""
        return self.array(name)[(..., *box_of(self.mask))]

    def cut(self, name: str) -> Array:
        """Give the plane with 0 outside the mask: for labels."""
        pixels = self.array(name)
        return pixels if self.mask is None else np.where(self.mask, pixels, 0)


def box_of(mask: NDArray[np.bool_] | None) -> Box:
    """Give the rows and columns of a mask's bounding rectangle; all without a mask."""
    if mask is None:
        return slice(None), slice(None)
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def check_sizes(image: Image, other: Image, name: str) -> None:
    """Refuse images of other sizes.

    Raises
    ------
    ImageError
        Names the axis and both sizes.
    """
    for axis in "xyzctb":
        if image.size(axis) != other.size(axis):
            raise ImageError(
                f"{other.title} ({name}) has {other.size(axis)} along {axis}, {image.title} has {image.size(axis)}.",
                fix="Give images of the same pixels; with axes=... where ImageJ has frames and slices mixed up.",
                axis=axis,
            )


def samples(given: Given, *, volumes: bool = False) -> Iterator[Sample]:
    """Give planes (y, x), or volumes (z, y, x), channel by channel; with regions, each region of each plane.

    Regions of a volume are those of its first slice.
    """
    letters = "cbtyx".replace("y", "zy")
    arrays = {"image": given.image.ordered(letters)}
    arrays |= {name: other.ordered(letters) for name, other in given.others.items()}
    ranges = [_range(arrays["truth"][c]) if "truth" in arrays else None for c in range(given.image.size("c"))]
    regions = None if given.regions is None else given.regions.ordered("btzyx")
    loop = arrays["image"].shape[: 3 if volumes else 4]
    for index in np.ndindex(loop):
        place = {letter: number + 1 for letter, number in zip(letters, index, strict=False)}
        planes = {name: array[index] for name, array in arrays.items()}
        whole = Sample(
            place,
            planes.pop("image"),
            planes,
            given.mask,
            data_range=given.data_range if given.data_range is not None else ranges[index[0]],
        )
        if regions is None:
            yield whole
            continue
        drawn = regions[index[1:]][0] if volumes else regions[index[1:]]
        for region in np.unique(drawn[drawn != 0]):
            yield dataclasses.replace(whole, mask=drawn == region, region=int(region))


def _range(truth: Array) -> float | None:
    """Give max - min of a channel's finite values; None where there is no range."""
    values = truth[np.isfinite(truth)] if truth.dtype.kind == "f" else truth
    span = float(values.max()) - float(values.min()) if values.size else 0.0
    return span if span > 0 else None
