"""Conformal calibration: coverage on fresh images, what "certified" promises, and what its files survive."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioimg_fiji.errors import ImageError, PackageError, ParameterError
from bioimg_fiji.trust.bounds import DELTA, allowed_miss, certain_miss, fewest_images, p_value
from bioimg_fiji.trust.conformal import Calibration, Sample, calibration_of, pixels_sha256, sample_of

PIXELS = 400


def images(rng: np.random.Generator, count: int, unlike: float = 0.3) -> list[Sample]:
    """Images whose spreads are too small by 2.5, more or less so from image to image, with heavy-tailed errors."""
    found = []
    for number in range(count):
        spread = rng.gamma(3, 1, PIXELS)
        scale = 2.5 * np.exp(unlike * rng.normal())
        found.append(Sample(f"{number}", "", scale * spread * rng.standard_t(5, PIXELS), spread, PIXELS))
    return found


def covered(calibration: Calibration, samples: list[Sample], level: float, bounds: str = "average") -> np.ndarray:
    """Coverage of each image, from the intervals themselves."""
    factor = calibration.factor(level, bounds)
    shares = []
    for sample in samples:
        low, high, _ = calibration.interval(sample.error, sample.spread, factor)
        shares.append(np.mean((low <= 0) & (high >= 0)))
    return np.array(shares)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_coverage_on_fresh_images(level: float) -> None:
    rng = np.random.default_rng(1)
    fresh = images(rng, 200)
    found = [covered(calibration_of("head", images(rng, 40)), fresh, level).mean() for _ in range(20)]
    assert np.mean(found) == pytest.approx(level, abs=0.02)
    calibrated = calibration_of("head", images(rng, 40))
    raw = np.mean([image.raw_coverage for image in calibrated.images])
    assert raw < 0.6  # what the spread itself would have said were 90 %


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 0.99), st.integers(1, 30))
def test_images_themselves_are_covered_to_the_level(seed: int, level: float, count: int) -> None:
    samples = images(np.random.default_rng(seed), count)
    calibration = calibration_of("augmentation", samples)
    # Kept levels are a hundredth apart, and a pixel of one image is a four-hundredth.
    assert covered(calibration, samples, level).mean() == pytest.approx(level, abs=0.0125)
    factors = [calibration.factor(each) for each in (0.5, 0.7, 0.9, 0.99)]
    assert factors == sorted(factors)


def test_certified_holds_but_for_a_tenth() -> None:
    rng = np.random.default_rng(2)
    fresh = images(rng, 2000, 0.5)
    held, average = 0, 0
    for _ in range(100):
        calibration = calibration_of("ensemble", images(rng, 30, 0.5))
        held += covered(calibration, fresh, 0.9, "certified").mean() >= 0.9
        average += covered(calibration, fresh, 0.9).mean() >= 0.9
    assert held >= 90
    assert average < 80  # an average promises nothing of the kind


def test_fewest_images_that_certify() -> None:
    assert [fewest_images(level) for level in (0.5, 0.8, 0.9, 0.95, 0.99)] == [4, 11, 22, 45, 230]
    rng = np.random.default_rng(3)
    calibration = calibration_of("head", images(rng, 21))
    with pytest.raises(ParameterError, match="takes 22 independent calibration images, and the package has 21"):
        calibration.factor(0.9, "certified")
    assert calibration.label() == "empirical (21 images)"
    calibration = calibration_of("head", images(rng, 22))
    assert calibration.factor(0.9, "certified") > calibration.factor(0.9)
    assert calibration.label("certified") == "certified (22 images, with probability 90 %)"
    with pytest.raises(ParameterError, match="45 independent"):
        calibration.factor(0.95, "certified")


@given(st.floats(0.5, 0.99), st.integers(1, 400))
def test_bounds(level: float, count: int) -> None:
    assert allowed_miss(level, count) <= 1 - level
    assert allowed_miss(level, count) >= 1 - level - 0.01 - 1e-12
    miss = certain_miss(level, count)
    assert (miss < 0) == (count < fewest_images(level))
    if miss >= 0:
        assert miss < 1 - level
        assert p_value(miss, 1 - level, count) <= DELTA + 1e-9
        assert p_value(miss + 1e-6, 1 - level, count) > DELTA


def test_floor_widens_where_the_spread_is_nothing() -> None:
    rng = np.random.default_rng(4)
    spread = np.where(np.arange(1000) < 500, 0.0, 2.0)
    samples = [Sample("a", "", rng.normal(0, 1, 1000), spread, 1000)]
    calibration = calibration_of("augmentation", samples)
    assert calibration.floor == pytest.approx(0.1 * np.sqrt(2))
    _, _, width = calibration.interval(np.zeros(1000), spread, calibration.factor(0.9))
    assert (width > 0).all()
    assert width.dtype == np.float32


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.floats(0.5, 0.99))
def test_json_keeps_the_factor(seed: int, count: int, level: float) -> None:
    calibration = calibration_of("ensemble", images(np.random.default_rng(seed), count), ("abc",))
    again = Calibration.from_json(json.loads(json.dumps(calibration.to_json())))
    assert again.factor(level) == pytest.approx(calibration.factor(level), rel=1e-4)
    assert again.members == ("abc",)
    assert Calibration.from_json(again.to_json()) == again


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2"),
        ({"levels": [0.5, 0.9]}, "levels"),
        ({"floor": float("nan")}, "floor"),
        ({"images": []}, "0 images"),
        ({"images": [{}]}, "damaged"),
        ({"spread": "guess"}, "guess"),
        ({"images": None}, "damaged"),
    ],
)
def test_damaged_files_give_no_intervals(change: dict[str, object], message: str) -> None:
    data = calibration_of("head", images(np.random.default_rng(5), 2)).to_json()
    with pytest.raises(PackageError, match=message):
        Calibration.from_json({**data, **change})


def test_quantiles_that_fall_are_refused() -> None:
    data = calibration_of("head", images(np.random.default_rng(5), 1)).to_json()
    data["images"][0]["quantiles"].reverse()
    with pytest.raises(PackageError, match="quantiles of 0"):
        Calibration.from_json(data)


def test_a_calibration_that_knows_no_error_is_refused() -> None:
    data = calibration_of("head", images(np.random.default_rng(5), 1)).to_json()
    data["images"][0]["quantiles"] = [0.0] * len(data["levels"])
    with pytest.raises(PackageError, match="no error at all"):
        Calibration.from_json(data)


def test_held_out_pixels_of_the_training_certify_nothing() -> None:
    found = calibration_of("head", images(np.random.default_rng(5), 30), truth="held-out pixels")
    assert found.label() == "empirical (held-out pixels of 30 images of the training)"
    with pytest.raises(ParameterError, match="not independent of the model"):
        Calibration.from_json(found.to_json()).factor(0.9, "certified")


def test_what_cannot_calibrate() -> None:
    zeros = np.zeros((4, 4))
    with pytest.raises(ImageError, match="no image"):
        calibration_of("head", [])
    for spread in (zeros, zeros + 1):
        with pytest.raises(ImageError, match="no error: the result is the truth"):
            calibration_of("head", [sample_of("a", zeros, spread, zeros)])
    with pytest.raises(ImageError, match="same"):
        sample_of("a", zeros, zeros, np.zeros((4, 5)))
    with pytest.raises(ImageError, match="negative"):
        sample_of("a", zeros, zeros - 1, zeros)
    with pytest.raises(ParameterError, match="50 to 99"):
        calibration_of("head", images(np.random.default_rng(0), 1)).factor(0.995)


def test_left_out_coverage_is_of_the_others() -> None:
    rng = np.random.default_rng(6)
    samples = images(rng, 9, 0.0)
    odd = images(rng, 1, 0.0)[0]
    samples.append(Sample("odd", "", odd.error * 10, odd.spread, PIXELS))
    shares = calibration_of("head", samples).left_out(0.9)
    assert shares[-1] < 0.3
    assert min(shares[:-1]) > 0.85
    assert calibration_of("head", samples[:1]).left_out(0.9) == []


def test_hash_tells_type_and_shape() -> None:
    one = np.arange(6, dtype=np.uint16)
    assert pixels_sha256(one) == pixels_sha256(one.copy())
    assert len({pixels_sha256(each) for each in (one, one.reshape(2, 3), one.astype(np.int16))}) == 3
