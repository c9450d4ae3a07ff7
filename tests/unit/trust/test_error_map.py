"""The error map: what it finds, what it leaves alone, and that blocks, missing pixels and scales change nothing."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

from benchmarks.artefacts import planted
from bioimg_fiji.commands import error_shown
from bioimg_fiji.errors import ImageError
from bioimg_fiji.image import Image
from bioimg_fiji.metrics import NoiseModel, best_gaussian
from bioimg_fiji.train import synthetic
from bioimg_fiji.trust import errormap, findings
from bioimg_fiji.trust.choice import Asked
from bioimg_fiji.trust.errormap import Found, error_map
from bioimg_fiji.trust.forward import Forward, checked_psf, fit_resolution, gaussian_of_lens
from bioimg_fiji.trust.significance import SCALES, averages, chance_level, strongest

Floats = NDArray[np.float64]
RNG = np.random.default_rng
WHITE = NoiseModel(0.0, 1.0, 1.0)

pytestmark = pytest.mark.timeout(120)


def mapped(result: Any, raw: Any, axes: str = "yx", **asked: Any) -> tuple[Floats, Found]:
    """Give the map, in the order b t c z y x, and what was found."""
    one, other = Image(np.asarray(result), axes), Image(np.asarray(raw), axes)
    found = np.full(other.ordered("btczyx").shape, -1.0)

    def write(index: tuple[int, ...], tile: Any, part: Floats) -> None:
        found[(*index, *tile.inner)] = part

    return found, error_map(one, other, Asked(**asked), write, lambda *_: None)


def structure(seed: int = 0, side: int = 128) -> Floats:
    """Draw spots of many sizes; sharp ones among them."""
    rng = RNG(seed)
    fine, coarse = (rng.random((side, side)) < share for share in (0.004, 0.001))
    return gaussian_filter(900.0 * fine, 1) + gaussian_filter(14400.0 * coarse, 4)


def test_of_white_noise_each_scale_is_normal_and_the_worst_place_is_what_chance_gives() -> None:
    worst, level = [], chance_level(64 * 64)
    assert 4.0 < level < 5.0
    for seed in range(300):
        maps = averages(RNG(seed).normal(size=(64, 64)), np.ones((64, 64), bool))
        worst.append(np.abs(strongest(maps)).max())
    everything = np.stack([averages(RNG(s).normal(size=(64, 64)), np.ones((64, 64), bool)) for s in range(100)])
    assert everything.std(axis=(0, 2, 3)) == pytest.approx(1, abs=0.03)
    assert np.abs(everything[:, :, 0, 0]).mean() == pytest.approx(math.sqrt(2 / math.pi), abs=0.1)  # a corner, too
    share = float(np.mean(np.array(worst) > level))
    assert 0.005 <= share <= 0.09  # 0.05 is meant; the sum over scales is an upper bound


def test_missing_pixels_change_nothing_elsewhere() -> None:
    noise, valid = RNG(0).normal(size=(2000, 12, 12)), np.ones((12, 12), bool)
    valid[3:9, 5] = valid[0, 0] = False
    maps = np.stack([averages(each, valid) for each in noise])
    assert np.isnan(maps[:, :, ~valid]).all()
    assert maps[:, :, valid].std(axis=0) == pytest.approx(1, abs=0.1)


def test_a_known_blur_is_found() -> None:
    sharp = structure()
    for sigma in (0.8, 1.7, 3.0):
        raw = 0.6 * gaussian_filter(sharp, sigma) + 20 + RNG(1).normal(0, 0.5, sharp.shape)
        found = fit_resolution([(raw, sharp[np.newaxis])])
        assert found.sigma == pytest.approx(sigma, rel=0.03)
        assert found.scale == pytest.approx(0.6, rel=0.02)
        assert found.offset == pytest.approx(20, abs=0.5)
    raw = sharp + RNG(1).normal(0, 5, sharp.shape)
    assert fit_resolution([(raw, sharp[np.newaxis])]).sigma < 0.3


def test_of_an_enlarged_result_the_blur_is_found_in_its_own_pixels() -> None:
    sharp = structure(side=256)
    raw = gaussian_filter(sharp, 3.0).reshape(128, 2, 128, 2).mean(axis=(1, 3)) + RNG(1).normal(0, 0.5, (128, 128))
    found = fit_resolution([(raw, sharp[np.newaxis])], 2)
    assert found.sigma == pytest.approx(3.0, rel=0.03)


def test_rse_and_rsp_do_not_see_an_affine_change() -> None:
    raw = structure() + RNG(0).normal(0, 4, (128, 128))
    result = gaussian_filter(raw, 1)
    rows = [mapped(each, raw, method="squirrel")[1].rows[0] for each in (result, 7 * result - 300)]
    assert rows[1].rsp == pytest.approx(rows[0].rsp, abs=1e-9)
    assert rows[1].rse == pytest.approx(rows[0].rse, rel=1e-9)
    assert 0.5 < rows[0].rsp < 1
    other = gaussian_filter(structure(5), 1)
    assert abs(mapped(other, raw, method="squirrel")[1].rows[0].rsp) < 0.3


def test_the_squirrel_map_is_the_error_in_the_raw_images_unit() -> None:
    sharp = structure()
    raw = 2 * gaussian_filter(sharp, 2) + 10 + RNG(0).normal(0, 3, sharp.shape)
    worst, found = mapped(sharp, raw, method="squirrel")
    fit = found.channels[0].scaled
    expected = np.abs(raw - fit.scale * gaussian_filter(sharp, fit.sigma) - fit.offset)
    np.testing.assert_allclose(worst[0, 0, 0, 0], expected, atol=1e-9)
    inner = np.s_[fit.border : -fit.border, fit.border : -fit.border]
    assert found.rows[0].rse == pytest.approx(math.sqrt(np.mean(expected[inner] ** 2)))
    assert found.rows[0].rse == pytest.approx(3, rel=0.05)


def test_auto_takes_what_suits() -> None:
    raw = structure() + 50 + RNG(0).normal(0, 4, (128, 128))
    smooth = gaussian_filter(raw, 1)
    assert mapped(smooth, raw)[1].method == "residual"
    assert mapped(smooth / 1000, raw)[1].method == "squirrel"
    assert mapped(smooth - 5000, raw)[1].method == "squirrel"
    assert mapped(smooth, raw, forward=Forward(sigma=1))[1].method == "reblur"
    both = np.stack([smooth, smooth / 1000]), np.stack([raw, raw])
    assert mapped(*both, "cyx")[1].method == "squirrel"  # the maps of all channels have one unit


def test_a_right_result_has_no_place_and_a_wrong_one_its_places() -> None:
    truth = structure() + 100
    raw = truth + RNG(2).normal(0, 10, truth.shape)
    _, right = mapped(truth, raw)
    assert right.places == ()
    assert right.typical == pytest.approx(1, abs=0.15)
    assert "No place" in findings.sentences(right, "x.tif")[0]
    rows, columns = np.mgrid[:128, :128]
    spot = 40 * np.exp(-((rows - 30) ** 2 + (columns - 90) ** 2) / 8)
    _, added = mapped(truth + spot, raw)
    _, removed = mapped(truth - spot, raw)
    for found, sign in ((added, -1), (removed, 1)):
        place = found.places[0]
        assert len(found.places) == 1
        assert abs(place.y - 30) <= 2
        assert abs(place.x - 90) <= 2
        assert np.sign(place.significance) == sign
        assert place.mask[place.y - place.corner[0], place.x - place.corner[1]]
        assert place.area == np.count_nonzero(place.mask)
    assert "the result has more light" in findings.sentences(added, "x.tif")[0]
    assert "the raw image has more light" in findings.sentences(removed, "x.tif")[0]


def test_blocks_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = RNG(3)
    result = np.stack([structure(seed, 96) for seed in range(4)])
    psf = checked_psf(gaussian_filter(np.pad([[[1.0]]], ((2, 2), (4, 4), (3, 3))), 1.2), "psf")
    padded = np.pad(np.pad(result, ((2, 2), (0, 0), (0, 0)), mode="edge"), ((0, 0), (4, 4), (3, 3)), mode="symmetric")
    raw = fftconvolve(padded, psf, mode="valid") + rng.normal(0, 5, result.shape)
    raw[1, 40, 50] = np.nan
    for asked in ({}, {"method": "squirrel"}, {"forward": Forward(psf=psf)}):
        whole, one = mapped(result, raw, "zyx", noise=NoiseModel(0.1, 25.0, 5.0), **asked)
        with monkeypatch.context() as patch:
            patch.setattr(errormap, "BLOCK", 30)
            parts, other = mapped(result, raw, "zyx", noise=NoiseModel(0.1, 25.0, 5.0), **asked)
        assert np.isnan(whole).sum() == 1
        np.testing.assert_allclose(parts, whole, atol=1e-9)
        for a, b in zip(one.rows, other.rows, strict=True):
            assert (a.index, a.missing) == (b.index, b.missing)
            assert (b.rse, b.rsp, b.worst, b.above) == pytest.approx((a.rse, a.rsp, a.worst, a.above), rel=1e-9)
    assert {row.rsp > 0.9 for row in one.rows} == {True}


def test_the_map_is_never_whole_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errormap, "_CHECKED", 10_000)
    monkeypatch.setattr(error_shown, "_SAMPLE", 10_000)
    raw = RNG(0).normal(100, 5, (40, 256, 256)).astype(np.float32)
    result = np.full_like(raw, 100)
    result[:, 32::64, 32::64] += 80  # places in each plane
    asked = Asked("residual", noise=NoiseModel(0.0, 25.0, 5.0))

    def most_memory(planes: int) -> int:
        images = [Image(each[:planes], "tyx") for each in (result, raw)]
        canvas = error_shown.Canvas(images[0], None)
        tracemalloc.start()
        try:
            found = error_map(*images, asked, canvas.write, lambda *_: None)
            assert len(found.places) == errormap.MOST_PLACES
            assert 0.9 < found.typical < 1.1
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert most_memory(40) - most_memory(10) < 2 * raw[0].nbytes  # for 30 planes more


def test_reblurring_shows_what_the_raw_image_does_not_bear_out() -> None:
    sharp = structure(side=160) + 50
    raw = gaussian_filter(sharp, 2.0) + RNG(0).normal(0, 3, sharp.shape)
    invented = sharp.copy()
    invented[100, 40] += 2500
    right, wrong = (mapped(each, raw, forward=Forward(sigma=2.0))[1] for each in (sharp, invented))
    assert right.places == ()
    assert Forward(sigma=2.0).border == 3
    assert Forward(psf=checked_psf(gaussian_filter(np.pad([[1.0]], 9), 2.0), "psf")).border in (2, 3)
    assert (wrong.places[0].y, wrong.places[0].x) == (pytest.approx(100, abs=1), pytest.approx(40, abs=1))
    assert wrong.places[0].significance < -8
    assert any("neither confirm nor refute" in text for text in findings.sentences(wrong, "x"))


def test_a_result_that_is_enlarged_is_down_sampled() -> None:
    fine = structure(side=256) + 50
    raw = fine.reshape(128, 2, 128, 2).mean(axis=(1, 3)) + RNG(0).normal(0, 3, (128, 128))
    worst, found = mapped(fine, raw)
    assert worst.shape[-2:] == (128, 128)
    assert (found.method, found.places) == ("reblur", ())
    fine[60:68, 120:128] += 30
    assert (mapped(fine, raw)[1].places[0].y, mapped(fine, raw)[1].places[0].x) == (
        pytest.approx(31.5, abs=1.5),
        pytest.approx(61.5, abs=1.5),
    )


def test_planes_channels_and_frames_stand_apart() -> None:
    rng = RNG(4)
    truth = np.stack([structure(seed, 80) for seed in range(12)]).reshape(3, 2, 2, 80, 80) + 30  # t c z y x
    raw = truth + rng.normal(0, 4, truth.shape)
    result = truth.copy()
    result[2, 1, 0, 20:26, 50:56] += 15
    _, found = mapped(result, raw, "tczyx")
    assert [row.index for row in found.rows] == list(np.ndindex(1, 3, 2, 2))
    assert {place.index for place in found.places} == {(0, 2, 1, 0)}
    assert max(found.rows, key=lambda row: row.worst).index == (0, 2, 1, 0)


def test_figures_and_places_are_those_of_the_mask() -> None:
    truth = structure() + 100
    raw = truth + RNG(2).normal(0, 10, truth.shape)
    result = truth.copy()
    result[20:30, 20:30] += 30
    mask = np.zeros(truth.shape, bool)
    mask[:, 64:] = True
    worst, found = mapped(result, raw, mask=mask)
    assert found.places == ()
    assert found.rows[0].worst == pytest.approx(np.abs(worst[0, 0, 0, 0][mask]).max())
    assert worst[0, 0, 0, 0, 25, 25] > 10  # the map is whole
    assert found.chance < mapped(result, raw)[1].chance


def test_missing_pixels_are_told() -> None:
    truth = structure() + 100
    raw = truth + RNG(2).normal(0, 10, truth.shape)
    result = truth.copy()
    result[10, 10:14], raw[90, 90] = np.nan, np.inf
    worst, found = mapped(result, raw)
    assert np.isnan(worst).sum() == found.rows[0].missing == 5
    assert "5 pixels have no value" in findings.sentences(found, "x")[-1]
    blurred = mapped(result, raw, forward=Forward(sigma=1.0))[0]
    assert 4 < np.isnan(blurred).sum() < 200  # beside them, too
    with pytest.raises(ImageError, match="no finite pixels"):
        mapped(np.full_like(truth, np.nan), raw)


def test_noise_as_measured_and_as_told_gives_the_same_to_some_per_cent() -> None:
    _, noisy, truths = synthetic.benchmark_set()
    raw, result = noisy[0], gaussian_filter(truths[0], 2)
    read = (synthetic.GAIN * synthetic.READ_NOISE) ** 2
    told = NoiseModel(synthetic.GAIN, read - synthetic.GAIN * synthetic.OFFSET, math.nan)
    one, other = mapped(result, raw)[0], mapped(result, raw, noise=told, least=read)[0]
    assert np.median(one / other) == pytest.approx(1, abs=0.1)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.99


def test_correlated_noise_and_widespread_errors_are_told() -> None:
    truth = structure() + 100
    white = RNG(2).normal(0, 10, truth.shape)
    raw = truth + gaussian_filter(white, 1)
    spread = findings.sentences(mapped(truth, raw)[1], "x")
    assert any("alike in neighbouring pixels" in text for text in spread)
    kept = findings.sentences(mapped(gaussian_filter(truth + white, 0.7), truth + white)[1], "x")
    assert any("kept a part of the noise" in text for text in kept)
    inverted = findings.sentences(mapped(2 * truth.max() - truth, truth + white)[1], "x")
    assert any("does not follow the raw image" in text for text in inverted)
    assert not any("does not follow the raw image" in text for text in spread)


def test_what_cannot_be_compared_is_refused() -> None:
    flat, raw = np.full((64, 64), 5.0), RNG(0).normal(5, 1, (64, 64))
    with pytest.raises(ImageError, match="64 x 64 pixels"):
        mapped(flat, raw[:60, :60])
    with pytest.raises(ImageError, match="constant"):
        mapped(flat, raw, method="squirrel")
    assert math.isnan(mapped(flat, raw)[1].rows[0].rsp)
    with pytest.raises(ImageError, match="2 times larger"):
        mapped(RNG(1).normal(size=(128, 128)), raw, method="residual")
    with pytest.raises(ImageError, match="No noise"):
        mapped(raw, np.full((64, 64), 5.0))
    with pytest.raises(ImageError, match="cannot be measured"):
        mapped(raw[:10, :10] * 1.0, raw[:10, :10])
    with pytest.raises(ImageError, match="along t"):
        mapped(np.stack([raw, raw]), np.stack([raw] * 3), "tyx")


def test_a_point_spread_function_is_centred_and_has_the_sum_one() -> None:
    pixels = np.zeros((9, 7))
    pixels[5, 1:4] = 1, 2, 1
    psf = checked_psf(pixels, "psf.tif")
    assert psf.shape == (1, 11, 9)
    assert psf[0, 5, 4] == pytest.approx(0.5)
    for wrong in (np.zeros((5, 5)), np.full((5, 5), np.nan)):
        with pytest.raises(ImageError, match="no light"):
            checked_psf(wrong, "psf.tif")
    with pytest.raises(ImageError, match="at most 255"):
        checked_psf(np.ones((300, 300)), "psf.tif")


def test_the_gaussian_of_a_lens_fits_the_airy_disc() -> None:
    from scipy.special import j1

    sigma = gaussian_of_lens(1.4, 0.52, 0.05) * 0.05
    r = np.linspace(1e-6, 0.05, 50)
    v = 2 * np.pi * 1.4 / 0.52 * r
    np.testing.assert_allclose(np.exp(-(r**2) / (2 * sigma**2)), (2 * j1(v) / v) ** 2, atol=0.01)


@pytest.mark.parametrize("kind", ["removed filament", "added spot", "shifted cell"])
def test_planted_artefacts_are_found_and_in_a_shuffled_map_they_are_not(kind: str) -> None:
    _, noisy, truths = synthetic.benchmark_set()
    sigmas = [best_gaussian(truth, raw)[0] for truth, raw in zip(truths, noisy, strict=True)]
    raws = [each.astype(np.float64) for each in noisy]
    artefacts = [each for each in planted.of_phantoms((100, 101, 102)) if each.kind == kind]
    assert len(artefacts) == planted.COUNT

    def restore(number: int, raw: Floats) -> Floats:
        return np.asarray(gaussian_filter(raw, sigmas[number]))

    found = list(planted.found_shares(artefacts, raws, restore))
    assert np.mean([share >= planted.HALF for _, share, _ in found]) >= 0.8
    mixed = [planted.inside(planted.shuffled(worst), each.mask) for each, _, worst in found]
    assert np.mean([share >= planted.HALF for share in mixed]) < 0.1
    assert SCALES == (1.5, 3.0, 6.0)
