"""What a run is to do, before it is known where the pixels come from and go to."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from bioimg_fiji.errors import ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.package.fit import Fit
from bioimg_fiji.predict.outputs import spread_gain
from bioimg_fiji.predict.samples import loop_shape, plan_for, samples_of
from bioimg_fiji.runtime import Adapter
from bioimg_fiji.runtime.memory import SMALLEST
from bioimg_fiji.runtime.sample import Features
from bioimg_fiji.runtime.warm import lent
from bioimg_fiji.tiling import TilePlan

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class PredictOptions:
    """How to run a model.

    Parameters
    ----------
    weights
        "auto" or a weights format of the package.
    device
        "auto", "cpu", "cuda" or "mps".
    tile
        Side of a tile with its halo, pixels; 0 chooses by the image's shape.
    threads
        CPU threads; 0: the setting, else one per core.
    axes
        Other letters for the image's axes, where it has them wrong; None or empty: its own.
    trust
        First 16 or more digits of the SHA-256 of a package that may run code of its own.
    look
        Whether the user is told what about the image is unlike what the model was made for (`predict.look`).
    features
        Gets what a package tells of each tile besides its outputs, where a run is not given another.
    """

    weights: str = "auto"
    device: str = "auto"
    tile: int = 0
    threads: int = 0
    axes: str | None = None
    trust: str = ""
    look: bool = True
    features: Features | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name in ("tile", "threads"):
            if getattr(self, name) < 0:
                raise ParameterError.of(name, "0 or more", getattr(self, name))


@dataclass(frozen=True)
class Work:
    """What is to be done, whatever the tiles.

    Raises
    ------
    ImageError
        When the model gives a spread, and the image's intensity calibration knows none.
    """

    image: Image
    others: Mapping[str, Image]
    package: ModelPackage
    options: PredictOptions
    way: Fit

    def __post_init__(self) -> None:
        if any(output.spread for output in self.package.outputs):
            spread_gain(self.image, self.package)

    @property
    def loop(self) -> tuple[int, ...]:
        """Sizes of the axes that are looped over."""
        return loop_shape(self.image, self.way)

    def plan(self, budget: int) -> TilePlan:
        """Plan tiles of the asked side, or of at most `budget` pixels."""
        return plan_for(self.image, self.way, self.package, self.options.tile, budget)

    def samples(self) -> Iterator[dict[str, Array]]:
        """Give what the model sees without tiles, by input, once per element of the looped axes."""
        return samples_of(self.image, self.others, self.way, self.package)


def borrowed(
    package: ModelPackage, options: PredictOptions, adapter: Adapter | None
) -> contextlib.AbstractContextManager[Adapter]:
    """Give the loaded model for the time of a run: the caller's, which stays open, or the one that the options say."""
    if adapter is not None:
        return contextlib.nullcontext(adapter)
    return lent(package, options.weights, options.device, options.threads, options.trust)


def halved(plan: TilePlan, work: Work) -> TilePlan | None:
    """Plan tiles of at most half the pixels; None where there are none, or the user has said their size."""
    budget = math.prod(plan.outer) // 2
    smaller = work.plan(budget)
    return smaller if budget >= SMALLEST and math.prod(smaller.outer) <= budget else None


def sizes(plan: TilePlan) -> str:
    """Give the size of the largest tile as a text."""
    return " x ".join(str(size) for size in plan.outer)


def provenance(package: ModelPackage, model: Adapter, plan: TilePlan) -> dict[str, str]:
    """Tell how a result was made."""
    from bioimg_fiji import __version__

    return {
        "model": package.name,
        "package": package.sha256,
        "weights": model.weights,
        "device": model.device,
        "tile": sizes(plan),
        "version": __version__,
    }
