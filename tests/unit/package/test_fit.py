"""Image axes and model axes: what is clear is done, what is not is an error that names the choices."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji.errors import AxesError, PackageError, ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.package.fit import fit
from bioimg_fiji.package.links import Link
from bioimg_fiji.package.model import ModelPackage, Size, SizeReference, TensorAxis, TensorSpec
from bioimg_fiji.tiling import AxisRule


def _package(letters: str, channels: int = 1, **more: object) -> ModelPackage:
    ids = {"c": "channel", "t": "time", "b": "batch"}
    names = tuple(f"c{i}" for i in range(channels))

    def axes(*, inputs: bool) -> tuple[TensorAxis, ...]:
        made = [TensorAxis("batch", "batch")]
        for letter in letters:
            kind = ids.get(letter, "space")
            size: Size | SizeReference = Size(8, 4) if inputs else SizeReference("raw", ids.get(letter, letter))
            if letter == "c":
                made.append(TensorAxis("channel", "channel", Size(channels), channel_names=names))
            else:
                made.append(TensorAxis(ids.get(letter, letter), kind, size, halo=0 if inputs else 3))
        return tuple(made)

    return ModelPackage(
        "M",
        "",
        Path(),
        "0" * 64,
        (TensorSpec("raw", axes(inputs=True)),),
        (TensorSpec("out", axes(inputs=False)),),
        {},
        {},
        **more,  # type: ignore[arg-type]
    )


def _image(axes: str, **sizes: int) -> Image:
    return Image(np.zeros([sizes.get(a, 16) for a in axes], np.uint8), axes)


@pytest.mark.parametrize(
    ("image", "model", "channels", "looped", "tiled"),
    [
        (_image("yx"), "cyx", 1, "", "yx"),
        (_image("tzcyx", c=3), "cyx", 1, "tzc", "yx"),
        (_image("tzcyx", c=3), "cyx", 3, "tz", "yx"),
        (_image("tzcyx", c=3), "czyx", 1, "tc", "zyx"),
        (_image("cyx", c=1), "cyx", 1, "", "yx"),
        (_image("cyx", c=2), "yx", 1, "c", "yx"),
        (_image("btyx"), "ctyx", 1, "b", "tyx"),
    ],
)
def test_axes_find_their_place(image: Image, model: str, channels: int, looped: str, tiled: str) -> None:
    way = fit(image, _package(model, channels))
    assert (way.looped, way.tiled) == (looped, tiled)
    assert way.rules == (AxisRule(8, 4, 3),) * len(tiled)


def test_missing_axis_names_the_key_that_settles_it() -> None:
    with pytest.raises(AxesError, match="needs the axis 'z'") as caught:
        fit(_image("tyx"), _package("czyx"))
    assert "axes=zyx" in caught.value.fix
    assert fit(_image("tyx"), _package("czyx"), "zyx").tiled == "zyx"


def test_missing_axis_without_a_choice() -> None:
    with pytest.raises(AxesError) as caught:
        fit(_image("yx"), _package("czyx"))
    assert "Give an image" in caught.value.fix


def test_other_number_of_channels() -> None:
    with pytest.raises(AxesError, match=r"needs 2 channels \(c0, c1\); the image has 3"):
        fit(_image("cyx", c=3), _package("cyx", 2))
    with pytest.raises(AxesError, match="the image has 1"):
        fit(_image("yx"), _package("cyx", 2))


def test_letters_that_do_not_describe_the_image() -> None:
    with pytest.raises(AxesError, match="'zyx'"):
        fit(_image("yx"), _package("cyx"), "zyx")


def test_several_inputs_are_asked_for_by_name() -> None:
    package = _package("cyx")
    two = dataclasses.replace(package, inputs=(*package.inputs, TensorSpec("mask", ())))
    with pytest.raises(ParameterError, match=r"raw, mask.*mask is missing"):
        fit(_image("yx"), two, others={})
    assert fit(_image("yx"), two).axes == "yx"
    with pytest.raises(ParameterError, match="it has no other"):
        fit(_image("yx"), package, others={"other": _image("yx")})


def test_axis_that_no_image_has_is_refused() -> None:
    package = _package("cyx")
    tensor = package.inputs[0]
    more = dataclasses.replace(tensor, axes=(*tensor.axes, TensorAxis("index", "index", Size(2))))
    with pytest.raises(PackageError, match="index"):
        fit(_image("yx"), dataclasses.replace(package, inputs=(more,)))


@pytest.mark.parametrize(
    ("change", "link", "rule"),
    [
        ({"scale": 0.5}, Link("x", Fraction(2)), AxisRule(8, 4, 2)),
        ({"scale": 2.0}, Link("x", Fraction(1, 2)), AxisRule(8, 4, 6)),
        ({"scale": 8.0}, Link("x", Fraction(1, 8)), AxisRule(8, 8, 24)),
        ({"size": SizeReference("raw", "x", -6)}, Link("x", offset=-6), AxisRule(8, 4, 9)),
        ({"size": SizeReference("raw", "x", 2)}, Link("x", offset=2), AxisRule(8, 4, 3)),
    ],
)
def test_output_of_another_size(change: dict[str, Any], link: Link, rule: AxisRule) -> None:
    package = _package("cyx")
    tensor = package.outputs[0]
    last = dataclasses.replace(tensor.axes[-1], **change)
    other = dataclasses.replace(tensor, axes=(*tensor.axes[:-1], last))
    way = fit(_image("yx"), dataclasses.replace(package, outputs=(other,)))
    assert way.links["out"][-1] == link
    assert way.rules == (AxisRule(8, 4, 3), rule)
    assert not way.uncut


@pytest.mark.parametrize("size", [Size(8), None])
def test_output_that_does_not_follow_the_image_is_not_cut(size: Size | None) -> None:
    package = _package("cyx")
    tensor = package.outputs[0]
    last = dataclasses.replace(tensor.axes[-1], size=size)
    other = dataclasses.replace(tensor, axes=(*tensor.axes[:-1], last))
    assert "along x" in fit(_image("yx"), dataclasses.replace(package, outputs=(other,))).uncut


def test_input_whose_size_follows_itself() -> None:
    package = _package("cyx")
    tensor = package.inputs[0]
    last = dataclasses.replace(tensor.axes[-1], size=SizeReference("raw", "y", 4))
    way = fit(
        _image("yx"),
        dataclasses.replace(package, inputs=(dataclasses.replace(tensor, axes=(*tensor.axes[:-1], last)),)),
    )
    assert way.follows == {"x": ("y", 4)}
    assert way.rules[1] == AxisRule(12, 4, 3)


def test_own_sizes_win_and_are_checked() -> None:
    own = {"x": {"minimum": 4, "step": 2, "halo": 5}}
    way = fit(_image("yx"), _package("cyx", config={"bioimg_fiji": {"sizes": own}}))
    assert way.rules == (AxisRule(8, 4, 3), AxisRule(4, 2, 5))
    for wrong in (
        {"x": {"minimum": 4}},
        {"x": 3},
        {"x": {"minimum": "4", "step": 2, "halo": 5}},
        {"x": {"minimum": 0, "step": 2, "halo": 5}},
    ):
        with pytest.raises(PackageError, match="sizes"):
            fit(_image("yx"), _package("cyx", config={"bioimg_fiji": {"sizes": wrong}}))
