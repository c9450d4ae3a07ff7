"""State dicts and TorchScript, by torch.

Networks of others are code that came with the package: whoever makes this adapter has asked whether it may run.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import types
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bioimg_fiji.errors import PackageError, WeightsError
from bioimg_fiji.nets import Architecture, build, known_architecture
from bioimg_fiji.package import Architecture as ForeignArchitecture
from bioimg_fiji.package import ModelPackage, Weights
from bioimg_fiji.runtime.adapter import Array, matched, refused, thread_count

FORMAT = "pytorch_state_dict"
SCRIPT = "torchscript"


def known_network(package: ModelPackage) -> Architecture | None:
    """Give the network of our own that the package's state dict is for, told by the hash of its file; else None.

    The copy of the file in the package is never run: ours is the same.
    """
    weights = package.weights.get(FORMAT)
    if weights is None or weights.architecture is None or weights.architecture.file is None:
        return None
    known = known_architecture(weights.architecture.file.sha256)
    return known if known is not None and known.callable == weights.architecture.callable else None


class TorchAdapter:
    """A network with a package's weights.

    Raises
    ------
    WeightsError
        When the package has no such weights, they do not fit, or torch cannot use the device.
    """

    def __init__(self, package: ModelPackage, device: str = "cpu", threads: int = 0, weights: str = FORMAT) -> None:
        import torch

        self.weights, self.device = weights, device
        self._package = package
        self._outputs = (*(tensor.id for tensor in package.outputs), *package.beside)
        self._threads = thread_count(threads)
        network = _script(package) if weights == SCRIPT else loaded_network(package)
        try:
            self._network: Any = network.to(torch.device(device)).eval()
        except (RuntimeError, AssertionError) as error:
            raise WeightsError(f"torch cannot use {device}: {error}.", fix="Choose device=cpu.") from error

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the network without gradients; tensors are matched by their order, as the description says."""
        import torch

        arrays = matched(inputs, self._package)
        if self._network is None:
            raise WeightsError("The model has been closed.", fix="Load it again.")
        try:
            with torch.inference_mode(), _repeatable(self._threads):
                tensors = [
                    None if a is None else torch.from_numpy(np.array(a, order="C")).to(self.device) for a in arrays
                ]
                found = self._network(*tensors)
                results = [found] if isinstance(found, torch.Tensor) else list(found)
                return {name: r.cpu().numpy() for name, r in zip(self._outputs, results, strict=True)}
        except (RuntimeError, ValueError, TypeError) as error:
            raise refused(self.weights, error, arrays) from error

    def close(self) -> None:
        """Free the network, and what torch keeps for it on the GPU."""
        if self._network is None:
            return
        self._network = None
        if self.device.startswith("cuda"):
            import torch

            with contextlib.suppress(torch.AcceleratorError):  # of a GPU that has failed there is nothing to free
                torch.cuda.empty_cache()


def torch_device(wanted: str) -> str:
    """Give the device that torch has: "auto" takes CUDA, then MPS, then the CPU.

    Raises
    ------
    WeightsError
        When the wanted one is not there.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, found in there.items() if found)
    if not there.get(wanted, False):
        raise WeightsError(
            f"There is no device {wanted!r} here.",
            fix=f"Choose {' or '.join(name for name, found in there.items() if found)}.",
        )
    return wanted


def loaded_network(package: ModelPackage) -> Any:
    """Make the network of a package's state dict, with its weights, on the CPU; code of others runs here.

    A network that is to give something `beside` its output is one of ours (`bioimg_fiji.nets.told`).

    Raises
    ------
    WeightsError
        When there is no state dict, or it does not fit.
    """
    import torch

    from bioimg_fiji.nets.told import told

    weights = package.weights.get(FORMAT)
    if weights is None or weights.architecture is None:
        raise WeightsError(f"{package.name} has no state dict.", fix="Choose other weights.")
    known, kwargs = known_network(package), weights.architecture.kwargs
    network = build(known.name, kwargs) if known is not None else _foreign(package, weights.architecture)
    try:
        state = torch.load(weights.file.path, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
        if known is not None and package.beside:
            return told(known.name, kwargs, {**state, **_more(weights)})
    except Exception as error:
        raise WeightsError(
            f"The weights {weights.file.name} do not fit the network: {' '.join(str(error).split())[:300]}",
            fix="Get the package again.",
        ) from error
    return network


def _more(weights: Weights) -> dict[str, Any]:
    """Read the weights of a head that the plain network has not; there are none where it was not learnt."""
    import torch

    if weights.more is None:
        return {}
    found: dict[str, Any] = torch.load(io.BytesIO(weights.more.read()), map_location="cpu", weights_only=True)
    return found


def _foreign(package: ModelPackage, architecture: ForeignArchitecture) -> Any:
    """Make a network by the package's own code, or by an installed library."""
    try:
        if architecture.file is None:
            made = getattr(importlib.import_module(architecture.library), architecture.callable)
        else:
            module = types.ModuleType(f"bioimg_fiji_model_{package.sha256[:16]}")
            source = architecture.file.read()
            exec(compile(source, str(architecture.file.path), "exec"), module.__dict__)  # noqa: S102 - it is trusted
            made = getattr(module, architecture.callable)
        return made(**architecture.kwargs)
    except PackageError:
        raise
    except Exception as error:
        place = architecture.library if architecture.file is None else architecture.file.name
        raise WeightsError(
            f"The network {architecture.callable} of {place} cannot be made: "
            f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
            fix="Install what it needs into this Python, or choose other weights.",
        ) from error


def _script(package: ModelPackage) -> Any:
    import torch

    weights = package.weights.get(SCRIPT)
    if weights is None:
        raise WeightsError(f"{package.name} has no TorchScript.", fix="Choose other weights.")
    try:
        with warnings.catch_warnings():
            # NB: torch advises against TorchScript; the packages that have it stay.
            warnings.filterwarnings("ignore", category=FutureWarning, module="torch")
            warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated")
            return torch.jit.load(str(weights.file.path), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise WeightsError(
            f"torch cannot load {weights.file.name}: {' '.join(str(error).split())[:300]}",
            fix="Choose other weights, or get the package again.",
        ) from error


@contextlib.contextmanager
def _repeatable(threads: int) -> Iterator[None]:
    """Compute with so many threads, in full float32, with kernels that are not chosen by timing; then as before."""
    import torch

    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = torch.get_num_threads(), cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32
    torch.set_num_threads(threads)
    cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32 = False, True, False, False
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32 = before[1:]
