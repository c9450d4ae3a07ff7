"""The training loop: steps, loss, averaging, checkpoints. It knows no method."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bioimg_fiji.errors import JobCancelledError, TrainingError
from bioimg_fiji.jobs import Job
from bioimg_fiji.nets import build
from bioimg_fiji.train import checkpoint
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.design import ARCHITECTURE
from bioimg_fiji.train.method import Batch, Source
from bioimg_fiji.train.schedule import one_cycle

_REPORT_SECONDS = 0.25
_VALIDATIONS = 20
_GRADIENT_LIMIT = 1.0
_BETAS = (0.9, 0.98)
"""NB: torch's 0.999 remembers the first, huge gradients for a thousand steps, as long as a short training lasts."""


class Loop:
    """One training in progress: network, optimizer, averaged weights, losses."""

    def __init__(self, source: Source, kwargs: Mapping[str, Any], config: TrainConfig, device: torch.device) -> None:
        self._source = source
        self._config = config
        self._device = device
        self._layout = torch.channels_last if kwargs["ndim"] == 2 else torch.channels_last_3d
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = build(ARCHITECTURE, kwargs)
        self._network = network.to(device).to(memory_format=self._layout)
        self._optimizer = torch.optim.AdamW(self._network.parameters(), lr=config.learning_rate, betas=_BETAS)
        self._average = [p.detach().clone() for p in self._network.parameters()]
        self._validation_batches = source.validation()
        self.history: list[float] = []
        self.validation: list[tuple[int, float]] = []

    @property
    def done(self) -> int:
        """Steps done."""
        return len(self.history)

    def run(self, job: Job, path: Path | None, header: Mapping[str, Any]) -> None:
        """Train up to the configured number of steps, from wherever the loop stands.

        `header` goes into every checkpoint. A cancelled or interrupted run leaves a checkpoint of the last whole step.

        Raises
        ------
        TrainingError
            When a loss or gradient is not finite; the last finite state is kept in the checkpoint.
        JobCancelledError
            When the job was cancelled.
        """
        try:
            self._steps(job, path, header)
        except (JobCancelledError, KeyboardInterrupt, TrainingError):
            self._save(path, header)
            raise

    def _steps(self, job: Job, path: Path | None, header: Mapping[str, Any]) -> None:
        began, first, reported = time.monotonic(), self.done, 0.0
        every = max(1, self._config.steps // _VALIDATIONS)
        job.progress("Training", self.done, self._config.steps)
        while self.done < self._config.steps:
            loss = self._step(self.done)
            self.history.append(loss)
            if self.done % every == 0 or self.done == self._config.steps:
                self._validate()
            if self.done % self._config.checkpoint_every == 0 or self.done == self._config.steps:
                self._save(path, header)
            now = time.monotonic()
            if now - reported >= _REPORT_SECONDS or self.done == self._config.steps:
                reported = now
                left = (now - began) / (self.done - first) * (self._config.steps - self.done)
                job.progress("Training", self.done, self._config.steps, loss=loss, seconds_left=left)
            job.check()

    def _step(self, step: int) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = one_cycle(step, self._config.steps, self._config.learning_rate)
        self._network.train()
        loss = self._loss(self._network, self._source.batch(step))
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self._network.parameters(), _GRADIENT_LIMIT)
        value = float(loss.detach())
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            raise TrainingError(
                f"At step {step + 1} the loss was {value:g} and the gradient {float(norm):g}; training has stopped.",
                fix="Lower the learning rate, and look for extreme pixels in the images.",
                step=step + 1,
            )
        self._optimizer.step()
        self._update_average(step)
        return value

    def _loss(self, network: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Give the mean squared error over the pixels that count: its minimum is the expected value, not the median."""
        inputs = torch.from_numpy(batch.inputs).to(self._device, memory_format=self._layout)
        targets, weights = (torch.from_numpy(a).to(self._device) for a in (batch.targets, batch.weights))
        error = weights * (network(inputs) - targets).square()
        loss: torch.Tensor = error.sum() / weights.sum().clamp(min=1)
        return loss

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        """Follow the weights with an exponential moving average that forgets the start faster (Polyak 1992)."""
        decay = min(self._config.average, (step + 1) / (step + 10))
        for mean, weight in zip(self._average, self._network.parameters(), strict=True):
            mean.lerp_(weight, 1 - decay)

    def _validate(self) -> None:
        if not self._validation_batches:
            return
        self._exchange()
        self._network.eval()
        with torch.inference_mode():
            losses = [float(self._loss(self._network, batch)) for batch in self._validation_batches]
        self._exchange()
        self.validation.append((self.done, math.fsum(losses) / len(losses)))

    @torch.no_grad()
    def _exchange(self) -> None:
        """Swap the network's weights and the averaged ones."""
        for mean, weight in zip(self._average, self._network.parameters(), strict=True):
            mean.data, weight.data = weight.data, mean.data

    def averaged_weights(self) -> dict[str, torch.Tensor]:
        """Give the averaged weights as a state dict on the CPU, in the ordinary memory layout."""
        self._exchange()
        state = self._state_dict()
        self._exchange()
        return state

    def _state_dict(self) -> dict[str, torch.Tensor]:
        return {
            name: tensor.detach().cpu().contiguous(memory_format=torch.contiguous_format).clone()
            for name, tensor in self._network.state_dict().items()
        }

    def _save(self, path: Path | None, header: Mapping[str, Any]) -> None:
        if path is None:
            return
        state = {
            **header,
            "weights": self._state_dict(),
            "average": self.averaged_weights(),
            "optimizer": self._optimizer.state_dict(),
            "history": torch.tensor(self.history, dtype=torch.float64),
            "validation": [list(pair) for pair in self.validation],
        }
        checkpoint.save(path, state)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self._network.load_state_dict(state["average"])
        self._average = [p.detach().clone() for p in self._network.parameters()]
        self._network.load_state_dict(state["weights"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.history = [float(value) for value in state["history"]]
        self.validation = [(int(step), float(loss)) for step, loss in state["validation"]]
