"""The told view: the same result, bit for bit, with its spread and what the network saw."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji.errors import ImageError, PackageError
from bioimg_fiji.files import open_source, read_image, write_image
from bioimg_fiji.image import Image
from bioimg_fiji.intensity import Intensity
from bioimg_fiji.package import ModelPackage, open_package
from bioimg_fiji.predict import Prediction, PredictOptions, predict, predict_file, predict_source
from bioimg_fiji.runtime.export import export
from bioimg_fiji.runtime.fake import FakeModel, random_unet, write_fake_package, write_random_unet
from bioimg_fiji.runtime.warm import keep_models
from bioimg_fiji.trust.told import SPREAD, told_view

SMALL: dict[str, Any] = {"filters": 4, "depth": 1}
TWO: dict[str, Any] = {"in_channels": 2, "out_channels": 2}
KINDS: dict[str, tuple[dict[str, Any], str, tuple[int, ...], int]] = {
    "plane": ({**SMALL}, "yx", (90, 101), 8),
    "stack of planes": ({**SMALL, "depth": 2}, "zyx", (3, 90, 101), 16),
    "window": ({**SMALL, "in_channels": 5, "out_channels": 1, "window": 2}, "tyx", (6, 70, 64), 8),
    "apart": (
        {**SMALL, **TWO, "independent": True, "mean": (100.0, 500.0), "std": (10.0, 30.0)},
        "cyx",
        (2, 64, 70),
        16,
    ),
    "joint": ({**SMALL, **TWO}, "cyx", (2, 64, 70), 8),
    "larger": ({**SMALL, "out_scale": [2, 3], "out_mean": (1000.0,), "out_std": (77.0,)}, "yx", (64, 70), 8),
    "volume": ({**SMALL, "ndim": 3, "scale": [1, 2, 2]}, "zyx", (9, 64, 70), 8),
}
FORMATS = ("onnx", "pytorch_state_dict")


@pytest.fixture(autouse=True)
def _cache(cache: Path) -> None:
    cache.mkdir()


def _image(axes: str, shape: tuple[int, ...]) -> Image:
    return Image(np.random.default_rng(3).normal(110, 25, shape).astype(np.float32), axes, title="im.tif")


def _run(image: Image, package: ModelPackage, **options: Any) -> tuple[Prediction, list[np.ndarray]]:
    seen: list[np.ndarray] = []
    return predict(image, package, PredictOptions(device="cpu", threads=1, **options), features=seen.append), seen


@pytest.mark.parametrize("weights", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_result_is_that_of_the_package(kind: str, weights: str, tmp_path: Path) -> None:
    values, axes, shape, channels = KINDS[kind]
    trained = random_unet(**values, spread=True)
    package = export(trained, _about(), tmp_path / "m.zip")
    view = told_view(package)
    assert view is not None
    image = _image(axes, shape)
    plain, nothing = _run(image, package, weights=weights, tile=64)
    told, features = _run(image, view, weights=weights, tile=64)
    assert nothing == []
    assert np.array_equal(told.images["output"].pixels, plain.images["output"].pixels)
    assert told.images["output"].properties == plain.images["output"].properties
    assert (told.report["weights"], set(told.images)) == (weights, {"output", SPREAD})
    spread = told.images[SPREAD]
    assert (spread.shape, spread.axes) == (told.images["output"].shape, told.images["output"].axes)
    assert len(features) == told.report["tiles"]
    assert all(each.dtype == np.float32 and each.ndim == 2 and each.shape[1] == channels for each in features)


@pytest.mark.parametrize("kind", ["plane", "apart", "larger", "volume"])
def test_spread_is_in_the_unit_of_the_result(kind: str, tmp_path: Path) -> None:
    values, axes, shape, _ = KINDS[kind]
    trained = random_unet(**values, spread=True)
    view = told_view(export(trained, _about(), tmp_path / "m.zip"))
    assert view is not None
    image = _image(axes, tuple(size // 8 * 8 if size > 9 else 8 for size in shape) if kind != "apart" else (2, 64, 72))
    told, features = _run(image, view, weights="onnx")
    output, spread, seen = trained.told().run(image.pixels)
    np.testing.assert_allclose(told.images["output"].pixels, np.squeeze(output), rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(told.images[SPREAD].pixels, np.squeeze(spread), rtol=1e-4)
    np.testing.assert_allclose(features[0], seen, rtol=1e-3, atol=1e-4)
    gain = np.reshape(trained.result_scale[0], (-1, *(1,) * (spread.ndim - 1)))
    assert 0 < np.log(spread / gain).std() < 2
    assert np.abs(np.log(spread / gain)).max() <= 8


def test_features_are_means_of_blocks(tmp_path: Path) -> None:
    """One level: a pixel of the coarsest level is 2 x 2 pixels, a block 16 x 16."""
    import torch

    trained = random_unet(**SMALL)
    view = told_view(export(trained, _about(), tmp_path / "m.zip"))
    assert view is not None
    image = _image("yx", (64, 72))
    (features,) = _run(image, view)[1]
    network: Any = trained.network()
    with torch.inference_mode():
        coarse = network.parts(torch.from_numpy(trained.normalised(image.pixels[None]))[None])[2][0].numpy()
    assert coarse.shape == (8, 32, 36)
    blocks = [coarse[:, y : y + 8, x : x + 8].mean(axis=(1, 2)) for y in range(0, 32, 8) for x in range(0, 36, 8)]
    np.testing.assert_allclose(features, blocks, rtol=1e-4, atol=1e-5)


def test_without_a_head_there_are_features_only(tmp_path: Path) -> None:
    view = told_view(write_random_unet(tmp_path / "m.zip", **SMALL))
    assert view is not None
    told, features = _run(_image("yx", (64, 64)), view)
    assert set(told.images) == {"output"}
    assert len(features) == 1


def test_packages_without_the_attachment_have_no_view(tmp_path: Path) -> None:
    assert told_view(write_fake_package(tmp_path / "fake.zip", FakeModel(axes="cyx"))) is None
    package = write_random_unet(tmp_path / "m.zip", **SMALL)
    own = {**package.own, "trust": {}}
    assert told_view(dataclasses.replace(package, config={"bioimg_fiji": own})) is None


def test_altered_attachment_is_refused(tmp_path: Path) -> None:
    package = write_random_unet(tmp_path / "m.zip", **SMALL)
    (package.root / "told.onnx").write_bytes(b"other")
    with pytest.raises(PackageError, match=r"told\.onnx has changed"):
        told_view(package)


def test_file_run_gives_the_same_pixels_and_features(tmp_path: Path) -> None:
    view = told_view(export(random_unet(**SMALL, spread=True), _about(), tmp_path / "m.zip"))
    assert view is not None
    image = _image("zyx", (2, 100, 110))
    whole, expected = _run(image, view, tile=64)
    write_image(image, tmp_path / "im.ome.tif")
    options, seen = PredictOptions(device="cpu", threads=1, tile=64), []
    with open_source(tmp_path / "im.ome.tif") as source:
        parts = predict_source(source, tmp_path, view, options, features=seen.append)
    for name in ("output", SPREAD):
        assert np.array_equal(parts.images[name].pixels, whole.images[name].pixels)
    assert len(seen) == len(expected)
    assert all(np.array_equal(one, other) for one, other in zip(seen, expected, strict=True))
    files = predict_file(tmp_path / "im.ome.tif", tmp_path / "out.ome.tif", view, options).files
    assert files[SPREAD].parent.name == "out.ome.tif.spread"
    assert np.array_equal(read_image(files[SPREAD]).pixels, whole.images[SPREAD].pixels)


def test_intensity_calibration_scales_the_spread_and_does_not_shift_it(tmp_path: Path) -> None:
    view = told_view(export(random_unet(**SMALL, spread=True), _about(), tmp_path / "m.zip"))
    assert view is not None
    pixels = np.random.default_rng(3).integers(80, 140, (64, 64)).astype(np.uint16)
    plain = Image(pixels, "yx", title="im.tif")
    line = dataclasses.replace(plain, intensity=Intensity("straight_line", (1000.0, -0.5), "nM"))
    before, after = _run(plain, view)[0].images, _run(line, view)[0].images
    np.testing.assert_allclose(after[SPREAD].pixels, 0.5 * before[SPREAD].pixels, rtol=1e-6)
    np.testing.assert_allclose(after["output"].pixels, 1000 - 0.5 * before["output"].pixels, rtol=1e-5)
    with open_source(write_image(line, tmp_path / "im.tif")) as source:
        parts = predict_source(source, tmp_path, view, PredictOptions(device="cpu", threads=1))
    assert np.array_equal(parts.images[SPREAD].pixels, after[SPREAD].pixels)
    curved = dataclasses.replace(plain, intensity=Intensity("poly2", (0.0, 1.0, 0.1), "nM"))
    with pytest.raises(ImageError, match="poly2"):
        _run(curved, view)


def test_kept_models_are_not_mixed_up(tmp_path: Path) -> None:
    package = export(random_unet(**SMALL, spread=True), _about(), tmp_path / "m.zip")
    view, image = told_view(package), _image("yx", (64, 64))
    assert view is not None
    keep_models()
    try:
        sets = [set(_run(image, each)[0].images) for each in (package, view, package)]
    finally:
        keep_models(enabled=False)
    assert sets == [{"output"}, {"output", SPREAD}, {"output"}]


def test_run_that_goes_on_as_another_kind_begins_anew(tmp_path: Path) -> None:
    """A plain run that was stopped has no spread of the tiles that it has done."""
    from bioimg_fiji.errors import JobCancelledError
    from bioimg_fiji.jobs import Job

    package = export(random_unet(**SMALL, spread=True), _about(), tmp_path / "m.zip")
    view = told_view(package)
    assert view is not None
    write_image(_image("yx", (200, 200)), tmp_path / "im.ome.tif")
    options = PredictOptions(device="cpu", threads=1, tile=64)

    def stop(_: Any) -> None:
        job.cancel()

    job = Job()
    with pytest.raises(JobCancelledError):
        predict_file(tmp_path / "im.ome.tif", tmp_path / "out.ome.tif", view, options, job, features=stop)
    job = Job()
    files = predict_file(tmp_path / "im.ome.tif", tmp_path / "out.ome.tif", package, options, job).files
    assert set(files) == {"output"}


def test_specification_and_other_software_see_a_plain_package(tmp_path: Path) -> None:
    package = export(random_unet(**SMALL, spread=True), _about(), tmp_path / "m.zip")
    assert [output.id for output in package.outputs] == ["denoised"]
    assert set(package.weights) == {"onnx", "pytorch_state_dict"}
    architecture = package.weights["pytorch_state_dict"].architecture
    assert architecture is not None
    assert "spread" not in architecture.kwargs
    again = open_package(tmp_path / "m.zip")
    assert again.own["trust"]["attachments"].keys() == {"told.onnx", "told.pt"}


def test_view_of_onnx_weights_does_not_load_torch(tmp_path: Path) -> None:
    write_random_unet(tmp_path / "m.zip", **SMALL)
    code = (
        "import sys; from bioimg_fiji.package import open_package; from bioimg_fiji.trust.told import told_view; "
        f"told_view(open_package({str(tmp_path / 'm.zip')!r})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def _about() -> Any:
    from bioimg_fiji.package import About

    return About("Random U-Net", "Random weights.", "# Random\n\n## Validation\nNone.\n")
