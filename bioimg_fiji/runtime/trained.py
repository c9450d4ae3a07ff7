"""A trained network with all that a package says about it: how its input is scaled, what it gives, in what unit."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bioimg_fiji.errors import ParameterError
from bioimg_fiji.nets import build, divisor, halo
from bioimg_fiji.package.attachments import TOLD_HEAD, TOLD_ONNX
from bioimg_fiji.runtime.adapter import Array
from bioimg_fiji.tiling import mirrored

if TYPE_CHECKING:
    from torch import nn

EPS = 1e-6
"""What is added to the standard deviation of an image that is normalised by its own."""


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork:
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
        Affine scale of the training data, raw units: one value for all channels, or one for each input channel.
    axes
        Spatial axes of a sample, "yx" or "zyx".
    sample
        A raw crop of the training data, axes "c" + `axes`, each spatial side a multiple of `divisor`: for test tensors
        and cover. For a window its channels are the frames.
    out_mean, out_std
        The affine scale of what it learnt to give, one value or one for each output channel; None: as the input.
    per_image
        Whether each image is normalised by its own mean and standard deviation instead, each channel by itself.
    input_channels
        Names of the input channels; for a window that of the movie's one.
    channels
        Names of what it gives; empty: as the input where there are as many.
    objects
        How objects are found in it ("minimum_size", pixels); empty for what has none.
    window
        k above 0: the input's channels are the frames t - k to t + k of a movie, the output is frame t.
    head
        Weights of a second head, which tells how far the output may be off (`bioimg_fiji.nets.told`); empty without.
    attachments
        What else the package is to have for our own runs, by name: JSON files about confidence and fit.

    Raises
    ------
    ParameterError
        When the numbers of channels do not belong together.
    """

    architecture: str
    kwargs: Mapping[str, Any]
    state_dict: Mapping[str, Any]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    axes: str
    sample: NDArray[Any]
    out_mean: tuple[float, ...] | None = None
    out_std: tuple[float, ...] | None = None
    per_image: bool = False
    input_channels: tuple[str, ...] = ("intensity",)
    channels: tuple[str, ...] = ()
    objects: Mapping[str, int] = field(default_factory=dict)
    window: int = 0
    head: Mapping[str, Any] = field(default_factory=dict)
    attachments: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inputs = 1 if self.window else self.in_channels
        gain, offset = self.result_scale
        counts = {
            "mean": (len(self.mean), {1, inputs}),
            "std": (len(self.std), {len(self.mean)}),
            "out_mean": (len(offset), {1, self.out_channels}),
            "out_std": (len(gain), {len(offset)}),
            "input_channels": (len(self.input_channels), {inputs}),
            "channels": (len(self.channels), {0, self.out_channels}),
        }
        for name, (found, allowed) in counts.items():
            if found not in allowed:
                expected = " or ".join(str(count) for count in sorted(allowed))
                raise ParameterError.of(name, f"{expected} values for this network", found)
        if self.window and self.in_channels != 2 * self.window + 1:
            raise ParameterError.of("window", f"({self.in_channels} - 1) / 2, for as many input channels", self.window)
        if self.sample.ndim != 1 + len(self.axes) or self.sample.shape[0] != self.in_channels:
            raise ParameterError.of("sample", f"{self.in_channels} x {' x '.join(self.axes)}", self.sample.shape)

    @property
    def in_channels(self) -> int:
        """Channels of the network's input; for a window its frames."""
        return int(self.kwargs.get("in_channels", 1))

    @property
    def out_channels(self) -> int:
        """Channels of what it gives."""
        return int(self.kwargs.get("out_channels", 1))

    @property
    def scale(self) -> tuple[int, ...]:
        """How many times larger the output is than the input, per axis of `axes`."""
        return tuple(int(factor) for factor in self.kwargs.get("out_scale") or (1,) * len(self.axes))

    @property
    def halo(self) -> tuple[int, ...]:
        """Input pixels that a tile needs around it, per axis of `axes`."""
        return halo(self.architecture, self.kwargs)

    @property
    def divisor(self) -> tuple[int, ...]:
        """What each size must be a multiple of, per axis of `axes`."""
        return divisor(self.architecture, self.kwargs)

    @property
    def result_scale(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Standard deviation and mean of what it gives, `result * std + mean`: one value, or one per output channel."""
        mean = self.mean if self.out_mean is None else self.out_mean
        return (self.std if self.out_std is None else self.out_std), mean

    @property
    def keeps_values(self) -> bool:
        """Whether the result is in the unit of the input."""
        return not self.objects and not self.per_image and self.result_scale == (self.std, self.mean)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Least and largest value of what it gives, to which it is clipped: probabilities have bounds."""
        return (0.0, 1.0) if self.objects else None

    @property
    def moments_over_channels(self) -> bool:
        """Whether, with `per_image`, one mean serves all channels of an image: for frames of a movie it does."""
        return self.window > 0 or self.in_channels == 1

    def network(self) -> nn.Module:
        """Give the network with its weights, in evaluation mode, on the CPU."""
        import torch

        with torch.random.fork_rng(devices=[]):  # the first, random weights are nobody's: the caller's numbers stay
            network = build(self.architecture, self.kwargs)
        network.load_state_dict(dict(self.state_dict))
        return network.eval()

    def weights_bytes(self) -> bytes:
        """Give the state dict as a file for `torch.load(..., weights_only=True)`."""
        return _saved(self.state_dict)

    def onnx_bytes(self) -> bytes:
        """Give the network as an ONNX model."""
        from bioimg_fiji.nets.export import to_onnx

        return to_onnx(self.architecture, self.kwargs, self.state_dict)

    def told_bytes(self) -> dict[str, bytes]:
        """Give the attachments by which runs of the package tell more than its output (`bioimg_fiji.runtime.told`)."""
        from bioimg_fiji.nets.export import to_told_onnx

        network = to_told_onnx(self.architecture, self.kwargs, {**self.state_dict, **self.head})
        return {TOLD_ONNX: network, **({TOLD_HEAD: _saved(self.head)} if self.head else {})}

    def denoise(self, pixels: Array) -> NDArray[np.float32]:
        """Run the network on one whole image.

        Parameters
        ----------
        pixels
            Raw values, axes `axes`, or ("c" +) `axes` for a network of several channels; for a window a movie,
            ("t" +) `axes`, whose frames are mirrored at its ends.

        Returns
        -------
        float32 of the same axes; of one input channel and several output channels the first output.
        """
        if not self.window:
            result = self.outputs(pixels)
            return result if self.in_channels > 1 else result[0]
        network, count = self.network(), len(pixels)
        frames = (pixels[mirrored(t - self.window, t + self.window + 1, count)] for t in range(count))
        return np.stack([self._outputs(network, each)[0] for each in frames])

    def of_normalised(self) -> Self:
        """Give the network for values that are normalised already; its output is not clipped."""
        return replace(self, per_image=False, mean=(0.0,), std=(1.0,), objects={})

    def told(self) -> ToldNetwork:
        """Give the network that tells more than its output, to be run on several samples."""
        return ToldNetwork(self)

    def outputs(self, pixels: Array) -> NDArray[np.float32]:
        """Run the network on one whole sample, raw units in and out (`bioimg_fiji.predict` does large images by tiles).

        Parameters
        ----------
        pixels
            Any size, axes ("c" +) `axes`, or `axes` where there is one channel; it is padded by reflection to a
            multiple of `divisor`. For a window the channels are its frames.

        Returns
        -------
        float32, axes ("c" +) `axes`, each spatial size times that of `scale`.
        """
        return self._outputs(self.network(), pixels)

    def _outputs(self, network: nn.Module, pixels: Array) -> NDArray[np.float32]:
        return self._scaled_back(self._computed(network, pixels)[0])

    def _scaled_back(self, output: Array, *, centred: bool = False) -> NDArray[np.float32]:
        """Give values in the result's unit; `centred` are differences, which no offset belongs to."""
        gain, offset = (self._along(values).astype(np.float32) for values in self.result_scale)
        result: NDArray[np.float32] = output * gain if centred else output * gain + offset
        return result if centred or self.bounds is None else np.clip(result, *self.bounds)

    def _computed(self, network: nn.Module, pixels: Array) -> list[Array]:
        """Give what the network makes of a sample: outputs as large as belongs to it, and other arrays as they are."""
        import torch

        raw = np.asarray(pixels)
        raw = raw[np.newaxis] if raw.ndim == len(self.axes) else raw
        if raw.ndim != 1 + len(self.axes) or raw.shape[0] != self.in_channels:
            raise ParameterError.of("pixels", f"{self.in_channels} x {' x '.join(self.axes)}", np.shape(pixels))
        pads = [(0, 0), *((0, -size % step) for size, step in zip(raw.shape[1:], self.divisor, strict=True))]
        scaled = np.pad(self.normalised(raw), pads, mode="reflect")
        with torch.inference_mode():
            found = network(torch.from_numpy(scaled)[None])
        whole = (slice(None), *(slice(0, n * factor) for n, factor in zip(raw.shape[1:], self.scale, strict=True)))
        arrays = [found] if isinstance(found, torch.Tensor) else list(found)
        return [each.numpy() if each.ndim == 2 else each[0].numpy()[whole] for each in arrays]

    def normalised(self, raw: Array) -> NDArray[np.float32]:
        """Give what the network sees of raw values, axes ("c" +) `axes`."""
        values = np.asarray(raw, np.float64)
        if not self.per_image:
            return ((values - self._along(self.mean)) / self._along(self.std)).astype(np.float32)
        over = tuple(range(0 if self.moments_over_channels else 1, values.ndim))
        mean, std = values.mean(axis=over, keepdims=True), values.std(axis=over, keepdims=True)
        result: NDArray[np.float32] = ((values - mean) / (std + EPS)).astype(np.float32)
        return result

    def _along(self, values: tuple[float, ...]) -> NDArray[np.float64]:
        """Give values that broadcast over the channels."""
        return np.asarray(values, np.float64).reshape(-1, *(1 for _ in self.axes))


class ToldNetwork:
    """A trained network that tells more than its output; on the CPU, one whole sample at a time.

    Parameters
    ----------
    trained
        The network.
    """

    def __init__(self, trained: TrainedNetwork) -> None:
        from bioimg_fiji.nets.told import told

        self._trained = trained
        weights = {**trained.state_dict, **trained.head}
        self._network = told(trained.architecture, trained.kwargs, weights).eval()

    def computed(self, pixels: Array) -> list[Array]:
        """Give what the network makes of a sample, normalised: output, spread where a head was learnt, features."""
        return self._trained._computed(self._network, pixels)  # noqa: SLF001 - two halves of one thing

    def run(self, pixels: Array) -> Telling:
        """Run it on a sample as for `TrainedNetwork.outputs`."""
        trained, arrays = self._trained, self.computed(pixels)
        spread = trained._scaled_back(arrays[1], centred=True) if trained.head else None  # noqa: SLF001
        return Telling(trained._scaled_back(arrays[0]), spread, arrays[-1])  # noqa: SLF001


class Telling(NamedTuple):
    """What a network tells of a sample.

    Output and, where a head was learnt, standard deviations: in the result's unit, of one shape. Features have the axes
    (blocks, channels).
    """

    output: NDArray[np.float32]
    spread: NDArray[np.float32] | None
    features: NDArray[np.float32]


def _saved(weights: Mapping[str, Any]) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(dict(weights), buffer)
    return buffer.getvalue()
