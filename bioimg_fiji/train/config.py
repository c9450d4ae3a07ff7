"""What a training is told: one frozen object, checked when it is made."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bioimg_fiji.errors import ParameterError

PRESETS: dict[str, dict[str, int]] = {
    "quick": {"steps": 800, "batch_size": 8},
    "normal": {"steps": 4000, "batch_size": 16, "depth": 3},
    "thorough": {"steps": 12000, "batch_size": 16, "depth": 3, "filters": 32},
}
"""Values that differ from the defaults: a look in about a minute on a laptop, a result, and the best one to be had."""


@dataclass(frozen=True)
class TrainConfig:
    """Parameters of a training.

    Parameters
    ----------
    method
        Name in the registry of methods.
    steps
        Optimiser steps.
    batch_size
        Patches in a step.
    patch
        Side of a patch along y and x, pixels; cut down to what the images hold.
    patch_z
        Size of a patch along z, slices (dims 3 only).
    dims
        2: every y-x plane is a sample; 3: every z-y-x volume is one.
    channels
        "separate": each channel has a network of its own; "joint": one network sees and gives all of them.
    frames
        Frames on each side that the method temporal sees besides the one to be told.
    learning_rate
        Peak of the schedule; 0 takes the method's (`bioimg_fiji.train.catalogue`).
    schedule
        "one_cycle" (up for a tenth, then down by a cosine) or "cosine" (down from the start).
    early_stop
        Share of the steps after which a training without a better validation loss stops; 0 goes on to the end.
    precision
        "fp32"; "bf16" computes the network in bfloat16 and keeps weights, loss and result in float32; "auto" takes
        bf16 on CUDA devices that have it.
    masked_fraction
        Share of pixels that a blind-spot method masks.
    radius
        Reach of the neighbourhood that replaces a masked pixel, pixels.
    noise_axis
        "y" or "x", along which structn2v takes the noise for correlated; "auto" measures it.
    noise_span
        Length of the lines that structn2v hides, pixels, odd; 0 measures it.
    filters, depth, upsampling, padding
        Of the U-Net, see `bioimg_fiji.nets.unet.UNet`.
    average
        Decay of the exponential moving average of the weights; 0 switches it off.
    held_out
        Share of the pixels that is never a training target and gives the validation loss.
    seed
        Of everything random.
    device
        "auto", "cpu", "cuda" or "mps".
    together
        Patches of a step that are computed at once; 0 finds it from the free memory. It changes no result but for the
        order of sums.
    threads
        CPU threads; 0 leaves torch's choice.
    checkpoint_every
        Steps from one checkpoint to the next.
    force
        Go on although the method does not suit the data.
    confidence
        Learn, besides the result, how far it may be off in each pixel; the result is the same, bit for bit. Of methods
        that restore intensities.
    """

    method: str = "n2v"
    steps: int = 800
    batch_size: int = 8
    patch: int = 64
    patch_z: int = 16
    dims: int = 2
    channels: str = "separate"
    frames: int = 3
    learning_rate: float = 0
    schedule: str = "one_cycle"
    early_stop: float = 0.5
    precision: str = "auto"
    masked_fraction: float = 0.02
    radius: int = 2
    noise_axis: str = "auto"
    noise_span: int = 0
    filters: int = 16
    depth: int = 2
    upsampling: str = "linear"
    padding: str = "reflect"
    average: float = 0.99
    held_out: float = 0.05
    seed: int = 0
    device: str = "auto"
    together: int = 0
    threads: int = 0
    checkpoint_every: int = 50
    force: bool = False
    confidence: bool = False

    def __post_init__(self) -> None:
        for field, (expected, holds) in _RULES.items():
            value = getattr(self, field)
            if not holds(value):
                raise ParameterError.of(field, expected, value)

    def to_json(self) -> dict[str, Any]:
        """Give all parameters as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> TrainConfig:
        """Give the configuration of a preset (`PRESETS`), with changes.

        Raises
        ------
        ParameterError
            For an unknown preset or a value out of range.
        """
        if name not in PRESETS:
            raise ParameterError.of("preset", "one of " + ", ".join(PRESETS), name)
        return cls(**{**PRESETS[name], **changes})


def _whole(low: int, high: float = math.inf) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high


def _real(low: float, high: float, *, zero: bool = False) -> Callable[[Any], bool]:
    return lambda v: (
        isinstance(v, (int, float)) and not isinstance(v, bool) and ((low < v <= high) or (zero and v == 0))
    )


_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "steps": ("a whole number of at least 1", _whole(1)),
    "batch_size": ("a whole number from 1 to 1024", _whole(1, 1024)),
    "patch": ("a whole number from 16 to 1024", _whole(16, 1024)),
    "patch_z": ("a whole number from 4 to 256", _whole(4, 256)),
    "dims": ("2 or 3", _whole(2, 3)),
    "channels": ('"separate" or "joint"', lambda v: v in ("separate", "joint")),
    "frames": ("a whole number from 1 to 16", _whole(1, 16)),
    "schedule": ('"one_cycle" or "cosine"', lambda v: v in ("one_cycle", "cosine")),
    "early_stop": ("0 or at most 1", _real(0, 1, zero=True)),
    "precision": ('"auto", "fp32" or "bf16"', lambda v: v in ("auto", "fp32", "bf16")),
    "together": ("a whole number of at least 0", _whole(0, 1024)),
    "learning_rate": ("0 or at most 1", _real(0, 1, zero=True)),
    "masked_fraction": ("above 0 and at most 0.1", _real(0, 0.1)),
    "radius": ("a whole number from 1 to 16", _whole(1, 16)),
    "noise_axis": ('"auto", "y" or "x"', lambda v: v in ("auto", "y", "x")),
    "noise_span": ("0 or an odd number from 3 to 63", lambda v: v == 0 or (_whole(3, 63)(v) and v % 2 == 1)),
    "filters": ("a whole number from 1 to 512", _whole(1, 512)),
    "depth": ("a whole number from 1 to 5", _whole(1, 5)),
    "upsampling": ('"linear" or "nearest"', lambda v: v in ("linear", "nearest")),
    "padding": ('"zeros", "reflect" or "replicate"', lambda v: v in ("zeros", "reflect", "replicate")),
    "average": ("0 or a number below 1", lambda v: isinstance(v, (int, float)) and 0 <= v < 1),
    "held_out": ("0 or at most 0.5", _real(0, 0.5, zero=True)),
    "seed": ("a whole number of at least 0", _whole(0, 2**63 - 1)),
    "device": ('"auto", "cpu", "cuda" or "mps"', lambda v: v in ("auto", "cpu", "cuda", "mps")),
    "threads": ("a whole number of at least 0", _whole(0)),
    "checkpoint_every": ("a whole number of at least 1", _whole(1)),
}
