"""Training: self-supervised on the user's own raw data first of all.

Lives here: data and its checks, patches, masks, the loop, checkpoints, and one file per method. Lives not here: network
architectures (nets/), the package that is written afterwards (package/), commands and windows. A new method is one file
and one entry in `catalogue.py`; names are imported lazily, so parameters can be read without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bioimg_fiji.train.config import PRESETS, TrainConfig
    from bioimg_fiji.train.result import TrainedModel
    from bioimg_fiji.train.run import train

__all__ = ["PRESETS", "TrainConfig", "TrainedModel", "train"]

_HOME = {"PRESETS": "config", "TrainConfig": "config", "TrainedModel": "result", "train": "run"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
