"""A temporal blind spot: a movie's frame is told from itself, with hidden pixels, and from its neighbours in time.

The network sees a frame and those before and after it as channels; only pixels of the frame itself are hidden, as in
Noise2Void (Krull et al., CVPR 2019). Neighbours show more of what stands still or changes slowly, so still parts come
out cleaner than from single frames. NB: a network that does not see the frame at all (as in Lecoq et al., Nature
Methods 2021) cannot know what happens in that frame alone; this one can, but spreads a part of it to the neighbours'
expectation: amplitudes of single-frame events shrink. To measure those, Noise2Void on single frames keeps them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.errors import AxesError
from bioimg_fiji.image import Image
from bioimg_fiji.tiling import mirrored
from bioimg_fiji.train import noise_check
from bioimg_fiji.train.catalogue import CATALOGUE
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import TrainingData, no_targets, prepare
from bioimg_fiji.train.n2v import Noise2Void, Noise2VoidSource
from bioimg_fiji.train.stored import LEADING, Block, Sample, TrainingImage, about, leading_shape


class Temporal(Noise2Void):
    """Noise2Void that sees neighbouring frames."""

    name = "temporal"
    paper = CATALOGUE["temporal"].paper

    def look(
        self, images: Sequence[Image], config: TrainConfig, targets: Sequence[Image] = ()
    ) -> list[noise_check.Finding]:
        """Look for noise that is correlated in space or in time, and for events of single frames."""
        del targets, config
        found = noise_check.look(images, independent_in=("t", "y", "x")) + noise_check.flashes(images)
        return noise_check.advised(found, images, self.name)

    def source(
        self, images: Sequence[TrainingImage], config: TrainConfig, targets: Sequence[TrainingImage] = ()
    ) -> TemporalSource:
        """Prepare the data.

        Raises
        ------
        AxesError
            When an image has too few frames, or several channels.
        """
        no_targets(targets, self.name)
        if config.dims != 2:
            raise AxesError("Method temporal learns from planes over time.", fix="Set dims to 2.")
        for image in images:
            _check(about(image), 2 * config.frames + 1)
        data = prepare(images, config)
        samples = [
            sample for image, movie in _movies(images, data) for sample in _windowed(image, movie, config.frames)
        ]
        return TemporalSource(dataclasses.replace(data, samples=tuple(samples)), config)


@dataclass(frozen=True)
class FrameWindow:
    """A frame with its neighbours as channels: (2 k + 1, y, x); at the ends of the movie they are mirrored."""

    frames: tuple[Sample, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values."""
        return self.frames[0].dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes (c, y, x)."""
        return (len(self.frames), *self.frames[0].shape[1:])

    def __getitem__(self, place: Block, /) -> NDArray[Any]:
        """Give a part."""
        channels, *rest = place
        return np.concatenate([frame[(slice(None), *rest)] for frame in self.frames[channels]])


class TemporalSource(Noise2VoidSource):
    """Patches of frames with their neighbours; pixels of the middle frame are hidden."""

    def __init__(self, data: TrainingData, config: TrainConfig) -> None:
        self.window = config.frames
        self.network = {"out_channels": 1}
        super().__init__(data, config)

    @property
    def seen(self) -> slice:
        """The middle frame."""
        return slice(self.window, self.window + 1)


def _check(image: Image, least: int) -> None:
    if image.size("t") < least:
        raise AxesError(
            f"{image.title} has {image.size('t')} frame{'' if image.size('t') == 1 else 's'} (axes {image.axes}); "
            f"method temporal needs at least {least}.",
            fix="If ImageJ takes your movie for a stack, say axes=tyx; else use method n2v.",
            axis="t",
            minimum=least,
            got=image.size("t"),
        )
    if image.size("c") > 1:
        raise AxesError(
            f"{image.title} has {image.size('c')} channels; method temporal learns from one.",
            fix="Duplicate the channel (Image > Duplicate...), and train a model for each.",
            axis="c",
        )


def _movies(images: Sequence[TrainingImage], data: TrainingData) -> list[tuple[TrainingImage, tuple[Sample, ...]]]:
    """Give each image with its samples."""
    found, first = [], 0
    for image in images:
        count = int(np.prod(leading_shape(image, 2)))
        found.append((image, data.samples[first : first + count]))
        first += count
    return found


def _windowed(image: TrainingImage, movie: Sequence[Sample], reach: int) -> list[FrameWindow]:
    """Give a window for each sample (b, t, z in this order) of a movie."""
    shape = leading_shape(image, 2)
    axis = LEADING[2].index("t")
    numbers = np.arange(len(movie)).reshape(shape)
    windows = []
    for place in np.ndindex(*shape):
        line = numbers[(*place[:axis], slice(None), *place[axis + 1 :])]
        frames = mirrored(place[axis] - reach, place[axis] + reach + 1, shape[axis])
        windows.append(FrameWindow(tuple(movie[line[t]] for t in frames)))
    return windows
