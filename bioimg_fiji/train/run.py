"""Train a model: check, look at the noise, run the loop, hand over the result."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import bioimg_fiji
from bioimg_fiji.errors import MissingPartError, ParameterError, TrainingError, UnsuitableMethodError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.nets import divisor
from bioimg_fiji.train import checkpoint as checkpoints
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.data import TrainingData
from bioimg_fiji.train.design import ARCHITECTURE, network_arguments
from bioimg_fiji.train.loop import Loop
from bioimg_fiji.train.method import Method
from bioimg_fiji.train.noise_check import Finding, Severity
from bioimg_fiji.train.registry import method_named
from bioimg_fiji.train.result import TrainedModel

_SAMPLE_SIDE = 256
_SAMPLE_DEPTH = 32
_FREE = ("device", "threads", "checkpoint_every", "force")
"""Parameters that may differ between a checkpoint and the run that resumes it."""


def train(
    images: Sequence[Image],
    config: TrainConfig,
    *,
    targets: Sequence[Image] = (),
    job: Job | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> TrainedModel:
    """Train a model on images.

    Parameters
    ----------
    images
        Raw images; see `bioimg_fiji.train.data.prepare` for what is a sample.
    config
        Parameters.
    targets
        What the images should become, one for each, for the methods that learn from pairs (care).
    job
        Receives progress (figures `loss` and `seconds_left`) and notes, and may cancel.
    checkpoint
        File that is rewritten every `config.checkpoint_every` steps.
    resume
        Go on from `checkpoint` if it is there. On the CPU every loss is then, bit for bit, that of a run never stopped.

    Raises
    ------
    UnsuitableMethodError
        When the noise does not suit the method and `config.force` is not set.
    ImageError, ImageTooSmallError, AxesError
        For images that cannot be trained on.
    TrainingError
        When a loss is not finite, or the checkpoint belongs to other data or parameters.
    JobCancelledError
        When the job was cancelled; the checkpoint then holds the last step.
    """
    job = job or Job()
    method = method_named(config.method)
    job.progress("Looking at the images")
    source = method.source(images, config, targets)
    findings = _look(method, images, config, targets, job)
    kwargs = network_arguments(source.data.smallest, source.in_channels, config, source.network)
    identity = {"config": _decisive(config), "data": source.data.sha256, "network": kwargs}
    device = _device(config.device)
    began = time.monotonic()
    state = _resumed(checkpoint, identity) if resume else {}
    with _threads(int(state.get("threads", config.threads))) as threads:
        loop = Loop(source, kwargs, config, device)
        if state:
            loop.restore(state)
            job.note(f"Resumed after step {loop.done}.")
        loop.run(job, checkpoint, {"identity": identity, "threads": threads})
    machine = {"device": _device_name(device), "threads": threads, "system": platform.system()}
    figures = {"seconds": time.monotonic() - began, "steps": loop.done, "last_loss": loop.history[-1]}
    if loop.validation:
        figures["validation_loss"] = loop.validation[-1][1]
    return TrainedModel(
        architecture=ARCHITECTURE,
        kwargs=kwargs,
        state_dict=loop.averaged_weights(),
        mean=(source.data.mean,),
        std=(source.data.std,),
        per_image=source.per_image,
        channels=source.channels,
        objects=dict(source.objects),
        out_mean=None if source.data.out_mean is None else (source.data.out_mean,),
        out_std=None if source.data.out_std is None else (source.data.out_std,),
        axes="zyx"[-config.dims :],
        sample=_sample(source.data, divisor(ARCHITECTURE, kwargs))[np.newaxis],
        history=tuple(loop.history),
        validation=tuple(loop.validation),
        provenance=_provenance(method, config, source.data, machine, figures)
        | {"findings": [{"code": f.code, "sentence": f.sentence, "figures": dict(f.figures)} for f in findings]},
    )


def _look(
    method: Method, images: Sequence[Image], config: TrainConfig, targets: Sequence[Image], job: Job
) -> list[Finding]:
    """Tell the user what speaks against the method; refuse when much does and the user has not said to go on."""
    findings = method.look(images, config, targets)
    for finding in findings:
        if finding.severity is Severity.UNSUITABLE and not config.force:
            raise UnsuitableMethodError(
                finding.sentence,
                fix="Choose another method, or set force to train all the same.",
                finding=finding.code,
                figures=dict(finding.figures),
            )
        job.note(finding.sentence)
    return findings


def _decisive(config: TrainConfig) -> dict[str, Any]:
    return {key: value for key, value in config.to_json().items() if key not in _FREE}


def _resumed(path: Path | None, identity: dict[str, Any]) -> dict[str, Any]:
    """Read the checkpoint to go on from; empty when the run was killed before its first one."""
    if path is None:
        raise ParameterError.of("checkpoint", "a file when resume is set", None)
    checkpoints.sweep(path)
    if not path.exists():
        return {}
    state = checkpoints.load(path)
    before = state["identity"]
    if before["data"] != identity["data"]:
        raise TrainingError(
            f"The checkpoint {path} was made with other images.",
            fix="Give the same images, or train without resuming.",
        )
    changed = [key for key, value in identity["config"].items() if before["config"].get(key) != value]
    if changed or before["network"] != identity["network"]:
        raise TrainingError(
            f"The checkpoint {path} was made with other parameters: {', '.join(changed) or 'network'}.",
            fix="Give the same parameters, or train without resuming.",
            changed=changed,
        )
    return state


def _device(name: str) -> torch.device:
    """Choose the device; one that was asked for and is not there is an error, never silently the CPU."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there[name]:
        raise MissingPartError(
            f"This computer has no {name} device that torch can use.", fix='Set device to "auto" or "cpu".'
        )
    return torch.device(name)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


