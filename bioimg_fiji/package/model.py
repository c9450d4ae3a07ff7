"""What a package says, as frozen values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji import html
from bioimg_fiji.errors import PackageError

LETTERS = {"batch": "b", "channel": "c", "time": "t"}
"""Axis types of the description that are one letter of `bioimg_fiji.image.AXES`; space axes are named by their id."""


@dataclass(frozen=True)
class PackageFile:
    """One file of a package: its name there, its place on the disk, its hash."""

    name: str
    path: Path
    sha256: str

    def read(self) -> bytes:
        """Give the content.

        Raises
        ------
        PackageError
            When the file has gone, or changed, since the package was opened.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise PackageError(
                f"The package's file {self.name} cannot be read: {error.strerror}.", fix="Open the package again."
            ) from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise PackageError(
                f"The package's file {self.name} has changed since the package was opened.",
                fix="Open the package again.",
            )
        return content

    def read_array(self) -> npt.NDArray[Any]:
        """Give the content of a .npy file.

        Raises
        ------
        PackageError
            When it is none, or holds Python objects.
        """
        try:
            array: npt.NDArray[Any] = np.load(self.path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise PackageError(
                f"The package's file {self.name} is no plain .npy array: {error}.", fix="Get the package again."
            ) from error
        return array


@dataclass(frozen=True)
class Size:
    """Sizes `minimum + n * step` that an axis may have; step 0 means that `minimum` is the only one."""

    minimum: int
    step: int = 0


@dataclass(frozen=True)
class SizeReference:
    """A size told by another axis: `size(other) * scale(other) / scale(own) + offset`."""

    tensor: str
    axis: str
    offset: int = 0


@dataclass(frozen=True)
class TensorAxis:
    """One axis of a tensor.

    Parameters
    ----------
    id, type
        As in the description; type is "batch", "channel", "index", "time" or "space".
    size
        What sizes it may have; None for a batch axis of free size and for sizes that depend on the data.
    halo
        Pixels at both ends of an output that are not right unless the image ends there.
    scale, unit
        Size of a pixel, relative to the axes that refer to it.
    channel_names
        Names of the channels, for a channel axis.
    """

    id: str
    type: str
    size: Size | SizeReference | None = None
    halo: int = 0
    scale: float = 1.0
    unit: str = ""
    channel_names: tuple[str, ...] = ()

    @property
    def letter(self) -> str:
        """Letter of `bioimg_fiji.image.AXES`; empty for an axis that an image cannot have (index)."""
        if self.type == "space":
            return self.id if self.id in ("z", "y", "x") else ""
        return LETTERS.get(self.type, "")


@dataclass(frozen=True)
class OpSpec:
    """One operation of pre- or postprocessing."""

    id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TensorSpec:
    """One input or output; `ops` are its pre- or postprocessing, with the type conversions that go without saying.

    `spread` tells an output of standard deviations in the unit of the first one. No file says it: see
    `bioimg_fiji.trust.told`.
    """

    id: str
    axes: tuple[TensorAxis, ...]
    dtype: str = "float32"
    ops: tuple[OpSpec, ...] = ()
    optional: bool = False
    test_tensor: PackageFile | None = None
    spread: bool = False

    @property
    def letters(self) -> str:
        """Axis letters, in order; "?" for an axis that an image cannot have."""
        return "".join(axis.letter or "?" for axis in self.axes)

    @property
    def axis_ids(self) -> tuple[str, ...]:
        """Ids of the axes, in order, by which operations name them."""
        return tuple(axis.id for axis in self.axes)

    def axis(self, letter: str) -> TensorAxis | None:
        """Give the axis of that letter, or None."""
        return next((axis for axis in self.axes if axis.letter == letter), None)


@dataclass(frozen=True)
class Architecture:
    """How the network of a state dict is made: a callable in a file of the package, or in an installed library."""

    callable: str
    kwargs: Mapping[str, Any]
    file: PackageFile | None = None
    library: str = ""


@dataclass(frozen=True)
class Weights:
    """Weights in one format; `architecture` for a state dict, `external` for an ONNX model's data file.

    `more` has further weights of a state dict: those of a head that the plain network has not.
    """

    format: str
    file: PackageFile
    architecture: Architecture | None = None
    external: PackageFile | None = None
    more: PackageFile | None = None


@dataclass(frozen=True)
class ModelPackage:
    """A model package that has been opened.

    `sha256` is over the description and every file that it takes to run, test and explain the model: the same for a
    folder and for the archive of it.
    `id` is the zoo's name of the model, empty where it has none; `tags` are words to find it by.
    `config` is the description's free part; ours is `config["bioimg_fiji"]`.
    `beside` names what the network gives besides the outputs: arrays of a tile that are no part of an image. No file
    says it: see `bioimg_fiji.trust.told`.
    """

    name: str
    description: str
    root: Path
    sha256: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    weights: Mapping[str, Weights]
    files: Mapping[str, PackageFile]
    config: Mapping[str, Any] = field(default_factory=dict)
    format_version: str = "0.5"
    documentation: PackageFile | None = None
    id: str = ""
    tags: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def own(self) -> Mapping[str, Any]:
        """Our own part of the configuration, empty for packages of others."""
        found = self.config.get("bioimg_fiji")
        return found if isinstance(found, Mapping) else {}

    @html.never_raises
    def _repr_html_(self) -> str:
        from bioimg_fiji.package import read, show

        return show.describe(self, read.read_description(self))
