"""Operations that turn what a network says about objects into a label image.

Both follow the class of the same name in the bioimage.io model description 0.5 and call the library that the method
comes from: StarDist (Schmidt et al. 2018, arXiv:1806.03535; Weigert et al. 2020) and Cellpose (Stringer et al. 2021).
The libraries are optional parts.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from bioimg_fiji.errors import MissingPartError, PackageError
from bioimg_fiji.ops.base import Array, Op, Sources, Statistics, Tensor, axis_place

Border = int | tuple[Any, ...]


class Decoder(Op):
    """An operation that sees the whole output of the network and gives one of another shape: labels, one channel."""

    def statistics(self, sources: Sources) -> Statistics:
        """Give none: `apply` sees the whole."""
        del sources
        return {}

    def apply(self, tile: Tensor, statistics: Statistics) -> Array:
        """Give labels, from 1, with the tensor's axes.

        Raises
        ------
        MissingPartError
            When the method's library is not installed.
        PackageError
            When the tensor has not the channels that the method needs.
        """
        del statistics
        channel = axis_place("channel", tile)
        if tile.array.shape[channel] != self.channels:
            raise PackageError(
                f"{type(self).__name__} needs {self.channels} channels; the network gave {tile.array.shape[channel]}.",
                fix="Correct the model description.",
            )
        space = [name for name in ("z", "y", "x") if name in tile.axes]
        rest = [name for name in tile.axes if name not in (*space, "channel")]
        order = [tile.axes.index(name) for name in (*rest, "channel", *space)]
        arranged = tile.array.transpose(order)
        samples = arranged.reshape(-1, *arranged.shape[len(rest) :])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the libraries do inside is their matter
            labels = np.stack([self.labels(np.asarray(sample, np.float32)) for sample in samples])
        shaped = labels.reshape(*arranged.shape[: len(rest)], 1, *labels.shape[1:])
        return shaped.transpose(np.argsort(order))

    @property
    def channels(self) -> int:
        """Channels that the network gives."""
        raise NotImplementedError

    @property
    def scale(self) -> tuple[int, ...]:
        """How much larger the labels are than the network's output, along the last axes of (z), y, x."""
        return (1, 1, 1)

    def labels(self, sample: Array) -> Array:
        """Give the labels of (channel, (z), y, x)."""
        raise NotImplementedError


@dataclass(frozen=True)
class StardistPostprocessing(Decoder):
    """Objects from probabilities and distances to the border along `n_rays` directions (channels, in this order)."""

    prob_threshold: float
    nms_threshold: float
    n_rays: int
    grid: tuple[int, ...]
    b: Border = 2
    anisotropy: tuple[float, ...] | None = None
    overlap_label: int | None = None

    @property
    def channels(self) -> int:
        """One for the probability, and one for each ray."""
        return 1 + self.n_rays

    @property
    def scale(self) -> tuple[int, ...]:
        """The network says something about every `grid`-th pixel."""
        return self.grid

    def labels(self, sample: Array) -> Array:
        """Suppress all but the best of overlapping objects, and draw them."""
        stardist = _library("stardist")
        probability, distances = sample[0], np.ascontiguousarray(np.moveaxis(sample[1:], 0, -1))
        shape = tuple(size * step for size, step in zip(probability.shape, self.grid, strict=True))
        chosen = {"grid": self.grid, "prob_thresh": self.prob_threshold, "nms_thresh": self.nms_threshold, "b": self.b}
        if len(self.grid) == 2:
            points, scores, found = stardist.non_maximum_suppression(distances, probability, **chosen)
            return np.asarray(stardist.polygons_to_label(found, points, prob=scores, shape=shape))
        rays = stardist.Rays_GoldenSpiral(self.n_rays, anisotropy=self.anisotropy)
        points, scores, found = stardist.non_maximum_suppression_3d(distances, probability, rays, **chosen)
        drawn = stardist.polyhedron_to_label(
            found, points, rays=rays, prob=scores, shape=shape, overlap_label=self.overlap_label
        )
        known = np.unique(drawn[drawn > 0])
        return np.asarray(np.where(drawn > 0, np.searchsorted(known, drawn) + 1, drawn), np.int32)


@dataclass(frozen=True)
class CellposeFlowDynamics(Decoder):
    """Objects from flows along (z), y and x, and the cell probability (channels, in this order)."""

    cellprob_threshold: float
    flow_threshold: float
    do_3D: bool  # noqa: N815 - the specification's name
    min_size: int = 15
    output_dtype: str = "uint16"

    @property
    def channels(self) -> int:
        """Flows, and the probability."""
        return 4 if self.do_3D else 3

    def labels(self, sample: Array) -> Array:
        """Follow the flows to where they end: pixels that meet are one object."""
        dynamics, utils = _library("cellpose.dynamics"), _library("cellpose.utils")
        masks = dynamics.compute_masks(
            sample[:-1],
            sample[-1],
            cellprob_threshold=self.cellprob_threshold,
            flow_threshold=self.flow_threshold,
            do_3D=self.do_3D,
        )
        masks = utils.fill_holes_and_remove_small_masks(masks, min_size=self.min_size)
        kind = np.dtype(self.output_dtype)
        # NB: never wrapped, whatever the description says.
        return np.asarray(masks.astype(kind if masks.max(initial=0) <= np.iinfo(kind).max else np.uint32))


def _library(name: str) -> ModuleType:
    import importlib

    part = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingPartError(
            f"This model's objects are found by {part}, which is not installed.",
            fix=f"Install it where bioimg-fiji is: pip install 'bioimg-fiji[{part}]'.",
        ) from error
