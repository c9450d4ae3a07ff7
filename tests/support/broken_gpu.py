"""A process whose GPU fails in the midst of a training, or before a model runs; prints the error that comes of it."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import torch

from bioimg_fiji.errors import BioimgError
from bioimg_fiji.package import open_package
from bioimg_fiji.predict import predict
from bioimg_fiji.runtime import choose
from bioimg_fiji.train import TrainConfig, train
from bioimg_fiji.train.feed import Tensors
from bioimg_fiji.train.loop import Loop
from support.odd_command import break_gpu
from support.servers import noise


def main(what: str, file: Path) -> None:
    """Train with the checkpoint `file`, or run the model `file`."""
    try:
        train_with(file) if what == "train" else run(file)
    except BioimgError as error:
        print(f"{type(error).__name__}: {error.message} {error.fix}", flush=True)
        os._exit(0)  # torch would abort at the end of a process whose GPU has failed


def train_with(checkpoint: Path) -> None:
    """Train until a kernel of the twelfth step fails, which shows when its loss is read."""
    errors = Loop._losses

    def failing(loop: Loop, batch: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        if loop.done == 11:
            break_gpu()
        return errors(loop, batch)

    Loop._losses = failing  # type: ignore[method-assign]
    config = TrainConfig(
        method="n2v",
        steps=40,
        batch_size=4,
        patch=32,
        filters=8,
        checkpoint_every=5,
        held_out=0,
        early_stop=0,
        force=True,
        device="cuda",
    )
    train([noise(96, 96)], config, checkpoint=checkpoint)


def run(model: Path) -> None:
    """Run a model that was loaded before the GPU failed."""
    package = open_package(model)
    with contextlib.closing(choose(package, device="cuda")) as adapter:
        predict(noise(96, 96), package, adapter=adapter)
        with contextlib.suppress(RuntimeError):
            break_gpu().cpu()
        predict(noise(96, 96), package, adapter=adapter)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
