"""The U-Net: reach, tiles, ONNX, and its file on its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch

from bioimg_fiji import nets
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.nets.export import to_onnx

CASES = [
    {"ndim": 2, "depth": 1},
    {"ndim": 2, "depth": 2},
    {"ndim": 2, "depth": 2, "upsampling": "nearest"},
    {"ndim": 2, "depth": 3, "padding": "reflect"},
    {"ndim": 3, "depth": 1},
    {"ndim": 3, "depth": 2, "scale": [1, 2, 2]},
    {"ndim": 2, "depth": 2, "pooling": "blur", "top_skip": False},
    {"ndim": 3, "depth": 2, "scale": [1, 2, 2], "pooling": "blur", "top_skip": False},
]
SMALL = {"filters": 2}


def network(**kwargs: object) -> torch.nn.Module:
    torch.manual_seed(3)
    net = nets.build("unet", {**SMALL, **kwargs}).eval()
    for parameter in net.parameters():
        parameter.data.abs_()  # nothing cancels: every pixel in reach has a gradient
    return net


@pytest.mark.parametrize("kwargs", CASES, ids=str)
def test_halo_is_the_reach_of_the_gradient(kwargs: dict[str, object]) -> None:
    net = network(**{**kwargs, "padding": "zeros"}).double()
    halo, step = nets.halo("unet", kwargs), nets.divisor("unet", kwargs)
    for axis in range(len(halo)):
        sizes = [2 * s for s in step]
        middle = 2 * (-(-halo[axis] // step[axis])) * step[axis] // 2 + step[axis]
        sizes[axis] = 2 * middle + step[axis]
        reach = 0
        for shift in range(step[axis]):
            x = torch.ones(1, 1, *sizes, dtype=torch.double, requires_grad=True)
            place = [0] * len(sizes)
            place[axis] = middle + shift
            # maximum pooling passes one of equal values on, so all candidates are probed by a tiny slope
            probe = x + 1e-6 * torch.rand(x.shape, dtype=torch.double, generator=torch.Generator().manual_seed(shift))
            net(probe)[(0, 0, *place)].backward()
            assert x.grad is not None
            touched = x.grad.abs().flatten(2).reshape(sizes).movedim(axis, 0).flatten(1).sum(1).nonzero().flatten()
            reach = max(reach, int((touched - middle - shift).abs().max()))
        assert halo[axis] - step[axis] - 1 <= reach <= halo[axis]


@pytest.mark.parametrize("kwargs", CASES, ids=str)
def test_tile_with_halo_equals_the_whole(kwargs: dict[str, object]) -> None:
    net = network(**kwargs).double()
    halo, step = nets.halo("unet", kwargs), nets.divisor("unet", kwargs)
    shape = [2 * h + 3 * s for h, s in zip(halo, step, strict=True)]
    x = torch.rand(1, 1, *shape, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    inner = tuple(slice(h + s, h + 2 * s) for h, s in zip(halo, step, strict=True))
    tile = tuple(slice(i.start - h, i.stop + h) for i, h in zip(inner, halo, strict=True))
    core = tuple(slice(h, h + s) for h, s in zip(halo, step, strict=True))
    with torch.no_grad():
        whole, part = net(x)[0, 0][inner], net(x[(..., *tile)])[0, 0][core]
    torch.testing.assert_close(part, whole, rtol=1e-12, atol=1e-12)


def test_known_halos() -> None:
    assert nets.halo("unet", {"depth": 2}) == (28, 28)
    assert nets.halo("unet", {"depth": 2, "upsampling": "nearest"}) == (24, 24)
    assert nets.halo("unet", {"ndim": 3, "depth": 2, "scale": [1, 2, 2]}) == (10, 28, 28)
    assert nets.divisor("unet", {"ndim": 3, "depth": 2, "scale": [1, 2, 2]}) == (1, 4, 4)


def test_parameters_of_the_default_network() -> None:
    net = nets.build("unet", {})
    assert sum(p.numel() for p in net.parameters()) == 117_985


@pytest.mark.parametrize("kwargs", [c for c in CASES if c["depth"] != 3], ids=str)
def test_onnx_runtime_equals_torch_at_another_size(kwargs: dict[str, object]) -> None:
    net = network(**kwargs)
    session = onnxruntime.InferenceSession(
        to_onnx("unet", {**SMALL, **kwargs}, net.state_dict()), providers=["CPUExecutionProvider"]
    )
    step = nets.divisor("unet", kwargs)
    shape = (2, 1, *(s * n for s, n in zip(step, (5, 6, 7), strict=False)))
    x = np.random.default_rng(0).random(shape, np.float32) - np.float32(0.5)
    with torch.no_grad():
        expected = net(torch.from_numpy(x)).numpy()
    result = session.run(None, {"input": x})[0]
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_file_works_without_the_package(tmp_path: object) -> None:
    one = nets.architecture("unet")
    spec = importlib.util.spec_from_file_location("shipped_unet", one.file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.UNet(**SMALL)(torch.zeros(1, 1, 8, 12)).shape == (1, 1, 8, 12)
    assert "bioimg_fiji" not in {name.split(".")[0] for name in vars(module) if not name.startswith("_")}


def test_only_an_unchanged_file_is_known() -> None:
    one = nets.architecture("unet")
    assert nets.known_architecture(one.sha256) is one
    assert nets.known_architecture("0" * 64) is None


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ParameterError, match="unet"):
        nets.build("vnet", {})


def test_importing_the_table_does_not_import_torch() -> None:
    code = "import sys, bioimg_fiji.nets, bioimg_fiji.train.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
