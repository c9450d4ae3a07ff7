"""What every training method must do; a new one is tested here by being registered."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bioimg_fiji.image import Image
from bioimg_fiji.train import TrainConfig, synthetic, train
from bioimg_fiji.train.method import Batch, Source
from bioimg_fiji.train.registry import METHODS, method_named

CONFIG = TrainConfig(steps=60, batch_size=2, patch=32, filters=4, depth=1, device="cpu", threads=1)


@pytest.fixture(scope="module")
def images() -> list[Image]:
    rng = np.random.default_rng(0)
    return [Image(synthetic.expose(synthetic.phantom(72, seed=s), rng), "yx") for s in range(2)]


@pytest.fixture(params=sorted(METHODS))
def config(request: pytest.FixtureRequest) -> TrainConfig:
    return dataclasses.replace(CONFIG, method=request.param)


@pytest.fixture
def source(config: TrainConfig, images: list[Image]) -> Source:
    return method_named(config.method).source(images, config)


def same(one: Batch, other: Batch) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("inputs", "targets", "weights"))


def test_registered_under_its_own_name_with_its_paper(config: TrainConfig) -> None:
    method = method_named(config.method)
    assert method.name == config.method
    assert "doi:" in method.paper


def test_batch_depends_on_seed_and_step_alone(source: Source, config: TrainConfig, images: list[Image]) -> None:
    fifth = source.batch(5)
    for step in (0, 9, 3):
        source.batch(step)
    source.validation()
    assert same(source.batch(5), fifth)
    assert not same(source.batch(6), fifth)
    again = method_named(config.method)
    assert same(again.source(images, config).batch(5), fifth)
    assert not same(again.source(images, dataclasses.replace(config, seed=1)).batch(5), fifth)


def test_batch_has_the_agreed_form(source: Source, config: TrainConfig) -> None:
    for batch in (source.batch(0), *source.validation()):
        assert batch.inputs.dtype == batch.targets.dtype == batch.weights.dtype == np.float32
        assert batch.inputs.shape[1] == source.in_channels
        assert batch.targets.shape[1] == 1
        assert batch.targets.shape[2:] == batch.inputs.shape[2:]
        assert batch.weights.shape == batch.targets.shape
        assert batch.weights.min() >= 0
        assert batch.weights.sum() > 0
    assert len(source.batch(0).inputs) == config.batch_size


def test_held_out_pixels_are_never_training_targets(config: TrainConfig) -> None:
    numbered = np.arange(64 * 64, dtype=np.float64).reshape(64, 64)  # every value says where it is
    source = method_named(config.method).source([Image(numbered, "yx")], dataclasses.replace(config, held_out=0.2))
    (block,) = source.data.held_out
    assert block is not None
    held = set(numbered[block].astype(int).ravel().tolist())

    def targets(batch: Batch) -> set[int]:
        values = batch.targets[batch.weights > 0] * source.data.std + source.data.mean
        return set(values.round().astype(int).tolist())

    trained = set().union(*(targets(source.batch(step)) for step in range(150)))
    validated = set().union(*(targets(batch) for batch in source.validation()))
    assert not trained & held
    assert validated <= held
    assert len(trained) > 0.5 * (numbered.size - len(held))


def test_a_short_training_removes_noise(config: TrainConfig, images: list[Image]) -> None:
    model = train(images, dataclasses.replace(config, steps=250, batch_size=4, learning_rate=5e-3))
    assert np.mean(model.history[-20:]) < np.mean(model.history[:10])
    clean = synthetic.truth(synthetic.phantom(72, seed=0))
    noisy = images[0].pixels
    before, after = np.std(noisy - clean), np.std(model.denoise(noisy) - clean)
    assert after < 0.7 * before


def test_blind_spots_hide_the_target_from_the_network(images: list[Image]) -> None:
    source = method_named("n2v").source(images, dataclasses.replace(CONFIG, method="n2v", held_out=0))
    batch = source.batch(0)
    hidden = batch.weights > 0
    assert (batch.inputs[hidden] != batch.targets[hidden]).mean() > 0.99
    assert np.array_equal(batch.inputs[~hidden], batch.targets[~hidden])
