"""A look at the noise before training, whether it is of the kind that the method expects.

Blind-spot methods need noise that is independent from pixel to pixel. In a movie the noise shows in the second
difference of neighbouring frames, where everything that stands still cancels. In a single image it can only be guessed,
so a single image is warned about and never refused. In both, only the quietest of small blocks
are judged: what moves, flashes or has structure is louder than noise alone.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.image import Image

CORRELATED = 0.15
"""Correlation of neighbouring pixels' noise from which a movie is refused."""
SUSPECT = 0.3
"""The same in a single image's flattest places, from which a warning is given."""
REACHES = 0.1
"""Correlation below which noise is taken for independent."""
FARTHEST = 10
"""Largest distance at which it is looked for, pixels."""
CLIPPED = 0.01
"""Share of pixels at one end of the range from which a warning is given."""

_BLOCK = 16
_FEWEST_BLOCKS = 8
_BLOCKS_TO_GUESS = 64
_FEWEST_FRAMES = 6
_MOST_FRAMES = 64
_MOST_PLANES = 16


class Severity(enum.Enum):
    """What a finding means for the training."""

    NOTE = "note"
    UNSUITABLE = "unsuitable"


@dataclass(frozen=True)
class Finding:
    """One thing seen: a stable code, a sentence for the user, and the figures behind it."""

    code: str
    severity: Severity
    sentence: str
    figures: Mapping[str, float] = field(default_factory=dict)


def look(images: Sequence[Image], independent_in: Sequence[str] = ("y", "x")) -> list[Finding]:
    """Look for correlated noise and clipping.

    Parameters
    ----------
    images
        Raw images.
    independent_in
        Axes along which the method needs independent noise.

    Returns
    -------
    What was found, the worst image's figures; empty when nothing speaks against the method.
    """
    found: dict[str, Finding] = {}
    for image in images:
        for one in (_correlation_finding(image, independent_in), *_clipping_findings(image)):
            if one is not None and _worse(one, found.get(one.code)):
                found[one.code] = one
    return list(found.values())


def movie_noise_correlation(frames: NDArray[Any]) -> dict[str, float]:
    """Give the correlation of the noise between neighbouring pixels of a movie.

    The second difference f[t-1] - 2 f[t] + f[t+1] is cut into blocks of 16 x 16; the median correlation of the
    quietest quarter of all blocks and frames is taken, so that moving or flashing cells do not count.

    Parameters
    ----------
    frames
        (t, ..., y, x), at least 3 frames.

    Returns
    -------
    Correlation at a distance of one pixel along "y" and "x" and at two pixels ("y2", "x2").
    """
    return _median_correlation(_quietest(_difference_blocks(frames), share=0.25))


def image_noise_correlation(planes: NDArray[Any]) -> dict[str, float]:
    """Guess the correlation of the noise between neighbouring pixels of single images.

    Of all blocks of 16 x 16, each with its best plane subtracted, the tenth with the least variance is taken: structure
    is rarest there. What structure is left raises the figure, so it is an upper guess.

    Parameters
    ----------
    planes
        (n, y, x).

    Returns
    -------
    As `movie_noise_correlation`; empty when no block varies, or there are fewer than 64 to choose from.
    """
    blocks = np.concatenate([_blocks(plane.astype(np.float64)) for plane in planes])
    if len(blocks) < _BLOCKS_TO_GUESS:
        return {}
    return _median_correlation(_quietest(_without_plane(blocks), share=0.1))


def reach(images: Sequence[Image]) -> dict[str, int]:
    """Measure how far the noise is correlated along each axis.

    Returns
    -------
    By "y" and "x": pixels over which the correlation stays above `REACHES`, at most `FARTHEST`, as
    `movie_noise_correlation` or, for fewer than six frames, `image_noise_correlation` measures it; the largest of all
    images.
    """
    found = {"y": 0, "x": 0}
    for image in images:
        blocks = _noise_blocks(image)
        if not len(blocks):
            continue
        blocks = blocks - blocks.mean(axis=(1, 2), keepdims=True)
        variance = np.mean(blocks**2, axis=(1, 2))
        for axis, along in (("y", blocks), ("x", blocks.swapaxes(1, 2))):
            lags = range(1, min(FARTHEST, along.shape[1] - 4) + 1)
            values = [float(np.median((along[:, n:] * along[:, :-n]).mean(axis=(1, 2)) / variance)) for n in lags]
            far = next((n for n, value in enumerate(values) if value < REACHES), len(values))
            found[axis] = max(found[axis], far)
    return found


def _noise_blocks(image: Image) -> NDArray[np.float64]:
    """Give blocks with little but noise, as the two measurements of correlation do."""
    frames = image.ordered("tbczyx")
    if len(frames) >= _FEWEST_FRAMES:
        return _quietest(_difference_blocks(frames), share=0.25)
    planes = frames.reshape(-1, *frames.shape[-2:])
    chosen = np.unique(np.linspace(0, len(planes) - 1, min(len(planes), _MOST_PLANES)).round().astype(int))
    blocks = np.concatenate([_blocks(plane.astype(np.float64)) for plane in planes[chosen]])
    return _quietest(_without_plane(blocks), share=0.1)


def _difference_blocks(frames: NDArray[Any]) -> NDArray[np.float64]:
    middle = np.unique(np.linspace(1, len(frames) - 2, min(len(frames) - 2, _MOST_FRAMES)).round().astype(int))
    blocks = []
    for t in middle:
        three = frames[t - 1 : t + 2].astype(np.float64)
        blocks.append(_blocks(three[0] - 2 * three[1] + three[2]))
    return np.concatenate(blocks)


