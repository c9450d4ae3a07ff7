"""Going on from a trained model: its network, weights and scale, with new images."""

from __future__ import annotations

import dataclasses
from typing import Any

from bioimg_fiji.errors import ModelError
from bioimg_fiji.runtime.restart import StartingPoint
from bioimg_fiji.train.catalogue import CATALOGUE, kind_of
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.method import Source

_SHAPE = ("filters", "depth", "upsampling", "padding")


def adapted(config: TrainConfig, start: StartingPoint) -> TrainConfig:
    """Give the parameters with what the model to start from has fixed: its dimensions, network and channels.

    Raises
    ------
    ModelError
        When the model was trained by a method of another kind.
    """
    sees_frames = config.method in CATALOGUE and CATALOGUE[config.method].frames
    if kind_of(config.method) != kind_of(start.method) or sees_frames != (start.window > 0):
        raise ModelError(
            f"{start.name} was trained by {start.method}; {config.method} cannot go on from it.",
            fix=f"Choose method {start.method}, or a model that {config.method} has trained.",
        )
    fixed: dict[str, Any] = {name: start.kwargs[name] for name in _SHAPE if name in start.kwargs}
    fixed["dims"] = int(start.kwargs["ndim"])
    fixed["channels"] = "separate" if start.kwargs.get("independent") else "joint"
    if start.window:
        fixed["frames"] = start.window
    return dataclasses.replace(config, **fixed)


def refitted(source: Source, kwargs: dict[str, Any], start: StartingPoint) -> dict[str, Any]:
    """Give the model's network for the new data, which take its scale: intensities keep their meaning.

    Raises
    ------
    ModelError
        When the data do not go through the network.
    """
    theirs = dict(start.kwargs)
    for name, what in (("in_channels", "channels"), ("out_channels", "output channels")):
        if kwargs[name] != theirs.get(name, 1):
            raise ModelError(
                f"{start.name} has {theirs.get(name, 1)} {what}; these images need {kwargs[name]}.",
                fix="Choose a model of the same channels, or train a new one.",
            )
    if list(kwargs.get("out_scale") or []) != list(theirs.get("out_scale") or []):
        raise ModelError(
            f"{start.name} enlarges by {theirs.get('out_scale') or 1}; these pairs by {kwargs.get('out_scale') or 1}.",
            fix="Choose a model of the same enlargement, or train a new one.",
        )
    step = [scale ** int(theirs.get("depth", 2)) for scale in theirs.get("scale") or [2] * len(source.patch)]
    if any(size % n for size, n in zip(source.patch, step, strict=True)):
        raise ModelError(
            f"{start.name} takes sizes that are multiples of {step}; a patch of these images has {list(source.patch)}.",
            fix="Choose another patch size, larger images, or train a new model.",
        )
    if not source.per_image:
        source.data = dataclasses.replace(
            source.data, mean=start.mean, std=start.std, out_mean=start.out_mean, out_std=start.out_std
        )
    return theirs
