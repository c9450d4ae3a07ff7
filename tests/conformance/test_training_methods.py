"""What every training method must do; a new one is tested here by being registered."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.errors import ImageError, ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import About
from bioimg_fiji.predict import predict
from bioimg_fiji.runtime.export import export
from bioimg_fiji.train import TrainConfig, synthetic, train
from bioimg_fiji.train.method import Batch, Source
from bioimg_fiji.train.registry import METHODS, method_named

CONFIG = TrainConfig(steps=60, batch_size=2, patch=32, filters=4, depth=1, device="cpu", threads=1)


PAIRED = ("care",)
"""Methods that learn what the images should become."""


@pytest.fixture(scope="module")
def images() -> list[Image]:
    """Two movies of one scene each, seven exposures long."""
    rng = np.random.default_rng(0)
    scenes = [synthetic.phantom(72, seed=s) for s in range(2)]
    return [Image(np.stack([synthetic.expose(scene, rng) for _ in range(7)]), "tyx") for scene in scenes]


@pytest.fixture(params=sorted(METHODS))
def config(request: pytest.FixtureRequest) -> TrainConfig:
    return dataclasses.replace(CONFIG, method=request.param, noise_axis="x", noise_span=3, frames=2)


def targets_for(config: TrainConfig, images: list[Image]) -> list[Image]:
    """Give what a method learns from besides: another exposure."""
    if config.method == "segmentation":
        rows, columns = np.mgrid[: images[0].size("y"), : images[0].size("x")] // 12
        bright = [image.pixels > np.median(image.pixels) for image in images]
        numbers = (1 + 100 * rows + columns).astype(np.uint16)
        return [image.with_pixels(each * numbers) for image, each in zip(images, bright, strict=True)]
    if config.method not in PAIRED:
        return []
    return [image.with_pixels(np.roll(image.pixels, 1, axis=0)) for image in images]


def make_source(config: TrainConfig, images: list[Image]) -> Source:
    return method_named(config.method).source(images, config, targets_for(config, images))


@pytest.fixture
def source(config: TrainConfig, images: list[Image]) -> Source:
    return make_source(config, images)


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
    assert same(make_source(config, images).batch(5), fifth)
    assert not same(make_source(dataclasses.replace(config, seed=1), images).batch(5), fifth)


def test_batch_has_the_agreed_form(source: Source, config: TrainConfig) -> None:
    for batch in (source.batch(0), *source.validation()):
        assert batch.inputs.dtype == batch.targets.dtype == batch.weights.dtype == np.float32
        assert batch.inputs.shape[1] == source.in_channels
        assert batch.targets.shape[1] == max(1, len(source.channels))
        assert batch.targets.shape[2:] == batch.inputs.shape[2:]
        assert batch.weights.shape == batch.targets.shape
        assert batch.weights.min() >= 0
        assert batch.weights.sum() > 0
    assert len(source.batch(0).inputs) == config.batch_size


def test_held_out_pixels_are_never_training_targets(config: TrainConfig) -> None:
    numbered = np.arange(64 * 64, dtype=np.float64).reshape(64, 64)  # every value says where it is
    frames = np.stack([numbered + n * numbered.size for n in range(5 if config.method == "temporal" else 2)])
    if config.method == "segmentation":  # each image is normalised by itself: two would look the same
        frames = frames[:1]
    source = make_source(dataclasses.replace(config, held_out=0.2), [Image(frames, "tyx")])
    held: set[int] = set()
    wanted = np.roll(frames, 1, axis=0) if config.method in PAIRED else frames
    for frame, block in zip(wanted, source.data.held_out, strict=True):
        assert block is not None
        held |= set(frame[block].astype(int).ravel().tolist())

    def targets(batch: Batch) -> set[int]:
        mean, std = source.data.out_scale
        values = batch.targets[batch.weights > 0] * std + mean
        if source.per_image:  # labels do not tell where they are, the images do
            numbers = batch.inputs[batch.weights[:, :1] > 0] * numbered.std() + numbered.mean()
            values = numbers
        return set(values.round().astype(int).tolist())

    trained = set().union(*(targets(source.batch(step)) for step in range(100 * len(frames))))
    validated = set().union(*(targets(batch) for batch in source.validation()))
    assert not trained & held
    assert validated <= held
    assert len(trained) > 0.4 * (frames.size - len(held))


def test_a_short_training_removes_noise(config: TrainConfig, images: list[Image]) -> None:
    if config.method == "segmentation":
        pytest.skip("it removes no noise; tests/unit/train/test_segmentation.py has its quality")
    changed = dataclasses.replace(config, steps=250, batch_size=4, learning_rate=5e-3)
    model = train(images, changed, targets=targets_for(config, images))
    assert np.mean(model.history[-20:]) < np.mean(model.history[:10])
    clean = synthetic.truth(synthetic.phantom(72, seed=0))
    noisy = images[0].pixels[0]
    denoised = model.denoise(images[0].pixels)[0] if model.window else model.denoise(noisy)
    before, after = np.std(noisy - clean), np.std(denoised - clean)
    assert after < 0.7 * before


@pytest.mark.parametrize("method", ["n2v", "n2v2", "structn2v", "temporal"])
def test_blind_spots_hide_the_target_from_the_network(method: str, images: list[Image]) -> None:
    source = method_named(method).source(
        images, dataclasses.replace(CONFIG, method=method, held_out=0, noise_axis="x", noise_span=5)
    )
    batch = source.batch(0)
    hidden = batch.weights > 0
    if method == "temporal":  # only the middle frame has hidden pixels
        assert batch.inputs.shape[1] == 7
        batch = dataclasses.replace(batch, inputs=batch.inputs[:, 3:4])
    assert (batch.inputs[hidden] != batch.targets[hidden]).mean() > 0.99
    at_most = hidden
    if method == "structn2v":  # and the line to both sides of it, which may reach twice as far
        hidden, at_most = (_along_x(batch.weights > 0, reach) for reach in (2, 4))
    assert np.array_equal(batch.inputs[~at_most], batch.targets[~at_most])
    assert (batch.inputs[hidden] != batch.targets[hidden]).mean() > 0.99


def _along_x(marked: np.ndarray, reach: int) -> np.ndarray:
    """Mark also what lies up to so far along x from what is marked."""
    place = np.arange(marked.shape[-1])
    found = marked.copy()
    for step in (step for step in range(-reach, reach + 1) if step):
        inside = (place - step >= 0) & (place - step < len(place))
        found |= np.roll(marked, step, -1) & inside
    return found


def test_pairs_and_repeats_that_are_none_are_refused(images: list[Image]) -> None:
    single = [Image(images[0].pixels[0], "yx")]
    with pytest.raises(ImageError, match="two exposures"):
        train(single, dataclasses.replace(CONFIG, method="n2n"))
    with pytest.raises(ImageError, match="1 images and 0 targets"):
        train(single, dataclasses.replace(CONFIG, method="care"))
    smaller = Image(images[0].pixels[0, :, :50], "yx", title="small.tif")
    with pytest.raises(ImageError, match=r"small\.tif .* does not match"):
        train(single, dataclasses.replace(CONFIG, method="care"), targets=[smaller])
    with pytest.raises(ParameterError, match="nothing: n2v learns from the image alone"):
        train(single, CONFIG, targets=single)


def test_shifted_pairs_are_told(images: list[Image]) -> None:
    image = Image(images[0].pixels[0], "yx")
    notes: list[str] = []
    for shift in (0, 7):
        target = Image(np.roll(images[0].pixels[1], shift, axis=1), "yx")
        train(
            [image],
            dataclasses.replace(CONFIG, method="care", steps=1),
            targets=[target],
            job=Job(on_note=notes.append),
        )
        assert bool([note for note in notes if "shifted by 7 pixels" in note]) == (shift == 7)


def test_images_of_one_scene_are_repeats_too(images: list[Image]) -> None:
    alone = [Image(pixels, "yx") for pixels in images[0].pixels]
    model = train(alone, dataclasses.replace(CONFIG, method="n2n", steps=2))
    assert model.provenance["method"] == "n2n"


def test_moving_frames_are_told() -> None:
    scene = synthetic.phantom(96, seed=0)
    rng = np.random.default_rng(0)
    frames = np.stack([synthetic.expose(np.roll(scene, 4 * t, axis=1) * 30, rng) for t in range(8)])
    findings = method_named("n2n").look([Image(frames, "tyx")], CONFIG)
    assert [finding.code for finding in findings] == ["changing"]


def test_the_result_of_pairs_is_in_the_units_of_the_targets(images: list[Image], tmp_path: Path) -> None:
    image = Image(images[0].pixels[0], "yx")
    target = Image((images[0].pixels[1] - 100) * 5 + 1000, "yx")
    config = dataclasses.replace(CONFIG, method="care", steps=150, learning_rate=5e-3, batch_size=4)
    model = train([image], config, targets=[target])
    inside = model.denoise(image.pixels)
    np.testing.assert_allclose(inside.mean(), target.pixels.mean(), rtol=0.03)
    package = export(model, About("Care", "Pairs.", "# Care\n\n## Validation\nNone.\n"), tmp_path / "care.zip")
    found = predict(image, package).images["output"]
    np.testing.assert_allclose(found.pixels, inside, rtol=1e-3, atol=0.5)
