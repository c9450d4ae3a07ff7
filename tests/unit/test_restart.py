"""Trained networks: how they scale their data, and how they come back from their packages."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bioimg_fiji import nets
from bioimg_fiji.errors import PackageError, ParameterError, WeightsError
from bioimg_fiji.package import About, ModelPackage, PackageFile, open_package
from bioimg_fiji.runtime.export import export
from bioimg_fiji.runtime.fake import random_unet, write_fake_package, write_random_unet
from bioimg_fiji.runtime.restart import StartingPoint, starting_point
from bioimg_fiji.runtime.trained import TrainedNetwork
from support.zoo import Kind, write

SMALL = {"filters": 2, "depth": 1}
TWO = {**SMALL, "in_channels": 2, "out_channels": 2}
KINDS: dict[str, dict[str, Any]] = {
    "one": {**SMALL},
    "dark": {**SMALL, "mean": 2e-4, "std": 3e-4},
    "two": {**TWO, "mean": (100.0, 7.0), "std": (10.0, 2.0), "input_channels": ("DAPI", "GFP")},
    "apart": {**TWO, "independent": True},
    "pairs": {**SMALL, "out_mean": (5.0,), "out_std": (3.0,), "channels": ("sharp",), "out_scale": [2, 1]},
    "objects": {
        **SMALL,
        "out_channels": 2,
        "per_image": True,
        "channels": ("foreground", "distance"),
        "objects": {"minimum_size": 12},
        "out_mean": (0.0,),
        "out_std": (1.0,),
    },
    "window": {**SMALL, "in_channels": 3, "window": 1},
    "volume": {**SMALL, "ndim": 3, "scale": [1, 2, 2]},
}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages are taken out here, where a test may damage them."""
    monkeypatch.setenv("BIOIMG_FIJI_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_gives_back_what_was_trained(kind: str, tmp_path: Path) -> None:
    before = random_unet(**KINDS[kind])
    package = write_random_unet(tmp_path / "model.zip", **KINDS[kind], provenance={"method": "n2v"})
    after = starting_point(package)
    assert after.method == "n2v"
    for each in dataclasses.fields(TrainedNetwork):
        one, other = getattr(before, each.name), getattr(after, each.name)
        if each.name == "state_dict":
            assert list(one) == list(other)
            assert all(torch.equal(one[name], other[name]) for name in one)
        elif each.name == "sample":
            shape = tuple(min(sizes) for sizes in zip(one.shape, other.shape, strict=True))
            inner = tuple(slice(0, size) for size in shape)
            np.testing.assert_allclose(other[inner] / other.max(), one[inner] / one.max(), rtol=1e-6)
        elif each.name in ("mean", "std"):
            expected = {"mean": (0.0,), "std": (1.0,)}[each.name] if before.per_image else one
            np.testing.assert_allclose(other, expected, rtol=1e-12)
        else:
            assert one == other, each.name
    shape = (before.in_channels, *(16,) * len(before.axes))
    raw = np.random.default_rng(1).normal(before.mean[0], before.std[0], shape)
    np.testing.assert_allclose(after.outputs(raw), before.outputs(raw), rtol=1e-6)


def test_a_network_that_was_trained_on_is_written_as_before(tmp_path: Path) -> None:
    first = write_random_unet(tmp_path / "first.zip", **KINDS["two"])
    about = About("Random U-Net", "Random weights.", "# Random U-Net\n\n## Validation\nNone.\n")
    second = export(starting_point(first), about, tmp_path / "second.zip")
    assert second.inputs == tuple(
        dataclasses.replace(tensor, test_tensor=second.inputs[0].test_tensor) for tensor in first.inputs
    )
    assert second.own == first.own


def test_packages_of_others_are_no_starting_point(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="has no state dict, only onnx"):
        starting_point(write_fake_package(tmp_path / "fake.zip"))
    foreign = open_package(write(Kind(weights="pytorch_state_dict"), tmp_path / "foreign"))
    with pytest.raises(PackageError, match="was not trained by bioimg-fiji") as caught:
        starting_point(foreign)
    assert "train from the beginning" in caught.value.fix


def _replaced(package: ModelPackage, **changes: Any) -> ModelPackage:
    tensor = dataclasses.replace(package.inputs[0], **changes)
    return dataclasses.replace(package, inputs=(tensor,))


def test_a_package_that_was_changed_by_hand_is_told(tmp_path: Path) -> None:
    package = write_random_unet(tmp_path / "model.zip", **SMALL)
    ops = package.inputs[0].ops
    for changed, message in [
        (_replaced(package, ops=ops[:1]), "raw is not normalised"),
        (_replaced(package, ops=(*ops, *ops)), "raw has 2 operations"),
        (_replaced(package, test_tensor=None), "no test tensor"),
        (_replaced(package, ops=(dataclasses.replace(ops[1], kwargs={"mean": 1.0, "std": "a"}),)), "has the std 'a'"),
        (_replaced(package, ops=(dataclasses.replace(ops[1], id="sigmoid"),)), "processed by sigmoid"),
        (
            _replaced(package, ops=(dataclasses.replace(ops[1], kwargs={"mean": [1.0, 2.0], "std": [1.0, 2.0]}),)),
            "mean must be 1 values",
        ),
    ]:
        with pytest.raises(PackageError, match=message):
            starting_point(changed)
    (package.root / "weights.pt").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match=r"weights\.pt do not fit"):
        starting_point(package)


