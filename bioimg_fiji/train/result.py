"""What a training gives: weights with all that a model package says about them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bioimg_fiji.nets import build, divisor, halo
from bioimg_fiji.nets.export import to_onnx


@dataclass(frozen=True)
class TrainedModel:
    """A trained network.

    It maps (raw - mean) / std to (result - out_mean) / out_std; both steps belong to the package's pre- and
    postprocessing.

    Parameters
    ----------
    architecture, kwargs
        Name in `bioimg_fiji.nets` and JSON-able arguments.
    state_dict
        float32 weights on the CPU.
    mean, std
        Affine scale of the training data, raw units.
    out_mean, out_std
        The same of what it learnt to give; None: as the raw ones.
    per_image
        Whether each image is normalised by its own mean and standard deviation instead.
    channels
        Names of what it gives, where that is more than one channel.
    objects
        How objects are found in it ("minimum_size", pixels); empty for what has none.
    axes
        Spatial axes of a sample, "yx" or "zyx".
    sample
        A raw crop of the training data with these axes, each side a multiple of `divisor`: for test tensors and cover.
    history
        Loss of every step.
    validation
        Loss on held-out pixels, as (steps done, loss).
    provenance
        Method, paper, parameters, data hash, versions, device, figures: JSON values.
    """

    architecture: str
    kwargs: dict[str, Any]
    state_dict: dict[str, torch.Tensor]
    mean: float
    std: float
    axes: str
    sample: NDArray[Any]
    history: tuple[float, ...]
    validation: tuple[tuple[int, float], ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    per_image: bool = False
    channels: tuple[str, ...] = ()
    objects: Mapping[str, int] = field(default_factory=dict)
    out_mean: float | None = None
    out_std: float | None = None

    @property
    def out_scale(self) -> tuple[float, float]:
        """Standard deviation and mean of what it gives: `result * std + mean`."""
        mean = self.mean if self.out_mean is None else self.out_mean
        return (self.std if self.out_std is None else self.out_std), mean

    @property
    def halo(self) -> tuple[int, ...]:
        """Pixels that a tile needs around it, per axis of `axes`."""
        return halo(self.architecture, self.kwargs)

    @property
    def divisor(self) -> tuple[int, ...]:
        """What each size must be a multiple of, per axis of `axes`."""
        return divisor(self.architecture, self.kwargs)

    def network(self) -> torch.nn.Module:
        """Give the network with its weights, in evaluation mode, on the CPU."""
        network = build(self.architecture, self.kwargs)
        network.load_state_dict(self.state_dict)
        return network.eval()

    def weights_bytes(self) -> bytes:
        """Give the state dict as a file for `torch.load(..., weights_only=True)`."""
        buffer = io.BytesIO()
        torch.save(self.state_dict, buffer)
        return buffer.getvalue()

    def onnx_bytes(self) -> bytes:
        """Give the network as an ONNX model."""
        return to_onnx(self.architecture, self.kwargs, self.state_dict)

    def denoise(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Give the first channel of `outputs`."""
        first: NDArray[np.float32] = self.outputs(pixels)[0]
        return first

    def outputs(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Run the network on one whole sample, raw units in and out (`bioimg_fiji.predict` does large images by tiles).

        Parameters
        ----------
        pixels
            Any size, axes `axes`; it is padded by reflection to a multiple of `divisor`.

        Returns
        -------
        float32 (c, axes ...).
        """
        raw = np.asarray(pixels, np.float64)
        pads = [(0, -size % step) for size, step in zip(raw.shape, self.divisor, strict=True)]
        mean, std = (raw.mean(), raw.std() + 1e-6) if self.per_image else (self.mean, self.std)
        scaled = ((np.pad(raw, pads, mode="reflect") - mean) / std).astype(np.float32)
        with torch.inference_mode():
            output = self.network()(torch.from_numpy(scaled)[None, None])[0].numpy()
        window = (slice(None), *(slice(0, size) for size in raw.shape))
        gain, offset = self.out_scale
        result: NDArray[np.float32] = (output[window] * np.float32(gain) + np.float32(offset)).astype(np.float32)
        return result
