"""The model that was used last, kept loaded for the next run.

Off unless a program asks for it: the server's workers do. A run with a kept model gives the same bits as one that loads
it, since the package is known by the hash of its content, weights and device are chosen anew each time, and only
weights that are data are kept: networks of others are code, which may remember things.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from bioimg_fiji.package import ModelPackage
from bioimg_fiji.runtime.adapter import Adapter, thread_count
from bioimg_fiji.runtime.choose import decide, is_code, load


@dataclass
class _Kept:
    """The one model that is kept, and by what it is known; `enabled` tells whether any is to be."""

    enabled: bool = False
    key: tuple[str, tuple[str, ...], str, str, int] | None = None
    adapter: Adapter | None = None


_kept = _Kept()


def keep_models(enabled: bool = True) -> None:
    """Keep the model of each run for the next one, in this process; or do not any more."""
    _kept.enabled = enabled
    if not enabled:
        _close()


@contextlib.contextmanager
def lent(
    package: ModelPackage, weights: str = "auto", device: str = "auto", threads: int = 0, trust: str = ""
) -> Iterator[Adapter]:
    """Give the model that `choose` would load, for the time of a run; the parameters and errors are those of `choose`.

    One that failed is not kept: what it failed of may have left it, or its memory, in a bad state.
    """
    weights, device = decide(package, weights, device, trust)
    key = (package.sha256, package.beside, weights, device, thread_count(threads))
    if _kept.adapter is None or _kept.key != key:
        _close()
        adapter = load(package, weights, device, threads)
        if _kept.enabled and not is_code(package, weights):
            _kept.key, _kept.adapter = key, adapter
    else:
        adapter = _kept.adapter
    try:
        yield adapter
    except BaseException:
        adapter.close()
        if adapter is _kept.adapter:
            _close()
        raise
    if adapter is not _kept.adapter:
        adapter.close()


def gpu_memory() -> tuple[int, int]:
    """Give back what torch holds in vain on the GPU; give the bytes that it keeps there, and those of the GPU.

    Raises
    ------
    RuntimeError
        When the GPU has failed.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0, 0
    torch.cuda.empty_cache()
    return int(torch.cuda.memory_reserved()), int(torch.cuda.mem_get_info()[1])


def _close() -> None:
    if _kept.adapter is not None:
        _kept.adapter.close()
    _kept.key = _kept.adapter = None
