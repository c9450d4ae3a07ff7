"""Keys that several commands have: the same word means the same everywhere."""

from __future__ import annotations

from typing import Any, Literal

from bioimg_fiji.commands.parameters import key

Device = Literal["auto", "cpu", "cuda", "mps"]
Weights = Literal["auto", "onnx", "pytorch_state_dict", "torchscript"]


def axes_key() -> Any:
    """Declare `axes`."""
    return key(
        None,
        title="Axes",
        help="The image's axes where ImageJ has them wrong: letters of tzcyx, for example tyx for a movie.",
    )


def weights_key() -> Any:
    """Declare `weights`."""
    return key(
        "auto", title="Weights", expert=True, help="Which of the package's weights to use; auto takes the fastest."
    )


def device_key() -> Any:
    """Declare `device`."""
    return key("auto", title="Device", expert=True, help="Where to compute; auto takes a GPU if there is one.")


def tile_key() -> Any:
    """Declare `tile`."""
    return key(
        0,
        ge=0,
        le=65536,
        title="Tile size",
        unit="pixels",
        expert=True,
        help="Side of a tile; 0 chooses by the image and the free memory.",
    )


def trust_key() -> Any:
    """Declare `trust`."""
    return key(
        None,
        title="Trust",
        expert=True,
        help="For a package that brings code: 16 digits of its SHA-256, if you trust it. The refusal names them.",
    )
