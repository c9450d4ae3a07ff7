"""The commands that train, from keys to a package that runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.commands import find
from bioimg_fiji.errors import ImageError, ParameterError, UnsuitableMethodError
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.objects import outlines
from bioimg_fiji.package import open_package
from bioimg_fiji.train import TrainConfig, noise_check, synthetic
from bioimg_fiji.train.structn2v import line_of

SHORT = {"steps": 3, "batch_size": 2, "patch": 32}


def movie(frames: int = 8, axis: str = "", scale: float = 1.0) -> Image:
    """Give exposures of one scene; with `axis`, noise that three neighbours along it share."""
    rng = np.random.default_rng(0)
    scene = synthetic.phantom(96, seed=1)
    pixels = np.stack([synthetic.expose(scene, rng) for _ in range(frames)])
    if axis:
        noise = rng.normal(0, 12, pixels.shape)
        place = {"y": 1, "x": 2}[axis]
        pixels = pixels + sum(np.roll(noise, step, place) for step in (-1, 0, 1)) / np.sqrt(3)
    return Image((pixels * scale).astype(np.float32), "tyx", title="movie.tif", scales={"x": Scale(0.3, "µm")})


@pytest.mark.parametrize("method", ["n2v", "n2v2", "structn2v", "n2n"])
def test_every_method_gives_a_package_that_runs(method: str, tmp_path: Path) -> None:
    values = {"image": movie(), "method": method, "model": tmp_path / "m.zip", **SHORT}
    if method == "structn2v":
        values |= {"noise_axis": "x", "noise_span": 5}
    done = find("train_denoiser").run(values)
    assert done.images["output"].shape == (8, 96, 96)
    assert done.images["output"].scale("x") == Scale(0.3, "µm")
    package = open_package(tmp_path / "m.zip")
    assert package.own["provenance"]["method"] == method
    assert set(package.weights) == {"onnx", "pytorch_state_dict"}
    again = find("run_model").run({"image": movie(), "model": tmp_path / "m.zip"}).images["output"]
    np.testing.assert_allclose(again.pixels, done.images["output"].pixels, rtol=1e-5)


def test_pairs_give_a_package_in_the_units_of_the_targets(tmp_path: Path) -> None:
    poor, good = movie(), movie(scale=20.0)
    values = {"image": poor, "target": good, "model": tmp_path / "m.zip", **SHORT, "steps": 60}
    done = find("train_restoration").run(values)
    restored = done.images["output"]
    assert restored.title == "movie-restored"
    np.testing.assert_allclose(restored.pixels.mean(), good.pixels.mean(), rtol=0.05)
    assert "units of those images" in (open_package(tmp_path / "m.zip").root / "README.md").read_text()
    with pytest.raises(ParameterError, match="There is no target"):
        find("train_restoration").run({"image": poor, "model": tmp_path / "m.zip"})
    with pytest.raises(ImageError, match="does not match"):
        find("train_restoration").run({**values, "target": movie(3)})


@pytest.mark.parametrize("axis", ["y", "x"])
def test_the_lines_of_the_noise_are_measured(axis: str) -> None:
    image = movie(axis=axis)
    reach = noise_check.reach([image])
    other = {"y": "x", "x": "y"}[axis]
    assert reach == {axis: 2, other: 0}
    config = TrainConfig(method="structn2v")
    assert line_of([image], config) == (axis, 5)
    assert line_of([image], TrainConfig(method="structn2v", noise_span=9)) == (axis, 9)


def test_where_there_are_no_lines_structn2v_says_so(tmp_path: Path) -> None:
    values = {"image": movie(), "method": "structn2v", "model": tmp_path / "m.zip", **SHORT}
    with pytest.raises(UnsuitableMethodError, match="no line to hide") as caught:
        find("train_denoiser").run(values)
    assert "n2v" in caught.value.fix


def test_the_finding_names_the_method_that_suits(tmp_path: Path) -> None:
    values = {"image": movie(axis="x"), "model": tmp_path / "m.zip", **SHORT}
    with pytest.raises(UnsuitableMethodError, match="method structn2v, which hides the whole line, suits it"):
        find("train_denoiser").run(values)
    find("train_denoiser").run({**values, "method": "structn2v", "apply": False})


def cells(count: int = 12) -> tuple[Image, Image]:
    """Give an image of bright discs in noise, and their labels."""
    rng = np.random.default_rng(2)
    labels = np.zeros((128, 128), np.uint16)
    rows, columns = np.mgrid[:128, :128]
    for number in range(count):
        y, x = 16 + 32 * (number // 4) + rng.integers(-4, 5), 16 + 32 * (number % 4) + rng.integers(-4, 5)
        labels[(rows - y) ** 2 + (columns - x) ** 2 < rng.integers(7, 13) ** 2] = number + 1
    pixels = rng.poisson(20 + 60 * (labels > 0)).astype(np.uint16)
    image = Image(pixels, "yx", title="cells.tif", scales={"x": Scale(0.5, "µm"), "y": Scale(0.5, "µm")})
    return image, image.with_pixels(labels)


@pytest.mark.parametrize("drawn", [False, True])
def test_objects_are_learnt_from_labels_or_from_what_is_drawn(drawn: bool, tmp_path: Path) -> None:
    image, labels = cells()
    marked = dataclasses.replace(image, overlay=outlines(labels, image)) if drawn else image
    values = {"image": marked, "model": tmp_path / "m.zip", "steps": 150, "batch_size": 4, "patch": 64}
    done = find("train_segmentation").run(values if drawn else values | {"target": labels})
    found = done.images["output"]
    assert found.title == "cells-labels"
    assert int(found.pixels.max()) == 12
    assert ((found.pixels > 0) == (labels.pixels > 0)).mean() > 0.97
    again = find("run_model").run({"image": image, "model": tmp_path / "m.zip", "labels": True, "table": True})
    np.testing.assert_array_equal(again.images["output"].pixels, found.pixels)
    assert len(again.tables["objects"].rows) == 12
    channel = open_package(tmp_path / "m.zip").outputs[0].axis("c")
    assert channel is not None
    assert channel.channel_names == ("foreground", "distance")


def test_labels_that_are_none_are_refused(tmp_path: Path) -> None:
    image, labels = cells()
    values = {"image": image, "model": tmp_path / "m.zip", **SHORT}
    wrong = {
        "no areas in its overlay": None,
        "no whole numbers": labels.with_pixels(labels.pixels * 0.5),
        "at least 3": labels.with_pixels((labels.pixels == 1).astype(np.uint8)),
        "does not match": Image(labels.pixels[:, :64], "yx"),
        "is a mask": labels.with_pixels(labels.pixels > 0),
    }
    for message, target in wrong.items():
        with pytest.raises(ImageError, match=message):
            find("train_segmentation").run(values | ({} if target is None else {"target": target}))
