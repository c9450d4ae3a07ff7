"""Batches ahead of the steps: they are prepared on a thread of their own while the network computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import torch

from bioimg_fiji.train.method import Batch, Source

_AHEAD = 4


class Feed:
    """The batches of steps `first` to `last` - 1, in order, as tensors on a device.

    Parameters
    ----------
    source
        Where they come from; each is a function of its step, so preparing them ahead changes nothing.
    first, last
        Steps.
    device
        Where the tensors are to be.
    """

    def __init__(self, source: Source, first: int, last: int, device: torch.device) -> None:
        self._source, self._device = source, device
        self._steps = iter(range(first, last))
        self._thread = ThreadPoolExecutor(1, "bioimg-batches")
        self._waiting: deque[Future[Tensors]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[Tensors]:
        self._fill()
        while self._waiting:
            batch = self._waiting.popleft().result()
            self._fill()
            yield batch.to(self._device)

    def _fill(self) -> None:
        while len(self._waiting) < _AHEAD and (step := next(self._steps, None)) is not None:
            self._waiting.append(self._thread.submit(self._made, step))

    def _made(self, step: int) -> Tensors:
        made = Tensors.of(self._source.batch(step))
        return made.pinned() if self._device.type == "cuda" else made


class Tensors:
    """A batch as tensors: inputs, targets and weights (b, c, (z,) y, x)."""

    def __init__(self, inputs: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> None:
        self.inputs, self.targets, self.weights = inputs, targets, weights

    @classmethod
    def of(cls, batch: Batch) -> Tensors:
        """Take the arrays of a batch."""
        return cls(torch.from_numpy(batch.inputs), torch.from_numpy(batch.targets), torch.from_numpy(batch.weights))

    def pinned(self) -> Tensors:
        """Give the same in memory from which a GPU copies without waiting."""
        return Tensors(self.inputs.pin_memory(), self.targets.pin_memory(), self.weights.pin_memory())

    def to(self, device: torch.device) -> Tensors:
        """Give the same on a device."""
        if device.type == "cpu":
            return self
        return Tensors(*(each.to(device, non_blocking=True) for each in (self.inputs, self.targets, self.weights)))

    def split(self, size: int) -> Iterator[Tensors]:
        """Give parts of at most `size` patches."""
        for first in range(0, len(self.inputs), size):
            part = slice(first, first + size)
            yield Tensors(self.inputs[part], self.targets[part], self.weights[part])
