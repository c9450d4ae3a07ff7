"""What those who wait for a training see: steps, losses, the time left, curves and a preview."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.jobs import Job, Live, Preview
from bioimg_fiji.train.method import Source

if TYPE_CHECKING:
    from bioimg_fiji.train.loop import Loop

_REPORT_SECONDS = 0.25
_LIVE_SECONDS = 1.0
_PREVIEW_SHARE = 0.05
"""Part of the time that previews may take."""
_RECENT = 40
_POINTS = 400
_SIDE = 192
_STEP = 32
"""Sides of the preview are multiples of it, and so of every network's grid."""


class Watch:
    """Tells a job how its training goes, as often as a person can follow.

    Parameters
    ----------
    job
        Is told.
    loop
        The training.
    steps
        Steps in all.
    """

    def __init__(self, job: Job, loop: Loop, steps: int) -> None:
        self._job, self._loop, self._steps = job, loop, steps
        self._times: deque[float] = deque([time.monotonic()], maxlen=_RECENT + 1)
        self._reported = self._shown = -math.inf
        self._rest = 0.0
        job.progress("Training", loop.done, steps)

    def tell(self) -> None:
        """Report the step that has just been done; curves and preview now and then, and at the end."""
        now = time.monotonic()
        self._times.append(now)
        last = self._loop.done == self._steps
        if now - self._reported >= _REPORT_SECONDS or last:
            self._reported = now
            self._job.progress("Training", self._loop.done, self._steps, **self._figures())
        if self._job.watched and (now - self._shown >= max(_LIVE_SECONDS, self._rest) or last):
            self._show()
            self._shown = time.monotonic()
            self._rest = (self._shown - now) / _PREVIEW_SHARE

    def _figures(self) -> dict[str, float]:
        """Give the figures of a report; the time left follows the pace of the last steps."""
        pace = (self._times[-1] - self._times[0]) / max(len(self._times) - 1, 1)
        figures = {"loss": self._loop.history[-1], "seconds_left": pace * (self._steps - self._loop.done)}
        if self._loop.validation:
            figures["validation"] = self._loop.validation[-1][1]
        return figures

    def _show(self) -> None:
        losses = list(enumerate(self._loop.history, 1))
        curves = {"loss": thinned(losses), "validation": thinned(self._loop.validation)}
        self._job.show(Live({name: points for name, points in curves.items() if points}, self._preview(), True))

    def _preview(self) -> Preview | None:
        if self._loop.tile is None:
            return None
        names, (before, after) = pictures(self._loop.source, self._loop.tile, self._loop.output)
        low, high = (float(value) for value in np.percentile(after, (0.5, 99.8)))
        shape = (int(after.shape[0]), int(after.shape[1]))
        pixels = tuple(np.ascontiguousarray(each, "<f4").tobytes() for each in (before, after))
        return Preview(self._loop.done, names, shape, (low, max(high, low + 1e-6)), pixels)


def pictures(
    source: Source, tile: NDArray[Any], output: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> tuple[tuple[str, str], tuple[NDArray[Any], NDArray[Any]]]:
    """Give two planes (y, x) of one size, in one unit: a raw tile's, and what the network makes of it.

    Of several channels the first is shown, of a window its middle frame, of a volume the middle slice. Objects have no
    intensities: there the image is scaled to 0 .. 1, beside the probability of the foreground.
    """
    height, width = (min(size, _SIDE) // _STEP * _STEP for size in tile.shape[-2:])
    tile = tile[..., :height, :width]
    before = _plane(tile[source.window])
    if source.per_image:
        moments = [each.reshape(-1, *(1,) * (tile.ndim - 1)) for each in _moments(tile)]
        after = _plane(output(((tile - moments[0]) / moments[1]).astype(np.float32))[0])
        low, high = np.percentile(before, (0.5, 99.8))
        return ("image", "foreground"), ((before - low) / max(float(high - low), 1e-12), after)
    (mean, *_), (std, *_) = source.data.out_scale
    after = _plane(output(source.data.normalised(tile))[0]) * std + mean
    for axis in (0, 1):
        before = before.repeat(after.shape[axis] // before.shape[axis], axis)
    return ("before", "after"), (before, after)


def _plane(volume: NDArray[Any]) -> NDArray[np.float64]:
    plane = volume[len(volume) // 2] if volume.ndim == 3 else volume
    return np.asarray(plane, np.float64)


def _moments(tile: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    axes = tuple(range(1, tile.ndim))
    return tile.mean(axis=axes, dtype=np.float64), tile.std(axis=axes, dtype=np.float64) + 1e-6


def thinned(points: Sequence[tuple[float, float]], most: int = _POINTS) -> list[tuple[float, float]]:
    """Give at most `most` points: means of neighbouring ones, where there are more."""
    if len(points) <= most:
        return [(float(x), float(y)) for x, y in points]
    groups = np.array_split(np.asarray(points, np.float64), most)
    return [(float(group[-1, 0]), float(group[:, 1].mean())) for group in groups]
