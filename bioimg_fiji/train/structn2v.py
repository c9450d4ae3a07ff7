"""StructN2V: Noise2Void for noise that is correlated along a line (Broaddus et al., ISBI 2020).

Scanners and line cameras give noise that neighbouring pixels of a line share. Around each pixel whose value is to be
told, the pixels of its line are hidden too, as far as the correlation reaches. What is shown in their place comes from
other lines nearby: the paper shows uniform random numbers, which do not follow the image's brightness. And the length
that is hidden varies from one pixel to the next (`masking.hide_lines` says why).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.errors import UnsuitableMethodError
from bioimg_fiji.image import Image
from bioimg_fiji.train import noise_check
from bioimg_fiji.train.catalogue import CATALOGUE
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import TrainingData, no_targets, prepare
from bioimg_fiji.train.masking import hide_lines
from bioimg_fiji.train.n2v import Noise2Void, Noise2VoidSource
from bioimg_fiji.train.stored import TrainingImage, excerpt


class StructN2V(Noise2Void):
    """Noise2Void with lines of hidden pixels."""

    name = "structn2v"
    paper = CATALOGUE["structn2v"].paper

    def look(
        self, images: Sequence[Image], config: TrainConfig, targets: Sequence[Image] = ()
    ) -> list[noise_check.Finding]:
        """Look for noise that is correlated across the line, which this method would keep, and for a better method."""
        del targets
        axis, _ = line_of(images, config)
        found = noise_check.look(images, independent_in=tuple(a for a in ("y", "x") if a != axis))
        return noise_check.advised(found, images, self.name)

    def source(
        self, images: Sequence[TrainingImage], config: TrainConfig, targets: Sequence[TrainingImage] = ()
    ) -> StructN2VSource:
        """Prepare the data; axis and span are measured where they are not given.

        Raises
        ------
        UnsuitableMethodError
            When they are to be measured and the noise is correlated along no axis.
        """
        no_targets(targets, self.name)
        return StructN2VSource(prepare(images, config), config, *line_of([excerpt(image) for image in images], config))


def line_of(images: Sequence[Image], config: TrainConfig) -> tuple[str, int]:
    """Give the axis of the lines and their length in pixels: as configured, else as measured."""
    axis, span = config.noise_axis, config.noise_span
    if axis != "auto" and span:
        return axis, span
    reach = noise_check.reach(images)
    if axis == "auto":
        axis = max(reach, key=lambda each: reach[each])
    if not span:
        if reach[axis] == 0:
            raise UnsuitableMethodError(
                f"The noise is not correlated along {'y or x' if config.noise_axis == 'auto' else axis}, as far as "
                "can be measured: there is no line to hide.",
                fix="Use method n2v, or give noise_axis and noise_span.",
            )
        span = 2 * reach[axis] + 1
    return axis, span


class StructN2VSource(Noise2VoidSource):
    """Patches with blind lines."""

    quarter_turns = False

    def __init__(self, data: TrainingData, config: TrainConfig, axis: str, span: int) -> None:
        super().__init__(data, config)
        self.axis, self.span = axis, span
        self._place = len(data.smallest) - (2 if axis == "y" else 1)

    def hidden(
        self, patches: NDArray[np.float32], positions: NDArray[np.intp], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Give patches in which the lines around `positions` cannot be seen."""
        return hide_lines(patches, positions, self._place, self.span, self._config.radius, rng)
