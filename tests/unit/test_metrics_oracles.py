"""Metrics of images against scikit-image, torchmetrics and scipy.stats, on real nuclei and on random images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy.ndimage import gaussian_filter
from scipy.stats import linregress, pearsonr
from skimage.measure import block_reduce
from skimage.metrics import normalized_root_mse, peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from bioimg_fiji import metrics

Pair = tuple[np.ndarray, np.ndarray]
WITHIN = 1e-6


def tensor(image: np.ndarray) -> torch.Tensor:
    """Give a plane as torchmetrics takes it, in double precision."""
    return torch.from_numpy(np.asarray(image, np.float64))[None, None]


def random_pair(seed: int, height: int, width: int, offset: float) -> Pair:
    """Give a smooth image and a noisy one of it, in any unit; the offset is in standard deviations."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=(height, width)), 2)
    truth = (smooth / smooth.std() + offset) * 10 ** rng.uniform(-3, 4)
    return truth, truth + rng.normal(0, truth.std() * rng.uniform(0.05, 3), truth.shape)


@pytest.fixture
def nuclei(shared_data: Path) -> Iterator[Pair]:
    """Give real nuclei, and the same with photon noise."""
    rng = np.random.default_rng(0)
    files = sorted((shared_data / "nuclei" / "images").glob("*.tif"))[::10]
    images = [tifffile.imread(file) for file in files]
    return ((image, rng.poisson(image * 2.0) / 2) for image in images)


PAIRS = st.builds(
    random_pair,
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(11, 40),
    width=st.integers(11, 40),
    offset=st.sampled_from([0.0, 10.0, -3.0]),
)


