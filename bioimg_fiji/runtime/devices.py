"""What there is to compute on."""

from __future__ import annotations

import os
import sys

from bioimg_fiji.errors import WeightsError


def devices() -> list[str]:
    """Describe what `device=` can name, as torch finds it: "cpu (8 cores)", "cuda (NAME, 16 GiB)", "mps"."""
    import torch

    found = [f"cpu ({os.cpu_count()} cores)"]
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(number)
            found.append(f"cuda ({properties.name}, {properties.total_memory / 2**30:.0f} GiB)")
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def gpu_has_failed(error: BaseException) -> bool:
    """Whether an error is the GPU's or its driver's own, after which this process cannot compute on it any more.

    Memory that does not suffice is none: torch has another class for that (`torch.OutOfMemoryError`).
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.AcceleratorError)


def failed_gpu(error: BaseException) -> WeightsError:
    """Tell that in the user's words."""
    return WeightsError(
        f"The GPU has failed ({' '.join(str(error).split())[:200]}).",
        fix="Run it again. If the same comes again, end this program and start it anew, look at what nvidia-smi tells, "
        "or choose device=cpu.",
        reason="device",
    )
