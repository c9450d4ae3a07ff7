"""Blind spots."""

from __future__ import annotations

import numpy as np
import pytest

from bioimg_fiji.train.masking import neighbour_values, stratified_mask


@pytest.mark.parametrize("shape", [(3, 64, 64), (2, 8, 32, 40)])
def test_mask_has_the_asked_share_and_lies_inside(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    share = np.mean([stratified_mask(shape, 0.01, rng).shape[1] / np.prod(shape) for _ in range(200)])
    axes = len(shape) - 1
    side = {2: 10, 3: 5}[axes]
    assert share == pytest.approx(side**-axes, rel=0.02)
    positions = stratified_mask(shape, 0.01, rng)
    assert (positions >= 0).all()
    assert (positions < np.array(shape)[:, None]).all()
    assert len(np.unique(positions, axis=1).T) == positions.shape[1]


def test_every_pixel_is_equally_likely() -> None:
    rng, counts = np.random.default_rng(1), np.zeros((1, 20, 20))
    for _ in range(20_000):
        counts[tuple(stratified_mask((1, 20, 20), 0.04, rng))] += 1
    expected = 20_000 * 0.04
    assert abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_masked_pixels_keep_apart() -> None:
    _, y, x = stratified_mask((1, 200, 200), 0.01, np.random.default_rng(2))
    marked = np.zeros((200, 200))
    marked[y, x] = 1
    boxes = marked.reshape(20, 10, 20, 10).sum(axis=(1, 3))
    assert boxes.max() <= 4  # a random mask of this share has boxes of five and more


@pytest.mark.parametrize("radius", [1, 2, 5])
def test_replacement_is_a_neighbour_and_never_the_pixel_itself(radius: int) -> None:
    size = 12
    batch = np.arange(2 * size * size, dtype=np.float32).reshape(2, size, size)
    everywhere = np.indices(batch.shape).reshape(3, -1)
    rng = np.random.default_rng(3)
    offsets = set()
    for _ in range(200):
        values = neighbour_values(batch, everywhere, radius, rng).astype(int)
        sample, y, x = np.unravel_index(values, batch.shape)
        assert (sample == everywhere[0]).all()
        dy, dx = y - everywhere[1], x - everywhere[2]
        assert max(abs(dy).max(), abs(dx).max()) <= radius
        assert not ((dy == 0) & (dx == 0)).any()
        offsets |= set(zip(dy.tolist(), dx.tolist(), strict=True))
    assert len(offsets) == (2 * radius + 1) ** 2 - 1


def test_replacement_in_a_volume() -> None:
    batch = np.arange(4 * 6 * 8, dtype=np.float32).reshape(1, 4, 6, 8)
    everywhere = np.indices(batch.shape).reshape(4, -1)
    values = neighbour_values(batch, everywhere, 1, np.random.default_rng(0)).astype(int)
    found = np.array(np.unravel_index(values, batch.shape))
    distance = abs(found - everywhere).max(axis=0)
    assert (distance == 1).all()
