"""Turned images and what further runs tell: geometry, which turns suit, and that the result itself stays."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioimg_fiji.errors import PackageError, ParameterError
from bioimg_fiji.files.source import MemorySource, Source
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.predict import PredictOptions, predict
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package, write_random_unet
from bioimg_fiji.trust import turns
from bioimg_fiji.trust.spread import Member, Sums, members_of, predict_spread, spread_of, spreading, turns_of
from bioimg_fiji.trust.turns import PLAIN, Turn, TurnedSource, blocks, turned

TURNS = st.builds(Turn, st.booleans(), st.sampled_from(["", "y", "x", "yx", "z", "zy", "zx", "zyx"]))


@pytest.fixture(autouse=True)
def _cache(cache: Path) -> None:
    cache.mkdir()


def volume() -> Image:
    return Image(np.arange(4 * 5 * 6).reshape(4, 5, 6), "zyx", scales={"x": Scale(2.0, "µm"), "y": Scale(0.5, "µm")})


@given(TURNS)
def test_a_turn_and_back_is_the_image(turn: Turn) -> None:
    image = volume()
    there = turned(image, turn)
    np.testing.assert_array_equal(turned(there, turn.back).pixels, image.pixels)
    assert dict(turned(there, turn.back).scales) == dict(image.scales)
    wanted = image.pixels.swapaxes(1, 2) if turn.exchanged else image.pixels
    wanted = np.flip(wanted, [there.axes.index(letter) for letter in turn.mirrored])
    np.testing.assert_array_equal(there.pixels, wanted)
    assert there.scale("y").step == (2.0 if turn.exchanged else 0.5)


@given(TURNS, st.data())
def test_parts_of_a_turned_image_are_those_of_the_whole(turn: Turn, data: st.DataObject) -> None:
    source = TurnedSource(MemorySource(volume()), turn)
    whole = turned(volume(), turn).pixels
    place = []
    for size in whole.shape:
        start = data.draw(st.integers(0, size - 1))
        place.append(slice(start, data.draw(st.integers(start + 1, size))))
    np.testing.assert_array_equal(source.read(tuple(place)), whole[tuple(place)])


def test_blocks_are_all_pixels_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_BLOCK", 13)
    seen = np.zeros(volume().shape, int)
    for place in blocks(volume()):
        assert seen[place].size <= 13
        seen[place] += 1
    assert (seen == 1).all()


@pytest.fixture
def unet(tmp_path: Path) -> ModelPackage:
    return write_random_unet(tmp_path / "unet.zip")


def picture(axes: str = "yx", size: int = 40) -> Image:
    sizes = {"t": 2, "z": 6, "c": 2, "y": size, "x": size + 8}
    pixels = np.random.default_rng(0).normal(100, 10, [sizes[letter] for letter in axes]).astype(np.float32)
    return Image(pixels, axes, title="raw.tif")


def test_which_turns_suit(tmp_path: Path, unet: ModelPackage) -> None:
    assert len(turns_of(picture(), unet)) == 7
    flat = dataclasses.replace(picture(), scales={"x": Scale(0.1, "µm"), "y": Scale(0.3, "µm")})
    assert {turn.exchanged for turn in turns_of(flat, unet)} == {False}
    assert len(turns_of(flat, unet)) == 3
    lines = write_random_unet(tmp_path / "lines.zip", provenance={"method": "structn2v"})
    assert {turn.exchanged for turn in turns_of(picture(), lines)} == {False}
    deep = write_random_unet(tmp_path / "deep.zip", ndim=3)
    found = turns_of(picture("zyx"), deep)
    assert len(found) == 7
    assert {"z" in turn.mirrored for turn in found} == {True, False}
    assert PLAIN not in found


@pytest.mark.parametrize("axes", ["yx", "tcyx"])
def test_the_result_stays_that_of_the_plain_run(unet: ModelPackage, axes: str) -> None:
    image, options = picture(axes), PredictOptions(device="cpu")
    found, spread = predict_spread(image, spreading(unet), options, Job())
    plain = predict(image, unet, options).images["output"]
    assert found.images["output"].pixels.tobytes() == plain.pixels.tobytes()
    assert found.images["output"].header() == plain.header()
    assert spread.shape == plain.shape
    members = [plain.pixels]
    for turn in turns_of(image, unet):
        result = predict(turned(image, turn), unet, options).images["output"]
        members.append(turned(result, turn.back).pixels)
    np.testing.assert_allclose(spread, np.std(members, axis=0), atol=1e-4)
    assert spread.mean() > 0.01


def test_a_model_that_does_not_mind_turns_has_no_spread(tmp_path: Path) -> None:
    package = write_fake_package(tmp_path / "mean.zip")
    _, spread = predict_spread(picture("cyx"), spreading(package), PredictOptions(), Job())
    assert spread.max() < 1e-3


def test_an_ensemble_is_the_spread_of_its_models(tmp_path: Path, unet: ModelPackage) -> None:
    other = write_random_unet(tmp_path / "other.zip", mean=103.0)
    image, options = picture(), PredictOptions(device="cpu")
    made = spreading(unet, "auto", [other])
    assert made.kind == "ensemble"
    found, spread = predict_spread(image, made, options, Job())
    one, two = (predict(image, package, options).images["output"].pixels for package in (unet, other))
    assert found.images["output"].pixels.tobytes() == one.tobytes()
    np.testing.assert_allclose(spread, np.abs(one - two) / 2, atol=1e-4)


def test_what_cannot_be_spread(tmp_path: Path, unet: ModelPackage) -> None:
    with pytest.raises(ParameterError, match="has not learnt its confidence"):
        spreading(unet, "head")
    with pytest.raises(ParameterError, match="further models"):
        spreading(unet, "ensemble")
    with pytest.raises(ParameterError, match="empty for spread=head"):
        spreading(unet, "head", [unet])
    deep = write_fake_package(tmp_path / "deep.zip", FakeModel(axes="czyx"))
    with pytest.raises(PackageError, match="another kind of inputs"):
        spreading(unet, "auto", [deep])


def test_a_member_of_another_shape_is_refused(unet: ModelPackage) -> None:
    def run(member: Member, job: Job) -> Source:
        del member, job
        return MemorySource(picture(size=20))

    with pytest.raises(PackageError, match="gives a result of shape"):
        spread_of(MemorySource(picture()), [Member(unet)], run, Sums(picture().shape), Job())


def test_members_are_few(unet: ModelPackage) -> None:
    assert len(members_of(spreading(unet, "augmentation"), picture())) == 7
    assert len(members_of(spreading(unet, "ensemble", [unet]), picture())) == 1
