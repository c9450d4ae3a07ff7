"""The U-Net: reach, tiles, ONNX, and its file on its own."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import subprocess
import sys
import warnings

import numpy as np
import onnxruntime
import pytest
import torch

from bioimg_fiji import nets
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.nets.export import to_onnx, to_torchscript

CASES = [
    {"ndim": 2, "depth": 1},
    {"ndim": 2, "depth": 2},
    {"ndim": 2, "depth": 2, "upsampling": "nearest"},
    {"ndim": 2, "depth": 3, "padding": "reflect"},
    {"ndim": 3, "depth": 1},
    {"ndim": 3, "depth": 2, "scale": [1, 2, 2]},
    {"ndim": 2, "depth": 2, "pooling": "blur", "top_skip": False},
    {"ndim": 3, "depth": 2, "scale": [1, 2, 2], "pooling": "blur", "top_skip": False},
    {"ndim": 2, "depth": 1, "out_scale": [2, 2]},
    {"ndim": 2, "depth": 2, "out_scale": [3, 1], "upsampling": "nearest"},
    {"ndim": 2, "depth": 1, "out_scale": [1, 3], "pooling": "blur"},
    {"ndim": 3, "depth": 1, "scale": [1, 2, 2], "out_scale": [2, 1, 1]},
    {"ndim": 2, "depth": 1, "in_channels": 2, "out_channels": 2, "independent": True},
]
SMALL = {"filters": 2}


def network(**kwargs: object) -> torch.nn.Module:
    torch.manual_seed(3)
    net = nets.build("unet", {**SMALL, **kwargs}).eval()
    for parameter in net.parameters():
        parameter.data.abs_()  # nothing cancels: every pixel in reach has a gradient
    return net


def enlargement(kwargs: dict[str, object]) -> list[int]:
    return list(kwargs.get("out_scale") or [1] * int(kwargs["ndim"]))  # type: ignore[call-overload]


def channels(kwargs: dict[str, object]) -> int:
    return int(kwargs.get("in_channels", 1))  # type: ignore[call-overload]


@pytest.mark.parametrize("kwargs", CASES, ids=str)
def test_halo_is_the_reach_of_the_gradient(kwargs: dict[str, object]) -> None:
    net = network(**{**kwargs, "padding": "zeros"}).double()
    halo, step, larger = nets.halo("unet", kwargs), nets.divisor("unet", kwargs), enlargement(kwargs)
    for axis in range(len(halo)):
        sizes = [2 * s for s in step]
        middle = 2 * (-(-halo[axis] // step[axis])) * step[axis] // 2 + step[axis]
        sizes[axis] = 2 * middle + step[axis]
        reach = 0
        for shift in range(step[axis] * larger[axis]):
            x = torch.ones(1, channels(kwargs), *sizes, dtype=torch.double, requires_grad=True)
            place = [0] * len(sizes)
            place[axis] = middle * larger[axis] + shift
            # maximum pooling passes one of equal values on, so all candidates are probed by a tiny slope
            probe = x + 1e-6 * torch.rand(x.shape, dtype=torch.double, generator=torch.Generator().manual_seed(shift))
            net(probe)[(0, 0, *place)].backward()
            assert x.grad is not None
            touched = x.grad[0, 0].abs().movedim(axis, 0).flatten(1).sum(1).nonzero().flatten()
            reach = max(reach, int((touched - middle - shift // larger[axis]).abs().max()))
        assert halo[axis] - step[axis] - 1 <= reach <= halo[axis]


@pytest.mark.parametrize("kwargs", CASES, ids=str)
def test_tile_with_halo_equals_the_whole(kwargs: dict[str, object]) -> None:
    net = network(**kwargs).double()
    halo, step, larger = nets.halo("unet", kwargs), nets.divisor("unet", kwargs), enlargement(kwargs)
    shape = [2 * h + 3 * s for h, s in zip(halo, step, strict=True)]
    x = torch.rand(1, channels(kwargs), *shape, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    inner = tuple(slice(h + s, h + 2 * s) for h, s in zip(halo, step, strict=True))
    tile = tuple(slice(i.start - h, i.stop + h) for i, h in zip(inner, halo, strict=True))
    wide = tuple(slice(i.start * n, i.stop * n) for i, n in zip(inner, larger, strict=True))
    core = tuple(slice(h * n, (h + s) * n) for h, s, n in zip(halo, step, larger, strict=True))
    with torch.no_grad():
        whole, part = net(x)[(0, slice(None), *wide)], net(x[(..., *tile)])[(0, slice(None), *core)]
    assert whole.numel() > 0
    torch.testing.assert_close(part, whole, rtol=1e-12, atol=1e-12)


def test_known_halos() -> None:
    assert nets.halo("unet", {"depth": 2}) == (28, 28)
    assert nets.halo("unet", {"depth": 2, "upsampling": "nearest"}) == (24, 24)
    assert nets.halo("unet", {"ndim": 3, "depth": 2, "scale": [1, 2, 2]}) == (10, 28, 28)
    assert nets.divisor("unet", {"ndim": 3, "depth": 2, "scale": [1, 2, 2]}) == (1, 4, 4)
    assert nets.halo("unet", {"depth": 2, "out_scale": [1, 1]}) == (28, 28)
    assert nets.divisor("unet", {"depth": 2, "out_scale": [3, 3]}) == (4, 4)


def test_parameters_of_the_default_network() -> None:
    net = nets.build("unet", {})
    assert sum(p.numel() for p in net.parameters()) == 117_985


@pytest.mark.parametrize(
    ("kwargs", "parameters", "total"),
    [
        ({"filters": 4}, "5a11a49eae99", 682.42609),
        (
            {"filters": 4, "pooling": "blur", "top_skip": False, "in_channels": 2, "out_channels": 3},
            "6d3ac4a7f5ee",
            1083.21313,
        ),
    ],
)
def test_state_dicts_of_earlier_packages_fit_and_mean_the_same(
    kwargs: dict[str, object], parameters: str, total: float
) -> None:
    """Names, shapes and the result are what the file of version 0.1.0's first packages gave."""
    net = nets.build("unet", kwargs).eval()
    told = hashlib.sha256(str([(name, tuple(p.shape)) for name, p in net.state_dict().items()]).encode()).hexdigest()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.cos(torch.arange(p.numel(), dtype=torch.float64)).reshape(p.shape) / p[0].numel() ** 0.5)
        x = torch.sin(torch.arange(16.0 * 24 * channels(kwargs))).reshape(1, -1, 16, 24)
        result = net(x)
    assert told[:12] == parameters
    np.testing.assert_allclose(float(result.abs().sum()), total, rtol=1e-4)


