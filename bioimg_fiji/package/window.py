"""Packages whose channels are neighbouring frames: `config.bioimg_fiji.window` of our own ones.

The description knows no window of frames, so to other software they are channels, named "t-1", "t", "t+1". Here the
image is a movie: each of its frames is run with its neighbours, which are mirrored at both ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bioimg_fiji.errors import PackageError
from bioimg_fiji.package.links import main_input
from bioimg_fiji.package.model import ModelPackage
from bioimg_fiji.tiling import mirrored


@dataclass(frozen=True)
class Window:
    """How many frames before and after a frame, along `axis`, a model sees with it."""

    axis: str
    before: int
    after: int

    @property
    def length(self) -> int:
        """Frames that the model sees."""
        return self.before + 1 + self.after

    def frames(self, middle: int, count: int) -> tuple[int, ...]:
        """Give the frames around one of a movie of `count`, mirrored at its ends."""
        return tuple(mirrored(middle - self.before, middle + self.after + 1, count))


def window_of(package: ModelPackage) -> Window | None:
    """Give the window of frames of a package; None where channels are channels.

    Raises
    ------
    PackageError
        When the configuration does not fit the input.
    """
    own = package.own.get("window")
    if own is None:
        return None
    tensor = main_input(package)
    channel = tensor.axis("c")
    channels = 0 if channel is None else len(channel.channel_names)
    window = _read(own)
    if window is None or window.length != channels or "t" in tensor.letters or len(package.inputs) > 1:
        raise PackageError(
            f"config.bioimg_fiji.window is {str(own)[:80]}; it must have the axis t, and numbers of frames before and "
            f"after so that together there are {channels}, the input's channels.",
            fix="Correct the description.",
            field="config.bioimg_fiji.window",
        )
    return window


def _read(own: object) -> Window | None:
    if not isinstance(own, Mapping) or own.get("axis") != "t":
        return None
    before, after = own.get("before"), own.get("after")
    if type(before) is not int or type(after) is not int or before < 0 or after < 0:
        return None
    return Window("t", before, after)
