"""One training of CAREamics in a process of its own, in its own environment. It prints one JSON object at the end.

Usage: as ours.py, and keys workers: processes that load data (0: none, -1: its own choice), and one_epoch. CAREamics
ends an epoch, validates and writes a checkpoint after each pass over the image; with one_epoch the image is given so
often that all steps are one epoch, which is the fastest that it can be. Network: its U-Net with as many filters and
levels as ours; optimizer and the rest are its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from careamics import CAREamist
from careamics.config.factories import create_advanced_n2v_config
from memory import peak_megabytes
from pytorch_lightning import Callback

spec = json.loads(Path(sys.argv[1]).read_text())
torch.set_num_threads(spec["threads"])
clock: list[float] = []


class Clock(Callback):
    """Notes when each step was done."""

    def on_train_batch_end(self, *_: object, **__: object) -> None:
        """Look at the clock."""
        clock.append(time.time())


noisy = np.load(spec["image"])
patches = (noisy.shape[0] // spec["patch"]) * (noisy.shape[1] // spec["patch"])
per_epoch = -(-patches // spec["batch_size"])
copies = -(-spec["steps"] * spec["batch_size"] // patches) if spec["one_epoch"] else 1
with tempfile.TemporaryDirectory() as folder:
    config = create_advanced_n2v_config(
        experiment_name="bench",
        data_type="array",
        axes="SYX",
        patch_size=[spec["patch"], spec["patch"]],
        batch_size=spec["batch_size"],
        num_epochs=1 if spec["one_epoch"] else -(-spec["steps"] // per_epoch),
        num_steps=spec["steps"] if spec["one_epoch"] else per_epoch,
        model_params={"num_channels_init": spec["filters"], "depth": 2},
        num_workers=spec["workers"],
        trainer_params={"accelerator": "cpu"},
        seed=spec["seed"] + 1,  # it takes none below 1
    )
    peer = CAREamist(config, work_dir=folder, callbacks=[Clock()], enable_progress_bar=False)
    peer.train(train_data=np.repeat(noisy[None], copies, axis=0))
    peak = peak_megabytes()
    result, _ = peer.predict(noisy[None], num_workers=0)
np.save(spec["result"], np.asarray(result).reshape(noisy.shape))
figures = {
    "first_step": clock[0] - spec["born"],
    "rate": (len(clock) - 1) * spec["batch_size"] / (clock[-1] - clock[0]),
    "peak": peak,
    "parameters": sum(weights.numel() for weights in peer.model.model.parameters()),
    "steps": len(clock),
}
print(json.dumps(figures))
