"""The told view of a package, where those look for it who ask how far a result can be trusted."""

from __future__ import annotations

from bioimg_fiji.runtime.sample import FEATURES, Features
from bioimg_fiji.runtime.told import SPREAD, told_view

__all__ = ["FEATURES", "SPREAD", "Features", "told_view"]
