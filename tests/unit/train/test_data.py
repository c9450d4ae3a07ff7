"""Samples, checks, the intensity scale, patches."""

from __future__ import annotations

import numpy as np
import pytest

from bioimg_fiji.errors import AxesError, ImageError, ImageTooSmallError, ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.train.config import PRESETS, TrainConfig
from bioimg_fiji.train.data import _held_out, prepare
from bioimg_fiji.train.registry import method_named
from bioimg_fiji.train.sampling import (
    inside,
    patch_shape,
    place_around,
    places_over,
    random_place,
    spread,
    turned,
)
from bioimg_fiji.train.schedule import one_cycle

CONFIG = TrainConfig(held_out=0.1)


def stack(*shape: int, dtype: type = np.uint16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1000, shape).astype(dtype)


def test_every_plane_is_a_sample_in_raw_units() -> None:
    pixels = stack(3, 2, 40, 48)
    data = prepare([Image(pixels, "tzyx"), Image(stack(64, 36), "yx")], CONFIG)
    assert len(data.samples) == 7
    assert data.smallest == (40, 36)
    assert np.array_equal(data.samples[3][:], pixels[1:2, 1])
    every = np.concatenate([pixels.ravel(), stack(64, 36).ravel()]).astype(float)
    assert data.mean == pytest.approx((every.mean(),), rel=1e-12)
    assert data.std == pytest.approx((every.std(),), rel=1e-12)


def test_channels_belong_to_a_sample_and_have_scales_of_their_own() -> None:
    pixels = stack(3, 2, 40, 48) * np.array([1, 30], np.uint16)[:, None, None]
    data = prepare([Image(pixels, "tcyx")], CONFIG)
    assert len(data.samples) == 3
    assert data.samples[0].shape == (2, 40, 48)
    assert data.names == ("channel 1", "channel 2")
    np.testing.assert_allclose(data.mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(data.std, pixels.std(axis=(0, 2, 3)), rtol=1e-12)
    scaled = data.normalised(np.stack([s[:, :, :] for s in data.samples]))
    np.testing.assert_allclose(scaled.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=(0, 2, 3)), 1, atol=1e-6)
    with pytest.raises(AxesError, match=r"2 channels and .* has 1"):
        prepare([Image(pixels, "tcyx"), Image(stack(40, 40), "yx")], CONFIG)


def test_axes_are_taken_by_name_not_by_place() -> None:
    pixels = stack(48, 5, 40)  # y, z, x
    data = prepare([Image(pixels, "yzx")], CONFIG)
    assert np.array_equal(data.samples[2][0], pixels[:, 2])
    volume = prepare([Image(pixels, "yzx")], TrainConfig(dims=3))
    assert len(volume.samples) == 1
    assert np.array_equal(volume.samples[0][0], pixels.transpose(1, 0, 2))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_normalising_and_back_is_exact_enough(dtype: type) -> None:
    data = prepare([Image((stack(40, 40) % 200).astype(dtype), "yx")], CONFIG)
    scaled = data.normalised(data.samples[0][:])
    assert scaled.dtype == np.float32
    assert scaled.mean() == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(scaled * data.std + data.mean, data.samples[0][:], atol=1e-3)


def test_hash_follows_the_pixels_only() -> None:
    first, second = stack(40, 40), stack(40, 40)
    assert prepare([Image(first, "yx")], CONFIG).sha256 == prepare([Image(second, "yx", title="b")], CONFIG).sha256
    second[3, 4] += 1
    assert prepare([Image(first, "yx")], CONFIG).sha256 != prepare([Image(second, "yx")], CONFIG).sha256
    big = first.astype(first.dtype.newbyteorder(">"))
    assert prepare([Image(first, "yx")], CONFIG).sha256 == prepare([Image(big, "yx")], CONFIG).sha256


