"""Artefacts of known place: what a method would have drawn, had the sample been another one.

A change is an image of photons that is added to the raw image before the method restores it: so the artefact looks as
the method draws, with its blur and its noise, and not like a paste-up. The error map then sees the unchanged raw image.

An artefact counts as found if at least half of its pixels (where the change has half of its greatest size or more)
are among the 5 % of the map's pixels that are worst. That is stricter than the map's peak lying in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter

from bioimg_fiji.image import Image
from bioimg_fiji.train import synthetic
from bioimg_fiji.trust.choice import Asked
from bioimg_fiji.trust.errormap import error_map

Floats = NDArray[np.float64]
Restore = Callable[[int, Floats], Floats]
"""Gives the result of a raw image; also told the image's number."""

COUNT = 30
WORST = 0.05
HALF = 0.5

_VISIBLE_FILAMENT, _VISIBLE_CELL = 60, 150
_MARGIN = 12
_SIGMAS = (1.2, 2.5)
_SHIFT = (4.0, 8.0)


@dataclass(frozen=True)
class Artefact:
    """A change of one image: `photons` (y, x) are added."""

    kind: str
    image: int
    photons: Floats

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Its pixels."""
        size = np.abs(self.photons)
        return np.asarray(size >= HALF * size.max())


def of_phantoms(seeds: Sequence[int], count: int = COUNT, seed: int = 0) -> list[Artefact]:
    """Give `count` artefacts of each kind for phantoms: at the contrast of their own structures.

    Removed: one whole filament of those of which at least 60 pixels are in the image. Added: a spot of sigma 1.2 to 2.5
    pixels, as bright as a filament drawn by lot. Shifted: one whole cell, by 4 to 8 pixels.
    """
    rng = np.random.default_rng(seed)
    drawn = [synthetic.structures(seed=each) for each in seeds]
    filaments = [(n, f) for n, (_, all_) in enumerate(drawn) for f in all_ if _pixels(f) >= _VISIBLE_FILAMENT]
    cells = [(n, c) for n, (all_, _) in enumerate(drawn) for c in all_ if _pixels(c) >= _VISIBLE_CELL]
    found = []
    for place in rng.permutation(len(filaments))[:count]:
        number, filament = filaments[place]
        found.append(Artefact("removed filament", number, -filament.astype(np.float64)))
    shape = filaments[0][1].shape
    for _ in range(count):
        height = float(filaments[rng.integers(len(filaments))][1].max())
        found.append(Artefact("added spot", int(rng.integers(len(seeds))), height * _spot(shape, rng)))
    for _ in range(count):
        number, cell = cells[rng.integers(len(cells))]
        found.append(Artefact("shifted cell", number, _moved(cell, rng) - cell))
    return found


def of_labels(
    photons: Sequence[Floats], masks: Sequence[NDArray[Any]], count: int = COUNT, seed: int = 0
) -> list[Artefact]:
    """Give `count` artefacts of each kind for images with labelled objects: at the contrast of these objects.

    Removed: an object, down to the median of its surroundings. Added: a spot as bright as an object. Shifted: an
    object, by 4 to 8 pixels.
    """
    rng = np.random.default_rng(seed)
    objects = [
        (n, _object(photons[n], mask == label)) for n, mask in enumerate(masks) for label in np.unique(mask[mask > 0])
    ]
    objects = [(n, each) for n, each in objects if each.max() > 0 and _pixels(each) >= _VISIBLE_FILAMENT]
    found = []
    for place in rng.permutation(len(objects))[:count]:
        number, one = objects[place]
        found.append(Artefact("removed cell", number, -one))
    for _ in range(count):
        number, one = objects[rng.integers(len(objects))]
        found.append(Artefact("added spot", number, float(one.max()) * _spot(one.shape, rng)))
    for _ in range(count):
        number, one = objects[rng.integers(len(objects))]
        found.append(Artefact("shifted cell", number, _moved(one, rng) - one))
    return found


def found_shares(
    artefacts: Sequence[Artefact], raws: Sequence[Floats], restore: Restore, contrast: float = 1.0
) -> Iterator[tuple[Artefact, float, Floats]]:
    """Give each artefact, the share of its pixels among the worst of the map, and the map."""
    for each in artefacts:
        raw = raws[each.image]
        result = restore(each.image, raw + contrast * synthetic.GAIN * each.photons)
        worst = map_of(raw, result)
        yield each, inside(worst, each.mask), worst


def inside(worst: Floats, mask: NDArray[np.bool_]) -> float:
    """Give the share of a mask's pixels that are among the worst 5 % of a map."""
    return float(np.mean(worst[mask] > np.quantile(worst, 1 - WORST)))


def map_of(raw: Floats, result: Floats, asked: Asked | None = None) -> Floats:
    """Give the error map of one plane."""
    worst = np.zeros(raw.shape)

    def write(_: tuple[int, ...], tile: Any, part: Floats) -> None:
        worst[tile.inner] = part

    error_map(Image(result, "yx"), Image(raw, "yx"), asked or Asked(), write, lambda *_: None)
    return worst


def shuffled(worst: Floats, seed: int = 0) -> Floats:
    """Give the map with its pixels in another order: nothing is to be found in it."""
    return np.random.default_rng(seed).permutation(worst.ravel()).reshape(worst.shape)


def _pixels(image: NDArray[Any]) -> int:
    return int(np.count_nonzero(image > HALF * image.max())) if image.max() > 0 else 0


def _spot(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    y, x = (rng.uniform(_MARGIN, size - _MARGIN) for size in shape)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * rng.uniform(*_SIGMAS) ** 2))


def _moved(image: NDArray[Any], rng: np.random.Generator) -> Floats:
    angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(*_SHIFT)
    steps = [round(far * part) for part in (np.sin(angle), np.cos(angle))]
    moved = np.pad(image.astype(np.float64), 8)
    moved = np.roll(moved, steps, (0, 1))
    return moved[8:-8, 8:-8]


def _object(photons: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Give what an object has above its surroundings, with a soft border."""
    ring = binary_dilation(mask, iterations=6) & ~binary_dilation(mask, iterations=3)
    around = float(np.median(photons[ring])) if ring.any() else float(photons.min())
    wide = gaussian_filter(binary_dilation(mask, iterations=2).astype(np.float64), 1.0)
    return wide * np.clip(photons - around, 0, None)
