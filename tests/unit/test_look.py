"""The first look whether a model fits: one sentence where it does not, none where it does."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.commands import find
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import ModelPackage, open_package
from bioimg_fiji.package.model import OpSpec
from bioimg_fiji.predict.look import misfits
from bioimg_fiji.runtime.fake import write_fake_package


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    """A model made for pixels of 0.2 µm, with the test input of the fake package."""
    write_fake_package(tmp_path / "model.zip")
    package = open_package(tmp_path / "model.zip")
    tensor = package.inputs[0]
    axes = tuple(
        dataclasses.replace(axis, scale=0.2, unit="micrometer") if axis.id in "yx" else axis for axis in tensor.axes
    )
    return dataclasses.replace(package, inputs=(dataclasses.replace(tensor, axes=axes, ops=()),))


@pytest.fixture
def like(package: ModelPackage) -> Image:
    """An image like the test input."""
    tensor = package.inputs[0].test_tensor
    assert tensor is not None
    scales = {axis: Scale(0.25, "µm") for axis in "yx"}
    return Image(np.array(tensor.read_array().squeeze(), np.float32), "yx", scales=scales)


def test_nothing_is_said_of_an_image_that_fits(package: ModelPackage, like: Image) -> None:
    assert misfits(like, "yx", package) == []
    assert misfits(Image(like.pixels, "yx"), "yx", package) == []
    assert misfits(like.with_pixels(np.stack([like.pixels] * 3), "tyx"), "tyx", package) == []


@pytest.mark.parametrize(("step", "unit", "factor"), [(1.0, "micron", "5"), (50.0, "nm", "0.25")])
def test_other_pixel_size(package: ModelPackage, like: Image, step: float, unit: str, factor: str) -> None:
    image = dataclasses.replace(like, scales={"x": Scale(step, unit), "y": Scale(step, unit)})
    (sentence,) = misfits(image, "yx", package)
    assert f"scale the image by {factor} first" in sentence


def test_other_values_unless_the_model_normalises(package: ModelPackage, like: Image) -> None:
    image = like.with_pixels(like.pixels * 100)
    (sentence,) = misfits(image, "yx", package)
    assert "does not normalise" in sentence
    tensor = dataclasses.replace(package.inputs[0], ops=(OpSpec("zero_mean_unit_variance"),))
    assert misfits(image, "yx", dataclasses.replace(package, inputs=(tensor,))) == []


def test_no_contrast_is_said_by_the_command(tmp_path: Path) -> None:
    write_fake_package(tmp_path / "model.zip")
    notes: list[str] = []
    image = Image(np.full((40, 40), 7, np.uint16), "yx")
    find("run_model").run({"image": image, "model": tmp_path / "model.zip"}, Job(on_note=notes.append))
    assert any("no contrast" in note for note in notes), json.dumps(notes)


def test_more_noise(package: ModelPackage) -> None:
    y, x = np.indices((128, 128))
    smooth = np.exp(-((y - 60) ** 2 + (x - 60) ** 2) / 800) * 1000
    noisy = smooth + np.random.default_rng(0).normal(0, 300, smooth.shape)
    tensor = dataclasses.replace(package.inputs[0], ops=(OpSpec("scale_range"),))

    class Sample:
        def read_array(self) -> np.ndarray:
            return smooth.reshape((1,) * (len(tensor.axes) - 2) + smooth.shape)

    tensor = dataclasses.replace(tensor, test_tensor=Sample())  # type: ignore[arg-type]
    made = dataclasses.replace(package, inputs=(tensor,))
    assert misfits(Image(smooth, "yx"), "yx", made) == []
    (sentence,) = misfits(Image(noisy, "yx"), "yx", made)
    assert "noisier" in sentence
