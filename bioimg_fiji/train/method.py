"""What a training method is: two small protocols and the batch that passes between them and the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.image import Image
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import TrainingData
from bioimg_fiji.train.noise_check import Finding
from bioimg_fiji.train.stored import TrainingImage


@dataclass(frozen=True)
class Batch:
    """What one step compares: float32 arrays (b, c, (z,) y, x); `weights` says which outputs count."""

    inputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]


class Source(Protocol):
    """Where the batches of one training come from."""

    data: TrainingData
    window: int
    """Frames on each side that the input's channels are; 0 where they are an image's channels."""
    network: Mapping[str, Any]
    """Arguments of the network that the method needs to be other than the configuration's."""
    per_image: bool
    """Whether each image is normalised by its own mean and standard deviation."""
    channels: tuple[str, ...]
    """Names of what the network gives, where that is more than one channel."""
    objects: Mapping[str, int]
    """How objects are found in it ("minimum_size", pixels); empty for what has none."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels of the images."""
        ...

    @property
    def in_channels(self) -> int:
        """Channels that the network sees."""
        ...

    @property
    def patch(self) -> tuple[int, ...]:
        """Size of a patch of the input along each spatial axis."""
        ...

    def batch(self, step: int) -> Batch:
        """Give the batch of a step, a function of the seed and the step alone."""
        ...

    def validation(self) -> list[Batch]:
        """Give the batches of the validation loss, always the same ones."""
        ...


class Method(Protocol):
    """A way to train."""

    name: str
    """Its key in `bioimg_fiji.train.catalogue`, where its title, kind and the like are."""
    paper: str
    """The paper that it follows, with its doi, as the catalogue has it."""

    def look(self, images: Sequence[Image], config: TrainConfig, targets: Sequence[Image] = ()) -> list[Finding]:
        """Say before training what in the images speaks against this method."""
        ...

    def source(
        self, images: Sequence[TrainingImage], config: TrainConfig, targets: Sequence[TrainingImage] = ()
    ) -> Source:
        """Prepare the data; `targets` are what the images should become, for methods that learn from pairs."""
        ...