def test_output_is_larger_by_out_scale() -> None:
    assert network(depth=1, out_scale=[2, 3])(torch.zeros(1, 1, 8, 10)).shape == (1, 1, 16, 30)
    volume = network(ndim=3, depth=1, scale=[1, 2, 2], out_scale=[4, 1, 1])(torch.zeros(1, 1, 3, 8, 10))
    assert volume.shape == (1, 1, 12, 8, 10)
    plain, same = nets.build("unet", SMALL), nets.build("unet", {**SMALL, "out_scale": [1, 1]})
    assert list(plain.state_dict()) == list(same.state_dict())


def test_independent_channels_do_not_see_each_other() -> None:
    joint = network(depth=1, in_channels=2, out_channels=2)
    apart = network(depth=1, in_channels=2, out_channels=2, independent=True)
    x = torch.rand(1, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    other = x.clone()
    other[:, 1] += 1
    with torch.no_grad():
        assert not torch.equal(joint(x)[:, 0], joint(other)[:, 0])
        assert torch.equal(apart(x)[:, 0], apart(other)[:, 0])
        assert not torch.equal(apart(x)[:, 1], apart(other)[:, 1])
        assert not torch.equal(apart(x[:, :1].expand(1, 2, 16, 16))[:, 0], apart(x[:, :1].expand(1, 2, 16, 16))[:, 1])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"ndim": 4}, "ndim"),
        ({"upsampling": "cubic"}, "upsampling"),
        ({"pooling": "mean"}, "pooling"),
        ({"out_scale": [2]}, "out_scale"),
        ({"out_scale": [2, 0]}, "out_scale"),
        ({"out_scale": [2, 1.5]}, "out_scale"),
        ({"independent": True, "in_channels": 2}, "not 2 and 1"),
    ],
)
def test_arguments_that_make_no_network_are_named(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nets.build("unet", kwargs)


@pytest.mark.parametrize("kwargs", [c for c in CASES if c["depth"] != 3], ids=str)
def test_onnx_runtime_and_torchscript_equal_torch_at_another_size(kwargs: dict[str, object]) -> None:
    net, whole = network(**kwargs), {**SMALL, **kwargs}
    session = onnxruntime.InferenceSession(to_onnx("unet", whole, net.state_dict()), providers=["CPUExecutionProvider"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.load(io.BytesIO(to_torchscript("unet", whole, net.state_dict())))
    step = nets.divisor("unet", kwargs)
    shape = (2, channels(kwargs), *(s * n for s, n in zip(step, (5, 6, 7), strict=False)))
    x = np.random.default_rng(0).random(shape, np.float32) - np.float32(0.5)
    with torch.no_grad():
        expected = net(torch.from_numpy(x)).numpy()
        scripted = script(torch.from_numpy(x)).numpy()
    result = session.run(None, {"input": x})[0]
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(scripted, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


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
    assert len(one.earlier) == 4
    assert all(nets.known_architecture(earlier) is one for earlier in one.earlier)
    assert one.sha256 not in one.earlier
    assert nets.known_architecture("0" * 64) is None


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ParameterError, match="unet"):
        nets.build("vnet", {})


def test_importing_the_table_does_not_import_torch() -> None:
    code = "import sys, bioimg_fiji.nets, bioimg_fiji.train.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
