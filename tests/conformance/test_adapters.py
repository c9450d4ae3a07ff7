"""What every runtime adapter promises, whatever library is behind it. A new one inherits these tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.errors import ParameterError, WeightsError
from bioimg_fiji.package import ModelPackage
from bioimg_fiji.runtime import Adapter, FakeAdapter, choose
from bioimg_fiji.runtime.fake import write_random_unet

Maker = Callable[[ModelPackage], Adapter]

ADAPTERS: dict[str, Maker] = {
    "fake": FakeAdapter,
    "onnx": lambda package: choose(package, "onnx", "cpu", 1),
    "pytorch_state_dict": lambda package: choose(package, "pytorch_state_dict", "cpu", 1),
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    """Our U-Net with random weights, as both weights formats."""
    return write_random_unet(tmp_path_factory.mktemp("unet") / "unet.zip", filters=8, depth=2)


@pytest.fixture
def tensor(package: ModelPackage) -> np.ndarray:
    """A preprocessed tensor of the package's input."""
    return np.random.default_rng(1).normal(size=(1, 1, 64, 96)).astype(np.float32)


@pytest.mark.parametrize("name", ADAPTERS)
class TestAdapter:
    def test_it_tells_what_runs_where(self, name: str, package: ModelPackage) -> None:
        adapter = ADAPTERS[name](package)
        assert (adapter.weights, adapter.device) == (name, "cpu")
        adapter.close()

    def test_equal_tensors_give_equal_bits_and_stay_as_they_are(
        self, name: str, package: ModelPackage, tensor: np.ndarray
    ) -> None:
        adapter = ADAPTERS[name](package)
        given = tensor.copy()
        first = adapter.run({package.inputs[0].id: given})
        second = adapter.run({package.inputs[0].id: given})
        adapter.close()
        np.testing.assert_array_equal(given, tensor)
        assert list(first) == [output.id for output in package.outputs]
        for output in first:
            assert first[output].dtype == np.float32
            assert first[output].shape == tensor.shape
            np.testing.assert_array_equal(first[output], second[output])

    def test_strided_tensors_are_understood(self, name: str, package: ModelPackage, tensor: np.ndarray) -> None:
        adapter = ADAPTERS[name](package)
        key, output = package.inputs[0].id, package.outputs[0].id
        turned = adapter.run({key: tensor[..., ::-1, :]})[output]
        copied = adapter.run({key: np.ascontiguousarray(tensor[..., ::-1, :])})[output]
        adapter.close()
        np.testing.assert_array_equal(turned, copied)

    def test_a_missing_input_is_named(self, name: str, package: ModelPackage, tensor: np.ndarray) -> None:
        adapter = ADAPTERS[name](package)
        with pytest.raises(WeightsError, match=package.inputs[0].id):
            adapter.run({"other": tensor})
        adapter.close()

    def test_closed_twice_and_refusing_then(self, name: str, package: ModelPackage, tensor: np.ndarray) -> None:
        adapter = ADAPTERS[name](package)
        adapter.close()
        adapter.close()
        with pytest.raises(WeightsError):
            adapter.run({package.inputs[0].id: tensor})


def test_formats_agree(package: ModelPackage, tensor: np.ndarray) -> None:
    results = []
    for name in ("onnx", "pytorch_state_dict"):
        adapter = ADAPTERS[name](package)
        results.append(adapter.run({package.inputs[0].id: tensor})[package.outputs[0].id])
        adapter.close()
    assert np.abs(results[0]).max() > 1e-3
    np.testing.assert_allclose(results[0], results[1], atol=1e-5, rtol=1e-4)


def test_a_wrong_tensor_is_refused_with_its_shape(package: ModelPackage) -> None:
    for name in ("onnx", "pytorch_state_dict"):
        adapter = ADAPTERS[name](package)
        with pytest.raises(WeightsError, match=r"\(1, 3, 64, 64\)"):
            adapter.run({package.inputs[0].id: np.zeros((1, 3, 64, 64), np.float32)})
        adapter.close()


@pytest.mark.parametrize(
    ("weights", "device", "error", "text"),
    [
        ("keras_hdf5", "cpu", WeightsError, "it has"),
        ("onnx", "cuda", WeightsError, "pytorch_state_dict"),
        ("auto", "tpu", ParameterError, "device"),
    ],
)
def test_what_cannot_run_is_refused_with_a_way_out(
    package: ModelPackage, weights: str, device: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        choose(package, weights, device)
    assert text in str(caught.value)


def test_the_cpu_takes_onnx_without_loading_torch(tmp_path: Path) -> None:
    write_random_unet(tmp_path / "unet.zip", filters=8, depth=2)
    code = (
        "import sys\nfrom bioimg_fiji.package import open_package\nfrom bioimg_fiji.runtime import choose\n"
        "adapter = choose(open_package(sys.argv[1]), 'auto', 'cpu')\n"
        "print(adapter.weights, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "unet.zip")], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["onnx", "False"]
