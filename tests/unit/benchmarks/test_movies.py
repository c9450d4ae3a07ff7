"""The check that tells a denoised movie that can be measured from one that only looks good."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.training.movies import (
    EXCLUDED,
    CentreExcluded,
    Judged,
    failures,
    judge,
    registered,
    without_centre,
)
from bioimg_fiji import Image
from bioimg_fiji.train import TrainConfig, synthetic
from bioimg_fiji.train.registry import METHODS, method_named

Spikes = tuple[NDArray[np.float32], list[NDArray[np.float64]], NDArray[np.float32]]


@pytest.fixture(scope="module")
def spikes() -> Spikes:
    """Give truth, weights and noisy movie of events of one frame."""
    photons, weights = synthetic.movie("spikes")
    return synthetic.truth(photons), weights, synthetic.expose(photons, np.random.default_rng(2))


def test_a_denoiser_without_the_middle_frame_fails(spikes: Spikes) -> None:
    """The mean of the six frames around it: better in PSNR than the raw movie by far, and blind to every event."""
    truth, weights, noisy = spikes
    around = np.mean([np.roll(noisy, step, axis=0) for step in (-3, -2, -1, 1, 2, 3)], axis=0)
    found = judge(truth, around, weights)
    assert found.psnr > judge(truth, noisy, weights).psnr + 5
    told = failures(found)
    assert len(told) == 2
    assert "trace correlation" in told[0]
    assert "amplitude slope" in told[1]
    assert abs(found.trace) < 0.2
    assert abs(found.amplitude) < 0.1


def test_halved_events_fail_by_their_height_alone(spikes: Spikes) -> None:
    truth, weights, _ = spikes
    still = np.median(truth, axis=0)
    found = judge(truth, still + (truth - still) / 2, weights)
    assert found.trace == pytest.approx(1, abs=1e-3)
    assert found.amplitude == pytest.approx(0.5, abs=0.01)
    assert failures(found) == [f"amplitude slope {found.amplitude:.3f} is below 0.9"]


def test_the_truth_and_a_third_of_the_noise_pass(spikes: Spikes) -> None:
    truth, weights, noisy = spikes
    assert failures(judge(truth, truth, weights)) == []
    assert failures(judge(truth, truth + (noisy - truth) / 3, weights)) == []


def test_no_figure_is_no_pass() -> None:
    assert len(failures(Judged(30.0, 0.0, 1.0, float("nan"), float("nan")))) == 2


def test_the_excluded_net_never_sees_the_middle_frame() -> None:
    movie = np.random.default_rng(0).poisson(20, (9, 40, 40)).astype(np.float32)
    config = TrainConfig(method=EXCLUDED, batch_size=2, patch=32, filters=2, depth=1, device="cpu")
    with registered(CentreExcluded()):
        source = method_named(EXCLUDED).source([Image(movie, "tyx")], config)
    assert EXCLUDED not in METHODS
    for batch in (source.batch(0), *source.validation()):
        middle = batch.inputs.shape[1] // 2
        assert batch.inputs.shape[1] == 7
        assert (batch.inputs[:, middle] == 0).all()
        assert (np.delete(batch.inputs, middle, axis=1) != 0).any(axis=(1, 2, 3)).all()
        assert batch.targets.any()


def test_a_model_is_run_without_the_middle_frame() -> None:
    """A stand-in for a model, which gives the sum of the frames that it sees."""
    model = SimpleNamespace(
        kwargs={"in_channels": 3}, mean=(10.0,), outputs=lambda window: window.sum(axis=0, keepdims=True)
    )
    movie = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    found = without_centre(model, movie)
    np.testing.assert_array_equal(found[:, 0, 0], [1 + 10 + 1, 0 + 10 + 2, 1 + 10 + 3, 2 + 10 + 2])
