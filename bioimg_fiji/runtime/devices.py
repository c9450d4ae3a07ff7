"""What there is to compute on."""

from __future__ import annotations

import os


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
