"""Pictures side by side in grey half blocks: each character shows two pixels, one above the other."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from bioimg_fiji.jobs import Preview

Line = list[Segment]

LEAST_ROWS = 5
"""Rows of pixels below which nothing is to be seen."""
_GAP = 2
_LEVELS = 64
_MOST_REDUCED = 2
_HALF = "▀"


def draw(preview: Preview, width: int, rows: int) -> list[Line]:
    """Draw the pictures of a preview side by side with the same contrast, their names above.

    What does not fit is cut off around the middle. At most every second pixel is left out, and none is averaged: a mean
    would denoise the noisy picture.

    Parameters
    ----------
    preview
        Pictures of the same size.
    width, rows
        Room in characters.

    Returns
    -------
    list of list of Segment
        Lines of at most `width` characters, the first with the names; none where there is no room.
    """
    side = _side(preview, width, rows)
    if side is None:
        return []
    height, across = side
    title = [name[:across].ljust(across) for name in preview.names]
    lines: list[Line] = [[Segment((" " * _GAP).join(title).rstrip())]]
    levels = [_middle(each, height, across) for each in _levels(preview)]
    for y in range(0, height, 2):
        line: Line = []
        for picture in levels:
            if line:
                line.append(Segment(" " * _GAP))
            line += [Segment(_HALF, _style(int(a), int(b))) for a, b in zip(picture[y], picture[y + 1], strict=True)]
        lines.append(list(Segment.simplify(line)))
    return lines


def _side(preview: Preview, width: int, rows: int) -> tuple[int, int] | None:
    """Give the pixels (y, x) that are shown of each picture, y even; None where they are too few."""
    count, size = len(preview.pixels), 4 * math.prod(preview.shape)
    if not count or len(preview.names) != count or any(len(each) != size for each in preview.pixels):
        return None
    height = min(2 * (rows - 1), preview.shape[0]) // 2 * 2
    across = min((width - _GAP * (count - 1)) // count, preview.shape[1])
    # A picture has the proportions of the whole one, unless it is far longer than it is wide.
    height, across = min(height, max(2 * across, 2)), min(across, 2 * height)
    return (height, across) if height >= 2 * LEAST_ROWS and across >= 2 * LEAST_ROWS else None


def _levels(preview: Preview) -> list[npt.NDArray[np.int64]]:
    """Give the pictures (y, x) in grey levels from 0 (black) to `_LEVELS` - 1; what is no number is black."""
    pictures = [np.frombuffer(each, "<f4").reshape(preview.shape) for each in preview.pixels]
    low, high = preview.display
    if not low < high:
        finite = np.concatenate([each[np.isfinite(each)] for each in pictures])
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    span = (high - low) or 1.0
    scaled = (np.clip((each.astype(np.float64) - low) / span, 0, 1) for each in pictures)
    return [np.rint(np.nan_to_num(each) * (_LEVELS - 1)).astype(np.int64) for each in scaled]


def _middle(picture: npt.NDArray[Any], height: int, across: int) -> npt.NDArray[Any]:
    """Give so many pixels (y, x) around the middle, every second one where the picture has twice as many."""
    stride = max(1, min(_MOST_REDUCED, picture.shape[0] // height, picture.shape[1] // across))
    taken = picture[::stride, ::stride]
    y, x = (taken.shape[0] - height) // 2, (taken.shape[1] - across) // 2
    return taken[y : y + height, x : x + across]


@functools.lru_cache(_LEVELS * _LEVELS)
def _style(above: int, below: int) -> Style:
    upper, lower = (round(level * 255 / (_LEVELS - 1)) for level in (above, below))
    return Style(color=Color.from_rgb(upper, upper, upper), bgcolor=Color.from_rgb(lower, lower, lower))