@pytest.mark.parametrize(
    ("pixels", "axes", "dims", "error", "text"),
    [
        (stack(40, 31), "yx", 2, ImageTooSmallError, "at least 32"),
        (stack(3, 40, 40), "zyx", 3, ImageTooSmallError, "at least 4"),
        (stack(40, 40), "yx", 3, AxesError, "dims 2"),
        (np.full((40, 40), 7), "yx", 2, ImageError, "nothing to learn"),
        (np.full((40, 40), np.nan), "yx", 2, ImageError, "NaN"),
        (stack(40, 40) > 500, "yx", 2, ImageError, "binary"),
    ],
)
def test_unusable_images_are_refused(
    pixels: np.ndarray, axes: str, dims: int, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        prepare([Image(pixels, axes)], TrainConfig(dims=dims))


def test_no_image_is_refused() -> None:
    with pytest.raises(ImageError, match="no image"):
        prepare([], CONFIG)


def test_held_out_share() -> None:
    data = prepare([Image(stack(100, 100), "yx") for _ in range(4)], CONFIG)
    marked = [inside(b, (slice(0, 100), slice(0, 100)), (100, 100)) for b in data.held_out]
    assert np.mean(marked) == pytest.approx(0.1, rel=0.05)
    assert len({str(b) for b in data.held_out}) > 1


def test_inside_cuts_the_block_to_the_patch() -> None:
    block, place = (slice(10, 20), slice(0, 5)), (slice(15, 31), slice(2, 18))
    expected = np.zeros((16, 16), bool)
    expected[:5, :3] = True
    assert np.array_equal(inside(block, place, (40, 40)), expected)
    assert not inside(block, (slice(20, 36), slice(6, 22)), (40, 40)).any()
    assert not inside(None, place, (40, 40)).any()


def test_patches_stay_inside_and_reach_every_place() -> None:
    rng = np.random.default_rng(0)
    starts = {random_place((19, 33), (16, 32), rng)[0].start for _ in range(200)}
    assert starts == {0, 1, 2, 3}
    assert place_around((slice(0, 4), slice(28, 33)), (19, 33), (16, 32)) == (slice(0, 16), slice(1, 33))


def test_patch_is_cut_down_to_what_fits() -> None:
    assert patch_shape((50, 400), TrainConfig(patch=64), (4, 4)) == (48, 64)
    assert patch_shape((9, 50, 400), TrainConfig(patch=64), (1, 4, 4)) == (9, 48, 64)


def test_turning_gives_the_eight_symmetries() -> None:
    patch, rng = np.arange(9).reshape(3, 3), np.random.default_rng(0)
    assert len({turned([patch], 2, rng)[0].tobytes() for _ in range(300)}) == 8
    assert len({turned([patch], 2, rng, quarter_turns=False)[0].tobytes() for _ in range(300)}) == 4


def test_patches_that_belong_together_are_turned_alike() -> None:
    patch, rng = np.arange(24).reshape(2, 3, 4), np.random.default_rng(0)
    for _ in range(50):
        first, second = turned([patch, patch[1:] + 100], 2, rng)
        assert np.array_equal(first[1:] + 100, second)
        assert set(first.ravel()) == set(patch.ravel())
        assert set(first[0].ravel()) == set(patch[0].ravel())


def test_schedule_rises_and_falls() -> None:
    rates = [one_cycle(step, 200, 1e-3) for step in range(200)]
    assert max(rates) == pytest.approx(1e-3, rel=1e-3)
    assert rates.index(max(rates)) in (19, 20)
    assert rates[0] < 1e-4
    assert rates[-1] < 2e-6


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0), ("steps", True), ("batch_size", 1.5), ("dims", 4), ("learning_rate", -1), ("upsampling", "cubic"),
        ("held_out", 0.9), ("device", "tpu"), ("average", 1.0), ("masked_fraction", 0), ("learning_rate", float("nan")),
    ],
)  # fmt: skip
def test_wrong_parameter_is_named(field: str, value: object) -> None:
    with pytest.raises(ParameterError, match=f"{field} must be") as caught:
        TrainConfig(**{field: value})
    assert caught.value.details["field"] == field