def test_the_networks_of_earlier_packages_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = write_random_unet(tmp_path / "model.zip", **SMALL)
    file = package.root / "unet.py"
    former = file.read_bytes() + b"\n# as it was\n"
    file.write_bytes(former)
    sha256 = hashlib.sha256(former).hexdigest()
    weights = package.weights["pytorch_state_dict"]
    assert weights.architecture is not None
    architecture = dataclasses.replace(weights.architecture, file=PackageFile("unet.py", file, sha256))
    changed = dataclasses.replace(weights, architecture=architecture)
    old = dataclasses.replace(package, weights={**package.weights, "pytorch_state_dict": changed})
    with pytest.raises(PackageError, match="changed"):
        starting_point(old)
    one = nets.architecture("unet")
    monkeypatch.setitem(nets.ARCHITECTURES, "unet", dataclasses.replace(one, earlier=(*one.earlier, sha256)))
    assert isinstance(starting_point(old), StartingPoint)


def test_each_channel_has_its_own_scale() -> None:
    """A network that gives its input back: what goes in comes out, whatever the scales of the channels."""
    kwargs = {**TWO, "depth": 0, "independent": True}
    model = random_unet(mean=(100.0, 5000.0), std=(10.0, 300.0), **kwargs)
    state = {name: torch.zeros_like(weight) for name, weight in model.state_dict.items()}
    for name, weight in state.items():
        if name.endswith("weight"):
            weight[0, 0][(weight.shape[-1] // 2,) * 2] = 1
    still = dataclasses.replace(model, state_dict=state)
    bright = np.stack([np.full((9, 11), 130.0), np.full((9, 11), 5600.0)])
    np.testing.assert_allclose(still.denoise(bright), bright, rtol=1e-6)
    np.testing.assert_allclose(still.normalised(bright)[:, 0, 0], [3, 2], rtol=1e-6)
    other = dataclasses.replace(still, out_mean=(0.0, 1.0), out_std=(1.0, 2.0))
    np.testing.assert_allclose(other.denoise(bright)[:, 0, 0], [3, 5], rtol=1e-6)
    one = dataclasses.replace(still, out_mean=(1.0,), out_std=(2.0,))
    np.testing.assert_allclose(one.denoise(bright)[:, 0, 0], [7, 5], rtol=1e-6)
    own = dataclasses.replace(still, per_image=True)
    ramp = np.stack([np.linspace(0, 1, 12).reshape(3, 4), np.linspace(7, 900, 12).reshape(3, 4)])
    np.testing.assert_allclose(own.normalised(ramp)[0], own.normalised(ramp)[1], atol=1e-4)


def test_a_movie_is_denoised_frame_by_frame() -> None:
    model = random_unet(**KINDS["window"])
    movie = np.random.default_rng(0).normal(100, 10, (4, 13, 15))
    found = model.denoise(movie)
    assert (found.shape, found.dtype) == (movie.shape, np.float32)
    for t, frames in enumerate([(1, 0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 2)]):
        np.testing.assert_array_equal(found[t], model.outputs(movie[list(frames)])[0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**SMALL, "mean": (1.0, 2.0), "std": (1.0, 2.0)}, "mean must be 1 values"),
        ({**TWO, "std": (1.0, 2.0)}, "std must be 1 values"),
        ({**TWO, "out_mean": (1.0, 2.0, 3.0), "out_std": (1.0, 2.0, 3.0)}, "out_mean must be 1 or 2 values"),
        ({**TWO, "input_channels": ("one",)}, "input_channels must be 2 values"),
        ({**SMALL, "channels": ("a", "b")}, "channels must be 0 or 1 values"),
        ({**SMALL, "in_channels": 3, "window": 2}, "window must be"),
        ({**SMALL, "sample": np.zeros((64, 64), np.float32)}, "sample must be 1 x y x x"),
    ],
)
def test_numbers_that_do_not_belong_together_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        random_unet(**values)
    with pytest.raises(ParameterError, match="pixels must be 2 x y x x"):
        random_unet(**TWO).outputs(np.zeros((8, 8)))
