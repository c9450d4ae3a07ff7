"""What the look says of a better method, and of events of single frames."""

from __future__ import annotations

import numpy as np
import pytest

from bioimg_fiji.image import Image
from bioimg_fiji.train import TrainConfig, synthetic
from bioimg_fiji.train.noise_check import Severity, advice, flashes, recommend
from bioimg_fiji.train.registry import method_named


def film(kind: str) -> Image:
    photons, _ = synthetic.movie(kind, frames=120)
    return Image(synthetic.expose(photons, np.random.default_rng(0)), "tyx", title=f"{kind}.tif")


def lines() -> Image:
    noise = np.random.default_rng(0).normal(0, 8, (20, 96, 96))
    return film("slow").with_pixels(100 + noise + np.roll(noise, 1, axis=2))


def codes(method: str, image: Image) -> list[str]:
    config = TrainConfig(method=method, noise_axis="x", noise_span=3)
    return [finding.code for finding in method_named(method).look([image], config)]


@pytest.mark.parametrize(
    ("method", "spikes", "slow"),
    [
        ("n2v", [], ["advice"]),
        ("n2v2", [], ["advice"]),
        ("structn2v", ["advice"], ["advice"]),
        ("temporal", ["flashes"], []),
        ("n2n", ["flashes"], ["advice"]),
    ],
)
def test_every_method_names_the_better_one_once(method: str, spikes: list[str], slow: list[str]) -> None:
    assert codes(method, film("spikes")) == spikes
    assert codes(method, film("slow")) == slow


def test_the_advice_is_the_recommendation() -> None:
    found = advice([film("slow")], "n2v")
    assert found is not None
    assert found.severity is Severity.NOTE
    assert found.sentence == recommend([film("slow")]).sentence
    assert "method temporal" in found.sentence
    assert advice([film("slow")], "temporal") is None


def test_flashes_are_told_with_the_method_that_measures_them() -> None:
    (finding,) = flashes([film("slow"), film("spikes")])
    assert finding.severity is Severity.NOTE
    assert "events of single frames in spikes.tif" in finding.sentence
    assert "method n2v, which keeps their height" in finding.sentence
    assert abs(finding.figures["smooth"]) < 0.2
    assert flashes([film("slow")]) == []
    both = film("spikes")
    both = both.with_pixels((both.pixels + np.roll(both.pixels, 1, 1) + np.roll(both.pixels, 1, 2)) / 3)
    (finding,) = flashes([both])
    assert "keep their height, and the correlated noise too" in finding.sentence  # n2v would be refused


def test_what_the_look_has_said_is_not_said_again() -> None:
    assert codes("n2v", lines()) == ["correlated_noise"]
    assert codes("structn2v", lines()) == []
    assert codes("n2n", lines()) == []  # which does not ask what the noise is like in space


def test_repeats_are_not_sent_to_methods_of_single_images() -> None:
    rng = np.random.default_rng(0)
    scene = synthetic.phantom(seed=0)
    repeats = [Image(synthetic.expose(scene, rng), "yx") for _ in range(2)]
    assert recommend(repeats).method == "n2v"
    assert advice(repeats, "n2n") is None
    structn2v = advice(repeats, "structn2v")
    assert structn2v is not None
    assert "method n2v suits it" in structn2v.sentence
