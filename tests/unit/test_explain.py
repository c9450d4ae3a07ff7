"""Which pixels an answer hangs on: on networks that are made so that it is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile
import torch
from torch import nn

from bioimg_fiji.commands import find
from bioimg_fiji.errors import ParameterError, UntrustedModelError, WeightsError
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.jobs import Job
from bioimg_fiji.nets import build
from bioimg_fiji.package import About, open_package
from bioimg_fiji.package.trust import content_hash
from bioimg_fiji.runtime.export import export
from bioimg_fiji.runtime.torch_adapter import loaded_network
from bioimg_fiji.runtime.trained import TrainedNetwork
from bioimg_fiji.trust import explain, layers
from bioimg_fiji.trust.shown import Part, shown
from support.zoo import Kind, write

SCALES = {"y": Scale(0.5, "µm"), "x": Scale(0.5, "µm", 4.0)}
ARCHITECTURE = """
import torch
from torch import nn


class Finder(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 2, 1)
        self.rectifier = nn.ReLU(inplace=True)
        self.classes = nn.Linear(2, 2, bias=False)

    def forward(self, x):
        maps = self.rectifier(self.first(x))
        return self.classes(maps.mean(dim=(2, 3)))
"""


@pytest.fixture
def image() -> Image:
    """A bright square and a dark one on grey."""
    pixels = np.full((64, 96), 100, np.float32)
    pixels[8:16, 10:18] = 200
    pixels[40:48, 70:78] = 0
    return Image(pixels, "yx", title="squares.tif", scales=SCALES)


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    """A package whose class "bright" is told by what is above the mean, "dark" by what is below it."""
    import ruyaml

    folder = tmp_path / "classifier"
    folder.mkdir()
    (folder / "finder.py").write_text(ARCHITECTURE)
    state = {
        "first.weight": torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1),
        "first.bias": torch.zeros(2),
        "classes.weight": torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
    }
    torch.save(state, folder / "weights.pt")
    namespace: dict[str, type[nn.Module]] = {}
    exec(ARCHITECTURE, namespace)
    network = namespace["Finder"]()
    network.load_state_dict(state)
    raw = np.random.default_rng(0).normal(size=(1, 1, 64, 96)).astype(np.float32)
    np.save(folder / "in.npy", raw)
    np.save(folder / "out.npy", network(torch.from_numpy(raw)).detach().numpy())
    (folder / "README.md").write_text("# finder\n")
    free = [{"type": "space", "id": letter, "size": {"min": 8, "step": 1}} for letter in "yx"]
    description = {
        "type": "model",
        "format_version": "0.5.4",
        "name": "finder",
        "description": "x",
        "authors": [{"name": "x"}],
        "license": "MIT",
        "cite": [{"text": "x", "url": "https://example.org"}],
        "documentation": "README.md",
        "inputs": [
            {
                "id": "raw",
                "axes": [{"type": "batch"}, {"type": "channel", "channel_names": ["a"]}, *free],
                "test_tensor": {"source": "in.npy"},
                "preprocessing": [{"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "y", "x"]}}],
            }
        ],
        "outputs": [
            {
                "id": "classes",
                "axes": [{"type": "batch"}, {"type": "channel", "channel_names": ["bright", "dark"]}],
                "test_tensor": {"source": "out.npy"},
            }
        ],
        "weights": {
            "pytorch_state_dict": {
                "source": "weights.pt",
                "pytorch_version": "2.10",
                "architecture": {"source": "finder.py", "callable": "Finder"},
            }
        },
    }
    with (folder / "rdf.yaml").open("w") as file:
        ruyaml.YAML(typ="safe").dump(description, file)
    return folder / "rdf.yaml"


def inside(heat: Image, rows: slice, columns: slice) -> float:
    above = np.maximum(heat.pixels, 0)
    return float(above[rows, columns].sum() / above.sum())


BRIGHT, DARK = (slice(6, 18), slice(8, 20)), (slice(38, 50), slice(68, 80))


@pytest.mark.parametrize("method", ["grad_cam", "occlusion", "integrated_gradients"])
@pytest.mark.parametrize(("channel", "place"), [("bright", BRIGHT), ("2", DARK)])
def test_the_square_that_makes_the_class_lights_up(
    method: str, channel: str, place: tuple[slice, slice], classifier: Path, image: Image
) -> None:
    trust = content_hash(open_package(classifier))
    keys = {"image": image, "model": classifier, "method": method, "channel": channel, "trust": trust}
    used = {"occlusion": {"window": 4, "stride": 2}, "grad_cam": {"layer": "rectifier"}}
    keys |= used.get(method, {})
    done = find("explain").run(keys)
    heat = done.images["output"]
    assert inside(heat, *place) > 0.9
    assert heat.title == "squares-why"
    assert heat.dtype == np.float32
    assert heat.shape == image.shape
    assert dict(heat.scales) == SCALES
    assert len(heat.channels[0].lut) == 768
    assert done.figures["channel"] == {"bright": "bright", "2": "dark"}[channel]
    assert done.figures["method"] == method


@pytest.mark.parametrize(
    ("keys", "only", "taken"),
    [
        ({"method": "grad_cam", "window": 8}, "occlusion", "grad_cam"),
        ({"method": "integrated_gradients", "stride": 8}, "occlusion", "integrated_gradients"),
        ({"method": "integrated_gradients", "layer": "rectifier"}, "grad_cam", "integrated_gradients"),
        ({"method": "occlusion", "layer": "rectifier"}, "grad_cam", "occlusion"),
        ({"window": 8}, "occlusion", "auto, which takes grad_cam"),
    ],
)
def test_keys_that_would_do_nothing_are_refused(
    keys: dict[str, Any], only: str, taken: str, classifier: Path, image: Image
) -> None:
    given = {"image": image, "model": classifier, "trust": content_hash(open_package(classifier)), **keys}
    with pytest.raises(ParameterError, match=f"left out with method={taken}, as only {only} uses it") as caught:
        find("explain").run(given)
    name = next(key for key in keys if key != "method")
    assert caught.value.fix == f"Say method={only}, or leave out {name}."


def test_a_map_without_anything_is_told(classifier: Path, image: Image) -> None:
    notes: list[str] = []
    plain = image.with_pixels(np.full((64, 96), 100, np.float32))
    keys = {"image": plain, "model": classifier, "layer": "rectifier", "trust": content_hash(open_package(classifier))}
    assert not find("explain").run(keys, Job(on_note=notes.append)).images["output"].pixels.any()
    (told,) = (note for note in notes if "0 everywhere" in note)
    assert "rectifier" in told


def test_grad_cam_is_the_sum_of_maps_by_their_mean_gradients(classifier: Path, image: Image) -> None:
    package = open_package(classifier)
    network = loaded_network(package).eval()
    seen = shown(image, package, print)
    wanted = explain.target(seen, explain.network_outputs(network, seen), explain.Asked("", "bright", image.pixels > 0))
    found = explain.grad_cam(network, seen, wanted, "rectifier")
    # d bright / d map 1 is 1 / pixels everywhere, of map 2 it is 0
    np.testing.assert_allclose(found.values, seen.tensor[0, 0].clip(0) / image.pixels.size, rtol=1e-4, atol=1e-9)


def test_code_of_others_needs_trust_and_gradients_need_torch(classifier: Path, image: Image, tmp_path: Path) -> None:
    with pytest.raises(UntrustedModelError):
        find("explain").run({"image": image, "model": classifier, "method": "grad_cam"})
    onnx = write(Kind(), tmp_path / "onnx")
    with pytest.raises(WeightsError, match="needs the gradients") as caught:
        find("explain").run({"image": image, "model": onnx, "method": "grad_cam"})
    assert "occlusion" in caught.value.fix
    done = find("explain").run({"image": image, "model": onnx, "window": 16, "stride": 16})
    assert done.figures["method"] == "occlusion"
    assert done.figures["runs"] == 2 + 4 * 6
    with pytest.raises(ParameterError, match="channel"):
        find("explain").run({"image": image, "model": onnx, "channel": "nothing"})


@pytest.fixture
def segmenter(tmp_path: Path) -> Path:
    """A package of our own network with random weights."""
    kwargs = {"ndim": 2, "out_channels": 2, "filters": 4, "depth": 2, "padding": "reflect"}
    torch.manual_seed(3)
    trained = TrainedNetwork(
        architecture="unet",
        kwargs=kwargs,
        state_dict=build("unet", kwargs).state_dict(),
        mean=(100.0,),
        std=(20.0,),
        axes="yx",
        sample=np.random.default_rng(0).normal(100, 20, (1, 64, 64)),
        out_mean=(0.0,),
        out_std=(1.0,),
        channels=("background", "cells"),
    )
    about = About(
        name="cells",
        description="Cells.",
        documentation="# Cells\n\n## Validation\n\nNone.\n",
        cite=({"text": "x", "doi": "10.1007/978-3-319-24574-4_28"},),
    )
    export(trained, about, tmp_path / "cells.zip", "cells")
    return tmp_path / "cells.zip"


def selecting(image: Image, top: int, left: int, side: int) -> Image:
    roi = roifile.ImagejRoi()
    roi.roitype = roifile.ROI_TYPE.RECT
    roi.top, roi.left, roi.bottom, roi.right = top, left, top + side, left + side
    return dataclasses.replace(image, roi=roi.tobytes())


@pytest.mark.parametrize("method", ["auto", "occlusion", "integrated_gradients"])
def test_what_a_segmentation_says_of_a_selection_hangs_on_its_surroundings(
    method: str, segmenter: Path, image: Image
) -> None:
    chosen = selecting(image, 40, 70, 8)
    used = {"window": 8, "stride": 4} if method == "occlusion" else {}
    done = find("explain").run({"image": chosen, "model": segmenter, "method": method, **used})
    heat = done.images["output"]
    far = np.abs(heat.pixels[:, :30]).max()  # beyond the receptive field, 28 pixels, and the window
    assert far == pytest.approx(0, abs=1e-9)
    assert np.abs(heat.pixels[30:58, 60:88]).max() > 0
    assert done.figures["channel"] == "cells"
    assert 0 <= done.figures["share_inside"] <= 1


def test_a_large_image_is_looked_at_around_the_selection(segmenter: Path) -> None:
    pixels = np.random.default_rng(1).normal(100, 20, (700, 900)).astype(np.float32)
    notes: list[str] = []
    image = selecting(Image(pixels, "yx", title="large.tif"), 600, 800, 16)
    done = find("explain").run({"image": image, "model": segmenter}, Job(on_note=notes.append))
    heat = done.images["output"].pixels
    assert heat.shape == (700, 900)
    assert heat[580:640, 780:840].any()
    assert not heat[:100].any()
    assert any("512 x 512 pixels around the selection" in note for note in notes)


def test_of_volumes_a_narrower_part_is_looked_at(tmp_path: Path) -> None:
    package = open_package(write(Kind(axes="bczyx"), tmp_path / "m"))
    pixels = np.random.default_rng(1).normal(0, 1, (40, 300, 200)).astype(np.float32)
    notes: list[str] = []
    seen = shown(Image(pixels, "zyx"), package, notes.append)
    assert seen.tensor.shape[-3:] == (32, 128, 128)
    assert any("32 x 128 x 128 pixels in the middle" in note for note in notes)


def test_the_statistics_are_those_of_the_whole_image(tmp_path: Path) -> None:
    ops = ({"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "y", "x"]}},)
    package = open_package(write(Kind(pre=ops), tmp_path / "m"))
    pixels = np.random.default_rng(1).normal(0, 1, (300, 300)).astype(np.float32) + np.arange(300)
    seen = shown(Image(pixels, "yx"), package, print, part=Part(most=64))
    rows, columns = seen.box
    assert (rows.stop - rows.start, columns.stop - columns.start) == (64, 64)
    wanted = (pixels[rows, columns] - pixels.mean()) / pixels.std()
    np.testing.assert_allclose(seen.tensor.squeeze(), wanted, atol=1e-4)


def test_feature_maps_are_those_of_a_hook(segmenter: Path, image: Image) -> None:
    done = find("feature_maps").run({"image": image, "model": segmenter, "layer": "down.1.2"})
    stack = done.images["output"]
    network = loaded_network(open_package(segmenter)).eval()
    kept: list[torch.Tensor] = []
    network.get_submodule("down.1.2").register_forward_hook(lambda _m, _i, output: kept.append(output.clone()))
    with torch.inference_mode():
        network(torch.from_numpy((image.pixels[None, None] - 100) / 20))
    np.testing.assert_allclose(stack.pixels, kept[0][0].numpy(), rtol=1e-5, atol=1e-6)
    assert stack.axes == "zyx"
    assert stack.shape == (8, 32, 48)
    assert stack.scale("x") == Scale(1.0, "µm", 2.0)
    assert stack.labels[2] == "down.1.2 3"
    assert (done.figures["channels"], done.figures["height"], done.figures["width"]) == (8, 32, 48)
    names = [row[0] for row in done.tables["layers"].rows]
    assert len(names) == done.figures["layers"]
    assert {"pool", "pool:2", "head"} <= set(names)
    second = find("feature_maps").run({"image": image, "model": segmenter, "layer": "pool:2"}).images["output"]
    assert second.shape == (8, 16, 24)


def test_an_onnx_graph_has_the_same_bottleneck(segmenter: Path, image: Image) -> None:
    torch_maps = find("feature_maps").run({"image": image, "model": segmenter})
    onnx_maps = find("feature_maps").run({"image": image, "model": segmenter, "weights": "onnx"})
    assert torch_maps.figures["layer"] == "down.2.3"
    assert onnx_maps.figures["weights"] == "onnx"
    np.testing.assert_allclose(
        onnx_maps.images["output"].pixels, torch_maps.images["output"].pixels, rtol=1e-3, atol=1e-4
    )


def test_an_unknown_layer_lists_those_that_there_are(segmenter: Path, image: Image) -> None:
    for command in ("feature_maps", "explain"):
        with pytest.raises(ParameterError, match=r"down\.2\.3"):
            find(command).run({"image": image, "model": segmenter, "layer": "bottleneck"})


def test_a_layer_that_runs_twice_is_no_layer_for_grad_cam(segmenter: Path, image: Image) -> None:
    seen = shown(image, open_package(segmenter), print)
    network = layers.torch_network(seen.package, "cpu")
    wanted = explain.target(seen, explain.network_outputs(network, seen), explain.Asked("", "", image.pixels > -1))
    with pytest.raises(ParameterError, match="layer"):
        explain.grad_cam(network, seen, wanted, "pool")
