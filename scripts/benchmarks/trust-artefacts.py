"""Artefacts planted into results: which share of them the error map shows, without seeing the truth.

A removed filament, an added spot and a shifted cell, 30 of each with one seed, one at a time, in the three test images
of the synthetic set (2.7 photons), in results of the best Gaussian blur and of Noise2Void (500 steps); then at a half,
a quarter and an eighth of the contrast. For the report: real nuclei at ten photons, and a real two-photon movie.
`artefacts/planted.py` says what counts as found. On two cores it takes less than eight minutes: restorations by
Noise2Void of the report are of 15 of each kind.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from benchmarks.artefacts.planted import (
    HALF,
    Artefact,
    Restore,
    found_shares,
    inside,
    map_of,
    of_labels,
    of_phantoms,
    shuffled,
)
from bioimg_fiji import Image, metrics
from bioimg_fiji.train import TrainConfig, synthetic, train

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
STEPS, BAR = 500, 80
CONTRASTS = (1.0, 0.5, 0.25, 0.125)
NUCLEI, PHOTONS, SIDE = 5, 10.0, 256
FRAMES, CELL_SIGMA, CELLS = 30, 2.5, 6

Floats = NDArray[np.float64]


def run() -> list[dict[str, Any]]:
    """Plant, look, and count; each figure is told on stderr as soon as it is known."""
    begin, figures = time.monotonic(), []
    for figure in itertools.chain(_phantoms(), _nuclei(), _calcium()):
        told = f"{figure['figure']}: {figure['value']} {figure['unit']}"
        print(f"{time.monotonic() - begin:5.0f} s  {told}", file=sys.stderr, flush=True)
        figures.append(figure)
    return figures


def _phantoms() -> Iterator[dict[str, Any]]:
    training, noisy, truths = synthetic.benchmark_set()
    raws = [each.astype(np.float64) for each in noisy]
    artefacts = of_phantoms((100, 101, 102))
    model = train([Image(pixels, "yx") for pixels in training], _config())
    for name, restore in (("best Gaussian", _gaussian(truths, raws)), ("N2V", lambda _, raw: _denoised(model, raw))):
        for contrast in CONTRASTS[: 3 if name == "N2V" else 4]:
            planted = artefacts if contrast == 1 else _fewer(artefacts, name)
            yield from _lines(f"synthetic, {name}", planted, raws, restore, contrast, BAR if contrast == 1 else 0)
        yield from _nothing(f"synthetic, {name}", artefacts, raws, restore)


def _nuclei() -> Iterator[dict[str, Any]]:
    folder = DATA / "nuclei"
    if not folder.is_dir():
        return
    paths = sorted((folder / "images").glob("*.tif"))[:NUCLEI]
    photons = [tifffile.imread(path)[:SIDE, :SIDE].astype(np.float64) for path in paths]
    photons = [each * PHOTONS / each.mean() for each in photons]
    masks = [tifffile.imread(folder / "masks" / path.name)[:SIDE, :SIDE] for path in paths]
    raws = [synthetic.expose(each, np.random.default_rng(n)).astype(np.float64) for n, each in enumerate(photons)]
    artefacts = of_labels(photons, masks)
    model = train([Image(raw.astype(np.float32), "yx") for raw in raws], _config())
    truths = [synthetic.truth(each) for each in photons]
    for name, restore in (("best Gaussian", _gaussian(truths, raws)), ("N2V", lambda _, raw: _denoised(model, raw))):
        for contrast in CONTRASTS[:3]:
            yield from _lines(f"nuclei, {name}", _fewer(artefacts, name), raws, restore, contrast)


def _calcium() -> Iterator[dict[str, Any]]:
    """Cells of a movie with its own noise, in single frames, restored by a Gaussian over 5 frames and 1 pixel."""
    path = DATA / "calcium" / "mouse_2p.tif"
    if not path.is_file():
        return
    movie = tifffile.imread(path).astype(np.float64)
    mean = movie.mean(axis=0)
    bumps = gaussian_filter(mean, CELL_SIGMA) - gaussian_filter(mean, 3 * CELL_SIGMA)
    peaks = np.argwhere((bumps == maximum_filter(bumps, 9)) & (bumps > 0))
    peaks = sorted(peaks, key=lambda place: -bumps[tuple(place)])[:CELLS]
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: mean.shape[0], : mean.shape[1]]
    artefacts = []
    for number in range(FRAMES):
        y, x = peaks[number % len(peaks)]
        shape = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * CELL_SIGMA**2))
        height = float(bumps[y, x]) / synthetic.GAIN
        artefacts.append(Artefact("removed cell", number, -height * shape))
        away = np.roll(shape, rng.integers(10, 54, 2), (0, 1))
        artefacts.append(Artefact("added cell", number, height * away))
    frames = np.linspace(10, len(movie) - 10, FRAMES).astype(int)
    windows = [movie[t - 4 : t + 5] for t in frames]
    model = metrics.blind_noise(movie, movie=True)

    def restore(number: int, raw: Floats) -> Floats:
        change = raw - windows[number][4]
        return gaussian_filter(windows[number] + change, (2.0, 1.0, 1.0))[4]

    raws = [window[4] for window in windows]
    yield _figure("calcium: noise of a pixel (photon transfer)", round(model.sigma, 1), "grey levels", "", True)
    for contrast in (4.0, 2.0, 1.0):
        yield from _lines("calcium, Gaussian", artefacts, raws, restore, contrast)


def _fewer(artefacts: Sequence[Artefact], name: str) -> Sequence[Artefact]:
    """Give every second one where a network restores, which takes longer."""
    return artefacts[::2] if name == "N2V" else artefacts


def _lines(
    name: str, artefacts: Sequence[Artefact], raws: Sequence[Floats], restore: Restore, contrast: float, bar: int = 0
) -> Iterator[dict[str, Any]]:
    """Give the share found of each kind, per cent; with a bar, also in shuffled maps, in which nothing may be found."""
    hits, mixed = defaultdict(list), []
    for each, share, worst in found_shares(artefacts, raws, restore, contrast):
        hits[each.kind].append(share >= HALF)
        mixed.append(inside(shuffled(worst), each.mask) >= HALF)
    for kind, found in hits.items():
        percent = 100 * float(np.mean(found))
        text = f"{name}: {kind} at {contrast:g} of the contrast"
        yield _figure(text, round(percent, 1), "% found", f">= {bar}" if bar else "", not bar or percent >= bar)
    if bar:
        yield _at_most(f"{name}: found in shuffled maps", mixed, 5)


def _nothing(
    name: str, artefacts: Sequence[Artefact], raws: Sequence[Floats], restore: Restore
) -> Iterator[dict[str, Any]]:
    """Look at the same places where nothing was planted."""
    plain = [map_of(raw, restore(number, raw)) for number, raw in enumerate(raws)]
    hits = [inside(plain[each.image], each.mask) >= HALF for each in artefacts]
    yield _at_most(f"{name}: found where nothing is planted", hits, 20)


def _at_most(name: str, hits: Sequence[bool], most: int) -> dict[str, Any]:
    percent = 100 * float(np.mean(hits))
    return _figure(name, round(percent, 1), "%", f"<= {most}", percent <= most)


def _config() -> TrainConfig:
    return dataclasses.replace(TrainConfig.preset("quick", device="cpu"), steps=STEPS)


def _denoised(model: Any, raw: Floats) -> Floats:
    return np.asarray(model.denoise(raw.astype(np.float32)), np.float64)


def _gaussian(truths: Sequence[NDArray[Any]], raws: Sequence[Floats]) -> Restore:
    sigmas = [metrics.best_gaussian(truth, raw)[0] for truth, raw in zip(truths, raws, strict=True)]
    return lambda number, raw: np.asarray(gaussian_filter(raw, sigmas[number]))


def _figure(name: str, value: float | str, unit: str, bar: str, holds: bool) -> dict[str, Any]:
    return {"figure": name, "value": value, "unit": unit, "bar": bar, "holds": bool(holds)}
