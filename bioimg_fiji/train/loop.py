"""The training loop: steps, loss, averaging, validation, checkpoints. It knows no method."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bioimg_fiji.errors import JobCancelledError, TrainingError
from bioimg_fiji.jobs import Job
from bioimg_fiji.nets import build
from bioimg_fiji.nets.told import is_head
from bioimg_fiji.runtime.devices import gpu_has_failed
from bioimg_fiji.train import checkpoint
from bioimg_fiji.train.best import Best
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.design import ARCHITECTURE
from bioimg_fiji.train.feed import Feed, Tensors
from bioimg_fiji.train.memory import is_full, patches_at_once
from bioimg_fiji.train.method import Source
from bioimg_fiji.train.optimizer import AdamW
from bioimg_fiji.train.schedule import learning_rate
from bioimg_fiji.train.watch import Watch

_VALIDATIONS = 20
_GRADIENT_LIMIT = 1.0
_BETAS = (0.9, 0.98)
"""NB: torch's 0.999 remembers the first, huge gradients for a thousand steps, as long as a short training lasts."""

_failed: list[RuntimeError] = []
"""Failures of GPUs, with all that their frames hold: torch ends the process when memory that it has pinned is freed."""

Weights = dict[str, torch.Tensor]


class Loop:
    """One training in progress: network, optimizer, averaged weights, losses.

    Parameters
    ----------
    source
        Batches.
    kwargs
        Of the network.
    config
        Parameters.
    device
        Where to compute.
    start
        Weights to start from instead of random ones.
    tile
        Raw part of the data (c, (z,) y, x) for the preview; its sizes fit the network.
    """

    def __init__(
        self,
        source: Source,
        kwargs: Mapping[str, Any],
        config: TrainConfig,
        device: torch.device,
        start: Weights | None = None,
        tile: NDArray[Any] | None = None,
    ) -> None:
        self.source = source
        self.tile = tile
        self._config = config
        self._device = device
        self._layout = torch.channels_last if kwargs["ndim"] == 2 else torch.channels_last_3d
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = build(ARCHITECTURE, kwargs)
        if start is not None:
            heads = {name: values for name, values in network.state_dict().items() if is_head(name)}
            network.load_state_dict({**heads, **start})  # a second head begins anew
        self._network: Any = network.to(device).to(memory_format=self._layout)
        self._groups = [
            [parameter for name, parameter in self._network.named_parameters() if is_head(name) is head]
            for head in (False, True)
        ]
        self._optimizer = AdamW(self._network.parameters(), _BETAS)
        self._average = [p.detach().clone() for p in self._network.parameters()]
        self._validation_batches = [Tensors.of(batch).to(device) for batch in source.validation()]
        self._best = Best()
        self._kept: Weights | None = None
        self._torn = False
        self.together = patches_at_once(kwargs, source.patch, config, device)
        self._saved = 0
        self.history: list[float] = []
        self.validation: list[tuple[int, float]] = []

    @property
    def done(self) -> int:
        """Steps done."""
        return len(self.history)

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and loss of the state that is kept (see `Best`); None before the first validation."""
        return self._best.kept

    def run(self, job: Job, path: Path | None, header: Mapping[str, Any]) -> str:
        """Train up to the configured number of steps, from wherever the loop stands.

        `header` goes into every checkpoint. A cancelled or interrupted run leaves a checkpoint of the last whole step.

        Returns
        -------
        Why it ended: "steps", "finished" (the user asked for it) or "early" (the validation got no better).

        Raises
        ------
        TrainingError
            When a loss or gradient is not finite; the last finite state is kept in the checkpoint. When the GPU has
            failed; the checkpoint is the last that was written before.
        JobCancelledError
            When the job was cancelled.
        """
        try:
            return self._steps(job, path, header)
        except JobCancelledError:
            self._save(path, header)
            raise
        except KeyboardInterrupt:
            if not self._torn:  # else the last checkpoint is the last whole state
                self._save(path, header)
            raise
        except RuntimeError as error:
            if not gpu_has_failed(error):
                raise
            _failed.append(error)
            raise self._lost(error, path) from error
        except TrainingError as error:
            self._save(path, header)
            if path is not None and self.done:
                error.message += f" The state after step {self.done} is kept in {path}."
            raise

    def _steps(self, job: Job, path: Path | None, header: Mapping[str, Any]) -> str:
        steps = self._config.steps
        every = max(1, steps // _VALIDATIONS)
        watch = Watch(job, self, steps)
        if self._is_stuck():  # resumed after it had ended
            return "early"
        with Feed(self.source, self.done, steps, self._device) as feed:
            for batch in feed:
                self.history.append(self._step(batch, self.done, job))
                self._torn = False
                if self.done % every == 0 or self.done == steps:
                    self._validate()
                if self.done % self._config.checkpoint_every == 0 or self.done == steps:
                    self._save(path, header)
                watch.tell()
                job.check()
                if job.finishing and self.done < steps:
                    self._finish(path, header)
                    return "finished"
                if self._is_stuck():
                    self._save(path, header)
                    return "early"
        return "steps"

    def _lost(self, error: RuntimeError, path: Path | None) -> TrainingError:
        """Tell that the GPU has failed; the state since the last checkpoint is on it, and gone with it."""
        text = f"The GPU failed at step {self.done + 1} ({' '.join(str(error).split())[:200]})."
        if path is None or not self._saved:
            return TrainingError(text, fix="Train again, on another device if it fails again (device=cpu).")
        return TrainingError(
            f"{text} The state after step {self._saved} is kept in {path}.",
            fix="The same command with resume=true goes on from there, with device=cpu without the GPU.",
            step=self.done + 1,
        )

    def _finish(self, path: Path | None, header: Mapping[str, Any]) -> None:
        """Judge what there is, so that the best of all is kept."""
        if not self.validation or self.validation[-1][0] != self.done:
            self._validate()
        self._save(path, header)

    def _is_stuck(self) -> bool:
        """Whether the validation has been worse than the best for so long that it will not improve any more."""
        best, share = self.best, self._config.early_stop
        return bool(share and best and self.done - best[0] >= max(1.0, share * self._config.steps)) and (
            self.done < self._config.steps
        )

    def _step(self, batch: Tensors, step: int, job: Job) -> float:
        self._network.train()
        value = self._gradients(batch, job)
        # NB: each for itself, so that a second head does not change what the network learns.
        norms = [float(torch.nn.utils.clip_grad_norm_(group, _GRADIENT_LIMIT)) for group in self._groups if group]
        norm = math.hypot(*norms)  # of both: not finite where either is
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise TrainingError(
                f"At step {step + 1} the loss was {value:g} and the gradient {norm:g}; training has stopped.",
                fix="Look for extreme pixels in the images. With resume=true and a lower learning_rate the same "
                "command goes on from the state before.",
                step=step + 1,
            )
        self._torn = True
        rate = learning_rate(self._config.schedule, step, self._config.steps, self._config.learning_rate)
        self._optimizer.step(rate)
        self._update_average(step)
        return value

    def _gradients(self, batch: Tensors, job: Job) -> float:
        """Compute the loss and its gradients, in parts where memory asks for it."""
        while True:
            self._optimizer.clear()
            try:
                total = batch.weights.sum().clamp(min=1)
                losses = []
                for part in batch.split(self.together):
                    squared, doubt = (each.sum() / total for each in self._losses(part))
                    torch.autograd.backward(squared + doubt)
                    losses.append(float(squared.detach()))
                return math.fsum(losses)
            except (RuntimeError, MemoryError) as error:
                if not is_full(error):
                    raise
                if self.together == 1:
                    raise TrainingError(
                        "The memory does not suffice for a single patch.",
                        fix="Choose a smaller patch or fewer filters, or close other programs.",
                    ) from error
            self.together = -(-min(self.together, len(batch.inputs)) // 2)
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
            job.note(f"Memory does not suffice for the whole batch at once: going on with {self.together} patches.")

    def _losses(self, batch: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        """Give sums, (n,), over the pixels that count: of squared errors, and of a second head's losses (0 without).

        The least squared error is had by the expected value; the head's loss is `head_loss`.
        """
        inputs = batch.inputs.to(memory_format=self._layout)
        with self._precision():
            output, log_variance, _ = self._network.parts(inputs)
        squares = (output.float() - batch.targets).square()
        squared = (batch.weights * squares).flatten(1).sum(dim=1)
        if log_variance is None:
            return squared, torch.zeros_like(squared)
        doubts = batch.weights * head_loss(squares.detach(), log_variance.float())
        return squared, doubts.flatten(1).sum(dim=1)

    @contextmanager
    def _precision(self) -> Iterator[None]:
        if self._config.precision != "bf16":
            yield
            return
        with torch.autocast(self._device.type, torch.bfloat16):
            yield

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        """Follow the weights with an exponential moving average that forgets the start faster (Polyak 1992)."""
        decay = min(self._config.average, (step + 1) / (step + 10))
        torch._foreach_lerp_(self._average, list(self._network.parameters()), 1 - decay)

    def _validate(self) -> None:
        if not self._validation_batches:
            return
        with self.averaged() as network, torch.inference_mode():
            network.eval()
            errors = [self._errors(batch) for batch in self._validation_batches]
        # Patches at the same place of their batches show the same pixels with other masks: they count as one.
        pixels = math.fsum(float(batch.weights.sum()) for batch in self._validation_batches)
        shares = torch.nn.utils.rnn.pad_sequence(errors).sum(dim=1) / pixels
        self.validation.append((self.done, float(shares.sum())))
        if self._best.consider(self.done, shares):
            self._kept = self.averaged_weights()

    def _errors(self, batch: Tensors) -> torch.Tensor:
        """Give the sum of squared errors of each patch, (n,), float64, on the CPU."""
        return torch.cat([self._losses(part)[0] for part in batch.split(self.together)]).double().cpu()

    def output(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the averaged network on one normalised sample (c, (z,) y, x); the output has such axes, too."""
        with self.averaged() as network, torch.inference_mode(), self._precision():
            network.eval()
            tensor = torch.from_numpy(inputs)[None].to(self._device, memory_format=self._layout)
            found: NDArray[np.float32] = network.parts(tensor)[0][0].float().cpu().numpy()
        return found

    @contextmanager
    def averaged(self) -> Iterator[Any]:
        """Give the network with its averaged weights, for the time of the block."""
        self._exchange()
        try:
            yield self._network
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        """Swap the network's weights and the averaged ones."""
        for mean, weight in zip(self._average, self._network.parameters(), strict=True):
            mean.data, weight.data = weight.data, mean.data

    def averaged_weights(self) -> Weights:
        """Give the averaged weights as a state dict on the CPU, in the ordinary memory layout."""
        with self.averaged():
            return self._state_dict()

    def best_weights(self) -> Weights:
        """Give the averaged weights of the state that is kept; the last ones where nothing was validated."""
        return self._kept if self._kept is not None else self.averaged_weights()

    def _state_dict(self) -> Weights:
        return {
            name: tensor.detach().cpu().contiguous(memory_format=torch.contiguous_format).clone()
            for name, tensor in self._network.state_dict().items()
        }

    def _save(self, path: Path | None, header: Mapping[str, Any]) -> None:
        if path is None:
            return
        state = {
            **header,
            "together": self.together,
            "weights": self._state_dict(),
            "average": self.averaged_weights(),
            "best": self._kept,
            "validated": self._best.state(),
            "optimizer": self._optimizer.state_dict(),
            "history": torch.tensor(self.history, dtype=torch.float64),
            "validation": [list(pair) for pair in self.validation],
        }
        checkpoint.save(path, state)
        self._saved = self.done

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self._network.load_state_dict(state["average"])
        self._average = [p.detach().clone() for p in self._network.parameters()]
        self._network.load_state_dict(state["weights"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._kept = state["best"]
        self._best.restore(state["validated"])
        self.together = int(state["together"])
        self.history = [float(value) for value in state["history"]]
        self._saved = self.done
        self.validation = [(int(step), float(loss)) for step, loss in state["validation"]]


def head_loss(squares: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Give the negative log likelihood of squared errors, per pixel, by which the second head learns their variance.

    NB: learnt together with the output, the likelihood spoils it; weighting it by the variance (beta-NLL, Seitzer et
    al., ICLR 2022) costs less, but still 1.2 to 1.6 dB in a short training. With beta = 1 the output's gradient is that
    of the squared error. So the output is learnt by just that, and the head beside it, from features that it does not
    shape: the result is, bit for bit, that of a training without a head. No weights are needed then.
    """
    return 0.5 * (log_variance + squares * (-log_variance).exp())
