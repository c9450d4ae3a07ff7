"""One sample through a model: preprocessing, tiles, stitching, postprocessing.

A sample is everything that a model would see at once were there no tiles. Operations that need the whole image are
measured on the sample before its tiles; those of an output that need it wait until the output is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bioimg_fiji.errors import ImageError, WeightsError
from bioimg_fiji.ops import Pipeline, make_pipeline
from bioimg_fiji.ops.base import Tensor
from bioimg_fiji.package import ModelPackage, Size, TensorSpec
from bioimg_fiji.package.links import links
from bioimg_fiji.runtime.adapter import Adapter, Array
from bioimg_fiji.tiling import Span, TilePlan, mirrored


class SampleRunner:
    """Runs samples of one shape.

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
        self._inputs, self._outputs = package.inputs, package.outputs
        self._links = links(package)
        self._before = {tensor.id: _pipeline(tensor) for tensor in package.inputs}
        self._after = {tensor.id: _pipeline(tensor) for tensor in package.outputs}
        self._check_size()

    def run(self, samples: Mapping[str, Array], model: Adapter, report: Callable[[int], None]) -> list[Array]:
        """Run the model on one sample.

        Parameters
        ----------
        samples
            Stored values by input, with the axes that the package says; an optional input may be left out.
        model
            The loaded model.
        report
            Called with the number of tiles done, before each tile.

        Returns
        -------
        One array per output, with the output's axes, as large as belongs to the sample.
        """
        given = [tensor for tensor in self._inputs if tensor.id in samples]
        references = {tensor.id: Tensor(samples[tensor.id], tensor.axis_ids) for tensor in given}
        figures = {t.id: self._before[t.id].statistics(samples[t.id], references) for t in given}
        stitched: dict[str, Array] = {}
        for done, tile in enumerate(self.plan.tiles):
            report(done)
            spans = dict(zip(self._lengths, tile.spans, strict=True))
            seen = {}
            for tensor in given:
                places = self._places(tensor, spans, samples[tensor.id])
                part = _take(samples[tensor.id], places)
                seen[tensor.id] = self._before[tensor.id].apply(part, figures[tensor.id], places)
            results = model.run(seen)
            for output in self._outputs:
                self._check(output, results[output.id], spans)
                self._stitch(output, results[output.id], spans, stitched)
        return [self._finished(output, stitched[output.id], references) for output in self._outputs]

    def _check_size(self) -> None:
        for output in self._outputs:
            for link in self._links[output.id]:
                if link is not None and link.size(self._lengths[link.letter]) < 1:
                    raise ImageError(
                        f"The image is too small: {self._lengths[link.letter]} pixels along {link.letter!r} leave "
                        f"none of the model's output {output.id!r}.",
                        fix=f"Give an image with more than {-link.offset / link.ratio} pixels along {link.letter!r}.",
                    )

    def _places(self, tensor: TensorSpec, spans: Mapping[str, Span], sample: Array) -> list[Sequence[int]]:
        """Give, per axis of an input, which pixels of the sample the tile takes."""
        places: list[Sequence[int]] = []
        for link, length in zip(self._links[tensor.id], sample.shape, strict=True):
            if link is None:
                places.append(range(length))
            else:
                span = spans[link.letter]
                first = link.place(span.outer_start)
                places.append(mirrored(first, first + link.size(span.size), length))
        return places

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

    def _stitch(self, output: TensorSpec, array: Array, spans: Mapping[str, Span], stitched: dict[str, Array]) -> None:
        """Put the inner part of a tile's output in its place, processed already where the tile is enough."""
        target, taken = self._windows(output, spans)
        part = array[taken]
        pipeline = self._after[output.id]
        if not pipeline.needs_whole:
            part = pipeline.apply(part, pipeline.statistics(part, {}))
        if output.id not in stitched:
            stitched[output.id] = np.empty(self._shape(output, part), part.dtype)
        stitched[output.id][target] = part

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

    def _shape(self, output: TensorSpec, part: Array) -> tuple[int, ...]:
        """Give the shape of the whole output."""
        return tuple(
            size if link is None else link.size(self._lengths[link.letter])
            for link, size in zip(self._links[output.id], part.shape, strict=True)
        )

    def _finished(self, output: TensorSpec, array: Array, references: Mapping[str, Tensor]) -> Array:
        pipeline = self._after[output.id]
        return pipeline.apply(array, pipeline.statistics(array, references)) if pipeline.needs_whole else array


def _pipeline(tensor: TensorSpec) -> Pipeline:
    return make_pipeline(((op.id, op.kwargs) for op in tensor.ops), tensor.axis_ids)


def _take(sample: Array, places: Sequence[Sequence[int]]) -> Array:
    """Cut a tile; only axes that run over the border are gathered pixel by pixel."""
    for axis, chosen in enumerate(places):
        first, last = chosen[0], chosen[-1]
        if last - first + 1 == len(chosen):
            sample = sample[(slice(None),) * axis + (slice(first, last + 1),)]
        else:
            sample = np.take(sample, np.asarray(chosen), axis=axis)
    return sample