def _correlation_finding(image: Image, independent_in: Sequence[str]) -> Finding | None:
    if not {"y", "x"} & set(independent_in):
        return None
    frames = image.ordered("tbczyx")
    if len(frames) >= _FEWEST_FRAMES:
        figures = movie_noise_correlation(frames)
        axis = max((a for a in ("y", "x") if a in independent_in), key=lambda a: figures.get(a, 0.0))
        if figures.get(axis, 0.0) < CORRELATED:
            return None
        return Finding("correlated_noise", Severity.UNSUITABLE, _correlated(image, axis, figures), figures)
    planes = frames.reshape(-1, *frames.shape[-2:])
    chosen = np.unique(np.linspace(0, len(planes) - 1, min(len(planes), _MOST_PLANES)).round().astype(int))
    figures = image_noise_correlation(planes[chosen])
    highest = max(figures.get("y", 0.0), figures.get("x", 0.0))
    if highest < SUSPECT:
        return None
    return Finding("smooth_background", Severity.NOTE, _suspect(image, highest), figures)


def _clipping_findings(image: Image) -> list[Finding]:
    pixels = image.pixels
    if pixels.dtype.kind not in "ui":
        return []
    low, high = pixels.min(), pixels.max()
    if low == high:
        return []
    found = []
    top, bottom = float((pixels == high).mean()), float((pixels == low).mean())
    if top > CLIPPED:
        text = (
            f"{top:.1%} of the pixels of {image.title} have the highest value ({high}): they look saturated, and no "
            "method can restore them."
        )
        found.append(Finding("saturated", Severity.NOTE, text, {"share": top}))
    if bottom > CLIPPED and np.median(pixels) - low < _spread_above(pixels):
        text = (
            f"{bottom:.1%} of the pixels of {image.title} have the lowest value ({low}): if the camera cuts there, "
            "dark regions come out too bright."
        )
        found.append(Finding("clipped_dark", Severity.NOTE, text, {"share": bottom}))
    return found


def _spread_above(pixels: NDArray[Any]) -> float:
    """Give three times the noise's spread as seen above the median, to which the side below is compared."""
    median = np.median(pixels)
    above = pixels[pixels > median]
    return 3 * 1.4826 * float(np.median(above - median)) if above.size else 0.0


def _correlated(image: Image, axis: str, figures: Mapping[str, float]) -> str:
    value, across = figures[axis], figures.get("x" if axis == "y" else "y", 0.0)
    if across < CORRELATED:
        better = "Along the other axis it is independent: method structn2v, which hides the whole line, suits it."
    else:
        better = (
            "It is correlated along the other axis too: if neighbouring frames show the same, method n2n, which learns "
            "from them, suits it, whatever the noise is like in space."
        )
    return (
        f"The noise of {image.title} is correlated between neighbouring pixels: {value:.2f} at a distance of one "
        f"pixel along {axis}, measured from frame to frame. Noise2Void does not suit such data: it predicts a pixel "
        f"from its neighbours, so it takes correlated noise for signal and keeps it. {better}"
    )


def _suspect(image: Image, value: float) -> str:
    return (
        f"Even the flattest places of {image.title} are smooth from pixel to pixel (correlation {value:.2f}): either "
        "there is little noise, or it is correlated (interpolated, compressed or filtered images are), which "
        "Noise2Void would keep."
    )


def _worse(one: Finding, other: Finding | None) -> bool:
    return other is None or max(one.figures.values(), default=0) > max(other.figures.values(), default=0)


def _blocks(planes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut (..., y, x) into (n, 16, 16); an image smaller than a block along an axis is one block there."""
    side_y, side_x = (min(_BLOCK, size) for size in planes.shape[-2:])
    rows, columns = planes.shape[-2] // side_y, planes.shape[-1] // side_x
    cut = planes[..., : rows * side_y, : columns * side_x]
    cut = cut.reshape(-1, rows, side_y, columns, side_x)
    return cut.swapaxes(2, 3).reshape(-1, side_y, side_x)


def _without_plane(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Subtract from each block its least-squares plane."""
    side_y, side_x = blocks.shape[1:]
    y = np.arange(side_y) - (side_y - 1) / 2
    x = np.arange(side_x) - (side_x - 1) / 2
    flat = blocks - blocks.mean(axis=(1, 2), keepdims=True)
    slope_y = (flat * y[:, None]).sum(axis=(1, 2)) / max(float((y**2).sum()) * side_x, 1e-12)
    slope_x = (flat * x).sum(axis=(1, 2)) / max(float((x**2).sum()) * side_y, 1e-12)
    plane = slope_y[:, None, None] * y[:, None] + slope_x[:, None, None] * x
    result: NDArray[np.float64] = flat - plane
    return result


def _quietest(blocks: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Keep this share of the blocks, at least eight: those that vary least, but vary."""
    variances = blocks.var(axis=(1, 2))
    blocks, variances = blocks[variances > 0], variances[variances > 0]
    return blocks[np.argsort(variances)[: max(round(len(blocks) * share), _FEWEST_BLOCKS)]]


def _median_correlation(blocks: NDArray[np.float64]) -> dict[str, float]:
    blocks = blocks - blocks.mean(axis=(1, 2), keepdims=True)
    variance = np.mean(blocks**2, axis=(1, 2))
    if len(blocks) == 0:
        return {}
    products = {
        "y": blocks[:, 1:] * blocks[:, :-1],
        "x": blocks[:, :, 1:] * blocks[:, :, :-1],
        "y2": blocks[:, 2:] * blocks[:, :-2],
        "x2": blocks[:, :, 2:] * blocks[:, :, :-2],
    }
    return {key: float(np.median(p.mean(axis=(1, 2)) / variance)) for key, p in products.items()}
