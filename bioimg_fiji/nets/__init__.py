"""Network architectures, one per file.

Lives here: files that import torch only and are copied into model packages as they are, and this table of them. Lives
not here: weights, training, tiles, devices, the package format. Importing this module does not import torch.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bioimg_fiji.errors import ParameterError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Architecture:
    """A network class in a file of this folder; `halo` and `divisor` are functions of that file.

    `earlier` has the hashes of former versions of the file, whose networks are those of the same arguments today: same
    parameters, same results. Packages with such a copy need no trust either.
    """

    name: str
    file: Path
    callable: str
    earlier: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Hash of the file, with line ends as LF, however git checked it out."""
        return _sha256(self.file)

    @property
    def source(self) -> str:
        """The file's text, as it goes into a package."""
        return _source(self.file)


_HERE = Path(__file__).parent

_EARLIER_UNETS = (
    "9f82b14d59b424a34bf2adf84a0078d80a4a03f5803cee7d9ed6de8977e6960f",
    "994619ddc8613d61e1469258604a6b5625488535b52b4abe848081ff682a481e",  # with pooling and top_skip
    "5fd9dd5f9bb8e376be54b8d1d293c199565f899b469e70ab5948707791dc10c6",  # BlurPool without a kernel
    "4b90194e309e478e23e4b5cecfc7990ee4b17a18d227a580bc83207e6164619c",  # out_scale and independent, no spread
)

ARCHITECTURES: dict[str, Architecture] = {"unet": Architecture("unet", _HERE / "unet.py", "UNet", _EARLIER_UNETS)}
"""Every network by name."""


def architecture(name: str) -> Architecture:
    """Give the architecture of that name.

    Raises
    ------
    ParameterError
        When there is none.
    """
    if name not in ARCHITECTURES:
        raise ParameterError.of("architecture", "one of " + ", ".join(ARCHITECTURES), name)
    return ARCHITECTURES[name]


def known_architecture(sha256: str) -> Architecture | None:
    """Give the architecture whose file has or had this hash, so that a package's copy needs no trust; else None."""
    return next((one for one in ARCHITECTURES.values() if sha256 in (one.sha256, *one.earlier)), None)


def build(name: str, kwargs: Mapping[str, Any]) -> nn.Module:
    """Make the network with random weights; `kwargs` are those of its class."""
    one = architecture(name)
    return cast("nn.Module", getattr(_module(one), one.callable)(**kwargs))


def halo(name: str, kwargs: Mapping[str, Any]) -> tuple[int, ...]:
    """Give the input pixels that a tile needs around it, per spatial axis ((z,) y, x), to come out as in the whole."""
    return cast("tuple[int, ...]", _module(architecture(name)).halo(**kwargs))


def divisor(name: str, kwargs: Mapping[str, Any]) -> tuple[int, ...]:
    """Give the number that a size must be a multiple of, per spatial axis ((z,) y, x)."""
    return cast("tuple[int, ...]", _module(architecture(name)).divisor(**kwargs))


def _module(one: Architecture) -> Any:
    return importlib.import_module(f"{__name__}.{one.file.stem}")


@functools.cache
def _source(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@functools.cache
def _sha256(file: Path) -> str:
    return hashlib.sha256(_source(file).encode("utf-8")).hexdigest()
