"""N2V2: Noise2Void without its checkerboard (Hoeck, Buchholz, Brachmann, Jug, Freytag, ECCV Workshops 2022).

Three changes: a hidden pixel shows the median of its neighbours, not one of them, so that the network does not learn to
copy single pixels; the network blurs before it pools, against aliasing (Zhang 2019); and it has no skip at the finest
level, by which single pixels would pass. It needs more steps than Noise2Void.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.train.catalogue import CATALOGUE
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import no_targets, prepare
from bioimg_fiji.train.masking import median_values
from bioimg_fiji.train.n2v import Noise2Void, Noise2VoidSource
from bioimg_fiji.train.stored import TrainingImage


class N2V2(Noise2Void):
    """N2V2 on single images, movies and stacks, in two or three dimensions."""

    name = "n2v2"
    paper = CATALOGUE["n2v2"].paper

    def source(
        self, images: Sequence[TrainingImage], config: TrainConfig, targets: Sequence[TrainingImage] = ()
    ) -> N2V2Source:
        """Prepare the data."""
        no_targets(targets, self.name)
        return N2V2Source(prepare(images, config), config)


class N2V2Source(Noise2VoidSource):
    """Patches whose hidden pixels show a median."""

    network: Mapping[str, Any] = {"pooling": "blur", "top_skip": False}

    def hidden(
        self, patches: NDArray[np.float32], positions: NDArray[np.intp], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Give patches in which the pixels at `positions` show the median around them."""
        del rng
        inputs = patches.copy()
        inputs[tuple(positions)] = median_values(patches, positions, self._config.radius)
        return inputs
