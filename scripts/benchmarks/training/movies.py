"""Movies with known activity: PSNR is not enough, traces must keep their shape and their height.

A network that never sees a frame itself, only its neighbours, smooths a movie beautifully and wipes out every event of
one frame. `failures` is the check that tells such a result from one that can be measured; the tests use it as well.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.training import figures
from benchmarks.training.figures import Figure
from benchmarks.training.options import Options
from benchmarks.training.quality import quantitative
from benchmarks.training.record import Record
from bioimg_fiji import Image, metrics
from bioimg_fiji.train import synthetic
from bioimg_fiji.train.registry import METHODS, method_named

Array = NDArray[Any]

CORRELATION, AMPLITUDE = 0.97, 0.9
"""Least correlation and slope of the traces of a movie that may be measured."""
MEASURED = "n2v"
"""The method that is recommended for movies that are to be measured."""
EXCLUDED = "centre_excluded"
KINDS = ("spikes", "slow")
_EXPOSURE = 2


@dataclasses.dataclass(frozen=True)
class Judged:
    """A denoised movie beside the truth: dB, shares, and correlation and slope of the cells' traces."""

    psnr: float
    bias: float
    slope: float
    trace: float
    amplitude: float


class CentreExcluded:
    """The method temporal with its middle frame hidden completely, in training and in use: made to fail."""

    name = EXCLUDED
    paper = "None: a control for the check of movies. doi:none"

    def look(self, images: Sequence[Any], config: Any, targets: Sequence[Any] = ()) -> list[Any]:
        """Find nothing."""
        del images, config, targets
        return []

    def source(self, images: Sequence[Any], config: Any, targets: Sequence[Any] = ()) -> Any:
        """Prepare the data as the method temporal does."""
        config = dataclasses.replace(config, method="temporal")
        return _WithoutCentre(method_named("temporal").source(images, config, targets))


class _WithoutCentre:
    """Another source's batches, without the middle channel."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def batch(self, step: int) -> Any:
        return self._hidden(self._source.batch(step))

    def validation(self) -> list[Any]:
        return [self._hidden(each) for each in self._source.validation()]

    def _hidden(self, batch: Any) -> Any:
        inputs = batch.inputs.copy()
        inputs[:, inputs.shape[1] // 2] = 0
        return dataclasses.replace(batch, inputs=inputs)


def run(options: Options, record: Record) -> Iterator[Figure]:
    """Train all methods on both movies with all seeds; the worst seed counts."""
    for kind in KINDS:
        for method in options.methods or (MEASURED, "temporal", "n2n", EXCLUDED):
            found = []
            for seed in options.seeds:
                settings = options.settings(kind=kind, method=method)
                values = record.measured(
                    "movies",
                    settings | {"seed": seed},
                    lambda k=kind, m=method, s=seed: dataclasses.asdict(measure(k, m, s, options, record)),
                )
                found.append(Judged(**values))
                yield figures.note(f"{kind}, {method}, seed {seed}: PSNR / trace correlation / slope", _text(found[-1]))
            yield from _bars(kind, method, found)


def measure(kind: str, method: str, seed: int, options: Options, record: Record) -> Judged:
    """Train a method on a movie and judge the movie that it gives."""
    photons, weights = synthetic.movie(kind)
    noisy = synthetic.expose(photons, np.random.default_rng(_EXPOSURE))
    with registered(CentreExcluded()):
        model = record.fit([Image(noisy, "tyx")], options.preset(method, seed=seed, force=True))
    if method == EXCLUDED:
        denoised = without_centre(model, noisy)
    elif method == "temporal":
        denoised = model.denoise(noisy)
    else:
        denoised = np.stack([model.denoise(frame) for frame in noisy])
    return judge(synthetic.truth(photons), denoised, weights)


def judge(truth: Array, denoised: Array, weights: Sequence[Array]) -> Judged:
    """Judge a movie.

    Parameters
    ----------
    truth, denoised
        (t, y, x), one unit, ADU of the synthetic camera.
    weights
        One image (y, x) per cell.
    """
    return Judged(
        metrics.psnr(truth, denoised),
        metrics.mean_bias(truth, denoised, synthetic.OFFSET),
        metrics.roi_slope(truth, denoised),
        metrics.trace_correlation(truth, denoised, weights),
        metrics.amplitude_slope(truth, denoised, weights),
    )


def failures(found: Judged) -> list[str]:
    """Tell what forbids to measure in a denoised movie; empty when nothing does."""
    told = []
    if not found.trace >= CORRELATION:
        told.append(f"trace correlation {found.trace:.3f} is below {CORRELATION}")
    if not found.amplitude >= AMPLITUDE:
        told.append(f"amplitude slope {found.amplitude:.3f} is below {AMPLITUDE}")
    return told


def without_centre(model: Any, noisy: Array) -> Array:
    """Run a model of frames t-k to t+k, frame by frame, with the mean in the place of frame t; ends are mirrored."""
    channels = int(model.kwargs["in_channels"])
    reach = channels // 2
    means = np.broadcast_to(np.atleast_1d(np.asarray(model.mean, np.float64)), (channels,))
    padded = np.pad(noisy.astype(np.float64), [(reach, reach), (0, 0), (0, 0)], mode="reflect")
    frames = []
    for t in range(len(noisy)):
        window = padded[t : t + channels].copy()
        window[reach] = means[reach]
        frames.append(model.outputs(window)[0])
    return np.stack(frames)


@contextlib.contextmanager
def registered(method: Any) -> Iterator[None]:
    """Let trainings know a method for a time."""
    METHODS[method.name] = method
    try:
        yield
    finally:
        del METHODS[method.name]


def _bars(kind: str, method: str, found: list[Judged]) -> Iterator[Figure]:
    name = f"{kind}, {method}"
    told = [failures(each) for each in found]
    if method == EXCLUDED:
        text = "; ".join(told[0]) or "passes"
        yield figures.expected(f"{name}: the check of movies", text, "fails", holds=kind != "spikes" or all(told))
        return
    least = [min(each.trace for each in found), min(each.amplitude for each in found)]
    if (kind, method) == ("spikes", MEASURED):
        yield figures.at_least(f"{name}: trace correlation", least[0], CORRELATION)
        yield figures.at_least(f"{name}: amplitude slope", least[1], AMPLITUDE)
    else:
        yield figures.note(f"{name}: trace correlation", least[0])
        yield figures.note(f"{name}: amplitude slope", least[1])
    if kind == "slow" or method == MEASURED:  # what flashes for one frame is smoothed by methods that see others
        yield from quantitative(name, [dataclasses.asdict(each) for each in found])


def _text(found: Judged) -> str:
    return f"{found.psnr:.2f} dB / {found.trace:.3f} / {found.amplitude:.3f}"