@contextmanager
def _threads(count: int) -> Iterator[int]:
    """Use so many CPU threads (0: as many as torch does by itself) for the time of the training."""
    before = torch.get_num_threads()
    try:
        if count:
            torch.set_num_threads(count)
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def _sample(data: TrainingData, divisor: tuple[int, ...]) -> NDArray[Any]:
    """Cut the liveliest of the crops of the first, middle and last sample."""
    chosen = {0, len(data.samples) // 2, len(data.samples) - 1}
    crops = [crop for index in sorted(chosen) for crop in _crops(data.samples[index], divisor)]
    return np.ascontiguousarray(max(crops, key=lambda crop: float(np.std(crop))))


def _crops(sample: NDArray[Any], divisor: tuple[int, ...]) -> list[NDArray[Any]]:
    wanted = (_SAMPLE_DEPTH, _SAMPLE_SIDE, _SAMPLE_SIDE)[-sample.ndim :]
    sizes = [min(w, n) // d * d for w, n, d in zip(wanted, sample.shape, divisor, strict=True)]
    head = tuple(slice(0, size) for size in sizes[:-2])
    rows, columns = (range(0, n - s + 1, s) for n, s in zip(sample.shape[-2:], sizes[-2:], strict=True))
    return [
        sample[(*head, slice(row, row + sizes[-2]), slice(column, column + sizes[-1]))]
        for row in rows
        for column in columns
    ]


def _provenance(
    method: Method, config: TrainConfig, data: TrainingData, machine: dict[str, Any], figures: dict[str, float]
) -> dict[str, Any]:
    return {
        "method": method.name,
        "paper": method.paper,
        "parameters": config.to_json(),
        "data": {
            "sha256": data.sha256,
            "samples": len(data.samples),
            "smallest": list(data.smallest),
            "mean": data.mean,
            "std": data.std,
        },
        "machine": machine,
        "versions": {
            "bioimg-fiji": bioimg_fiji.__version__,
            "torch": str(torch.__version__),  # a subclass of str, which YAML refuses
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "figures": figures,
    }