def test_presets_and_changes() -> None:
    assert TrainConfig.preset("quick", seed=5).seed == 5
    steps = [TrainConfig.preset(name).steps for name in PRESETS]
    assert steps == sorted(steps)
    with pytest.raises(ParameterError, match="quick, normal, thorough"):
        TrainConfig.preset("fast")


def test_what_is_held_out_is_the_same_in_all_slices_of_an_image() -> None:
    data = prepare([Image(stack(5, 64, 64), "zyx"), Image(stack(64, 64), "yx")], CONFIG)
    assert len({str(block) for block in data.held_out[:5]}) == 1
    assert str(data.held_out[5]) != str(data.held_out[0])


def test_the_held_out_block_lies_in_the_selection() -> None:
    rows, columns = np.mgrid[:200, :200]
    band = np.abs(rows - columns) < 14  # a diagonal stripe: most blocks of its bounds have little of it
    for seed in range(20):
        block = _held_out((200, 200), TrainConfig(held_out=0.05, seed=seed), 0, band)
        assert block is not None
        assert band[block].mean() > 0.4


def test_validation_covers_the_held_out_block_of_a_single_image() -> None:
    source = method_named("care").source(
        [Image(stack(512, 512), "yx")], TrainConfig(method="care"), [Image(stack(512, 512), "yx")]
    )
    (batch,) = source.validation()
    block = source.data.held_out[0]
    assert block is not None
    assert len(batch.inputs) == 4
    assert batch.weights.sum() >= np.prod([part.stop - part.start for part in block])
    tiny = method_named("n2v").source([Image(stack(32, 32), "yx")], TrainConfig(patch=32))
    assert sum(float(each.weights.sum()) for each in tiny.validation()) > 20


def test_places_cover_a_block() -> None:
    places = places_over((slice(10, 124),), (512,), (64,))
    assert [place[0].start for place in places] == [6, 63]
    assert places_over((slice(0, 20),), (40,), (32,)) == [(slice(0, 32),)]
    assert spread(10, 3) == [0, 4, 9]
    assert spread(2, 16) == [0, 1]


def test_pixels_outside_a_selection_may_be_anything() -> None:
    import roifile

    pixels = stack(80, 80).astype(np.float32)
    pixels[:20] = np.nan
    corners = np.array([(0, 30), (80, 30), (80, 80), (0, 80)], np.float32)
    roi = roifile.ImagejRoi.frompoints(corners)
    roi.roitype = roifile.ROI_TYPE.POLYGON
    data = prepare([Image(pixels, "yx", roi=roi.tobytes())], CONFIG)
    assert data.smallest == (50, 80)
    cut = corners.copy()
    cut[3] = (20, 80)
    other = roifile.ImagejRoi.frompoints(cut)
    other.roitype = roifile.ROI_TYPE.POLYGON
    again = prepare([Image(pixels, "yx", roi=other.tobytes())], CONFIG)
    assert again.smallest == data.smallest
    assert again.sha256 != data.sha256


def test_exposures_are_learnt_from_where_all_are_selected() -> None:
    import roifile

    def selected(x: int) -> Image:
        roi = roifile.ImagejRoi.frompoints(np.array([(x, 0), (x + 50, 0), (x + 50, 96), (x, 96)], np.float32))
        roi.roitype = roifile.ROI_TYPE.POLYGON
        return Image(stack(96, 96), "yx", roi=roi.tobytes())

    config = TrainConfig(method="n2n")
    source = method_named("n2n").source([selected(0), selected(10)], config)
    assert source.data.smallest == (96, 40)
    assert len(set(map(str, source.data.held_out))) == 1
    for number in range(2):
        assert np.array_equal(source.data.samples[number][:][0], stack(96, 96)[:, 10:50])
    with pytest.raises(ImageError, match="32 pixels in common"):
        method_named("n2n").source([selected(0), selected(40)], config)