def assert_as_scikit_image(truth: np.ndarray, image: np.ndarray) -> None:
    """Compare all that scikit-image has."""
    truth, image = np.asarray(truth, np.float64), np.asarray(image, np.float64)
    span = truth.max() - truth.min()
    assert metrics.psnr(truth, image) == pytest.approx(
        peak_signal_noise_ratio(truth, image, data_range=span), abs=WITHIN
    )
    for by, name in (("range", "min-max"), ("mean", "mean"), ("euclidean", "euclidean")):
        wanted = abs(normalized_root_mse(truth, image, normalization=name))
        assert metrics.nrmse(truth, image, by) == pytest.approx(wanted, rel=WITHIN)
    options = {"data_range": span, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    assert metrics.ssim(truth, image) == pytest.approx(structural_similarity(truth, image, **options), abs=WITHIN)


def test_real_nuclei_as_scikit_image(nuclei: Iterator[Pair]) -> None:
    for truth, image in nuclei:
        assert_as_scikit_image(truth, image)


@given(PAIRS)
def test_random_images_as_scikit_image(pair: Pair) -> None:
    assert_as_scikit_image(*pair)


def test_real_nuclei_as_torchmetrics(nuclei: Iterator[Pair]) -> None:
    for truth, image in nuclei:
        span = float(np.ptp(truth))
        _, wanted_map = structural_similarity_index_measure(
            tensor(image), tensor(truth), data_range=span, return_full_image=True
        )
        np.testing.assert_allclose(metrics.ssim_map(truth, image), wanted_map[0, 0].numpy(), atol=WITHIN, rtol=0)
        wanted = multiscale_structural_similarity_index_measure(tensor(image), tensor(truth), data_range=span)
        assert metrics.ms_ssim(truth, image) == pytest.approx(float(wanted), abs=WITHIN)


@pytest.mark.parametrize("shape", [(176, 176), (181, 203)])
@pytest.mark.parametrize("seed", range(4))
def test_random_images_as_torchmetrics(seed: int, shape: tuple[int, int]) -> None:
    truth, image = random_pair(seed, *shape, offset=5.0)
    image = 2 * truth.mean() - image if seed == 3 else image  # turned over: terms below 0
    wanted = multiscale_structural_similarity_index_measure(
        tensor(image), tensor(truth), data_range=float(np.ptp(truth))
    )
    assert metrics.ms_ssim(truth, image) == pytest.approx(float(wanted), abs=WITHIN)
    stack = metrics.ms_ssim(np.stack([truth, truth]), np.stack([image, truth]))
    assert stack == pytest.approx((float(wanted) + 1) / 2, abs=WITHIN)


@given(PAIRS)
def test_slopes_of_random_images_as_scipy(pair: Pair) -> None:
    truth, image = pair
    assert metrics.intensity_slope(truth, image) == pytest.approx(
        linregress(truth.ravel(), image.ravel()).slope, rel=WITHIN, abs=WITHIN
    )


def test_slopes_of_blocks_and_regions_as_scipy(nuclei: Iterator[Pair]) -> None:
    for truth, image in nuclei:
        whole = np.s_[: truth.shape[0] // 8 * 8, : truth.shape[1] // 8 * 8]
        means = [block_reduce(np.asarray(each[whole], float), (8, 8), np.mean).ravel() for each in (truth, image)]
        assert metrics.roi_slope(truth, image) == pytest.approx(linregress(*means).slope, rel=WITHIN)
        regions = np.add.outer(np.arange(truth.shape[0]) // 30 * 20, np.arange(truth.shape[1]) // 20)
        labels = np.unique(regions)[1:]
        means = [ndimage.mean(np.asarray(each, float), regions, labels) for each in (truth, image)]
        assert metrics.region_slope(truth, image, regions) == pytest.approx(linregress(*means).slope, rel=WITHIN)


@pytest.mark.parametrize("seed", range(4))
def test_traces_as_scipy_and_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.zeros((40, 4, 5))
    truth[rng.integers(0, 40, 6)] = rng.uniform(50, 100, (6, 4, 5))
    image = 0.6 * truth + rng.normal(20, 8, truth.shape)
    left, right = np.zeros((2, 4, 5))
    left[:, :2], right[:, 3:] = 1, 1
    (real, others), (seen, more) = metrics.traces(truth, [left, right]), metrics.traces(image, [left, right])
    one = metrics.trace_correlation(truth, image, [left])
    assert one == pytest.approx(pearsonr(real, seen).statistic, abs=WITHIN)
    together = [np.concatenate([each - each.mean() for each in pair]) for pair in ((real, others), (seen, more))]
    both = metrics.trace_correlation(truth, image, [left, right])
    assert both == pytest.approx(pearsonr(*together).statistic, abs=WITHIN)
    events = real > 0.5 * real.max()
    rise = (each[events] - each[~events].mean() for each in (real, seen))
    slope = np.linalg.lstsq(next(rise)[:, None], next(rise), rcond=None)[0][0]
    assert metrics.amplitude_slope(truth, image, [left]) == pytest.approx(slope, rel=WITHIN)


@given(PAIRS, st.floats(1e-3, 1e3), st.floats(-1e4, 1e4), st.booleans())
def test_si_psnr_does_not_see_affine_changes(pair: Pair, factor: float, offset: float, turned: bool) -> None:
    truth, image = pair
    changed = (-factor if turned else factor) * image / image.std() + offset
    assert metrics.si_psnr(truth, changed) == pytest.approx(metrics.si_psnr(truth, image), abs=1e-6)


@given(PAIRS)
def test_si_psnr_is_the_psnr_of_the_best_line(pair: Pair) -> None:
    truth, image = pair
    slope, offset = np.polyfit(image.ravel() - image.mean(), truth.ravel(), 1)
    fitted = slope * (image - image.mean()) + offset
    assert metrics.si_psnr(truth, image) == pytest.approx(metrics.psnr(truth, fitted), abs=1e-6)
    assert metrics.si_psnr(truth, image) >= metrics.psnr(truth, image) - 1e-9


def test_values_that_are_defined_at_the_edge() -> None:
    truth = np.add.outer(np.arange(20.0), np.arange(30.0))
    flat = np.full_like(truth, 7)
    assert metrics.si_psnr(truth, 3 * truth - 8) == math.inf
    assert metrics.si_psnr(truth, flat) == pytest.approx(metrics.psnr(truth, np.full_like(truth, truth.mean())))
    assert metrics.nrmse(truth, truth) == 0
    assert metrics.ssim(truth, truth) == pytest.approx(1)
    assert metrics.ssim(flat, flat, data_range=255) == pytest.approx(1)
    assert metrics.psnr(flat, flat + 1, data_range=10) == pytest.approx(20)


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.si_psnr, metrics.nrmse, metrics.ssim, metrics.ms_ssim])
def test_what_has_no_value_is_refused(metric: Any) -> None:
    truth = np.random.default_rng(0).normal(size=(180, 180))
    holed = truth.copy()
    holed[3, 4] = np.nan
    with pytest.raises(ValueError, match="image has pixels that are NaN or infinite"):
        metric(truth, holed)
    with pytest.raises(ValueError, match="truth has pixels that are NaN or infinite"):
        metric(holed, truth)
    with pytest.raises(ValueError, match="no pixels"):
        metric(truth[:0], truth[:0])
    with pytest.raises(ValueError, match="must be the same"):
        metric(truth, truth[1:])
    with pytest.raises(ValueError, match="constant"):
        metric(np.ones_like(truth), truth)
    with pytest.raises(ValueError, match="data_range must be above 0"):
        metric(truth, truth, data_range=0.0)


def test_small_planes_and_zero_norms_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 11"):
        metrics.ssim(np.eye(10), np.eye(10))
    with pytest.raises(ValueError, match="at least 176"):
        metrics.ms_ssim(np.eye(175), np.eye(175))
    centred = np.array([[1.0, -1.0]])
    with pytest.raises(ValueError, match="mean norm is 0"):
        metrics.nrmse(centred, centred, "mean")


def test_regions_have_the_means_that_numpy_gives() -> None:
    rng = np.random.default_rng(0)
    regions = np.zeros((20, 30), np.uint16)
    regions[2:6, 3:9], regions[10:12, 10:20] = 4, 9
    stack = rng.normal(100, 20, (3, 20, 30))
    means = metrics.region_means(stack, regions)
    wanted = [[plane[regions == label].mean() for label in (4, 9)] for plane in stack]
    np.testing.assert_allclose(means, wanted, rtol=1e-12)
    assert metrics.region_slope(stack, 0.7 * stack + 4, regions) == pytest.approx(0.7)
    assert metrics.region_bias(stack, 1.1 * (stack - 10) + 10, regions, offset=10) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="no region"):
        metrics.region_means(stack, 0 * regions)
    with pytest.raises(ValueError, match="along y and x"):
        metrics.region_means(stack, regions[1:])
    with pytest.raises(ValueError, match="no signal"):
        metrics.region_bias(np.ones((20, 30)), np.ones((20, 30)), regions, offset=1)
    with pytest.raises(ValueError, match="no signal"):
        metrics.region_bias(np.ones((20, 30)), np.ones((20, 30)), regions, offset=2)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_ring_correlation_of_a_blurred_pair_is_that_of_theory(sigma: float) -> None:
    rng = np.random.default_rng(int(sigma))
    sharp = rng.normal(size=(20, 128, 128))
    blurred = gaussian_filter(sharp, (0, sigma, sigma), mode="wrap") * 10
    one, other = (blurred + rng.normal(0, 1, blurred.shape) for _ in range(2))
    # Power of the signal 100 exp(-(2 pi f sigma)^2), of the noise 1: S / (S + N) is 1 / 7 where S is 1 / 6.
    theory = 2 * np.pi * sigma / np.sqrt(np.log(600))
    assert metrics.frc_resolution(metrics.frc(one, other)) == pytest.approx(theory, rel=0.1)
