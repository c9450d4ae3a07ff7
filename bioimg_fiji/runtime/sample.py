"""One sample through a model: preprocessing, tiles, stitching, postprocessing.

A sample is everything that a model would see at once were there no tiles. Operations that need the whole image are
measured on the sample before its tiles; those of an output that need it wait until the output is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bioimg_fiji.errors import WeightsError
from bioimg_fiji.ops import Pipeline, make_pipeline
from bioimg_fiji.ops.base import Tensor
from bioimg_fiji.package import ModelPackage, TensorSpec
from bioimg_fiji.runtime.adapter import Adapter, Array
from bioimg_fiji.tiling import TilePlan, mirrored


class SampleRunner:
    """Runs samples of one shape.

    Parameters
    ----------
    package
        Model with one input.
    tiled
        Letters of the axes that `plan` cuts, in its order.
    plan
        Tiles of a sample.

    Raises
    ------
    PackageError, UntrustedModelError
        When the package asks for an operation that is not known, or is code of its own.
    """

    def __init__(self, package: ModelPackage, tiled: str, plan: TilePlan) -> None:
        self.plan = plan
        self._tiled = tiled
        self.input, self._outputs = package.inputs[0], package.outputs
        self._before = _pipeline(self.input)
        self._after = [_pipeline(tensor) for tensor in package.outputs]

    def run(self, sample: Array, model: Adapter, report: Callable[[int], None]) -> list[Array]:
        """Run the model on one sample.

        Parameters
        ----------
        sample
            Stored values; axes as the package's input has them.
        model
            The loaded model.
        report
            Called with the number of tiles done, before each tile.

        Returns
        -------
        One array per output, with the output's axes, as large as the sample.
        """
        figures = self._before.statistics(sample, {})
        stitched: list[Array] = []
        for done, tile in enumerate(self.plan.tiles):
            report(done)
            places = self._places(dict(zip(self._tiled, tile.outer, strict=True)), sample)
            seen = self._before.apply(_take(sample, places), figures, places)
            results = model.run({self.input.id: seen})
            local, inner = (dict(zip(self._tiled, cut, strict=True)) for cut in (tile.local, tile.inner))
            parts = [self._cut(output, pipeline, results, seen, local) for output, pipeline in self._pairs()]
            if not stitched:
                stitched = [self._whole(output, part) for output, part in zip(self._outputs, parts, strict=True)]
            for output, whole, part in zip(self._outputs, stitched, parts, strict=True):
                whole[_window(output, inner)] = part
        references = {self.input.id: Tensor(sample, self.input.axis_ids)}
        return [
            pipeline.apply(array, pipeline.statistics(array, references)) if pipeline.needs_whole else array
            for pipeline, array in zip(self._after, stitched, strict=True)
        ]

    def _pairs(self) -> list[tuple[TensorSpec, Pipeline]]:
        return list(zip(self._outputs, self._after, strict=True))

    def _places(self, outer: Mapping[str, slice], sample: Array) -> list[Sequence[int]]:
        """Give, per axis of the input, which pixels of the sample the tile takes."""
        places: list[Sequence[int]] = []
        for letter, length in zip(self.input.letters, sample.shape, strict=True):
            span = outer.get(letter, slice(0, length))
            places.append(mirrored(span.start, span.stop, length))
        return places

    def _cut(
        self,
        output: TensorSpec,
        pipeline: Pipeline,
        results: Mapping[str, Array],
        seen: Array,
        local: Mapping[str, slice],
    ) -> Array:
        """Give the inner part of a tile's output, processed already where no figures of the whole are needed."""
        array = results[output.id]
        sizes = dict(zip(self.input.letters, seen.shape, strict=True))
        expected = tuple(
            len(axis.channel_names) if axis.letter == "c" else sizes.get(axis.letter, 1) for axis in output.axes
        )
        if array.shape != expected:
            raise WeightsError(
                f"The model gave an output of shape {array.shape} for {output.id!r}; its description says {expected}.",
                fix="Correct the description, or get another package.",
            )
        array = array[_window(output, local)]
        return array if pipeline.needs_whole else pipeline.apply(array, pipeline.statistics(array, {}))

    def _whole(self, output: TensorSpec, part: Array) -> Array:
        sizes = dict(zip(self._tiled, self.plan.shape, strict=True))
        shape = [sizes.get(letter, n) for letter, n in zip(output.letters, part.shape, strict=True)]
        return np.empty(shape, part.dtype)


def _pipeline(tensor: TensorSpec) -> Pipeline:
    return make_pipeline(((op.id, op.kwargs) for op in tensor.ops), tensor.axis_ids)


def _window(tensor: TensorSpec, spans: Mapping[str, slice]) -> tuple[slice, ...]:
    return tuple(spans.get(letter, slice(None)) for letter in tensor.letters)


def _take(sample: Array, places: Sequence[Sequence[int]]) -> Array:
    """Cut a tile; only axes that run over the border are gathered pixel by pixel."""
    for axis, chosen in enumerate(places):
        first, last = chosen[0], chosen[-1]
        if last - first + 1 == len(chosen):
            sample = sample[(slice(None),) * axis + (slice(first, last + 1),)]
        else:
            sample = np.take(sample, np.asarray(chosen), axis=axis)
    return sample
