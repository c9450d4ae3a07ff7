"""A real model of the zoo: its own test tensors, and the same nuclei as bioimageio.core finds."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tifffile

from bioimg_fiji.files import read_image
from bioimg_fiji.image import Image
from bioimg_fiji.package import ModelPackage, open_package
from bioimg_fiji.predict import predict
from bioimg_fiji.runtime import choose
from bioimg_fiji.runtime.verify import differences

Array = npt.NDArray[np.float32]
COUNT = int(os.environ.get("BIOIMG_FIJI_TEST_NUCLEI", "8"))
"""Images that are compared; there are 130."""


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "models/unet2d_nuclei_broad"


@pytest.fixture(scope="module")
def package(folder: Path) -> ModelPackage:
    return open_package(folder)


def test_its_own_test_tensors(package: ModelPackage) -> None:
    model = choose(package, "onnx", "cpu")
    (found,) = differences(package, model)
    model.close()
    assert found.absolute <= 1e-4


def core_probability(folder: Path, image: Array) -> Array:
    """Run bioimageio.core by its own blocks; it takes no image smaller than one of them, so that is mirrored first."""
    height, width = image.shape
    image = np.pad(image, [(0, max(0, 512 - height)), (0, max(0, 512 - width))], mode="reflect")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bioimageio.core import Tensor, create_prediction_pipeline
        from bioimageio.core.digest_spec import create_sample_for_model
        from bioimageio.spec import load_model_description

        model = load_model_description(folder / "bioimageio.yaml", perform_io_checks=False)
        tensor = Tensor.from_numpy(image[None, None], dims=["batch", "channel", "y", "x"])
        with create_prediction_pipeline(model, weight_format="onnx") as pipeline:
            sample = create_sample_for_model(model, inputs={"raw": tensor})
            found = pipeline.predict_sample_with_blocking(sample)
    (result,) = found.members.values()
    return np.asarray(result.data)[0, 0, :height, :width]


def overlap(found: Array, truth: npt.NDArray[np.bool_]) -> float:
    """Intersection over union of the foreground."""
    foreground = found > 0.5
    union = np.logical_or(foreground, truth).sum()
    return float(np.logical_and(foreground, truth).sum() / union) if union else 1.0


def test_same_foreground_as_core(folder: Path, package: ModelPackage, shared_data: Path) -> None:
    paths = sorted((shared_data / "nuclei/images").glob("*.tif"))
    model = choose(package, "onnx", "cpu")
    ours, theirs = [], []
    for path in paths[:: max(1, len(paths) // COUNT)][:COUNT]:
        image = read_image(path)
        truth = tifffile.imread(shared_data / "nuclei/masks" / path.name) > 0
        found = predict(image, package, adapter=model).images["output"].ordered("yx")
        assert found.shape == image.shape
        ours.append(overlap(found, truth))
        theirs.append(overlap(core_probability(folder, image.pixels.astype(np.float32)), truth))
    model.close()
    print(f"foreground IoU over {len(ours)} images: ours {np.mean(ours):.4f}, core {np.mean(theirs):.4f}")
    assert abs(np.mean(ours) - np.mean(theirs)) <= 0.005, (ours, theirs)
    assert np.mean(ours) > 0.5


def test_a_crop_off_every_grid(package: ModelPackage, shared_data: Path) -> None:
    """A crop is smaller than the model's only size; where both see the same, far from the border, they agree."""
    path = next(p for p in sorted((shared_data / "nuclei/images").glob("*.tif")) if min(read_image(p).shape) >= 301)
    image = read_image(path).pixels
    crop = predict(Image(image[:301, :257], "yx"), package).images["output"]
    assert crop.shape == (301, 257)
    assert np.isfinite(crop.pixels).all()
    assert 0 <= crop.pixels.min() < crop.pixels.max() <= 1


def test_a_mosaic_larger_than_any_camera(package: ModelPackage, shared_data: Path) -> None:
    """Mirrored copies of one image side by side: every copy is found, and no seam between tiles."""
    path = next(p for p in sorted((shared_data / "nuclei/images").glob("*.tif")) if read_image(p).shape == (256, 256))
    image = read_image(path).pixels
    double = np.block([[image, image[:, ::-1]], [image[::-1], image[::-1, ::-1]]])
    mosaic = np.tile(double, (8, 10))[:3672, :4856]
    found = predict(Image(mosaic, "yx"), package).images["output"].ordered("yx")
    assert found.shape == (3672, 4856)
    inside = found[512:3072, 512:4608].reshape(5, 512, 8, 512).transpose(0, 2, 1, 3) > 0.5
    typical = np.median(inside.reshape(-1, 512, 512), axis=0)
    assert np.mean(inside != typical) < 0.005
