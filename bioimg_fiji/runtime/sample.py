"""One sample through a model: preprocessing, tiles, stitching, postprocessing.

A sample is everything that a model would see at once were there no tiles. Operations that need the whole image are
measured on the sample before its tiles; those of an output that need it wait until the output is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bioimg_fiji.errors import ImageError, WeightsError
from bioimg_fiji.ops import Pipeline, make_pipeline
from bioimg_fiji.ops.base import Statistics, Tensor
from bioimg_fiji.ops.stream import Block, Stream
from bioimg_fiji.package import ModelPackage, Size, TensorSpec
from bioimg_fiji.package.decode import before_decoding
from bioimg_fiji.package.links import links
from bioimg_fiji.runtime.adapter import Adapter, Array
from bioimg_fiji.tiling import Span, Tile, TilePlan, mirrored

FEATURES = "features"
"""What some networks give besides their outputs (`ModelPackage.beside`): float32 (blocks, channels) of a tile."""

Features = Callable[[Array], None]


@dataclass(frozen=True)
class Measured:
    """What is known of a whole sample: its inputs before any processing, and the figures of their operations."""

    references: Mapping[str, Tensor | Stream]
    figures: Mapping[str, tuple[Statistics, ...]]


class SampleRunner:
    """Runs samples of one shape: `run` those in memory; `places` to `finished` are its steps, for larger ones.

    Parameters
    ----------
    package
        The model.
    tiled
        Letters of the main input's axes that `plan` cuts, in its order.
    plan
        Tiles of a sample.

    Raises
    ------
    PackageError, UntrustedModelError
        When the package asks for an operation that is not known, or is code of its own.
    ImageError
        When nothing would be left of the image: a network without padding takes some pixels off at each border.
    """

    def __init__(self, package: ModelPackage, tiled: str, plan: TilePlan) -> None:
        self.plan = plan
        self._lengths = dict(zip(tiled, plan.shape, strict=True))
        raw = before_decoding(package)
        self._inputs, self.outputs = package.inputs, raw.outputs
        self._links, self._final = links(raw), links(package)
        self._before = {tensor.id: _pipeline(tensor) for tensor in package.inputs}
        self._after = {tensor.id: _pipeline(tensor) for tensor in package.outputs}
        self._check_size()

    def run(
        self,
        samples: Mapping[str, Array],
        model: Adapter,
        report: Callable[[int], None],
        features: Features | None = None,
    ) -> list[Array]:
        """Run the model on one sample.

        Parameters
        ----------
        samples
            Stored values by input, with the axes that the package says; an optional input may be left out.
        model
            The loaded model.
        report
            Called with the number of tiles done, before each tile.
        features
            Called with each tile's features, where the model gives any.

        Returns
        -------
        One array per output, with the output's axes, as large as belongs to the sample.
        """
        measured = self.measure(samples)
        stitched: dict[str, Array] = {}
        for done, tile in enumerate(self.plan.tiles):
            report(done)
            seen = {}
            for name, sample in samples.items():
                places = self.places(name, tile, sample.shape)
                seen[name] = self.prepared(name, _take(sample, places), measured, places)
            results = model.run(seen)
            tell_features(results, features)
            for output in self.outputs:
                target, part = self.inner(output, results[output.id], tile)
                if output.id not in stitched:
                    stitched[output.id] = np.empty(self.shape(output, part), part.dtype)
                stitched[output.id][target] = part
        return [self.finished(output, stitched[output.id], measured) for output in self.outputs]

    def measure(self, samples: Mapping[str, Array | Stream]) -> Measured:
        """Measure what the operations of the inputs need to know of the whole sample, given at once or as streams."""
        references = self.references(samples)
        figures = {name: self._before[name].statistics(samples[name], references) for name in references}
        return Measured(references, figures)

    def references(self, samples: Mapping[str, Array | Stream]) -> dict[str, Tensor | Stream]:
        """Give the inputs before any processing, in the description's order, for operations that refer to them."""
        return {
            tensor.id: sample if isinstance(sample, Stream) else Tensor(sample, tensor.axis_ids)
            for tensor in self._inputs
            if (sample := samples.get(tensor.id)) is not None
        }

    def places(self, name: str, tile: Tile, shape: Sequence[int]) -> list[Sequence[int]]:
        """Give, per axis of an input, which pixels of the sample a tile takes."""
        spans = self._spans(tile)
        places: list[Sequence[int]] = []
        for link, length in zip(self._links[name], shape, strict=True):
            if link is None:
                places.append(range(length))
            else:
                span = spans[link.letter]
                first = link.place(span.outer_start)
                places.append(mirrored(first, first + link.size(span.size), length))
        return places

    def prepared(self, name: str, part: Array, measured: Measured, places: Sequence[Sequence[int]]) -> Array:
        """Preprocess what a tile takes of an input."""
        return self._before[name].apply(part, measured.figures[name], places)

    def inner(self, output: TensorSpec, array: Array, tile: Tile) -> tuple[tuple[slice, ...], Array]:
        """Give the inner part of a tile's output and its place, processed already where the tile is enough.

        Raises
        ------
        WeightsError
            When the output has not the shape that the description says.
        """
        spans = self._spans(tile)
        self._check(output, array, spans)
        target, taken = self._windows(output, spans)
        part, pipeline = array[taken], self._after[output.id]
        return target, part if pipeline.needs_whole else pipeline.apply(part, pipeline.statistics(part, {}))

    def shape(self, output: TensorSpec, part: Array) -> tuple[int, ...]:
        """Give the shape of a whole output, from an inner part of it."""
        return tuple(
            size if link is None else link.size(self._lengths[link.letter])
            for link, size in zip(self._links[output.id], part.shape, strict=True)
        )

    def needs_whole(self, output: TensorSpec) -> bool:
        """Whether an output is to be processed when it is whole."""
        return self._after[output.id].needs_whole

    def finished(self, output: TensorSpec, array: Array, measured: Measured) -> Array:
        """Process an output that is whole."""
        pipeline = self._after[output.id]
        if not pipeline.needs_whole:
            return array
        array = pipeline.apply(array, pipeline.statistics(array, measured.references))
        if pipeline.decoder is None:
            return array
        # The grid of labels may reach beyond the image.
        sizes = (None if link is None else link.size(self._lengths[link.letter]) for link in self._final[output.id])
        return array[tuple(slice(0, size) for size in sizes)]

    def finishing(
        self, output: TensorSpec, whole: Array | Stream, references: Mapping[str, Tensor | Stream]
    ) -> Callable[[Block], Array]:
        """Measure an output that is whole, at once or as a stream; give what processes its blocks."""
        pipeline = self._after[output.id]
        figures = pipeline.statistics(whole, references)
        return lambda block: pipeline.apply(block.array, figures, block.places)

    def _spans(self, tile: Tile) -> dict[str, Span]:
        return dict(zip(self._lengths, tile.spans, strict=True))

    def _check_size(self) -> None:
        for output in self.outputs:
            for link in self._links[output.id]:
                if link is not None and link.size(self._lengths[link.letter]) < 1:
                    raise ImageError(
                        f"The image is too small: {self._lengths[link.letter]} pixels along {link.letter!r} leave "
                        f"none of the model's output {output.id!r}.",
                        fix=f"Give an image with more than {-link.offset / link.ratio} pixels along {link.letter!r}.",
                    )

    def _check(self, output: TensorSpec, array: Array, spans: Mapping[str, Span]) -> None:
        """Check that a tile's output has the shape that the description says."""
        expected: list[str] = []
        right = array.ndim == len(output.axes)
        for place, (axis, link) in enumerate(zip(output.axes, self._links[output.id], strict=True)):
            size = array.shape[place] if right else 0
            if link is not None:
                length = spans[link.letter].size
                expected.append(str(link.size(length)))
                right = right and link.fits(size, length)
            elif axis.type == "batch" or (isinstance(axis.size, Size) and axis.size.step == 0):
                fixed = 1 if axis.type == "batch" else axis.size.minimum  # type: ignore[union-attr]
                expected.append(str(fixed))
                right = right and size == fixed
            else:
                expected.append("any")
        if not right:
            raise WeightsError(
                f"The model gave an output of shape {array.shape} for {output.id!r}; "
                f"its description says ({', '.join(expected)}).",
                fix="Correct the description, or get another package.",
            )

    def _windows(self, output: TensorSpec, spans: Mapping[str, Span]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Give which part of an output a tile is for, and where in the tile's output that part lies."""
        target, taken = [], []
        for link in self._links[output.id]:
            if link is None:
                target.append(slice(None))
                taken.append(slice(None))
                continue
            span, length = spans[link.letter], self._lengths[link.letter]
            whole, begin = link.size(length), link.place(span.outer_start)
            # The last tile has what an output has beyond the image.
            last = whole if span.stop == length else min(link.place(span.stop), whole)
            first = min(link.place(span.start), last)
            target.append(slice(first, last))
            taken.append(slice(first - begin, last - begin))
        return tuple(target), tuple(taken)


def tell_features(results: Mapping[str, Array], features: Features | None) -> None:
    """Give what a tile has of features to whoever wants them."""
    if features is not None and FEATURES in results:
        features(results[FEATURES])


def _pipeline(tensor: TensorSpec) -> Pipeline:
    return make_pipeline(((op.id, op.kwargs) for op in tensor.ops), tensor.axis_ids)


def taken(places: Sequence[Sequence[int]]) -> tuple[slice, ...]:
    """Give the smallest part of a sample that has all these places."""
    return tuple(slice(min(chosen), max(chosen) + 1) for chosen in places)


def gathered(part: Array, places: Sequence[Sequence[int]]) -> Array:
    """Arrange a tile from the part of the sample that `taken` gave."""
    for axis, chosen in enumerate(places):
        if part.shape[axis] != len(chosen) or chosen[0] > chosen[-1]:  # it runs over the border
            part = np.take(part, np.asarray(chosen) - min(chosen), axis=axis)
    return part


def _take(sample: Array, places: Sequence[Sequence[int]]) -> Array:
    return gathered(sample[taken(places)], places)
