"""A program may keep the model of its last run loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.errors import ParameterError, UntrustedModelError, WeightsError
from bioimg_fiji.image import Image
from bioimg_fiji.package import ModelPackage, open_package
from bioimg_fiji.package.trust import content_hash
from bioimg_fiji.predict import predict
from bioimg_fiji.runtime import Adapter, warm
from bioimg_fiji.runtime.fake import write_fake_package, write_random_unet
from bioimg_fiji.runtime.memory import free_memory, hold

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """Models are kept during these tests, and not afterwards."""
    warm.keep_models()
    yield
    warm.keep_models(enabled=False)


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    write_fake_package(tmp_path / "model.zip")
    return open_package(tmp_path / "model.zip")


def lent(package: ModelPackage, *wishes: str, trust: str = "") -> Adapter:
    with warm.lent(package, *wishes, trust=trust) as model:
        return model


def is_open(model: Adapter, package: ModelPackage) -> bool:
    try:
        model.run({package.inputs[0].id: np.zeros((1, 1, 16, 16), np.float32)})
    except WeightsError:
        return False
    return True


def test_the_same_wish_gets_the_same_model_and_another_one_a_new_one(package: ModelPackage, tmp_path: Path) -> None:
    first = lent(package)
    assert lent(package, "onnx", "cpu") is not first  # "auto" may be another device
    second = lent(package)
    assert second is lent(package)
    assert not is_open(first, package)
    write_random_unet(tmp_path / "other.zip")
    lent(open_package(tmp_path / "other.zip"))
    assert not is_open(second, package), "two models are kept"


def test_nothing_is_kept_unasked(package: ModelPackage) -> None:
    kept = lent(package)
    warm.keep_models(enabled=False)
    assert not is_open(kept, package)
    assert not is_open(lent(package), package)


def test_a_model_that_failed_is_not_kept(package: ModelPackage) -> None:
    before = lent(package)
    with pytest.raises(WeightsError), warm.lent(package) as model:
        model.run({package.inputs[0].id: np.zeros((1, 1), np.float32)})
    assert not is_open(before, package)
    assert lent(package) is not before


def test_code_of_others_is_neither_kept_nor_run_untrusted(tmp_path: Path) -> None:
    write_random_unet(tmp_path / "unet.zip", torchscript=True)
    package = open_package(tmp_path / "unet.zip")
    with pytest.raises(UntrustedModelError):
        lent(package, "torchscript", "cpu")
    model = lent(package, "torchscript", "cpu", trust=content_hash(package))
    assert not is_open(model, package)
    with pytest.raises(UntrustedModelError):
        lent(package, "torchscript", "cpu")


def test_wrong_wishes_are_refused_as_ever(package: ModelPackage) -> None:
    with pytest.raises(ParameterError, match="device"):
        lent(package, "auto", "tpu")
    with pytest.raises(WeightsError, match="ONNX"):
        lent(package, "onnx", "cuda")


def test_a_second_run_gives_the_same_bits(package: ModelPackage) -> None:
    image = Image(np.random.default_rng(1).normal(100, 10, (3, 40, 50)).astype(np.float32), "zyx")
    first, second = (predict(image, package).images["output"] for _ in range(2))
    warm.keep_models(enabled=False)
    cold = predict(image, package).images["output"]
    for each in (second, cold):
        np.testing.assert_array_equal(each.pixels, first.pixels, strict=True)


def test_memory_that_waiting_models_hold_counts_as_free() -> None:
    before = free_memory("cpu")
    try:
        hold(64 << 30, 0)
        assert free_memory("cpu") > before
        hold(1 << 50, 0)
        assert free_memory("cpu") < 1 << 50, "more than the computer has"
    finally:
        hold(0, 0)
