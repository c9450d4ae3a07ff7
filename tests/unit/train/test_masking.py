"""Blind spots."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bioimg_fiji.train.masking import hide_lines, neighbour_values, stratified_mask


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


def _moved(batch: NDArray[np.float32], hidden: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give where a batch, whose values are their own flat indices, was replaced, and where those values are from."""
    changed = np.argwhere(hidden != batch).T
    sources = np.array(np.unravel_index(hidden[tuple(changed)].astype(int), batch.shape))
    return changed, sources


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("radius", [1, 2, 16])
def test_hidden_lines_show_pieces_of_other_lines_at_the_border_too(axis: int, radius: int) -> None:
    size, span = 16, 5
    batch = np.arange(1, 2 * size * size + 1, dtype=np.float32).reshape(2, size, size)
    rng = np.random.default_rng(4)
    for y, x in ((0, 0), (1, 7), (8, 8), (size - 1, size - 2), (size - 1, size - 1)):
        for _ in range(50):
            positions = np.array([[1], [y], [x]])
            hidden = hide_lines(batch, positions, axis, span, radius, rng)
            place, source = _moved(batch - 1, hidden - 1)
            assert (place[0] == 1).all()
            assert (source[0] == 1).all()
            across = 2 - axis
            assert (place[across] == (y, x)[1 - axis]).all()
            assert len(np.unique(source[across])) == 1
            assert 0 < abs(source[across][0] - place[across][0]) <= radius
            shown = (positions[1 + axis][0] - place[1 + axis].min(), place[1 + axis].max() - positions[1 + axis][0])
            room = (positions[1 + axis][0], size - 1 - positions[1 + axis][0])
            for told, limit in zip(shown, room, strict=True):
                assert min(span // 2, limit) <= told <= min(2 * (span // 2), limit)


def test_a_hidden_piece_is_moved_as_a_whole_and_its_length_varies() -> None:
    batch = np.arange(1, 64 * 64 + 1, dtype=np.float32).reshape(1, 64, 64)
    rng, lengths, steps = np.random.default_rng(5), set(), set()
    for _ in range(300):
        hidden = hide_lines(batch, np.array([[0], [30], [30]]), 1, 9, 2, rng)
        place, source = _moved(batch - 1, hidden - 1)
        moves = np.unique(source - place, axis=1)
        assert moves.shape[1] == 1
        lengths.add((30 - place[2].min(), place[2].max() - 30))
        steps.add(tuple(moves[1:, 0].tolist()))
    assert lengths == {(a, b) for a in range(4, 9) for b in range(4, 9)}
    assert steps == {(y, x) for y in (-2, -1, 1, 2) for x in range(-2, 3)}


def test_hidden_lines_in_a_volume_come_from_another_line_of_any_axis() -> None:
    batch = np.arange(1, 4 * 8 * 32 + 1, dtype=np.float32).reshape(1, 4, 8, 32)
    rng, seen = np.random.default_rng(6), set()
    for _ in range(300):
        hidden = hide_lines(batch, np.array([[0], [0], [4], [16]]), 2, 5, 1, rng)
        place, source = _moved(batch - 1, hidden - 1)
        seen |= set(map(tuple, (source - place)[1:3].T.tolist()))
    assert seen == {(0, 1), (0, -1), (1, 0), (1, 1), (1, -1)}
