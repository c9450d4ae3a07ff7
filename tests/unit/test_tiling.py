"""The tile plan: every pixel once, every tile on the grid, no pixel computed twice without need."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bioimg_fiji.errors import InputError
from bioimg_fiji.tiling import AxisRule, choose_tile, mirrored, plan_tiles

RULES = [
    AxisRule(),
    AxisRule(1, 1, 5),
    AxisRule(8, 4, 28),
    AxisRule(64, 16, 0),
    AxisRule(128, 16, 28),
    AxisRule(50, 8, 3),
    AxisRule(64, 0, 8),
    AxisRule(48, 0, 5),
    AxisRule(100, 0, 0),
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("tile", [None, 1, 33, 96, 128, 500])
def test_every_pixel_once_with_its_halo_on_the_grid(rule: AxisRule, tile: int | None) -> None:
    for length in [1, 2, 3, 7, 47, 48, 49, 63, 64, 65, 100, 128, 129, 200, 301, 512, 777]:
        plan = plan_tiles((length,), (rule,), None if tile is None else (tile,))
        (spans,), (padded,) = plan.axes, plan.padded
        assert padded >= length
        seen = np.zeros(length, int)
        for span in spans:
            seen[span.start : span.stop] += 1
            assert span.outer_start % rule.grid == 0
            assert 0 <= span.outer_start <= span.start < span.stop <= span.outer_stop <= padded
            assert span.outer_start == 0 or span.start - span.outer_start >= rule.halo
            assert span.outer_stop == padded or span.outer_stop - span.stop >= rule.halo
            if rule.step:
                assert span.size >= rule.minimum
                assert (span.size - rule.minimum) % rule.step == 0
            else:
                assert span.size == rule.minimum
            if tile is not None and rule.step:
                assert span.size <= max(tile, rule.smallest_tile, rule.padded(1))
        assert (seen == 1).all()


def test_tiles_partition_an_image_of_three_axes() -> None:
    rules = (AxisRule(8, 4, 6), AxisRule(16, 8, 12), AxisRule(16, 8, 12))
    plan = plan_tiles((21, 130, 77), rules, (16, 64, 48))
    seen = np.zeros(plan.shape, int)
    for tile in plan.tiles:
        seen[tile.inner] += 1
        inner = [s.stop - s.start for s in tile.inner]
        assert inner == [s.stop - s.start for s in tile.local]
    assert (seen == 1).all()
    assert len(plan) == len(plan.tiles) > 8
    assert plan.computed == sum(np.prod([s.size for s in tile.spans]) for tile in plan.tiles)


def test_whole_image_is_one_tile() -> None:
    plan = plan_tiles((301, 257), (AxisRule(8, 4, 28),) * 2)
    assert len(plan) == 1
    assert plan.outer == plan.padded == (304, 260)


def test_sizes_are_evened_out_and_little_is_computed_twice() -> None:
    plan = plan_tiles((2048, 2048), (AxisRule(64, 16, 32),) * 2, (512, 512))
    sizes = {span.size for span in plan.axes[0]}
    assert max(sizes) - min(sizes) <= 64
    assert max(sizes) <= 512
    assert plan.computed / 2048**2 < 1.3


def test_model_of_fixed_size_gets_true_neighbours_rather_than_mirrored_ones() -> None:
    plan = plan_tiles((4856, 3672), (AxisRule(512, 0, 32),) * 2)
    assert plan.padded == (4864, 3680)
    assert all(span.size == 512 for spans in plan.axes for span in spans)
    assert plan_tiles((100, 100), (AxisRule(512, 0, 32),) * 2).padded == (512, 512)


def test_chosen_tile_keeps_the_budget() -> None:
    rules = (AxisRule(8, 4, 28),) * 2
    assert choose_tile((500, 700), rules, 2**20) == (500, 700)
    for shape, budget in itertools.product([(2048, 2048), (300, 9000), (4856, 3672)], [2**17, 2**19, 2**20]):
        tile = choose_tile(shape, rules, budget)
        assert np.prod(tile) <= budget
        assert plan_tiles(shape, rules, tile).outer == tile
    assert choose_tile((2048, 2048), rules, 1) == (60, 60)


def test_chosen_tile_cuts_where_it_costs_least() -> None:
    deep = (AxisRule(8, 4, 28), AxisRule(8, 4, 28), AxisRule(8, 4, 28))
    tile = choose_tile((20, 1024, 1024), deep, 2**19)
    assert tile[0] == 20
    assert np.prod(tile) <= 2**19


@pytest.mark.parametrize(
    ("start", "stop", "length"), [(-3, 5, 4), (0, 9, 5), (2, 4, 5), (-7, 30, 3), (0, 4, 1), (-3, 4, 2)]
)
def test_mirrored_places_are_those_of_numpy(start: int, stop: int, length: int) -> None:
    reference = np.pad(np.arange(length), (max(0, -start), max(0, stop - length)), mode="reflect")
    assert mirrored(start, stop, length) == list(reference[start + max(0, -start) :][: stop - start])


def test_nothing_to_tile_is_an_error() -> None:
    with pytest.raises(InputError, match="no pixels"):
        plan_tiles((0, 5), (AxisRule(), AxisRule()))


def test_fixed_size_that_is_all_halo_is_refused() -> None:
    with pytest.raises(ValueError, match="all halo"):
        AxisRule(64, 0, 32)
